// The official OpenAI client against a real model server behind the gateway, which starts it, with
// only base URL and key changed.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test, before, after } from 'node:test';
import OpenAI from 'openai';
import { Gateway, policy, root, sleep } from './lib/gateway.mjs';

const server = process.env.LLAMA_SERVER;
const model = 'tiny-demo';
let gateway, admin, client;
before(async () => {
  assert.ok(server, 'LLAMA_SERVER is not set (tests/e2e/run does it)');
  gateway = await Gateway.start({
    policy: policy('10m', '[[rule]]\nname = "weather"\neffect = "allow"\ntool = ["get_weather"]\nconfirm = "none"\n'),
    points: {
      demo: {
        kind: 'llamacpp',
        spawn: [server, '--model', path.join(root, 'models/tiny/tiny-demo.gguf'), '--alias', model, '--jinja', '--ctx-size', '2048', '--parallel', '4', '--threads', '1', '--host', '{socket}'],
        spawn_readable: [path.dirname(server), path.join(root, 'models')],
      },
    },
  });
  admin = await gateway.setup();
  for (let n = 0; ; ++n) {
    const status = await gateway.api('GET', '/v1/status', undefined, admin);
    if (status.access_points[0].child === 'ready') break;
    assert.ok(n < 900, `the model server is ${status.access_points[0].child}`);
    await sleep(100);
  }
  client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: await gateway.token(admin) });
});
after(async () => { await gateway?.stop(); });
const hello = { model, temperature: 0, messages: [{ role: 'user', content: 'hello' }] };

test('a completion', async () => {
  const answer = await client.chat.completions.create(hello);
  assert.ok(answer.choices[0].message.content.length > 3);
  assert.equal(answer.model, model);
  assert.ok(answer.usage.completion_tokens > 0);
});

test('a stream, and it says the same', async () => {
  const whole = await client.chat.completions.create(hello);
  const pieces = [];
  for await (const chunk of await client.chat.completions.create({ ...hello, stream: true })) pieces.push(chunk.choices[0]?.delta?.content ?? '');
  assert.ok(pieces.length > 2, `${pieces.length} pieces`);
  assert.equal(pieces.join(''), whole.choices[0].message.content);
});

test('a tool call, streamed and not', async () => {
  const request = {
    model, temperature: 0, messages: [{ role: 'user', content: 'What is the weather in Oslo?' }],
    tools: [{ type: 'function', function: { name: 'get_weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } } }],
  };
  const answer = await client.chat.completions.create(request);
  const call = answer.choices[0].message.tool_calls[0].function;
  assert.equal(call.name, 'get_weather');
  let streamed = '';
  for await (const chunk of await client.chat.completions.create({ ...request, stream: true })) streamed += chunk.choices[0]?.delta?.tool_calls?.[0]?.function?.arguments ?? '';
  assert.deepEqual(JSON.parse(streamed), JSON.parse(call.arguments));
});

test('the list of models', async () => {
  const list = await client.models.list();
  assert.deepEqual(list.data.map((m) => m.id), [model]);
});

test('many at once', async () => {
  const answers = await Promise.all(Array.from({ length: 8 }, () => client.chat.completions.create(hello)));
  assert.equal(answers.length, 8);
});

const rejects = (key, check) => assert.rejects(new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: key, maxRetries: 0 }).chat.completions.create(hello), (error) => {
  assert.ok(error instanceof OpenAI.AuthenticationError, error.constructor.name);
  assert.equal(error.status, 401);
  check(error);
  return true;
});

test('a wrong key is its own authentication error, with our reason', async () => {
  await rejects('sk-not-one-of-ours', (error) => assert.equal(error.code, 'credential_malformed'));
  await rejects(await gateway.token(await gateway.signIn(admin)).catch(() => 'vt_x'), (error) => assert.match(error.code, /^credential_|^mfa_/));
});

test('a lapsed factor is one as well, and the message says what to do', async () => {
  const before = fs.readFileSync(gateway.policyFile, 'utf8');
  fs.writeFileSync(gateway.policyFile, policy('10s'));
  await gateway.api('POST', '/v1/policy/reload', {}, admin);
  await sleep(10_500);
  await rejects(client.apiKey, (error) => {
    assert.equal(error.code, 'mfa_lapsed');
    assert.equal(error.type, 'authentication_error');
    assert.match(error.message, /lapsed.*vestibule login/);
    assert.match(error.headers.get('www-authenticate'), /insufficient_user_authentication/);
  });
  // One code later the same key passes.
  await gateway.prove(admin);
  assert.ok((await client.chat.completions.create(hello)).choices[0].message.content);
  fs.writeFileSync(gateway.policyFile, before);
  await gateway.api('POST', '/v1/policy/reload', {}, admin);
});

test('an administrative route of the server stays closed', async () => {
  await assert.rejects(client.post('/../slots/0?action=erase', { body: {} }), (error) => error.status >= 400);
  await assert.rejects(client.get('/../slots'), (error) => [400, 403, 404].includes(error.status));
});

test('who asked, how much, and why it was allowed, is in the log', async () => {
  const [entry] = await gateway.audit(admin, 'kind=admission&operation=chat&limit=1');
  assert.equal(entry.user_name, 'ada');
  assert.equal(entry.model, model);
  assert.equal(entry.rule, 'administrators');
  assert.deepEqual(entry.evidence.map((e) => e.factor).sort(), ['password', 'totp']);
  const [done] = await gateway.audit(admin, `kind=completion&request=${entry.request}&limit=1`);
  assert.ok(done.output_tokens > 0 && done.reply_bytes > 0, JSON.stringify(done));
});

const processes = () => fs.readdirSync('/proc').filter((id) => /^\d+$/.test(id)).filter((id) => {
  try {
    return fs.readFileSync(`/proc/${id}/cmdline`, 'utf8').includes(`${gateway.dir}/`) || fs.readFileSync(`/proc/${id}/stat`, 'utf8').split(') ')[1].split(' ')[1] === String(gateway.child.pid);
  } catch { return false; }
}).filter((id) => id !== String(gateway.child.pid));

test('the model server sees neither keys nor state, and dies with the gateway', async () => {
  const [pid] = processes();
  assert.ok(pid, 'no child');
  const environment = fs.readFileSync(`/proc/${pid}/environ`, 'utf8');
  assert.doesNotMatch(environment, /HOME=|VESTIBULE/);
  assert.match(fs.readFileSync(`/proc/${pid}/status`, 'utf8'), /NoNewPrivs:\s+1/);
  for (const fd of fs.readdirSync(`/proc/${pid}/fd`)) {
    let to = '';
    try { to = fs.readlinkSync(`/proc/${pid}/fd/${fd}`); } catch { continue; }
    assert.ok(!to.includes('vestibule.db') && !to.includes('master.key'), to);
  }
  await gateway.kill('SIGKILL');
  // Where nobody collects orphans, as in many a container, what has ended stays as a zombie.
  const lives = () => {
    try { return !/^State:\s+Z/m.test(fs.readFileSync(`/proc/${pid}/status`, 'utf8')); } catch { return false; }
  };
  for (let n = 0; n < 300 && lives(); ++n) await sleep(100);
  assert.ok(!lives(), 'the model server outlived the gateway');
});

test('and comes back with it; a model server that crashes is started again', async () => {
  await gateway.up();
  const works = async () => (await client.chat.completions.create(hello).catch((e) => e)).choices?.[0];
  for (let n = 0; n < 300 && !(await works()); ++n) await sleep(100);
  assert.ok(await works());
  process.kill(Number(processes()[0]), 'SIGKILL');
  await sleep(100);
  for (let n = 0; n < 300 && !(await works()); ++n) await sleep(100);
  assert.ok(await works());
});
