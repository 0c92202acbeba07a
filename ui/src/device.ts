// This browser as a device that answers questions: a key that cannot leave it, and a bell that only rings.
import { Refusal, look, plain, refusalOf } from './api';
import { t } from './strings';

export interface Device { id: string; name: string; key: CryptoKey }
export interface Prompt {
  id: string; operation: string; object: string; what: string; user: string; source: string; client: string; created: string;
  expires: string; match: 'type' | 'choose'; choices?: string[];
}
export interface Inbox { prompts: Prompt[]; version: number | string }
export type Verdict = 'approve' | 'decline' | 'not_me';

// ------------------------------------------------------------------------------------------ what is kept

function database(): Promise<IDBDatabase> {
  return new Promise((done, failed) => {
    const request = indexedDB.open('vestibule', 1);
    request.onupgradeneeded = () => request.result.createObjectStore('devices', { keyPath: 'id' });
    request.onsuccess = () => done(request.result);
    request.onerror = () => failed(request.error ?? new Error('indexedDB'));
  });
}
async function store<T>(mode: IDBTransactionMode, run: (devices: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const db = await database();
  try {
    return await new Promise<T>((done, failed) => {
      const transaction = db.transaction('devices', mode);
      const request = run(transaction.objectStore('devices'));
      transaction.oncomplete = () => done(request.result);
      transaction.onerror = transaction.onabort = () => failed(transaction.error ?? new Error('indexedDB'));
    });
  } finally {
    db.close();
  }
}
export const devices = (): Promise<Device[]> => store('readonly', (all) => all.getAll() as IDBRequest<Device[]>).catch(() => []);
export const forget = (id: string) => store('readwrite', (all) => all.delete(id));

// ---------------------------------------------------------------------------------------------- signing

const base64url = (bytes: ArrayBuffer | Uint8Array) =>
  btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');

async function sign(key: CryptoKey, lines: string[]): Promise<string> {
  return base64url(await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, key, new TextEncoder().encode(lines.join('\n'))));
}

/// The gateway's clock decides how old a signature is, and not every device has a right one.
let ahead = 0;
async function signed<T>(path: string, key: CryptoKey, body: (time: number) => { say: Record<string, unknown>; lines: string[] }, signal?: AbortSignal): Promise<T> {
  for (let again = false; ; again = true) {
    const time = Date.now() - ahead;
    const { say, lines } = body(time);
    let response: Response;
    try {
      response = await fetch(path, {
        method: 'POST', signal, credentials: 'same-origin', cache: 'no-store', redirect: 'error', headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ ...say, time, signature: await sign(key, lines) }),
      });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new Refusal('network', 0, t.reasons.network!);
    }
    if (response.ok) return (await response.json()) as T;
    const told = Date.parse(response.headers.get('Date') ?? '');
    const off = Date.now() - told;
    if (!again && told && Math.abs(off - ahead) > 20_000) {
      ahead = off;
      continue;
    }
    throw await refusalOf(response);
  }
}

export const inbox = (device: Device, version: Inbox['version'] | undefined, signal: AbortSignal) =>
  signed<Inbox>('/v1/devices/inbox', device.key, (time) => ({
    say: { device: device.id, ...(version === undefined ? {} : { version }) },
    lines: ['vestibule/push/inbox/v1', device.id, String(time)],
  }), signal);

export const answer = (device: Device, prompt: string, verdict: Verdict, digits = '') =>
  signed<{ state: string }>('/v1/devices/answer', device.key, (time) => ({
    say: { device: device.id, prompt, verdict, ...(digits ? { digits } : {}) },
    lines: ['vestibule/push/answer/v1', device.id, prompt, verdict, digits, String(time)],
  }));

// -------------------------------------------------------------------------------------------- enrolment

/// Can this browser be a device? Whether a bell reaches it is another matter: there is always the inbox.
export const able = () => typeof indexedDB !== 'undefined' && !!globalThis.crypto?.subtle;

/// The browser's push service, if there is one and the person allows it; otherwise the inbox alone.
async function subscribe(): Promise<string | undefined> {
  if (!('serviceWorker' in navigator) || typeof Notification === 'undefined' || typeof PushManager === 'undefined') return undefined;
  try {
    if ((await Notification.requestPermission()) !== 'granted') return undefined;
    const { application_server_key: key } = await look<{ application_server_key: string }>('/v1/push/key');
    const registration = await navigator.serviceWorker.ready;
    const subscription = await (await registration.pushManager.getSubscription()
      ?? registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key }));
    return JSON.stringify(subscription.toJSON());
  } catch {
    return undefined;
  }
}

/// The code that comes by the bell shows that the bell is this browser's.
function rung(expires: string): { code: Promise<string>; stop: () => void } {
  let stop = () => {};
  const code = new Promise<string>((done, failed) => {
    const hear = ({ data }: MessageEvent<{ push?: string; code?: string }>) => {
      if (data.push === 'enrol' && data.code) done(data.code);
    };
    navigator.serviceWorker.addEventListener('message', hear);
    navigator.serviceWorker.startMessages();
    const late = setTimeout(() => failed(new Refusal('push_silent', 0, '')), Math.min(60_000, Date.parse(expires) - Date.now()));
    stop = () => {
      navigator.serviceWorker.removeEventListener('message', hear);
      clearTimeout(late);
    };
  });
  return { code, stop: () => stop() };
}

/// Enrols this browser; gives what `/confirm` answers. `waiting` is told that the bell is to ring now.
export async function enrol<T>(name: string, entitled: object, bell: 'ring' | 'inbox', waiting: () => void): Promise<T> {
  const { publicKey, privateKey } = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign', 'verify']);
  const subscription = bell === 'ring' ? await subscribe() : undefined;
  // Listened for before it is asked for: it may be quicker than the reply.
  const heard = subscription ? rung(new Date(Date.now() + 60_000).toISOString()) : null;
  heard?.code.catch(() => {});
  try {
    const begun = await plain<{ id: string; nonce: string; pushed: boolean }>('/v1/factors/push', {
      label: name, public_key: base64url(await crypto.subtle.exportKey('raw', publicKey)), ...(subscription ? { subscription } : {}), ...entitled,
    });
    if (begun.pushed) waiting();
    const code = begun.pushed && heard ? await heard.code : '';
    const signature = await sign(privateKey, ['vestibule/push/enrol/v1', begun.id, begun.nonce, code]);
    const confirmed = await plain<T>(`/v1/factors/${begun.id}/confirm`, { code: JSON.stringify({ signature, ...(code ? { push_code: code } : {}) }) });
    await store('readwrite', (all) => all.put({ id: begun.id, name, key: privateKey } satisfies Device));
    return confirmed;
  } finally {
    heard?.stop();
  }
}

// ------------------------------------------------------------------------------------- the asking side

export type Kind = 'push' | 'push_choice';
export interface Asked { kind: Kind; challenge: string; digits: string; expires: string }

/// `push_choice`: one number of three, where the gateway offers it; where it does not any more, six digits.
export async function ask(kind: Kind, operation: string, object = ''): Promise<Asked> {
  try {
    const begun = await plain<{ challenge: string; options: string; expires: string }>('/v1/challenges', { kind, operation, ...(object ? { object } : {}) });
    const { digits = '' } = JSON.parse(begun.options) as { digits?: string };
    return { kind, challenge: begun.challenge, digits, expires: begun.expires };
  } catch (error) {
    if (kind === 'push_choice' && error instanceof Refusal && error.code === 'push_digits') return ask('push', operation, object);
    throw error;
  }
}

/// Until the device has answered; a refusal if it did not say yes.
export async function answered(asked: Asked, signal: AbortSignal): Promise<void> {
  for (;;) {
    if (signal.aborted) throw new Refusal('aborted', 0, '');
    const { state } = await plain<{ state: string }>(`/v1/challenges/${asked.challenge}/wait`, {}, signal);
    if (state === 'approved') return;
    if (state !== 'waiting') throw new Refusal(`push_${state}`, 0, '');
  }
}
