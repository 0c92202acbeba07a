// Calls that lack a proof are held, and one touch of an authenticator in a real browser lets them go on: the
// official SDKs notice nothing. Nobody there: their own authentication error, with the way to go.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import OpenAI from 'openai';
import { createOpenAI } from '@ai-sdk/openai';
import { APICallError, generateText, streamText } from 'ai';
import { Gateway, password, policy, sleep } from './lib/gateway.mjs';
import { launch, look } from './lib/browser.mjs';
import { button } from './lib/portal.mjs';
import { held, until, waiting, withPasskey } from './lib/held.mjs';
import { Wire, post, prompt } from './lib/raw.mjs';
import { Upstream } from './lib/upstream.mjs';

const path_ = '/v1/chat/completions';
const hello = { model: 'scripted', messages: [{ role: 'user', content: 'held and released' }] };

let browser;
before(async () => { browser = await launch(); });
after(async () => { await browser?.close(); });

async function house(t, { hold = '20s', age = '10s', approval = {} } = {}) {
  const up = await Upstream.start();
  t.after(() => up.close());
  const gateway = await Gateway.start({
    points: { main: { upstreams: [up.url], hold } }, policy: policy(age),
    config: Object.keys(approval).length ? { approval } : {},
  });
  t.after(() => gateway.stop());
  return { up, gateway };
}
const lapse = async (gateway, token) => {
  await until('the proof lapses', async () => {
    const wire = await Wire.connect(gateway.port);
    wire.write(post(path_, token, prompt('x'), 'Prefer: wait=0\r\n'));
    const reply = await wire.reply();
    wire.close();
    return reply.reason === 'mfa_lapsed';
  }, 40_000);
};

/// The first administrator, with a passkey, in a browser; and a token for programs.
async function atBrowser(gateway) {
  const at = await withPasskey(browser, gateway);
  const { page } = at;
  at.token = await page.evaluate(async () => {
    const reply = await fetch('/v1/tokens', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{}' });
    return (await reply.json()).token;
  });
  return at;
}

describe('held calls', { concurrency: true }, () => {

test('the OpenAI SDK and the AI SDK: held, one touch, and the answer comes as ever', async (t) => {
  const { gateway, up } = await house(t, { hold: '120s' });
  const at = await atBrowser(gateway);
  const { page, token } = at;
  const openai = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: token });
  const ai = createOpenAI({ baseURL: `${gateway.url}/v1`, apiKey: token });
  await page.goto(`${gateway.portal}/approve`);
  await page.getByText('No call waits for you.').waitFor();
  await look(page, 'approve-empty');

  const calls = {
    whole: () => openai.chat.completions.create(hello).then((answer) => answer.choices[0].message.content),
    streamed: async () => {
      let text = '';
      for await (const chunk of await openai.chat.completions.create({ ...hello, stream: true })) text += chunk.choices[0]?.delta?.content ?? '';
      return text.trim();
    },
    'AI SDK': () => generateText({ model: ai.chat('scripted'), prompt: 'held and released' }).then(({ text }) => text),
    'AI SDK, streamed': async () => {
      let text = '';
      for await (const piece of streamText({ model: ai.chat('scripted'), prompt: 'held and released' }).textStream) text += piece;
      return text.trim();
    },
  };
  for (const [name, call] of Object.entries(calls)) {
    await lapse(gateway, token);
    up.forget();
    let answered = false;
    const answer = call().finally(() => { answered = true; });
    answer.catch(() => {});
    await until(`${name} is held`, async () => (await held(gateway)) === 1);
    assert.deepEqual(up.seen.filter((one) => one.method !== 'GET'), [], 'not a byte of the prompt');
    // It has come to the open page by itself.
    await page.getByRole('link', { name: 'chat at main' }).click();
    await page.getByRole('heading', { name: 'chat at main' }).waitFor();
    const text = await page.locator('.prompt-card').innerText();
    for (const part of [/main/, /chat/, /access token/, /127\.0\.0\.1/, /at most/]) assert.match(text, part);
    if (name === 'whole') await look(page, 'approve');
    assert.equal(answered, false, 'nothing is approved by looking');
    await button(page, 'Use a passkey or security key').click();
    await page.getByText('A call that waits goes on').waitFor();
    assert.equal(await answer, 'held and released', name);
    assert.equal(up.seen.filter((one) => one.method === 'POST').length, 1);
  }
  await at.close();
});

test('nobody there: the SDK’s own authentication error with the page in its message, and no retry', async (t) => {
  const { gateway, up } = await house(t, { hold: '1s', age: '10s' });
  const admin = await gateway.setup();
  const token = await gateway.token(admin);
  await lapse(gateway, token);
  const openai = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: token });
  const refusals = async () => (await gateway.audit(admin, 'limit=1000&operation=chat&reason=mfa_lapsed')).length;
  const before = await refusals();
  let code;
  await assert.rejects(openai.chat.completions.create(hello), (error) => {
    assert.ok(error instanceof OpenAI.AuthenticationError, error.constructor.name);
    assert.equal(error.code, 'mfa_lapsed');
    [, code] = new RegExp(`${gateway.portal}/approve#([0-9A-Z]{4}-[0-9A-Z]{4})`).exec(error.message) ?? [];
    assert.ok(code, error.message);
    return true;
  });
  const ai = createOpenAI({ baseURL: `${gateway.url}/v1`, apiKey: token });
  await assert.rejects(generateText({ model: ai.chat('scripted'), prompt: 'hello' }), (error) => {
    assert.ok(APICallError.isInstance(error), error.constructor.name);
    assert.equal(error.statusCode, 401);
    assert.equal(error.isRetryable, false);
    assert.ok(error.message.includes(`${gateway.portal}/approve#${code}`), 'the same code for the same call');
    return true;
  });
  await sleep(500);
  assert.equal(await refusals(), before + 2, 'each asked once');
  assert.equal(up.seen.filter((request) => request.body?.includes('released')).length, 0);
});

test('an approval after the caller has left: by the command line, and the next try passes', async (t) => {
  const { gateway } = await house(t, { hold: '0s', age: '10s' });
  const admin = await gateway.setup();
  const login = gateway.cli(['login', '--name', 'ada', '--password-stdin', '--code', await admin.totp.next()], { input: `${password}\n` });
  assert.equal(login.code, 0, login.err);
  const token = await gateway.token(admin);
  await lapse(gateway, token);
  const openai = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: token });
  const error = await openai.chat.completions.create(hello).catch((e) => e);
  const [, code] = /vestibule approve ([0-9A-Z]{4}-[0-9A-Z]{4})/.exec(error.message);
  const list = gateway.cli(['approve']);
  assert.equal(list.code, 0, list.err);
  assert.ok(list.out.includes(code) && list.out.includes('main') && list.out.includes('127.0.0.1'), list.out);
  const none = gateway.cli(['approve', '0000-0000', '--code', '000000']);
  assert.notEqual(none.code, 0);
  const done = gateway.cli(['approve', code.toLowerCase().replace('-', ' '), '--code', await admin.totp.next()]);
  assert.equal(done.code, 0, done.err);
  assert.match(done.err, /operation +chat[^]*access point +main[^]*by +access token[^]*from +127\.0\.0\.1/, 'shown whole before the code is taken');
  const answer = await openai.chat.completions.create(hello);
  assert.equal(answer.choices[0].message.content, 'held and released');
  assert.notEqual(gateway.cli(['approve', code, '--code', await admin.totp.next()]).code, 0, 'one answer counts');
});

test('a thief’s held call from another source is not let on by the owner’s approval', async (t) => {
  const { gateway, up } = await house(t, { hold: '15s', age: '10s' });
  const admin = await gateway.setup();
  await gateway.giveToken(admin);
  const token = await gateway.token(admin);
  await lapse(gateway, token);
  up.forget();
  const thief = net.connect({ port: gateway.port, host: '127.0.0.1', localAddress: '127.0.0.2' });
  let stolen = '';
  thief.on('data', (data) => { stolen += data; }).on('error', () => {});
  thief.write(post(path_, token, prompt('stolen')));
  const owner = await Wire.connect(gateway.port);
  owner.write(post(path_, token, prompt('mine')));
  await until('both are held', async () => (await held(gateway)) === 2);
  // A call takes its place before it asks.
  await until('two requests: they do not belong together', async () => (await waiting(gateway, admin)).length === 2);
  const mine = (await waiting(gateway, admin)).find((r) => r.source === '127.0.0.1');
  await gateway.api('POST', `/v1/approvals/${mine.id}/approve`, await gateway.code(admin), admin);
  assert.equal((await owner.reply()).status, 200);
  assert.equal(stolen, '', 'not a byte');
  await until('the thief is refused', () => stolen.includes('\r\n\r\n'));
  assert.match(stolen, /^HTTP\/1\.1 401 /);
  assert.equal(up.seen.length, 1, 'the owner’s alone');
  thief.destroy();
  owner.close();
});

test('a thousand held at once take little, and are gone as soon as their callers are', async (t) => {
  const { gateway, up } = await house(t, { hold: '60s', age: '10s', approval: { holds: 20_000, holds_per_user: 1_500 } });
  const admin = await gateway.setup();
  const token = await gateway.token(admin);
  await lapse(gateway, token);
  up.forget();
  const resident = () => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(path.join('/proc', String(gateway.child.pid), 'status'), 'utf8'))[1]);
  const before = resident();
  const wires = [];
  for (let i = 0; i < 1000; i += 50) wires.push(...await Promise.all(Array.from({ length: 50 }, () => Wire.connect(gateway.port))));
  for (const wire of wires) wire.write(post(path_, token, prompt('x'.repeat(1000))));
  await until('all are held', async () => (await held(gateway)) === 1000);
  const grown = resident() - before;
  t.diagnostic(`1000 held calls: ${Math.round(grown / 1024)} MB`);
  assert.ok(grown < 200 * 1024, `${grown} KB`);
  await until('one request', async () => (await waiting(gateway, admin)).length === 1);
  assert.ok(wires.every((wire) => wire.buffer.length === 0), 'silent');
  const left = Date.now();
  for (const wire of wires) wire.close();
  await until('all are gone', async () => (await held(gateway)) === 0, 10_000);
  t.diagnostic(`freed within ${Date.now() - left} ms`);
  assert.equal(up.seen.length, 0);
});

test('one greedy user has his share, and others are held beside him', async (t) => {
  const { gateway } = await house(t, { hold: '30s', age: '10s' });
  const admin = await gateway.setup();
  await gateway.giveToken(admin);
  const mia = await gateway.addUser(admin, 'mia');
  const [greedy, other] = [await gateway.token(admin), await gateway.token(mia)];
  await lapse(gateway, greedy);
  await lapse(gateway, other);
  const wires = await Promise.all(Array.from({ length: 40 }, () => Wire.connect(gateway.port)));
  for (const wire of wires) wire.write(post(path_, greedy, prompt('more')));
  await until('the rest is refused', () => wires.filter((wire) => wire.buffer.length > 0).length === 32);
  assert.equal(await held(gateway), 8);
  for (const wire of wires.filter((w) => w.buffer.length > 0)) {
    const reply = await wire.reply();
    assert.equal(reply.status, 401);
    assert.match(reply.body, /vestibule approve/);
  }
  const beside = await Wire.connect(gateway.port);
  beside.write(post(path_, other, prompt('mine')));
  await until('the other is held', async () => (await held(gateway)) === 9);
  for (const wire of [...wires, beside]) wire.close();
  await until('all are gone', async () => (await held(gateway)) === 0, 10_000);
});

test('"it was not me" shuts the token out there, and the person hears of it', async (t) => {
  const { gateway } = await house(t, { hold: '20s', age: '10s' });
  const admin = await gateway.setup();
  const token = await gateway.token(admin);
  await lapse(gateway, token);
  const wire = await Wire.connect(gateway.port);
  wire.write(post(path_, token, prompt('x')));
  const [request] = await until('it waits', async () => { const all = await waiting(gateway, admin); return all.length > 0 && all; });
  await gateway.api('POST', `/v1/approvals/${request.id}/not-me`, {}, admin);
  assert.equal((await wire.reply()).reason, 'push_not_me');
  wire.write(post(path_, token, prompt('x')));
  assert.equal((await wire.reply()).reason, 'push_not_me', 'at once');
  const { notices } = await gateway.api('GET', '/v1/notices', undefined, admin);
  assert.ok(notices.some((n) => n.kind === 'not_me'));
  wire.close();
});

});
