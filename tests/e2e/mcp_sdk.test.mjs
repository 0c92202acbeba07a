// The official MCP SDKs, unchanged, before the official servers, with the gateway between: every revision.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Client as Client1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as Transport1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { CreateMessageRequestSchema, ElicitRequestSchema, ListRootsRequestSchema, LoggingMessageNotificationSchema, ResourceUpdatedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { Gateway, policy } from './lib/gateway.mjs';
import { until } from './lib/held.mjs';
import { everything } from './lib/mcp.mjs';
import { fixture } from './lib/mcp_fixture.mjs';

const rules = `
[[rule]]
name = "what harms nobody"
effect = "allow"
tool = ["echo", "get-*", "test_*", "trigger-*", "toggle-*", "simulate-*", "json_*"]
confirm = "none"
[[rule]]
name = "the environment is nobody's business"
effect = "deny"
tool = ["get-env"]
`;
let ours, theirs, gateway, ada, token;
before(async () => {
  [theirs, ours] = await Promise.all([everything(), fixture()]);
  const point = (url, prefix, more) => ({ kind: 'mcp', prefix, upstream_prefix: '/mcp', upstreams: [url], operations: ['resources/read', 'prompts/get', 'tasks'], ...more });
  const asked = { client_requests: ['sampling', 'elicitation', 'roots'] };
  gateway = await Gateway.start({
    points: {
      everything: point(theirs.url, '/everything', asked), quiet: point(theirs.url, '/quiet'), shut: { ...point(theirs.url, '/shut'), operations: [] },
      fixture: point(ours.url, '/fixture', asked), mute: point(ours.url, '/mute'),
    },
    policy: policy('1h', rules),
  });
  ada = await gateway.setup();
  token = await gateway.token(ada);
});
after(async () => {
  await gateway?.stop();
  theirs?.close();
  await ours?.close();
});

const requestInit = () => ({ requestInit: { headers: { Authorization: `Bearer ${token}` } } });
const able = { sampling: {}, elicitation: { form: {} }, roots: { listChanged: true } };
/// SDK 1 at 2025-11-25, SDK 2 at any revision; both end with the test.
async function first(t, prefix, capabilities = {}, ready = () => {}) {
  const client = new Client1({ name: 'first', version: '1' }, { capabilities });
  ready(client);
  await client.connect(new Transport1(new URL(`${gateway.url}${prefix}`), requestInit()));
  t.after(() => client.close());
  return client;
}
async function second(t, prefix, revision, capabilities = {}, ready = () => {}) {
  const client = new Client({ name: 'second', version: '2' }, { capabilities,
    ...(revision === '2026-07-28' ? { versionNegotiation: { mode: { pin: revision } } } : { supportedProtocolVersions: [revision] }) });
  ready(client);
  await client.connect(new StreamableHTTPClientTransport(new URL(`${gateway.url}${prefix}`), requestInit()));
  t.after(() => client.close());
  return client;
}
const text = (result) => result.content.map((part) => part.text).join(' ');

describe('the SDKs', { concurrency: true }, () => {

for (const [name, connect] of [
  ['SDK 1, 2025-11-25', (t) => first(t, '/everything')],
  ['SDK 2, 2025-06-18', (t) => second(t, '/everything', '2025-06-18')],
  ['SDK 2, 2025-11-25', (t) => second(t, '/everything', '2025-11-25')],
]) {
  test(`${name}: server-everything`, async (t) => {
    const client = await connect(t);
    const { tools } = await client.listTools();
    const names = tools.map((tool) => tool.name);
    assert.ok(names.includes('echo') && names.includes('get-sum'), names.join());
    assert.ok(!names.includes('get-env'), 'what is denied is not shown');
    assert.equal(text(await client.callTool({ name: 'get-sum', arguments: { a: 20, b: 22 } })), 'The sum of 20 and 22 is 42.');
    assert.equal(text(await client.callTool({ name: 'echo', arguments: { message: 'ünï \u{1f680} "\\' } })), 'Echo: ünï \u{1f680} "\\');
    await assert.rejects(client.callTool({ name: 'get-env', arguments: {} }), (error) => error.code === -32003 && error.data?.reason === 'tool_denied');
    const steps = [];
    const onprogress = (step) => steps.push(step.progress);
    const long = await client.callTool({ name: 'trigger-long-running-operation', arguments: { duration: 0.3, steps: 3 } }, ...(name.startsWith('SDK 1') ? [undefined, { onprogress }] : [{ onprogress }]));
    assert.match(text(long), /completed/);
    assert.deepEqual(steps, [1, 2, 3]);
    const { resources } = await client.listResources();
    assert.ok(resources.length > 0);
    assert.ok((await client.readResource({ uri: resources[0].uri })).contents[0]);
    assert.ok((await client.listResourceTemplates()).resourceTemplates.length > 0);
    const { prompts } = await client.listPrompts();
    assert.ok(prompts.some((prompt) => prompt.name === 'simple-prompt'));
    assert.ok((await client.getPrompt({ name: 'args-prompt', arguments: { city: 'Berlin' } })).messages[0].content.text.includes('Berlin'));
    await client.ping();
  });
}

test('SDK 2, 2026-07-28: without sessions', async (t) => {
  const from = ours.seen.length;
  const client = await second(t, '/fixture', '2026-07-28');
  const { tools } = await client.listTools();
  assert.ok(tools.some((tool) => tool.name === 'test_simple_text'));
  assert.equal(text(await client.callTool({ name: 'test_simple_text', arguments: {} })), 'This is a simple text response for testing.');
  const steps = [];
  await client.callTool({ name: 'test_tool_with_progress', arguments: {} }, { onprogress: (step) => steps.push(step.progress) });
  assert.deepEqual(steps, [0, 50, 100]);
  assert.match((await client.readResource({ uri: 'test://static-text' })).contents[0].text, /static text resource/);
  assert.match((await client.getPrompt({ name: 'test_prompt_with_arguments', arguments: { arg1: 'one', arg2: 'two' } })).messages[0].content.text, /arg1='one'/);
  const mine = ours.seen.slice(from).filter((one) => one.headers['mcp-protocol-version'] === '2026-07-28');
  assert.ok(mine.length > 4 && mine.every((one) => !one.headers.authorization && !one.headers['mcp-session-id']), 'no token and no session goes on');
});

test('SDK 2 finds out by itself what a server speaks', async (t) => {
  for (const [prefix, revision] of [['/fixture', '2026-07-28'], ['/everything', '2025-11-25']]) {
    const client = new Client({ name: 'second', version: '2' }, { versionNegotiation: { mode: 'auto' } });
    await client.connect(new StreamableHTTPClientTransport(new URL(`${gateway.url}${prefix}`), requestInit()));
    t.after(() => client.close());
    assert.equal(client.getNegotiatedProtocolVersion(), revision);
    assert.ok((await client.listTools()).tools.length > 3);
  }
});

const answers = (client) => {
  client.setRequestHandler(CreateMessageRequestSchema, async (request) => ({ model: 'mine', role: 'assistant', content: { type: 'text', text: `I was asked: ${request.params.messages[0].content.text}` } }));
  client.setRequestHandler(ElicitRequestSchema, async () => ({ action: 'accept', content: { name: 'Ada', check: true } }));
  client.setRequestHandler(ListRootsRequestSchema, async () => ({ roots: [{ uri: 'file:///home/ada', name: 'home' }] }));
};
test('the server asks the client: sampling, elicitation and roots, where they are allowed', async (t) => {
  const client = await first(t, '/everything', able, answers);
  const names = await until('the tools that ask are there', async () => {
    const list = (await client.listTools()).tools.map((tool) => tool.name);
    return list.includes('trigger-sampling-request') && list;
  });
  assert.ok(names.includes('trigger-elicitation-request'));
  assert.match(text(await client.callTool({ name: 'trigger-sampling-request', arguments: { prompt: 'why', maxTokens: 5 } })), /I was asked: .*why/);
  assert.match(text(await client.callTool({ name: 'trigger-elicitation-request', arguments: {} })), /Ada/);
  assert.match(text(await client.callTool({ name: 'get-roots-list', arguments: {} })), /home/);
});

test('… and where they are not, the client hears nothing of it', async (t) => {
  let heard = 0;
  const client = await first(t, '/mute', able, (one) => {
    for (const schema of [CreateMessageRequestSchema, ElicitRequestSchema, ListRootsRequestSchema]) one.setRequestHandler(schema, async () => { heard += 1; throw new Error('never'); });
  });
  for (const [name, args] of [['test_sampling', { prompt: 'why' }], ['test_elicitation', { message: 'who' }], ['test_input_required_result_list_roots', {}]]) {
    const asked = client.callTool({ name, arguments: args }, undefined, { timeout: 3000 });
    const seen = await asked.then((result) => (result.isError ? 'refused' : text(result)), () => 'refused');
    assert.equal(seen, 'refused', name);
  }
  assert.equal(heard, 0);
  assert.equal(text(await client.callTool({ name: 'test_simple_text' })), 'This is a simple text response for testing.', 'the session goes on');
});

test('2026-07-28: a result that wants input, allowed and not', async (t) => {
  const ready = (client) => {
    client.setRequestHandler('elicitation/create', async () => ({ action: 'accept', content: { name: 'Ada', color: 'blue' } }));
    client.setRequestHandler('sampling/createMessage', async () => ({ model: 'mine', role: 'assistant', content: { type: 'text', text: 'Paris' } }));
    client.setRequestHandler('roots/list', async () => ({ roots: [{ uri: 'file:///home/ada' }] }));
  };
  const may = await second(t, '/fixture', '2026-07-28', able, ready);
  assert.equal(text(await may.callTool({ name: 'test_input_required_result_elicitation', arguments: {} })), 'Hello, Ada!');
  assert.equal(text(await may.callTool({ name: 'test_input_required_result_multi_round', arguments: {} })), 'Multi-round complete for Ada who likes blue');
  assert.equal(text(await may.callTool({ name: 'test_input_required_result_sampling', arguments: {} })), 'Sampling result: Paris');
  let heard = 0;
  const may_not = await second(t, '/mute', '2026-07-28', able, (client) => {
    for (const method of ['elicitation/create', 'sampling/createMessage', 'roots/list']) client.setRequestHandler(method, async () => { heard += 1; throw new Error('never'); });
  });
  for (const what of ['elicitation', 'sampling', 'list_roots']) await assert.rejects(may_not.callTool({ name: `test_input_required_result_${what}`, arguments: {} }), what);
  assert.equal(heard, 0);
});

test('what the server says by itself comes through: logs and changed resources', async (t) => {
  const logs = [];
  const changed = [];
  const client = await first(t, '/everything', {}, (one) => {
    one.setNotificationHandler(LoggingMessageNotificationSchema, (note) => { logs.push(note.params.data); });
    one.setNotificationHandler(ResourceUpdatedNotificationSchema, (note) => { changed.push(note.params.uri); });
  });
  await client.setLoggingLevel('debug');
  const { resources } = await client.listResources();
  await client.subscribeResource({ uri: resources[0].uri });
  await client.callTool({ name: 'toggle-subscriber-updates', arguments: {} });
  await client.callTool({ name: 'toggle-simulated-logging', arguments: {} });
  await until('a log and a change', () => logs.length > 0 && changed.includes(resources[0].uri));
  await client.unsubscribeResource({ uri: resources[0].uri });
});

test('a stream that breaks is taken up again, and the answer comes', async (t) => {
  const client = await first(t, '/fixture');
  assert.match(text(await client.callTool({ name: 'test_reconnection', arguments: {} })), /Reconnection test completed/);
});

test('what is sensitive is closed where it was not opened', async (t) => {
  const client = await first(t, '/shut');
  const { resources } = await client.listResources();
  await assert.rejects(client.readResource({ uri: resources[0].uri }));
  await assert.rejects(client.subscribeResource({ uri: resources[0].uri }));
  await assert.rejects(client.getPrompt({ name: 'simple-prompt' }));
  assert.equal(text(await client.callTool({ name: 'echo', arguments: { message: 'still' } })), 'Echo: still');
});

test('the end of a session is its end', async () => {
  const client = new Client1({ name: 'first', version: '1' });
  const transport = new Transport1(new URL(`${gateway.url}/everything`), requestInit());
  await client.connect(transport);
  const id = transport.sessionId;
  assert.ok(id);
  await transport.terminateSession();
  await client.close();
  const late = await fetch(`${gateway.url}/everything`, { method: 'POST', body: '{"jsonrpc":"2.0","id":1,"method":"tools/list"}',
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json', Accept: 'application/json, text/event-stream', 'Mcp-Session-Id': id, 'MCP-Protocol-Version': '2025-11-25' } });
  assert.ok(late.status === 400 || late.status === 404, String(late.status));
});

});
