// API keys that sleep, in SDKs that nobody has changed: the call is held, its owner touches an authenticator
// in a real browser, and it goes on. Who has stolen the key waits for a touch that wakes it for somebody else.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import OpenAI from 'openai';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { APICallError, generateText, streamText } from 'ai';
import { Gateway, policy } from './lib/gateway.mjs';
import { launch } from './lib/browser.mjs';
import { button, open } from './lib/portal.mjs';
import { held, until, waiting, withPasskey } from './lib/held.mjs';
import { Wire, post, prompt } from './lib/raw.mjs';
import { Upstream } from './lib/upstream.mjs';

const target = '/v1/chat/completions';
const said = 'asleep and awake';
const hello = { model: 'scripted', messages: [{ role: 'user', content: said }] };

let browser;
before(async () => { browser = await launch(); });
after(async () => { await browser?.close(); });

async function house(t, { hold = '20s', approval } = {}) {
  const up = await Upstream.start();
  t.after(() => up.close());
  const gateway = await Gateway.start({ points: { main: { upstreams: [up.url], hold } }, policy: policy('1h'), config: approval ? { approval } : {} });
  t.after(() => gateway.stop());
  return { up, gateway };
}
const make = async (gateway, person, name) => gateway.api('POST', '/v1/keys', { name, ...await gateway.code(person) }, person);
const clients = (gateway, apiKey) => ({
  openai: new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey }),
  ai: createOpenAI({ baseURL: `${gateway.url}/v1`, apiKey }).chat('scripted'),
  compatible: createOpenAICompatible({ name: 'vestibule', baseURL: `${gateway.url}/v1`, apiKey })('scripted'),
});
/// What SDKs are used for: whole answers and streamed ones.
function calls({ openai, ai, compatible }) {
  const whole = (model) => () => generateText({ model, prompt: said }).then(({ text }) => text);
  const streamed = (model) => async () => {
    let text = '';
    for await (const piece of streamText({ model, prompt: said }).textStream) text += piece;
    return text.trim();
  };
  return {
    OpenAI: () => openai.chat.completions.create(hello).then((answer) => answer.choices[0].message.content),
    'OpenAI, streamed': async () => {
      let text = '';
      for await (const chunk of await openai.chat.completions.create({ ...hello, stream: true })) text += chunk.choices[0]?.delta?.content ?? '';
      return text.trim();
    },
    'AI SDK': whole(ai),
    'AI SDK, OpenAI-compatible': whole(compatible),
    'AI SDK, OpenAI-compatible, streamed': streamed(compatible),
  };
}

/// The first administrator with a passkey, in a browser, and a key that he has made there.
async function keeper(gateway) {
  const at = await withPasskey(browser, gateway);
  const { page } = at;
  await open(page, 'API keys');
  await button(page, 'New key').click();
  await page.getByRole('dialog').getByLabel('Name').fill('sdk');
  await button(page.getByRole('dialog'), 'Use a passkey or security key').click();
  at.key = await page.getByLabel('Key', { exact: true }).inputValue();
  await button(page, 'I have copied it').click();
  at.asleep = () => page.evaluate(async () => {
    const { keys } = await (await fetch('/v1/keys')).json();
    const reply = await fetch(`/v1/keys/${keys[0].id}/sleep`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{}' });
    return reply.status;
  });
  return at;
}

describe('keys that sleep', { concurrency: true }, () => {

test('held, one touch, and the answer comes as ever: whole and streamed', async (t) => {
  const { gateway, up } = await house(t, { hold: '120s' });
  const at = await keeper(gateway);
  const { page, key } = at;
  await page.goto(`${gateway.portal}/approve`);
  await page.getByText('No call waits for you.').waitFor();
  for (const [name, call] of Object.entries(calls(clients(gateway, key)))) {
    assert.equal(await at.asleep(), 200);
    up.forget();
    let answered = false;
    const answer = call().finally(() => { answered = true; });
    answer.catch(() => {});
    await until(`${name} is held`, async () => (await held(gateway)) === 1);
    assert.deepEqual(up.seen.filter((one) => one.method !== 'GET'), [], 'not a byte of the prompt');
    await page.getByRole('link', { name: 'chat at main' }).click();
    await page.getByRole('heading', { name: 'chat at main' }).waitFor();
    const text = await page.locator('.prompt-card').innerText();
    for (const part of [/main/, /key sdk/, /127\.0\.0\.1/, /at most/]) assert.match(text, part);
    assert.equal(answered, false, 'nothing is approved by looking');
    await button(page, 'Use a passkey or security key').click();
    await page.getByText('A call that waits goes on').waitFor();
    assert.equal(await answer, said, name);
    assert.equal(up.seen.filter((one) => one.method === 'POST').length, 1);
    assert.ok(!up.text().includes(key), 'the key stays here');
  }
  await at.close();
});

test('nobody there: each SDK’s own authentication error, with the page in its message, and no retry', async (t) => {
  const { gateway, up } = await house(t, { hold: '1s' });
  const admin = await gateway.setup();
  const { key } = await make(gateway, admin, 'sdk');
  const { openai, ai, compatible } = clients(gateway, key);
  const page = new RegExp(`${gateway.portal}/approve#[0-9A-Z]{4}-[0-9A-Z]{4}`);
  for (const stream of [false, true]) {
    await assert.rejects(openai.chat.completions.create({ ...hello, stream }), (error) => {
      assert.ok(error instanceof OpenAI.AuthenticationError, error.constructor.name);
      assert.equal(error.code, 'key_asleep');
      assert.match(error.message, page);
      return true;
    });
  }
  for (const model of [ai, compatible]) {
    await assert.rejects(generateText({ model, prompt: said }), (error) => {
      assert.ok(APICallError.isInstance(error), error.constructor.name);
      assert.equal(error.statusCode, 401);
      assert.equal(error.isRetryable, false);
      assert.match(error.message, page);
      return true;
    });
  }
  assert.equal(up.seen.length, 0);
  assert.equal((await gateway.audit(admin, 'limit=100&reason=key_asleep')).length, 4, 'each asked once');
});

test('a thief’s call from another source waits in vain, and a key that is awake sleeps there', async (t) => {
  const { gateway, up } = await house(t, { hold: '15s' });
  const admin = await gateway.setup();
  await gateway.giveToken(admin);
  const { key } = await make(gateway, admin, 'stolen');
  const thief = await Wire.connect(gateway.port, { from: '127.0.0.2' });
  thief.write(post(target, key, prompt('stolen')));
  const owner = await Wire.connect(gateway.port);
  owner.write(post(target, key, prompt('mine')));
  await until('both are held', async () => (await held(gateway)) === 2);
  // A call takes its place before it asks.
  await until('both ask', async () => (await waiting(gateway, admin)).length === 2);
  const requests = await waiting(gateway, admin);
  assert.deepEqual(requests.map((r) => r.source).sort(), ['127.0.0.1', '127.0.0.2'], 'they do not belong together');
  const mine = requests.find((r) => r.source === '127.0.0.1');
  await gateway.api('POST', `/v1/approvals/${mine.id}/approve`, await gateway.code(admin), admin);
  assert.equal((await owner.reply()).status, 200);
  assert.equal(thief.buffer.length, 0, 'not a byte');
  const refused = await thief.reply();
  assert.equal(refused.status, 401);
  assert.equal(refused.reason, 'key_asleep');
  // Awake for its owner meanwhile, and no nearer to the thief; what he says of where he is counts for nothing.
  for (const lie of ['', 'X-Forwarded-For: 127.0.0.1\r\n', 'Forwarded: for=127.0.0.1\r\n', 'X-Real-IP: 127.0.0.1\r\n']) {
    thief.write(post(target, key, prompt('stolen again'), `Prefer: wait=0\r\n${lie}`));
    assert.equal((await thief.reply()).reason, 'key_asleep', lie);
  }
  owner.write(post(target, key, prompt('mine again'), 'Prefer: wait=0\r\n'));
  assert.equal((await owner.reply()).status, 200);
  assert.equal(up.seen.length, 2, 'the owner’s alone');
  thief.close();
  owner.close();
});

test('a thousand held at once take little, and are gone as soon as their callers are', async (t) => {
  const { gateway, up } = await house(t, { hold: '60s', approval: { holds: 20_000, holds_per_user: 1_500 } });
  const admin = await gateway.setup();
  const { key } = await make(gateway, admin, 'many');
  const resident = () => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(path.join('/proc', String(gateway.child.pid), 'status'), 'utf8'))[1]);
  const before = resident();
  const wires = [];
  for (let i = 0; i < 1000; i += 50) wires.push(...await Promise.all(Array.from({ length: 50 }, () => Wire.connect(gateway.port))));
  for (const wire of wires) wire.write(post(target, key, prompt('x'.repeat(1000))));
  await until('all are held', async () => (await held(gateway)) === 1000);
  const grown = resident() - before;
  t.diagnostic(`1000 held calls of a sleeping key: ${Math.round(grown / 1024)} MB`);
  assert.ok(grown < 200 * 1024, `${grown} KB`);
  assert.equal((await waiting(gateway, admin)).length, 1, 'one request');
  assert.ok(wires.every((wire) => wire.buffer.length === 0), 'silent');
  for (const wire of wires) wire.close();
  await until('all are gone', async () => (await held(gateway)) === 0, 10_000);
  assert.equal(up.seen.length, 0);
});

test('many keys do not give a greedy user more than his share', async (t) => {
  const { gateway } = await house(t, { hold: '30s' });
  const admin = await gateway.setup();
  await gateway.giveToken(admin);
  const mia = await gateway.addUser(admin, 'mia');
  const greedy = [];
  for (const name of ['one', 'two', 'three', 'four']) greedy.push((await make(gateway, admin, name)).key);
  const { key: other } = await make(gateway, mia, 'other');
  const wires = await Promise.all(Array.from({ length: 40 }, () => Wire.connect(gateway.port)));
  wires.forEach((wire, i) => wire.write(post(target, greedy[i % greedy.length], prompt('more'))));
  const refused = () => wires.filter((wire) => wire.buffer.length > 0);
  await until('the rest is refused', () => refused().length === 32);
  assert.equal(await held(gateway), 8);
  for (const wire of refused()) {
    const reply = await wire.reply();
    assert.equal(reply.status, 401);
    assert.equal(reply.reason, 'key_asleep');
  }
  const beside = await Wire.connect(gateway.port);
  beside.write(post(target, other, prompt('mine')));
  await until('the other is held', async () => (await held(gateway)) === 9);
  for (const wire of [...wires, beside]) wire.close();
  await until('all are gone', async () => (await held(gateway)) === 0, 10_000);
});

});
