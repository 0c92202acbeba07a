// Flows and signals with the real binary: which factor counts where, what is offered first, and what is
// out of the ordinary asks for more. (All of loopback is one network: new ones are for component tests.)
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, test } from 'node:test';
import { Authenticator } from './lib/authenticator.mjs';
import { password, policy, sleep } from './lib/gateway.mjs';
import { house as begin } from './lib/house.mjs';
import { once, post, prompt } from './lib/raw.mjs';

const path = '/v1/chat/completions';

async function house(t, more, config = {}) {
  const { up, gateway } = await begin(t, { policy: policy('1h', more), config: { portal: { origins: ['http://localhost:8422'] }, ...config } });
  const admin = await gateway.setup();
  return { up, gateway, admin };
}
async function withKey(t, gateway, person) {
  const key = new Authenticator();
  t.after(() => key.close());
  const begun = await gateway.api('POST', '/v1/factors/webauthn', await gateway.code(person), person);
  await gateway.api('POST', `/v1/factors/${begun.id}/confirm`, { code: await key.create(begun.options) }, person);
  return key;
}
async function touch(gateway, person, key, operation = 'prove', object, member = 'answer') {
  const asked = await gateway.api('POST', '/v1/challenges', { kind: 'webauthn', operation, ...(object ? { object } : {}) }, person);
  return { kind: 'webauthn', challenge: asked.challenge, [member]: await key.get(asked.options) };
}
const point = async (gateway, person) => (await gateway.api('GET', '/v1/me', undefined, person)).access_points[0];

describe('flows and signals', { concurrency: true }, () => {

test('a flow: what it does not list does not count, nor as the code of an act', async (t) => {
  const { gateway, admin, up } = await house(t, `
[[flow]]
name = "keys at main"
access_point = ["main"]
factors = ["webauthn"]
[[flow]]
name = "administration"
access_point = ["vestibule"]
who = ["role:nobody"]
factors = ["hotp"]
`, { policy: { file: 'policy.toml', administration: 'low' } });
  const token = await gateway.token(admin);
  assert.deepEqual(await point(gateway, admin).then((p) => [p.outcome, p.reason, p.offer]), ['step_up', 'mfa_required', []]);
  const reply = await once(gateway.port, post(path, token, prompt('hello')));
  assert.deepEqual([reply.status, reply.reason], [401, 'mfa_required']);
  assert.match(reply.body, /keys at main/);
  assert.equal(up.seen.length, 0);
  const key = await withKey(t, gateway, admin);
  assert.equal((await point(gateway, admin)).outcome, 'allow');
  assert.deepEqual((await point(gateway, admin)).offer, ['webauthn']);
  assert.equal((await once(gateway.port, post(path, token, prompt('hello')))).status, 200);
  const records = await gateway.audit(admin);
  assert.ok(records.some((r) => r.kind === 'refusal' && r.rule === 'flow:keys at main'));

  // What the file says now holds at once, since it only takes away: administration by key.
  const before = fs.readFileSync(gateway.policyFile, 'utf8');
  fs.appendFileSync(gateway.policyFile, '[[flow]]\nname = "administration by key"\naccess_point = ["vestibule"]\nfactors = ["webauthn"]\n');
  const read = await gateway.api('POST', '/v1/policy/reload', {}, admin);
  assert.deepEqual(read.differences, [{ text: 'flow "administration by key" is added', loosens: false }]);
  const code = await admin.totp.next();  // what is refused before it is looked at leaves it unused
  const refused = await gateway.call('POST', '/v1/users', { name: 'mia', roles: ['member'], code }, admin.handle);
  assert.equal(refused.reason, 'mfa_required');
  const made = await gateway.call('POST', '/v1/users', { name: 'mia', roles: ['member'], ...await touch(gateway, admin, key, 'users.create', 'mia member', 'code') }, admin.handle);
  assert.equal(made.status, 200, JSON.stringify(made.body));
  // A session of password and code alone administers nothing any more.
  const codes = await gateway.signIn(admin);
  await gateway.prove({ ...codes, totp: admin.totp });
  assert.equal((await gateway.call('GET', '/v1/users', undefined, codes.handle)).reason, 'mfa_required');

  // To let codes count again takes an approval, and that takes the key.
  fs.writeFileSync(gateway.policyFile, before);
  const loosened = await gateway.api('POST', '/v1/policy/reload', {}, admin);
  assert.ok(loosened.staged, JSON.stringify(loosened));
  assert.equal((await gateway.call('POST', '/v1/policy/approve', { digest: loosened.staged, code }, admin.handle)).reason, 'mfa_required');
  const approved = await gateway.call('POST', '/v1/policy/approve', { digest: loosened.staged, ...await touch(gateway, admin, key, 'policy.approve', loosened.staged, 'code') }, admin.handle);
  assert.equal(approved.status, 200, JSON.stringify(approved.body));
  assert.equal((await gateway.call('GET', '/v1/users', undefined, codes.handle)).status, 200);
});

test('a mistake in a flow is named with file, line and key', async (t) => {
  const { gateway, admin } = await house(t, '');
  fs.appendFileSync(gateway.policyFile, '[[flow]]\nname = "x"\nfactors = ["totp", "sms"]\n');
  const run = gateway.cli(['policy', 'check', gateway.policyFile]);
  assert.notEqual(run.code, 0);
  assert.match(run.err + run.out, /policy\.toml:\d+:\d+: flow\[1\]\.factors: "sms" is no second factor: there are /);
  const reply = await gateway.call('POST', '/v1/policy/reload', {}, admin.handle);
  assert.equal(reply.reason, 'config_invalid');
});

test('what is offered first: the policy, then what was used last, then what was asked for', async (t) => {
  const { gateway, admin } = await house(t, `
[[flow]]
name = "order"
factors = ["totp", "webauthn", "hotp"]
`);
  const key = await withKey(t, gateway, admin);
  const order = async () => (await gateway.api('POST', '/v1/sign-in', { name: admin.name, password })).second;
  assert.deepEqual(await order(), ['totp', 'webauthn']);
  const session = await gateway.signIn(admin);
  assert.equal((await gateway.call('POST', '/v1/preference', { kind: 'webauthn' }, session.handle)).reason, 'mfa_required', 'a password alone changes nothing');
  await gateway.api('POST', '/v1/prove', await touch(gateway, session, key), session);
  assert.deepEqual(await order(), ['webauthn', 'totp']);
  const me = await gateway.api('GET', '/v1/me', undefined, session);
  assert.deepEqual([me.second, me.access_points[0].offer], [['webauthn', 'totp'], ['webauthn', 'totp']]);
  await gateway.api('POST', '/v1/preference', { kind: 'totp' }, session);
  assert.deepEqual(await order(), ['totp', 'webauthn']);
  for (const [kind, reason] of [['hotp', 'factor_missing'], ['recovery_code', 'factor_missing'], ['password', 'factor_missing'], ['sms', 'invalid_argument'], ['', 'invalid_argument']]) {
    assert.equal((await gateway.call('POST', '/v1/preference', { kind }, session.handle)).reason, reason, kind);
  }
  // It outlives the gateway; a step-up later changes nothing.
  await gateway.restart();
  await gateway.api('POST', '/v1/prove', await touch(gateway, session, key), session);
  assert.deepEqual(await order(), ['totp', 'webauthn']);
});

test('the command line asks for the factor that is offered first', async (t) => {
  const { gateway, admin } = await house(t, '');
  await gateway.giveToken(admin);
  await gateway.api('POST', '/v1/preference', { kind: 'hotp' }, admin);
  const login = gateway.cli(['login', '--name', admin.name, '--password-stdin', '--json'], { input: `${password}\n${admin.hotp.next()}\n` });
  assert.equal(login.code, 0, login.err);
  assert.ok(JSON.parse(login.out).evidence.some((e) => e.factor === 'hotp'));
  // And so for a single act, in a process that knows nothing of the sign-in.
  const added = gateway.cli(['user', 'add', 'mia', '--code', admin.hotp.next(), '--json']);
  assert.equal(added.code, 0, added.err);
  const prefer = gateway.cli(['factor', 'prefer', 'totp']);
  assert.equal(prefer.code, 0, prefer.err);
  assert.match(prefer.out, /totp is offered first/);
  const again = gateway.cli(['user', 'add', 'noa', '--code', await admin.totp.next(), '--json']);
  assert.equal(again.code, 0, again.err);
});

test('explain tells what would satisfy, and what a signal would do', async (t) => {
  const { gateway, admin } = await house(t, `
[[flow]]
name = "order"
factors = ["webauthn", "totp"]
[signal.new_source]
level = 3
max_age = "15m"
`);
  await gateway.api('POST', '/v1/sign-in', { name: admin.name, password });
  const login = gateway.cli(['login', '--name', admin.name, '--password-stdin', '--json'], { input: `${password}\n${await admin.totp.next()}\n` });
  assert.equal(login.code, 0, login.err);
  const explain = (...more) => gateway.cli(['policy', 'explain', '--access-point', 'main', '--operation', 'chat', ...more]);
  const plain = explain();
  assert.match(plain.out, /-> allow: ok/);
  assert.match(plain.out, /factors +webauthn, totp +flow "order"/);
  const away = explain('--signal', 'new_source');
  assert.equal(away.code, 0, away.err);
  assert.match(away.out, /-> step_up: mfa_required \(rule "signal:new_source"\)/);
  assert.match(away.out, /signals\n {2}new_source: the network is new for this person/);
  assert.match(away.out, /level +3 +signal new_source/);
  assert.match(away.out, /would satisfy: a passkey or a security key, with PIN or biometrics and not synced, proved within the last 15 min/);
  assert.match(explain('--source', '203.0.113.9').out, /signal:new_source/, 'the address that is asked about counts');
  assert.match(explain('--source', '127.9.9.9').out, /-> allow: ok/, 'the machine itself is one place');
  assert.notEqual(explain('--signal', 'full_moon').code, 0);
  const wrong = await gateway.call('POST', '/v1/policy/explain', { access_point: 'main', operation: 'chat', signals: ['full_moon'] }, admin.handle);
  assert.equal(wrong.reason, 'invalid_argument');
});

test('a new client, many refusals, a flood of prompts: each asks for more, says so, and is on the record', async (t) => {
  const { gateway, admin } = await house(t, `
[[rule]]
name = "no embeddings"
effect = "deny"
operation = ["embed"]
[signal.new_client]
max_age = "10s"
[signal.prompt_flood]
level = 3
[signal.many_refusals]
level = 3
`);
  await gateway.giveToken(admin);
  const mia = await gateway.addUser(admin, 'mia');
  const token = await gateway.token(admin);
  const theirs = await gateway.token(mia);
  const chat = (who, agent) => once(gateway.port, post(path, who, prompt('hello'), agent ? `User-Agent: ${agent}\r\n` : ''));
  await gateway.prove(admin);
  const proved = Date.now();
  assert.equal((await chat(token)).status, 200);
  await sleep(Math.max(0, proved + 10_300 - Date.now()));
  assert.equal((await chat(token)).status, 200, 'the usual client has an hour');
  const stranger = await chat(token, 'curl/8.5.0');
  assert.equal(stranger.reason, 'mfa_lapsed');
  assert.match(stranger.body, /client program is new/);
  await gateway.prove(admin);
  assert.equal((await chat(token, 'curl/8.5.0')).status, 200);

  // Refusals count for the person, not for those beside him.
  const embed = (who) => once(gateway.port, post('/v1/embeddings', who, { model: 'scripted', input: 'x' }));
  for (let n = 0; n < 20; ++n) assert.equal((await embed(theirs)).reason, 'policy_denied');
  const refused = await chat(theirs);
  assert.deepEqual([refused.status, refused.reason], [401, 'mfa_required']);
  assert.match(refused.headers['www-authenticate'], /level:3/);
  assert.deepEqual((await gateway.api('GET', '/v1/me', undefined, mia)).signals, ['many_refusals']);
  await gateway.prove(admin);
  assert.equal((await chat(token)).status, 200);

  // Prompts that nobody answers. The password alone puts them, so that is what is guarded here.
  const key = await withKey(t, gateway, admin);
  const begin = (who) => gateway.call('POST', '/v1/challenges', { kind: 'webauthn', operation: 'prove' }, who.handle);
  for (let n = 0; n < 5; ++n) {
    assert.deepEqual((await gateway.api('GET', '/v1/me', undefined, admin)).signals, []);
    assert.equal((await begin(await gateway.signIn(admin))).status, 200);
  }
  assert.deepEqual((await gateway.api('GET', '/v1/me', undefined, admin)).signals, ['prompt_flood']);
  const worn = await gateway.signIn(admin);
  await gateway.prove({ ...worn, hotp: admin.hotp });
  assert.equal((await gateway.call('GET', '/v1/users', undefined, worn.handle)).reason, 'mfa_required', 'a code is not enough now');
  await gateway.api('POST', '/v1/prove', await touch(gateway, worn, key), worn);
  assert.equal((await gateway.call('GET', '/v1/users', undefined, worn.handle)).status, 200, 'a key is');
  assert.deepEqual((await gateway.api('GET', '/v1/me', undefined, worn)).signals, ['prompt_flood'], 'one yes does not end it');
  const rules = new Set((await gateway.audit(worn)).map((r) => r.rule));
  for (const rule of ['signal:new_client', 'signal:many_refusals', 'signal:prompt_flood']) assert.ok(rules.has(rule), rule);
});

});
