// An MCP server with everything that the official conformance runner asks for by name, of both eras: sessions (to
// 2025-11-25) and stateless (2026-07-28), from one set of registrations in the official SDK.
import { randomBytes, randomUUID } from 'node:crypto';
import http from 'node:http';
import { McpServer, ResourceTemplate, createMcpHandler, createRequestStateCodec, fromJsonSchema, inputRequired, inputResponse, isLegacyRequest } from '@modelcontextprotocol/server';
import { NodeStreamableHTTPServerTransport, localhostHostValidation, localhostOriginValidation, toNodeHandler } from '@modelcontextprotocol/node';
import { z } from 'zod';

const png = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const wav = 'UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=';
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const said = (text) => ({ content: [{ type: 'text', text }] });
const form = (message, properties, required = Object.keys(properties)) =>
  ({ method: 'elicitation/create', params: { message, requestedSchema: { type: 'object', properties, required } } });
const sampling = (text, maxTokens = 100) =>
  ({ method: 'sampling/createMessage', params: { messages: [{ role: 'user', content: { type: 'text', text } }], maxTokens } });
const word = { type: 'string' };
const answer = (ctx, key) => inputResponse(ctx.mcpReq.inputResponses, key);

const codec = createRequestStateCodec({ key: randomBytes(32) });

/// The tools that the sessions' scenarios call.
function plainTools(server) {
  const tool = (name, work, inputSchema) => server.registerTool(name, { description: `Fixture: ${name}`, ...(inputSchema ? { inputSchema } : {}) }, work);
  const nothing = z.object({});
  tool('test_simple_text', async () => said('This is a simple text response for testing.'));
  tool('test_image_content', async () => ({ content: [{ type: 'image', data: png, mimeType: 'image/png' }] }));
  tool('test_audio_content', async () => ({ content: [{ type: 'audio', data: wav, mimeType: 'audio/wav' }] }));
  const embedded = { type: 'resource', resource: { uri: 'test://embedded-resource', mimeType: 'text/plain', text: 'This is an embedded resource content.' } };
  tool('test_embedded_resource', async () => ({ content: [embedded] }));
  tool('test_multiple_content_types', async () => ({ content: [
    { type: 'text', text: 'Multiple content types test:' }, { type: 'image', data: png, mimeType: 'image/png' },
    { type: 'resource', resource: { uri: 'test://mixed-content-resource', mimeType: 'application/json', text: '{"test":"data","value":123}' } }] }));
  tool('test_tool_with_logging', async (_, ctx) => {
    for (const data of ['Tool execution started', 'Tool processing data', 'Tool execution completed']) {
      await ctx.mcpReq.notify({ method: 'notifications/message', params: { level: 'info', data } });
      await sleep(10);
    }
    return said('Tool with logging executed successfully');
  }, nothing);
  tool('test_tool_with_progress', async (_, ctx) => {
    const progressToken = ctx.mcpReq._meta?.progressToken;
    for (const progress of [0, 50, 100]) {
      if (progressToken !== undefined) await ctx.mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress, total: 100 } });
      await sleep(10);
    }
    return said(String(progressToken));
  }, nothing);
  tool('test_error_handling', async () => { throw new Error('This tool intentionally returns an error for testing'); });
  tool('test_reconnection', async (_, ctx) => {
    ctx.http?.closeSSE?.();
    await sleep(100);
    return said('Reconnection test completed successfully.');
  }, nothing);
  tool('json_schema_2020_12_tool', async () => said('called'), fromJsonSchema({
    $schema: 'https://json-schema.org/draft/2020-12/schema', type: 'object',
    $defs: { address: { $anchor: 'addressDef', type: 'object', properties: { street: word, city: word } } },
    properties: { name: word, address: { $ref: '#/$defs/address' }, contactMethod: { ...word, enum: ['phone', 'email'] }, phone: word, email: word },
    allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
    if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] }, then: { required: ['phone'] }, else: { required: ['email'] },
    additionalProperties: false,
  }));
  tool('test_header_param', async ({ region }) => said(region), z.object({ region: z.string().meta({ 'x-mcp-header': 'Region' }) }));
}

/// The tools that ask the client for something: by requests of their own, or by a result that wants input.
function askingTools(server) {
  const ask = (name, inputRequests, done, schema = z.object({})) => server.registerTool(name, { description: `Fixture: ${name}`, inputSchema: schema }, async (args, ctx) => {
    const wanted = typeof inputRequests === 'function' ? inputRequests(args, ctx) : inputRequests;
    if (Object.keys(wanted).every((key) => answer(ctx, key).kind !== 'missing')) return said(done(ctx));
    return inputRequired({ inputRequests: wanted });
  });
  const elicited = (ctx, key) => answer(ctx, key).content ?? {};
  const sampled = (ctx, key) => [answer(ctx, key).result?.content ?? []].flat()[0]?.text;
  ask('test_sampling', ({ prompt }) => ({ sample: sampling(prompt) }), (ctx) => `LLM response: ${sampled(ctx, 'sample')}`, z.object({ prompt: z.string() }));
  ask('test_elicitation', ({ message }) => ({ ask: form(message, { username: word, email: word }) }),
    (ctx) => `User response: action=${answer(ctx, 'ask').action}, content=${JSON.stringify(elicited(ctx, 'ask'))}`, z.object({ message: z.string() }));
  ask('test_elicitation_sep1034_defaults', { ask: form('Please review', {
    name: { ...word, default: 'John Doe' }, age: { type: 'integer', default: 30 }, score: { type: 'number', default: 95.5 },
    status: { ...word, enum: ['active', 'inactive', 'pending'], default: 'active' }, verified: { type: 'boolean', default: true } }, []) },
  (ctx) => `Elicitation completed: action=${answer(ctx, 'ask').action}, content=${JSON.stringify(elicited(ctx, 'ask'))}`);
  const titled = [{ const: 'value1', title: 'First' }, { const: 'value2', title: 'Second' }, { const: 'value3', title: 'Third' }];
  ask('test_elicitation_sep1330_enums', { ask: form('Please select', {
    untitledSingle: { ...word, enum: ['option1', 'option2', 'option3'] }, titledSingle: { ...word, oneOf: titled },
    legacyEnum: { ...word, enum: ['opt1', 'opt2', 'opt3'], enumNames: ['One', 'Two', 'Three'] },
    untitledMulti: { type: 'array', items: { type: 'string', enum: ['option1', 'option2', 'option3'] } },
    titledMulti: { type: 'array', items: { anyOf: titled } } }, []) },
  (ctx) => `Elicitation completed: action=${answer(ctx, 'ask').action}`);
  ask('test_input_required_result_elicitation', { user_name: form('What is your name?', { name: word }) }, (ctx) => `Hello, ${elicited(ctx, 'user_name').name}!`);
  ask('test_input_required_result_sampling', { sample_request: sampling('What is the capital of France?') }, (ctx) => `Sampling result: ${sampled(ctx, 'sample_request')}`);
  ask('test_input_required_result_list_roots', { roots_request: { method: 'roots/list', params: {} } }, (ctx) => `Found ${answer(ctx, 'roots_request').roots.length} root(s)`);
  ask('test_streaming_elicitation', {}, () => 'Streaming complete');
  ask('test_input_required_result_capabilities', (_, ctx) => {
    const can = ctx.mcpReq.envelope?.['io.modelcontextprotocol/clientCapabilities'] ?? {};
    return { ...(can.elicitation ? { elicit_input: form('Elicitation input', { value: word }) } : {}), ...(can.sampling ? { sample_input: sampling('Sample request', 50) } : {}) };
  }, () => 'capabilities-ok');
}

/// The tools whose state goes round through the client.
function statefulTools(server) {
  const tool = (name, work) => server.registerTool(name, { description: `Fixture: ${name}`, inputSchema: z.object({}) }, async (_, ctx) => work(ctx, await ctx.mcpReq.requestState()));
  const confirm = { confirm: form('Please confirm', { ok: { type: 'boolean' } }) };
  const round = async (inputRequests, state) => inputRequired({ inputRequests, requestState: await codec.mint(state) });
  for (const [name, done] of [['request_state', 'state-ok: requestState validated'], ['tampered_state', 'integrity-ok: state verified']]) {
    tool(`test_input_required_result_${name}`, (ctx, state) => (state && answer(ctx, 'confirm').kind === 'elicit' ? said(done) : round(confirm, { kind: name })));
  }
  tool('test_input_required_result_multiple_inputs', (ctx, state) => {
    const wanted = { user_name: form('What is your name?', { name: word }), greeting: sampling('Generate a greeting', 50), client_roots: { method: 'roots/list', params: {} } };
    if (!state || Object.keys(wanted).some((key) => answer(ctx, key).kind === 'missing')) return round(wanted, { kind: 'multiple' });
    return said(`Name: ${answer(ctx, 'user_name').content?.name}; Roots: ${answer(ctx, 'client_roots').roots.length}`);
  });
  tool('test_input_required_result_multi_round', (ctx, state) => {
    if (state?.round === 1 && answer(ctx, 'step1').kind === 'elicit') return round({ step2: form('Step 2: What is your favorite color?', { color: word }) }, { round: 2, name: answer(ctx, 'step1').content?.name });
    if (state?.round === 2 && answer(ctx, 'step2').kind === 'elicit') return said(`Multi-round complete for ${state.name} who likes ${answer(ctx, 'step2').content?.color}`);
    return round({ step1: form('Step 1: What is your name?', { name: word }) }, { round: 1 });
  });
  tool('test_missing_capability', (ctx) => (answer(ctx, 'sample').kind === 'sampling' ? said('Success') : inputRequired({ inputRequests: { sample: sampling('Anything') } })));
  tool('test_logging_tool', async (ctx) => {
    await ctx.mcpReq.log('info', 'Diagnostic trace logging activated');
    return said('Logging evaluated');
  });
}

function reading(server) {
  const text = (uri, mimeType, more) => ({ contents: [{ uri: String(uri), mimeType, ...more }] });
  server.registerResource('static-text', 'test://static-text', { mimeType: 'text/plain' }, async (uri) => text(uri, 'text/plain', { text: 'This is the content of the static text resource.' }));
  server.registerResource('static-binary', 'test://static-binary', { mimeType: 'image/png' }, async (uri) => text(uri, 'image/png', { blob: png }));
  server.registerResource('watched', 'test://watched-resource', { mimeType: 'text/plain' }, async (uri) => text(uri, 'text/plain', { text: 'Watched resource content' }));
  server.registerResource('template', new ResourceTemplate('test://template/{id}/data', { list: undefined }), { mimeType: 'application/json' },
    async (uri, { id }) => text(uri, 'application/json', { text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` }) }));
  const user = (content) => ({ role: 'user', content });
  const prompt = (name, work, argsSchema) => server.registerPrompt(name, { description: `Fixture: ${name}`, ...(argsSchema ? { argsSchema } : {}) }, work);
  prompt('test_simple_prompt', async () => ({ messages: [user({ type: 'text', text: 'This is a simple prompt for testing.' })] }));
  prompt('test_prompt_with_arguments', async ({ arg1, arg2 }) => ({ messages: [user({ type: 'text', text: `Prompt with arguments: arg1='${arg1}', arg2='${arg2}'` })] }), z.object({ arg1: z.string(), arg2: z.string() }));
  prompt('test_prompt_with_embedded_resource', async ({ resourceUri: uri }) => ({ messages: [
    user({ type: 'resource', resource: { uri, mimeType: 'text/plain', text: 'Embedded resource content for testing.' } }), user({ type: 'text', text: 'Please process the embedded resource above.' })] }), z.object({ resourceUri: z.string() }));
  prompt('test_prompt_with_image', async () => ({ messages: [user({ type: 'image', data: png, mimeType: 'image/png' }), user({ type: 'text', text: 'Please analyze the image above.' })] }));
  prompt('test_input_required_result_prompt', async (_, ctx) => {
    const got = answer(ctx, 'user_context');
    if (got.kind !== 'elicit') return inputRequired({ inputRequests: { user_context: form('What context should the prompt use?', { context: word }) } });
    return { messages: [user({ type: 'text', text: `Use the following context: ${got.content?.context}` })] };
  }, z.object({}));
}

function make({ onTrigger = () => {} } = {}) {
  const server = new McpServer({ name: 'fixture', version: '1.0.0' }, {
    capabilities: { tools: { listChanged: true }, prompts: { listChanged: true }, resources: { subscribe: true }, logging: {}, completions: {} },
    requestState: { verify: codec.verify }, cacheHints: { 'tools/list': { ttlMs: 300_000, cacheScope: 'private' } },
  });
  plainTools(server);
  askingTools(server);
  statefulTools(server);
  reading(server);
  for (const what of ['tool', 'prompt']) {
    server.registerTool(`test_trigger_${what}_change`, { description: 'Fixture: a list has changed' }, async () => { onTrigger(what); return said('Mutation triggered'); });
  }
  server.server.setRequestHandler('completion/complete', async () => ({ completion: { values: [], total: 0, hasMore: false } }));
  server.server.setRequestHandler('resources/subscribe', async () => ({}));
  server.server.setRequestHandler('resources/unsubscribe', async () => ({}));
  return server;
}

/// What a server keeps of its events for a client that comes back.
class Events {
  kept = [];
  async storeEvent(streamId, message) {
    this.kept.push({ id: `${streamId}::${this.kept.length}`, streamId, message });
    return this.kept.at(-1).id;
  }
  async getStreamIdForEventId(id) { return id.split('::')[0]; }
  async replayEventsAfter(last, { send }) {
    const [streamId, at] = last.split('::');
    for (const event of this.kept.slice(Number(at) + 1)) {
      if (event.streamId === streamId && Object.keys(event.message).length > 0) await send(event.id, event.message);
    }
    return streamId;
  }
}

/// { url, seen, close } on loopback: `url` with its path.
export async function fixture() {
  const seen = [];
  const sessions = new Map();
  const handler = createMcpHandler(() => make({ onTrigger: (what) => (what === 'tool' ? handler.notify.toolsChanged() : handler.notify.promptsChanged()) }), { legacy: 'reject' });
  const modern = toNodeHandler(handler);
  const refuse = (response, status, code, message) => response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify({ jsonrpc: '2.0', error: { code, message }, id: null }));
  const [host, origin] = [localhostHostValidation(), localhostOriginValidation()];
  const server = http.createServer(async (request, response) => {
    if (!host(request, response) || !origin(request, response)) return undefined;
    const parts = [];
    for await (const part of request) parts.push(part);
    const text = Buffer.concat(parts).toString();
    let body;
    try { body = text === '' ? undefined : JSON.parse(text); } catch { return refuse(response, 400, -32700, 'Parse error'); }
    seen.push({ method: request.method, headers: request.headers, body });
    const id = request.headers['mcp-session-id'];
    const asked = new Request(`http://${request.headers.host}${request.url}`, { method: request.method, headers: request.headers, ...(text ? { body: text } : {}) });
    if (request.method === 'POST' && !id && !await isLegacyRequest(asked, body)) return modern(request, response, body);
    if (sessions.has(id)) return sessions.get(id).handleRequest(request, response, body);
    if (id) return refuse(response, 404, -32001, 'Session not found');
    if (body?.method !== 'initialize') return refuse(response, request.method === 'POST' ? 400 : 405, -32000, 'No session');
    const transport = new NodeStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID, eventStore: new Events(), retryInterval: 500,
      onsessioninitialized: (name) => sessions.set(name, transport), onsessionclosed: (name) => sessions.delete(name),
    });
    await make().connect(transport);
    return transport.handleRequest(request, response, body);
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return {
    seen, url: `http://127.0.0.1:${server.address().port}`,
    close: async () => { server.close(); server.closeAllConnections(); await handler.close(); for (const one of sessions.values()) await one.close(); },
  };
}
