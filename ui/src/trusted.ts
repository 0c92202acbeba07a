// The two scripts of our own that run beside a page. The page's policy takes no other address for one.
import hub from './events/worker.ts?sharedworker&url';

const ours = { hub, worker: '/sw.js' };
const policy = (globalThis as { trustedTypes?: { createPolicy(name: string, rules: object): { createScriptURL(url: string): string } } })
  .trustedTypes?.createPolicy('vestibule', {
    createScriptURL: (url: string) => {
      if (!Object.values(ours).includes(url)) throw new TypeError(`not a script of ours: ${url}`);
      return url;
    },
  });

export const script = (which: keyof typeof ours): string => policy?.createScriptURL(ours[which]) ?? ours[which];
