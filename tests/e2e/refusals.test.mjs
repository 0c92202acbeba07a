// Malformed, smuggled, rebound and differently-read requests. Each carries a valid token, so only its
// shape is at fault; each is refused with the right status, and no byte reaches the model server.
import assert from 'node:assert/strict';
import { test, before, after } from 'node:test';
import { Gateway, sleep } from './lib/gateway.mjs';
import { Upstream } from './lib/upstream.mjs';
import { Wire, once, post, prompt } from './lib/raw.mjs';

let up, gateway, admin, token;
before(async () => {
  up = await Upstream.start();
  gateway = await Gateway.start({
    points: {
      main: { kind: 'openai', upstreams: [up.url], models: ['scripted'], max_body: '64KiB' },
      ollama: { kind: 'ollama', prefix: '/ollama', upstreams: [up.url] },
      cpp: { kind: 'llamacpp', prefix: '/cpp', upstreams: [up.url] },
    },
  });
  admin = await gateway.setup();
  token = await gateway.token(admin);
});
after(async () => {
  await gateway?.stop();
  await up?.close();
});

const good = JSON.stringify(prompt('hello'));
const path = '/v1/chat/completions';

// A chat request of which parts can be replaced. `lines` are raw header lines in place of the usual
// framing; `head` comes ahead of them.
function chat({ line = `POST ${path} HTTP/1.1`, host = 'Host: localhost', auth = `Authorization: Bearer ${token}`,
  type = 'Content-Type: application/json', lines, head = [], body = good, eol = '\r\n' } = {}) {
  lines ??= [`Content-Length: ${Buffer.byteLength(body, 'latin1')}`];
  return [line, host, auth, type, ...head, ...lines].filter((l) => l !== null).join(eol) + eol + eol + body;
}
const get = (target, more = {}) => chat({ line: `GET ${target} HTTP/1.1`, type: null, lines: [], body: '', ...more });
const json = (body) => chat({ body: Buffer.from(body, 'utf8').toString('latin1') });
const ask = (more) => json(JSON.stringify(prompt('hello', more)));
const chunked = (body, head = []) => chat({ lines: ['Transfer-Encoding: chunked', ...head], body });
const smuggled = `GET /v1/models HTTP/1.1\r\nHost: localhost\r\nX: `;
const part = (content) => json(JSON.stringify({ model: 'scripted', messages: [{ role: 'user', content: [content] }] }));

const bad = 'request_malformed';
// name, request, status, reason
const rows = [
  // --- framing
  ['Content-Length and Transfer-Encoding', () => chat({ lines: ['Content-Length: 4', 'Transfer-Encoding: chunked'], body: `0\r\n\r\n${smuggled}` }), 400, bad],
  ['Transfer-Encoding and Content-Length', () => chat({ lines: ['Transfer-Encoding: chunked', 'Content-Length: 4'], body: `0\r\n\r\n${smuggled}` }), 400, bad],
  ['Content-Length twice, the same', () => chat({ lines: [`Content-Length: ${good.length}`, `Content-Length: ${good.length}`] }), 400, bad],
  ['Content-Length twice, different', () => chat({ lines: ['Content-Length: 4', `Content-Length: ${good.length}`] }), 400, bad],
  ['Content-Length as a list', () => chat({ lines: [`Content-Length: ${good.length}, ${good.length}`] }), 400, bad],
  ['Content-Length with a sign', () => chat({ lines: [`Content-Length: +${good.length}`] }), 400, bad],
  ['Content-Length negative', () => chat({ lines: ['Content-Length: -1'] }), 400, bad],
  ['Content-Length hexadecimal', () => chat({ lines: ['Content-Length: 0x20'] }), 400, bad],
  ['Content-Length with a leading zero', () => chat({ lines: [`Content-Length: 0${good.length}`] }), 400, bad],
  ['Content-Length empty', () => chat({ lines: ['Content-Length:'] }), 400, bad],
  ['Content-Length with a space inside', () => chat({ lines: ['Content-Length: 6 5'] }), 400, bad],
  ['Content-Length beyond 64 bits', () => chat({ lines: [`Content-Length: 184467440737095516${good.length}`] }), 400, bad],
  ['Content-Length in Arabic digits', () => chat({ lines: ['Content-Length: \xd9\xa6\xd9\xa5'] }), 400, bad],
  ['Transfer-Encoding twice', () => chunked(`0\r\n\r\n${smuggled}`, ['Transfer-Encoding: chunked']), 400, bad],
  ['Transfer-Encoding chunked, chunked', () => chat({ lines: ['Transfer-Encoding: chunked, chunked'], body: '0\r\n\r\n' }), 400, bad],
  ['Transfer-Encoding chunked, identity', () => chat({ lines: ['Transfer-Encoding: chunked, identity'], body: '0\r\n\r\n' }), 400, bad],
  ['Transfer-Encoding gzip, chunked', () => chat({ lines: ['Transfer-Encoding: gzip, chunked'], body: '0\r\n\r\n' }), 400, bad],
  ['Transfer-Encoding identity', () => chat({ lines: ['Transfer-Encoding: identity', ], body: good }), 400, bad],
  ['Transfer-Encoding misspelt', () => chat({ lines: ['Transfer-Encoding: xchunked'], body: '0\r\n\r\n' }), 400, bad],
  ['Transfer-Encoding quoted', () => chat({ lines: ['Transfer-Encoding: "chunked"'], body: '0\r\n\r\n' }), 400, bad],
  ['Transfer-Encoding behind a vertical tab', () => chat({ lines: ['Transfer-Encoding: \x0bchunked'], body: '0\r\n\r\n' }), 400, bad],
  ['Transfer-Encoding folded', () => chat({ lines: ['Transfer-Encoding:\r\n chunked'], body: '0\r\n\r\n' }), 400, bad],
  ['Transfer-Encoding with a space before the colon', () => chat({ lines: ['Transfer-Encoding : chunked', 'Content-Length: 4'], body: '0\r\n\r\n' }), 400, bad],
  ['Transfer_Encoding beside Content-Length is no framing, but Transfer-Encoding\\x01 is no name', () => chat({ head: ['Transfer-Encoding\x01: chunked'] }), 400, bad],
  ['Transfer-Encoding on HTTP/1.0', () => chat({ line: `POST ${path} HTTP/1.0`, lines: ['Transfer-Encoding: chunked'], body: '0\r\n\r\n' }), 400, bad],
  ['chunk size with 0x', () => chunked(`0x41\r\n${good}\r\n0\r\n\r\n`), 400, bad],
  ['chunk size with a sign', () => chunked(`+41\r\n${good}\r\n0\r\n\r\n`), 400, bad],
  ['chunk size empty', () => chunked(`\r\n${good}\r\n0\r\n\r\n`), 400, bad],
  ['chunk size beyond 64 bits', () => chunked(`10000000000000041\r\n${good}\r\n0\r\n\r\n`), 400, bad],
  ['chunk size with a space ahead', () => chunked(` ${good.length.toString(16)}\r\n${good}\r\n0\r\n\r\n`), 400, bad],
  ['chunk size ended by LF alone', () => chunked(`${good.length.toString(16)}\n${good}\r\n0\r\n\r\n`), 400, bad],
  ['chunk data longer than its size', () => chunked(`4\r\n${good}\r\n0\r\n\r\n`), 400, bad],
  ['chunk data ended by LF alone', () => chunked(`${good.length.toString(16)}\r\n${good}\n0\r\n\r\n`), 400, bad],
  ['chunk extension with a bare LF', () => chunked(`${good.length.toString(16)};a\nb\r\n${good}\r\n0\r\n\r\n`), 400, bad],
  ['last chunk followed by a malformed trailer', () => chunked(`${good.length.toString(16)}\r\n${good}\r\n0\r\nno colon\r\n\r\n`), 400, bad],
  ['a body where there is none', () => get('/v1/models', { lines: ['Content-Length: 4'], body: 'abcd' }), 400, [bad, 'body_shape']],
  // --- the head's syntax
  ['bare LF line ends', () => chat({ eol: '\n' }), 400, bad],
  ['one bare LF', () => chat({ head: ['X-A: b\nX-C: d'] }), 400, bad],
  ['bare CR in a value', () => chat({ head: ['X-A: b\rContent-Length: 4'] }), 400, bad],
  ['NUL in a value', () => chat({ head: ['X-A: b\0c'] }), 400, bad],
  ['NUL in a name', () => chat({ head: ['X-A\0: b'] }), 400, bad],
  ['a folded value', () => chat({ head: ['X-A: b\r\n c'] }), 400, bad],
  ['space ahead of the first field', () => chat({ host: ' Host: localhost' }), 400, bad],
  ['a field without a colon', () => chat({ head: ['X-A'] }), 400, bad],
  ['a field without a name', () => chat({ head: [': x'] }), 400, bad],
  ['space in a field name', () => chat({ head: ['X A: b'] }), 400, bad],
  ['bytes beyond ASCII in a value', () => chat({ head: ['X-A: \xff\xfe'] }), 400, bad],
  ['an empty line ahead', () => `\r\n${chat()}`, 400, bad],
  ['two spaces in the request line', () => chat({ line: `POST  ${path} HTTP/1.1` }), 400, bad],
  ['tab in the request line', () => chat({ line: `POST\t${path} HTTP/1.1` }), 400, bad],
  ['something behind the version', () => chat({ line: `POST ${path} HTTP/1.1 x` }), 400, bad],
  ['HTTP/0.9', () => `GET /v1/models\r\n\r\n`, 400, bad],
  ['HTTP/1.2', () => chat({ line: `POST ${path} HTTP/1.2` }), 400, bad],
  ['HTTP/2.0', () => chat({ line: `POST ${path} HTTP/2.0` }), 400, bad],
  ['the preface of HTTP/2', () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400, bad],
  ['http/1.1', () => chat({ line: `POST ${path} http/1.1` }), 400, bad],
  ['a lower-case method', () => chat({ line: `post ${path} HTTP/1.1` }), 400, bad],
  ['CONNECT', () => get('localhost:80', { line: 'CONNECT localhost:80 HTTP/1.1' }), 400, bad],
  ['TRACE', () => get('/v1/models', { line: 'TRACE /v1/models HTTP/1.1' }), 400, bad],
  ['a method of its own', () => get('/v1/models', { line: 'FROB /v1/models HTTP/1.1' }), 405, 'method_not_allowed'],
  ['a target that is too long', () => get(`/v1/${'a'.repeat(20_000)}`), 414, 'uri_too_long'],
  ['a head that is too long', () => chat({ head: Array(40).fill(`X-A: ${'a'.repeat(4000)}`) }), 431, 'head_too_large'],
  ['too many fields', () => chat({ head: Array(400).fill('X-A: b') }), 431, 'head_too_large'],
  // --- targets
  ['absolute-form', () => get('http://localhost/v1/models'), 400, bad],
  ['absolute-form of another host', () => get('http://evil.example/v1/models'), 400, bad],
  ['asterisk-form', () => get('*', { line: 'OPTIONS * HTTP/1.1' }), 400, bad],
  ['%2f', () => get('/v1%2fmodels'), 400, bad],
  ['%5c', () => get('/v1%5cmodels'), 400, bad],
  ['backslash', () => get('/v1\\models'), 400, bad],
  ['dot segments', () => get('/v1/../v1/models'), 400, bad],
  ['one dot', () => get('/v1/./models'), 400, bad],
  ['dot segments at the end', () => get('/v1/models/..'), 400, bad],
  ['dot segments escaped', () => get('/v1/%2e%2e/v1/models'), 400, bad],
  ['dot segments half escaped', () => get('/v1/.%2e/v1/models'), 400, bad],
  ['double slash ahead', () => get('//v1/models'), 400, bad],
  ['double slash', () => get('/v1//models'), 400, bad],
  ['%00', () => get('/v1/models%00'), 400, bad],
  ['a fragment', () => get('/v1/models#x'), 400, bad],
  ['a space', () => get('/v1/mod els'), 400, bad],
  ['a broken escape', () => get('/v1/mod%zzels'), 400, bad],
  ['an escape cut short', () => get('/v1/models%2'), 400, bad],
  ['escaped twice', () => get('/v1%252fmodels'), 400, bad],
  ['a letter escaped', () => get('/%761/models'), 400, bad],
  ['overlong UTF-8', () => get('/v1%c0%afmodels'), 400, bad],
  ['bytes beyond ASCII', () => get('/v1/mod\xe9ls'), 400, bad],
  ['a path parameter', () => get('/v1/models;a=b'), 400, bad],
  ['a slash at the end', () => get('/v1/models/'), 404, 'route_unknown'],
  ['other letters\' case', () => get('/V1/models'), 404, 'route_unknown'],
  ['a query that means nothing here', () => chat({ line: `POST ${path}?model=other HTTP/1.1` }), 400, bad],
  ['a prefix that only begins alike', () => get('/ollamas/api/tags'), 404, 'route_unknown'],
  ['out of a prefix', () => get('/ollama/../v1/models'), 400, bad],
  // --- Host
  ['no Host', () => chat({ host: null }), 400, bad],
  ['two Hosts', () => chat({ host: 'Host: localhost\r\nHost: localhost' }), 400, bad],
  ['two Hosts, one evil', () => chat({ host: 'Host: localhost\r\nHost: evil.example' }), 400, bad],
  ['empty Host', () => chat({ host: 'Host:' }), 400, bad],
  ['another Host', () => chat({ host: 'Host: evil.example' }), 421, 'host_unknown'],
  ['Host rebound', () => chat({ host: 'Host: localhost.evil.example' }), 421, 'host_unknown'],
  ['Host with user information', () => chat({ host: 'Host: localhost@evil.example' }), 400, bad],
  ['Host as a list', () => chat({ host: 'Host: localhost, evil.example' }), 400, bad],
  ['Host with a path', () => chat({ host: 'Host: localhost/x' }), 400, bad],
  ['Host with a port out of range', () => chat({ host: 'Host: localhost:99999' }), 400, bad],
  ['Host with an empty port', () => chat({ host: 'Host: localhost:' }), 400, bad],
  ['Host as a short address', () => chat({ host: 'Host: 127.1' }), 400, bad],
  ['Host as a hexadecimal address', () => chat({ host: 'Host: 0x7f000001' }), 400, bad],
  ['Host as a decimal address', () => chat({ host: 'Host: 2130706433' }), 400, bad],
  ['Host as a mapped address', () => chat({ host: 'Host: [::ffff:127.0.0.1]' }), 421, 'host_unknown'],
  ['Host with a dot behind', () => chat({ host: 'Host: localhost.' }), 400, bad],
  ['Host of the metadata service', () => chat({ host: 'Host: 169.254.169.254' }), 421, 'host_unknown'],
  // --- JSON
  ['model twice', () => json('{"model":"scripted","model":"other","messages":[]}'), 400, 'body_not_json'],
  ['model twice, once escaped', () => json('{"model":"scripted","\\u006dodel":"other","messages":[]}'), 400, 'body_not_json'],
  ['a key twice deep inside', () => json('{"model":"scripted","messages":[{"role":"user","content":"a","content":"b"}]}'), 400, 'body_not_json'],
  ['Model beside model', () => json('{"model":"scripted","Model":"other","messages":[]}'), 400, 'body_not_json'],
  ['MODEL alone', () => json('{"MODEL":"other","messages":[]}'), 400, 'body_not_json'],
  ['a key that folds by Unicode', () => json('{"model":"scripted","me\u017f\u017fages":[],"messages":[]}'), 400, 'body_not_json'],
  ['a key with a zero byte', () => json('{"model":"scripted","model\\u0000":"other","messages":[]}'), 400, 'body_not_json'],
  ['a byte order mark', () => json(`\ufeff${good}`), 400, 'body_not_json'],
  ['invalid UTF-8', () => chat({ body: '{"model":"scripted","messages":[{"role":"user","content":"\xff"}]}' }), 400, 'body_not_json'],
  ['overlong UTF-8 in a key', () => chat({ body: '{"\xc1\xaddel":"scripted","messages":[]}' }), 400, 'body_not_json'],
  ['half a surrogate pair', () => json('{"model":"scripted","messages":[{"role":"user","content":"\\ud800"}]}'), 400, 'body_not_json'],
  ['two documents', () => json(good + good), 400, 'body_not_json'],
  ['bytes behind the document', () => json(`${good}x`), 400, 'body_not_json'],
  ['a NUL behind the document', () => json(`${good}\0`), 400, 'body_not_json'],
  ['UTF-16', () => chat({ body: Buffer.from(good, 'utf16le').toString('latin1') }), 400, 'body_not_json'],
  ['a trailing comma', () => json('{"model":"scripted","messages":[],}'), 400, 'body_not_json'],
  ['a comment', () => json('{"model":"scripted",/* */"messages":[]}'), 400, 'body_not_json'],
  ['single quotes', () => json("{'model':'scripted','messages':[]}"), 400, 'body_not_json'],
  ['NaN', () => json('{"model":"scripted","messages":[],"temperature":NaN}'), 400, 'body_not_json'],
  ['a number with a leading zero', () => json('{"model":"scripted","messages":[],"temperature":01}'), 400, 'body_not_json'],
  ['a control character in a string', () => json('{"model":"scripted","messages":[],"user":"a\nb"}'), 400, 'body_not_json'],
  ['an escape that there is not', () => json('{"model":"scripted","messages":[],"user":"\\x41"}'), 400, 'body_not_json'],
  ['ten thousand deep', () => json(`{"model":"scripted","messages":${'['.repeat(10_000)}${']'.repeat(10_000)}}`), 400, 'body_not_json'],
  ['an array', () => json(`[${good}]`), 400, 'body_shape'],
  ['nothing', () => json(''), 400, ['body_not_json', 'body_shape']],
  ['no model', () => json('{"messages":[]}'), 400, 'body_shape'],
  ['model a number', () => json('{"model":1,"messages":[]}'), 400, 'body_shape'],
  ['messages a string', () => json('{"model":"scripted","messages":"hello"}'), 400, 'body_shape'],
  ['stream a string', () => ask({ stream: 'true' }), 400, 'body_shape'],
  ['a model that is not listed', () => ask({ model: 'other' }), 404, 'model_denied'],
  ['a model in other letters\' case', () => ask({ model: 'Scripted' }), 404, 'model_denied'],
  ['a model with a space behind', () => ask({ model: 'scripted ' }), [400, 404]],
  ['a model with a line end', () => ask({ model: 'scripted\n' }), [400, 404]],
  ['a body over the limit', () => ask({ messages: [{ role: 'user', content: 'a'.repeat(70_000) }] }), 413, 'body_too_large'],
  ['a chunked body over the limit', () => chunked(`11000\r\n${' '.repeat(0x11000)}\r\n0\r\n\r\n`), 413, 'body_too_large'],
  // --- encodings and content types
  ['gzip', () => chat({ head: ['Content-Encoding: gzip'] }), 415, 'content_encoding'],
  ['identity, gzip', () => chat({ head: ['Content-Encoding: identity, gzip'] }), 415, 'content_encoding'],
  ['no Content-Type', () => chat({ type: null }), 415, 'content_type'],
  ['text/plain', () => chat({ type: 'Content-Type: text/plain' }), 415, 'content_type'],
  ['a form', () => chat({ type: 'Content-Type: application/x-www-form-urlencoded' }), 415, 'content_type'],
  ['multipart', () => chat({ type: 'Content-Type: multipart/form-data; boundary=x' }), 415, 'content_type'],
  ['charset=utf-16', () => chat({ type: 'Content-Type: application/json; charset=utf-16' }), 415, 'content_type'],
  ['charset=utf-7', () => chat({ type: 'Content-Type: application/json; charset=utf-7' }), 415, 'content_type'],
  ['two types in one', () => chat({ type: 'Content-Type: application/json, text/plain' }), 415, 'content_type'],
  ['Content-Type twice', () => chat({ type: 'Content-Type: application/json\r\nContent-Type: text/plain' }), 400, bad],
  // --- credentials
  ['two credentials', () => chat({ head: [`Authorization: Bearer ${token}`] }), 401, 'credential_malformed'],
  ['a credential in two fields', () => chat({ head: [`x-api-key: ${token}`] }), 401, 'credential_malformed'],
  ['something behind the credential', () => chat({ auth: `Authorization: Bearer ${token} x` }), 401, 'credential_malformed'],
  ['a list of credentials', () => chat({ auth: `Authorization: Bearer ${token}, Bearer ${token}` }), 401, 'credential_malformed'],
  ['Basic', () => chat({ auth: `Authorization: Basic ${Buffer.from(`x:${token}`).toString('base64')}` }), 401, 'credential_malformed'],
  ['no token', () => chat({ auth: 'Authorization: Bearer' }), 401, 'credential_malformed'],
  ['a session in place of a token', () => chat({ auth: `Authorization: Bearer ${admin.handle}` }), 401, 'credential_audience'],
  ['one letter changed', () => chat({ auth: `Authorization: Bearer ${token.slice(0, -1)}${token.endsWith('A') ? 'B' : 'A'}` }), 401, ['credential_malformed', 'credential_unknown']],
  ['the token in the query', () => get(`/v1/models?api_key=${token}`, { auth: null }), 401, 'credential_missing'],
  ['the token in a cookie', () => chat({ auth: `Cookie: token=${token}; Authorization=Bearer ${token}` }), 401, 'credential_missing'],
  ['the token in the proxy\'s field', () => chat({ auth: `Proxy-Authorization: Bearer ${token}` }), 401, 'credential_missing'],
  // --- hop by hop
  ['Connection names Authorization', () => chat({ head: ['Connection: authorization'] }), 400, bad],
  ['Connection names Host', () => chat({ head: ['Connection: close, host'] }), 400, bad],
  ['Connection names Content-Length', () => chat({ head: ['Connection: Content-Length'] }), 400, bad],
  ['Connection names Content-Type', () => chat({ head: ['Connection: content-type'] }), 400, bad],
  ['Connection is no list', () => chat({ head: ['Connection: keep-alive;x'] }), 400, bad],
  ['a WebSocket', () => get('/v1/models', { head: ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='] }), 400, 'upgrade_refused'],
  ['Expect something else', () => chat({ head: ['Expect: 200-ok'] }), 417, 'expectation_failed'],
  ['Expect twice', () => chat({ head: ['Expect: 100-continue', 'Expect: 100-continue'] }), 400, bad],
  // --- other people's things, and things that reach out
  ['a stored response', () => chat({ line: 'POST /v1/responses HTTP/1.1', body: '{"model":"scripted","input":"a","store":false,"previous_response_id":"resp_1"}' }), 403, 'object_foreign'],
  ['a conversation', () => chat({ line: 'POST /v1/responses HTTP/1.1', body: '{"model":"scripted","input":"a","store":false,"conversation":"conv_1"}' }), 403, 'object_foreign'],
  ['store by leaving it out', () => chat({ line: 'POST /v1/responses HTTP/1.1', body: '{"model":"scripted","input":"a"}' }), 403, 'object_foreign'],
  ['store: true', () => ask({ store: true }), 403, 'object_foreign'],
  ['a file of somebody', () => part({ type: 'file', file: { file_id: 'file-1' } }), 403, 'object_foreign'],
  ['a remote image', () => part({ type: 'image_url', image_url: { url: 'http://169.254.169.254/' } }), 403, 'remote_url_denied'],
  ['a remote image behind a space', () => part({ type: 'image_url', image_url: { url: ' http://169.254.169.254/' } }), 403, 'remote_url_denied'],
  ['a file of the server', () => part({ type: 'image_url', image_url: { url: 'file:///etc/passwd' } }), 403, 'remote_url_denied'],
  ['a search by the server', () => ask({ web_search_options: { a: 1 } }), 403, 'server_tool_denied'],
  ['an MCP server', () => ask({ tools: [{ type: 'mcp', server_url: 'http://x', require_approval: 'never' }] }), 403, 'server_tool_denied'],
  ['an upstream that the client names', () => ask({ api_base: 'http://evil.example' }), 403, 'remote_url_denied'],
  // --- routes
  ['an unknown route', () => get('/v1/secret'), 404, 'route_unknown'],
  ['another method', () => chat({ line: `PUT ${path} HTTP/1.1` }), 405, 'method_not_allowed'],
  ['files', () => get('/v1/files'), 403, 'route_denied'],
  ['deleting a model', () => get('/v1/models/scripted', { line: 'DELETE /v1/models/scripted HTTP/1.1' }), 403, 'route_denied'],
  ['fine-tuning', () => chat({ line: 'POST /v1/fine_tuning/jobs HTTP/1.1' }), 403, 'route_denied'],
  ['Ollama: pull', () => chat({ line: 'POST /ollama/api/pull HTTP/1.1', body: '{"model":"x"}' }), 403, 'route_denied'],
  ['Ollama: delete', () => chat({ line: 'DELETE /ollama/api/delete HTTP/1.1', body: '{"model":"x"}' }), 403, 'route_denied'],
  ['Ollama: its debugger', () => get('/ollama/debug/pprof/heap'), 403, 'route_denied'],
  ['llama.cpp: slots', () => get('/cpp/slots'), 403, 'route_denied'],
  ['llama.cpp: slots through a query', () => chat({ line: 'POST /cpp/slots/0?action=save HTTP/1.1' }), 403, 'route_denied'],
  ['llama.cpp: proxy', () => get('/cpp/cors-proxy?url=http://x'), 403, 'route_denied'],
  ['llama.cpp: another slot', () => chat({ line: 'POST /cpp/v1/chat/completions HTTP/1.1', body: '{"messages":[],"id_slot":0}' }), 403, 'object_foreign'],
  ['llama.cpp: a template from the client', () => chat({ line: 'POST /cpp/v1/chat/completions HTTP/1.1', body: '{"messages":[],"chat_template":"{{x}}"}' }), 403, 'route_denied'],
];

const passes = async () => {
  const reply = await once(gateway.port, post(path, token, good));
  assert.equal(reply.status, 200, reply.body);
  assert.equal(up.seen.length, 1);
  up.forget();
};

test('a well-formed request passes', passes);

test('names of the rows are unique, and there are enough', () => {
  assert.equal(new Set(rows.map(([name]) => name)).size, rows.length);
  assert.ok(rows.length >= 80);
});

for (const [name, request, status, reason] of rows) {
  test(name, async () => {
    const opened = up.opened;
    const wire = await Wire.connect(gateway.port);
    try {
      wire.write(request());
      const reply = await wire.reply();
      assert.ok(reply, 'no reply');
      assert.ok([status].flat().includes(reply.status), `status ${reply.status}, not ${status}: ${reply.body}`);
      if (reason) assert.ok([reason].flat().includes(reply.reason), `reason ${reply.reason}, not ${reason}`);
      // What follows on the connection, if anything, is no second reply out of smuggled bytes.
      await sleep(2);
      assert.doesNotMatch(wire.buffer.toString('latin1'), /HTTP\/1\.1 2/);
    } finally {
      wire.close();
    }
    assert.equal(up.text(), '', 'bytes reached the upstream');
    assert.equal(up.opened, opened, 'a connection reached the upstream');
  });
}

test('no credential: the reply says what to do, in OpenAI\'s shape', async () => {
  const reply = await once(gateway.port, chat({ auth: null }));
  assert.equal(reply.status, 401);
  const { error } = JSON.parse(reply.body);
  assert.equal(error.code, 'credential_missing');
  assert.equal(error.type, 'authentication_error');
  assert.match(error.message, /vestibule login/);
  assert.match(reply.headers['www-authenticate'], /^Bearer/);
  assert.equal(up.text(), '');
});

test('afterwards a well-formed request still passes', passes);
