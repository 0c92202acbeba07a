// What a client sends beside its prompt, and what of it the model server gets to see.
import assert from 'node:assert/strict';
import { test, before, after } from 'node:test';
import { Gateway } from './lib/gateway.mjs';
import { Upstream, completion, json, chat } from './lib/upstream.mjs';
import { Wire, once, post, get, prompt } from './lib/raw.mjs';

const credential = 'sk-upstream-0123456789';
let up, gateway, admin, token, extra = '';
before(async () => {
  up = await Upstream.start(async (request, socket) => {
    if (!extra) return chat(request, socket);
    const body = JSON.stringify(completion('scripted', 'ok'));
    socket.write(`HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n${extra}Content-Length: ${body.length}\r\n\r\n${body}`);
  });
  gateway = await Gateway.start({
    points: {
      main: { upstreams: [up.url] },
      keyed: { prefix: '/keyed', upstreams: [up.url] },
      other: { prefix: '/other', upstreams: [up.url], credential_header: 'x-api-key', credential_scheme: '' },
      named: { prefix: '/named', upstreams: [up.url], credential_header: 'X-Lab-Key', credential_scheme: '' },
      any: { kind: 'http', prefix: '/any', upstreams: [up.url], upstream_prefix: '/under' },
    },
  });
  admin = await gateway.setup();
  token = await gateway.token(admin);
});
after(async () => {
  await gateway?.stop();
  await up?.close();
});
const ask = async (lines = [], target = '/v1/chat/completions') => {
  up.forget();
  const reply = await once(gateway.port, post(target, token, prompt('hello'), lines.map((l) => `${l}\r\n`).join('')));
  assert.equal(reply.status, 200, reply.body);
  assert.equal(up.seen.length, 1);
  return { seen: up.seen[0], reply };
};
const names = (request) => request.headers.map(([name]) => name);

test('only what belongs to the prompt goes on', async () => {
  const { seen } = await ask(['User-Agent: tester/1', 'Accept: application/json', 'X-Stainless-Lang: js']);
  assert.equal(seen.line, 'POST /v1/chat/completions HTTP/1.1');
  assert.deepEqual(names(seen).sort(), ['accept', 'accept-encoding', 'content-length', 'content-type', 'host', 'user-agent', 'x-request-id', 'x-stainless-lang']);
  assert.equal(seen.get('host'), `127.0.0.1:${up.port}`);
  assert.equal(seen.get('accept-encoding'), 'identity');
  assert.match(seen.get('x-request-id'), /^req_/);
  assert.equal(seen.body.toString(), JSON.stringify(prompt('hello')));
});

const stripped = [
  // hop by hop
  'Keep-Alive: timeout=5', 'Proxy-Connection: keep-alive', 'TE: trailers', 'Trailer: X-T', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABk',
  'Proxy-Authorization: Basic x', 'Proxy-Authenticate: Basic',
  // credentials
  'Cookie: session=abc', 'api-key: abc', 'X-Goog-Api-Key: abc', 'Ocp-Apim-Subscription-Key: abc', 'X-Auth-Token: abc', 'X-Access-Token: abc', 'Anthropic-API-Key: abc', 'DPoP: abc',
  // who it is, where it came from, what is really meant
  'X-Forwarded-For: 10.0.0.1', 'X-Forwarded-User: root', 'X_Forwarded_User: root', 'X-Forwarded_User: root', 'X.Forwarded.User: root', 'x--forwarded-user: root', 'Forwarded: for=10.0.0.1',
  'X-Real-IP: 10.0.0.1', 'Remote-User: root', 'REMOTE_USER: root', 'X-Remote-User: root', 'X-WebAuth-User: root', 'X-Auth-Request-Email: root@x', 'X-Authenticated-User: root', 'X-User-Id: 1', 'X-Email: a@b',
  'X-Original-URL: /admin', 'X-Rewrite-URL: /admin', 'X-Forwarded-Uri: /admin', 'X-HTTP-Method-Override: DELETE', 'X-Original-Method: DELETE', 'X-Host: evil', 'X-Forwarded-Host: evil', 'True-Client-IP: 10.0.0.1', 'CF-Connecting-IP: 10.0.0.1',
  'SSL-Client-Cert: x', 'X-SSL-Client-DN: x', 'X-Client-Cert: x', 'Tailscale-User-Login: root', 'X-MS-CLIENT-PRINCIPAL: x', 'X-Goog-Authenticated-User-Email: root', 'Impersonate-User: root', 'X-Vestibule-User: root', 'Vestibule-User: root', 'X-Request-Id: chosen',
  // for whom to act
  'Sudo: root', 'On-Behalf-Of: root', 'X-Act-As: root', 'Private-Token: abc', 'X-OpenWebUI-User-Id: 1',
  // objects that a server keeps by a name of the client's
  'X-Conversation-Id: c-1', 'X_Conversation_ID: c-1', 'X-Tool-Cwd: /', 'X-Llama-Server-Proxy-Header-Cookie: a',
  // parts of a reply that is looked into
  'Range: bytes=0-10', 'If-None-Match: "a"',
];
for (const line of stripped) {
  test(`not forwarded: ${line}`, async () => {
    const { seen } = await ask([line]);
    const [name, value] = line.split(': ');
    const spelled = name.toLowerCase();
    if (spelled === 'x-request-id') assert.notEqual(seen.get(spelled), value);
    else assert.ok(!names(seen).includes(spelled), seen.raw);
  });
}

test('what Connection names is not forwarded', async () => {
  const { seen } = await ask(['Connection: keep-alive, X-Mine', 'X-Mine: a', 'X-Other: b']);
  assert.ok(!names(seen).includes('x-mine'));
  assert.ok(!names(seen).includes('connection'));
  assert.equal(seen.get('x-other'), 'b');
});

test('the client\'s token is nowhere in what goes up, in no field and no body', async () => {
  await ask();
  assert.ok(!up.text().includes(token));
  up.forget();
  const reply = await once(gateway.port, `POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nx-api-key: ${token}\r\nContent-Type: application/json\r\nContent-Length: ${JSON.stringify(prompt('a')).length}\r\n\r\n${JSON.stringify(prompt('a'))}`);
  assert.equal(reply.status, 200);
  assert.ok(!up.text().includes(token));
});

test('the upstream\'s own credential is put in, and only there', async () => {
  const put = (name, code) => gateway.api('POST', `/v1/access-points/${name}/credential`, { value: credential, code }, admin);
  await put('keyed', await admin.totp.next());
  await put('other', await admin.totp.next());
  const keyed = await ask([], '/keyed/v1/chat/completions');
  assert.equal(keyed.seen.target, '/v1/chat/completions');
  assert.equal(keyed.seen.get('authorization'), `Bearer ${credential}`);
  const other = await ask([], '/other/v1/chat/completions');
  assert.equal(other.seen.get('x-api-key'), credential);
  assert.equal(other.seen.get('authorization'), undefined);
  // Whatever the field is called, a client's own goes no further, with a credential in store or without.
  for (const stored of [false, true]) {
    if (stored) await put('named', await admin.totp.next());
    const named = await ask(['X-Lab-Key: chosen', 'x_lab_key: chosen', 'X-Lab-Keys: other'], '/named/v1/chat/completions');
    const keys = named.seen.headers.filter(([name]) => /^x[-_]lab[-_]key$/.test(name)).map(([, value]) => value);
    assert.deepEqual(keys, stored ? [credential] : []);
    assert.equal(named.seen.get('x-lab-keys'), 'other');
  }
  const main = await ask();
  assert.equal(main.seen.get('authorization'), undefined);
  // Not in the clear on disk, and not in the log.
  const { readdirSync, readFileSync, statSync } = await import('node:fs');
  for (const name of readdirSync(`${gateway.dir}/data`)) {
    const file = `${gateway.dir}/data/${name}`;
    if (statSync(file).isFile()) assert.ok(!readFileSync(file).includes(credential), file);
  }
  assert.ok(!gateway.log.includes(credential) && !gateway.log.includes(token));
});

test('it is still there after a restart', async () => {
  await gateway.restart();
  const { seen } = await ask([], '/keyed/v1/chat/completions');
  assert.equal(seen.get('authorization'), `Bearer ${credential}`);
});

test('prefixes are exchanged, the query stays', async () => {
  up.forget();
  const reply = await once(gateway.port, get('/any/a/b?c=d%20e', token));
  assert.equal(reply.status, 200);
  assert.equal(up.seen[0].line, 'GET /under/a/b?c=d%20e HTTP/1.1');
});

test('of the reply: no cookie, no challenge, no browser permission, nothing hop by hop, none of our own names', async () => {
  extra = ['Set-Cookie: a=b', 'Set-Cookie: c=d', 'WWW-Authenticate: Basic', 'Access-Control-Allow-Origin: *', 'Keep-Alive: timeout=9', 'Connection: keep-alive, X-Hop', 'X-Hop: 1', 'Proxy-Authenticate: Basic',
    'Vestibule-Reason: ok', 'X-Request-Id: theirs', 'Server: secret/1.0', 'X-Model-Time: 3'].map((l) => `${l}\r\n`).join('');
  const { reply } = await ask();
  extra = '';
  for (const name of ['set-cookie', 'www-authenticate', 'access-control-allow-origin', 'keep-alive', 'x-hop', 'proxy-authenticate', 'vestibule-reason', 'server']) {
    assert.equal(reply.headers[name], undefined, name);
  }
  assert.match(reply.headers['x-request-id'], /^req_/);
  assert.equal(reply.headers['x-model-time'], '3');
});

test('the client is told how long the factor still counts', async () => {
  const { reply } = await ask();
  const left = Number(reply.headers['vestibule-expires-in']);
  assert.ok(left > 3000 && left <= 3600, `${left}`);
});

test('Expect: 100-continue is answered by the gateway, and unasked-for interim replies are not sent', async () => {
  const wire = await Wire.connect(gateway.port);
  const text = JSON.stringify(prompt('hello'));
  wire.write(post('/v1/chat/completions', token, text, 'Expect: 100-continue\r\n').slice(0, -text.length));
  const interim = await wire.reply();
  assert.equal(interim.status, 100);
  up.forget();
  wire.write(text);
  assert.equal((await wire.reply()).status, 200);
  assert.equal(up.seen[0].get('expect'), undefined);
  wire.close();
});
