// A push device: a WebCrypto key as a browser keeps it, and a subscription whose messages are decrypted by
// an independent library (http_ece). And the push service that it subscribes to.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import http from 'node:http';
import ece from 'http_ece';

const base64url = (bytes) => Buffer.from(bytes).toString('base64url');

// Answers what a test wants, and keeps what it got.
export class PushService {
  static async start(answer = () => ({ status: 201 })) {
    const service = new PushService();
    service.answer = answer;
    service.requests = [];
    service.waiting = [];
    service.server = http.createServer((request, response) => {
      const parts = [];
      request.on('data', (data) => parts.push(data));
      request.on('end', () => {
        const got = { path: request.url, headers: request.headers, body: Buffer.concat(parts), at: Date.now() };
        const n = service.requests.push(got) - 1;
        for (const wake of service.waiting.splice(0)) wake();
        const { status, headers = {}, hang } = service.answer(got, n);
        if (hang) return;
        response.writeHead(status, headers).end();
      });
    });
    await new Promise((done) => service.server.listen(0, '127.0.0.1', done));
    service.origin = `http://127.0.0.1:${service.server.address().port}`;
    return service;
  }
  // The n-th request, when it has come.
  async request(n, limit = 45_000) {
    const until = Date.now() + limit;
    while (this.requests.length <= n) {
      const left = until - Date.now();
      if (left <= 0) throw new Error(`request ${n} has not come`);
      await Promise.race([new Promise((done) => this.waiting.push(done)), new Promise((done) => setTimeout(done, left).unref())]);
    }
    return this.requests[n];
  }
  // The first request from the n-th on of which this holds.
  async find(holds, n = 0) {
    for (;; ++n) {
      const got = await this.request(n);
      if (holds(got)) return got;
    }
  }
  close() {
    this.server.closeAllConnections();
    return new Promise((done) => this.server.close(done));
  }
}

export class Device {
  static async make() {
    const device = new Device();
    device.keys = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign', 'verify']);
    device.publicKey = base64url(await crypto.subtle.exportKey('raw', device.keys.publicKey));
    device.ecdh = crypto.createECDH('prime256v1');
    device.ecdh.generateKeys();
    device.auth = crypto.randomBytes(16);
    return device;
  }
  async sign(...lines) {
    const text = new TextEncoder().encode(lines.join('\n'));
    return base64url(await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, this.keys.privateKey, text));
  }
  subscription(service, path = '/push/1') {
    return JSON.stringify({
      endpoint: service.origin + path, expirationTime: null,
      keys: { p256dh: base64url(this.ecdh.getPublicKey()), auth: base64url(this.auth) },
    });
  }
  // What a message says, and that it came as RFC 8030, 8188, 8291 and 8292 have it.
  read(request, service, applicationServerKey) {
    const { headers, body } = request;
    assert.equal(headers['content-encoding'], 'aes128gcm');
    assert.match(headers.ttl, /^\d+$/);
    assert.match(headers.urgency, /^(normal|high)$/);
    if (headers.topic) assert.match(headers.topic, /^[A-Za-z0-9_-]{1,32}$/);
    const [, token, key] = /^vapid t=([^,]+), k=(.+)$/.exec(headers.authorization);
    assert.equal(key, applicationServerKey);
    const [head, claims, signature] = token.split('.');
    const { aud, exp, sub } = JSON.parse(Buffer.from(claims, 'base64url'));
    assert.equal(aud, service.origin);
    assert.ok(exp > Date.now() / 1000 && exp <= Date.now() / 1000 + 12 * 3600);
    assert.match(sub, /^(mailto:|https?:)/);
    const raw = Buffer.from(key, 'base64url');
    const jwk = { kty: 'EC', crv: 'P-256', x: base64url(raw.subarray(1, 33)), y: base64url(raw.subarray(33)) };
    const verifier = { key: crypto.createPublicKey({ key: jwk, format: 'jwk' }), dsaEncoding: 'ieee-p1363' };
    assert.ok(crypto.verify('sha256', Buffer.from(`${head}.${claims}`), verifier, Buffer.from(signature, 'base64url')));
    const plain = ece.decrypt(body, { version: 'aes128gcm', privateKey: this.ecdh, authSecret: base64url(this.auth) });
    return JSON.parse(plain.toString());
  }
  // The first message of this type from the n-th request on.
  hears(service, key, type, n = 0) {
    return service.find((request) => this.read(request, service, key).type === type, n);
  }
  // Enrols for the person, with a code of theirs; with a service, by push.
  async enrol(gateway, person, service, path) {
    const wish = { label: 'phone', public_key: this.publicKey, code: await person.totp.next() };
    const from = service?.requests.length;
    if (service) wish.subscription = this.subscription(service, path);
    const begun = await gateway.api('POST', '/v1/factors/push', wish, person);
    assert.equal(begun.kind, 'push');
    assert.equal(begun.pushed, Boolean(service));
    this.id = begun.id;
    const confirmation = {};
    if (service) {
      const { application_server_key: key } = await gateway.api('GET', '/v1/push/key', undefined, person);
      const message = this.read(await service.request(from), service, key);
      assert.deepEqual(Object.keys(message), ['v', 'type', 'code']);
      assert.equal(message.type, 'enrol');
      confirmation.push_code = message.code;
    }
    const n = service?.requests.length;
    confirmation.signature = await this.sign('vestibule/push/enrol/v1', this.id, begun.nonce, confirmation.push_code ?? '');
    const done = await gateway.api('POST', `/v1/factors/${this.id}/confirm`, { code: JSON.stringify(confirmation) }, person);
    if (service) await service.request(n);  // a notice that a factor was added
    return done;
  }
  async inboxCall(version) {
    const time = Date.now();
    return { device: this.id, time, signature: await this.sign('vestibule/push/inbox/v1', this.id, String(time)), ...(version ? { version } : {}) };
  }
  async inbox(gateway, version) {
    return gateway.api('POST', '/v1/devices/inbox', await this.inboxCall(version));
  }
  async answerCall(prompt, verdict, digits = '') {
    const time = Date.now();
    const signature = await this.sign('vestibule/push/answer/v1', this.id, prompt, verdict, digits, String(time));
    return { device: this.id, prompt, verdict, time, signature, ...(digits ? { digits } : {}) };
  }
  async answer(gateway, prompt, verdict, digits) {
    return gateway.call('POST', '/v1/devices/answer', await this.answerCall(prompt, verdict, digits));
  }
}
