// `vestibule login` as a client of the gateway: in a real browser with a loopback address, or by another device;
// kept in a file or in a real keyring; renewed, and explained when it cannot be.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Gateway, binary, policy, sleep } from './lib/gateway.mjs';
import { launch, visit } from './lib/browser.mjs';
import { button, into } from './lib/portal.mjs';
import { Upstream, chat } from './lib/upstream.mjs';

let browser;
before(async () => { browser = await launch(); });
after(async () => { await browser?.close(); });

async function world(t, { age = '1h', config = {} } = {}) {
  const up = await Upstream.start(chat);
  t.after(() => up.close());
  const gateway = await Gateway.start({
    policy: policy(age), config, points: { main: { upstreams: [up.url], prefix: '/main' }, other: { upstreams: [up.url], prefix: '/other' } },
  });
  t.after(() => gateway.stop());
  const ada = await gateway.setup();
  await gateway.giveToken(ada);
  // Somebody elsewhere: no configuration, no socket, a home of his own, and a browser that notes where it is sent.
  const home = path.join(gateway.dir, 'elsewhere');
  fs.mkdirSync(path.join(home, 'bin'), { recursive: true });
  fs.writeFileSync(path.join(home, 'bin', 'xdg-open'), `#!/bin/sh\nprintf %s "$1" > '${home}/opened.new' && mv '${home}/opened.new' '${home}/opened'\n`, { mode: 0o755 });
  const env = { PATH: `${path.join(home, 'bin')}:${process.env.PATH}`, HOME: home, VESTIBULE_STATE: path.join(home, 'state') };
  const it = { up, gateway, ada, home, env, state: env.VESTIBULE_STATE, main: `${gateway.url}/main` };
  it.run = (args, more = {}, command = [binary, ...args]) => {
    const child = spawn(command[0], command.slice(1), { cwd: home, env: { ...env, ...more }, stdio: ['pipe', 'pipe', 'pipe'] });
    t.after(() => child.kill('SIGKILL'));
    child.stdin.on('error', () => {});
    const run = { child, out: '', err: '' };
    child.stdout.on('data', (data) => { run.out += data; });
    child.stderr.on('data', (data) => { run.err += data; });
    run.done = new Promise((done) => child.on('close', (code) => { run.code = code; done(run); }));
    return run;
  };
  it.cli = (args, { input = '', more = {} } = {}) => {
    const run = it.run(args, more);
    run.child.stdin.end(input);
    return run.done;
  };
  return it;
}
async function until(what, check, ms = 10_000) {
  for (const end = Date.now() + ms; ;) {
    const seen = await check();
    if (seen) return seen;
    assert.ok(Date.now() < end, `${what}: not in time`);
    await sleep(20);
  }
}
const opened = async ({ home }) => until('the browser is opened', () => {
  try { return fs.readFileSync(path.join(home, 'opened'), 'utf8'); } catch { return undefined; }
});
const ask = async (url, token) => {
  const reply = await fetch(`${url}/v1/chat/completions`, { method: 'POST', headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` },
    body: JSON.stringify({ model: 'scripted', messages: [{ role: 'user', content: 'hello' }] }) });
  await reply.text();
  return { status: reply.status, reason: reply.headers.get('vestibule-reason') };
};
/// The person's answer by the control socket: what the consent page's buttons call.
async function answer({ gateway, ada }, url, verdict = 'allow') {
  const sent = await fetch(url, { redirect: 'manual' });
  assert.equal(sent.status, 302);
  const request = sent.headers.get('location').split('/consent/')[1];
  return (await gateway.api('POST', `/v1/oauth/consent/${verdict}`, { request }, ada)).redirect;
}
/// Signed in, with a file, by whatever answers quickest.
async function signedIn(it, args = [], more = {}) {
  fs.rmSync(path.join(it.home, 'opened'), { force: true });
  const run = it.run(['login', '--browser', '--at', it.main, '--store', 'file', ...args], more);
  await fetch(await answer(it, await opened(it)));
  await run.done;
  assert.equal(run.code, 0, run.err);
  return run;
}
const kept = ({ state }) => fs.readdirSync(state).filter((name) => /^login-.*\.json$/.test(name)).map((name) => path.join(state, name));
/// As if the access token were over: the next command renews.
const age = (it) => {
  const [file] = kept(it);
  const login = JSON.parse(fs.readFileSync(file, 'utf8'));
  fs.writeFileSync(file, JSON.stringify({ ...login, access_ends: 1 }), { mode: 0o600 });
  return login;
};

describe('login', { concurrency: true }, () => {

test('in a browser, by a loopback address that takes one answer', async (t) => {
  const it = await world(t);
  const run = it.run(['login', '--browser', '--at', `${it.main}/v1`, '--store', 'file']);
  const url = new URL(await opened(it));
  const asked = Object.fromEntries(url.searchParams);
  assert.equal(asked.code_challenge_method, 'S256');
  assert.equal(asked.resource, it.main);
  const redirect = new URL(asked.redirect_uri);
  assert.equal(redirect.hostname, '127.0.0.1');
  assert.ok(asked.state.length >= 43);
  // Whatever else comes before it ends nothing and is told nothing.
  for (const forged of ['/', '/callback', '/callback?code=x', '/callback?code=x&state=guess&iss=' + encodeURIComponent(it.gateway.portal), '/callback?error=access_denied']) {
    const reply = await fetch(redirect.origin + forged);
    assert.equal(reply.status, 404);
    assert.ok(!(await reply.text()).includes('guess'));
  }
  const at = await visit(browser, it.gateway);
  t.after(() => at.context.close());
  await into(at.page, it.gateway, it.ada);
  await at.page.goto(url.href);
  await at.page.getByText(redirect.host).waitFor();
  await button(at.page, 'Allow Vestibule command line').click();
  await at.page.getByText('You can close this page.').waitFor();
  assert.ok(!(await at.page.content()).includes(asked.state), 'nothing is reflected');
  await run.done;
  assert.equal(run.code, 0, run.err);
  assert.match(run.out, /Signed in as ada for main[^]*open for [^]*file that only you can read/);
  await assert.rejects(fetch(redirect.origin), 'nobody listens any more');

  const token = await it.cli(['token']);
  assert.match(token.out, /^vt_\S+\n$/, token.err);
  assert.deepEqual(await ask(it.main, token.out.trim()), { status: 200, reason: null });
  assert.equal((await ask(`${it.gateway.url}/other`, token.out.trim())).reason, 'credential_audience');
  assert.equal((await it.gateway.call('GET', '/v1/me', undefined, token.out.trim())).status, 401, 'it is no key to the portal');
  assert.ok(!(run.out + run.err).includes('vt_') && !(run.out + run.err).includes(token.out.trim()));
  const [file] = kept(it);
  assert.equal(fs.statSync(file).mode & 0o777, 0o600);
  assert.equal(fs.statSync(it.state).mode & 0o777, 0o700);
  assert.equal((await it.cli(['token', '--access-point', 'main'])).out, token.out);
  assert.notEqual((await it.cli(['token', '--access-point', 'other'])).code, 0);
  assert.match((await it.cli(['token', '--env', 'openai'])).out, new RegExp(`^export OPENAI_BASE_URL='${it.main}/v1'\nexport OPENAI_API_KEY='vt_`));
  assert.equal((await it.cli(['token-helper'])).out, token.out);
  const git = await it.cli(['git-credential', 'get'], { input: `capability[]=authtype\nprotocol=http\nhost=localhost:${it.gateway.port}\npath=main/x.git\n` });
  assert.match(git.out, /credential=vt_/);
  assert.equal((await it.cli(['git-credential', 'get'], { input: 'protocol=http\nhost=evil.example\n' })).out, '');
  // Somebody has opened it to others: it is known no more.
  fs.chmodSync(file, 0o644);
  assert.match((await it.cli(['token'])).err, /can be read by others/);
});

test('who says no, and who answers in another’s name', async (t) => {
  const it = await world(t);
  const login = ['login', '--browser', '--at', it.main, '--store', 'file'];
  let run = it.run(login);
  await fetch(await answer(it, await opened(it), 'decline'));
  await run.done;
  assert.equal(run.code, 1);
  assert.match(run.err, /You said no/);
  // RFC 9207: our state, another server's word.
  for (const lie of ['http://evil.example', `${it.gateway.portal}/`, '']) {
    fs.rmSync(path.join(it.home, 'opened'));
    run = it.run(login);
    const back = new URL(await answer(it, await opened(it)));
    if (lie) back.searchParams.set('iss', lie); else back.searchParams.delete('iss');
    await fetch(back);
    await run.done;
    assert.notEqual(run.code, 0);
    assert.match(run.err, /another server/);
  }
  assert.deepEqual(kept(it), []);
  assert.notEqual((await it.cli(['token'])).code, 0);
});

test('without a screen: a code for another device', async (t) => {
  const it = await world(t);
  const run = it.run(['login', '--at', it.main, '--store', 'file'], { DISPLAY: '', WAYLAND_DISPLAY: '' });
  const [, code] = await until('the code is shown', () => /\n {4}([B-Z]{4}-[B-Z]{4})\n/.exec(run.err));
  assert.ok(run.err.includes(`${it.gateway.portal}/`), run.err);
  assert.equal(fs.existsSync(path.join(it.home, 'opened')), false, 'no browser');
  await it.gateway.api('POST', '/v1/oauth/device/allow', { user_code: code, ...await it.gateway.code(it.ada) }, it.ada);
  await run.done;
  assert.equal(run.code, 0, run.err);
  assert.deepEqual(await ask(it.main, (await it.cli(['token'])).out.trim()), { status: 200, reason: null });
});

test('many commands at once renew once at a time, and nothing is taken for theft', async (t) => {
  const it = await world(t);
  await signedIn(it);
  const before = age(it);
  const runs = await Promise.all(Array.from({ length: 12 }, () => it.run(['token-helper']).done));
  for (const run of runs) assert.equal(run.code, 0, run.err);
  assert.equal(new Set(runs.map((run) => run.out)).size, 1, 'one renewal for all');
  assert.notEqual(runs[0].out.trim(), before.access);
  const after = JSON.parse(fs.readFileSync(kept(it)[0], 'utf8'));
  assert.notEqual(after.refresh, before.refresh, 'rotated');
  assert.equal((await ask(it.main, runs[0].out.trim())).status, 200);
});

test('a program gets a credential of its own, within the login', async (t) => {
  const it = await world(t);
  await signedIn(it);
  const probe = `const at = async (url, path, body) => (await fetch(url + path, { method: 'POST', headers: { 'Content-Type': 'application/json', Authorization: 'Bearer ' + process.env.VESTIBULE_TOKEN }, body: JSON.stringify(body) })).status;
    (async () => console.log(JSON.stringify({ token: process.env.VESTIBULE_TOKEN, base: process.env.OPENAI_BASE_URL,
      chat: await at(process.env.OPENAI_BASE_URL, '/chat/completions', { model: 'scripted', messages: [{ role: 'user', content: 'x' }] }),
      big: await at(process.env.OPENAI_BASE_URL, '/chat/completions', { model: 'big', messages: [{ role: 'user', content: 'x' }] }),
      embed: await at(process.env.OPENAI_BASE_URL, '/embeddings', { model: 'scripted', input: 'x' }) })))()`;
  const run = await it.cli(['exec', '--as', 'builder', '--operation', 'chat', '--model', 'script*', '--', process.execPath, '-e', probe]);
  assert.equal(run.code, 0, run.err);
  const seen = JSON.parse(run.out);
  assert.match(seen.token, /^vc_/);
  assert.deepEqual([seen.base, seen.chat, seen.big, seen.embed], [`${it.main}/v1`, 200, 403, 403]);
  assert.equal((await ask(it.main, seen.token)).status, 401, 'dead with its program');
  const records = await it.gateway.audit(it.ada, 'limit=200&operation=chat');
  assert.ok(records.some((r) => r.object === 'agent builder' && r.user_name === 'ada'), JSON.stringify(records[0]));
  assert.equal((await it.cli(['exec', '--as', 'builder', '--', 'sh', '-c', 'exit 7'])).code, 7);
  const agent = (await it.cli(['token-helper', '--as', 'editor'])).out;
  assert.match(agent, /^vc_/);
  assert.equal((await it.cli(['token-helper', '--as', 'editor'])).out, agent, 'the same for a while');
  assert.equal((await ask(it.main, (await it.cli(['token'])).out.trim())).status, 200, 'the person’s own goes on');
});

test('logout revokes and deletes', async (t) => {
  const it = await world(t);
  await signedIn(it);
  const token = (await it.cli(['token'])).out.trim();
  const { refresh } = JSON.parse(fs.readFileSync(kept(it)[0], 'utf8'));
  const run = await it.cli(['logout']);
  assert.equal(run.code, 0, run.err);
  assert.match(run.out, /Signed out of main/);
  assert.deepEqual(kept(it), []);
  assert.equal((await ask(it.main, token)).status, 401);
  const again = await fetch(`${it.gateway.portal}/oauth/token`, { method: 'POST', headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ grant_type: 'refresh_token', client_id: 'vestibule-cli', refresh_token: refresh }) });
  assert.equal(again.status, 400);
  assert.match((await it.cli(['token'])).err, /not signed in/);
  // A second login ends the first; one that cannot be revoked is deleted and says so.
  await signedIn(it);
  const first = (await it.cli(['token'])).out.trim();
  await signedIn(it);
  assert.equal((await ask(it.main, first)).status, 401);
  await it.gateway.stop();
  const alone = await it.cli(['logout']);
  assert.equal(alone.code, 3);
  assert.match(alone.err, /deleted here but not revoked/);
  assert.deepEqual(kept(it), []);
});

test('why it is over, and what helps', async (t) => {
  const it = await world(t);
  const says = async (pattern, code = 1) => {
    const run = await it.cli(['token']);
    assert.equal(run.code, code, run.err);
    assert.match(run.err, pattern);
    assert.ok(run.err.includes(`vestibule login --at ${it.main}`), run.err);
    assert.equal(run.err.trim().split('\n').length, 1, 'one line');
    assert.equal(run.out, '');
  };
  // Stolen and used: whoever comes second hears of it, and the thief's is dead too.
  await signedIn(it);
  const stolen = age(it).refresh;
  const thief = await (await fetch(`${it.gateway.portal}/oauth/token`, { method: 'POST', headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ grant_type: 'refresh_token', client_id: 'vestibule-cli', refresh_token: stolen }) })).json();
  assert.equal((await ask(it.main, thief.access_token)).status, 200);
  await says(/used twice/);
  assert.equal((await ask(it.main, thief.access_token)).status, 401);
  await says(/used twice/);

  // Revoked by its owner.
  await signedIn(it);
  age(it);
  const { sessions } = await it.gateway.api('GET', '/v1/sessions', undefined, it.ada);
  const mine = sessions.find((s) => s.client === 'Vestibule command line');
  await it.gateway.api('POST', `/v1/sessions/${mine.id}/revoke`, {}, it.ada);
  await says(/session was ended/);

  // A new password.
  await signedIn(it);
  age(it);
  await it.gateway.api('POST', '/v1/password', { old: 'correct horse battery staple', new: 'another horse battery staple', ...await it.gateway.code(it.ada) }, it.ada);
  await says(/password was changed/);

  // The account is disabled.
  const mia = await it.gateway.addUser(it.ada, 'mia');
  const away = { ...it, ada: mia };
  await signedIn(away);
  age(it);
  await it.gateway.api('POST', '/v1/users/mia/disable', {}, it.ada);
  const disabled = await it.cli(['token']);
  assert.equal(disabled.code, 1);
  assert.match(disabled.err, /ended|disabled/);
});

test('a session of the terminal says why it is over too', async (t) => {
  const it = await world(t);
  const env = { VESTIBULE_CONFIG: it.gateway.configFile };
  const enter = async (password) => {
    const run = await it.cli(['login', '--name', 'ada', '--password-stdin', '--new'], { input: `${password}\n${await it.ada.totp.next()}\n`, more: env });
    assert.equal(run.code, 0, run.err);
  };
  await enter('correct horse battery staple');
  assert.equal((await it.cli(['token'], { more: env })).code, 0, 'no browser is opened where a name is given');
  await it.gateway.api('POST', '/v1/password', { old: 'correct horse battery staple', new: 'another horse battery staple', ...await it.gateway.code(it.ada) }, it.ada);
  const run = await it.cli(['token'], { more: env });
  assert.equal(run.code, 1);
  assert.match(run.err, /password was changed[^]*vestibule login/);
  await enter('another horse battery staple');
  const stop = await it.gateway.api('POST', '/v1/stops', { scope: 'access_point', target: 'main', why: 'drill' }, it.ada);
  assert.ok(stop);
  const stopped = await it.cli(['token', '--access-point', 'main'], { more: env });
  assert.equal(stopped.code, 1);
  assert.match(stopped.err, /stopped/i);
});

test('idle for too long', async (t) => {
  const it = await world(t, { config: { session: { idle: '1m' } } });
  await signedIn(it);
  age(it);
  await sleep(62_000);
  const run = await it.cli(['token']);
  assert.equal(run.code, 1);
  assert.match(run.err, /idle/);
  assert.ok(run.err.includes(`vestibule login --at ${it.main}`), run.err);
});

test('the factor has lapsed: a renewal does not help, a login does', async (t) => {
  const it = await world(t, { age: '20s' });
  await it.gateway.prove(it.ada);
  await signedIn(it);
  assert.equal((await it.cli(['token'])).code, 0);
  await sleep(20_500);
  age(it);
  const run = await it.cli(['token']);
  assert.equal(run.code, 4, run.err);
  assert.match(run.err, /lapsed/);
  assert.ok(run.err.includes(`vestibule login --at ${it.main}`), run.err);
  const program = await it.cli(['exec', '--as', 'builder', '--', 'true']);
  assert.equal(program.code, 4);
  await it.gateway.prove(it.ada);
  await signedIn(it);
  assert.equal((await it.cli(['token'])).code, 0);
});

test('in a real keyring, and never beside it', async (t) => {
  const it = await world(t);
  const none = await it.cli(['login', '--browser', '--at', it.main, '--store', 'keyring']);
  assert.notEqual(none.code, 0);
  assert.match(none.err, /no keyring answers[^]*--store file/);
  // A bus, a keyring that is open, and commands in it as they are named by files.
  const script = `set -e
printf pass | gnome-keyring-daemon --unlock --components=secrets > /dev/null
while :; do while [ ! -e "$HOME/next" ]; do [ -e "$HOME/over" ] && exit 0; sleep 0.05; done; . "$HOME/next"; rm "$HOME/next"; set +e; $COMMAND > "$HOME/out" 2> "$HOME/err"; echo $? > "$HOME/code.new"; set -e; mv "$HOME/code.new" "$HOME/code"; done`;
  const runtime = path.join(it.home, 'runtime');
  fs.mkdirSync(runtime, { mode: 0o700 });
  let bus;
  t.after(async () => {
    fs.writeFileSync(path.join(it.home, 'over'), '');
    await bus.done;
  });
  bus = it.run([], { XDG_RUNTIME_DIR: runtime }, ['dbus-run-session', '--', 'bash', '-c', script]);
  const inside = (args) => {
    for (const name of ['code', 'out', 'err']) fs.rmSync(path.join(it.home, name), { force: true });
    fs.writeFileSync(path.join(it.home, 'next.new'), `COMMAND='${[binary, ...args].join(' ')}'\n`);
    fs.renameSync(path.join(it.home, 'next.new'), path.join(it.home, 'next'));
    return until(`${args[0]} in the session`, () => {
      assert.equal(bus.code, undefined, bus.err);
      const read = (name) => fs.readFileSync(path.join(it.home, name), 'utf8');
      return fs.existsSync(path.join(it.home, 'code')) && { code: Number(read('code')), out: read('out'), err: read('err') };
    }, 30_000);
  };
  const login = inside(['login', '--browser', '--at', it.main]);
  await fetch(await answer(it, await opened(it)));
  const signed = await login;
  assert.equal(signed.code, 0, signed.err);
  assert.match(signed.out, /kept in the system's keyring/, 'by itself, where one answers');
  const token = await inside(['token']);
  assert.match(token.out, /^vt_\S+\n$/, token.err);
  assert.equal((await ask(it.main, token.out.trim())).status, 200);
  for (const name of fs.readdirSync(it.state)) {
    const text = fs.readFileSync(path.join(it.state, name), 'latin1');
    assert.ok(!/v[trc]_[A-Za-z0-9_-]{20}/.test(text), `${name} holds a secret`);
  }
  const outside = await it.cli(['token']);
  assert.notEqual(outside.code, 0);
  assert.match(outside.err, /keyring does not answer/);
  const [, again] = [await inside(['token-helper', '--as', 'editor']), await inside(['token'])];
  assert.equal(again.code, 0, again.err);
  assert.equal((await inside(['logout'])).code, 0);
  assert.notEqual((await inside(['token'])).code, 0);
  assert.equal((await ask(it.main, token.out.trim())).status, 401);
});

test('who is not the one that was asked for gets nothing', async (t) => {
  const it = await world(t);
  // A server that gives itself out for another.
  const seen = [];
  let answers = {};
  const fake = http.createServer((request, response) => {
    seen.push(request.method);
    const body = answers[request.url];
    response.writeHead(body ? 200 : 404, { 'Content-Type': 'application/json' }).end(JSON.stringify(body ?? {}));
  });
  await new Promise((done) => fake.listen(0, '127.0.0.1', done));
  t.after(() => { fake.closeAllConnections(); fake.close(); });
  const here = `http://127.0.0.1:${fake.address().port}`;
  const login = () => it.run(['login', '--browser', '--at', `${here}/lab`, '--store', 'file']).done;
  const good = { issuer: here, authorization_endpoint: `${here}/a`, token_endpoint: `${here}/t`, device_authorization_endpoint: `${here}/d`, revocation_endpoint: `${here}/r`,
    userinfo_endpoint: `${here}/u`, code_challenge_methods_supported: ['S256'], authorization_response_iss_parameter_supported: true };
  const resource = { resource: `${here}/lab`, resource_name: 'lab', authorization_servers: [here] };
  const rows = {
    'no metadata': [undefined, good],
    'another resource': [{ ...resource, resource: it.main }, good],
    'two servers': [{ ...resource, authorization_servers: [here, it.gateway.portal] }, good],
    'a server in the clear elsewhere': [{ ...resource, authorization_servers: ['http://203.0.113.9'] }, good],
    'another issuer': [resource, { ...good, issuer: it.gateway.portal }],
    'an issuer but for a slash': [resource, { ...good, issuer: `${here}/` }],
    'an endpoint elsewhere': [resource, { ...good, token_endpoint: 'http://203.0.113.9/t' }],
    'an endpoint that begins alike': [resource, { ...good, token_endpoint: `${here}.evil.example/t` }],
    'no iss': [resource, { ...good, authorization_response_iss_parameter_supported: false }],
    'no PKCE': [resource, { ...good, code_challenge_methods_supported: ['plain'] }],
  };
  for (const [name, [protectedResource, server]] of Object.entries(rows)) {
    answers = { '/.well-known/oauth-protected-resource/lab': protectedResource, '/.well-known/oauth-authorization-server': server };
    const run = await login();
    assert.notEqual(run.code, 0, name);
    assert.equal(fs.existsSync(path.join(it.home, 'opened')), false, name);
  }
  assert.ok(seen.length > 10 && seen.every((method) => method === 'GET'), 'nothing was ever sent there');
  for (const bad of ['ftp://x', 'localhost:1', `http://203.0.113.9/lab`, `${it.main}?x=1`]) {
    assert.notEqual((await it.cli(['login', '--browser', '--at', bad, '--store', 'file'])).code, 0, bad);
  }
});

});
