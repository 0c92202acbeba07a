// Service accounts that show a certificate (RFC 8705): at the token endpoint in place of a signed statement, and with every
// request that their token is shown with.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { X509Certificate as X509 } from 'node:crypto';
import fs from 'node:fs';
import https from 'node:https';
import os from 'node:os';
import path from 'node:path';
import { test, before, after } from 'node:test';
import tls from 'node:tls';
import * as openid from 'openid-client';
import { Gateway, freePort, password } from './lib/gateway.mjs';
import { Upstream } from './lib/upstream.mjs';
import { prompt } from './lib/raw.mjs';

let dir, up, gateway, ada, keyId, good, port, ca, resource;
const file = (name) => path.join(dir, name);
const read = (name) => fs.readFileSync(file(name));
function openssl(args) {
  const run = spawnSync('openssl', args, { encoding: 'utf8' });
  assert.equal(run.status, 0, run.stderr);
  return run.stdout;
}
/// A key of its own unless it has one, and a certificate of it that it signs itself.
function certificate(name, { key = name, of = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'], more = [] } = {}) {
  const from = fs.existsSync(file(`${key}.key`)) ? ['-key', file(`${key}.key`)] : [...of, '-keyout', file(`${key}.key`)];
  openssl(['req', '-x509', ...from, '-nodes', '-subj', `/CN=${name}`, '-out', file(`${name}.crt`), '-days', '2', ...more]);
  fs.chmodSync(file(`${key}.key`), 0o600);
  return { cert: read(`${name}.crt`), key: read(`${key}.key`) };
}
const jwkOf = ({ cert }) => JSON.stringify(new X509(cert).publicKey.export({ format: 'jwk' }));

/// One request over TLS; { status, headers, body, json }.
function request(to, method, target, { identity = {}, headers = {}, body = '', agent = false, host = 'localhost' } = {}) {
  return new Promise((done, failed) => {
    const out = https.request({ host: '127.0.0.1', servername: 'localhost', port: to, method, path: target, ca, agent, ...identity,
      headers: { Host: host, 'Content-Length': Buffer.byteLength(body), ...headers } }, (reply) => {
      const parts = [];
      reply.on('data', (part) => parts.push(part)).on('error', failed).on('end', () => {
        const text = Buffer.concat(parts).toString();
        let json = null;
        try { json = JSON.parse(text); } catch { /* not every reply is */ }
        done({ status: reply.statusCode, headers: reply.headers, text, json });
      });
    });
    out.on('error', failed);
    out.setTimeout(45_000, () => out.destroy(new Error('no answer in time')));
    out.end(body);
  });
}
const grant = (identity, { to = port, more = {}, headers = {} } = {}) => request(to, 'POST', '/oauth/token', { identity,
  headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...headers },
  body: new URLSearchParams({ grant_type: 'client_credentials', client_id: 'crawler', resource, ...more }).toString() });
const ask = (token, identity, { to = port, headers = {}, ...more } = {}) => request(to, 'POST', '/v1/chat/completions', { identity, ...more,
  headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json', Prefer: 'wait=0', ...headers }, body: JSON.stringify(prompt('hello')) });
const reason = (reply) => reply.headers['vestibule-reason'] ?? (reply.status === 200 ? 'ok' : reply.json?.error);
const as = async (person, target, body = {}) => gateway.api('POST', target, { ...body, ...await gateway.code(person) }, person);

let mine, thief;
before(async () => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 've-mtls-'));
  certificate('server', { more: ['-addext', 'subjectAltName=DNS:localhost'] });
  ca = read('server.crt');
  up = await Upstream.start();
  port = await freePort();
  gateway = await Gateway.start({ points: { main: { upstreams: [up.url], hold: '0s' } },
    config: { tls: { certificate: file('server.crt'), key: file('server.key') }, mtls: { listen: [`127.0.0.1:${port}`] } } });
  resource = `https://localhost:${gateway.port}`;
  ada = await gateway.setup();
  await gateway.giveToken(ada);
  mine = certificate('mine');
  thief = certificate('thief');
  await as(ada, '/v1/services', { name: 'crawler' });
  await as(ada, '/v1/services', { name: 'other' });
  keyId = (await as(ada, '/v1/keys', { name: 'ci', service: 'crawler', jwk: jwkOf(mine) })).id;
  await as(ada, `/v1/keys/${keyId}/unlock`, { source: '127.0.0.1', lasts_s: 3600 });
});
after(async () => {
  await gateway?.stop();
  await up?.close();
  fs.rmSync(dir, { recursive: true, force: true });
});

test('openid-client finds the endpoint, shows its certificate and gets a token that is bound to it', async () => {
  const shown = (identity) => async (url, options) => {
    const { hostname, port: to, pathname } = new URL(url);
    assert.equal(hostname, 'localhost');
    const reply = await request(Number(to), options.method, pathname, { identity, headers: Object.fromEntries(new Headers(options.headers)), body: options.body?.toString() ?? '' });
    return new Response(reply.text, { status: reply.status, headers: { 'Content-Type': reply.headers['content-type'] } });
  };
  const config = await openid.discovery(new URL(`https://localhost:${gateway.portalPort}`), 'crawler', { use_mtls_endpoint_aliases: true }, openid.TlsClientAuth(),
    { algorithm: 'oauth2', [openid.customFetch]: shown(mine) });
  const about = config.serverMetadata();
  assert.equal(about.mtls_endpoint_aliases.token_endpoint, `https://localhost:${port}/oauth/token`);
  assert.equal(about.tls_client_certificate_bound_access_tokens, true);
  assert.ok(about.token_endpoint_auth_methods_supported.includes('self_signed_tls_client_auth'));
  const tokens = await openid.clientCredentialsGrant(config, { resource });
  assert.equal(tokens.token_type, 'bearer');
  assert.equal(tokens.refresh_token, undefined);
  const asleep = await ask(tokens.access_token, mine);
  assert.equal(reason(asleep), 'key_asleep', 'what was opened for an address is not opened for a certificate');
  const about2 = await request(port, 'GET', '/.well-known/oauth-protected-resource', { identity: mine });
  assert.equal(about2.json.tls_client_certificate_bound_access_tokens, true);
});

test('curl does too, and the certificate is woken once for all its tokens', async () => {
  const curl = spawnSync('curl', ['-sS', '--cacert', file('server.crt'), '--cert', file('mine.crt'), '--key', file('mine.key'), `https://localhost:${port}/oauth/token`,
    '-d', 'grant_type=client_credentials', '-d', 'client_id=crawler', '-d', `resource=${resource}`], { encoding: 'utf8' });
  const { access_token: token } = JSON.parse(curl.stdout || '{}');
  assert.ok(token, curl.stdout + curl.stderr);
  assert.equal(reason(await ask(token, mine)), 'key_asleep');
  const fingerprint = new X509(mine.cert).fingerprint256.replaceAll(':', '').toLowerCase();
  await as(ada, `/v1/keys/${keyId}/unlock`, { source: `key:${fingerprint}`, lasts_s: 3600 });
  up.forget();
  assert.equal(reason(await ask(token, mine)), 'ok');
  const next = (await grant(mine)).json.access_token;
  assert.equal(reason(await ask(next, mine)), 'ok', 'the next one too');
  assert.equal(up.seen.filter((r) => r.method === 'POST').length, 2);
  const [record] = await gateway.audit(ada, 'limit=5&kind=admission&access_point=main&user=crawler');
  assert.equal(record.object, 'service crawler, key ci');
  good = next;
});

test('a stolen token is worth nothing: without the certificate, with another, elsewhere', async () => {
  up.forget();
  const renewed = certificate('renewed', { key: 'mine' });
  const rows = {
    'no certificate': [port, {}],
    'the thief’s certificate': [port, thief],
    'another certificate of the same key': [port, renewed],
    'where none is asked for': [gateway.port, {}],
    'where none is asked for, shown all the same': [gateway.port, mine],
  };
  for (const [name, [to, identity]] of Object.entries(rows)) {
    const reply = await ask(good, identity, { to });
    assert.equal(reply.status, 401, name);
    assert.equal(reason(reply), 'credential_malformed', name);
    assert.match(reply.text, to === port && identity !== rows['no certificate'][1] ? /another certificate/ : /bound to a certificate/, name);
  }
  for (const headers of [{ 'Client-Cert': `:${mine.cert.toString('base64')}:` }, { 'X-Client-Cert': encodeURIComponent(mine.cert.toString()) }, { 'X-SSL-Client-Cert': mine.cert.toString('base64') },
    { 'X-Forwarded-Client-Cert': `Hash=${new X509(mine.cert).fingerprint256.replaceAll(':', '').toLowerCase()}` }]) {
    assert.equal(reason(await ask(good, {}, { headers })), 'credential_malformed', `${Object.keys(headers)}: nobody is believed who writes it into a field`);
  }
  const dpop = await ask(good, mine, { headers: { Authorization: `DPoP ${good}` } });
  assert.equal(reason(dpop), 'credential_malformed', 'it is no DPoP token');
  assert.equal(up.seen.length, 0, 'nothing of it went on');
  assert.equal(reason(await ask(good, mine)), 'ok', 'and its holder goes on');
});

test('who shows no certificate of a registered key gets no token', async () => {
  openssl(['req', '-new', '-key', file('mine.key'), '-subj', '/CN=mine', '-out', file('mine.csr')]);
  openssl(['x509', '-req', '-in', file('mine.csr'), '-signkey', file('mine.key'), '-days', '-1', '-out', file('expired.crt')]);
  const short = certificate('short', { of: ['-newkey', 'rsa:1024'] });
  const curve = certificate('curve', { of: ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384'] });
  const rows = [
    ['no certificate', {}, {}, 'invalid_client', /mtls_endpoint_aliases/],
    ['the thief’s', thief, {}, 'invalid_client', /not known/],
    ['signed by the thief with the name of the service', certificate('crawler', { key: 'named' }), {}, 'invalid_client', /not known/],
    ['an RSA key of 1024 bits', short, {}, 'invalid_client', /not known/, true],
    ['another curve', curve, {}, 'invalid_client', /not known/],
    ['its own, for another service', mine, { client_id: 'other' }, 'invalid_client', /not known/],
    ['its own, for a person', mine, { client_id: 'ada' }, 'invalid_client', /not known/],
    ['its own, for nobody', mine, { client_id: '' }, 'invalid_request', /client_id/],
    ['its own, for a name of the wrong kind', mine, { client_id: "crawler' OR 1=1 --" }, 'invalid_client', /not known/],
    ['and a secret', mine, { client_secret: 'x' }, 'invalid_client', /certificate/],
    ['and a statement that is none', mine, { client_assertion: 'a.b.c', client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer' }, 'invalid_client', /not known/],
    ['its own, for an access point that is none', mine, { resource: `${resource}/elsewhere` }, 'invalid_target', /no access point/],
    ['its own, with a scope', mine, { scope: 'openid' }, 'invalid_scope', /resource/],
    ['expired', { cert: read('expired.crt'), key: mine.key }, {}, 'invalid_client', /expired/],
  ];
  for (const [name, identity, more, error, why, handshake] of rows) {
    const reply = await grant(identity, { more }).catch((failed) => ({ failed }));
    if (handshake && reply.failed) continue;  // OpenSSL has its own opinion of such keys
    assert.ok(reply.json, `${name}: ${reply.failed}`);
    assert.equal(reply.json.error, error, name);
    assert.match(reply.json.error_description, why, name);
    assert.equal(reply.json.access_token, undefined);
  }
  const basic = await grant(mine, { headers: { Authorization: `Basic ${Buffer.from('crawler:x').toString('base64')}` } });
  assert.equal(basic.json.error, 'invalid_client');
  const elsewhere = await grant(mine, { to: gateway.portalPort });
  assert.equal(elsewhere.json.error, 'invalid_client', 'the portal asks nobody for a certificate');
  assert.match(elsewhere.json.error_description, /mtls_endpoint_aliases/);
});

test('the private key is proved by each connection: nothing is resumed, nobody changes in the middle', async () => {
  const handshake = (more) => new Promise((done, failed) => {
    const socket = tls.connect({ port, host: '127.0.0.1', servername: 'localhost', ca, ...mine, ...more }, () => {
      socket.write('GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n');
    });
    const sessions = [];
    socket.on('session', (session) => sessions.push(session));
    socket.on('data', () => { done({ reused: socket.isSessionReused(), sessions, session: socket.getSession() }); socket.destroy(); }).on('error', failed);
  });
  for (const maxVersion of ['TLSv1.3', 'TLSv1.2']) {
    const first = await handshake({ maxVersion });
    const session = first.sessions.at(-1) ?? first.session;
    const second = await handshake({ maxVersion, session });
    assert.equal(second.reused, false, maxVersion);
  }
  // Another's certificate without his key.
  await assert.rejects(grant({ cert: mine.cert, key: thief.key }));
  // The longest chain that is taken, and one beyond.
  const long = { cert: Buffer.concat([mine.cert, ...Array.from({ length: 60 }, () => thief.cert)]), key: mine.key };
  await assert.rejects(grant(long));
  assert.equal((await grant(mine)).status, 200);
});

test('only the token endpoint and the access points are there, under known names', async () => {
  for (const target of ['/', '/v1/me', '/oauth/authorize', '/oauth/register', '/oauth/introspect', '/oauth/jwks', '/v1/keys', '/oauth/token/', '/oauth//token']) {
    const reply = await request(port, 'GET', target, { identity: mine });
    assert.ok([400, 401, 403, 404].includes(reply.status), `${target}: ${reply.status}`);
  }
  const rebound = await grant(mine, { headers: { Host: 'evil.example' } });
  assert.equal(rebound.status, 421);
  const put = await request(port, 'GET', '/oauth/token', { identity: mine });
  assert.equal(put.status, 405);
  // People's and keys' own credentials open there what they open elsewhere, and need no certificate.
  const token = await gateway.token(ada);
  assert.equal(reason(await ask(token, {})), 'ok');
  assert.equal(reason(await ask(token, thief)), 'ok');
});

test('introspection tells the certificate; revoking the key ends its tokens', async () => {
  const guard = await as(ada, '/v1/clients', { metadata: JSON.stringify({ client_name: 'guard', redirect_uris: ['https://guard.example/cb'], token_endpoint_auth_method: 'client_secret_basic' }) });
  const fresh = certificate('fresh', { of: ['-newkey', 'rsa:2048'] });
  const cli = (args, ...lines) => gateway.cli(args, { input: `${lines.join('\n')}\n` });
  const carol = await gateway.addUser(ada, 'carol');
  assert.equal(cli(['login', '--name', 'carol', '--password-stdin', '--json'], password, await carol.totp.next()).code, 0);
  assert.equal(cli(['service', 'create', 'indexer', '--code-stdin'], await carol.totp.next()).code, 0);
  const wrong = cli(['key', 'create', 'x', '--service', 'indexer', '--public-key', file('fresh.key'), '--code-stdin'], '000000');
  assert.notEqual(wrong.code, 0);
  assert.match(wrong.err, /holds a private key, which stays where it is/);
  const made = cli(['key', 'create', 'cert', '--service', 'indexer', '--public-key', file('fresh.crt'), '--code-stdin'], await carol.totp.next());
  assert.equal(made.code, 0, made.err);
  const { json } = await grant(fresh, { more: { client_id: 'indexer' } });
  assert.ok(json.access_token, JSON.stringify(json));
  const seen = async () => (await request(gateway.portalPort, 'POST', '/oauth/introspect', {
    headers: { 'Content-Type': 'application/x-www-form-urlencoded', Authorization: `Basic ${Buffer.from(`${guard.client_id}:${guard.client_secret}`).toString('base64')}` },
    body: new URLSearchParams({ token: json.access_token }).toString() })).json;
  const told = await seen();
  assert.equal(told.active, true, JSON.stringify(told));
  assert.equal(told.token_type, 'Bearer');
  assert.deepEqual(told.cnf, { 'x5t#S256': Buffer.from(new X509(fresh.cert).fingerprint256.replaceAll(':', ''), 'hex').toString('base64url') });
  assert.equal(reason(await ask(json.access_token, fresh)), 'key_asleep');
  assert.equal(cli(['key', 'revoke', 'indexer/cert']).code, 0);
  assert.equal(reason(await ask(json.access_token, fresh)), 'credential_unknown');
  assert.equal((await grant(fresh, { more: { client_id: 'indexer' } })).json.error, 'invalid_client');
});

test('the server’s certificate is read again here too, and certificates are still asked for', async () => {
  const key = fs.readFileSync(file('server.key'));
  certificate('next', { more: ['-addext', 'subjectAltName=DNS:localhost', '-set_serial', '77'] });
  fs.renameSync(file('next.key'), file('server.key'));
  fs.renameSync(file('next.crt'), file('server.crt'));
  ca = [ca, read('server.crt')];
  assert.notDeepEqual(key, fs.readFileSync(file('server.key')));
  gateway.child.kill('SIGHUP');
  const serial = () => new Promise((done, failed) => {
    const socket = tls.connect({ port, host: '127.0.0.1', servername: 'localhost', ca, ...mine }, () => { done(parseInt(socket.getPeerCertificate().serialNumber, 16)); socket.destroy(); });
    socket.on('error', failed);
  });
  for (let n = 0; n < 100 && (await serial()) !== 77; ++n) await new Promise((done) => setTimeout(done, 50));
  assert.equal(await serial(), 77);
  const token = (await grant(mine)).json.access_token;
  assert.equal(reason(await ask(token, mine)), 'ok');
  await gateway.restart();
  assert.equal(reason(await ask(token, mine)), 'ok', 'and what it is bound to is known after a restart');
  assert.equal(reason(await ask(token, thief)), 'credential_malformed');
});
