// Ollama's own JavaScript client in front of a server of Ollama's shape.
import assert from 'node:assert/strict';
import { test, before, after } from 'node:test';
import { Ollama } from 'ollama';
import { Gateway } from './lib/gateway.mjs';
import { Upstream, json, reply, chunk } from './lib/upstream.mjs';

let up, gateway, token, client;
async function ollama(request, socket) {
  if (request.target === '/api/tags') {
    return socket.write(json({ models: ['tiny:latest', 'secret:latest'].map((name) => ({ name, model: name, modified_at: '2025-01-01T00:00:00Z', size: 1, digest: 'x', details: {} })) }));
  }
  const asked = JSON.parse(request.body);
  const line = (content, done) => `${JSON.stringify({ model: asked.model, created_at: '2025-01-01T00:00:00Z', message: { role: 'assistant', content }, done, ...(done ? { done_reason: 'stop', eval_count: 2, prompt_eval_count: 3 } : {}) })}\n`;
  if (asked.stream === false) return socket.write(reply(200, 'application/json', line('all at once', true)));
  socket.write('HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n');
  for (const word of ['one ', 'by ', 'one']) socket.write(chunk(line(word, false)));
  socket.write(chunk(line('', true)) + '0\r\n\r\n');
}
before(async () => {
  up = await Upstream.start(ollama);
  gateway = await Gateway.start({ points: { lab: { kind: 'ollama', upstreams: [up.url], models: ['tiny:*'] } } });
  token = await gateway.token(await gateway.setup());
  client = new Ollama({ host: gateway.url, headers: { Authorization: `Bearer ${token}` } });
});
after(async () => {
  await gateway?.stop();
  await up?.close();
});
const hello = { model: 'tiny', messages: [{ role: 'user', content: 'hello' }] };

test('a chat', async () => {
  const answer = await client.chat(hello);
  assert.equal(answer.message.content, 'all at once');
});

test('a stream', async () => {
  const pieces = [];
  for await (const part of await client.chat({ ...hello, stream: true })) pieces.push(part.message.content);
  assert.equal(pieces.join(''), 'one by one');
  assert.ok(pieces.length >= 3);
});

test('the list shows only what may be used', async () => {
  const { models } = await client.list();
  assert.deepEqual(models.map((m) => m.name), ['tiny:latest']);
});

const rejects = (promise, status, text) => assert.rejects(promise, (error) => {
  assert.equal(error.name, 'ResponseError');
  assert.equal(error.status_code, status);
  assert.match(error.message, text);
  return true;
});

test('without a key: its own error with our reason', async () => {
  up.forget();
  await rejects(new Ollama({ host: gateway.url }).chat(hello), 401, /vestibule login/);
  await rejects(new Ollama({ host: gateway.url, headers: { Authorization: 'Bearer vt_nonsense' } }).chat(hello), 401, /malformed/);
  assert.equal(up.seen.length, 0);
});

test('another model, pulling, deleting: refused', async () => {
  up.forget();
  await rejects(client.chat({ ...hello, model: 'secret' }), 404, /does not exist here/);
  await rejects(client.pull({ model: 'tiny' }), 403, /administrative/);
  await rejects(client.delete({ model: 'tiny' }), 403, /administrative/);
  await rejects(client.push({ model: 'tiny' }), 403, /administrative/);
  assert.equal(up.seen.length, 0);
});
