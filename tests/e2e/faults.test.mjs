// The disk is full, the database is locked, the clock is set back: nothing is admitted, the error says
// so, what protects still works, and service returns by itself.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import http from 'node:http';
import { test, before, after } from 'node:test';
import { Gateway, binary, freePort, password, sleep } from './lib/gateway.mjs';
import { Upstream } from './lib/upstream.mjs';
import { once, post, prompt } from './lib/raw.mjs';

let up;
before(async () => { up = await Upstream.start(); });
after(async () => { await up?.close(); });
const points = () => ({ main: { upstreams: [up.url] }, other: { prefix: '/other', upstreams: [up.url] } });
const ask = (gateway, token, target = '/v1/chat/completions') => once(gateway.port, post(target, token, prompt('hello')), { wait: 20_000 });
const health = (gateway) => new Promise((done, failed) => http.get({ port: gateway.statusPort, path: '/health', agent: false }, (response) => {
  let text = '';
  response.on('data', (data) => { text += data; }).on('end', () => done({ code: response.statusCode, ...JSON.parse(text) }));
}).on('error', failed));

async function eventually(what, check, wait = 20_000) {
  const until = Date.now() + wait;
  for (;;) {
    const last = await check().catch((error) => error);
    if (last === true) return;
    if (Date.now() > until) assert.fail(`${what}: ${last instanceof Error ? last.message : JSON.stringify(last)}`);
    await sleep(200);
  }
}
// While it lasts: refused with 503 and a reason, and nothing goes upstream.
async function nothingAdmitted(gateway, token, reasons, times = 5) {
  up.forget();
  for (let n = 0; n < times; ++n) {
    const reply = await ask(gateway, token);
    assert.equal(reply.status, 503, reply.body);
    assert.ok(reasons.includes(reply.reason), reply.reason);
    assert.ok(reply.headers['retry-after']);
    assert.match(JSON.parse(reply.body).error.message, /operator|moment/i);
  }
  assert.equal(up.seen.length, 0, 'a prompt went upstream');
}
const back = (gateway, token) => eventually('service does not return', async () => {
  const reply = await ask(gateway, token);
  return reply.status === 200 || `${reply.status} ${reply.reason}`;
});

const mount = (dir) => process.getuid() === 0 && spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', dir]).status === 0;

test('the disk is full', async (t) => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 've-full-'));
  if (!mount(dir)) {
    fs.rmdirSync(dir);
    t.skip('no small file system can be mounted here (root only)');
    return;
  }
  let gateway;
  try {
    gateway = await Gateway.start({ points: points(), dir });
    const admin = await gateway.setup();
    const token = await gateway.token(admin);
    assert.equal((await ask(gateway, token)).status, 200);
    const filler = path.join(dir, 'filler');
    const fd = fs.openSync(filler, 'w');
    try { for (;;) fs.writeSync(fd, Buffer.alloc(4096)); } catch (error) { assert.equal(error.code, 'ENOSPC'); }
    // What room the database's files still have is used up first.
    let last;
    await eventually('it goes on although the disk is full', async () => {
      last = await ask(gateway, token);
      return last.status === 503 || last.status;
    }, 60_000);
    await nothingAdmitted(gateway, token, ['audit_unavailable', 'store_unavailable']);
    const sick = await health(gateway);
    assert.equal(sick.code, 503);
    // An emergency stop works although it cannot be stored.
    const stopped = await gateway.call('POST', '/v1/stops', { scope: 'access_point', target: 'other' }, admin.handle);
    assert.equal(stopped.status, 200, JSON.stringify(stopped.body));
    assert.equal(stopped.body.durable, false);
    fs.closeSync(fd);
    fs.unlinkSync(filler);
    await back(gateway, token);
    await eventually('health', async () => (await health(gateway)).code === 200);
    assert.equal((await ask(gateway, token, '/other/v1/chat/completions')).reason, 'stopped');
    const { problems } = await gateway.verify(admin);
    assert.deepEqual(problems, []);
    await gateway.restart();
    assert.equal((await ask(gateway, token)).status, 200);
    assert.equal((await ask(gateway, token, '/other/v1/chat/completions')).reason, 'stopped', 'the stop was forgotten');
  } finally {
    await gateway?.stop();
    spawnSync('umount', ['-l', dir]);
    fs.rmdirSync(dir);
  }
});

test('the database is locked by somebody else', async () => {
  const gateway = await Gateway.start({ points: points() });
  const admin = await gateway.setup();
  const token = await gateway.token(admin);
  assert.equal((await ask(gateway, token)).status, 200);
  const locker = spawn('sqlite3', [path.join(gateway.dir, 'data/vestibule.db')], { stdio: ['pipe', 'pipe', 'inherit'] });
  locker.stdin.write('.timeout 5000\nBEGIN IMMEDIATE;\nSELECT \'locked\';\n');
  await new Promise((done) => locker.stdout.once('data', done));
  await eventually('it goes on although the database is locked', async () => (await ask(gateway, token)).status === 503, 30_000);
  await nothingAdmitted(gateway, token, ['audit_unavailable', 'store_unavailable', 'overloaded'], 2);
  const stopped = await gateway.call('POST', '/v1/stops', { scope: 'access_point', target: 'other' }, admin.handle);
  assert.equal(stopped.status, 200);
  assert.equal((await ask(gateway, token, '/other/v1/chat/completions')).reason, 'stopped');
  locker.stdin.end('ROLLBACK;\n');
  await back(gateway, token);
  assert.deepEqual((await gateway.verify(admin)).problems, []);
  await gateway.stop();
});

// What was denied while the store refused is denied after kill -9 too, then stored and audited, once.
async function deniedForGood(t, { dir, breakStore, mendStore }) {
  const gateway = await Gateway.start({ points: points(), dir });
  const admin = await gateway.setup();
  const mia = await gateway.addUser(admin, 'mia');
  const ben = await gateway.addUser(admin, 'ben');
  const tokens = { admin: await gateway.token(admin), mia: await gateway.token(mia), ben: await gateway.token(ben) };
  for (const token of Object.values(tokens)) assert.equal((await ask(gateway, token)).status, 200);
  await breakStore(gateway, tokens.admin);
  const acts = [
    ['/v1/stops', { scope: 'access_point', target: 'other', why: 'drill' }],
    [`/v1/sessions/${mia.session}/revoke`, {}],
    ['/v1/users/ben/disable', {}],
  ];
  for (const [target, body] of acts) {
    const done = await gateway.call('POST', target, body, admin.handle);
    assert.equal(done.status, 200, `${target} ${JSON.stringify(done.body)}`);
    assert.equal(done.body.durable, false, `${target} was stored: the store works`);
  }
  await gateway.kill();
  await mendStore();
  await gateway.up();
  const denied = async (what) => {
    assert.equal((await ask(gateway, tokens.admin, '/other/v1/chat/completions')).reason, 'stopped', `${what}: the stop was forgotten`);
    assert.equal((await ask(gateway, tokens.mia)).status, 401, `${what}: the revocation was forgotten`);
    assert.equal((await ask(gateway, tokens.ben)).status, 401, `${what}: the disablement was forgotten`);
    const again = await gateway.call('POST', '/v1/sign-in', { name: 'ben', password });
    assert.equal(again.reason, 'signin_failed', what);
    assert.equal((await ask(gateway, tokens.admin)).status, 200, `${what}: somebody else was denied`);
  };
  up.forget();
  await denied('after kill -9');
  assert.equal(up.seen.length, 1, 'a prompt of somebody who was denied went upstream');
  const recorded = async () => {
    const entries = await gateway.audit(admin, 'kind=change&limit=1000');
    return ['stop', 'session.revoke', 'user.disable'].map((operation) => entries.filter((e) => e.operation === operation));
  };
  await eventually('not all of it is recorded', async () => (await recorded()).every((list) => list.length === 1), 30_000);
  for (const [entry] of await recorded()) {
    assert.match(entry.note, /stored late/);
    assert.equal(entry.user_name, 'ada');
  }
  await gateway.restart();
  await denied('after another restart');
  assert.ok((await recorded()).every((list) => list.length === 1), 'recorded twice');
  assert.deepEqual((await gateway.verify(admin)).problems, []);
  await gateway.stop();
}

test('denied on a full disk, killed, and denied still', async (t) => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 've-full-'));
  if (!mount(dir)) {
    fs.rmdirSync(dir);
    t.skip('no small file system can be mounted here (root only)');
    return;
  }
  const filler = path.join(dir, 'filler');
  try {
    await deniedForGood(t, {
      dir,
      breakStore: async (gateway, token) => {
        const fd = fs.openSync(filler, 'w');
        try { for (;;) fs.writeSync(fd, Buffer.alloc(4096)); } catch (error) { assert.equal(error.code, 'ENOSPC'); }
        fs.closeSync(fd);
        await eventually('it goes on although the disk is full', async () => (await ask(gateway, token)).status === 503, 60_000);
      },
      mendStore: async () => fs.unlinkSync(filler),
    });
  } finally {
    spawnSync('umount', ['-l', dir]);
    fs.rmdirSync(dir);
  }
});

test('denied while the database is locked, killed, and denied still', async (t) => {
  let locker;
  await deniedForGood(t, {
    breakStore: async (gateway, token) => {
      locker = spawn('sqlite3', [path.join(gateway.dir, 'data/vestibule.db')], { stdio: ['pipe', 'pipe', 'inherit'] });
      locker.stdin.write('.timeout 5000\nBEGIN IMMEDIATE;\nSELECT \'locked\';\n');
      await new Promise((done) => locker.stdout.once('data', done));
      await eventually('it goes on although the database is locked', async () => (await ask(gateway, token)).status === 503, 30_000);
    },
    mendStore: async () => {
      const over = new Promise((done) => locker.once('exit', done));
      locker.stdin.end('ROLLBACK;\n');
      await over;
    },
  });
});

test('a denial that cannot be read any more stops everything until a person lifts it', async () => {
  const gateway = await Gateway.start({ points: points() });
  const admin = await gateway.setup();
  const token = await gateway.token(admin);
  await gateway.kill();
  // Half of a page, as a power loss may leave it.
  const file = fs.openSync(path.join(gateway.dir, 'data/denials'), 'r+');
  fs.writeSync(file, Buffer.from('vdenial1 and then nothing'), 0, 25, 4096 * 3);
  fs.closeSync(file);
  await gateway.up();
  assert.equal((await ask(gateway, token)).reason, 'stopped');
  const { stops } = await gateway.api('GET', '/v1/stops', undefined, admin);
  assert.deepEqual(stops.map((s) => [s.scope, s.by]), [['all', '(gateway)']]);
  await gateway.api('POST', '/v1/stops/lift', { scope: 'all', code: await admin.totp.next() }, admin);
  assert.equal((await ask(gateway, token)).status, 200);
  await gateway.restart();
  assert.equal((await ask(gateway, token)).status, 200);
  await gateway.stop();
});

const faketime = ['x86_64', 'aarch64'].map((m) => `/usr/lib/${m}-linux-gnu/faketime/libfaketimeMT.so.1`).find((f) => fs.existsSync(f));
// A gateway whose wall clock `set` moves; commands on its files take `env`.
async function withClock() {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 've-'));
  const offset = path.join(dir, 'offset');
  const set = (text) => fs.writeFileSync(offset, `${text}\n`);
  set('+0');
  const env = { LD_PRELOAD: faketime, FAKETIME_TIMESTAMP_FILE: offset, FAKETIME_NO_CACHE: '1', FAKETIME_DONT_FAKE_MONOTONIC: '1', DONT_FAKE_MONOTONIC: '1' };
  const gateway = await Gateway.start({ points: points(), dir, env });
  return { gateway, set, env };
}

test('the clock is set back by an hour', async (t) => {
  if (!faketime) {
    t.skip('libfaketime is not installed');
    return;
  }
  const { gateway, set } = await withClock();
  const admin = await gateway.setup();
  const token = await gateway.token(admin);
  assert.equal((await ask(gateway, token)).status, 200);
  set('-1h');
  await eventually('it goes on although the clock went back', async () => (await ask(gateway, token)).status !== 200);
  up.forget();
  const reply = await ask(gateway, token);
  assert.ok(['clock_untrusted', 'mfa_lapsed'].includes(reply.reason), reply.reason);
  assert.equal(up.seen.length, 0);
  const sick = await health(gateway);
  assert.equal(sick.code, 503);
  assert.ok(sick.reasons.includes('clock_untrusted'), JSON.stringify(sick));
  // A code of that hour is no way round.
  const { codeOf, stepAt } = await import('./lib/totp.mjs');
  const code = codeOf(admin.totp.secret, stepAt(Date.now() - 3_600_000));
  const proved = await gateway.call('POST', '/v1/prove', { answer: code }, admin.handle);
  assert.ok(proved.status >= 400, 'a code counted while the clock was not trusted');
  // Nor is a restart: the mark is durable.
  await gateway.restart();
  const again = await ask(gateway, token);
  assert.notEqual(again.status, 200);
  assert.equal(up.seen.length, 0);
  set('+0');
  await eventually('service does not return', async () => {
    const now = await ask(gateway, token);
    return now.status === 200 || `${now.status} ${now.reason}`;
  });
  await eventually('health', async () => (await health(gateway)).code === 200);
  assert.deepEqual((await gateway.verify(admin)).problems, []);
  await gateway.stop();
});

test('the clock was two days ahead: the operator accepts the right time, and everything proved lapses', async (t) => {
  if (!faketime) {
    t.skip('libfaketime is not installed');
    return;
  }
  const { gateway, set, env } = await withClock();
  const admin = await gateway.setup();
  const token = await gateway.token(admin);
  assert.equal((await ask(gateway, token)).status, 200);
  const accept = (...more) => gateway.cli(['clock', 'accept', ...more], { env });
  // Nothing to accept, and never beside a running gateway.
  assert.equal(accept('--yes').code, 1);
  assert.match(accept('--yes').err, /in use|stop the gateway/);
  set('+2d');
  const markOf = () => Number(spawnSync('sqlite3', ['-readonly', '-cmd', '.timeout 5000', path.join(gateway.dir, 'data/vestibule.db'), 'SELECT wall FROM clock_mark'], { encoding: 'utf8' }).stdout) / 1000;
  await eventually('the mark does not follow the clock', async () => markOf() > Date.now() + 86_400_000 || markOf(), 40_000);
  set('+0');
  await eventually('the mark is not in the future', async () => (await health(gateway)).reasons?.includes('clock_untrusted'));
  await gateway.stop();
  assert.notEqual(accept().code, 0, 'without an answer nothing happens');
  await gateway.up();
  assert.ok((await health(gateway)).reasons.includes('clock_untrusted'), 'it was accepted without an answer');
  await gateway.stop();
  const done = accept('--yes', '--json');
  assert.equal(done.code, 0, done.err);
  const { now, mark } = JSON.parse(done.out);
  assert.ok(Date.parse(mark) - Date.parse(now) > 47 * 3_600_000, `${mark} ${now}`);
  assert.equal(accept('--yes').code, 1, 'a second time there is nothing to accept');
  // Codes up to that moment do not count: two steps later they do.
  set('+90s');
  await gateway.up();
  assert.equal((await health(gateway)).code, 200);
  up.forget();
  assert.equal((await ask(gateway, token)).status, 401, 'a token outlived it');
  assert.equal((await gateway.call('GET', '/v1/me', undefined, admin.handle)).status, 401, 'a session outlived it');
  assert.equal(up.seen.length, 0);
  const { codeOf, stepAt } = await import('./lib/totp.mjs');
  const again = await gateway.signIn(admin);
  const used = await gateway.call('POST', '/v1/prove', { answer: codeOf(admin.totp.secret, stepAt()) }, again.handle);
  assert.ok(used.status >= 400, 'a code of before counted');
  await gateway.api('POST', '/v1/prove', { answer: codeOf(admin.totp.secret, stepAt(Date.now() + 90_000)) }, again);
  assert.equal((await ask(gateway, await gateway.token(again))).status, 200);
  const entries = await gateway.audit(again, 'operation=clock.accept&limit=10');
  assert.equal(entries.length, 1);
  assert.equal(entries[0].kind, 'system');
  assert.equal(entries[0].user_name, '(operator)');
  assert.match(entries[0].note, /highest time stored was/);
  assert.deepEqual((await gateway.verify(again)).problems, []);
  await gateway.stop();
});

test('no model server behind it: 502, recorded, and back when it is there', async () => {
  const port = await freePort();
  const gateway = await Gateway.start({ points: { main: { upstreams: [`http://127.0.0.1:${port}`] } } });
  const token = await gateway.token(await gateway.setup());
  const reply = await ask(gateway, token);
  assert.equal(reply.status, 502);
  assert.equal(reply.reason, 'upstream_unreachable');
  const late = await Upstream.start(undefined, { port });
  await back(gateway, token);
  await late.close();
  await gateway.stop();
});

test('two gateways on one data directory: the second one does not start', async () => {
  const gateway = await Gateway.start({ points: points() });
  const second = await Gateway.start({ points: points(), dir: gateway.dir, fixed: false });
  const run = spawnSync(binary, ['serve', '--config', second.configFile], { encoding: 'utf8', timeout: 60_000 });
  assert.notEqual(run.status, 0);
  assert.match(run.stderr, /lock|use|another/i);
  await gateway.stop();
});
