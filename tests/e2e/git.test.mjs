// The real git before an access point with a repository behind it: it gets its token from `vestibule git-credential`, shows
// it in the way that its version knows, and tells the person why it was refused.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Gateway, binary, password, policy, sleep } from './lib/gateway.mjs';

const age = 20;
let gateway, ada, mia, server, home;
const seen = [];

/// git's own server program, over HTTP.
function backend(root) {
  return http.createServer((request, response) => {
    seen.push({ method: request.method, url: request.url, headers: request.headers });
    const url = new URL(request.url, 'http://git');
    const child = spawn('git', ['http-backend'], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { PATH: process.env.PATH, GIT_PROJECT_ROOT: root, GIT_HTTP_EXPORT_ALL: '1', REMOTE_USER: 'gateway', PATH_INFO: url.pathname, QUERY_STRING: url.search.slice(1),
        REQUEST_METHOD: request.method, CONTENT_TYPE: request.headers['content-type'] ?? '', HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
        GIT_PROTOCOL: request.headers['git-protocol'] ?? '' },
    });
    request.pipe(child.stdin);
    child.stdin.on('error', () => {});
    const parts = [];
    child.stdout.on('data', (data) => parts.push(data));
    child.on('close', () => {
      const out = Buffer.concat(parts);
      const end = out.indexOf('\r\n\r\n');
      const headers = Object.fromEntries(out.subarray(0, end).toString().split('\r\n').map((line) => line.split(/: (.*)/s)));
      const status = Number(headers.Status?.slice(0, 3) ?? 200);
      delete headers.Status;
      response.writeHead(status, headers).end(out.subarray(end + 4));
    });
  });
}
const plain = (args, cwd, env = {}) => {
  const run = spawnSync('git', args, { cwd, encoding: 'utf8', env: { PATH: process.env.PATH, HOME: home, GIT_CONFIG_NOSYSTEM: '1', GIT_TERMINAL_PROMPT: '0', ...env } });
  return { code: run.status, out: run.stdout, err: run.stderr };
};
/// git as somebody who has signed in at the command line runs it. Its server is in this process: it must not block.
const git = (args, cwd = home, { helper = `!'${binary}' git-credential` } = {}) => new Promise((done) => {
  const child = spawn('git', ['-c', `credential.helper=${helper}`, ...args], {
    cwd, stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, HOME: home, GIT_CONFIG_NOSYSTEM: '1', GIT_TERMINAL_PROMPT: '0', VESTIBULE_CONFIG: gateway.configFile, VESTIBULE_STATE: gateway.state },
  });
  const run = { out: '', err: '' };
  child.stdout.on('data', (data) => { run.out += data; });
  child.stderr.on('data', (data) => { run.err += data; });
  child.on('close', (code) => done({ code, ...run }));
});
const url = () => `${gateway.url}/code/house.git`;
const login = async () => {
  const run = await new Promise((done) => {
    const child = spawn(binary, ['login', '--name', 'mia', '--password-stdin'], { env: { PATH: process.env.PATH, HOME: gateway.dir, VESTIBULE_CONFIG: gateway.configFile, VESTIBULE_STATE: gateway.state }, stdio: ['pipe', 'ignore', 'pipe'] });
    let err = '';
    child.stderr.on('data', (data) => { err += data; });
    child.on('close', (code) => done({ code, err }));
    mia.totp.next().then((code) => child.stdin.end(`${password}\n${code}\n`));
  });
  assert.equal(run.code, 0, run.err);
};

before(async () => {
  gateway = await Gateway.start({ points: {}, policy: policy(`${age}s`), fixed: false });
  home = path.join(gateway.dir, 'elsewhere');
  const root = path.join(gateway.dir, 'repositories');
  fs.mkdirSync(home);
  fs.mkdirSync(root);
  const made = path.join(home, 'made');
  for (const [args, cwd] of [
    [['init', '-q', '-b', 'main', made], home], [['config', 'user.email', 'a@example.org'], made], [['config', 'user.name', 'Ada'], made],
  ]) assert.equal(plain(args, cwd).code, 0);
  fs.writeFileSync(path.join(made, 'README'), 'a house\n');
  for (const args of [['add', '.'], ['commit', '-qm', 'a house']]) assert.equal(plain(args, made).code, 0);
  assert.equal(plain(['clone', '-q', '--bare', made, path.join(root, 'house.git')], home).code, 0);
  server = backend(root);
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  fs.appendFileSync(gateway.configFile, `[access_point.code]\nkind = "http"\nprefix = "/code"\nhold = "0s"\nupstreams = ["http://127.0.0.1:${server.address().port}"]\n`);
  await gateway.up();
  ada = await gateway.setup();
  mia = await gateway.addUser(ada, 'mia');
});
after(async () => {
  await gateway?.stop();
  server?.closeAllConnections();
  server?.close();
});

test('nobody has signed in: it says what to do, and nothing has reached the repository', async () => {
  const run = await git(['clone', '-q', url(), 'early']);
  assert.notEqual(run.code, 0);
  assert.match(run.err, /vestibule login/);
  assert.equal(seen.length, 0);
});

test('clone, change, push: by the helper, with a token that the repository never sees', async () => {
  await login();
  const cloned = await git(['clone', '-q', url(), 'house']);
  assert.equal(cloned.code, 0, cloned.err);
  const house = path.join(home, 'house');
  assert.equal(fs.readFileSync(path.join(house, 'README'), 'utf8'), 'a house\n');
  fs.writeFileSync(path.join(house, 'README'), 'a house with a door\n');
  assert.equal(plain(['-c', 'user.email=m@example.org', '-c', 'user.name=Mia', 'commit', '-qam', 'a door'], house).code, 0);
  const pushed = await git(['push', '-q'], house);
  assert.equal(pushed.code, 0, pushed.err);
  assert.match((await git(['ls-remote', url()])).out, new RegExp(`${plain(['rev-parse', 'HEAD'], house).out.trim()}\\s+refs/heads/main`));
  assert.ok(seen.some((one) => one.method === 'POST' && one.url.endsWith('/git-receive-pack')));
  assert.ok(seen.every((one) => !('authorization' in one.headers)));
  const written = (await gateway.audit(ada)).filter((r) => r.kind === 'admission' && r.operation === 'http.write');
  assert.ok(written.length >= 2 && written.every((r) => r.access_point === 'code'), 'fetch and push are on record');
  // Nothing of it is left where it was cloned to.
  const kept = fs.readdirSync(path.join(house, '.git'), { recursive: true }).filter((name) => fs.statSync(path.join(house, '.git', name)).isFile());
  for (const name of kept) assert.ok(!/v[tk]_[A-Za-z0-9_-]{20}/.test(fs.readFileSync(path.join(house, '.git', name), 'latin1')), name);
});

test('a token that is none, and another’s helper: refused, in words that git shows', async () => {
  seen.length = 0;
  const run = await git(['ls-remote', url()], home, { helper: '!printf "username=x\\npassword=vt_guess\\n"; true' });
  assert.notEqual(run.code, 0);
  assert.match(run.err, /remote: .+/);
  assert.match(run.err, /Authentication failed/);
  assert.equal(seen.length, 0);
});

test('Basic is for git alone', async () => {
  seen.length = 0;
  const { token } = await gateway.api('POST', '/v1/tokens', {}, await gateway.signIn(mia).then(async (person) => { await gateway.prove(person); return person; }));
  const ask = (agent) => fetch(`${gateway.url}/code/house.git/info/refs?service=git-upload-pack`, { headers: { 'User-Agent': agent, Authorization: `Basic ${Buffer.from(`vestibule:${token}`).toString('base64')}` } });
  for (const agent of ['Mozilla/5.0', 'curl/8.0', 'Git/2.39.5', 'x git/2.39.5']) {
    const reply = await ask(agent);
    await reply.text();
    assert.equal(reply.status, 401, agent);
    assert.ok(!/basic/i.test(reply.headers.get('www-authenticate')), 'a browser is never asked for it');
  }
  assert.equal(seen.length, 0);
  const good = await ask('git/2.39.5');
  await good.text();
  assert.equal(good.status, 200);
});

test('the factor has lapsed: git says so, and what helps; then it goes on', async () => {
  await login();
  const house = path.join(home, 'house');
  assert.equal((await git(['fetch', '-q'], house)).code, 0);
  await sleep(age * 1000 + 500);
  seen.length = 0;
  const run = await git(['fetch', '-q'], house);
  assert.notEqual(run.code, 0);
  assert.match(run.err, /remote: .*second factor/i);
  assert.equal(seen.length, 0);
  await login();
  const again = await git(['fetch', '-q'], house);
  assert.equal(again.code, 0, again.err);
});
