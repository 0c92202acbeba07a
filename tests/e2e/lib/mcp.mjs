// What the tests of the MCP gateway share: the official servers and runner as child programs, a forwarder that has a
// token for clients that cannot send one, requests by hand, and servers that say whatever a test wants them to.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { freePort } from './gateway.mjs';

const require = createRequire(import.meta.url);
export const folder = (name) => path.dirname(require.resolve(`${name}/package.json`));
const loopback = path.join(import.meta.dirname, 'loopback.cjs');

/// The runner and some of the servers need a newer node than Debian's: npm has one.
export function newerNode() {
  return Number(process.versions.node.split('.')[0]) >= 22 ? process.execPath : path.join(folder(`node-linux-${process.arch}`), 'bin/node');
}

/// server-everything, which would listen on every interface, on loopback alone.
export async function everything() {
  const port = await freePort();
  const child = spawn(newerNode(), ['--require', loopback, path.join(folder('@modelcontextprotocol/server-everything'), 'dist/index.js'), 'streamableHttp'],
    { stdio: ['ignore', 'ignore', 'pipe'], env: { PATH: process.env.PATH, HOME: os.tmpdir(), PORT: String(port) } });
  process.on('exit', () => child.kill('SIGKILL'));
  let heard = '';
  await new Promise((done, failed) => {
    child.stderr.on('data', (data) => { heard += data; if (heard.includes('listening on port')) done(); });
    child.once('exit', () => failed(new Error(`server-everything did not start: ${heard}`)));
  });
  child.unref();
  child.stderr.unref();
  return { url: `http://127.0.0.1:${port}`, close: () => child.kill('SIGKILL') };
}

/// Passes everything on to `gateway` with `token`. Where a client names this forwarder, the gateway is named instead;
/// whatever else it calls itself goes on as it is.
export async function forwarder(gateway, token) {
  const own = () => `127.0.0.1:${server.address().port}`;
  const server = http.createServer((request, response) => {
    const headers = { ...request.headers, authorization: `Bearer ${token}` };
    if (headers.host === own()) headers.host = `localhost:${gateway.port}`;
    if (headers.origin === `http://${own()}`) headers.origin = gateway.url;
    const on = http.request({ host: '127.0.0.1', port: gateway.port, method: request.method, path: request.url, headers, agent: false }, (reply) => {
      response.writeHead(reply.statusCode, reply.headers);
      response.flushHeaders();
      reply.pipe(response);
      reply.on('error', () => response.destroy());
      reply.on('aborted', () => response.destroy());
    });
    on.on('error', () => response.destroy());
    response.on('close', () => on.destroy());
    request.pipe(on);
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return { url: `http://${own()}`, close: () => { server.closeAllConnections(); server.close(); } };
}

/// One run of the official runner: { code, out, checks, scenarios }, where `scenarios` are the checks by the name of theirs.
/// `heard` is told all that it has written so far.
export async function conformance(args, heard = () => {}) {
  const results = fs.mkdtempSync(path.join(os.tmpdir(), 've-mcp-'));
  const child = spawn(newerNode(), [path.join(folder('@modelcontextprotocol/conformance'), 'dist/index.js'), ...args],
    { cwd: results, stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: process.env.PATH, HOME: results } });
  const limit = setTimeout(() => child.kill('SIGKILL'), 300_000);
  let out = '';
  const hear = (data) => { out += data; heard(out); };
  child.stdout.on('data', hear);
  child.stderr.on('data', hear);
  const code = await new Promise((done) => child.on('close', done));
  clearTimeout(limit);
  const scenarios = {};
  for (const file of fs.readdirSync(results, { recursive: true }).sort()) {
    if (path.basename(file) !== 'checks.json') continue;
    const name = path.basename(path.dirname(file)).replace(/^server-/, '').replace(/-\d{4}-\d\d-\d\dT.*/, '');
    scenarios[name] = JSON.parse(fs.readFileSync(path.join(results, file), 'utf8'));
  }
  fs.rmSync(results, { recursive: true });
  return { code, out, scenarios, checks: Object.values(scenarios).flat() };
}

/// The messages of a reply, or of a stream.
const said = (type, text) => (type.startsWith('text/event-stream') ? [...text.matchAll(/^data: ?(\{.*)$/gm)].map(([, data]) => data) : text.startsWith('{') ? [text] : []).map((data) => JSON.parse(data));

/// One request by hand: { status, reason, headers, text, message, messages }. `body` goes out as it is if it is text; `from`
/// is the address that it comes from.
export async function send(gateway, token, body, { method = 'POST', path: at = '/mcp', headers = {}, from } = {}) {
  const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
  return new Promise((done, failed) => {
    const request = http.request({
      host: '127.0.0.1', port: gateway.port, method, path: at, agent: false, timeout: 60_000, localAddress: from,
      headers: {
        Host: `localhost:${gateway.port}`, Accept: 'application/json, text/event-stream',
        ...(token ? { Authorization: `Bearer ${token}` } : {}),
        ...(text === undefined ? {} : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) }), ...headers,
      },
    }, (reply) => {
      const parts = [];
      reply.on('data', (data) => parts.push(data));
      reply.on('error', failed);
      reply.on('end', () => {
        const text = Buffer.concat(parts).toString();
        try {
          const messages = said(reply.headers['content-type'] ?? '', text);
          done({ status: reply.statusCode, reason: reply.headers['vestibule-reason'], headers: reply.headers, text, messages, message: messages.at(-1) });
        } catch (error) {
          failed(error);
        }
      });
    });
    request.on('timeout', () => request.destroy(new Error('no answer in time')));
    request.on('error', failed);
    request.end(text);
  });
}

const meta = (version) => ({ 'io.modelcontextprotocol/protocolVersion': version, 'io.modelcontextprotocol/clientInfo': { name: 'hand', version: '1' }, 'io.modelcontextprotocol/clientCapabilities': {} });
let count = 1000;
/// A request of 2026-07-28 with the headers that belong to it: [body, { headers }], for send().
export function modern(method, params = {}, headers = {}) {
  const name = { 'tools/call': params.name, 'prompts/get': params.name, 'resources/read': params.uri }[method];
  return [{ jsonrpc: '2.0', id: ++count, method, params: { ...params, _meta: { ...meta('2026-07-28'), ...params._meta } } },
    { headers: { 'MCP-Protocol-Version': '2026-07-28', 'Mcp-Method': method, ...(name === undefined ? {} : { 'Mcp-Name': name }), ...headers } }];
}
/// A session of the older revisions by hand: { id, headers, send(method, params), notify(method) }.
export async function session(gateway, token, { version = '2025-11-25', capabilities = {}, path: at = '/mcp' } = {}) {
  const begun = await send(gateway, token, { jsonrpc: '2.0', id: 0, method: 'initialize', params: { protocolVersion: version, capabilities, clientInfo: { name: 'hand', version: '1' } } }, { path: at });
  const id = begun.headers['mcp-session-id'];
  const headers = { 'MCP-Protocol-Version': version, ...(id ? { 'Mcp-Session-Id': id } : {}) };
  const own = { id, begun, headers };
  own.send = (method, params, as = token, more = {}) => send(gateway, as, { jsonrpc: '2.0', id: ++count, method, ...(params ? { params } : {}) }, { path: at, headers: { ...headers, ...more } });
  own.notify = (method) => send(gateway, token, { jsonrpc: '2.0', method }, { path: at, headers });
  await own.notify('notifications/initialized');
  return own;
}

export const events = (...messages) => messages.map((message) => `event: message\ndata: ${typeof message === 'string' ? message : JSON.stringify(message)}\n\n`).join('');
/// Of the scripted server's tools: one that needs nobody, one that nobody may call.
export const rules = `
[[rule]]
name = "echo is free"
effect = "allow"
tool = ["echo"]
confirm = "none"
[[rule]]
name = "never"
effect = "deny"
tool = ["format_disk"]
`;
/// A server of all revisions that keeps nothing, with the tools of `tools`; it says what it is told to. `answers` has for a
/// method (GET and DELETE by that name) its result, or a text or { text, type, status, headers } that goes out as it is, or
/// a function of the request that gives one of these.
export const tools = ['echo', 'tip', 'transfer_money', 'format_disk'].map((name) => ({ name, description: `Does ${name}`, inputSchema: { type: 'object' } }));
export async function scripted(answers = {}, { sessions = false } = {}) {
  const seen = [];
  const open = new Set();
  const usual = {
    initialize: (asked) => ({ protocolVersion: asked.params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 'scripted', version: '1' } }),
    'server/discover': { supportedVersions: ['2026-07-28'], capabilities: { tools: {} } },
    'tools/list': { tools },
    'tools/call': (asked) => ({ content: [{ type: 'text', text: `ran ${asked.params.name} ${JSON.stringify(asked.params.arguments ?? {})}` }] }),
  };
  const server = http.createServer(async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    const raw = Buffer.concat(parts).toString();
    const asked = raw ? JSON.parse(raw) : {};
    seen.push({ method: request.method, url: request.url, headers: request.headers, raw, body: asked });
    const name = request.headers['mcp-session-id'];
    if (sessions && asked.method !== 'initialize' && name !== undefined && !open.has(name)) return response.writeHead(404, { 'Content-Type': 'application/json' }).end('{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":null}');
    if (sessions && request.method === 'DELETE' && open.delete(name)) return response.writeHead(200).end();
    if (request.method === 'POST' && asked.method === undefined) return response.writeHead(202).end();
    if (asked.id === undefined && asked.method?.startsWith('notifications/')) return response.writeHead(202).end();
    const said = answers[asked.method ?? request.method] ?? usual[asked.method];
    const value = typeof said === 'function' ? await said(asked, request, response) : said;
    if (response.headersSent) return undefined;
    if (value === undefined) return response.writeHead(405, { Allow: 'POST' }).end();
    const stateless = request.headers['mcp-protocol-version'] === '2026-07-28' ? { resultType: 'complete', ttlMs: 0, cacheScope: 'private' } : {};
    const made = typeof value === 'string' ? { text: value } : value.text !== undefined ? value : { text: JSON.stringify({ jsonrpc: '2.0', id: asked.id, result: { ...stateless, ...value } }) };
    const type = made.type ?? (made.text.startsWith('event:') || made.text.startsWith('data:') || made.text.startsWith(':') || made.text.startsWith('id:') ? 'text/event-stream' : 'application/json');
    const begun = sessions && asked.method === 'initialize' ? { 'Mcp-Session-Id': `s-${seen.length}` } : {};
    open.add(begun['Mcp-Session-Id']);
    return response.writeHead(made.status ?? 200, { 'Content-Type': type, ...begun, ...made.headers }).end(made.text);
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return {
    seen, url: `http://127.0.0.1:${server.address().port}`, calls: () => seen.filter((one) => one.body.method === 'tools/call'),
    close: () => { server.closeAllConnections(); server.close(); },
  };
}
