// Security keys and passkeys: live ceremonies between the real binary and python3-fido2's keys.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Authenticator } from './lib/authenticator.mjs';
import { everybody, password, policy } from './lib/gateway.mjs';
import { house as begin } from './lib/house.mjs';
import { once, post, prompt } from './lib/raw.mjs';

const level3 = `
[sensitivity.moderate]
level = 3
max_age = "1h"
${everybody}`;

async function house(t, rules = policy()) {
  const { up, gateway } = await begin(t, { policy: rules, config: { portal: { origins: ['http://localhost:8422'] } } });
  const keys = [];
  t.after(() => keys.forEach((key) => key.close()));
  const admin = await gateway.setup();
  const key = (algorithm, format) => {
    keys.push(new Authenticator(algorithm, format));
    return keys.at(-1);
  };
  return { up, gateway, admin, key };
}

async function enrol(gateway, person, key, entitled) {
  const begun = await gateway.api('POST', '/v1/factors/webauthn', { label: `${key.algorithm} ${key.format}`, ...entitled }, person);
  const done = await gateway.api('POST', `/v1/factors/${begun.id}/confirm`, { code: await key.create(begun.options) }, person);
  return done.factor;
}
// kind, challenge and what the key answers, for one act.
async function answer(gateway, person, key, operation, object, member = 'code') {
  const asked = await gateway.api('POST', '/v1/challenges', { kind: 'webauthn', operation, ...(object ? { object } : {}) }, person);
  return { kind: 'webauthn', challenge: asked.challenge, [member]: await key.get(asked.options) };
}
async function passkey(gateway, key, more) {
  const asked = await gateway.api('POST', '/v1/sign-in/passkey/begin', {});
  return gateway.call('POST', '/v1/sign-in/passkey', { challenge: asked.challenge, answer: await key.get(asked.options, more) });
}

test('keys of every algorithm: enrol, sign in, step up, act, remove', async (t) => {
  const { gateway, admin, key } = await house(t);
  const first = key('ES256', 'self');
  const held = await enrol(gateway, admin, first, { code: await admin.totp.next() });
  // From now on a code, which can be phished, changes no factors: the key does.
  const code = await admin.totp.next();  // what is refused before it is looked at leaves it unused
  for (const [target, body] of [['/v1/factors/webauthn', {}], ['/v1/factors/totp', {}], [`/v1/factors/${held.id}/remove`, {}], ['/v1/recovery-codes', {}]]) {
    const refused = await gateway.call('POST', target, { ...body, code }, admin.handle);
    assert.equal(refused.reason, 'mfa_required', target);
  }
  for (const [algorithm, format] of [['EdDSA', 'none'], ['RS256', 'packed'], ['ES256', 'packed'], ['ES384', 'none'], ['RS256', 'tpm']]) {
    const one = key(algorithm, format);
    const factor = await enrol(gateway, admin, one, await answer(gateway, admin, first, 'factor.add', 'webauthn'));
    const signedIn = await passkey(gateway, one);
    assert.equal(signedIn.status, 200, `${algorithm} ${format}: ${signedIn.reason}`);
    assert.equal(signedIn.body.pending, false);
    const session = { handle: signedIn.body.handle };
    assert.equal((await gateway.api('GET', '/v1/me', undefined, session)).level, 3);
    const proved = await gateway.api('POST', '/v1/prove', await answer(gateway, session, one, 'prove', '', 'answer'), session);
    assert.equal(proved.level, 3);
    const name = `${algorithm}.${format}`.toLowerCase();
    await gateway.api('POST', '/v1/users', { name, ...await answer(gateway, session, one, 'users.create', `${name} member`) }, session);
    await gateway.api('POST', `/v1/factors/${factor.id}/remove`, await answer(gateway, session, one, 'factor.remove', factor.id), session);
    const gone = await passkey(gateway, one);
    assert.equal(gone.reason, 'signin_failed');
  }
  const verified = await gateway.verify(admin);
  assert.deepEqual(verified.problems, []);
});

test('level 3 opens by a key, not by a code', async (t) => {
  const { gateway, admin, key } = await house(t, level3);
  const chat = async (token) => once(gateway.port, post('/v1/chat/completions', token, prompt('hello')));
  const token = await gateway.token(admin);
  const short = await chat(token);
  assert.equal(short.status, 401);
  assert.equal(short.reason, 'mfa_required');
  const one = key('EdDSA', 'self');
  await enrol(gateway, admin, one, { code: await admin.totp.next() });
  assert.equal((await chat(token)).status, 200, 'the same token, once the key has been proved');
  const session = { handle: (await passkey(gateway, one)).body.handle };
  assert.equal((await chat(await gateway.token(session))).status, 200);
});

test('replayed, moved, raced, from elsewhere, copied', async (t) => {
  const { gateway, admin, key } = await house(t);
  const one = key('ES256', 'none');
  await enrol(gateway, admin, one, { code: await admin.totp.next() });
  // The answer was on its way when the gateway was killed.
  const asked = await gateway.api('POST', '/v1/challenges', { kind: 'webauthn', operation: 'prove' }, admin);
  const body = { kind: 'webauthn', challenge: asked.challenge, answer: await one.get(asked.options) };
  await gateway.kill();
  await gateway.up();
  assert.equal((await gateway.call('POST', '/v1/prove', body, admin.handle)).status, 200);
  assert.equal((await gateway.call('POST', '/v1/prove', body, admin.handle)).reason, 'code_wrong');

  const other = await gateway.api('POST', '/v1/sign-in', { name: 'ada', password });
  const mine = await answer(gateway, admin, one, 'prove', '', 'answer');
  assert.equal((await gateway.call('POST', '/v1/prove', mine, other.handle)).reason, 'code_wrong', 'another session');
  const act = await answer(gateway, admin, one, 'users.create', 'bob member');
  assert.equal((await gateway.call('POST', '/v1/users', { name: 'bob', roles: ['administrator'], ...act }, admin.handle)).reason, 'code_wrong');

  const question = await gateway.api('POST', '/v1/sign-in/passkey/begin', {});
  const sent = { challenge: question.challenge, answer: await one.get(question.options) };
  const all = await Promise.all(Array.from({ length: 100 }, () => gateway.call('POST', '/v1/sign-in/passkey', sent)));
  assert.equal(all.filter((r) => r.status === 200).length, 1);
  assert.equal(all.filter((r) => ['signin_failed', 'overloaded'].includes(r.reason)).length, 99);

  assert.equal((await passkey(gateway, one, { origin: 'https://evil.example' })).reason, 'signin_failed');
  assert.equal((await passkey(gateway, one)).status, 200);
  assert.equal((await passkey(gateway, one, { steps: -1 })).reason, 'signin_failed', 'a copy');
  assert.equal((await passkey(gateway, one, { steps: 50 })).reason, 'signin_failed', 'the key is disabled');
  const factors = (await gateway.api('GET', '/v1/factors', undefined, admin)).factors;
  assert.equal(factors.find((f) => f.kind === 'webauthn').disabled, true);
  const log = await gateway.audit(admin, 'operation=factor.disable');
  assert.equal(log.length, 1);
  assert.equal(log[0].reason, 'factor_cloned');
});
