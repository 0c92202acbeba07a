#!/usr/bin/env node
// A security key in software, and its person's hand, for scripts/demo: what a passkey does in a browser (WebAuthn
// Level 3, a P-256 key that is bound to this file), spoken to the control socket.
//
//   demo-key.mjs enrol CODE      enrols it; CODE entitles to
//   demo-key.mjs prove           proves it for the session
//   demo-key.mjs confirm         waits for one tool call, shows it, signs it, confirms it
//   demo-key.mjs decline         waits for one, and declines it
//
// Environment: SOCKET, SESSION (a session's handle), ORIGIN, KEY (a file of its own).
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';

const { SOCKET, SESSION, ORIGIN, KEY } = process.env;
const sha256 = (data) => crypto.createHash('sha256').update(data).digest();

function call(method, path, body) {
  const text = body === undefined ? '' : JSON.stringify(body);
  return new Promise((done, failed) => {
    const headers = { Host: 'localhost', Authorization: `Bearer ${SESSION}`, 'Content-Length': Buffer.byteLength(text), ...(text ? { 'Content-Type': 'application/json' } : {}) };
    const request = http.request({ socketPath: SOCKET, method, path, headers, agent: false }, (response) => {
      let raw = '';
      response.on('data', (data) => { raw += data; });
      response.on('end', () => {
        if (response.statusCode < 300) return done(JSON.parse(raw || '{}'));
        return failed(new Error(`${method} ${path}: ${response.statusCode} ${raw}`));
      });
    });
    request.on('error', failed);
    request.end(text);
  });
}

const clientData = (type, challenge) => Buffer.from(JSON.stringify({ type, challenge, origin: ORIGIN, crossOrigin: false }));
// Flags: user present (1) and verified (4); of a new key also its credential (64).
const authData = (rp, flags, count, more = Buffer.alloc(0)) => {
  const head = Buffer.alloc(5);
  head[0] = flags;
  head.writeUInt32BE(count, 1);
  return Buffer.concat([sha256(rp), head, more]);
};
const save = (state) => fs.writeFileSync(KEY, JSON.stringify(state), { mode: 0o600 });
const load = () => JSON.parse(fs.readFileSync(KEY, 'utf8'));

async function enrol(code) {
  const begun = await call('POST', '/v1/factors/webauthn', { label: 'software key', code });
  const options = typeof begun.options === 'string' ? JSON.parse(begun.options) : begun.options;
  const { privateKey, publicKey } = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk = publicKey.export({ format: 'jwk' });
  const id = crypto.randomBytes(20);
  const point = (text) => Buffer.from(text, 'base64url');
  // COSE (RFC 9052): {1: 2 (EC2), 3: -7 (ES256), -1: 1 (P-256), -2: x, -3: y}
  const cose = Buffer.concat([Buffer.from('a5010203262001215820', 'hex'), point(jwk.x), Buffer.from('225820', 'hex'), point(jwk.y)]);
  const data = authData(options.rp.id, 1 | 4 | 64, 1, Buffer.concat([Buffer.alloc(16), Buffer.from([0, id.length]), id, cose]));
  // {"fmt": "none", "attStmt": {}, "authData": bytes}
  const attestation = Buffer.concat([Buffer.from('a363666d74646e6f6e656761747453746d74a0686175746844617461', 'hex'), Buffer.from([0x58, data.length]), data]);
  const answer = JSON.stringify({
    id: id.toString('base64url'), rawId: id.toString('base64url'), type: 'public-key', clientExtensionResults: {},
    response: { clientDataJSON: clientData('webauthn.create', options.challenge).toString('base64url'), attestationObject: attestation.toString('base64url'), transports: ['usb'] },
  });
  await call('POST', `/v1/factors/${begun.id}/confirm`, { code: answer });
  save({ id: id.toString('base64url'), rp: options.rp.id, count: 1, key: privateKey.export({ type: 'pkcs8', format: 'pem' }) });
  console.log('The key is enrolled.');
}

async function waiting() {
  for (const end = Date.now() + 30_000; Date.now() < end;) {
    const { confirmations } = await call('GET', '/v1/confirmations');
    if (confirmations.length > 0) return confirmations[0];
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error('no tool call waits');
}

/// What the key answers for this act.
async function answer(operation, object) {
  const asked = await call('POST', '/v1/challenges', { kind: 'webauthn', operation, ...(object ? { object } : {}) });
  const options = typeof asked.options === 'string' ? JSON.parse(asked.options) : asked.options;
  const state = load();
  state.count += 1;
  save(state);
  const client = clientData('webauthn.get', options.challenge);
  const data = authData(state.rp, 1 | 4, state.count);
  const signature = crypto.sign('sha256', Buffer.concat([data, sha256(client)]), state.key);
  return { challenge: asked.challenge, answer: JSON.stringify({
    id: state.id, rawId: state.id, type: 'public-key', clientExtensionResults: {},
    response: { clientDataJSON: client.toString('base64url'), authenticatorData: data.toString('base64url'), signature: signature.toString('base64url') },
  }) };
}

async function prove() {
  await call('POST', '/v1/prove', { kind: 'webauthn', ...await answer('prove') });
  console.log('Proved.');
}

async function confirm() {
  const one = await waiting();
  const action = JSON.parse(one.action);
  console.log(`A tool call waits: ${action.tool} ${one.arguments}`);
  console.log(`  at ${action.access_point}, asked by ${action.user}, from ${action.source}, model ${action.model}`);
  // What is signed is computed from what was shown.
  const object = sha256(`vestibule/tool-calls/v1\n${sha256(one.action).toString('hex')}\n`).toString('hex');
  const given = await answer('tools.confirm', object);
  await call('POST', '/v1/confirmations/confirm', { ids: [one.id], kind: 'webauthn', challenge: given.challenge, code: given.answer });
  console.log(`Confirmed: ${one.id}`);
}

async function decline() {
  const one = await waiting();
  await call('POST', `/v1/confirmations/${one.id}/decline`, {});
  console.log(`Declined: ${one.tool} ${one.arguments}`);
}

const [verb, ...rest] = process.argv.slice(2);
await { enrol, prove, confirm, decline }[verb](...rest);
