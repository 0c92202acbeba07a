// Push devices: a WebCrypto device and a push service of the test's own before the real binary.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Device, PushService } from './lib/device.mjs';
import { Gateway, binary, password, sleep } from './lib/gateway.mjs';
import { Upstream } from './lib/upstream.mjs';

async function house(t, { answer, notify = {}, files = {} } = {}) {
  const up = await Upstream.start();
  const service = await PushService.start(answer);
  const gateway = await Gateway.start({
    points: { main: { upstreams: [up.url] } }, fixed: false,
    config: { notify: { push_loopback: true, contact: 'mailto:ops@example.org', ...notify } },
  });
  for (const [name, text] of Object.entries(files)) fs.writeFileSync(path.join(gateway.dir, name), text);
  await gateway.up();
  t.after(async () => {
    await gateway.stop();
    await service.close();
    await up.close();
  });
  const admin = await gateway.setup();
  const key = (await gateway.api('GET', '/v1/push/key', undefined, admin)).application_server_key;
  return { gateway, service, admin, key };
}
const begin = async (gateway, person, operation = 'prove', object) => {
  const asked = await gateway.api('POST', '/v1/challenges', { kind: 'push', operation, ...(object ? { object } : {}) }, person);
  return { id: asked.challenge, digits: JSON.parse(asked.options).digits };
};
const wait = (gateway, person, id) => gateway.call('POST', `/v1/challenges/${id}/wait`, {}, person.handle);
const prove = (gateway, person, id) => gateway.call('POST', '/v1/prove', { kind: 'push', challenge: id, answer: '' }, person.handle);

test('from the first message to a sign-in by number', async (t) => {
  const { gateway, service, admin, key } = await house(t);
  const device = await Device.make();
  const done = await device.enrol(gateway, admin, service);
  assert.equal(done.factor.kind, 'push');
  const person = await gateway.signIn(admin);
  const before = await device.inbox(gateway);
  assert.deepEqual(before.prompts, []);
  const heard = device.inbox(gateway, before.version);  // waits
  await sleep(200);
  const rung = service.requests.length;
  const asked = await begin(gateway, person);
  assert.match(asked.digits, /^\d{6}$/);
  const message = await device.hears(service, key, 'prompt', rung);
  assert.deepEqual(device.read(message, service, key), { v: 1, type: 'prompt' });
  assert.equal(device.read(service.requests[1], service, key).type, 'notice', 'of the new factor');
  assert.equal(message.headers.ttl, '120');
  assert.equal(message.headers.urgency, 'high');
  const { prompts } = await heard;
  assert.equal(prompts.length, 1);
  assert.equal(prompts[0].what, 'Sign in to your account.');
  assert.equal(prompts[0].user, 'ada');
  assert.ok(!JSON.stringify(prompts).includes(asked.digits));
  const told = wait(gateway, person, asked.id);
  await sleep(200);
  assert.equal((await device.answer(gateway, prompts[0].id, 'approve', asked.digits)).body.state, 'approved');
  assert.equal((await told).body.state, 'approved');
  const proved = await prove(gateway, person, asked.id);
  assert.equal(proved.status, 200);
  assert.equal(proved.body.level, 2);
  assert.ok(proved.body.evidence.some((e) => e.factor === 'push'));
  assert.equal((await prove(gateway, person, asked.id)).reason, 'code_wrong');
  const records = await gateway.audit(admin);
  const of = (operation) => records.filter((r) => r.operation === operation);
  assert.equal(of('push.ask').length, 1);
  assert.equal(of('push.answer').length, 1);
  assert.ok(!JSON.stringify(records).includes(asked.digits));
  assert.deepEqual((await gateway.verify(admin)).problems, []);
});

test('all messages are equally long and tell nothing to the service', async (t) => {
  const { gateway, service, admin } = await house(t);
  const device = await Device.make();
  await device.enrol(gateway, admin, service);
  await begin(gateway, await gateway.signIn(admin));
  await service.request(2);
  const lengths = new Set(service.requests.map((r) => r.body.length));
  assert.equal(lengths.size, 1, 'of enrolment, notice and prompt');
  for (const r of service.requests) {
    const clear = JSON.stringify(r.headers) + r.path;
    for (const word of ['ada', 'prompt', 'enrol', 'notice', device.id]) assert.ok(!clear.includes(word), word);
  }
});

test('answers that must not count', async (t) => {
  const { gateway, admin } = await house(t);
  const device = await Device.make();
  await device.enrol(gateway, admin);
  const bob = await gateway.addUser(admin, 'bob');
  const foreign = await Device.make();
  await foreign.enrol(gateway, bob);
  const person = await gateway.signIn(admin);
  const asked = await begin(gateway, person);
  const right = await device.answerCall(asked.id, 'approve', asked.digits);
  const send = (call) => gateway.call('POST', '/v1/devices/answer', call);
  assert.equal((await foreign.answer(gateway, asked.id, 'approve', asked.digits)).reason, 'not_found');
  const other = asked.digits === '000000' ? '000001' : '000000';
  assert.equal((await send({ ...right, digits: other })).reason, 'credential_unknown');
  assert.equal((await send({ ...right, device: foreign.id })).reason, 'credential_unknown');
  assert.equal((await send({ ...right, time: right.time + 1 })).reason, 'credential_unknown');
  assert.equal((await send({ ...right, verdict: 'not_me' })).reason, 'credential_unknown');
  assert.equal((await send({ ...right, signature: right.signature.slice(2) })).reason, 'credential_unknown');
  assert.equal((await send({ ...right, signature: '' })).reason, 'credential_unknown');
  const stolen = await gateway.signIn(admin);
  const refused = await gateway.call('POST', '/v1/challenges', { kind: 'push', operation: 'prove' }, stolen.handle);
  assert.equal(refused.status, 429);
  assert.equal(refused.reason, 'push_busy');
  // A hundred at once: one counts.
  const ends = await Promise.all(Array.from({ length: 100 }, () => send(right)));
  assert.equal(ends.filter((e) => e.status === 200 && e.body.state === 'approved').length, 1);
  assert.ok(ends.every((e) => e.status === 200 || ['conflict', 'overloaded'].includes(e.reason)));
  assert.equal((await send(right)).reason, 'conflict');
  assert.equal((await prove(gateway, stolen, asked.id)).reason, 'code_wrong');
  const proofs = await Promise.all(Array.from({ length: 20 }, () => prove(gateway, person, asked.id)));
  assert.equal(proofs.filter((p) => p.status === 200).length, 1);
});

test('a wrong number declines, and there is no second try', async (t) => {
  const { gateway, admin } = await house(t);
  const device = await Device.make();
  await device.enrol(gateway, admin);
  const person = await gateway.signIn(admin);
  const asked = await begin(gateway, person);
  const wrong = asked.digits === '123456' ? '654321' : '123456';
  assert.equal((await device.answer(gateway, asked.id, 'approve', wrong)).body.state, 'declined');
  assert.equal((await device.answer(gateway, asked.id, 'approve', asked.digits)).reason, 'conflict');
  assert.equal((await wait(gateway, person, asked.id)).body.state, 'declined');
  assert.equal((await prove(gateway, person, asked.id)).reason, 'code_wrong');
});

test('it was not me: the asker is out, and its source sleeps', async (t) => {
  const { gateway, admin } = await house(t);
  const device = await Device.make();
  await device.enrol(gateway, admin);
  const thief = await gateway.signIn(admin);
  const asked = await begin(gateway, thief);
  const told = wait(gateway, thief, asked.id);
  await sleep(200);
  assert.equal((await device.answer(gateway, asked.id, 'not_me')).status, 200);
  assert.equal((await told).reason, 'session_ended');
  assert.equal((await gateway.call('GET', '/v1/me', undefined, thief.handle)).reason, 'credential_unknown');
  assert.equal((await gateway.call('POST', '/v1/sign-in', { name: 'ada', password })).reason, 'signin_failed');
  const records = await gateway.audit(admin);
  const alert = records.find((r) => r.operation === 'push.answer');
  assert.equal(alert.reason, 'push_not_me');
  assert.equal(alert.outcome, 'deny');
});

test('a push service that refuses, is slow or has forgotten the device', async (t) => {
  let how = () => ({ status: 201 });
  const { gateway, service, admin } = await house(t, { answer: (...args) => how(...args) });
  const device = await Device.make();
  await device.enrol(gateway, admin, service);
  const person = await gateway.signIn(admin);
  const ring = async () => {
    const n = service.requests.length;
    const asked = await begin(gateway, person);
    // Whatever the bell does, the inbox has the prompt, at once.
    const { prompts } = await device.inbox(gateway);
    assert.deepEqual(prompts.map((p) => p.id), [asked.id]);
    await service.request(n);
    await device.answer(gateway, asked.id, 'approve', asked.digits);
    assert.equal((await prove(gateway, person, asked.id)).status, 200);
    return n;
  };
  how = () => ({ status: 413 });
  let n = await ring();
  await sleep(500);
  assert.equal(service.requests.length, n + 1, '413 is not repeated');
  how = () => ({ status: 307, headers: { Location: `${service.origin}/elsewhere` } });
  n = await ring();
  await sleep(500);
  assert.equal(service.requests.length, n + 1, 'redirects are not followed');
  how = (_, i) => (i === n ? { status: 429, headers: { 'Retry-After': '6' } } : { status: 201 });
  n = service.requests.length;
  await ring();
  const again = await service.request(n + 1);
  assert.ok(again.at - service.requests[n].at >= 6_000, 'Retry-After is honoured');
  how = () => ({ hang: true });
  await ring();
  how = () => ({ status: 410 });
  n = await ring();
  await sleep(500);
  assert.equal(service.requests.length, n + 1);
  const asked = await begin(gateway, person);
  await sleep(500);
  assert.equal(service.requests.length, n + 1, 'the subscription is gone');
  assert.equal((await device.inbox(gateway)).prompts.length, 1, 'the device is not');
  assert.equal((await device.answer(gateway, asked.id, 'approve', asked.digits)).body.state, 'approved');
  const told = await gateway.kill('SIGTERM');
  assert.deepEqual(told, { code: 0, signal: null }, 'a hanging service does not keep the gateway');
});

test('endpoints that are no push service are not reached', async (t) => {
  const up = await Upstream.start();
  const service = await PushService.start();
  const gateway = await Gateway.start({ points: { main: { upstreams: [up.url] } } });
  t.after(async () => {
    await gateway.stop();
    await service.close();
    await up.close();
  });
  const admin = await gateway.setup();
  const device = await Device.make();
  const endpoints = [service.origin, 'https://127.0.0.1', 'https://localhost', 'http://fcm.googleapis.com', 'https://fcm.googleapis.com:444',
    'https://fcm.googleapis.com.evil.example', 'https://169.254.169.254', 'https://[::1]', 'https://user@fcm.googleapis.com'];
  const code = await admin.totp.next();  // an act that fails leaves it unused
  for (const origin of endpoints) {
    const subscription = device.subscription({ origin });
    const refused = await gateway.call('POST', '/v1/factors/push', { public_key: device.publicKey, subscription, code }, admin.handle);
    assert.equal(refused.reason, 'invalid_argument', origin);
  }
  assert.equal(service.requests.length, 0);
});

test('doorbells of the operator: a signed webhook, and ntfy', async (t) => {
  const bells = await PushService.start(() => ({ status: 200 }));
  t.after(() => bells.close());
  const { gateway, admin } = await house(t, {
    notify: { webhook: `${bells.origin}/hook`, webhook_key: 'hook.key', ntfy: `${bells.origin}/alerts`, ntfy_token: 'ntfy.token' },
    files: { 'hook.key': 'sixteen bytes or more\n', 'ntfy.token': 'tk_abc\n' },
  });
  const device = await Device.make();
  await device.enrol(gateway, admin);
  const asked = await begin(gateway, await gateway.signIn(admin));
  const told = (event) => bells.find((r) => r.path === '/hook' && JSON.parse(r.body).event === event);
  const hook = await told('prompt');
  const [, time, mac] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(hook.headers['vestibule-signature']);
  assert.ok(Math.abs(Date.now() / 1000 - Number(time)) < 30);
  assert.equal(crypto.createHmac('sha256', 'sixteen bytes or more').update(`${time}.${hook.body}`).digest('hex'), mac);
  const event = JSON.parse(hook.body);
  assert.deepEqual(Object.keys(event), ['v', 'event', 'user', 'time']);
  assert.equal(event.event, 'prompt');
  assert.equal(event.user, 'ada');
  assert.ok(!hook.body.includes(asked.digits));
  const notice = JSON.parse((await told('notice')).body);
  assert.deepEqual(Object.keys(notice), ['v', 'event', 'kind', 'user', 'time']);
  assert.equal(notice.kind, 'factor_added');
  const ntfy = await bells.find((r) => r.path === '/alerts');
  assert.equal(ntfy.headers.authorization, 'Bearer tk_abc');
  assert.ok(!ntfy.body.toString().includes('ada'));
});

test('vestibule login asks the device', async (t) => {
  const { gateway, admin } = await house(t);
  const device = await Device.make();
  await device.enrol(gateway, admin);
  const login = (...args) => {
    const child = spawn(binary, ['login', 'ada', '--password-stdin', '--new', ...args], {
      env: { PATH: process.env.PATH, HOME: gateway.dir, VESTIBULE_CONFIG: gateway.configFile, VESTIBULE_STATE: gateway.state },
    });
    const run = { out: '', err: '' };
    child.stdout.on('data', (data) => { run.out += data; });
    child.stderr.on('data', (data) => { run.err += data; });
    child.stdin.end(`${password}\n`);
    run.over = new Promise((done) => child.once('close', (code) => done(code)));
    return run;
  };
  const shown = async (run) => {
    for (let i = 0; i < 900; ++i) {
      const digits = /Type this number there: (\d{3}) (\d{3})/.exec(run.err);
      if (digits) return digits[1] + digits[2];
      await sleep(50);
    }
    throw new Error(`no number was shown: ${run.err}`);
  };
  const run = login('--push');
  const digits = await shown(run);
  const [prompt] = (await device.inbox(gateway)).prompts;
  assert.equal((await device.answer(gateway, prompt.id, 'approve', digits)).body.state, 'approved');
  assert.equal(await run.over, 0, run.err);
  assert.match(run.out, /Signed in as ada/);
  assert.match(run.out, /push proved/);
  const refused = login('--push');
  await shown(refused);
  const [second] = (await device.inbox(gateway)).prompts;
  await device.answer(gateway, second.id, 'decline');
  assert.notEqual(await refused.over, 0);
  assert.match(refused.err, /declined/);
});
