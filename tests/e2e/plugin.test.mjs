// Factor plug-ins: the example of examples/factor-plugin before the real binary, and one that misbehaves.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Gateway, password, sleep } from './lib/gateway.mjs';
import { Example } from './lib/plugin.mjs';

const key = crypto.randomBytes(32).toString('hex');
const hmac = (text) => crypto.createHmac('sha256', key).update(text).digest('hex');

// One that says "yes" to all, in whatever way the test wants: (request, signed) => { status, signature, body } or nothing.
class Evil {
  static async start() {
    const plugin = new Evil();
    plugin.seen = [];
    plugin.behave = (request, signed) => signed;
    plugin.server = http.createServer((request, response) => {
      const parts = [];
      request.on('data', (data) => parts.push(data));
      request.on('end', async () => {
        const body = Buffer.concat(parts).toString();
        assert.equal(request.headers['vestibule-signature'], hmac(`vestibule/factor-plugin/request/v1\n${body}`));
        const asked = JSON.parse(body);
        plugin.seen.push(asked);
        const yes = '{"version":1,"verdict":"yes","text":"go on"}';
        const signed = { status: 200, body: yes, signature: Evil.sign(asked, yes) };
        const answer = await plugin.behave(asked, signed);
        if (!answer) return request.socket.destroy();
        response.writeHead(answer.status, { 'Vestibule-Signature': answer.signature, 'Content-Length': Buffer.byteLength(answer.body), ...answer.fields });
        response.end(answer.body);
      });
    }).listen(0, '127.0.0.1');
    await new Promise((done) => plugin.server.once('listening', done));
    plugin.port = plugin.server.address().port;
    return plugin;
  }
  static sign(asked, body) { return hmac(`vestibule/factor-plugin/reply/v1\n${asked.nonce}\n${body}`); }
  of(operation) { return this.seen.filter((r) => r.operation === operation); }
  stop() { this.server.closeAllConnections(); this.server.close(); }
}

describe('factor plug-ins', () => {
  let dir, example, evil, gateway, ada;
  before(async () => {
    dir = fs.mkdtempSync(path.join(os.tmpdir(), 've-'));
    fs.writeFileSync(path.join(dir, 'plugin.key'), `${key}\n`, { mode: 0o600 });
    example = await Example.start(path.join(dir, 'plugin.key'));
    evil = await Evil.start();
    gateway = await Gateway.start({
      dir,
      points: { lab: { upstreams: ['http://127.0.0.1:1'] } },
      config: {
        'factor_plugin.console': { label: 'Codes on the console', url: `http://127.0.0.1:${example.port}/`, key_file: 'plugin.key' },
        'factor_plugin.evil': { label: 'Evil', url: `http://127.0.0.1:${evil.port}/`, key_file: 'plugin.key', timeout: '5s' },
      },
    });
    ada = await gateway.setup();
  });
  after(async () => {
    await gateway?.stop();
    example?.stop();
    evil?.stop();
  });

  const enrol = async (who, plugin) => gateway.api('POST', '/v1/factors/external', { plugin, label: plugin, code: await who.totp.next() }, who);
  const ask = (who, factor, operation = 'prove', object = undefined) =>
    gateway.call('POST', '/v1/challenges', { kind: 'external', operation, factor, ...(object ? { object } : {}) }, who.handle);
  const prove = (who, challenge, answer) => gateway.call('POST', '/v1/prove', { kind: 'external', challenge, answer }, who.handle);

  test('the example: enrol, prove, a wrong answer, an answer sent twice, an act', async () => {
    const { plugins } = await gateway.api('GET', '/v1/factors', undefined, ada);
    assert.deepEqual(plugins.map((p) => p.name), ['console', 'evil']);
    const begun = await enrol(ada, 'console');
    assert.equal(begun.text, 'A code is on its way to you.');
    const wrong = example.code() === '000000' ? '000001' : '000000';
    assert.equal((await gateway.call('POST', `/v1/factors/${begun.id}/confirm`, { code: wrong }, ada.handle)).reason, 'code_wrong');
    const done = await gateway.api('POST', `/v1/factors/${begun.id}/confirm`, { code: example.code() }, ada);
    assert.equal(done.factor.kind, 'external');
    const listed = (await gateway.api('GET', '/v1/factors', undefined, ada)).factors.find((f) => f.id === begun.id);
    assert.equal(listed.plugin, 'console');

    // The second step of a sign-in.
    const again = await gateway.signIn(ada);
    const question = await ask(again);
    assert.equal(question.status, 200, JSON.stringify(question.body));
    assert.deepEqual(JSON.parse(question.body.options), { plugin: 'console', label: 'Codes on the console', text: 'A code is on its way to you.' });
    const code = example.code();
    const proved = await prove(again, question.body.challenge, code);
    assert.equal(proved.body.level, 2, JSON.stringify(proved.body));
    assert.equal((await prove(again, question.body.challenge, code)).reason, 'code_wrong', 'sent twice');
    const second = (await ask(again)).body;
    assert.equal((await prove(again, second.challenge, wrong)).reason, 'code_wrong');
    assert.equal((await prove(again, second.challenge, example.code())).reason, 'code_wrong', 'one answer a question');

    // An act of an administrator, and no other.
    const act = (await ask(ada, undefined, 'users.create', 'bob member')).body;
    const forBob = { code: example.code(), kind: 'external', challenge: act.challenge };
    assert.equal((await gateway.call('POST', '/v1/users', { name: 'mallory', roles: ['member'], ...forBob }, ada.handle)).reason, 'code_wrong');
    assert.equal((await gateway.call('POST', '/v1/users', { name: 'bob', roles: ['member'], ...forBob }, ada.handle)).status, 200);
    const records = await gateway.audit(ada);
    assert.ok(records.some((r) => r.operation === 'factor.prove' && /plug-in console/.test(r.note) && r.reason === 'ok'));
    assert.ok(!JSON.stringify(records).includes(code));
    assert.ok(!gateway.log.includes(code));
  });

  test('a hundred answers at once: one', async () => {
    const who = await gateway.signIn(ada);
    const { body } = await ask(who);
    const code = example.code();
    const answers = await Promise.all(Array.from({ length: 100 }, () => prove(who, body.challenge, code)));
    assert.equal(answers.filter((a) => a.status === 200).length, 1);
  });

  test('what is not a signed answer to this very request proves nothing', async () => {
    const cleo = await gateway.addUser(ada, 'cleo');
    const begun = await enrol(cleo, 'evil');
    await gateway.api('POST', `/v1/factors/${begun.id}/confirm`, { code: 'x' }, cleo);
    const before = await gateway.signIn(cleo);
    let old;
    evil.behave = (asked, signed) => { old = signed; return signed; };
    assert.equal((await prove(before, (await ask(before)).body.challenge, 'x')).status, 200);
    const rows = {
      'replayed': () => old,
      'unsigned': (asked, signed) => ({ ...signed, signature: '' }),
      'forged': (asked, signed) => ({ ...signed, signature: crypto.createHmac('sha256', 'guess').update(signed.body).digest('hex') }),
      'echoed': (asked, signed) => ({ ...signed, body: JSON.stringify(asked), signature: hmac(`vestibule/factor-plugin/request/v1\n${JSON.stringify(asked)}`) }),
      'a redirect': (asked, signed) => ({ ...signed, status: 307, fields: { Location: `http://127.0.0.1:${evil.port}/again` } }),
      'an error that is signed': (asked, signed) => ({ ...signed, status: 500 }),
      'more than is read': (asked) => { const body = `{"version":1,"verdict":"yes"${' '.repeat(5000)}}`; return { status: 200, body, signature: Evil.sign(asked, body) }; },
      'a level of its own': (asked) => { const body = '{"version":1,"verdict":"yes","level":3}'; return { status: 200, body, signature: Evil.sign(asked, body) }; },
      'two verdicts': (asked) => { const body = '{"version":1,"verdict":"no","verdict":"yes"}'; return { status: 200, body, signature: Evil.sign(asked, body) }; },
      'cut off': () => undefined,
      'late': async (asked, signed) => { await sleep(6000); return signed; },
    };
    for (const [name, behaviour] of Object.entries(rows)) {
      const who = await gateway.signIn(cleo);
      evil.behave = (asked, signed) => signed;
      const { body } = await ask(who);
      evil.behave = (asked, signed) => (asked.operation === 'verify' ? behaviour(asked, signed) : signed);
      const answer = await prove(who, body.challenge, 'x');
      assert.equal(answer.reason, 'plugin_failed', name);
      assert.equal(answer.status, 503, name);
      assert.ok(!JSON.stringify(answer.body).includes('127.0.0.1'), 'no word of where it is');
      const me = await gateway.api('GET', '/v1/me', undefined, who);
      assert.equal(me.flags.pending, true, name);
      assert.equal(me.factors.find((f) => f.kind === 'external').failures, 0, `${name}: nobody learnt anything`);
    }
    evil.behave = (asked, signed) => signed;
  });

  test('a slow one keeps nobody else waiting', async () => {
    const cleo = { name: 'cleo' };
    const who = await gateway.signIn(cleo);
    const { body } = await ask(who);
    let release;
    const gate = new Promise((done) => { release = done; });
    evil.behave = async (asked, signed) => { await gate; return signed; };
    let over = false;
    const slow = prove(who, body.challenge, 'x').finally(() => { over = true; });
    await sleep(100);
    await gateway.signIn(ada);  // it writes
    assert.equal(over, false, 'a sign-in went on meanwhile');
    release();
    assert.equal((await slow).status, 200);
    evil.behave = (asked, signed) => signed;
  });

  test('one that is down: a clear error, and other factors work', async () => {
    evil.stop();
    const who = { ...await gateway.signIn({ name: 'cleo' }) };
    const refused = await ask(who);
    assert.equal(refused.status, 503);
    assert.equal(refused.body.error.code, 'plugin_failed');
    assert.match(refused.body.error.message, /use another factor/);
    const other = await gateway.signIn(ada);
    await gateway.prove({ ...other, totp: ada.totp });
    assert.equal((await gateway.call('POST', '/v1/sign-in', { name: 'cleo', password })).status, 200);
  });

  test('a removed factor is told to its plug-in, and works no more', async () => {
    const { factors } = await gateway.api('GET', '/v1/factors', undefined, ada);
    const mine = factors.find((f) => f.kind === 'external');
    await gateway.api('POST', `/v1/factors/${mine.id}/remove`, { code: await ada.totp.next() }, ada);
    assert.equal((await ask(ada)).reason, 'factor_missing');
  });
});
