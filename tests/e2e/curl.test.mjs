// curl as people type it.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test, before, after } from 'node:test';
import { Gateway } from './lib/gateway.mjs';
import { Upstream } from './lib/upstream.mjs';
import { prompt } from './lib/raw.mjs';

let up, gateway, token;
before(async () => {
  up = await Upstream.start();
  gateway = await Gateway.start({ points: { main: { upstreams: [up.url] } } });
  token = await gateway.token(await gateway.setup());
});
after(async () => {
  await gateway?.stop();
  await up?.close();
});
// Asynchronous: the scripted upstream lives in this process.
async function curl(...args) {
  const { spawn } = await import('node:child_process');
  const child = spawn('curl', ['-sS', '--max-time', '20', ...args]);
  let out = '', err = '';
  child.stdout.on('data', (data) => { out += data; });
  child.stderr.on('data', (data) => { err += data; });
  const code = await new Promise((done) => child.on('close', done));
  return { code, out, err };
}
const chat = (...more) => curl(`${gateway.url}/v1/chat/completions`, '-H', 'Content-Type: application/json', ...more);
const key = () => ['-H', `Authorization: Bearer ${token}`];
const data = (more) => ['-d', JSON.stringify(prompt('hello there', more))];

test('curl is here', () => assert.equal(spawnSync('curl', ['--version']).status, 0));

test('a prompt', async () => {
  const { code, out } = await chat(...key(), ...data());
  assert.equal(code, 0);
  assert.equal(JSON.parse(out).choices[0].message.content, 'hello there');
});

test('a stream', async () => {
  const { code, out } = await chat('-N', ...key(), ...data({ stream: true }));
  assert.equal(code, 0);
  assert.match(out, /"content":"hello "[^]*"content":"there "[^]*data: \[DONE\]/);
});

test('two on one connection', async () => {
  const { code, out, err } = await chat('-v', ...key(), ...data(), '--next', '-sS', `${gateway.url}/v1/models`, ...key());
  assert.equal(code, 0);
  assert.match(out, /"scripted"/);
  assert.match(err, /Re-using existing connection/i);
});

test('a large prompt with Expect: 100-continue', async () => {
  const body = JSON.stringify(prompt('a'.repeat(2_000_000)));
  const { spawn } = await import('node:child_process');
  const child = spawn('curl', ['-sS', '-o', '/dev/null', '-w', '%{http_code}', '--max-time', '20', `${gateway.url}/v1/chat/completions`, '-H', 'Content-Type: application/json', '-H', 'Expect: 100-continue', ...key(), '--data-binary', '@-']);
  child.stdin.end(body);
  let out = '';
  child.stdout.on('data', (d) => { out += d; });
  assert.equal(await new Promise((done) => child.on('close', done)), 0);
  assert.equal(out, '200');
});

test('no key: 401 in OpenAI\'s shape, with a challenge, saying what to do', async () => {
  const { out } = await chat('-i', ...data());
  assert.match(out, /^HTTP\/1\.1 401 /);
  assert.match(out, /\r\nWWW-Authenticate: Bearer/i);
  const { error } = JSON.parse(out.split('\r\n\r\n')[1]);
  assert.equal(error.code, 'credential_missing');
  assert.match(error.message, /vestibule login/);
});

test('curl -f fails on it', async () => {
  const { code } = await chat('-f', ...data());
  assert.equal(code, 22);
});

test('HTTP/1.0', async () => {
  const { code, out } = await chat('-0', ...key(), ...data());
  assert.equal(code, 0);
  assert.equal(JSON.parse(out).choices[0].message.content, 'hello there');
  const streamed = await chat('-0', '-N', ...key(), ...data({ stream: true }));
  assert.match(streamed.out, /data: \[DONE\]/);
});
