// The service worker: rings, and says honestly that there is no connection. It keeps no reply of the
// gateway, and no page but the one that says so.
import { bell } from './strings';

interface Waiting extends Event { waitUntil(done: Promise<unknown>): void }
interface Pushed extends Waiting { data: { text(): string } | null }
interface Fetched extends Event { request: Request; respondWith(response: Promise<Response>): void }
interface Clicked extends Waiting { notification: Notification }
interface Window { url: string; visibilityState: string; focus(): Promise<unknown>; postMessage(data: unknown): void }
const worker = self as unknown as {
  addEventListener(type: string, run: (event: never) => void): void;
  skipWaiting(): Promise<void>;
  registration: { showNotification(title: string, options: object): Promise<void> };
  clients: { claim(): Promise<void>; matchAll(options: object): Promise<Window[]>; openWindow(url: string): Promise<unknown> };
};

const kept = 'offline-1';
const offline = ['/offline.html', '/offline.css', '/icon.svg'];

worker.addEventListener('install', (event: Waiting) => {
  event.waitUntil(caches.open(kept).then((cache) => cache.addAll(offline)).then(() => worker.skipWaiting()));
});
worker.addEventListener('activate', (event: Waiting) => {
  const old = caches.keys().then((names) => Promise.all(names.filter((name) => name !== kept).map((name) => caches.delete(name))));
  event.waitUntil(old.then(() => worker.clients.claim()));
});

// Everything comes from the gateway or not at all; only where it cannot be reached the page that says so.
// What passes through here looks to the gateway like a script's own request, whoever began it: so nothing
// does but the portal's one page, which holds no data, and the three files above.
worker.addEventListener('fetch', (event: Fetched) => {
  const { pathname } = new URL(event.request.url);
  const page = event.request.mode === 'navigate' && event.request.method === 'GET' && pathname === '/';
  if (!page && !(event.request.mode !== 'navigate' && offline.includes(pathname))) return;
  event.respondWith(fetch(event.request).catch(async () => (await caches.match(page ? '/offline.html' : pathname)) ?? Response.error()));
});

// A push says nothing of who or what: the page shows that, to whoever holds the device's key.
async function pushed(text: string): Promise<void> {
  let said: { v?: number; type?: string; code?: string } = {};
  try {
    said = JSON.parse(text) as typeof said;
  } catch { /* rings all the same */ }
  const windows = await worker.clients.matchAll({ type: 'window', includeUncontrolled: true });
  for (const window of windows) window.postMessage({ push: said.type ?? '', ...(said.type === 'enrol' ? { code: said.code } : {}) });
  if (said.type === 'enrol' && windows.some((window) => window.visibilityState === 'visible')) return;
  const [title, body, to] = said.type === 'prompt' ? [bell.prompt, bell.promptBody, '/#/inbox']
    : said.type === 'notice' ? [bell.notice, bell.noticeBody, '/#/notices'] : said.type === 'enrol' ? [bell.enrol, bell.enrolBody, '/#/devices'] : [bell.other, bell.otherBody, '/#/inbox'];
  await worker.registration.showNotification(title, {
    body, tag: said.type ?? 'other', renotify: true, icon: '/icon-192.png', badge: '/badge.png', data: to, requireInteraction: said.type === 'prompt',
  });
}
worker.addEventListener('push', (event: Pushed) => { event.waitUntil(pushed(event.data?.text() ?? '')); });

worker.addEventListener('notificationclick', (event: Clicked) => {
  event.notification.close();
  const to = String(event.notification.data ?? '/#/inbox');
  event.waitUntil(worker.clients.matchAll({ type: 'window', includeUncontrolled: true }).then((windows) => {
    const there = windows.find((window) => window.url.endsWith(to));
    return there ? there.focus() : worker.clients.openWindow(to);
  }));
});
