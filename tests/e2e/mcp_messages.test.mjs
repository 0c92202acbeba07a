// What comes to the MCP gateway must be one message that can be read in one way only, from where it may come: headers and
// bodies that say two things, pages of strangers, methods that nobody knows. None of it reaches the server.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Gateway, policy } from './lib/gateway.mjs';
import { modern, rules, scripted, send } from './lib/mcp.mjs';
import { Wire } from './lib/raw.mjs';

let up, gateway, ada, mine;
// A server that works in steps where it is asked to.
const steps = {
  'tools/call': ({ params }) => (params.arguments?.steps && params.requestState === undefined
    ? { resultType: 'input_required', requestState: 'step 2: paid by Ada' }
    : { content: [{ type: 'text', text: `ran ${params.name} ${params.requestState ?? JSON.stringify(params.arguments ?? {})}` }] }),
};
before(async () => {
  up = await scripted(steps);
  const point = (prefix, more) => ({ kind: 'mcp', prefix, upstream_prefix: '/mcp', upstreams: [up.url], hold: '0s', ...more });
  gateway = await Gateway.start({
    points: { tools: point('/mcp'), small: point('/small', { max_body: '1KiB' }), open: point('/open', { operations: ['resources/read', 'prompts/get'] }) },
    policy: policy('1h', rules + '[[rule]]\nname = "another free one"\neffect = "allow"\ntool = ["other"]\nconfirm = "none"\n'),
  });
  ada = await gateway.setup();
  mine = await gateway.token(ada);
});
after(async () => {
  await gateway?.stop();
  up?.close();
});

/// What `work` gives, and what the server sees of it.
async function reaching(work) {
  const from = up.seen.length;
  const result = await work();
  return { result, seen: up.seen.slice(from) };
}
let id = 0;
const call = (name, args) => ({ jsonrpc: '2.0', id: ++id, method: 'tools/call', params: { name, arguments: args } });
const refusal = (answer) => answer.message?.error?.data?.reason;
const ran = (answer) => answer.message?.result?.content?.[0].text;

describe('what says two things', () => {

const b64 = (text) => `=?base64?${Buffer.from(text).toString('base64')}?=`;
for (const [name, headers, params = { name: 'echo', arguments: {} }] of [
  ['another method', { 'Mcp-Method': 'tools/list' }],
  ['a method in other letters', { 'Mcp-Method': 'TOOLS/CALL' }],
  ['no method', { 'Mcp-Method': undefined }],
  ['another tool', { 'Mcp-Name': 'echo2' }],
  ['the harmless tool, and a denied one in the body', { 'Mcp-Name': 'echo' }, { name: 'format_disk', arguments: {} }],
  ['the denied tool, and a harmless one in the body', { 'Mcp-Name': 'format_disk' }],
  ['a denied tool in base64', { 'Mcp-Name': b64('format_disk') }],
  ['base64 of other bytes that look alike', { 'Mcp-Name': b64('echo\u0000') }],
  ['base64 that is none', { 'Mcp-Name': '=?base64?!!!?=' }],
  ['base64 with its marker in other letters', { 'Mcp-Name': b64('echo').replace('base64', 'BASE64') }],
  ['two names', { 'Mcp-Name': ['echo', 'format_disk'] }],
  ['two names that agree', { 'Mcp-Name': ['echo', 'echo'] }],
  ['no name', { 'Mcp-Name': undefined }],
  ['a name with an underscore', { 'Mcp-Name': 'echo', Mcp_Name: 'format_disk' }],
  ['a method with an underscore', { Mcp_Method: 'tools/list' }],
  ['another revision in the header', { 'MCP-Protocol-Version': '2025-11-25' }],
  ['no revision in the header', { 'MCP-Protocol-Version': undefined }],
  ['two revisions', { 'MCP-Protocol-Version': ['2026-07-28', '2025-11-25'] }],
  ['a parameter that no argument has', { 'Mcp-Param-Region': 'eu' }],
]) {
  test(`2026-07-28, headers and body: ${name}`, async () => {
    const [body, { headers: right }] = modern('tools/call', params, headers);
    const sent = Object.fromEntries(Object.entries(right).filter(([, value]) => value !== undefined));
    const { result, seen } = await reaching(() => send(gateway, mine, body, { headers: sent }));
    assert.equal(result.status, 400, result.text);
    assert.equal(result.message.error.code, -32020, result.text);
    assert.equal(result.message.id, body.id);
    assert.equal(seen.length, 0);
  });
}

test('2026-07-28: headers that agree, in base64 and with blanks', async () => {
  for (const headers of [{}, { 'Mcp-Name': b64('echo') }, { 'Mcp-Name': '  echo  ' }, { 'Mcp-Param-Region': 'eu' }, { 'Mcp-Param-Region': b64('eu') }]) {
    const answer = await send(gateway, mine, ...modern('tools/call', { name: 'echo', arguments: { region: 'eu' } }, headers));
    assert.equal(ran(answer), 'ran echo {"region":"eu"}', answer.text);
  }
  const [body, { headers }] = modern('tools/call', { name: '\u00fcbung', arguments: {} }, { 'Mcp-Name': b64('\u00fcbung') });
  assert.equal(refusal(await send(gateway, mine, body, { headers })), 'confirmation_required', 'a name that only base64 can carry is decided by its own bytes');
});

test('older revisions: headers need not be there, but may not lie', async () => {
  for (const headers of [{ 'Mcp-Method': 'tools/list' }, { 'Mcp-Method': 'tools/call', 'Mcp-Name': 'other' }, { 'Mcp-Name': 'format_disk' }]) {
    const { result, seen } = await reaching(() => send(gateway, mine, call('echo', {}), { headers: { 'MCP-Protocol-Version': '2025-11-25', ...headers } }));
    assert.equal(result.status, 400, result.text);
    assert.equal(result.message.error.code, -32020);
    assert.equal(seen.length, 0);
  }
});

const inner = '{"name":"echo","arguments":{}}';
const evil = '{"name":"format_disk","arguments":{}}';
const whole = (params, more = '') => `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":${params}${more}}`;
for (const [name, body] of [
  ['an array', `[${whole(inner)}]`],
  ['an array of two', `[${whole(inner)},${whole(evil)}]`],
  ['an empty array', '[]'],
  ['nothing', ''],
  ['null', 'null'],
  ['text', '"tools/call"'],
  ['two messages', whole(inner) + whole(evil)],
  ['two lines', `${whole(inner)}\n${whole(evil)}`],
  ['method twice', whole(inner, ',"method":"tools/list"')],
  ['method twice, once by escape', whole(inner, ',"m\\u0065thod":"tools/list"')],
  ['method twice, once in other letters', whole(inner, ',"Method":"tools/list"')],
  ['method in other letters alone', '{"jsonrpc":"2.0","id":1,"METHOD":"tools/call","params":{"name":"format_disk"}}'],
  ['params twice', whole(inner, `,"params":${evil}`)],
  ['params twice, once in other letters', whole(inner, `,"Params":${evil}`)],
  ['params twice, once with the Kelvin sign’s like', whole(inner, `,"param\\u017f":${evil}`)],
  ['name twice', whole('{"name":"echo","name":"format_disk","arguments":{}}')],
  ['name twice, once by escape', whole('{"name":"echo","n\\u0061me":"format_disk","arguments":{}}')],
  ['name twice, once in other letters', whole('{"name":"echo","NAME":"format_disk","arguments":{}}')],
  ['arguments twice', whole('{"name":"echo","arguments":{},"arguments":{"x":1}}')],
  ['arguments twice, once in other letters', whole('{"name":"echo","arguments":{},"Arguments":{"x":1}}')],
  ['an argument twice', whole('{"name":"echo","arguments":{"a":1,"a":2}}')],
  ['id twice', whole(inner, ',"id":2')],
  ['an id that is an object', whole(inner).replace('"id":1', '"id":{}')],
  ['an id that is null', whole(inner).replace('"id":1', '"id":null')],
  ['an id that is a fraction', whole(inner).replace('"id":1', '"id":1.5')],
  ['a call without an id', whole(inner).replace('"id":1,', '')],
  ['a call that is an answer too', whole(inner, ',"result":{}')],
  ['an answer with params', '{"jsonrpc":"2.0","id":1,"result":{},"params":{"name":"format_disk"}}'],
  ['result and error', '{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":"x"}}'],
  ['no revision of JSON-RPC', whole(inner).replace('"jsonrpc":"2.0",', '')],
  ['another revision of JSON-RPC', whole(inner).replace('"2.0"', '"1.0"')],
  ['jsonrpc as a number', whole(inner).replace('"2.0"', '2.0')],
  ['a method that is a list', whole(inner).replace('"tools/call"', '["tools/call"]')],
  ['params that are a list', whole('["format_disk"]')],
  ['a name that is a list', whole('{"name":["format_disk"],"arguments":{}}')],
  ['no name', whole('{"arguments":{}}')],
  ['arguments that are a list', whole('{"name":"echo","arguments":[1]}')],
  ['arguments that are text', whole('{"name":"echo","arguments":"{}"}')],
  ['a byte order mark', `\ufeff${whole(inner)}`],
  ['a zero byte', `${whole(inner)}\u0000`],
  ['broken off', whole(inner).slice(0, -1)],
  ['a comment', whole(inner).replace('{', '{/* */')],
  ['a comma too many', whole(inner).replace(/}$/, ',}')],
  ['a lone surrogate', whole('{"name":"ech\\ud83d","arguments":{}}')],
  ['too deep', whole(`{"name":"echo","arguments":{"a":${'['.repeat(400)}${']'.repeat(400)}}}`)],
]) {
  test(`a body that is not one message: ${name}`, async () => {
    const { result, seen } = await reaching(() => send(gateway, mine, body));
    assert.ok(result.status >= 400 && result.status < 500, `${result.status} ${result.text}`);
    assert.ok(result.message?.error?.code < 0, result.text);
    assert.ok(result.reason);
    assert.equal(seen.length, 0);
  });
}

test('bytes that are no UTF-8', async () => {
  const [head, tail] = whole('{"name":"echo","arguments":{"a":"#"}}').split('#');
  const body = Buffer.concat([Buffer.from(head), Buffer.from([0xc0, 0xaf]), Buffer.from(tail)]);
  const { seen } = await reaching(async () => {
    const wire = await Wire.connect(gateway.port);
    wire.write(Buffer.concat([Buffer.from(`POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${mine}\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nContent-Length: ${body.length}\r\n\r\n`), body]));
    assert.equal((await wire.reply()).status, 400);
    wire.close();
  });
  assert.equal(seen.length, 0);
});

});

describe('the door', () => {

const list = { jsonrpc: '2.0', id: 1, method: 'tools/list' };

for (const [name, status, options] of [
  ['text', 415, { headers: { 'Content-Type': 'text/plain' } }],
  ['a form', 415, { headers: { 'Content-Type': 'application/x-www-form-urlencoded' } }],
  ['JSON in UTF-16', 415, { headers: { 'Content-Type': 'application/json; charset=utf-16' } }],
  ['something like JSON', 415, { headers: { 'Content-Type': 'application/jsonp' } }],
  ['packed', 415, { headers: { 'Content-Encoding': 'gzip' } }],
  ['from a stranger’s page', 403, { headers: { Origin: 'https://evil.example' } }],
  ['from a page of nowhere', 403, { headers: { Origin: 'null' } }],
  ['from a page whose name begins like ours', 403, { headers: { Origin: 'http://localhost.evil.example' } }],
  ['to a stranger’s name', 421, { headers: { Host: 'evil.example' } }],
  ['with a query', 400, { path: '/mcp?tool=echo' }],
  ['below the endpoint', 404, { path: '/mcp/tools' }],
  ['beside the endpoint', 404, { path: '/mcpx' }],
  ['through dots', 400, { path: '/mcp/../mcp' }],
  ['by PUT', 405, { method: 'PUT' }],
  ['by PATCH', 405, { method: 'PATCH' }],
]) {
  test(`refused: ${name}`, async () => {
    const { result, seen } = await reaching(() => send(gateway, mine, list, options));
    assert.equal(result.status, status, result.text);
    assert.equal(seen.length, 0);
  });
}

test('from the gateway’s own page, and by a slash more', async () => {
  assert.equal((await send(gateway, mine, list, { headers: { Origin: gateway.url } })).status, 200);
  const { result, seen } = await reaching(() => send(gateway, mine, list, { path: '/mcp/' }));
  assert.equal(result.status, 200);
  assert.equal(seen[0].url, '/mcp');
});

test('who brings no token of this place is told where tokens come from', async () => {
  for (const token of [undefined, 'vt_made_up', `${mine}x`, ada.handle]) {
    const { result, seen } = await reaching(() => send(gateway, token, list));
    assert.equal(result.status, 401);
    assert.match(result.headers['www-authenticate'], /^Bearer .*resource_metadata="http:\/\/localhost:\d+\/\.well-known\/oauth-protected-resource\/mcp"/);
    assert.equal(seen.length, 0);
  }
});

test('too large', async () => {
  const { result, seen } = await reaching(() => send(gateway, mine, call('echo', { a: 'x'.repeat(2000) }), { path: '/small' }));
  assert.equal(result.status, 413);
  assert.equal(result.reason, 'body_too_large');
  assert.equal(seen.length, 0);
});

test('methods that nobody knows, of each era', async () => {
  for (const [method, request] of [
    ['tools/run', [{ ...list, method: 'tools/run' }]], ['tools/call ', [{ ...list, method: 'tools/call ' }]], ['Tools/List', [{ ...list, method: 'Tools/List' }]],
    ['sampling/createMessage', [{ ...list, method: 'sampling/createMessage' }]], ['server/discover before its time', [{ ...list, method: 'server/discover' }]],
    ...['unknown/method', 'initialize', 'ping', 'logging/setLevel', 'resources/subscribe', 'tasks/list'].map((name) => [name, modern(name)]),
  ]) {
    const { result, seen } = await reaching(() => send(gateway, mine, ...request));
    assert.equal(result.status, request.length > 1 ? 404 : 200, `${method}: ${result.text}`);
    assert.equal(result.message.error.code, -32601, method);
    assert.equal(result.message.id, request[0].id, method);
    assert.equal(seen.length, 0, method);
  }
});

test('revisions that nobody speaks', async () => {
  for (const version of ['2027-01-01', 'v999', '2026-07-28 ', 'draft']) {
    const { result, seen } = await reaching(() => send(gateway, mine, list, { headers: { 'MCP-Protocol-Version': version } }));
    assert.equal(result.status, 400, version);
    assert.equal(seen.length, 0);
  }
});

test('what is sensitive is closed unless it was opened', async () => {
  for (const [method, params] of [['resources/read', { uri: 'file:///etc/passwd' }], ['resources/subscribe', { uri: 'file:///etc/passwd' }], ['prompts/get', { name: 'p' }], ['tasks/result', { taskId: 't' }]]) {
    const body = { jsonrpc: '2.0', id: 1, method, params };
    const { result, seen } = await reaching(() => send(gateway, mine, body));
    assert.equal(result.status, 403, `${method}: ${result.text}`);
    assert.ok(result.message.error);
    assert.equal(seen.length, 0);
  }
  const { seen } = await reaching(() => send(gateway, mine, { jsonrpc: '2.0', id: 1, method: 'resources/read', params: { uri: 'file:///etc/passwd' } }, { path: '/open' }));
  assert.equal(seen.length, 1);
});

});

test('2026-07-28: what a server wants to hear again is good for its caller and its call alone', async () => {
  const bob = await gateway.token(await gateway.addUser(ada, 'bob'));
  const ask = (name, requestState, { token = mine, path = '/mcp', args = { steps: true } } = {}) => {
    const [body, more] = modern('tools/call', { name, arguments: args, ...(requestState === undefined ? {} : { requestState }) });
    return send(gateway, token, body, { ...more, path });
  };
  const { requestState } = (await ask('echo')).message.result;
  assert.notEqual(requestState, 'step 2: paid by Ada');
  for (const [name, state, more] of [
    ['echo', 'step 2: paid by Ada'], ['echo', `${requestState} `], ['echo', requestState.slice(1)], ['echo', ''], ['echo', 7],
    ['other', requestState], ['echo', requestState, { token: bob }], ['echo', requestState, { path: '/open' }],
    ['echo', requestState, { args: { steps: true, amount: 2 } }], ['echo', requestState, { args: {} }],
  ]) {
    const { result, seen } = await reaching(() => ask(name, state, more));
    assert.ok([-32602, -32600].includes(result.message.error?.code), result.text);
    assert.equal(seen.length, 0, 'the server hears nothing of it');
  }
  const { result, seen } = await reaching(() => ask('echo', requestState));
  assert.equal(ran(result), 'ran echo step 2: paid by Ada', result.text);
  assert.ok(!seen[0].raw.includes(requestState.slice(0, 22)), 'it hears its own words');
});
