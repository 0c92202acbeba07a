// Revocation, disabling and the emergency stop cut running answers within a second, on every core,
// and survive a restart.
import assert from 'node:assert/strict';
import { test, before, after } from 'node:test';
import { Gateway, policy, sleep } from './lib/gateway.mjs';
import { Upstream, chat, trickle } from './lib/upstream.mjs';
import { Wire, once, post, get, prompt, soon } from './lib/raw.mjs';
import fs from 'node:fs';

const path = '/v1/chat/completions';
let up, gateway, admin, member;
before(async () => {
  up = await Upstream.start(async (r, socket) => (r.target.endsWith('/models') || !JSON.parse(r.body).stream ? chat(r, socket) : trickle(20)(r, socket)));
  gateway = await Gateway.start({ points: { main: { upstreams: [up.url] }, other: { prefix: '/other', upstreams: [up.url] } } });
  admin = await gateway.setup();
  member = await gateway.addUser(admin, 'mia');
});
after(async () => {
  await gateway?.stop();
  await up?.close();
});

// Enough running streams that both cores have some, and proof that they run.
async function streams(tokens, target = path, count = 16) {
  const wires = await Promise.all(Array.from({ length: count }, () => Wire.connect(gateway.port)));
  wires.forEach((wire, n) => wire.write(post(target, tokens[n % tokens.length], prompt('go', { stream: true }))));
  for (const wire of wires) {
    for (let n = 0; n < 2000 && !/tick2 /.test(wire.buffer.toString()); ++n) await sleep(20);
    assert.match(wire.buffer.toString(), /^HTTP\/1\.1 200 [^]*tick2 /);
  }
  return wires;
}
async function cutWithinASecond(wires, act) {
  const began = Date.now();
  await act();
  const ends = await Promise.all(wires.map((wire) => wire.end()));
  const last = Math.max(...ends) - began;
  assert.ok(last < soon, `the last one ended after ${last} ms`);
  for (const wire of wires) {
    const text = wire.buffer.toString();
    assert.ok(!text.endsWith('0\r\n\r\n'), 'a cut looked like a clean end');
  }
  // The upstream is told to stop as well.
  for (let n = 0; n < 50 && up.sockets.size > 8; ++n) await sleep(20);
}
const refused = async (token, reason, target = path) => {
  up.forget();
  const reply = await once(gateway.port, post(target, token, prompt('a')));
  assert.equal(reply.reason, reason, `${reply.status} ${reply.body}`);
  assert.equal(up.seen.length, 0);
};

test('both cores serve', async () => {
  const tasks = fs.readdirSync(`/proc/${gateway.child.pid}/task`).map((id) => fs.readFileSync(`/proc/${gateway.child.pid}/task/${id}/comm`, 'utf8').trim());
  assert.ok(tasks.length > 2, tasks.join(' '));
});

test('the stop of an access point', async () => {
  const token = await gateway.token(admin);
  const wires = await streams([token]);
  const bystander = (await streams([token], `/other${path}`, 2));
  await cutWithinASecond(wires, () => gateway.api('POST', '/v1/stops', { scope: 'access_point', target: 'main', why: 'test' }, admin));
  assert.match(wires[0].buffer.toString(), /"code":"(revoked_in_flight|stopped)"/);
  await refused(token, 'stopped');
  assert.ok(bystander.every((wire) => !wire.ended), 'another access point was cut as well');
  bystander.forEach((wire) => wire.close());
  await gateway.restart();
  await refused(token, 'stopped');
  const { lifted } = await gateway.api('POST', '/v1/stops/lift', { scope: 'access_point', target: 'main', code: await admin.totp.next() }, admin);
  assert.equal(lifted, true);
  assert.equal((await once(gateway.port, post(path, token, prompt('a')))).status, 200);
});

test('a stop without a code cannot be lifted', async () => {
  await gateway.api('POST', '/v1/stops', { scope: 'access_point', target: 'other' }, admin);
  for (const code of ['000000', '']) {
    const reply = await gateway.call('POST', '/v1/stops/lift', { scope: 'access_point', target: 'other', code }, admin.handle);
    assert.ok(reply.status >= 400);
  }
  const without = await gateway.call('POST', '/v1/stops/lift', { scope: 'access_point', target: 'other' }, admin.handle);
  assert.ok(without.status >= 400);
  const token = await gateway.token(admin);
  await refused(token, 'stopped', `/other${path}`);
});

test('the revocation of a session: its tokens die with it, others live', async () => {
  const token = await gateway.token(member);
  const others = await gateway.token(admin);
  const wires = await streams([token]);
  const bystanders = await streams([others], path, 2);
  await cutWithinASecond(wires, () => gateway.api('POST', `/v1/sessions/${member.session}/revoke`, {}, admin));
  assert.ok(bystanders.every((wire) => !wire.ended), 'somebody else was cut as well');
  bystanders.forEach((wire) => wire.close());
  const reply = await once(gateway.port, post(path, token, prompt('a')));
  assert.equal(reply.status, 401);
  assert.ok(['session_ended', 'credential_unknown'].includes(reply.reason), reply.reason);
  await gateway.restart();
  assert.equal((await once(gateway.port, post(path, token, prompt('a')))).status, 401);
});

test('signing out', async () => {
  Object.assign(member, await gateway.signIn(member));
  await gateway.prove(member);
  const token = await gateway.token(member);
  const wires = await streams([token]);
  await cutWithinASecond(wires, () => gateway.api('POST', '/v1/sign-out', {}, member));
  assert.equal((await once(gateway.port, post(path, token, prompt('a')))).status, 401);
});

test('a policy that becomes tighter', async () => {
  const token = await gateway.token(admin);
  const before = fs.readFileSync(gateway.policyFile, 'utf8');
  const wires = await streams([token]);
  fs.writeFileSync(gateway.policyFile, `${before}\n[[rule]]\nname = "nobody"\neffect = "deny"\naccess_point = ["main"]\n`);
  await cutWithinASecond(wires, () => gateway.api('POST', '/v1/policy/reload', {}, admin));
  await refused(token, 'policy_denied');
  fs.writeFileSync(gateway.policyFile, before);
  await gateway.api('POST', '/v1/policy/reload', {}, admin);
  assert.equal((await once(gateway.port, post(path, token, prompt('a')))).status, 200);
});

test('a policy that does not parse changes nothing and cuts nothing', async () => {
  const token = await gateway.token(admin);
  const before = fs.readFileSync(gateway.policyFile, 'utf8');
  const wires = await streams([token], path, 2);
  fs.writeFileSync(gateway.policyFile, `${before}\nnonsense = 1\n`);
  const reply = await gateway.call('POST', '/v1/policy/reload', {}, admin.handle);
  assert.equal(reply.reason, 'config_invalid');
  gateway.child.kill('SIGHUP');
  await sleep(400);
  fs.writeFileSync(gateway.policyFile, before);
  assert.ok(wires.every((wire) => !wire.ended));
  wires.forEach((wire) => wire.close());
  assert.equal((await once(gateway.port, post(path, token, prompt('a')))).status, 200);
});

test('disabling a user', async () => {
  Object.assign(member, await gateway.signIn(member));
  await gateway.prove(member);
  const token = await gateway.token(member);
  const wires = await streams([token]);
  await cutWithinASecond(wires, () => gateway.api('POST', '/v1/users/mia/disable', {}, admin));
  assert.equal((await once(gateway.port, post(path, token, prompt('a')))).status, 401);
  const again = await gateway.call('POST', '/v1/sign-in', { name: 'mia', password: 'correct horse battery staple' });
  assert.equal(again.reason, 'signin_failed');
  await gateway.restart();
  assert.equal((await once(gateway.port, post(path, token, prompt('a')))).status, 401);
});

test('the stop of everything', async () => {
  const token = await gateway.token(admin);
  const wires = await streams([token]);
  await cutWithinASecond(wires, () => gateway.api('POST', '/v1/stops', { scope: 'all', why: 'test' }, admin));
  await refused(token, 'stopped');
  const models = await once(gateway.port, get('/v1/models', token));
  assert.equal(models.reason, 'stopped');
});

test('all of it is in the log, which is whole', async () => {
  const entries = await gateway.audit(admin, 'kind=completion&limit=1000');
  assert.ok(entries.filter((e) => e.reason !== 'ok').length >= 60, `${entries.length}`);
  const { problems } = await gateway.verify(admin);
  assert.deepEqual(problems, []);
});
