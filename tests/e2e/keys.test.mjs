// API keys as programs use them: asleep, awake for one source, revoked while an answer runs; the command
// line and the page that make and wake them.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test, before, after } from 'node:test';
import OpenAI from 'openai';
import { Gateway, password, sleep } from './lib/gateway.mjs';
import { accessible, launch, visit } from './lib/browser.mjs';
import { until } from './lib/held.mjs';
import { button, into, open } from './lib/portal.mjs';
import { Wire, post, prompt, soon } from './lib/raw.mjs';
import { Upstream, chat, trickle } from './lib/upstream.mjs';

let up, gateway, admin;
before(async () => {
  up = await Upstream.start(async (r, socket) => (r.target.endsWith('/models') || !JSON.parse(r.body).stream ? chat(r, socket) : trickle(20)(r, socket)));
  gateway = await Gateway.start({ points: { main: { upstreams: [up.url] }, other: { prefix: '/other', upstreams: [up.url] } } });
  admin = await gateway.setup();
  await gateway.giveToken(admin);
});
after(async () => {
  await gateway?.stop();
  await up?.close();
});
const make = async (name, more = {}) => gateway.api('POST', '/v1/keys', { name, ...more, ...await gateway.code(admin) }, admin);
const wake = async (id, source, more = {}) =>
  gateway.api('POST', `/v1/keys/${id}/unlock`, { source, lasts_s: 3600, ...more, ...await gateway.code(admin) }, admin);
const openai = (apiKey) => new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey, maxRetries: 0 });
const ask = (apiKey, model = 'scripted') => openai(apiKey).chat.completions.create({ model, messages: [{ role: 'user', content: 'hello' }] });
async function curl(...args) {
  const child = spawn('curl', ['-sS', '--max-time', '20', ...args]);
  let out = '';
  child.stdout.on('data', (data) => { out += data; });
  await new Promise((done) => child.on('close', done));
  return out;
}

test('the OpenAI client: asleep, awake, back to sleep', async () => {
  const { id, key } = await make('sdk');
  assert.match(key, /^vk_[A-Za-z0-9_-]{54}$/);
  const seen = up.seen.length;
  await assert.rejects(ask(key), (e) => e instanceof OpenAI.AuthenticationError && e.code === 'key_asleep' && /vestibule key unlock/.test(e.message));
  assert.equal(up.seen.length, seen, 'no byte went on');
  await wake(id, '203.0.113.9');
  await assert.rejects(ask(key), OpenAI.AuthenticationError, 'awake elsewhere');
  await wake(id, '127.0.0.1', { access_point: 'other' });
  await assert.rejects(ask(key), OpenAI.AuthenticationError, 'awake for another access point');
  await wake(id, '127.0.0.1');
  assert.equal((await ask(key)).choices[0].message.content, 'hello');
  assert.ok(!up.text().includes(key), 'the key stays here');
  await gateway.api('POST', `/v1/keys/${id}/sleep`, {}, admin);
  await assert.rejects(ask(key), OpenAI.AuthenticationError);
});

test('curl: within its scope and outside', async () => {
  const { id, key } = await make('scoped', { scope: JSON.stringify({ access_points: ['main'], models: ['scripted'] }) });
  await wake(id, '127.0.0.1');
  const call = (target, model) => curl(`${gateway.url}${target}`, '-H', `x-api-key: ${key}`, '-H', 'Content-Type: application/json', '-d', JSON.stringify({ ...prompt('hi'), model }));
  assert.equal(JSON.parse(await call('/v1/chat/completions', 'scripted')).choices[0].message.content, 'hi');
  assert.equal(JSON.parse(await call('/v1/chat/completions', 'another')).error.code, 'credential_scope');
  assert.equal(JSON.parse(await call('/other/v1/chat/completions', 'scripted')).error.code, 'credential_scope');
  const models = JSON.parse(await curl(`${gateway.url}/v1/models`, '-H', `Authorization: Bearer ${key}`));
  assert.deepEqual(models.data.map((m) => m.id), ['scripted']);
  const records = await gateway.audit(admin, 'limit=200&reason=credential_scope');
  assert.ok(records.length >= 2 && records.every((r) => r.object === 'key scoped'));
});

test('found by a stranger: an answer that runs is cut within a second', async () => {
  const { id, key } = await make('leaked');
  await wake(id, '127.0.0.1');
  const wire = await Wire.connect(gateway.port);
  wire.write(post('/v1/chat/completions', key, prompt('go', { stream: true })));
  for (let n = 0; n < 2000 && !/tick2 /.test(wire.buffer.toString()); ++n) await sleep(20);
  assert.match(wire.buffer.toString(), /^HTTP\/1\.1 200 [^]*tick2 /);
  const began = Date.now();
  assert.deepEqual(await gateway.api('POST', '/v1/keys/found', { key }), {});
  const ended = await wire.end();
  assert.ok(ended - began < soon, `cut after ${ended - began} ms`);
  assert.ok(!wire.buffer.toString().endsWith('0\r\n\r\n'));
  await assert.rejects(ask(key), OpenAI.AuthenticationError);
  const { keys } = await gateway.api('GET', '/v1/keys', undefined, admin);
  assert.ok(!keys.some((k) => k.id === id));
  const { notices } = await gateway.api('GET', '/v1/notices', undefined, admin);
  assert.ok(notices.some((n) => n.kind === 'key_found' && /key leaked/.test(n.text)));
});

test('a restart keeps keys and unlocks', async () => {
  const { id, key } = await make('lasting');
  await wake(id, '127.0.0.1');
  await gateway.restart();
  assert.equal((await ask(key)).choices[0].message.content, 'hello');
});

test('the command line', async () => {
  const cli = (args, more) => gateway.cli(args, more);
  const user = await gateway.addUser(admin, 'max');
  const signed = cli(['login', '--name', user.name, '--password-stdin', '--json'], { input: `${password}\n${await user.totp.next()}\n` });
  assert.equal(signed.code, 0, signed.err);
  const made = cli(['key', 'create', 'nightly', '--model', 'scripted', '--ttl', '30d', '--code-stdin'], { input: `${await user.totp.next()}\n` });
  assert.equal(made.code, 0, made.err);
  const key = /vk_[A-Za-z0-9_-]{54}/.exec(made.out)?.[0];
  assert.ok(key, made.out);
  await assert.rejects(ask(key), OpenAI.AuthenticationError);
  let list = cli(['key', 'list']);
  for (let n = 0; n < 60 && /never/.test(list.out); ++n) {  // until its use is written down
    await sleep(500);
    list = cli(['key', 'list']);
  }
  assert.match(list.out, /nightly .* 127\.0\.0\.1 +asleep/);
  const which = cli(['key', 'unlock', 'nightly']);
  assert.notEqual(which.code, 0, 'whoever used it last is not chosen');
  assert.match(which.err, /used last from 127\.0\.0\.1/);
  const woken = cli(['key', 'unlock', 'nightly', '--source', '127.0.0.1', '--code-stdin'], { input: `${await user.totp.next()}\n` });
  assert.equal(woken.code, 0, woken.err);
  assert.equal((await ask(key)).choices[0].message.content, 'hello');
  assert.equal(cli(['key', 'sleep', 'nightly']).code, 0);
  await assert.rejects(ask(key), OpenAI.AuthenticationError);
  assert.equal(cli(['key', 'revoke', 'nightly']).code, 0);
  assert.notEqual(cli(['key', 'revoke', 'nightly']).code, 0, 'once');
  const leaked = await make('by-hand');
  const handed = cli(['key', 'found'], { input: `OPENAI_API_KEY="${leaked.key}"\n` });
  assert.equal(handed.code, 0, handed.err);
  await assert.rejects(ask(leaked.key), OpenAI.AuthenticationError);
});

test('the page', async (t) => {
  const browser = await launch();
  t.after(() => browser.close());
  const member = await gateway.addUser(admin, 'mia');
  const at = await visit(browser, gateway);
  const { page } = at;
  await into(page, gateway, member);
  await open(page, 'API keys');
  await accessible(page, 'API keys');
  await button(page, 'New key').click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Name').fill('notebook');
  await dialog.getByLabel('Models').fill('scripted, tiny*');
  await accessible(page, 'a new key');
  await dialog.getByLabel('A fresh code confirms').fill(await member.totp.next());
  await button(dialog, 'New key').click();
  const key = await page.getByLabel('Key', { exact: true }).inputValue();
  assert.match(key, /^vk_[A-Za-z0-9_-]{54}$/);
  await accessible(page, 'the new key');
  await button(page, 'Copy').click();
  await until('it is copied', async () => (await page.evaluate(() => navigator.clipboard.readText())) === key);
  await button(page, 'I have copied it').click();
  assert.ok(!(await page.content()).includes(key), 'shown once');
  await page.getByRole('button', { name: 'Wake notebook' }).click();
  assert.equal(await dialog.getByLabel('Source').inputValue(), '', 'whoever used it last is not chosen');
  await dialog.getByLabel('Source').fill('127.0.0.1');
  await dialog.getByLabel('A fresh code confirms').fill(await member.totp.next());
  await button(dialog, 'Wake').click();
  await page.getByRole('status').getByText('The key is awake.').waitFor();
  assert.equal((await ask(key)).choices[0].message.content, 'hello');
  await accessible(page, 'a key that is awake');
  await page.getByRole('button', { name: 'Put to sleep notebook' }).click();
  await page.getByRole('status').getByText('The key sleeps.').waitFor();
  await assert.rejects(ask(key), OpenAI.AuthenticationError);
  await page.getByRole('button', { name: 'Revoke notebook' }).click();
  await button(dialog, 'Revoke').click();
  await page.getByText('You have no keys.').waitFor();
  await at.close();
});
