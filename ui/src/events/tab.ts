// A tab's end of the one stream: what it shows goes to the hub, what has changed comes back.
import { script } from '../trusted';
import { runHub } from './hub';
import { channelName, lockOf, type Told, type Topic } from './words';

export type { Topic } from './words';
type Listener = (told: Told) => void;

const me = crypto.randomUUID();
const listeners = new Set<Listener>();
let channel: BroadcastChannel | null = null;
let session: string | null = null;
let following = 0;
let said = 0;
let known = typeof navigator.locks === 'undefined';  // to the lock manager, by which the hub sees tabs go

const say = (gone = false) => {
  if (!known) return;
  said = Date.now();
  channel?.postMessage({ from: me, session, decisions: following > 0, ...(gone ? { gone } : {}) });
};

function begin(): void {
  if (channel || typeof BroadcastChannel === 'undefined') return;
  channel = new BroadcastChannel(channelName);
  channel.onmessage = ({ data }: MessageEvent<Told>) => {
    if (!('tell' in data)) return;  // another tab speaks to the hub
    if (data.tell === 'who') return say();
    if (data.tell === 'decisions' && data.to && data.to !== me) return;
    for (const listener of listeners) listener(data);
  };
  // Held as long as this tab lives: the hub sees it go, however it goes.
  void navigator.locks?.request(lockOf(me), () => {
    known = true;
    say();
    return new Promise(() => {});
  });
  addEventListener('pagehide', () => say(true));
  addEventListener('pageshow', (e) => { if (e.persisted) say(); });
  const touch = () => { if (session && Date.now() - said > 30_000) say(); };
  for (const hand of ['pointerdown', 'keydown', 'focus'] as const) addEventListener(hand, touch, { passive: true });
  if (typeof SharedWorker !== 'undefined') new SharedWorker(script('hub'), { name: 'vestibule' }).port.start();
  else if (navigator.locks) void navigator.locks.request('vestibule-leads', () => { runHub(); return new Promise(() => {}); });
  else runHub();
}

/// Whose session this tab shows; null: nobody's.
export function show(of: string | null): void {
  if (of === session && channel) return;
  session = of;
  if (of) begin();
  say();
}

export function listen(listener: Listener): () => void {
  listeners.add(listener);
  return () => { listeners.delete(listener); };
}

/// Calls when one of these is to be looked at again: a hidden tab waits until it is seen, since looking is
/// activity of the session.
export function changed(topics: Topic[], then: () => void): () => void {
  let due = false;
  const run = () => {
    if (!due || document.hidden) return;
    due = false;
    then();
  };
  document.addEventListener('visibilitychange', run);
  const off = listen((told) => {
    if (told.tell !== 'changed' || !told.topics.some((topic) => topics.includes(topic))) return;
    due = true;
    run();
  });
  return () => {
    off();
    document.removeEventListener('visibilitychange', run);
  };
}

/// The log as it grows, until the function that this gives is called.
export function follow(listener: Listener): () => void {
  const off = listen(listener);
  ++following;
  say();
  return () => {
    off();
    --following;
    say();
  };
}
