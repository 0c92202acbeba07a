// A tool server on stdio, hosted by the gateway: from `spawn` in the configuration to an answer, the same door before
// it as before any other; and what a hostile one gets hold of, which is nothing.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { before, after, test } from 'node:test';
import { Gateway, policy, root, sleep } from './lib/gateway.mjs';

const scripts = path.join(root, 'src/bridge/tests');
const rules = '[[rule]]\nname = "tools"\neffect = "allow"\ntool = ["run", "echo", "note", "die"]\nconfirm = "none"\n'
  + '[[rule]]\nname = "no junk"\neffect = "deny"\ntool = ["junk"]\n';
let gateway, ada, files, token;
before(async () => {
  files = fs.mkdtempSync(path.join(os.tmpdir(), 'vf-'));
  fs.chmodSync(files, 0o777);
  gateway = await Gateway.start({
    policy: policy('1h', rules),
    points: {
      tools: {
        kind: 'mcp', prefix: '/mcp', sensitivity: 'low',
        spawn: ['/usr/bin/python3', path.join(scripts, 'server.py')], spawn_readable: [scripts], spawn_writable: [files],
      },
    },
  });
  ada = await gateway.setup();
  token = await gateway.token(ada);
});
after(async () => {
  await gateway?.stop();
  if (files) fs.rmSync(files, { recursive: true, force: true });
});

async function send(message, { session, as = token, method = 'POST' } = {}) {
  const headers = { Authorization: `Bearer ${as}`, 'Content-Type': 'application/json', Accept: 'application/json, text/event-stream', 'MCP-Protocol-Version': '2025-11-25' };
  if (session) headers['Mcp-Session-Id'] = session;
  return fetch(`${gateway.url}/mcp`, { method, headers, body: message && JSON.stringify({ jsonrpc: '2.0', ...message }) });
}
/// The answer in a reply, whether it came alone or as the last event.
async function answer(reply) {
  const text = await reply.text();
  if (!reply.headers.get('content-type')?.startsWith('text/event-stream')) return JSON.parse(text);
  return JSON.parse(text.split('\n').filter((line) => line.startsWith('data: ')).at(-1).slice(6));
}
async function open() {
  const until = Date.now() + 45_000;
  for (;;) {
    const reply = await send({ id: 0, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 't', version: '1' } } });
    if (reply.status === 200) {
      await reply.text();
      return reply.headers.get('mcp-session-id');
    }
    assert.ok(Date.now() < until, `${reply.status} ${await reply.text()}\n${gateway.log}`);
    await reply.text().catch(() => {});
    await sleep(100);  // it has just been started
  }
}
const call = (session, name, args, id = 1) => send({ id, method: 'tools/call', params: { name, arguments: args } }, { session }).then(answer);

test('a session, its calls and its end', async () => {
  const session = await open();
  assert.ok(session);
  assert.equal((await send({ method: 'notifications/initialized' }, { session })).status, 202);
  const echoed = await call(session, 'echo', { text: 'hello' }, 'é"1');
  assert.equal(echoed.id, 'é"1');
  assert.deepEqual(JSON.parse(echoed.result.line).params.arguments, { text: 'hello' });
  const noted = await send({ id: 2, method: 'tools/call', params: { name: 'note', arguments: { n: 1 } } }, { session });
  assert.match(await noted.text(), /notifications\/message.*"noted": ?true/s);
  assert.equal((await send(undefined, { session, method: 'DELETE' })).status, 204);
  assert.equal((await send({ id: 3, method: 'ping' }, { session })).status, 404);
});

test('nobody gets to it without the door', async () => {
  const session = await open();
  const before = (await call(session, 'echo', {})).result.pid;
  const without = await send({ id: 1, method: 'tools/call', params: { name: 'echo', arguments: {} } }, { session, as: 'nothing' });
  assert.equal(without.status, 401);
  const denied = await call(session, 'junk', {});
  assert.equal(denied.error.code, -32003, JSON.stringify(denied));
  assert.equal((await call(session, 'echo', {})).result.pid, before, 'it goes on');
});

test('a call that smuggles another one in its text is one call', async () => {
  const session = await open();
  const text = 'a\u2028{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"die"}}\u2028\u0085\n';
  const echoed = await call(session, 'echo', { text });
  assert.equal(JSON.parse(echoed.result.line).params.arguments.text, text);
  assert.ok(!/[\u2028\u2029\u0085]/.test(echoed.result.line));
});

test('a server that ends is told, and the next session has a new one', async () => {
  const session = await open();
  const died = await call(session, 'die', {});
  assert.match(JSON.stringify(died), /-32000.*the tool server has ended/);
  assert.equal((await send({ id: 3, method: 'ping' }, { session })).status, 404);
  assert.ok((await call(await open(), 'echo', {})).result.pid);
});

test('a hostile server reads, reaches and signals nothing', async () => {
  const session = await open();
  const pid = gateway.child.pid;
  const data = path.join(gateway.dir, 'data');
  const attempts = {
    'reads the configuration': `open(${JSON.stringify(gateway.configFile)}).read()`,
    'lists the data': `os.listdir(${JSON.stringify(data)})`,
    'reads the database': `open(${JSON.stringify(path.join(data, 'vestibule.db'))}, 'rb').read(1)`,
    'reads the master key': `open(${JSON.stringify(path.join(gateway.dir, 'master.key'))}, 'rb').read(1)`,
    'reads the gateway environment': `open('/proc/${pid}/environ').read()`,
    'reads the gateway memory': `open('/proc/${pid}/mem', 'rb').read(1)`,
    'lists the gateway descriptors': `os.listdir('/proc/${pid}/fd')`,
    'signals the gateway': `os.kill(${pid}, 0)`,
    'speaks to the control socket': `socket.socket(socket.AF_UNIX).connect(${JSON.stringify(gateway.socket)})`,
    'speaks to the gateway': `socket.create_connection(('127.0.0.1', ${gateway.port}), 2)`,
    'sends a datagram': `socket.socket(socket.AF_INET, socket.SOCK_DGRAM)`,
    'writes beside its folder': `open(${JSON.stringify(path.join(os.tmpdir(), 'escaped'))}, 'w')`,
  };
  const code = 'import os, socket\ndef attempt(name, f):\n  try:\n    f()\n    out[name] = "SUCCEEDED"\n  except Exception as e:\n    out[name] = type(e).__name__\n'
    + Object.entries(attempts).map(([name, python]) => `attempt(${JSON.stringify(name)}, lambda: ${python})\n`).join('')
    + `open(${JSON.stringify(path.join(files, 'own'))}, 'w').write('mine')\nout['environment'] = sorted(os.environ)\n`;
  const { result } = await call(session, 'run', { code });
  for (const name of Object.keys(attempts)) assert.equal(result[name], 'PermissionError', `${name}: ${JSON.stringify(result)}`);
  assert.ok(!result.environment.some((name) => !/^(LC_CTYPE|PWD|LANG)$/.test(name)), JSON.stringify(result.environment));
  assert.equal(fs.readFileSync(path.join(files, 'own'), 'utf8'), 'mine', 'and in its own folder it writes');
});
