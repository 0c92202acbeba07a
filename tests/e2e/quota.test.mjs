// Quotas on the real binary: the clients' own errors, exact over two cores, nobody starves another.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import { test, before, after } from 'node:test';
import OpenAI from 'openai';
import { Ollama } from 'ollama';
import { Gateway, policy, sleep } from './lib/gateway.mjs';
import { Upstream, chat, json, reply } from './lib/upstream.mjs';

const quota = (name, point, rest) => `[[quota]]\nname = "${name}"\naccess_point = ["${point}"]\n${rest}\n`;
const rules = policy('1h',
  quota('five', 'five', 'requests = "5/1h"') +
  quota('budget', 'budget', 'tokens = "100/1h"') +
  quota('seats', 'seats', 'streams = 2') +
  quota('shared', 'shared', 'per = "access_point"\nrequests = "3/1h"') +
  quota('brief', 'brief', 'requests = "1/1s"') +
  quota('native', 'native', 'requests = "1/1h"'));
let up, olla, slow, gateway, ada, mia, bob;
const waiting = [];
const hello = { model: 'tiny', messages: [{ role: 'user', content: 'hello' }] };
const openai = (token, point, more = {}) => new OpenAI({ baseURL: `${gateway.url}/${point}/v1`, apiKey: token, maxRetries: 0, ...more });
before(async () => {
  up = await Upstream.start(chat);
  olla = await Upstream.start((request, socket) => socket.write(reply(200, 'application/x-ndjson',
    `${JSON.stringify({ model: 'tiny', created_at: '2025-01-01T00:00:00Z', message: { role: 'assistant', content: 'hi' }, done: true, eval_count: 2, prompt_eval_count: 3 })}\n`)));
  slow = await Upstream.start((request, socket) => new Promise((done) => {
    waiting.push(() => {
      socket.write(json({ choices: [{ index: 0, message: { role: 'assistant', content: 'late' }, finish_reason: 'stop' }], usage: { prompt_tokens: 1, completion_tokens: 1 } }));
      done();
    });
  }));
  const points = { native: { kind: 'ollama', upstreams: [olla.url], prefix: '/native' }, seats: { upstreams: [slow.url], prefix: '/seats' } };
  for (const name of ['five', 'budget', 'shared', 'brief', 'free']) points[name] = { upstreams: [up.url], prefix: `/${name}` };
  gateway = await Gateway.start({ points, policy: rules });
  ada = await gateway.setup();
  mia = await gateway.addUser(ada, 'mia');
  bob = await gateway.addUser(ada, 'bob');
  for (const person of [mia, bob]) person.token = await gateway.token(person);
});
after(async () => {
  for (const done of waiting) done();
  await gateway?.stop();
  for (const each of [up, olla, slow]) await each?.close();
});
const limited = (promise, text) => assert.rejects(promise, (error) => {
  assert.ok(error instanceof OpenAI.RateLimitError, `${error}`);
  assert.equal(error.status, 429);
  assert.equal(error.code, 'quota_exceeded');
  assert.equal(error.type, 'rate_limit_exceeded');
  assert.match(error.message, text);
  assert.match(error.headers.get('retry-after'), /^[1-9]\d*$/);
  return true;
});

test('a hundred at once over two cores: exactly five, and one record', async () => {
  up.forget();
  const agent = new http.Agent({ keepAlive: false, maxSockets: 100 });
  const ask = () => new Promise((done, failed) => {
    const request = http.request(`${gateway.url}/five/v1/chat/completions`, {
      method: 'POST', agent, headers: { Authorization: `Bearer ${mia.token}`, 'Content-Type': 'application/json' },
    }, (response) => {
      response.resume();
      response.on('end', () => done({ status: response.statusCode, reason: response.headers['vestibule-reason'] }));
    });
    request.on('error', failed);
    request.end(JSON.stringify(hello));
  });
  const answers = await Promise.all(Array.from({ length: 100 }, ask));
  agent.destroy();
  assert.equal(answers.filter(({ status }) => status === 200).length, 5);
  assert.equal(answers.filter(({ status, reason }) => status === 429 && reason === 'quota_exceeded').length, 95);
  assert.equal(up.seen.length, 5, 'what is refused never reaches the model');
  const records = (await gateway.audit(ada)).filter(({ access_point: point }) => point === 'five');
  assert.equal(records.filter(({ kind }) => kind === 'admission').length, 5);
  const refusals = records.filter(({ kind }) => kind === 'refusal');
  assert.equal(refusals.length, 1, 'one a minute, user and quota');
  assert.equal(refusals[0].reason, 'quota_exceeded');
  assert.equal(refusals[0].rule, 'quota:five');
});

test('the SDK gets its own RateLimitError, and another user his own five', async () => {
  await limited(openai(mia.token, 'five').chat.completions.create(hello), /quota "five": 5\/1h requests/);
  for (let n = 0; n < 5; ++n) await openai(bob.token, 'five').chat.completions.create(hello);
  await limited(openai(bob.token, 'five').chat.completions.create(hello), /five/);
  await openai(mia.token, 'free').chat.completions.create(hello);
});

test('a fresh token is no fresh quota', async () => {
  const fresh = await gateway.token(mia);
  await limited(openai(fresh, 'five').chat.completions.create(hello), /five/);
});

test('the SDK waits as long as it is told, and then passes', async () => {
  const client = openai(mia.token, 'brief', { maxRetries: 2 });
  const from = Date.now();
  for (let n = 0; n < 2; ++n) await client.chat.completions.create(hello);
  assert.ok(Date.now() - from >= 900, 'it did not wait');
});

test('tokens: what an answer took counts, and whoever is in debt waits', async () => {
  const client = openai(mia.token, 'budget');
  let passed = 0;
  for (; passed < 100; ++passed) {
    const { data, error } = await client.chat.completions.create(hello).then((d) => ({ data: d }), (e) => ({ error: e }));
    if (error) break;
    assert.ok(data.usage.total_tokens > 0);
  }
  assert.ok(passed > 0 && passed < 100, `${passed} passed`);
  await limited(client.chat.completions.create(hello), /quota "budget": 100\/1h tokens/);
  await openai(bob.token, 'budget').chat.completions.create(hello);
});

test('seats: two under way, free again when they end or are left', async () => {
  const client = openai(mia.token, 'seats');
  const ask = (signal) => {
    const call = client.chat.completions.create(hello, { signal });
    call.catch(() => {});
    return call;
  };
  // Whether as many wait at the model, before `over` says that no more will: what still looked on would keep this file from its end.
  const under = async (count, over = () => false) => {
    for (const end = Date.now() + 20_000; waiting.length < count && !over(); await sleep(5)) assert.ok(Date.now() < end, `${waiting.length} wait, not ${count}`);
    return waiting.length >= count;
  };
  // That a seat is free again is seen within the sweep's time.
  const seated = async () => {
    const asked = waiting.length;
    for (let n = 0; n < 50; ++n) {
      const call = ask();
      let ended = false;
      call.finally(() => { ended = true; }).catch(() => {});
      if (await under(asked + 1, () => ended)) return { call };
      await sleep(50);
    }
    return {};
  };
  const first = ask();
  await under(1);
  const leaving = new AbortController();
  const second = ask(leaving.signal);
  await under(2);
  await limited(ask(), /quota "seats": 2 streams at a time/);
  waiting.shift()();
  await first;
  const { call: third } = await seated();
  assert.ok(third, 'the seat of a call that ended was never free');
  leaving.abort();
  await assert.rejects(second);
  const { call: fourth } = await seated();
  assert.ok(fourth, 'the seat of a caller who left was never free');
  while (waiting.length) waiting.shift()();
  await Promise.all([third, fourth]);
});

test('one bucket for all of an access point', async () => {
  await openai(mia.token, 'shared').chat.completions.create(hello);
  for (let n = 0; n < 2; ++n) await openai(bob.token, 'shared').chat.completions.create(hello);
  await limited(openai(mia.token, 'shared').chat.completions.create(hello), /shared/);
});

test("Ollama's client gets its own error", async () => {
  const client = new Ollama({ host: `${gateway.url}/native`, headers: { Authorization: `Bearer ${mia.token}` } });
  await client.chat(hello);
  await assert.rejects(client.chat(hello), (error) => {
    assert.equal(error.name, 'ResponseError');
    assert.equal(error.status_code, 429);
    assert.match(error.message, /quota "native"/);
    return true;
  });
});

test('explained, counted, and reloaded', async () => {
  const explained = await gateway.api('POST', '/v1/policy/explain', { access_point: 'five', operation: 'chat', model: 'tiny' }, mia);
  assert.match(explained.text, /quotas\n {2}five: 5\/1h requests for each user/);
  const metrics = await (await fetch(`http://127.0.0.1:${gateway.statusPort}/metrics`)).text();
  assert.match(metrics, /vestibule_quota_refusals_total\{what="requests"\} [1-9]/);
  assert.match(metrics, /vestibule_quota_refusals_total\{what="tokens"\} [1-9]/);
  assert.match(metrics, /vestibule_quota_refusals_total\{what="streams"\} [1-9]/);
  assert.match(metrics, /vestibule_quota_buckets [1-9]/);
  // A smaller one holds at once, and the administration has none.
  fs.writeFileSync(gateway.policyFile, `${rules}${quota('none', 'free', 'requests = "1/1h"')}[[quota]]\nname = "all"\nper = "access_point"\nrequests = "1000/1h"\n`);
  await gateway.api('POST', '/v1/policy/reload', {}, ada);
  await openai(bob.token, 'free').chat.completions.create(hello);
  await limited(openai(bob.token, 'free').chat.completions.create(hello), /quota "none"/);
  await gateway.api('GET', '/v1/status', undefined, ada);
});
