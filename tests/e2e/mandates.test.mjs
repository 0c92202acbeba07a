// Mandates on the real binary: work that nobody attends gets as far as a person has signed, and no further.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { launch, look, visit } from './lib/browser.mjs';
import { Gateway, password } from './lib/gateway.mjs';
import { button, into, open } from './lib/portal.mjs';
import { Wire, once, post, prompt, soon } from './lib/raw.mjs';
import { Upstream, chat, trickle } from './lib/upstream.mjs';

const completions = '/v1/chat/completions';
const rules = `
[sensitivity.high]
level = 2
[sensitivity.critical]
level = 2
confirm = "self"
[[rule]]
name = "members"
effect = "allow"
who = ["role:member", "role:administrator"]
access_point = ["main", "closed"]
[[rule]]
name = "unattended"
effect = "allow"
who = ["role:administrator"]
access_point = ["main", "vault"]
mandate = true
[[rule]]
name = "administrators"
effect = "allow"
who = ["role:administrator"]
access_point = ["vestibule"]
`;

let up, gateway, ada, key;
before(async () => {
  up = await Upstream.start(chat);
  const point = (more) => ({ upstreams: [up.url], hold: '0s', ...more });
  gateway = await Gateway.start({
    points: { main: point({}), closed: point({ prefix: '/closed' }), vault: point({ prefix: '/vault', sensitivity: 'critical' }) }, policy: rules,
  });
  ada = await gateway.setup();
  await gateway.giveToken(ada);
  ({ key } = await gateway.api('POST', '/v1/keys', { name: 'nightly', ...await gateway.code(ada) }, ada));
});
after(async () => {
  await gateway?.stop();
  await up?.close();
});

const ask = async (where = completions, text = prompt('hello')) => {
  const answer = await once(gateway.port, post(where, key, text));
  return { status: answer.status, reason: answer.headers['vestibule-reason'] ?? 'ok', text: answer.body.toString() };
};
const wish = (more = {}) => ({
  name: 'evaluation', key: 'nightly', access_points: ['main'], operations: ['chat'], networks: ['127.0.0.1'], calls: 3,
  starts: new Date(Date.now() - 1000).toISOString(), ends: new Date(Date.now() + 3_600_000).toISOString(), ...more,
});
const sign = async (more) => gateway.call('POST', '/v1/mandates', { ...wish(more), ...await gateway.code(ada) }, ada.handle);
const mine = async () => (await gateway.api('GET', '/v1/mandates', undefined, ada)).mandates;

test('a sleeping key opens nothing; what was signed opens as often as it says', async () => {
  const asleep = await ask();
  assert.equal(asleep.status, 401);
  assert.equal(asleep.reason, 'key_asleep');
  const seen = up.seen.length;

  const draft = await gateway.api('POST', '/v1/mandates/draft', wish(), ada);
  for (const part of ['evaluation', 'ada', 'key nightly', 'main', 'chat', '127.0.0.1', '3 calls']) assert.ok(draft.text.includes(part), draft.text);
  assert.deepEqual(await mine(), [], 'a draft keeps nothing');
  assert.equal((await gateway.call('POST', '/v1/mandates', { ...wish(), code: '000000' }, ada.handle)).reason, 'code_wrong');
  assert.equal((await ask()).reason, 'key_asleep');

  const made = await sign();
  assert.equal(made.status, 201);
  const statuses = await Promise.all(Array.from({ length: 9 }, () => ask()));
  assert.equal(statuses.filter((s) => s.status === 200).length, 3, JSON.stringify(statuses));
  assert.equal(up.seen.length, seen + 3);
  const over = await ask();
  assert.equal(over.reason, 'key_asleep');
  assert.match(over.text, /mandate \\"evaluation\\": its calls are used up/);
  const [listed] = await mine();
  assert.equal(listed.calls_left, 0);
  assert.equal(listed.state, 'used up');
  const log = await gateway.audit(ada, 'kind=admission&operation=chat&limit=50');
  const mandated = log.filter((e) => e.rule === 'mandate:evaluation');
  assert.equal(mandated.length, 3);
  assert.ok(mandated.every((e) => e.object === 'key nightly' && e.user_name === 'ada'));
  await gateway.api('POST', `/v1/mandates/${made.body.id}/revoke`, {}, ada);
});

test('nothing outside it passes, and costs no call', async () => {
  const made = await sign({ models: ['script*'], max_body: 400, calls: 2 });
  assert.equal(made.status, 201);
  const reasons = [
    ['another access point', await ask(`/closed${completions}`)],
    ['where each act is confirmed', await ask(`/vault${completions}`)],
    ['another model', await ask(completions, prompt('hello', { model: 'big' }))],
    ['too long', await ask(completions, prompt('x'.repeat(500)))],
  ];
  for (const [name, answer] of reasons) assert.notEqual(answer.status, 200, name);
  const elsewhere = await Wire.connect(gateway.port, { from: '127.0.0.2' });
  elsewhere.write(post(completions, key, prompt('hello')));
  assert.equal((await elsewhere.reply()).headers['vestibule-reason'], 'key_asleep', 'a thief in another network');
  elsewhere.close();
  assert.equal((await mine()).find((m) => m.id === made.body.id).calls_left, 2);
  assert.equal((await ask()).status, 200);
  await gateway.api('POST', `/v1/mandates/${made.body.id}/revoke`, {}, ada);
});

// The path is judged before the body has come, the whole once it is here: neither may take a call for itself.
test('a call is taken once, however its body comes', async () => {
  const made = await sign({ models: ['script*'], calls: 4 });
  assert.equal(made.status, 201);
  const left = async () => (await mine()).find((m) => m.id === made.body.id).calls_left;
  const inTwo = async (text) => {
    const whole = post(completions, key, text);
    const body = whole.indexOf('\r\n\r\n') + 4;
    const wire = await Wire.connect(gateway.port);
    wire.write(whole.slice(0, body + 5));
    await new Promise((done) => setTimeout(done, 50));
    wire.write(whole.slice(body + 5));
    const reply = await wire.reply();
    wire.close();
    return reply.status === 200 ? 'ok' : reply.headers['vestibule-reason'];
  };
  const inOne = async (text) => {
    const answer = await ask(completions, text);
    return answer.status === 200 ? 'ok' : answer.reason;
  };
  let calls = 4;
  for (const way of [inOne, inTwo, inTwo, inOne]) {
    assert.notEqual(await way(prompt('hello', { model: 'big' })), 'ok');
    assert.equal(await left(), calls, 'what is refused costs nothing');
    assert.equal(await way(prompt('hello')), 'ok');
    assert.equal(await left(), --calls);
  }
  assert.equal(await inOne(prompt('hello')), 'key_asleep');
  assert.equal(await inTwo(prompt('hello')), 'key_asleep');
  await gateway.api('POST', `/v1/mandates/${made.body.id}/revoke`, {}, ada);
});

test('one action ends it, and cuts what runs under it', async () => {
  const made = await sign({ calls: 100 });
  const slow = up.answer;
  up.answer = trickle(50);
  const wire = await Wire.connect(gateway.port);
  wire.write(post(completions, key, prompt('count', { stream: true })));
  assert.equal((await wire.reply({ head: true })).status, 200);
  const at = Date.now();
  await gateway.api('POST', `/v1/mandates/${made.body.id}/revoke`, {}, ada);
  const ended = await wire.end();
  assert.ok(ended - at < soon, `the stream went on for ${ended - at} ms`);
  up.answer = slow;
  assert.equal((await ask()).reason, 'key_asleep');
});

test('the command line shows the whole text before it asks, lists and revokes', async () => {
  const cli = (args, options = {}) => gateway.cli(args, { ...options, env: { VESTIBULE_STATE: path.join(gateway.dir, 'state-ada') } });
  const login = cli(['login', '--name', 'ada', '--password-stdin'], { input: `${password}\n${await ada.totp.next()}\n` });
  assert.equal(login.code, 0, login.err);
  const args = ['mandate', 'sign', 'by hand', '--key', 'nightly', '--access-point', 'main', '--operation', 'chat', '--network', '127.0.0.0/8', '--calls', '5', '--for', '2h'];
  const signed = cli([...args, '--code-stdin'], { input: `${await ada.totp.next()}\n` });
  assert.equal(signed.code, 0, signed.err);
  assert.match(signed.err, /What you are about to sign:[^]*Mandate "by hand" of ada[^]*5 calls/);
  const id = /mandate revoke (mdt_\w+)/.exec(signed.out)?.[1];
  assert.ok(id, signed.out);
  assert.match(cli(['mandate', 'list']).out, /by hand[^\n]*key nightly[^\n]*open[^\n]*5 of 5/);
  const explained = cli(['policy', 'explain', '--access-point', 'main', '--operation', 'chat']);
  assert.match(explained.out, /mandate +will do rule "unattended"/);
  assert.equal(cli(['mandate', 'revoke', id]).code, 0);
  assert.match(cli(['mandate', 'list']).out, /by hand[^\n]*revoked/);
  const wrong = cli([...args.slice(0, -2), '--for', '48h', '--code-stdin'], { input: '1\n' });
  assert.notEqual(wrong.code, 0);
  assert.match(wrong.err, /24 hours/);
});

test('the page shows the whole of it before it asks, and ends it', async (t) => {
  const browser = await launch();
  t.after(() => browser.close());
  const at = await visit(browser, gateway);
  const { page } = at;
  await into(page, gateway, ada);
  await open(page, 'Mandates');
  await look(page, 'mandates');
  await button(page, 'New mandate').click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Name').fill('by page');
  await dialog.getByLabel('Access points').fill('main');
  await dialog.getByLabel('Calling from').fill('nowhere');
  await button(dialog, 'Read it').click();
  await dialog.getByRole('alert').getByText('nowhere').waitFor();
  await dialog.getByLabel('Calling from').fill('127.0.0.1');
  await dialog.getByLabel('Calls at most').fill('1');
  await button(dialog, 'Read it').click();
  const text = dialog.getByLabel('Text of the mandate');
  await text.waitFor();
  for (const part of ['Mandate "by page" of ada', 'key nightly', 'main', 'chat', '127.0.0.1', '1 calls']) {
    assert.ok((await text.innerText()).includes(part), await text.innerText());
  }
  await look(page, 'mandate-sign');
  await dialog.getByLabel('A fresh code confirms').fill(await ada.totp.next());
  await button(dialog, 'Sign').click();
  await page.getByRole('status').getByText('The mandate is signed.').waitFor();
  assert.equal((await ask()).status, 200);
  assert.equal((await ask()).reason, 'key_asleep');
  // Signed elsewhere: the page shows it by itself.
  await sign({ name: 'another' });
  await page.getByRole('button', { name: 'Revoke another' }).click();
  await page.getByRole('status').getByText('another is revoked.').waitFor();
  await at.close();
});
