// A push service on this machine (RFC 8030) that opens what it is given (RFC 8291), and hands it to a
// browser's service worker through the DevTools: what no vendor's service can do in a test.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import http from 'node:http';
import { sleep } from './gateway.mjs';

const hkdf = (salt, key, info, size) => Buffer.from(crypto.hkdfSync('sha256', key, salt, info, size));

export class PushService {
  static async start() {
    const it = new PushService();
    it.ecdh = crypto.createECDH('prime256v1');
    it.ecdh.generateKeys();
    it.auth = crypto.randomBytes(16);
    it.messages = [];
    it.seen = [];
    it.server = http.createServer((request, response) => {
      const parts = [];
      request.on('data', (data) => parts.push(data));
      request.on('end', () => {
        const raw = Buffer.concat(parts);
        it.seen.push({ headers: request.headers, raw });
        it.messages.push(it.open(raw));
        response.writeHead(201, { Location: '/m/1' }).end();
      });
    }).listen(0, '127.0.0.1');
    await new Promise((done) => it.server.once('listening', done));
    it.endpoint = `http://127.0.0.1:${it.server.address().port}/push/one`;
    return it;
  }
  /// As PushSubscription.toJSON() gives it.
  get subscription() {
    return { endpoint: this.endpoint, expirationTime: null, keys: { p256dh: this.ecdh.getPublicKey().toString('base64url'), auth: this.auth.toString('base64url') } };
  }
  open(raw) {
    const salt = raw.subarray(0, 16);
    const theirs = raw.subarray(21, 21 + raw[20]);
    const body = raw.subarray(21 + raw[20]);
    const info = Buffer.concat([Buffer.from('WebPush: info\0'), this.ecdh.getPublicKey(), theirs]);
    const key = hkdf(this.auth, this.ecdh.computeSecret(theirs), info, 32);
    const cipher = crypto.createDecipheriv('aes-128-gcm', hkdf(salt, key, Buffer.from('Content-Encoding: aes128gcm\0'), 16),
                                           hkdf(salt, key, Buffer.from('Content-Encoding: nonce\0'), 12));
    cipher.setAuthTag(body.subarray(body.length - 16));
    const plain = Buffer.concat([cipher.update(body.subarray(0, body.length - 16)), cipher.final()]);
    return plain.subarray(0, plain.lastIndexOf(2)).toString();
  }
  /// The next message of this type; those before it are passed over.
  async next(type, within = 45_000) {
    for (const until = Date.now() + within; ; await sleep(50)) {
      while (this.messages.length > 0) {
        const message = this.messages.shift();
        if (JSON.parse(message).type === type) return message;
      }
      assert.ok(Date.now() < until, `no push of type ${type} came`);
    }
  }
  close() { this.server.close(); }
}

/// Makes pages of this context subscribe there; gives a function that delivers a message to the worker.
export async function useService(at, gateway, service) {
  await at.context.grantPermissions(['notifications', 'clipboard-read', 'clipboard-write'], { origin: gateway.portal });
  await at.context.addInitScript((subscription) => {
    if (globalThis.Notification) Object.defineProperty(Notification, 'requestPermission', { value: async () => 'granted' });
    if (!globalThis.PushManager) return;
    PushManager.prototype.getSubscription = async () => null;
    PushManager.prototype.subscribe = async () => ({ toJSON: () => subscription });
  }, service.subscription);
  const cdp = await at.context.newCDPSession(at.page);
  let registration;
  cdp.on('ServiceWorker.workerRegistrationUpdated', ({ registrations }) => {
    registration = registrations.find((r) => !r.isDeleted && r.scopeURL.startsWith(gateway.portal))?.registrationId ?? registration;
  });
  await cdp.send('ServiceWorker.enable');
  // The DevTools say nothing of what becomes of a push, and one that meets a worker that is just being stopped is lost:
  // it is delivered until the worker has told its page.
  return async (data) => {
    for (const until = Date.now() + 45_000; !registration; await sleep(50)) assert.ok(Date.now() < until, 'no service worker');
    for (const until = Date.now() + 45_000; ;) {
      await at.page.evaluate(() => {
        globalThis.told = new Promise((done) => navigator.serviceWorker.addEventListener('message', () => done(true), { once: true }));
      });
      await cdp.send('ServiceWorker.deliverPushMessage', { origin: gateway.portal, registrationId: registration, data });
      const told = at.page.evaluate(() => globalThis.told).catch(() => false);
      if (await Promise.race([told, sleep(10_000)])) return;
      assert.ok(Date.now() < until, 'the service worker told its page of no push');
    }
  };
}
