// A person's signature under an MCP tool call: the official SDKs, a real browser, a virtual authenticator. Whoever
// cannot be sent to a page waits; whoever can is sent there.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Client as Client1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as Transport1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { Gateway, policy } from './lib/gateway.mjs';
import { launch } from './lib/browser.mjs';
import { until, withPasskey } from './lib/held.mjs';
import { modern, rules, scripted, send } from './lib/mcp.mjs';
import { button } from './lib/portal.mjs';

const transfer = { to: 'alice', amount: 250 };
const patient = { timeout: 150_000 };  // as long as a page may take on a busy machine: the SDKs give up after a minute

let browser;
before(async () => { browser = await launch(); });
after(async () => { await browser?.close(); });

/// A gateway before a scripted server, and ada at a browser with a passkey.
async function house(t, { hold = '120s', answers, sessions = false, more = {} } = {}) {
  const up = await scripted(answers, { sessions });
  t.after(() => up.close());
  const gateway = await Gateway.start({ points: { bank: { kind: 'mcp', prefix: '/mcp', upstream_prefix: '/mcp', upstreams: [up.url], hold, ...more } }, policy: policy('1h', rules) });
  t.after(() => gateway.stop());
  const at = await withPasskey(browser, gateway);
  t.after(() => at.context.close());
  at.token = await at.page.evaluate(async () => (await (await fetch('/v1/tokens', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{}' })).json()).token);
  at.waiting = async () => at.page.evaluate(async () => (await (await fetch('/v1/confirmations')).json()).confirmations.filter((one) => one.stage === 'waiting'));
  at.confirm = async (url = `${gateway.portal}/confirm`) => {
    await at.page.goto('about:blank');
    await at.page.goto(url);
    await at.page.getByRole('heading', { name: /transfer_money/ }).first().waitFor();
    const shown = await at.page.locator('.call').first().innerText();
    await button(at.page, 'Use a passkey or security key').click();
    await at.page.getByText('is let out, once').waitFor();
    return shown;
  };
  return { up, gateway, at };
}
const requestInit = (at) => ({ requestInit: { headers: { Authorization: `Bearer ${at.token}` } } });
async function first(t, gateway, at, capabilities = {}) {
  const client = new Client1({ name: 'first', version: '1' }, { capabilities });
  await client.connect(new Transport1(new URL(`${gateway.url}/mcp`), requestInit(at)));
  t.after(() => client.close());
  return client;
}
const text = (result) => result.content[0].text;

describe('confirmations', { concurrency: 4 }, () => {

test('SDK 1: the call waits, the page shows it whole, a touch lets it run, once', async (t) => {
  const { gateway, up, at } = await house(t);
  const client = await first(t, gateway, at);
  const answer = client.callTool({ name: 'transfer_money', arguments: transfer }, undefined, patient);
  answer.catch(() => {});
  await until('one waits', async () => (await at.waiting()).length === 1);
  assert.equal(up.calls().length, 0, 'nothing has reached the server');
  const shown = await at.confirm();
  for (const part of [/alice/, /250/, /bank/, /you \(ada\)/]) assert.match(shown, part);
  assert.equal(text(await answer), `ran transfer_money ${JSON.stringify(transfer)}`);
  assert.equal(up.calls().length, 1);
});

test('SDK 1: declined is an error that says so', async (t) => {
  const { gateway, up, at } = await house(t);
  const client = await first(t, gateway, at);
  const answer = client.callTool({ name: 'transfer_money', arguments: transfer }, undefined, patient);
  answer.catch(() => {});
  await until('one waits', async () => (await at.waiting()).length === 1);
  await at.page.goto(`${gateway.portal}/confirm`);
  await button(at.page, 'Decline').click();
  await assert.rejects(answer, (error) => error.code === -32003 && error.data.reason === 'confirmation_declined' && /declined/.test(error.message));
  assert.equal(up.calls().length, 0);
});

test('SDK 1: a client that opens URLs is sent to the page, and asks again', async (t) => {
  const { gateway, up, at } = await house(t, { sessions: true });
  const client = await first(t, gateway, at, { elicitation: { url: {} } });
  const began = Date.now();
  const refused = await client.callTool({ name: 'transfer_money', arguments: transfer }).then(() => null, (error) => error);
  assert.equal(refused?.code, -32042, String(refused));
  assert.ok(Date.now() - began < 30_000, 'it is told at once, and not when nobody has come');
  const [asked] = refused.data.elicitations;
  assert.equal(asked.mode, 'url');
  assert.ok(asked.elicitationId && asked.message);
  assert.equal(new URL(asked.url).origin, gateway.portal);
  assert.ok(!/ada|alice|token/.test(asked.url), 'a URL carries nothing of the call');
  assert.equal(up.calls().length, 0);
  await at.confirm(asked.url);
  assert.equal(text(await client.callTool({ name: 'transfer_money', arguments: transfer })), `ran transfer_money ${JSON.stringify(transfer)}`);
  assert.equal((await client.callTool({ name: 'transfer_money', arguments: transfer }).then(() => null, (error) => error)).code, -32042, 'once more takes another');
  assert.equal(up.calls().length, 1);
});

test('SDK 2, 2026-07-28: the answer wants input, the client goes there and comes back', async (t) => {
  const { gateway, up, at } = await house(t);
  const client = new Client({ name: 'second', version: '2' }, { capabilities: { elicitation: { url: {} } }, versionNegotiation: { mode: { pin: '2026-07-28' } } });
  let asked = 0;
  client.setRequestHandler('elicitation/create', async ({ params }) => {
    asked += 1;
    assert.equal(params.mode, 'url');
    assert.equal(new URL(params.url).origin, gateway.portal);
    await at.confirm(params.url);
    return { action: 'accept' };
  });
  await client.connect(new StreamableHTTPClientTransport(new URL(`${gateway.url}/mcp`), requestInit(at)));
  t.after(() => client.close());
  assert.equal(text(await client.callTool({ name: 'transfer_money', arguments: transfer }, patient)), `ran transfer_money ${JSON.stringify(transfer)}`);
  assert.equal(asked, 1);
  assert.equal(up.calls().length, 1);
  assert.ok(!up.calls()[0].raw.includes('vestibule'), 'the server hears nothing of it');
});

test('2026-07-28 by hand: to accept is not to confirm, and what goes round cannot be made', async (t) => {
  const { gateway, up, at } = await house(t, { hold: '0s' });
  const able = { _meta: { 'io.modelcontextprotocol/clientCapabilities': { elicitation: { url: {} } } } };
  const ask = (args, more = {}) => send(gateway, at.token, ...modern('tools/call', { name: 'transfer_money', arguments: args, ...able, ...more }));
  const begun = await ask(transfer);
  const { inputRequests, requestState, resultType } = begun.message.result;
  assert.equal(resultType, 'input_required');
  const [key] = Object.keys(inputRequests);
  assert.equal(inputRequests[key].params.mode, 'url');
  const accept = { inputResponses: { [key]: { action: 'accept' } }, ...(requestState === undefined ? {} : { requestState }) };
  for (const [args, more] of [
    [transfer, accept], [{ ...transfer, amount: 2 }, accept], [transfer, { ...accept, requestState: `${requestState ?? ''}x` }],
    [transfer, { inputResponses: { [key]: { action: 'accept', content: { confirmed: true } } } }], [transfer, { requestState: 'made up' }],
    [transfer, { inputResponses: { [key]: { action: 'decline' } } }],
  ]) {
    const answer = await ask(args, more);
    assert.notEqual(answer.message.result?.resultType ?? 'error', 'complete', answer.text);
    assert.equal(answer.message.result?.content, undefined, answer.text);
  }
  assert.equal(up.calls().length, 0);
});

test('2026-07-28: the server’s own rounds go through; each of them is a call, and waits', async (t) => {
  const answers = { 'tools/call': ({ params: { inputResponses, requestState } }) => (inputResponses?.name
    ? { resultType: 'complete', content: [{ type: 'text', text: `ran for ${inputResponses.name.content.name} with ${requestState}` }] }
    : { resultType: 'input_required', requestState: 'its own', inputRequests: { name: { method: 'elicitation/create', params: { message: 'Who?', requestedSchema: { type: 'object', properties: { name: { type: 'string' } } } } } } }) };
  const { gateway, up, at } = await house(t, { answers, more: { client_requests: ['elicitation'] } });
  const client = new Client({ name: 'second', version: '2' }, { capabilities: { elicitation: { url: {}, form: {} } }, versionNegotiation: { mode: { pin: '2026-07-28' } } });
  const seen = [];
  client.setRequestHandler('elicitation/create', async ({ params }) => {
    seen.push(params.mode ?? 'form');
    if (params.mode !== 'url') return { action: 'accept', content: { name: 'Ada' } };
    await at.confirm(params.url);
    return { action: 'accept' };
  });
  await client.connect(new StreamableHTTPClientTransport(new URL(`${gateway.url}/mcp`), requestInit(at)));
  t.after(() => client.close());
  const answer = client.callTool({ name: 'transfer_money', arguments: transfer }, patient);
  answer.catch(() => {});
  await until('the form was answered, and that waits', async () => seen.includes('form') && (await at.waiting()).length === 1, 120_000);  // a page and a touch come first
  assert.equal(up.calls().length, 1);
  await at.confirm();
  assert.equal(text(await answer), 'ran for Ada with its own');
  assert.deepEqual(seen, ['url', 'form']);
  assert.equal(up.calls().length, 2);
  for (const { raw } of up.calls()) assert.ok(!raw.includes('vestibule'), raw);
});

test('revoked while it waits: nothing runs', async (t) => {
  const { gateway, up, at } = await house(t);
  const client = await first(t, gateway, at);
  const answer = client.callTool({ name: 'transfer_money', arguments: transfer }, undefined, patient);
  answer.catch(() => {});
  await until('one waits', async () => (await at.waiting()).length === 1);
  const ended = await at.page.evaluate(async () => (await fetch('/v1/sign-out', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{}' })).status);
  assert.ok(ended < 300, String(ended));
  await assert.rejects(answer);
  assert.equal(up.calls().length, 0);
});

});
