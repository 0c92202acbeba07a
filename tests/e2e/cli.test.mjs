// The command line as a person meets it: on a terminal, with questions, a QR code, and a prompt that
// is held and sent again when the factor has lapsed.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import { test, before, after } from 'node:test';
import { Gateway, binary, password, policy, sleep } from './lib/gateway.mjs';
import { Upstream } from './lib/upstream.mjs';
import { Token } from './lib/totp.mjs';

let up, gateway, token;
before(async () => {
  up = await Upstream.start();
  gateway = await Gateway.start({ points: { main: { upstreams: [up.url] } }, policy: policy('20s') });
});
after(async () => {
  await gateway?.stop();
  await up?.close();
});

// A command on a terminal of its own. answers: [pattern of the question, what is typed (or a function
// of all that was shown)] in their order.
async function terminal(args, answers) {
  const quoted = [binary, ...args].map((a) => `'${a.replaceAll("'", "'\\''")}'`).join(' ');
  const child = spawn('script', ['-qfec', `stty cols 120 rows 60; exec ${quoted}`, '/dev/null'], {
    env: { PATH: process.env.PATH, HOME: gateway.dir, TERM: 'xterm', LANG: 'C.UTF-8', VESTIBULE_CONFIG: gateway.configFile, VESTIBULE_STATE: gateway.state },
  });
  let out = '', asked = 0;
  child.stdout.on('data', (data) => { out += data.toString(); });
  const closed = new Promise((done) => child.on('close', done));
  let over = false;
  closed.then(() => { over = true; });
  for (const [question, answer] of answers) {
    const until = Date.now() + 45_000;
    while (!question.test(out.slice(asked))) {
      if (over || Date.now() > until) {
        child.kill();
        assert.fail(`never asked ${question}:\n${out}`);
      }
      await sleep(20);
    }
    asked = out.length;
    child.stdin.write(`${typeof answer === 'function' ? await answer(out) : answer}\n`);
  }
  const code = await closed;
  return { code, out };
}

test('no gateway: exit status 3 and what to do', () => {
  const run = gateway.cli(['login', '--name', 'ada', '--password-stdin'], { input: 'x\n', env: { VESTIBULE_CONFIG: '', VESTIBULE_SOCKET: '/nowhere/control.sock' } });
  assert.equal(run.code, 3);
  assert.match(run.err, /vestibule serve/);
});

test('not signed in: it says so', () => {
  const run = gateway.cli(['token']);
  assert.notEqual(run.code, 0);
  assert.match(run.err, /vestibule login/);
  assert.equal(run.out, '');
});

test('setup asks, shows the secret as QR code and as text, and takes the first code', async () => {
  const { code, out } = await terminal(['setup'], [
    [/Name of the first administrator/, 'ada'],
    [/New password/, password],
    [/same again/, password],
    [/Code that the app shows/, (shown) => {
      token = new Token(/\n {4}([A-Z2-7]{16,})\r?\n/.exec(shown)[1]);
      return token.next().then((c) => `${c.slice(0, 3)} ${c.slice(3)}`);
    }],
  ]);
  assert.equal(code, 0, out);
  assert.match(out, /[█▀▄]{4}|\x1b\[[0-9;]*m/, 'no QR code');
  assert.match(out, /otpauth:\/\/totp\//);
  assert.match(out, /Recovery codes/);
  assert.ok(!out.includes(password), 'the password was echoed');
});

test('the session file is its owner\'s alone', () => {
  for (const name of fs.readdirSync(gateway.state)) assert.equal(fs.statSync(`${gateway.state}/${name}`).mode & 0o077, 0, name);
  assert.equal(fs.statSync(gateway.state).mode & 0o077, 0);
});

test('login asks for password and code', async () => {
  const { code, out } = await terminal(['login', '--new'], [[/Name:/, 'ada'], [/Password:/, password], [/Code:/, () => token.next()]]);
  assert.equal(code, 0, out);
  assert.match(out, /Signed in as ada/);
  assert.match(out, /main +open for/);
});

test('token prints nothing but the token', () => {
  const run = gateway.cli(['token']);
  assert.equal(run.code, 0, run.err);
  assert.match(run.out, /^vt_[A-Za-z0-9_-]+\n$/);
  const env = gateway.cli(['token', '--env', 'openai']);
  assert.match(env.out, new RegExp(`^export OPENAI_BASE_URL='?${gateway.url}/v1'?\nexport OPENAI_API_KEY='?vt_`));
});

test('chat streams an answer', async () => {
  const { code, out } = await terminal(['chat', 'hello there', '--model', 'scripted'], []);
  assert.equal(code, 0, out);
  assert.match(out, /hello there/);
});

test('when the factor has lapsed, a script gets exit status 4 and nothing is sent', async () => {
  await sleep(20_500);
  up.forget();
  const run = gateway.cli(['chat', 'hello', '--model', 'scripted']);
  assert.equal(run.code, 4, run.err);
  assert.match(run.err, /lapsed/);
  assert.equal(gateway.cli(['token']).code, 4);
  assert.equal(up.seen.length, 0);
});

test('a person is told why, asked for a code, and the same prompt goes on', async () => {
  up.forget();
  const { code, out } = await terminal(['chat', 'keep this', '--model', 'scripted'], [[/lapsed[^]*Code:/, () => token.next()]]);
  assert.equal(code, 0, out);
  assert.match(out, /keep this/);
  assert.equal(up.seen.length, 1);
  assert.match(up.seen[0].body.toString(), /keep this/);
});

test('policy and stop know tools', () => {
  const explain = () => gateway.cli(['policy', 'explain', '--access-point', 'main', '--tool', 'rm', '--arguments', '{"path":"/srv/x"}']);
  const why = explain();
  assert.equal(why.code, 0, why.err);
  assert.match(why.out, /asks for tool "rm"[^]*no rule allows this tool call/);
  const draft = gateway.cli(['policy', 'suggest']);
  assert.equal(draft.code, 0, draft.err);
  assert.match(draft.out, /No tool calls were seen/);
  const stop = gateway.cli(['stop', '--tool', 'rm', '--access-point', 'main']);
  assert.equal(stop.code, 0, stop.err);
  assert.match(stop.out, /Stopped: tool rm at main/);
  assert.match(gateway.cli(['stop', 'list']).out, /tool +main\/rm/);
  assert.match(explain().out, /emergency stop shuts this out/);
  assert.notEqual(gateway.cli(['stop', '--tool', 'rm', '--tools']).code, 0);
});

test('doctor and status say that this upstream is bypassable and that the policy file is trusted', () => {
  const run = gateway.cli(['doctor']);
  assert.match(run.out + run.err, /bypass/i);
  assert.match(run.out + run.err, /policy\.trust/);
});

test('sign-out forgets the session', () => {
  assert.equal(gateway.cli(['session', 'sign-out']).code, 0);
  assert.notEqual(gateway.cli(['token']).code, 0);
});
