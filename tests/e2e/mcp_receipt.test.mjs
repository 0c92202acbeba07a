// A tool server that acts on receipts alone: it sees the one of each call that a person has confirmed, at its own access
// point or when a model's reply brought it, and of no other call. Each word of a person is good for one call.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { z } from 'zod';
import { Authenticator } from './lib/authenticator.mjs';
import { launch, look } from './lib/browser.mjs';
import { Gateway, password, policy } from './lib/gateway.mjs';
import { until, withPasskey } from './lib/held.mjs';
import { send } from './lib/mcp.mjs';
import { button } from './lib/portal.mjs';
import { asking, call, confirmations, tool } from './lib/tools.mjs';
import { Upstream } from './lib/upstream.mjs';
import { confirmed } from '../../clients/node/example-mcp.mjs';
import { fromHeader } from '../../clients/node/receipt.mjs';

const transfer = { to: 'alice', amount: 250 };
const rules = `
[[rule]]
name = "to look harms nobody"
effect = "allow"
tool = ["balance"]
confirm = "none"
[[rule]]
name = "gifts are free where they are made"
effect = "allow"
access_point = ["bank"]
tool = ["gift"]
confirm = "none"
[[rule]]
name = "a code will do for a tip that a model wants"
effect = "allow"
access_point = ["main"]
tool = ["tip"]
confirm_with = "code"
[[rule]]
name = "loans take somebody else"
effect = "allow"
access_point = ["bank"]
tool = ["loan"]
confirm = "people"
people = 1
`;
const carries = ['main/transfer', 'main/wire as deposit', 'main/tip', 'main/loan', 'main/gift'];
const guarded = ['transfer', 'deposit', 'wire', 'refund', 'tip', 'loan', 'gift'];

/// An MCP server by the official SDK; all its tools but `balance` want a receipt. `trusts` is what they take of one.
async function bank(trusts) {
  const seen = [];
  const ran = [];
  const says = { of: (name) => `Does ${name}` };
  const make = () => {
    const server = new McpServer({ name: 'bank', version: '1' });
    const inputSchema = { to: z.string(), amount: z.number() };
    server.registerTool('balance', { inputSchema: {} }, async () => ({ content: [{ type: 'text', text: '1000' }] }));
    for (const name of guarded) {
      server.registerTool(name, { description: says.of(name), inputSchema }, confirmed(name, trusts, async (args, { receipt }) => {
        ran.push({ name, args, receipt });
        return { content: [{ type: 'text', text: `ran ${name} ${args.amount} to ${args.to}` }] };
      }));
    }
    return server;
  };
  const listener = http.createServer(async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    const body = parts.length > 0 ? JSON.parse(Buffer.concat(parts)) : undefined;
    seen.push({ headers: request.headers, names: request.rawHeaders.filter((_, n) => n % 2 === 0), body });
    const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined, enableJsonResponse: true });
    await make().connect(transport);
    await transport.handleRequest(request, response, body);
  });
  await new Promise((done) => listener.listen(0, '127.0.0.1', done));
  return {
    seen, ran, says, url: `http://127.0.0.1:${listener.address().port}`, close: () => { listener.closeAllConnections(); listener.close(); },
    calls: () => seen.filter((one) => one.body?.method === 'tools/call'),
    receipts: () => seen.flatMap((one) => one.headers['vestibule-receipt'] ?? []),
  };
}

/// kind, challenge and what the person's key answers, for one act.
async function answer(gateway, person, operation, object, key = person.key) {
  const asked = await gateway.api('POST', '/v1/challenges', { kind: 'webauthn', operation, ...(object ? { object } : {}) }, person);
  return { kind: 'webauthn', challenge: asked.challenge, code: await key.get(asked.options, { origin: gateway.portal }) };
}
async function enrol(t, gateway, person, entitled) {
  const key = new Authenticator();
  t.after(() => key.close());
  const begun = await gateway.api('POST', '/v1/factors/webauthn', { label: 'a security key', ...entitled }, person);
  const done = await gateway.api('POST', `/v1/factors/${begun.id}/confirm`, { code: await key.create(begun.options, { origin: gateway.portal }) }, person);
  return Object.assign(key, { id: done.factor.id });
}
const sha256 = (text) => crypto.createHash('sha256').update(text).digest('hex');
const sign = async (gateway, person, one, key) => gateway.api('POST', '/v1/confirmations/confirm',
  { ids: [one.id], ...await answer(gateway, person, 'tools.confirm', sha256(`vestibule/tool-calls/v1\n${sha256(one.action)}\n`), key) }, person);
/// The one that waits of an access point.
const one = (gateway, person, point = 'bank') => until('one waits', async () => {
  const list = (await confirmations(gateway, person)).filter((c) => c.stage === 'waiting' && c.access_point === point);
  assert.ok(list.length < 2, 'only one');
  return list[0];
});

/// A model that asks for what it is told to, the bank twice, and a gateway before them.
async function places(t, { points = {} } = {}) {
  const model = await Upstream.start(asking((asked) => { const [name, args] = JSON.parse(asked.messages.at(-1).content); return [call(name, args)]; }));
  t.after(() => model.close());
  const trusts = { accessPoint: 'bank', relyingPartyId: 'localhost', seen: new Set() };
  const server = await bank(trusts);
  t.after(() => server.close());
  const mcp = { kind: 'mcp', upstream_prefix: '/mcp', upstreams: [server.url] };
  const gateway = await Gateway.start({
    points: { main: { upstreams: [model.url], hold: '120s' }, bank: { ...mcp, prefix: '/mcp', receipts: true, carries, ...points.bank }, quiet: { ...mcp, prefix: '/quiet' } },
    policy: policy('1h', rules),
  });
  t.after(() => gateway.stop());
  trusts.origins = [gateway.portal];
  return { gateway, server, trusts };
}
/// ada has a security key; what she and her programs do.
async function house(t, options) {
  const { gateway, server, trusts } = await places(t, options);
  const ada = await gateway.setup();
  trusts.logKeys = [(await gateway.api('GET', '/v1/audit/checkpoint', undefined, ada)).vkey];
  ada.key = await enrol(t, gateway, ada, { code: await ada.totp.next() });
  ada.token = await gateway.token(ada);
  const at = { gateway, server, trusts, ada };
  at.person = async (name) => {
    const made = await gateway.api('POST', '/v1/users', { name, roles: ['member'], ...await answer(gateway, ada, 'users.create', `${name} member`) }, ada);
    const enrolled = await gateway.api('POST', '/v1/enrol', { code: made.enrolment_code, password });
    const person = { name, handle: enrolled.handle };
    await gateway.enrolTotp(person);
    person.key = await enrol(t, gateway, person, { code: await person.totp.next() });
    person.token = await gateway.token(person);
    return person;
  };
  /// What a model's reply brings of the call once `who` has said of its confirmation what `say` says.
  at.model = async (name, args, say, who = ada) => {
    const body = { model: 'scripted', messages: [{ role: 'user', content: JSON.stringify([name, args]) }], tools: [tool(name)] };
    const reply = fetch(`${gateway.url}/v1/chat/completions`, { method: 'POST', headers: { Authorization: `Bearer ${who.token}`, 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
    reply.catch(() => {});
    const asked = await one(gateway, who, 'main');
    await (say ? say(asked) : sign(gateway, who, asked));
    const { choices: [{ message }] } = await (await reply).json();
    return { asked, action: JSON.parse(asked.action), calls: message.tool_calls ?? [] };
  };
  at.records = async () => (await gateway.audit(ada)).filter((r) => r.operation === 'tools/call' && r.kind === 'admission');
  at.carried = async () => (await at.records()).filter((r) => /; carried$/.test(r.note ?? ''));
  at.whole = async () => assert.deepEqual((await gateway.verify(ada)).problems, []);
  return at;
}

let count = 0;
const message = (name, args, meta) => `{"jsonrpc":"2.0","id":${++count},"method":"tools/call","params":{"name":${JSON.stringify(name)},"arguments":${typeof args === 'string' ? args : JSON.stringify(args)}${meta ? `,"_meta":${JSON.stringify(meta)}` : ''}}}`;
/// One tools/call at the gateway: what the tool said, or why there was none.
async function ask({ gateway, ada }, name, args, { as = ada, path: at, from, headers = {}, meta } = {}) {
  const { message: said, status } = await send(gateway, as.token, message(name, args, meta), { path: at, from, headers: { 'MCP-Protocol-Version': '2025-11-25', ...headers } });
  return { status, text: said?.result?.content[0].text, refused: said?.result?.isError === true, reason: said?.error?.data?.reason };
}
/// The same at the tool server itself, where nothing keeps anybody from saying anything.
async function direct(server, name, args, header) {
  const reply = await fetch(`${server.url}/mcp`, {
    method: 'POST', body: message(name, args),
    headers: { 'Content-Type': 'application/json', Accept: 'application/json, text/event-stream', ...(header ? { 'Vestibule-Receipt': header } : {}) },
  });
  return (await reply.json()).result.content[0].text;
}
const ran = 'ran transfer 250 to alice';

let browser;
before(async () => { browser = await launch(); });
after(async () => { await browser?.close(); });

describe('receipts at a tool server', { concurrency: 3 }, () => {

test('confirmed at its access point: it is shown who did, and acts once', async (t) => {
  const at = await house(t);
  const { gateway, server, ada } = at;
  assert.equal((await ask(at, 'transfer', transfer)).reason, 'confirmation_required');
  assert.equal(server.calls().length, 0);
  const asked = await one(gateway, ada);
  await sign(gateway, ada, asked);
  assert.equal((await ask(at, 'transfer', transfer)).text, ran);
  const [{ receipt }] = server.ran;
  assert.equal(receipt.id, asked.id);
  assert.deepEqual([receipt.accessPoint, receipt.tool, receipt.arguments, receipt.user, receipt.also], ['bank', 'transfer', transfer, 'ada', undefined]);
  assert.deepEqual(receipt.confirmed.map((c) => [c.user, c.bound, c.kind, c.factor, c.relyingPartyId, c.origin]), [['ada', true, 'webauthn', ada.key.id, 'localhost', gateway.portal]]);
  assert.ok(receipt.dispatched.record > receipt.confirmed[0].record, 'let out, and that is on record already');
  const [header, ...more] = server.receipts();
  assert.equal(more.length, 0);
  assert.ok(header.length <= 12 * 1024, `${header.length} bytes`);
  assert.match(header, /^[\w-]+$/);

  assert.match(await direct(server, 'transfer', transfer, header), /replayed/);
  assert.match(await direct(server, 'transfer', { ...transfer, amount: 251 }, header), /arguments/);
  assert.match(await direct(server, 'deposit', transfer, header), /tool/);
  assert.match(await direct(server, 'transfer', transfer), /malformed/);
  assert.equal(server.ran.length, 1);
  assert.equal((await ask(at, 'transfer', transfer)).reason, 'confirmation_required', 'once more takes another word');

  // The command line agrees, offline; and it is the receipt that the person gets.
  const file = path.join(gateway.dir, 'header');
  fs.writeFileSync(file, header);
  const held = gateway.cli(['receipt', 'verify', file, '--log-key', at.trusts.logKeys[0], '--tool', 'transfer', '--dispatched']);
  assert.equal(held.code, 0, held.err);
  assert.deepEqual(JSON.parse(JSON.stringify(await gateway.api('GET', `/v1/confirmations/${asked.id}/receipt`, undefined, ada))).action, JSON.parse(fromHeader(header)).action);
  assert.deepEqual(await at.carried(), []);
  await at.whole();
});

test('a client’s own receipt goes no further than the gateway', async (t) => {
  const at = await house(t);
  const { gateway, server, ada } = at;
  // One that is good, and was not used: the model's call was let out, and nobody has made it.
  const { asked } = await at.model('gift', transfer);
  const kept = await gateway.api('GET', `/v1/confirmations/${asked.id}/receipt`, undefined, ada);
  const stolen = Buffer.from(JSON.stringify(kept)).toString('base64url');
  for (const name of ['Vestibule-Receipt', 'vestibule-receipt', 'Vestibule_Receipt', 'X-Vestibule-Receipt', 'VESTIBULE-RECEIPT']) {
    const { text } = await ask(at, 'gift', transfer, { headers: { [name]: stolen } });
    assert.match(text, /Nobody has confirmed this call \(malformed\)/, name);
  }
  assert.equal((await ask(at, 'balance', {}, { headers: { 'Vestibule-Receipt': stolen } })).text, '1000');
  assert.equal(server.calls().length, 6);
  assert.deepEqual(server.seen.flatMap((one) => one.names).filter((name) => /vestibule/i.test(name)), []);
  assert.match(await direct(server, 'gift', transfer, stolen), /^ran gift/, 'it was a good one');

  // Beside the gateway's own there is none, and a client cannot have that one taken off.
  assert.equal((await ask(at, 'transfer', transfer)).reason, 'confirmation_required');
  await sign(gateway, ada, await one(gateway, ada));
  assert.equal((await ask(at, 'transfer', transfer, { headers: { 'Vestibule-Receipt': stolen, Connection: 'close, vestibule-receipt' } })).text, ran);
  assert.deepEqual(server.seen.at(-1).names.filter((name) => /vestibule/i.test(name)).length, 1);
  await at.whole();
});

test('where the access point does not say so, the server is shown nothing', async (t) => {
  const at = await house(t);
  const { gateway, server, ada } = at;
  const { action } = await at.model('transfer', transfer);
  assert.deepEqual(action.also, { access_point: 'bank', tool: 'transfer' });
  assert.equal((await ask(at, 'transfer', transfer, { path: '/quiet' })).reason, 'confirmation_required', 'nor is anything carried to it');
  await sign(gateway, ada, await one(gateway, ada, 'quiet'));
  assert.match((await ask(at, 'transfer', transfer, { path: '/quiet' })).text, /Nobody has confirmed this call \(malformed\)/);
  assert.deepEqual(server.receipts(), []);
  assert.equal((await ask(at, 'transfer', transfer)).text, ran, 'the word for the bank is as good as before');
});

test('carried: what was confirmed in a model’s reply is made at the bank, once, unasked', async (t) => {
  const at = await house(t);
  const { gateway, server, ada } = at;
  const { asked, action, calls } = await at.model('transfer', transfer);
  assert.deepEqual(action.also, { access_point: 'bank', tool: 'transfer' });
  assert.equal(calls[0].function.arguments, JSON.stringify(transfer));
  const spelt = '{ "amount" : 2.50e2,\n"\\u0074o": "\\u0061lice" }';
  assert.equal((await ask(at, 'transfer', spelt, { meta: { progressToken: 7, payee: 'mallory' } })).text, ran);
  assert.deepEqual(server.calls()[0].body.params._meta, { progressToken: 7 }, 'nothing that nobody has signed');
  const [{ receipt }] = server.ran;
  assert.equal(receipt.id, asked.id);
  assert.deepEqual([receipt.accessPoint, receipt.tool, receipt.also], ['main', 'transfer', { accessPoint: 'bank', tool: 'transfer' }]);
  assert.deepEqual(receipt.arguments, transfer);
  assert.equal(receipt.confirmed[0].user, 'ada');
  assert.ok(receipt.dispatched);
  const [header] = server.receipts();
  assert.equal(JSON.parse(fromHeader(header)).action, asked.action, 'what she has signed, word for word');
  const file = path.join(gateway.dir, 'header');
  fs.writeFileSync(file, header);
  const held = gateway.cli(['receipt', 'verify', file, '--log-key', at.trusts.logKeys[0], '--tool', 'transfer', '--dispatched', '--json']);
  assert.equal(held.code, 0, held.err);

  assert.equal((await ask(at, 'transfer', transfer)).reason, 'confirmation_required', 'a second one is asked for');
  assert.match(await direct(server, 'transfer', transfer, header), /replayed/);
  assert.equal(server.ran.length, 1);

  const out = await at.records();
  assert.equal(out.length, 2);
  const [carried, ...more] = await at.carried();
  assert.equal(more.length, 0);
  assert.equal(carried.note, `action ${sha256(asked.action)}; carried`);
  assert.deepEqual([carried.access_point, carried.object, carried.user], ['bank', 'transfer', action.account]);
  const first = out.find((r) => r !== carried && r.note === `action ${sha256(asked.action)}`);
  assert.equal(first?.access_point, 'main');
  // The question that is open now is one of the bank's own: its answer is not carried anywhere.
  const again = await one(gateway, ada);
  assert.equal(JSON.parse(again.action).also, undefined);
  await sign(gateway, ada, again);
  assert.equal((await ask(at, 'transfer', transfer)).text, ran);
  assert.equal((await at.carried()).length, 1);
  await at.whole();
});

test('carried under another name', async (t) => {
  const at = await house(t);
  const { server } = at;
  const { action } = await at.model('wire', transfer);
  assert.deepEqual([action.tool, action.also], ['wire', { access_point: 'bank', tool: 'deposit' }]);
  assert.equal((await ask(at, 'wire', transfer)).reason, 'confirmation_required', 'not under the model’s name for it');
  assert.equal((await ask(at, 'transfer', transfer)).reason, 'confirmation_required');
  assert.equal(server.calls().length, 0);
  await at.gateway.restart();
  assert.equal((await ask(at, 'deposit', transfer)).text, 'ran deposit 250 to alice');
  assert.deepEqual(server.ran[0].receipt.also, { accessPoint: 'bank', tool: 'deposit' });
  await at.gateway.kill();
  await at.gateway.up();
  assert.equal((await ask(at, 'deposit', transfer)).reason, 'confirmation_required', 'once, whatever happens to the gateway');
  assert.equal((await at.carried()).length, 1);
  await at.whole();
});

test('not carried while the operator has taken the line out, other lines or not', async (t) => {
  const at = await house(t);
  const { gateway, server } = at;
  await at.model('wire', transfer);
  const written = fs.readFileSync(gateway.configFile, 'utf8');
  const without = written.replace(/, ?"main\/wire as deposit"/, '');
  assert.ok(without !== written && without.includes('main/transfer'), 'the line is in the file');
  fs.writeFileSync(gateway.configFile, without);
  await gateway.restart();
  assert.equal((await ask(at, 'deposit', transfer)).reason, 'confirmation_required');
  assert.equal(server.calls().length, 0);
  fs.writeFileSync(gateway.configFile, written);
  await gateway.restart();
  assert.equal((await ask(at, 'deposit', transfer)).text, 'ran deposit 250 to alice', 'the word itself is whole');
  assert.equal((await at.carried()).length, 1);
});

test('a receipt that is too long for a header is not sent, and the server refuses', async (t) => {
  const at = await house(t);
  const { gateway, server, ada } = at;
  const long = { to: 'alice '.repeat(2000), amount: 1 };
  assert.equal((await ask(at, 'transfer', long)).reason, 'confirmation_required');
  const asked = await one(gateway, ada);
  await sign(gateway, ada, asked);
  assert.match((await ask(at, 'transfer', long)).text, /malformed/);
  assert.deepEqual(server.receipts(), []);
  await until('it is in the log', () => /goes on without its receipt: it is too long for a header/.test(gateway.log));
  const kept = await gateway.api('GET', `/v1/confirmations/${asked.id}/receipt`, undefined, ada);
  assert.equal(JSON.parse(kept.action).id, asked.id, 'she can have it');
});

test('not carried: other arguments, another person, another place, a tool that nobody has mapped', async (t) => {
  const at = await house(t);
  const { server } = at;
  const bob = await at.person('bob');
  await at.model('transfer', transfer);
  for (const args of [{ ...transfer, amount: 251 }, { ...transfer, amount: '250' }, { ...transfer, to: 'Alice' }, { ...transfer, memo: '' }, { to: 'alice' }, { to: ['alice'], amount: 250 }, {}]) {
    assert.equal((await ask(at, 'transfer', args)).reason, 'confirmation_required', JSON.stringify(args));
  }
  assert.equal((await ask(at, 'transfer', transfer, { as: bob })).reason, 'confirmation_required', 'bob');
  assert.equal((await ask(at, 'transfer', transfer, { from: '127.0.0.2' })).reason, 'confirmation_required', 'another address');
  const { action } = await at.model('refund', transfer);
  assert.equal('also' in action, false);
  assert.equal((await ask(at, 'refund', transfer)).reason, 'confirmation_required', 'not mapped');
  assert.equal(server.calls().length, 0);
  assert.deepEqual(await at.carried(), []);
  assert.equal((await ask(at, 'transfer', transfer)).text, ran, 'nothing of it has used the word up');
  await at.whole();
});

test('declined, or not answered yet: there is nothing to carry', async (t) => {
  const at = await house(t);
  const { gateway, server, ada } = at;
  const { calls } = await at.model('transfer', transfer, async (c) => {
    assert.equal((await ask(at, 'transfer', transfer)).reason, 'confirmation_required');
    for (const { id } of [await one(gateway, ada), c]) await gateway.api('POST', `/v1/confirmations/${id}/decline`, {}, ada);
  });
  assert.equal(calls.length, 0);
  assert.equal((await ask(at, 'transfer', transfer)).reason, 'confirmation_declined');
  assert.equal(server.calls().length, 0);
});

test('of two at once one is carried', async (t) => {
  const at = await house(t);
  const { server } = at;
  for (let round = 0; round < 3; ++round) {
    const args = { to: 'alice', amount: round };
    await at.model('transfer', args);
    const all = await Promise.all(Array.from({ length: 4 }, () => ask(at, 'transfer', args)));
    assert.equal(all.filter((one) => one.text === `ran transfer ${round} to alice`).length, 1, JSON.stringify(all));
    for (const { reason } of all.filter((one) => !one.text)) assert.ok(['confirmation_required', 'confirmation_void'].includes(reason), reason);
    assert.equal(server.ran.length, round + 1);
    assert.equal((await at.carried()).length, round + 1);
    for (const left of (await confirmations(at.gateway, at.ada)).filter((c) => c.stage === 'waiting')) await at.gateway.api('POST', `/v1/confirmations/${left.id}/decline`, {}, at.ada);
  }
  await at.whole();
});

test('where more is asked for than was given, it is asked for', async (t) => {
  const at = await house(t);
  const { gateway, server, ada } = at;
  // A code at the model, which signs nothing; the bank wants a signature.
  const tip = await at.model('tip', transfer, async (c) => {
    assert.equal(c.need.bound, false);
    await gateway.api('POST', '/v1/confirmations/confirm', { ids: [c.id], code: await ada.totp.next() }, ada);
  });
  assert.deepEqual(tip.action.also, { access_point: 'bank', tool: 'tip' });
  assert.equal(tip.calls.length, 1);
  assert.equal((await ask(at, 'tip', transfer)).reason, 'confirmation_required');
  const asked = await one(gateway, ada);
  assert.equal(asked.need.bound, true);
  await sign(gateway, ada, asked);
  assert.equal((await ask(at, 'tip', transfer)).text, 'ran tip 250 to alice', 'her signature is enough');
  // Her own signature at the model; at the bank it takes somebody else's.
  await at.model('loan', transfer);
  assert.equal((await ask(at, 'loan', transfer)).reason, 'confirmation_required');
  const wanted = await one(gateway, ada);
  assert.deepEqual([wanted.access_point, wanted.need.people, wanted.may_sign], ['bank', 1, false]);
  const lives = (Date.parse(wanted.expires) - Date.parse(wanted.created)) / 60_000;
  assert.equal(Math.round(lives), 30, 'others have to be found');
  assert.equal(server.ran.length, 1);
  assert.deepEqual(await at.carried(), []);
  await at.whole();
});

test('her key is taken off before the call is made: her word is void', async (t) => {
  const at = await house(t);
  const { gateway, server, ada } = at;
  const spare = await enrol(t, gateway, ada, await answer(gateway, ada, 'factor.add', 'webauthn'));
  await at.model('transfer', transfer, (c) => sign(gateway, ada, c, spare));
  await gateway.api('POST', `/v1/factors/${spare.id}/remove`, await answer(gateway, ada, 'factor.remove', spare.id), ada);
  assert.equal((await ask(at, 'transfer', transfer)).reason, 'confirmation_required', 'she is asked again');
  assert.equal(server.calls().length, 0);
  await sign(gateway, ada, await one(gateway, ada));
  assert.equal((await ask(at, 'transfer', transfer)).text, ran);
  assert.equal(server.ran[0].receipt.confirmed[0].factor, ada.key.id);
  assert.deepEqual(await at.carried(), []);
  await at.whole();
});

test('what is put to sleep makes nothing of what was confirmed before', async (t) => {
  const at = await house(t);
  const { gateway, server, ada } = at;
  await at.model('transfer', transfer);
  await at.model('refund', transfer, (c) => gateway.api('POST', `/v1/confirmations/${c.id}/sleep`, {}, ada));
  const { text, reason } = await ask(at, 'transfer', transfer);
  assert.equal(text, undefined);
  assert.equal(reason, 'push_not_me');
  assert.equal(server.calls().length, 0);
  assert.deepEqual(await at.carried(), []);
});

test('whoever was shut out and let in again is asked again', async (t) => {
  const at = await house(t);
  const { gateway, server, ada } = at;
  const bob = await at.person('bob');
  await at.model('transfer', transfer, undefined, bob);
  await gateway.api('POST', '/v1/users/bob/disable', {}, ada);
  await gateway.api('POST', '/v1/users/bob/enable', await answer(gateway, ada, 'users.enable', 'bob'), ada);
  const asked = await gateway.api('POST', '/v1/sign-in/passkey/begin', {});
  const back = await gateway.api('POST', '/v1/sign-in/passkey', { challenge: asked.challenge, answer: await bob.key.get(asked.options, { origin: gateway.portal }) });
  bob.token = await gateway.token({ handle: back.handle });
  assert.equal((await ask(at, 'transfer', transfer, { as: bob })).reason, 'confirmation_required');
  assert.equal(server.calls().length, 0);
  assert.deepEqual(await at.carried(), []);
});

test('a tool that has changed since is another one', async (t) => {
  const at = await house(t);
  const { gateway, server, ada } = at;
  const list = async () => (await send(gateway, ada.token, { jsonrpc: '2.0', id: ++count, method: 'tools/list' })).message.result.tools.map((one) => one.name);
  assert.ok((await list()).includes('transfer'));
  await at.model('transfer', transfer);
  server.says.of = (name) => (name === 'transfer' ? 'Does transfer, to whom it likes' : `Does ${name}`);
  assert.ok(!(await list()).includes('transfer'));
  assert.equal((await ask(at, 'transfer', transfer)).reason, 'tool_asleep');
  const { tools: [asleep] } = await gateway.api('GET', '/v1/tools?access_point=bank&tool=transfer', undefined, ada);
  await gateway.api('POST', '/v1/tools/accept', { access_point: 'bank', tool: 'transfer', digest: asleep.shown, ...await answer(gateway, ada, 'tools.accept', `bank/transfer ${asleep.shown}`) }, ada);
  assert.equal((await ask(at, 'transfer', transfer)).reason, 'confirmation_required', 'what was confirmed was a call of what it was before');
  assert.equal(server.calls().length, 0);
  assert.deepEqual(await at.carried(), []);
});

test('the page says where else the call may be made, out of what is signed; and hides nothing of it', async (t) => {
  const { gateway, server, trusts } = await places(t, { points: { bank: { carries: ['main/*'] } } });
  const at = await withPasskey(browser, gateway);
  const { page } = at;
  const get = (where) => page.evaluate(async (p) => (await fetch(p)).json(), where);
  trusts.logKeys = [(await get('/v1/audit/checkpoint')).vkey];
  const { token } = await page.evaluate(async () => (await fetch('/v1/tokens', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{}' })).json());
  const waiting = async () => (await get('/v1/confirmations')).confirmations.filter((c) => c.stage === 'waiting');
  const model = (name) => {
    const body = { model: 'scripted', messages: [{ role: 'user', content: JSON.stringify([name, transfer]) }], tools: [tool(name)] };
    const reply = fetch(`${gateway.url}/v1/chat/completions`, { method: 'POST', headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
    reply.catch(() => {});
    return reply;
  };

  let reply = model('transfer');
  const [asked] = await until('one waits', async () => { const list = await waiting(); return list.length === 1 ? list : null; });
  await page.goto(`${gateway.portal}/confirm`);
  const card = page.locator('.call');
  const also = card.locator('.also');
  await also.waitFor();
  assert.match(await also.innerText(), /^Also once\s+transfer at bank\s/);
  assert.match(await also.innerText(), /Nobody is asked again/);
  await card.getByText('Exact text').click();
  assert.equal((await card.locator('pre.signed').innerText()).replaceAll('\n', ''), asked.action);
  await look(page, 'confirm-also-open');
  await card.getByText('Exact text').click();
  await look(page, 'confirm-also');
  await button(page, 'Use a passkey or security key').click();
  await page.getByText('is let out, once').waitFor();
  assert.equal((await (await reply).json()).choices[0].message.tool_calls.length, 1);
  assert.equal((await ask({ gateway, ada: { token } }, 'transfer', transfer)).text, ran);
  assert.equal(server.ran[0].receipt.id, asked.id);

  // Letters that pass for others, in the name that it is called by there.
  reply = model('tr\u0430nsfer');
  await until('one waits', async () => (await waiting()).length === 1);
  await page.goto('about:blank');
  await page.goto(`${gateway.portal}/confirm`);
  await also.waitFor();
  assert.match(await also.innerText(), /U\+0430/);
  await look(page, 'confirm-also-alike');
  await button(page, 'Decline').click();
  await page.getByText('Declined. The call is not let out.').waitFor();
  await reply;

  // A gateway newer than the page: what it does not know is shown as it is, and so is what is of another form.
  reply = model('refund');
  const [plain] = await until('one waits', async () => { const list = await waiting(); return list.length === 1 ? list : null; });
  const action = JSON.stringify({ ...JSON.parse(plain.action), also: { access_point: 'bank', tool: 'transfer', times: 2 }, client: 7, 'pay\u200bee': 'mallory' });
  await page.route('**/v1/confirmations', (route) => route.fulfill({ json: { confirmations: [{ ...plain, action, digest: sha256(action) }] } }));
  await page.goto('about:blank');
  await page.goto(`${gateway.portal}/confirm`);
  await also.waitFor();
  const shown = await also.innerText();
  assert.match(shown, /^Also signed\s/);
  for (const part of [/also\s+access_point\s+bank\s+tool\s+transfer\s+times\s+2/, /client\s+7/, /payU\+200Bee\s+mallory/, /does not know what this means/]) assert.match(shown, part);
  assert.ok(!/Also once/.test(shown), 'of another form, it means who knows what');
  await look(page, 'confirm-unknown');
  await page.unroute('**/v1/confirmations');
  await page.goto('about:blank');
  await page.goto(`${gateway.portal}/confirm`);
  await button(page, 'Decline').click();
  await page.getByText('Declined. The call is not let out.').waitFor();
  await reply;
  await at.close();
});

});
