// The one stream of this browser, however many tabs: it runs in a shared worker, or in the tab that leads.
import { channelName, lockOf, type Tab, type Told, type Topic } from './words';

const kKept = 200;             // decisions, for a tab that comes later
const kAlone = 10 * 60_000;    // ms without a hand on any tab: then nothing is opened anew
const kSilent = 50_000;        // ms without a sign of life: the line is dead
const topics: Topic[] = ['me', 'sessions', 'factors', 'notices', 'stops', 'policy', 'approvals', 'keys', 'mandates'];

export function runHub(): void {
  const channel = new BroadcastChannel(channelName);
  const tabs = new Map<string, Tab>();
  let touched = Date.now();
  let open: { session: string; decisions: boolean; abort: AbortController } | null = null;
  let kept: unknown[] = [];
  let refused = '';              // the wish that the gateway will not hear again, for a while
  let refusedAt = 0;
  let wait = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const say = (told: Told) => channel.postMessage(told);

  const wish = () => {
    const live = [...tabs.values()].filter((tab) => tab.session);
    const session = live.at(-1)?.session ?? null;
    return session ? { session, decisions: live.some((tab) => tab.decisions && tab.session === session) } : null;
  };
  const key = (w: { session: string; decisions: boolean } | null) => (w ? `${w.session} ${w.decisions}` : '');

  const settle = () => {
    const wanted = wish();
    if (key(wanted) === key(open)) return;
    clearTimeout(timer);
    open?.abort.abort();
    if (open?.session !== wanted?.session) kept = [];
    open = null;
    if (!wanted || key(wanted) === refused) return;
    refused = '';
    const abort = new AbortController();
    open = { ...wanted, abort };
    void run(open);
  };
  const again = () => {
    if (Date.now() - touched > kAlone) return;  // the next touch does it
    clearTimeout(timer);
    timer = setTimeout(() => {
      timer = undefined;
      settle();
    }, wait * (0.75 + Math.random() / 2));
    wait = Math.min(60_000, Math.max(1000, wait * 2));
  };

  async function run(mine: NonNullable<typeof open>): Promise<void> {
    const here = () => open === mine;
    let why = '';
    let dead: ReturnType<typeof setTimeout> | undefined;
    const alive = () => {
      clearTimeout(dead);
      dead = setTimeout(() => mine.abort.abort(), kSilent);
    };
    try {
      alive();
      const response = await fetch(`/v1/events${mine.decisions ? '?decisions=1' : ''}`, {
        signal: mine.abort.signal, credentials: 'same-origin', cache: 'no-store', redirect: 'error', headers: { Accept: 'text/event-stream' },
      });
      if (!response.ok) {
        // What a wait mends is tried again; everything else waits for a tab to wish something new.
        if (response.status < 500 && response.status !== 429) why = response.headers.get('Vestibule-Reason') ?? 'refused';
        return;
      }
      say({ tell: 'line', up: true });
      wait = 0;
      let anew = mine.decisions;
      let decided: unknown[] = [];
      let changed = new Set<Topic>();
      const flush = () => {
        if (decided.length > 0) {
          kept = [...(anew ? [] : kept), ...decided].slice(-kKept);
          say({ tell: 'decisions', list: decided, anew });
          anew = false;
          decided = [];
        }
        if (changed.size > 0) say({ tell: 'changed', topics: [...changed] });
        changed = new Set();
      };
      const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
      let buffer = '';
      for (;;) {
        const { done, value } = await reader.read();
        if (done || !here()) return;
        alive();
        buffer += value;
        let end: number;
        while ((end = buffer.indexOf('\n\n')) >= 0) {
          const event = /^event: (.*)$/m.exec(buffer.slice(0, end))?.[1] ?? '';
          const data = /^data: (.*)$/m.exec(buffer.slice(0, end))?.[1] ?? '{}';
          buffer = buffer.slice(end + 2);
          if (event === 'decision') decided.push(JSON.parse(data));
          else if (event === 'gap') say({ tell: 'gap' });
          else if (event === 'hello') for (const topic of topics) changed.add(topic);  // what came before is not known
          else if (event === 'ended') why = (JSON.parse(data) as { reason: string }).reason;
          else if (topics.includes(event as Topic)) changed.add(event as Topic);
        }
        flush();
      }
    } catch { /* the line broke, or we closed it */ } finally {
      clearTimeout(dead);
      if (here()) {
        open = null;
        say({ tell: 'line', up: false });
        if (why && !['shutting_down', 'store_unavailable', 'overloaded'].includes(why)) {
          refused = key(mine);
          refusedAt = Date.now();
          say({ tell: 'ended', reason: why, decisions: mine.decisions });
          // Without the log one may still hear of one's own.
          for (const tab of tabs.values()) tab.decisions = false;
          if (mine.decisions) settle();
        } else again();
      }
    }
  }

  const leave = (tab: string) => {
    if (tabs.delete(tab)) settle();
  };
  channel.onmessage = ({ data }: MessageEvent<Tab | Told>) => {
    if (!('from' in data)) return;
    touched = Date.now();
    if (data.gone) return leave(data.from);
    const known = tabs.get(data.from);
    if (!known && navigator.locks) void navigator.locks.request(lockOf(data.from), () => leave(data.from));
    const asks = data.decisions && !known?.decisions;
    if (known?.session !== data.session || asks || Date.now() - refusedAt > 60_000) refused = '';
    tabs.set(data.from, data);
    const before = open;
    settle();
    if (!open && !timer) again();
    if (asks && open && open === before && open.decisions) say({ tell: 'decisions', list: kept, anew: true, to: data.from });
  };
  say({ tell: 'who' });
}
