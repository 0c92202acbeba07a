// A local MCP server as a confined child of the gateway: server-filesystem, unchanged, behind the same door.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Client as Client1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as Transport1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { Gateway, policy } from './lib/gateway.mjs';
import { until } from './lib/held.mjs';
import { folder, newerNode, send, session } from './lib/mcp.mjs';
import { confirmations } from './lib/tools.mjs';

const rules = `
[[rule]]
name = "reading"
effect = "allow"
tool = ["read_text_file", "list_directory", "list_allowed_directories"]
confirm = "none"
[[rule]]
name = "a program that tries what it can"
effect = "allow"
access_point = ["rogue"]
tool = ["read", "write", "connect", "environment"]
confirm = "none"
[[rule]]
name = "writing by code"
effect = "allow"
tool = ["write_file"]
confirm_with = "code"
[[rule]]
name = "nothing is moved"
effect = "deny"
tool = ["move_file"]
`;
// A server that does what it is told to, wherever it can.
const rogue = `
const fs = require('node:fs'), net = require('node:net');
const tools = {
  read: ({ path }) => fs.readFileSync(path, 'utf8'),
  write: ({ path }) => { fs.writeFileSync(path, 'x'); return 'written'; },
  environment: () => JSON.stringify(process.env),
  connect: ({ path, port }) => new Promise((done, failed) => net.connect(path ? { path } : { host: '127.0.0.1', port }, () => done('connected')).on('error', failed)),
};
require('node:readline').createInterface({ input: process.stdin }).on('line', async (line) => {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined) return;
  const say = (more) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', id, ...more }) + '\\n');
  if (method === 'initialize') return say({ result: { protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 'rogue', version: '1' } } });
  try { say({ result: { content: [{ type: 'text', text: String(await tools[params.name](params.arguments)) }] } }); }
  catch (error) { say({ error: { code: -32000, message: String(error.code) } }); }
});
`;

let home, gateway, ada, bob, mine, his;
before(async () => {
  home = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 've-files-')));
  fs.chmodSync(home, 0o777);  // the child may run as another user
  fs.writeFileSync(path.join(home, 'hello.txt'), 'Hello, ünï\n');
  const modules = path.resolve(folder('@modelcontextprotocol/server-filesystem'), '../..');
  const node = newerNode();
  fs.writeFileSync(path.join(home, 'rogue.cjs'), rogue);
  const point = { kind: 'mcp', hold: '30s', spawn_readable: [fs.realpathSync(modules), path.dirname(fs.realpathSync(node)), '/etc/ssl/openssl.cnf'], spawn_writable: [home] };
  gateway = await Gateway.start({
    points: {
      files: { ...point, prefix: '/files', spawn: [node, path.join(folder('@modelcontextprotocol/server-filesystem'), 'dist/index.js'), home] },
      rogue: { ...point, prefix: '/rogue', spawn: [node, path.join(home, 'rogue.cjs')] },
    },
    policy: policy('1h', rules),
  });
  ada = await gateway.setup();
  await gateway.giveToken(ada);
  bob = await gateway.addUser(ada, 'bob');
  [mine, his] = await Promise.all([gateway.token(ada), gateway.token(bob)]);
});
after(async () => {
  await gateway?.stop();
  if (home) fs.rmSync(home, { recursive: true });
});

const requestInit = () => ({ requestInit: { headers: { Authorization: `Bearer ${mine}` } } });
const text = (result) => result.content[0].text;

describe('server-filesystem', () => {

for (const [name, make] of [
  ['SDK 1, 2025-11-25', () => [new Client1({ name: 'first', version: '1' }), Transport1]],
  ['SDK 2, 2025-06-18', () => [new Client({ name: 'second', version: '2' }, { supportedProtocolVersions: ['2025-06-18'] }), StreamableHTTPClientTransport]],
]) {
  test(`${name}: lists and reads`, async (t) => {
    const [client, Transport] = make();
    await client.connect(new Transport(new URL(`${gateway.url}/files`), requestInit()));
    t.after(() => client.close());
    const names = (await client.listTools()).tools.map((tool) => tool.name);
    assert.ok(names.includes('read_text_file') && names.includes('write_file'), names.join());
    assert.ok(!names.includes('move_file'));
    assert.match(text(await client.callTool({ name: 'list_allowed_directories', arguments: {} })), new RegExp(home));
    assert.equal(text(await client.callTool({ name: 'read_text_file', arguments: { path: path.join(home, 'hello.txt') } })), 'Hello, ünï\n');
    await assert.rejects(client.callTool({ name: 'move_file', arguments: { source: path.join(home, 'hello.txt'), destination: path.join(home, 'x') } }), (error) => error.data?.reason === 'tool_denied');
  });
}

test('what it writes a person has confirmed', async () => {
  const own = await session(gateway, mine, { path: '/files' });
  const file = path.join(home, 'note.txt');
  const answer = own.send('tools/call', { name: 'write_file', arguments: { path: file, content: 'signed' } });
  const one = await until('one waits', async () => (await confirmations(gateway, ada)).find((c) => c.stage === 'waiting'));
  assert.equal(fs.existsSync(file), false);
  await gateway.api('POST', '/v1/confirmations/confirm', { ids: [one.id], kind: 'hotp', code: ada.hotp.next() }, ada);
  assert.ok((await answer).message.result, 'it ran');
  assert.equal(fs.readFileSync(file, 'utf8'), 'signed');
});

test('outside of its folder it reads nothing, whatever it is asked', async () => {
  const own = await session(gateway, mine, { path: '/files' });
  fs.symlinkSync(path.join(gateway.dir, 'data'), path.join(home, 'link'));
  for (const file of [gateway.configFile, path.join(home, 'link/setup-token'), `${home}/../${path.basename(gateway.dir)}/policy.toml`, '/etc/shadow']) {
    const answer = await own.send('tools/call', { name: 'read_text_file', arguments: { path: file } });
    assert.ok(answer.message.error || answer.message.result.isError, answer.text);
  }
  fs.unlinkSync(path.join(home, 'link'));
});

test('a server that does what it is told to gets at nothing of the gateway’s', async () => {
  const own = await session(gateway, mine, { path: '/rogue' });
  const ask = async (name, args = {}) => (await own.send('tools/call', { name, arguments: args })).message;
  assert.equal((await ask('read', { path: path.join(home, 'hello.txt') })).result.content[0].text, 'Hello, ünï\n', 'it does what it may');
  assert.equal((await ask('write', { path: path.join(home, 'own.txt') })).result.content[0].text, 'written');
  const data = path.join(gateway.dir, 'data');
  const files = [gateway.configFile, path.join(gateway.dir, 'master.key'), path.join(data, 'setup-token'), ...fs.readdirSync(data).map((name) => path.join(data, name)),
    `/proc/${gateway.child.pid}/environ`, `/proc/${gateway.child.pid}/mem`, `/proc/${gateway.child.pid}/maps`, `/proc/${gateway.child.pid}/root${gateway.configFile}`, '/etc/shadow'];
  for (const file of files) {
    assert.ok((await ask('read', { path: file })).error, `read ${file}`);
    assert.ok((await ask('write', { path: file })).error, `write ${file}`);
  }
  assert.ok((await ask('write', { path: path.join(gateway.dir, 'new') })).error);
  assert.ok((await ask('connect', { path: gateway.socket })).error, 'the control socket');
  const [major, minor] = os.release().split('.').map(Number);
  if (major > 6 || (major === 6 && minor >= 7)) {  // since when Landlock knows TCP
    for (const port of [gateway.port, gateway.statusPort, gateway.portalPort]) assert.ok((await ask('connect', { port })).error, `port ${port}`);
  }
  const environment = (await ask('environment')).result.content[0].text;
  assert.ok(!environment.includes(gateway.dir), environment);
});

test('a session is its person’s', async () => {
  const own = await session(gateway, mine, { path: '/files' });
  assert.ok(own.id);
  assert.equal((await own.send('tools/list', undefined, his)).status, 404);
  assert.equal((await own.send('tools/list')).status, 200);
  assert.equal((await send(gateway, mine, undefined, { method: 'DELETE', path: '/files', headers: own.headers })).status < 300, true);
  assert.equal((await own.send('tools/list')).status, 404);
});

});
