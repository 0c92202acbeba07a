// A person's signature under every dangerous tool call: what a model asks for is let out once it is confirmed,
// that very call, and nothing else is. Unchanged SDKs, a real browser, a virtual authenticator.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import OpenAI from 'openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText, stepCountIs, streamText, tool as aiTool, jsonSchema } from 'ai';
import { Gateway, policy, sleep } from './lib/gateway.mjs';
import { accessible, launch, look } from './lib/browser.mjs';
import { button } from './lib/portal.mjs';
import { held, until, withPasskey } from './lib/held.mjs';
import { asking, call, confirmations, tool } from './lib/tools.mjs';
import { Upstream, chat, chunk, eventStream, json } from './lib/upstream.mjs';
import { verifyReceipt } from '../../clients/node/receipt.mjs';

let browser;
before(async () => { browser = await launch(); });
after(async () => { await browser?.close(); });

const transfer = { to: 'alice', amount: 250 };
const rules = `
[[rule]]
name = "reading"
effect = "allow"
tool = ["read_file", "list_files"]
confirm = "none"
[[rule]]
name = "small transfers by code"
effect = "allow"
tool = ["tip"]
confirm = "self"
confirm_with = "code"
[[rule]]
name = "never"
effect = "deny"
tool = ["format_disk"]
`;

async function house(t, calls, { hold = '120s', more = '', answer, config = {} } = {}) {
  const up = await Upstream.start(answer ?? asking(calls));
  t.after(() => up.close());
  const gateway = await Gateway.start({ points: { main: { upstreams: [up.url], hold } }, policy: policy('1h', rules + more), config });
  t.after(() => gateway.stop());
  return { up, gateway };
}
/// ada at a browser with a passkey, and a token of hers for programs.
async function keeper(t, gateway) {
  const at = await withPasskey(browser, gateway);
  t.after(() => at.context.close());
  at.token = await at.page.evaluate(async () => {
    const reply = await fetch('/v1/tokens', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{}' });
    return (await reply.json()).token;
  });
  at.get = (path) => at.page.evaluate(async (p) => (await fetch(p)).json(), path);
  at.post = (path, body = {}) => at.page.evaluate(async ([p, b]) => {
    const reply = await fetch(p, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(b) });
    return { status: reply.status, reason: reply.headers.get('vestibule-reason') };
  }, [path, body]);
  at.waiting = async () => (await at.get('/v1/confirmations')).confirmations;
  at.confirm = async (heading) => {
    await at.page.goto(`${gateway.portal}/confirm`);
    await at.page.getByRole('heading', { name: heading }).first().waitFor();
    await button(at.page, 'Use a passkey or security key').click();
    await at.page.getByText('is let out, once').waitFor();
  };
  return at;
}
const openai = (gateway, apiKey) => new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey, maxRetries: 0 });
const ask = (stream = false) => ({ model: 'scripted', messages: [{ role: 'user', content: 'transfer 250 euros to alice' }], tools: [tool('transfer_money')], stream });
const collect = async (stream) => {
  const out = { text: '', calls: [], finish: null };
  for await (const part of stream) {
    const [choice] = part.choices;
    out.text += choice?.delta?.content ?? '';
    for (const piece of choice?.delta?.tool_calls ?? []) {
      out.calls[piece.index] ??= { name: '', arguments: '' };
      out.calls[piece.index].name += piece.function?.name ?? '';
      out.calls[piece.index].arguments += piece.function?.arguments ?? '';
    }
    out.finish = choice?.finish_reason ?? out.finish;
  }
  return out;
};

describe('tool calls', { concurrency: 3 }, () => {

test('streamed: text flows, the call waits, the page shows it whole, a touch lets it out', async (t) => {
  const { gateway, up } = await house(t, [call('transfer_money', transfer)]);
  const at = await keeper(t, gateway);
  const stream = await openai(gateway, at.token).chat.completions.create(ask(true));
  let text = '';
  let done = false;
  const all = (async () => {
    const parts = [];
    for await (const part of stream) {
      text += part.choices[0]?.delta?.content ?? '';
      parts.push(part);
    }
    done = true;
    return collect(parts);
  })();
  await until('the text is there', () => text.includes('I will do that.'));
  await until('one waits', async () => (await at.waiting()).length === 1);
  assert.equal(done, false);
  await at.page.goto(`${gateway.portal}/confirm`);
  await at.page.getByRole('heading', { name: /transfer_money/ }).waitFor();
  const shown = await at.page.locator('.call').innerText();
  for (const part of [/alice/, /250/, /main/, /you \(ada\)/, /scripted/, /127\.0\.0\.1/]) assert.match(shown, part);
  await accessible(at.page, 'confirm');
  await look(at.page, 'confirm');
  await button(at.page, 'Use a passkey or security key').click();
  await at.page.getByText('is let out, once').waitFor();
  const answer = await all;
  assert.deepEqual(answer.calls, [{ name: 'transfer_money', arguments: JSON.stringify(transfer) }]);
  assert.equal(answer.finish, 'tool_calls');
  assert.equal(up.seen.filter((r) => r.method === 'POST').length, 1, 'the model is asked once');
  await at.close();
});

test('the bytes of an allowed call are those of the model; of a confirmed one too', async (t) => {
  const { gateway, up } = await house(t, [call('read_file', { path: '/a' })]);
  const at = await keeper(t, gateway);
  for (const stream of [false, true]) {
    const body = JSON.stringify(ask(stream));
    const through = await (await fetch(`${gateway.url}/v1/chat/completions`, { method: 'POST', headers: { Authorization: `Bearer ${at.token}`, 'Content-Type': 'application/json' }, body })).text();
    const bare = await (await fetch(`${up.url}/v1/chat/completions`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body })).text();
    assert.equal(through, bare);
  }
  assert.equal((await at.waiting()).length, 0, 'a rule lets it go');
});

test('not streamed: held in silence, then as ever', async (t) => {
  const { gateway } = await house(t, [call('transfer_money', transfer)]);
  const at = await keeper(t, gateway);
  const answer = openai(gateway, at.token).chat.completions.create(ask());
  answer.catch(() => {});
  await until('held', async () => (await held(gateway)) === 1);
  await at.confirm(/transfer_money/);
  const { choices: [choice], usage } = await answer;
  assert.equal(choice.message.tool_calls[0].function.arguments, JSON.stringify(transfer));
  assert.equal(choice.finish_reason, 'tool_calls');
  assert.equal(usage.total_tokens, 18);
});

test('declined: a sentence in its place, which the model can be told', async (t) => {
  const { gateway } = await house(t, [call('transfer_money', transfer)]);
  const at = await keeper(t, gateway);
  for (const stream of [false, true]) {
    const answer = openai(gateway, at.token).chat.completions.create({ ...ask(stream), messages: [{ role: 'user', content: `again ${stream}` }] });
    answer.catch(() => {});
    const seen = stream ? collect(await answer) : answer;
    if (!stream) {
      const [one] = await until('one waits', async () => ((await at.waiting()).length === 1 ? at.waiting() : null));
      await at.page.goto(`${gateway.portal}/confirm#${one.id}`);
      await button(at.page, 'Decline').click();
      await at.page.getByText('Declined. The call is not let out.').waitFor();
    }
    const got = await seen;
    const { text, calls, finish } = stream ? got : { text: got.choices[0].message.content, calls: got.choices[0].message.tool_calls ?? [], finish: got.choices[0].finish_reason };
    assert.equal(calls.length, 0);
    assert.equal(finish, 'stop');
    assert.match(text, /I will do that\./);
    assert.match(text, /transfer_money was not let out: The person who was asked has declined this/);
  }
  assert.equal((await at.waiting()).length, 0, 'the same call asks nobody again');
});

test('nobody confirms in time: where to do so; then the same call goes out, once', async (t) => {
  const { gateway } = await house(t, [call('transfer_money', transfer)], { hold: '1s' });
  const at = await keeper(t, gateway);
  const client = openai(gateway, at.token);
  const late = (await client.chat.completions.create(ask())).choices[0];
  assert.equal(late.message.tool_calls ?? null, null);
  const where = /(http:\/\/localhost:\d+\/confirm#cfm_[a-z0-9]+)/.exec(late.message.content);
  assert.ok(where, late.message.content);
  await at.page.goto(where[1]);
  await button(at.page, 'Use a passkey or security key').click();
  await at.page.getByText('is let out, once').waitFor();
  const now = (await client.chat.completions.create(ask())).choices[0];
  assert.equal(now.message.tool_calls.length, 1);
  const again = (await client.chat.completions.create(ask())).choices[0];
  assert.equal(again.message.tool_calls ?? null, null, 'used once');
  const [one] = await at.waiting();
  assert.ok(one.ran_before_s !== null, 'this ran a moment ago');
});

test('several in one reply: each for itself, signed as one list', async (t) => {
  const calls = [call('read_file', { path: '/a' }), call('transfer_money', transfer), call('format_disk', { disk: 'sda' }), call('transfer_money', { to: 'bob', amount: 1 }, 'call_2')];
  const { gateway } = await house(t, calls);
  const at = await keeper(t, gateway);
  const answer = openai(gateway, at.token).chat.completions.create(ask());
  answer.catch(() => {});
  await until('two wait', async () => (await at.waiting()).length === 2);
  await at.page.goto(`${gateway.portal}/confirm`);
  await at.page.getByRole('heading', { name: /transfer_money/ }).nth(1).waitFor();
  for (const box of await at.page.getByRole('checkbox').all()) await box.check();
  await at.page.getByText('You sign 2 calls as one list').waitFor();
  await look(at.page, 'confirm-list');
  await button(at.page, 'Use a passkey or security key').click();
  await at.page.getByText('2 calls are let out').waitFor();
  const { message, finish_reason: finish } = (await answer).choices[0];
  assert.deepEqual(message.tool_calls.map((c) => [c.function.name, JSON.parse(c.function.arguments)]),
    [['read_file', { path: '/a' }], ['transfer_money', transfer], ['transfer_money', { to: 'bob', amount: 1 }]]);
  assert.match(message.content, /format_disk was not let out: The policy does not allow this tool/);
  assert.equal(finish, 'tool_calls');
});

test('a fresh factor, a token, a key, a code: none of them confirms', async (t) => {
  const { gateway } = await house(t, [call('transfer_money', transfer)], { hold: '2s' });
  const at = await keeper(t, gateway);
  const client = openai(gateway, at.token);
  const refused = (await client.chat.completions.create(ask())).choices[0];
  assert.equal(refused.message.tool_calls ?? null, null, 'she has proved her key a moment ago, and yet');
  const [one] = await at.waiting();
  for (const handle of [at.token]) {
    const reply = await gateway.call('POST', '/v1/confirmations/confirm', { ids: [one.id], code: '123456' }, handle);
    assert.equal(reply.status, 401);
  }
  const code = await at.post('/v1/confirmations/confirm', { ids: [one.id], code: '123456' });
  assert.equal(code.reason, 'mfa_required');
  // An answer that was given for something else.
  const other = await at.page.evaluate(async (id) => {
    const post = async (path, body) => (await fetch(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) })).json();
    const asked = await post('/v1/challenges', { kind: 'webauthn', operation: 'prove' });
    const b64 = (text) => Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));
    const url = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
    const options = typeof asked.options === 'string' ? JSON.parse(asked.options) : asked.options;
    const got = await navigator.credentials.get({ publicKey: { ...options, challenge: b64(options.challenge), allowCredentials: options.allowCredentials.map((c) => ({ ...c, id: b64(c.id) })) } });
    const answer = JSON.stringify({ id: got.id, rawId: url(got.rawId), type: got.type, clientExtensionResults: {}, response: {
      clientDataJSON: url(got.response.clientDataJSON), authenticatorData: url(got.response.authenticatorData), signature: url(got.response.signature),
      ...(got.response.userHandle ? { userHandle: url(got.response.userHandle) } : {}) } });
    const reply = await fetch('/v1/confirmations/confirm', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ ids: [id], kind: 'webauthn', challenge: asked.challenge ?? asked.id, code: answer }) });
    return reply.headers.get('vestibule-reason');
  }, one.id);
  assert.equal(other, 'code_wrong');
  assert.equal((await at.waiting())[0].stage, 'waiting');
});

test('where policy says so a code will do, and it is marked', async (t) => {
  const { gateway } = await house(t, [call('tip', { amount: 1 })]);
  const admin = await gateway.setup();
  const token = await gateway.token(admin);
  const answer = openai(gateway, token).chat.completions.create(ask());
  answer.catch(() => {});
  const [one] = await until('one waits', async () => { const list = await confirmations(gateway, admin); return list.length === 1 ? list : null; });
  assert.equal(one.need.bound, false);
  const code = await admin.totp.next();
  await gateway.api('POST', '/v1/confirmations/confirm', { ids: [one.id], code }, admin);
  assert.equal((await answer).choices[0].message.tool_calls.length, 1);
  const twice = await gateway.call('POST', '/v1/confirmations/confirm', { ids: [one.id], code }, admin.handle);
  assert.equal(twice.reason, 'conflict');
});

test('somebody else’s call is nobody’s business', async (t) => {
  const { gateway } = await house(t, [call('transfer_money', transfer)]);
  const admin = await gateway.setup();
  const bob = await gateway.addUser(admin, 'bob');
  const answer = openai(gateway, await gateway.token(admin)).chat.completions.create(ask());
  answer.catch(() => {});
  const [one] = await until('one waits', async () => { const list = await confirmations(gateway, admin); return list.length === 1 ? list : null; });
  assert.deepEqual(await confirmations(gateway, bob), []);
  for (const [method, path, body] of [['GET', '', undefined], ['POST', '/decline', {}], ['POST', '/sleep', {}], ['POST', '/not-me', {}], ['POST', '/withdraw', {}]]) {
    const reply = await gateway.call(method, `/v1/confirmations/${one.id}${path}`, body, bob.handle);
    assert.ok(['not_found', 'conflict'].includes(reply.reason), `${path}: ${reply.reason}`);
  }
  const reply = await gateway.call('POST', '/v1/confirmations/confirm', { ids: [one.id], code: await bob.totp.next() }, bob.handle);
  assert.equal(reply.reason, 'not_found');
  await gateway.api('POST', `/v1/confirmations/${one.id}/decline`, {}, admin);
  assert.equal((await answer).choices[0].message.tool_calls ?? null, null);
});

test('the caller leaves: the upstream was drained, nothing is let out, the question stays', async (t) => {
  const { gateway, up } = await house(t, [call('transfer_money', transfer)]);
  const admin = await gateway.setup();
  const control = new AbortController();
  const answer = openai(gateway, await gateway.token(admin)).chat.completions.create(ask(true), { signal: control.signal }).then(collect);
  answer.catch(() => {});
  await until('one waits', async () => (await confirmations(gateway, admin)).length === 1);
  assert.equal(await held(gateway), 1);
  control.abort();
  await until('nobody is held', async () => (await held(gateway)) === 0);
  const records = await gateway.audit(admin);
  assert.equal(records.filter((r) => r.operation === 'tools/call' && r.kind === 'admission').length, 0);
  assert.equal(up.seen.filter((r) => r.method === 'POST').length, 1);
  assert.equal((await confirmations(gateway, admin)).length, 1);
});

test('while a call waits the model is free: it is read to its end, whatever it still says', async (t) => {
  const event = (delta, finish = null) => chunk(`data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'scripted', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`);
  const word = 'x'.repeat(1000);
  let busy = false;  // one slot, taken until the last byte is gone
  const { gateway } = await house(t, [], { answer: async (request, socket) => {
    if (request.target.endsWith('/models')) return chat(request, socket);
    while (busy) await sleep(10);
    busy = true;
    if (!JSON.parse(request.body).stream) socket.write(json({ id: 'c', object: 'chat.completion', created: 1, model: 'scripted', choices: [{ index: 0, message: { role: 'assistant', content: 'free' }, finish_reason: 'stop' }] }));
    else {
      socket.write(eventStream + event({ role: 'assistant', content: 'before ' }) + event({ tool_calls: [{ index: 0, ...call('tip', { amount: 3 }) }] }));
      for (let n = 0; n < 6000; ++n) if (!socket.write(event({ content: word }))) await new Promise((done) => { socket.once('drain', done).once('close', done); });
      await new Promise((done) => { socket.write(`${event({}, 'tool_calls')}${chunk('data: [DONE]\n\n')}0\r\n\r\n`, done); });
    }
    busy = false;
  } });
  const admin = await gateway.setup();
  const bob = await gateway.addUser(admin, 'bob');
  const client = openai(gateway, await gateway.token(admin));
  const answer = client.chat.completions.create(ask(true)).then(collect);
  answer.catch(() => {});
  const [one] = await until('one waits', async () => { const list = await confirmations(gateway, admin); return list.length === 1 ? list : null; });
  const other = await openai(gateway, await gateway.token(bob)).chat.completions.create({ ...ask(), tools: undefined });
  assert.equal(other.choices[0].message.content, 'free');
  assert.equal(await held(gateway), 1, 'and it waits still');
  await gateway.api('POST', '/v1/confirmations/confirm', { ids: [one.id], code: await admin.totp.next() }, admin);
  const whole = await answer;
  assert.deepEqual(whole.calls, [{ name: 'tip', arguments: '{"amount":3}' }]);
  assert.equal(whole.text.length, 'before '.length + 6000 * word.length, 'all that was said behind it came too');
});

test('killed between the signature and the call: it goes out once at most, and the log knows of it', async (t) => {
  const { gateway } = await house(t, [call('tip', { amount: 5 })], { hold: '2s' });
  const admin = await gateway.setup();
  const people = [];
  for (let n = 0; n < 5; ++n) people.push(await gateway.addUser(admin, `u${n}`));
  for (const [n, person] of people.entries()) {
    const client = openai(gateway, await gateway.token(person));
    const out = async () => client.chat.completions.create(ask()).then(({ choices: [choice] }) => choice.message.tool_calls?.length ?? 0, () => 0);
    const first = out();
    const [one] = await until('one waits', async () => { const list = await confirmations(gateway, person); return list.length === 1 ? list : null; });
    const code = await person.totp.next();
    const confirmed = gateway.call('POST', '/v1/confirmations/confirm', { ids: [one.id], code }, person.handle).then((reply) => reply.status, () => 0);
    await sleep(n * 4);
    await gateway.kill('SIGKILL');
    await gateway.up();
    const seen = [await first, await out(), await out()];
    const outs = seen.reduce((a, b) => a + b, 0);
    const records = (await gateway.audit(admin, `limit=100&user=${person.name}`)).filter((r) => r.operation === 'tools/call' && r.kind === 'admission').length;
    const how = `killed after ${n * 4} ms: ${seen}, ${records} records, confirmed with ${await confirmed}`;
    assert.ok(records <= 1 && outs <= records, how);
    if ((await confirmed) === 200) assert.equal(records, 1, `what was signed is not lost: ${how}`);
  }
  assert.ok(await gateway.verify(admin));
});

test('revoked while it waits: cut, and nothing comes out', async (t) => {
  const { gateway } = await house(t, [call('transfer_money', transfer)]);
  const admin = await gateway.setup();
  const bob = await gateway.addUser(admin, 'bob');
  const answer = openai(gateway, await gateway.token(bob)).chat.completions.create(ask(true)).then(collect);
  answer.catch(() => {});
  await until('one waits', async () => (await confirmations(gateway, bob)).length === 1);
  const code = await gateway.code(admin);
  await gateway.api('POST', '/v1/users/bob/disable', code, admin).catch(() => gateway.api('POST', '/v1/users/bob/disable', {}, admin));
  await assert.rejects(answer);
});

test('the log says who was asked for which tool, and who has confirmed', async (t) => {
  const { gateway } = await house(t, [call('tip', { amount: 2 })]);
  const admin = await gateway.setup();
  const answer = openai(gateway, await gateway.token(admin)).chat.completions.create(ask());
  answer.catch(() => {});
  const [one] = await until('one waits', async () => { const list = await confirmations(gateway, admin); return list.length === 1 ? list : null; });
  await gateway.api('POST', '/v1/confirmations/confirm', { ids: [one.id], code: await admin.totp.next() }, admin);
  await answer;
  const records = await gateway.audit(admin);
  const of = (operation, kind) => records.filter((r) => r.operation === operation && (!kind || r.kind === kind));
  assert.equal(of('tools.ask').length, 1);
  assert.equal(of('tools.confirm').length, 1);
  const [out] = of('tools/call', 'admission');
  assert.equal(out.object, 'tip');
  assert.match(out.note, new RegExp(`action ${crypto.createHash('sha256').update(one.action).digest('hex')}`));
  assert.ok(await gateway.verify(admin));
});

test('a receipt: what was signed and let out, checked without the gateway', async (t) => {
  const { gateway } = await house(t, [call('transfer_money', transfer)], { config: { audit: { checkpoint_file: 'checkpoints', checkpoint_every: '1s' } } });
  const at = await keeper(t, gateway);
  const answer = openai(gateway, at.token).chat.completions.create(ask());
  answer.catch(() => {});
  const [one] = await until('one waits', async () => { const list = await at.waiting(); return list.length === 1 ? list : null; });
  await at.confirm(/transfer_money/);
  await answer;
  const receipt = await until('a checkpoint covers it', () => at.page.evaluate(async (id) => {
    const reply = await fetch(`/v1/confirmations/${id}/receipt`);
    return reply.ok ? reply.text() : null;
  }, one.id), 30_000);
  const { vkey: key } = await at.get('/v1/audit/checkpoint');
  assert.ok(key, 'the log’s key');
  const summary = await verifyReceipt(receipt, { logKeys: [key], tool: 'transfer_money', arguments: JSON.stringify(transfer), relyingPartyId: 'localhost', origins: [gateway.portal] });
  assert.equal(summary.confirmed[0].user, 'ada');
  const file = path.join(gateway.dir, 'receipt.json');
  fs.writeFileSync(file, receipt);
  const good = gateway.cli(['receipt', 'verify', file, '--log-key', key, '--dispatched']);
  assert.equal(good.code, 0, good.err);
  assert.match(good.out, /transfer_money/);
  fs.writeFileSync(file, receipt.replace('250', '251'));
  assert.notEqual(gateway.cli(['receipt', 'verify', file, '--log-key', key]).code, 0);
});

test('raw completions are closed where tools are gated, and open where they are not', async (t) => {
  const up = await Upstream.start();
  t.after(() => up.close());
  const gateway = await Gateway.start({ points: { main: { upstreams: [up.url] }, loose: { upstreams: [up.url], prefix: '/loose', tools: 'open' } } });
  t.after(() => gateway.stop());
  const token = await gateway.token(await gateway.setup());
  const post = (path) => fetch(`${gateway.url}${path}`, { method: 'POST', headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' }, body: JSON.stringify({ model: 'scripted', prompt: 'x' }) });
  const closed = await post('/v1/completions');
  assert.equal(closed.status, 403);
  assert.equal(closed.headers.get('vestibule-reason'), 'tools_gated');
  assert.equal((await post('/loose/v1/completions')).status, 200);
});

test('the AI SDK’s tool loop runs unchanged with gated tools', async (t) => {
  const { gateway } = await house(t, [call('transfer_money', transfer)]);
  const at = await keeper(t, gateway);
  const model = createOpenAICompatible({ name: 'vestibule', baseURL: `${gateway.url}/v1`, apiKey: at.token })('scripted');
  const ran = [];
  const tools = { transfer_money: aiTool({ description: 'x', inputSchema: jsonSchema({ type: 'object', properties: { to: { type: 'string' }, amount: { type: 'number' } } }), execute: async (input) => { ran.push(input); return 'ok'; } }) };
  const prompt = 'transfer 250 euros to alice';
  const whole = generateText({ model, prompt, tools, stopWhen: stepCountIs(3) });
  whole.catch(() => {});
  await until('one waits', async () => (await at.waiting()).length === 1);
  await at.confirm(/transfer_money/);
  assert.match((await whole).text, /Done/);
  assert.deepEqual(ran, [transfer]);
  const streamed = (async () => {
    let text = '';
    for await (const piece of streamText({ model, prompt, tools, stopWhen: stepCountIs(3) }).textStream) text += piece;
    return text;
  })();
  streamed.catch(() => {});
  await until('one waits', async () => (await at.waiting()).length === 1);
  await at.confirm(/transfer_money/);
  assert.match(await streamed, /I will do that\. .*Done/);
  assert.equal(ran.length, 2);
});

test('the OpenAI SDK’s tool runner, too', async (t) => {
  const { gateway } = await house(t, [call('transfer_money', transfer)]);
  const at = await keeper(t, gateway);
  const ran = [];
  const runner = openai(gateway, at.token).chat.completions.runTools({
    model: 'scripted', messages: [{ role: 'user', content: 'transfer 250 euros to alice' }],
    tools: [{ type: 'function', function: { name: 'transfer_money', parse: JSON.parse, function: (input) => { ran.push(input); return 'ok'; }, parameters: { type: 'object', properties: {} } } }],
  });
  const final = runner.finalContent();
  final.catch(() => {});
  await until('one waits', async () => (await at.waiting()).length === 1);
  await at.confirm(/transfer_money/);
  assert.match(await final, /Done: /);
  assert.deepEqual(ran, [transfer]);
});

test('answers that were doctored on their way: what does not hash to what it says is neither shown nor signed', async (t) => {
  const { gateway } = await house(t, [call('transfer_money', transfer), call('pay', { to: 'bob' })]);
  const at = await keeper(t, gateway);
  const answer = openai(gateway, at.token).chat.completions.create({ ...ask(), tools: [tool('transfer_money'), tool('pay')] });
  answer.catch(() => {});
  await until('two wait', async () => (await at.waiting()).length === 2);
  const all = await at.waiting();
  const doctor = (change) => at.page.route('**/v1/confirmations', (route) => route.fulfill({ json: { confirmations: all.map((c) => (c.tool === 'transfer_money' ? { ...c, ...change(c) } : c)) } }));
  const rows = {
    'other arguments beside the text': (c) => ({ arguments: c.arguments.replace('250', '2.5') }),
    'another text': (c) => ({ action: c.action.replace('250', '2.5') }),
    'another text and its arguments': (c) => ({ action: c.action.replace('250', '2.5'), arguments: c.arguments.replace('250', '2.5') }),
    'no text at all': () => ({ action: '' }),
    'a text that never ends': (c) => ({ action: c.action.slice(0, -1) }),
  };
  for (const [name, change] of Object.entries(rows)) {
    await doctor(change);
    await at.page.goto('about:blank');
    await at.page.goto(`${gateway.portal}/confirm#${all.find((c) => c.tool === 'transfer_money').id}`);
    await at.page.getByRole('alert').getByText('does not hash to what it says').waitFor();
    await at.page.getByRole('heading', { name: /pay/ }).waitFor();
    assert.equal(await at.page.locator('.call').count(), 1, name);
    assert.equal(await button(at.page, 'Use a passkey or security key').count(), 0, `${name}: nothing is signed that is not shown`);
    if (name === 'another text') await look(at.page, 'confirm-doctored');
    await at.page.unroute('**/v1/confirmations');
  }
  // A text that hashes well, of another call: its page signs what it shows, and the gateway compares.
  const forged = JSON.stringify({ ...JSON.parse(all[0].action), tool: 'harmless' });
  await doctor(() => ({ action: forged, arguments: all[0].arguments, digest: crypto.createHash('sha256').update(forged).digest('hex') }));
  await at.page.goto('about:blank');
  await at.page.goto(`${gateway.portal}/confirm#${all.find((c) => c.tool === 'transfer_money').id}`);
  await at.page.getByRole('heading', { name: /harmless/ }).waitFor();
  await button(at.page, 'Use a passkey or security key').click();
  await at.page.getByRole('alert').first().waitFor();
  await at.page.unroute('**/v1/confirmations');
  for (const one of await at.waiting()) {
    assert.deepEqual([one.stage, one.signatures], ['waiting', []]);
    assert.equal((await at.post(`/v1/confirmations/${one.id}/decline`)).status, 200);
  }
  assert.equal((await answer).choices[0].message.tool_calls ?? null, null);
});

test('what hides in arguments is shown for what it is', async (t) => {
  const { gateway } = await house(t, [call('transfer_mon\u0435y', { to: 'alice\u202e\u200b', 'am\u043eunt': 1, html: '<img src=x onerror=alert(1)>' })]);
  const at = await keeper(t, gateway);
  const answer = openai(gateway, at.token).chat.completions.create(ask());
  answer.catch(() => {});
  await until('one waits', async () => (await at.waiting()).length === 1);
  await at.page.goto(`${gateway.portal}/confirm`);
  await at.page.locator('.call').waitFor();
  const text = await at.page.locator('.call').innerText();
  for (const part of ['U+202E', 'U+200B', 'U+0435', 'U+043E', '<img src=x']) assert.ok(text.includes(part), part);
  assert.equal(await at.page.locator('.call img').count(), 0);
  await look(at.page, 'confirm-hidden');
  await button(at.page, 'Decline').click();
  assert.match((await answer).choices[0].message.content, /declined/);
});

});
