// `vestibule exec`, the token helper and git's: what a program inherits opens access points alone, as far as
// it was let, and is worth nothing after the program's end.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { test, before, after } from 'node:test';
import { Gateway, binary, policy, password } from './lib/gateway.mjs';
import { Upstream, chat } from './lib/upstream.mjs';

const rules = policy('1h', `
[[rule]]
name = "builders do not embed"
effect = "deny"
who = ["agent:builder"]
operation = ["embed"]
[[quota]]
name = "agents"
access_point = ["counted"]
per = "credential"
requests = "2/1h"
`);
let up, gateway, ada, mia;
before(async () => {
  up = await Upstream.start(chat);
  gateway = await Gateway.start({
    policy: rules,
    points: {
      lab: { upstreams: [up.url], prefix: '/lab' }, other: { upstreams: [up.url], prefix: '/other' },
      counted: { upstreams: [up.url], prefix: '/counted' },
      claude: { kind: 'anthropic', upstreams: [up.url], prefix: '/claude' }, olla: { kind: 'ollama', upstreams: [up.url], prefix: '/olla' },
    },
  });
  ada = await gateway.setup();
  mia = await gateway.addUser(ada, 'mia');
  const run = cli(['login', '--name', 'mia', '--password-stdin'], { input: `${password}\n${await mia.totp.next()}\n` });
  assert.equal(run.code, 0, run.err);
});
after(async () => {
  await gateway?.stop();
  await up?.close();
});
const cli = (args, options) => gateway.cli(args, options);
const node = (script) => ['--', process.execPath, '-e', script];
// What a program in the place of an agent finds and can do.
const probe = `
const http = require('http');
const ask = (url, token, body) => new Promise((done) => {
  const request = http.request(url, { method: body ? 'POST' : 'GET', headers: { Authorization: 'Bearer ' + token, 'Content-Type': 'application/json' } }, (reply) => {
    let text = ''; reply.on('data', (d) => { text += d; });
    reply.on('end', () => done({ status: reply.statusCode, reason: reply.headers['vestibule-reason'] }));
  });
  request.end(body && JSON.stringify(body));
});
const call = (socketPath, method, path, token, body) => new Promise((done) => {
  const request = http.request({ socketPath, method, path, headers: { Authorization: 'Bearer ' + token, 'Content-Type': 'application/json' } }, (reply) => {
    reply.resume(); reply.on('end', () => done({ status: reply.statusCode, reason: reply.headers['vestibule-reason'] }));
  });
  request.end(body && JSON.stringify(body));
});
const prompt = { model: 'tiny', messages: [{ role: 'user', content: 'hello' }] };
const env = process.env, token = env.VESTIBULE_TOKEN;
`;
// Not waited for in the way of cli(): the model that the program asks is served by this very process.
const inside = async (script, args = []) => {
  const program = node(`${probe}(async () => { ${script} })().then((v) => console.log(JSON.stringify(v)))`);
  const child = spawn(binary, ['exec', '--as', 'builder', ...args, ...program], {
    stdio: ['ignore', 'pipe', 'pipe'], timeout: 60_000,
    env: { PATH: process.env.PATH, HOME: gateway.dir, VESTIBULE_CONFIG: gateway.configFile, VESTIBULE_STATE: gateway.state },
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (data) => { out += data; });
  child.stderr.on('data', (data) => { err += data; });
  const [code] = await once(child, 'close');
  assert.equal(code, 0, err);
  return JSON.parse(out);
};
async function ask(url, token, body = { model: 'tiny', messages: [{ role: 'user', content: 'hello' }] }) {
  const reply = await fetch(url, { method: 'POST', headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
  await reply.text();
  return { status: reply.status, reason: reply.headers.get('vestibule-reason') };
}

test('a program finds its access points, and the model answers', async () => {
  const seen = await inside(`return { env, chat: await ask(env.OPENAI_BASE_URL + '/chat/completions', env.OPENAI_API_KEY, prompt) };`);
  assert.equal(seen.env.OPENAI_BASE_URL, `${gateway.url}/lab/v1`);
  assert.equal(seen.env.ANTHROPIC_BASE_URL, `${gateway.url}/claude`);
  assert.equal(seen.env.OLLAMA_HOST, `${gateway.url}/olla`);
  assert.match(seen.env.OPENAI_API_KEY, /^vc_/);
  assert.equal(seen.env.ANTHROPIC_API_KEY, seen.env.OPENAI_API_KEY);
  assert.equal(seen.env.VESTIBULE_SOCKET, undefined);
  assert.equal(seen.env.VESTIBULE_CONFIG, undefined);
  assert.equal(seen.chat.status, 200);
  // The log knows by what he asked.
  const records = (await gateway.audit(ada)).filter(({ kind, object }) => kind === 'admission' && object === 'agent builder');
  assert.ok(records.length > 0, 'no admission names the agent');
  assert.equal(records[0].user_name, 'mia');
  // Dead with its program.
  const after = await ask(`${gateway.url}/lab/v1/chat/completions`, seen.env.OPENAI_API_KEY);
  assert.deepEqual(after, { status: 401, reason: 'credential_unknown' });
});

test('the control API is shut to it: no factor, no approval, no token, no delegation', async () => {
  const socket = JSON.stringify(gateway.socket);
  const answers = await inside(`return Promise.all([
    ['GET', '/v1/me'], ['POST', '/v1/tokens', {}], ['POST', '/v1/delegations', { agent: 'x' }], ['GET', '/v1/delegations'],
    ['POST', '/v1/prove', { answer: '123456' }], ['POST', '/v1/policy/approve', { digest: '00', code: '123456' }],
    ['POST', '/v1/stops/lift', { scope: 'all', code: '123456' }], ['GET', '/v1/audit'],
  ].map(([method, path, body]) => call(${socket}, method, path, token, body)));`);
  for (const answer of answers) assert.deepEqual(answer, { status: 401, reason: 'credential_audience' });
});

test('the CLI of the program is not signed in', () => {
  const run = cli(['exec', '--as', 'builder', '--', binary, 'token', '--socket', gateway.socket]);
  assert.equal(run.code, 1);
  assert.match(run.err, /not signed in/);
});

test('narrowed: other access points, operations and models are refused', async () => {
  const seen = await inside(`const at = (point, body = prompt, path = 'chat/completions') => ask(${JSON.stringify(gateway.url)} + '/' + point + '/v1/' + path, token, body);
    return { here: await at('lab'), there: await at('other'), model: await at('lab', { ...prompt, model: 'big' }),
      embed: await at('lab', { model: 'tiny', input: 'x' }, 'embeddings') };`,
  ['--access-point', 'lab', '--operation', 'chat', '--model', 'tiny*']);
  assert.equal(seen.here.status, 200);
  assert.deepEqual(seen.there, { status: 403, reason: 'credential_scope' });
  assert.deepEqual(seen.model, { status: 403, reason: 'credential_scope' });
  assert.deepEqual(seen.embed, { status: 403, reason: 'credential_scope' });
});

test('the policy knows agents, and so do quotas', async () => {
  const embed = (token) => ask(`${gateway.url}/lab/v1/embeddings`, token, { model: 'tiny', input: 'x' });
  const own = cli(['token']).out.trim();
  assert.notEqual((await embed(own)).reason, 'policy_denied');
  const seen = await inside(`const at = () => ask(${JSON.stringify(gateway.url)} + '/counted/v1/chat/completions', token, prompt);
    return { embed: await ask(env.OPENAI_BASE_URL + '/embeddings', token, { model: 'tiny', input: 'x' }), counted: [await at(), await at(), await at()] };`);
  assert.equal(seen.embed.reason, 'policy_denied');
  assert.deepEqual(seen.counted.map(({ status }) => status), [200, 200, 429]);
  // A new token of the same agent is in the same bucket; the person himself is not.
  const again = await inside(`return ask(${JSON.stringify(gateway.url)} + '/counted/v1/chat/completions', token, prompt);`);
  assert.equal(again.reason, 'quota_exceeded');
  assert.equal((await ask(`${gateway.url}/counted/v1/chat/completions`, own)).status, 200);
});

test('an emergency stop for an agent cuts it and nobody else', async () => {
  const made = await gateway.api('POST', '/v1/delegations', { agent: 'runner' }, mia);
  const url = `${gateway.url}/lab/v1/chat/completions`;
  assert.equal((await ask(url, made.token)).status, 200);
  await gateway.api('POST', '/v1/stops', { scope: 'agent', target: 'runner', why: 'drill' }, ada);
  assert.equal((await ask(url, made.token)).reason, 'stopped');
  assert.equal((await ask(url, await gateway.token(mia))).status, 200);
  const { sessions } = await gateway.api('GET', '/v1/sessions', undefined, mia);
  assert.ok(sessions.some(({ agents }) => agents.includes('runner')), JSON.stringify(sessions));
  assert.equal((await gateway.call('POST', `/v1/delegations/${made.id}/revoke`, {}, ada.handle)).reason, 'not_found', 'another person');
  await gateway.api('POST', `/v1/delegations/${made.id}/revoke`, {}, mia);
  assert.equal((await ask(url, made.token)).reason, 'credential_unknown');
  await gateway.api('POST', '/v1/stops/lift', { scope: 'agent', target: 'runner', ...await gateway.code(ada) }, ada);
});

test('signals and exit status pass', async () => {
  assert.equal(cli(['exec', '--as', 'builder', '--', 'sh', '-c', 'exit 7']).code, 7);
  assert.equal(cli(['exec', '--as', 'builder', '--', 'sh', '-c', 'kill -KILL $$']).code, 137);
  const missing = cli(['exec', '--as', 'builder', '--', '/no/such/program']);
  assert.notEqual(missing.code, 0);
  assert.match(missing.err, /no such/i);
  const child = spawn(binary, ['exec', '--as', 'builder', '--', 'sh', '-c', 'trap "exit 9" TERM; echo ready; while :; do sleep 0.1; done'], {
    env: { PATH: process.env.PATH, HOME: gateway.dir, VESTIBULE_CONFIG: gateway.configFile, VESTIBULE_STATE: gateway.state },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise((done) => child.stdout.once('data', done));
  const { delegations } = await gateway.api('GET', '/v1/delegations', undefined, JSON.parse(fs.readFileSync(path.join(gateway.state, 'session.json'), 'utf8')));
  assert.ok(delegations.some(({ agent }) => agent === 'builder'));
  // It is in nobody's command line.
  const commands = fs.readdirSync('/proc').filter((pid) => /^\d+$/.test(pid)).map((pid) => {
    try { return fs.readFileSync(`/proc/${pid}/cmdline`, 'latin1'); } catch { return ''; }
  });
  assert.ok(commands.some((text) => text.includes('--as\0builder')), 'the program is not seen at all');
  for (const text of commands) assert.doesNotMatch(text, /vc_[A-Za-z0-9_-]{20}/);
  child.kill('SIGTERM');
  assert.equal(await new Promise((done) => child.once('exit', done)), 9);
});

test('names of agents are plain', async () => {
  for (const agent of ['', 'a b', 'a"b', 'x'.repeat(49), 'ü']) {
    const made = await gateway.call('POST', '/v1/delegations', { agent }, mia.handle);
    assert.equal(made.reason, 'invalid_argument', agent);
  }
});

test('the token helper gives the same token until it is worth nothing', async () => {
  const first = cli(['token-helper']);
  assert.equal(first.code, 0, first.err);
  assert.match(first.out, /^vt_\S+\n$/);
  assert.equal(cli(['token-helper']).out, first.out);
  const agent = cli(['token-helper', '--as', 'editor', '--access-point', 'lab']).out.trim();
  assert.match(agent, /^vc_/);
  assert.equal((await ask(`${gateway.url}/lab/v1/chat/completions`, agent)).status, 200);
  assert.equal((await ask(`${gateway.url}/other/v1/chat/completions`, agent)).reason, 'credential_scope');
  assert.equal(fs.statSync(path.join(gateway.state, 'token.json')).mode & 0o777, 0o600);
});

test('formats of a token', () => {
  const lines = cli(['token', '--format', 'env']).out;
  assert.match(lines, /^export OPENAI_BASE_URL='http/m);
  assert.match(lines, /^export ANTHROPIC_API_KEY='vt_/m);
  assert.match(lines, /^export OLLAMA_HOST='http/m);
  const { token, ends } = JSON.parse(cli(['token', '--format', 'json']).out);
  assert.match(token, /^vt_/);
  assert.ok(Date.parse(ends) > Date.now());
  assert.match(cli(['token', '--format', 'plain']).out, /^vt_\S+\n$/);
});

test('git hears of a token for this gateway alone', () => {
  const host = `localhost:${gateway.port}`;
  const helped = cli(['git-credential', 'get'], { input: `protocol=http\nhost=${host}\n\n` });
  assert.equal(helped.code, 0, helped.err);
  assert.match(helped.out, /^username=vestibule\npassword=vt_\S+\npassword_expiry_utc=\d+\n$/);
  assert.match(cli(['git-credential', 'get'], { input: `capability[]=authtype\nprotocol=http\nhost=${host}\n` }).out, /authtype=Bearer\ncredential=vt_/);
  for (const input of ['protocol=https\nhost=github.com\n', `protocol=https\nhost=${host}\n`, `protocol=http\nhost=localhost:${gateway.port + 1}\n`]) {
    const silent = cli(['git-credential', 'get'], { input });
    assert.deepEqual([silent.code, silent.out], [0, '']);
  }
  assert.notEqual(cli(['git-credential', 'get'], { input: `protocol=http\nhost=${host}\nhost=evil.example\n` }).code, 0);
  assert.equal(cli(['git-credential', 'store'], { input: 'protocol=http\nhost=x\n' }).out, '');
});

test('signed out, everything that was handed on is dead, and the helper says why', async () => {
  const token = cli(['token-helper', '--as', 'editor']).out.trim();
  const signedOut = cli(['session', 'sign-out']);
  assert.equal(signedOut.code, 0, signedOut.err);
  assert.equal((await ask(`${gateway.url}/lab/v1/chat/completions`, token)).reason, 'credential_unknown');
  assert.equal(fs.existsSync(path.join(gateway.state, 'token.json')), false);
  const helped = cli(['token-helper']);
  assert.equal(helped.code, 1);
  assert.match(helped.err, /vestibule login/);
});
