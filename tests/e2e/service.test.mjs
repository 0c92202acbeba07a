// Service accounts on the real binary: people answer for what programs do, and nothing opens without them.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import * as openid from 'openid-client';
import { Gateway, password, policy, sleep } from './lib/gateway.mjs';
import { launch, look, visit } from './lib/browser.mjs';
import { button, into, open } from './lib/portal.mjs';
import { Wire, once, post, prompt, soon } from './lib/raw.mjs';
import { Counter } from './lib/totp.mjs';
import { Upstream, chat, trickle } from './lib/upstream.mjs';

const unattended = `
[[rule]]
name = "unattended"
effect = "allow"
who = ["role:member"]
access_point = ["main"]
mandate = true
`;
const completions = '/main/v1/chat/completions';
let up, gateway, ada, alice, bob, key;
before(async () => {
  up = await Upstream.start(async (r, socket) => (r.target.endsWith('/models') || !JSON.parse(r.body).stream ? chat(r, socket) : trickle(20)(r, socket)));
  gateway = await Gateway.start({ points: { main: { upstreams: [up.url], prefix: '/main', hold: '45s' } }, policy: policy('1h', unattended) });
  ada = await gateway.setup();
  await gateway.giveToken(ada);
  [alice, bob] = [await gateway.addUser(ada, 'alice'), await gateway.addUser(ada, 'bob')];
  for (const person of [alice, bob]) {  // codes without a wait; one after the other, as ada's token counts
    const hotp = new Counter();
    const serial = `HT-${person.name}`;
    await gateway.api('POST', '/v1/hardware-tokens', { csv: `${serial},${hotp.key.toString('hex')},6,0`, ...await gateway.code(ada) }, ada);
    const begun = await gateway.api('POST', '/v1/factors/hotp', { serial, code: await person.totp.next() }, person);
    await gateway.api('POST', `/v1/factors/${begun.id}/confirm`, { code: hotp.next() }, person);
    person.hotp = hotp;
  }
});
after(async () => {
  await gateway?.stop();
  await up?.close();
});

const as = async (person, target, body = {}) => gateway.api('POST', target, { ...body, ...await gateway.code(person) }, person);
const ask = async (secret, more = 'Prefer: wait=0\r\n') => {
  const answer = await once(gateway.port, post(completions, secret, prompt('hello'), more));
  return { status: answer.status, reason: answer.headers['vestibule-reason'] ?? 'ok', text: answer.body.toString() };
};
const seen = async (person) => (await gateway.api('GET', '/v1/services', undefined, person)).services.find((s) => s.name === 'crawler');
const waiting = async (person) => (await gateway.api('GET', '/v1/approvals', undefined, person)).approvals;

test('a sponsor makes it, a deputy accepts, a key sleeps, a held call is approved and passes', async () => {
  await as(alice, '/v1/services', { name: 'crawler' });
  await as(alice, '/v1/services/crawler/deputies', { person: 'bob' });
  const offer = (await seen(bob)).offered_deputy;
  assert.match(offer.text, /crawler[^]*You, bob, as its deputy[^]*alice/);
  await as(bob, '/v1/services/crawler/accept', { part: 'deputy' });
  ({ key } = await as(alice, '/v1/keys', { name: 'nightly', service: 'crawler' }));
  const before_ = up.seen.length;
  assert.equal((await ask(key)).reason, 'key_asleep');
  assert.equal(up.seen.length, before_, 'no byte went on');

  const held = ask(key, '');
  let asked;
  for (let n = 0; n < 1000 && !asked; ++n, await sleep(25)) [asked] = await waiting(bob);
  assert.ok(asked, 'a deputy is asked as well');
  assert.equal(asked.credential, 'service crawler, key nightly');
  assert.equal((await waiting(ada)).length, 0, 'an administrator is not');
  await as(alice, `/v1/approvals/${asked.id}/approve`);
  const answer = await held;
  assert.equal(answer.status, 200, answer.text);
  assert.equal((await ask(key)).status, 200, 'open from here for a while');
  const [record] = (await gateway.audit(ada, 'limit=50&kind=admission&access_point=main&user=crawler'));
  assert.equal(record.user_name, 'alice');
  assert.equal(record.object, 'service crawler, key nightly');
});

test('a signed statement by openid-client gets a token that is worth what was opened', async () => {
  const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
  const jwk = await crypto.subtle.exportKey('jwk', pair.publicKey);
  delete jwk.key_ops;
  delete jwk.ext;
  const { id } = await as(alice, '/v1/keys', { name: 'ci', service: 'crawler', jwk: JSON.stringify(jwk) });
  const config = await openid.discovery(new URL(gateway.portal), 'crawler', undefined, openid.PrivateKeyJwt(pair.privateKey),
    { execute: [openid.allowInsecureRequests], algorithm: 'oauth2' });
  const resource = `${gateway.url}/main`;
  const tokens = await openid.clientCredentialsGrant(config, { resource });
  assert.equal(tokens.token_type, 'bearer');
  assert.ok(tokens.expires_in <= 600);
  assert.equal(tokens.refresh_token, undefined);
  assert.equal((await ask(tokens.access_token)).reason, 'key_asleep');
  await as(bob, `/v1/keys/${id}/unlock`, { source: '127.0.0.1', lasts_s: 3600 });
  assert.equal((await ask(tokens.access_token)).status, 200);
  const next = await openid.clientCredentialsGrant(config, { resource });
  assert.equal((await ask(next.access_token)).status, 200, 'the next token needs nobody');
  const portal = await gateway.call('GET', '/v1/me', undefined, next.access_token);
  assert.equal(portal.reason, 'credential_audience');
  await assert.rejects(openid.clientCredentialsGrant(config, { resource: `${gateway.url}/elsewhere` }), (e) => e.error === 'invalid_target');
  const other = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
  const thief = await openid.discovery(new URL(gateway.portal), 'crawler', undefined, openid.PrivateKeyJwt(other.privateKey),
    { execute: [openid.allowInsecureRequests], algorithm: 'oauth2' });
  await assert.rejects(openid.clientCredentialsGrant(thief, { resource }), (e) => e.error === 'invalid_client');
});

test('the page: what is asked is read and accepted, and keys are made there', async () => {
  const browser = await launch();
  try {
    for (const dark of [false, true]) {
      const { page } = await visit(browser, gateway, { dark });
      await into(page, gateway, alice);
      await open(page, 'Services');
      await page.getByRole('heading', { name: /crawler/ }).waitFor();
      await page.getByText('Deputies: bob').waitFor();
      await look(page, 'services');
      await button(page, 'New service account').click();
      await page.getByRole('dialog').getByLabel('Name').waitFor();
      await look(page, 'service-new');
      await page.keyboard.press('Escape');
      await button(page, 'Keys crawler').click();
      await page.getByRole('heading', { name: 'Keys of crawler' }).waitFor();
      await page.getByRole('heading', { name: /nightly/ }).waitFor();
      await look(page, 'service-keys');
      await page.context().close();
    }
  } finally {
    await browser.close();
  }
});

test('a mandate that its sponsor signs covers what nobody attends', async () => {
  const { key: batch } = await as(alice, '/v1/keys', { name: 'batch', service: 'crawler' });
  assert.equal((await ask(batch)).reason, 'key_asleep');
  const wish = {
    name: 'night', key: 'batch', service: 'crawler', access_points: ['main'], operations: ['chat'], networks: ['127.0.0.1'], calls: 2,
    starts: new Date(Date.now() - 1000).toISOString(), ends: new Date(Date.now() + 3_600_000).toISOString(),
  };
  const refused = await gateway.call('POST', '/v1/mandates', { ...wish, ...await gateway.code(bob) }, bob.handle);
  assert.equal(refused.reason, 'not_found', 'a deputy signs none');
  await as(alice, '/v1/mandates', wish);
  assert.equal((await ask(batch)).status, 200);
  assert.equal((await ask(batch)).status, 200);
  assert.equal((await ask(batch)).reason, 'key_asleep', 'used up');
  const [record] = await gateway.audit(ada, 'limit=5&kind=admission&access_point=main&user=crawler');
  assert.equal(record.rule, 'mandate:night');
});

test('its sponsor disabled: what runs is cut, and it sleeps until the deputy takes over', async () => {
  const wire = await Wire.connect(gateway.port);
  wire.write(post(completions, key, prompt('go', { stream: true })));
  for (let n = 0; n < 2000 && !/tick2 /.test(wire.buffer.toString()); ++n) await sleep(20);
  assert.match(wire.buffer.toString(), /^HTTP\/1\.1 200 [^]*tick2 /);
  const began = Date.now();
  await gateway.api('POST', '/v1/users/alice/disable', {}, ada);
  const ended = await wire.end();
  assert.ok(ended - began < soon, `cut after ${ended - began} ms`);
  const refused = await ask(key);
  assert.equal(refused.status, 401);
  assert.equal(refused.reason, 'service_asleep');
  assert.match(refused.text, /taking over/);
  assert.ok((await seen(bob)).take_over, 'the deputy is told what he can do');
  await as(bob, '/v1/services/crawler/take-over');
  assert.equal((await ask(key)).reason, 'key_asleep', 'nothing of before is open');
  const held = ask(key, '');
  let asked;
  for (let n = 0; n < 1000 && !asked; ++n, await sleep(25)) [asked] = await waiting(bob);
  await as(bob, `/v1/approvals/${asked.id}/approve`);
  assert.equal((await held).status, 200);
  const [record] = (await gateway.audit(ada, 'limit=50&kind=admission&access_point=main&user=crawler'));
  assert.equal(record.user_name, 'bob');
  await as(bob, '/v1/services/crawler/remove');
  assert.equal((await ask(key)).reason, 'credential_unknown');
});

test('the command line', async () => {
  const carol = await gateway.addUser(ada, 'carol');
  const cli = async (args, ...more) => gateway.cli(args, { input: `${more.join('\n')}\n` });
  const code = () => carol.totp.next();
  const signed = await cli(['login', '--name', 'carol', '--password-stdin', '--json'], password, await code());
  assert.equal(signed.code, 0, signed.err);
  const made = await cli(['service', 'create', 'indexer', '--code-stdin'], await code());
  assert.equal(made.code, 0, made.err);
  assert.match(made.out, /you answer for it/);
  const created = await cli(['key', 'create', 'k', '--service', 'indexer', '--code-stdin'], await code());
  assert.match(created.out, /vk_[A-Za-z0-9_-]{54}[^]*vestibule key unlock indexer\/k/, created.err);
  assert.match((await cli(['service', 'list'])).out, /indexer +awake +member +carol/);
  assert.match((await cli(['key', 'list', '--user', 'indexer'])).out, /k +indexer .*asleep/);
  assert.match((await cli(['service', 'show', 'indexer'])).out, /Sponsor: +carol/);
  assert.equal((await cli(['key', 'revoke', 'indexer/k'])).code, 0);
  const left = await cli(['service', 'dismiss', 'indexer', 'carol']);
  assert.equal(left.code, 0, left.err);
  assert.notEqual((await cli(['service', 'take-over', 'indexer'])).code, 0);
});
