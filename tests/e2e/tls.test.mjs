// TLS of the listener: certificates read again on SIGHUP, nothing but HTTP/1.1 agreed on.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test, before, after } from 'node:test';
import { Gateway, sleep } from './lib/gateway.mjs';
import { Upstream } from './lib/upstream.mjs';
import { Wire, once, post, prompt } from './lib/raw.mjs';

let dir, up, gateway, token;
const file = (name) => path.join(dir, name);
function certificate(serial) {
  const run = spawnSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=localhost',
    '-addext', 'subjectAltName=DNS:localhost', '-set_serial', String(serial), '-keyout', file('new.key'), '-out', file('new.crt')]);
  assert.equal(run.status, 0, run.stderr?.toString());
  fs.chmodSync(file('new.key'), 0o600);
  fs.renameSync(file('new.key'), file('tls.key'));
  fs.renameSync(file('new.crt'), file('tls.crt'));
}
const trusted = (more = {}) => ({ ca: fs.readFileSync(file('tls.crt')), servername: 'localhost', ...more });
before(async () => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 've-tls-'));
  certificate(11);
  up = await Upstream.start();
  gateway = await Gateway.start({ points: { main: { upstreams: [up.url] } }, config: { tls: { certificate: file('tls.crt'), key: file('tls.key') } } });
  token = await gateway.token(await gateway.setup());
});
after(async () => {
  await gateway?.stop();
  await up?.close();
  fs.rmSync(dir, { recursive: true, force: true });
});
const chat = () => post('/v1/chat/completions', token, prompt('hello'));
const serial = (wire) => parseInt(wire.socket.getPeerCertificate().serialNumber, 16);

test('the portal speaks TLS as well, and nothing else', async () => {
  const wire = await Wire.connect(gateway.portalPort, { tls: trusted() });
  wire.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
  const page = await wire.reply();
  assert.equal(page.status, 200);
  assert.match(page.headers['content-security-policy'], /^default-src 'none'; script-src 'self';/);
  assert.equal(page.headers['strict-transport-security'], undefined, 'on localhost it would shut out whatever else runs there');
  wire.close();
  const plain = await Wire.connect(gateway.portalPort);
  plain.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
  assert.equal(await plain.reply(), null);
  plain.close();
});

test('a prompt over TLS', async () => {
  const wire = await Wire.connect(gateway.port, { tls: trusted() });
  assert.equal(wire.socket.getProtocol(), 'TLSv1.3');
  wire.write(chat());
  const reply = await wire.reply();
  assert.equal(reply.status, 200, reply.body);
  assert.equal(serial(wire), 11);
  wire.close();
});

test('TLS 1.2 is good enough, 1.1 is not', async () => {
  const wire = await Wire.connect(gateway.port, { tls: trusted({ maxVersion: 'TLSv1.2' }) });
  assert.equal(wire.socket.getProtocol(), 'TLSv1.2');
  wire.close();
  await assert.rejects(Wire.connect(gateway.port, { tls: trusted({ minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }) }));
});

test('http/1.1 is agreed on; h2 alone is refused', async () => {
  const wire = await Wire.connect(gateway.port, { tls: trusted({ ALPNProtocols: ['h2', 'http/1.1'] }) });
  assert.equal(wire.socket.alpnProtocol, 'http/1.1');
  wire.close();
  await assert.rejects(Wire.connect(gateway.port, { tls: trusted({ ALPNProtocols: ['h2'] }) }));
});

test('plain HTTP on the TLS port gets nothing', async () => {
  up.forget();
  const reply = await once(gateway.port, chat()).catch(() => null);
  assert.ok(reply === null || reply.status === 400, JSON.stringify(reply));
  assert.equal(up.seen.length, 0);
});

test('a client that says nothing holds nobody else up', async () => {
  // Only TCP connections: no hello.
  const silent = await Promise.all(Array.from({ length: 20 }, () => Wire.connect(gateway.port)));
  const reply = await once(gateway.port, chat(), { tls: trusted() });
  assert.equal(reply.status, 200);
  silent.forEach((wire) => wire.close());
});

test('SIGHUP brings the new certificate; connections in use go on', async () => {
  const kept = await Wire.connect(gateway.port, { tls: trusted() });
  kept.write(chat());
  assert.equal((await kept.reply()).status, 200);
  certificate(22);
  gateway.child.kill('SIGHUP');
  let now = 0;
  for (let n = 0; n < 400 && now !== 22; ++n) {
    await sleep(50);
    const wire = await Wire.connect(gateway.port, { tls: trusted({ rejectUnauthorized: false }) });
    now = serial(wire);
    wire.close();
  }
  assert.equal(now, 22);
  assert.equal((await once(gateway.port, chat(), { tls: trusted() })).status, 200);
  kept.write(chat());
  assert.equal((await kept.reply()).status, 200, 'the connection from before was dropped');
  kept.close();
});

test('a certificate that cannot be read changes nothing', async () => {
  const good = fs.readFileSync(file('tls.crt'));
  fs.writeFileSync(file('tls.crt'), 'nonsense');
  gateway.child.kill('SIGHUP');
  await sleep(400);
  const reply = await once(gateway.port, chat(), { tls: { ca: good, servername: 'localhost' } });
  assert.equal(reply.status, 200);
  fs.writeFileSync(file('tls.crt'), good);
  assert.ok(!gateway.child.over);
});
