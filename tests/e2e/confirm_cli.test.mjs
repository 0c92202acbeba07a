// `vestibule confirm`: a terminal shows the call whole before it asks for a code, and signs for nothing that takes a key.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, before, test } from 'node:test';
import OpenAI from 'openai';
import { Gateway, binary, password, policy } from './lib/gateway.mjs';
import { until } from './lib/held.mjs';
import { asking, call, confirmations, tool } from './lib/tools.mjs';
import { Upstream } from './lib/upstream.mjs';

const rules = `
[[rule]]
name = "small transfers by code"
effect = "allow"
tool = ["tip"]
confirm_with = "code"
`;
let up, gateway, ada, token;
let wanted = [];
before(async () => {
  up = await Upstream.start(asking(() => wanted));
  gateway = await Gateway.start({ points: { main: { upstreams: [up.url], hold: '120s' } }, policy: policy('1h', rules) });
  ada = await gateway.setup();
  await gateway.giveToken(ada);
  token = await gateway.token(ada);
  const run = gateway.cli(['login', '--name', 'ada', '--password-stdin'], { input: `${password}\n${await ada.totp.next()}\n` });
  assert.equal(run.code, 0, run.err);
});
after(async () => {
  await gateway?.stop();
  await up?.close();
});

/// Not blocking: the model is in this process.
const cli = (args, { input = '' } = {}) => new Promise((done) => {
  const child = spawn(binary, args, { env: { PATH: process.env.PATH, HOME: gateway.dir, VESTIBULE_CONFIG: gateway.configFile, VESTIBULE_STATE: gateway.state }, stdio: ['pipe', 'pipe', 'pipe'] });
  const run = { out: '', err: '' };
  child.stdout.on('data', (data) => { run.out += data; });
  child.stderr.on('data', (data) => { run.err += data; });
  child.on('close', (code) => done({ code, ...run }));
  child.stdin.on('error', () => {});
  child.stdin.end(input);
});
/// The model asks for one call, and it waits: { id, reply }.
async function held(name, args) {
  wanted = [call(name, args)];
  const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: token, maxRetries: 0 });
  const reply = client.chat.completions.create({ model: 'scripted', messages: [{ role: 'user', content: 'go on' }], tools: [tool(name)] });
  reply.catch(() => {});
  const one = await until('one waits', async () => (await confirmations(gateway, ada)).find((c) => c.stage === 'waiting'));
  return { id: one.id, calls: async () => (await reply).choices[0].message.tool_calls ?? [] };
}

test('what waits is listed, shown whole, and let out by a code', async () => {
  const args = { to: 'alice', amount: 1, memo: 'for\u202etea\u001b[2J' };
  const { id, calls } = await held('tip', args);
  const list = await cli(['confirm']);
  assert.equal(list.code, 0, list.err);
  assert.match(list.out, new RegExp(`${id}\\s+tip\\s+main`));
  const wrong = await cli(['confirm', id, '--code', '000000']);
  assert.notEqual(wrong.code, 0);
  assert.equal((await confirmations(gateway, ada)).find((c) => c.id === id).stage, 'waiting');
  const run = await cli(['confirm', id, '--code', await ada.totp.next()]);
  assert.equal(run.code, 0, run.err);
  for (const part of [/A tool call waits for you:/, /tool\s+tip/, /access point\s+main/, /"to":"alice"/, /"amount":1/, /asked by\s+ada/, /model\s+scripted/, /expires\s+20\d\d-/]) assert.match(run.err, part);
  assert.ok(!/[\u202e\u001b]/.test(run.err), 'nothing in it moves the cursor or turns the text');
  assert.match(run.out, /Confirmed. The call is let out, once/);
  assert.deepEqual(JSON.parse((await calls())[0].function.arguments), args);
  const twice = await cli(['confirm', id, '--code', await ada.totp.next()]);
  assert.notEqual(twice.code, 0);
});

test('declined: it is not let out', async () => {
  const { id, calls } = await held('tip', { to: 'bob', amount: 2 });
  const run = await cli(['confirm', id, '--decline']);
  assert.equal(run.code, 0, run.err);
  assert.match(run.out, /Declined/);
  assert.deepEqual(await calls(), []);
});

test('what takes a key is shown, and sent to the page', async () => {
  const { id, calls } = await held('transfer_money', { to: 'alice', amount: 250 });
  const run = await cli(['confirm', id, '--code', await ada.totp.next()]);
  assert.notEqual(run.code, 0);
  assert.match(run.err, /"amount":250/);
  assert.match(run.err, /passkey or a security key/);
  assert.equal((await cli(['confirm', id, '--decline'])).code, 0);
  assert.deepEqual(await calls(), []);
  const none = await cli(['confirm', 'cfm_00000000000000000000000000']);
  assert.notEqual(none.code, 0);
  assert.match(none.err, /no such call/);
});
