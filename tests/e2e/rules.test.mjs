// Rules about factors on the real binary: resets by two administrators, recovery on the host, deadlines
// of enrolment, notices.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test, before, after } from 'node:test';
import { Gateway, password, policy, sleep } from './lib/gateway.mjs';
import { Upstream, chat } from './lib/upstream.mjs';
import { once, post, prompt } from './lib/raw.mjs';

const completions = '/v1/chat/completions';
let up, gateway, ada, bea, cay, mia;
before(async () => {
  up = await Upstream.start(chat);
  gateway = await Gateway.start({ points: { main: { upstreams: [up.url] } }, config: { approval: { wait: '0s' } } });
  ada = await gateway.setup();
  bea = await gateway.addUser(ada, 'bea', ['administrator']);
  cay = await gateway.addUser(ada, 'cay', ['administrator']);
  mia = await gateway.addUser(ada, 'mia');
});
after(async () => {
  await gateway?.stop();
  await up?.close();
});

// The command line of one person, with a session of its own.
const cli = (person, args, options = {}) =>
  gateway.cli(args, { ...options, env: { VESTIBULE_STATE: path.join(gateway.dir, `state-${person.name}`), ...options.env } });
async function login(person, secret = password) {
  const run = cli(person, ['login', '--name', person.name, '--password-stdin'], { input: `${secret}\n${await person.totp.next()}\n` });
  assert.equal(run.code, 0, run.err);
  return run.out;
}
const bound = async (person, target, more = {}) =>
  gateway.call('POST', target, { ...more, code: await person.totp.next() }, person.handle);

test('login shows what happened to the account, notices marks it as read', async () => {
  assert.match(await login(mia), /Since you last looked[^]*A factor was added: totp/);
  const shown = cli(mia, ['notices']);
  assert.equal(shown.code, 0, shown.err);
  assert.match(shown.out, /new[^\n]*A factor was added/);
  assert.doesNotMatch(cli(mia, ['notices']).out, / new /);
});

test('a reset takes two administrators, and the person may object', async () => {
  await login(bea);
  const asked = cli(bea, ['user', 'reset', 'mia', '--code', await bea.totp.next()]);
  assert.equal(asked.code, 0, asked.err);
  const id = /vestibule user approve (rst_\w+)/.exec(asked.out)?.[1];
  assert.ok(id, asked.out);
  assert.doesNotMatch(asked.out, /ve_/, 'a code was given out');
  const { alerts } = await gateway.api('GET', '/v1/me', undefined, mia);
  assert.deepEqual(alerts.map(({ kind, id: of }) => [kind, of]), [['reset_requested', id]]);
  const maker = await bound(ada, `/v1/resets/${id}/approve`);
  assert.equal(maker.reason, 'not_eligible', 'ada has made the account that asks');
  assert.match(cli(mia, ['user', 'decline', id]).out, /declined/);
  assert.equal((await bound(cay, `/v1/resets/${id}/approve`)).reason, 'not_found');
  assert.equal((await gateway.call('GET', '/v1/me', undefined, mia.handle)).status, 200);
});

test('approved four times at once, it makes one code', async () => {
  const asked = await bound(bea, '/v1/users/mia/enrolment-code');
  assert.equal(asked.status, 202, JSON.stringify(asked.body));
  assert.equal(asked.body.approvers, 1);
  const code = await cay.totp.next();
  const answers = await Promise.all(Array.from({ length: 4 }, () =>
    gateway.call('POST', `/v1/resets/${asked.body.request}/approve`, { code }, cay.handle)));
  const right = answers.filter(({ status }) => status === 200);
  assert.equal(right.length, 1, answers.map(({ status, reason }) => reason ?? status).join(' '));
  const enrolled = cli(mia, ['enrol', '--stdin', '--json', '--no-confirm'],
    { input: `${right[0].body.enrolment_code}\nanother battery staple phrase\n` });
  assert.equal(enrolled.code, 0, enrolled.err);
  assert.equal((await gateway.call('GET', '/v1/me', undefined, mia.handle)).status, 401, 'the old session is void');
  const records = (await gateway.audit(cay)).map(({ operation }) => operation);
  for (const operation of ['user.reset_request', 'user.reset_decline', 'user.reset_approve', 'user.enrolment_used']) {
    assert.ok(records.includes(operation), operation);
  }
});

test('the host recovers a lone administrator, and nobody overlooks it', async () => {
  const busy = gateway.cli(['recover', 'ada', '--yes']);
  assert.equal(busy.code, 1);
  assert.match(busy.err, /stop the gateway first/);
  await gateway.stop();
  const others = gateway.cli(['recover', 'ada', '--yes']);
  assert.equal(others.code, 1);
  assert.match(others.err, /bea, cay/);
  assert.equal(gateway.cli(['recover', 'nobody', '--yes', '--despite-others']).code, 1);
  assert.notEqual(gateway.cli(['recover', 'ada', '--despite-others']).code, 0, 'without a terminal nobody can say yes');
  const done = gateway.cli(['recover', 'ada', '--yes', '--despite-others', '--json']);
  assert.equal(done.code, 0, done.err);
  const { enrolment_code: code } = JSON.parse(done.out);
  await gateway.up();

  const me = await gateway.api('GET', '/v1/me', undefined, cay);
  assert.deepEqual(me.alerts.map(({ kind }) => kind), ['host_recovery']);
  assert.match(await login(cay), /! On .* the operator of the host made an enrolment code for ada/);
  const [record] = (await gateway.audit(cay)).filter(({ operation }) => operation === 'user.recover');
  assert.match(record.note, /^ada; although others could have/);
  assert.equal(record.kind, 'system');
  const verified = await gateway.verify(cay);
  assert.deepEqual(verified.problems, []);
  assert.equal((await gateway.call('GET', '/v1/me', undefined, ada.handle)).status, 200, 'nothing is void before the code is used');
  await gateway.api('POST', '/v1/enrol', { code, password: 'another battery staple phrase' });
  assert.equal((await gateway.call('GET', '/v1/me', undefined, ada.handle)).status, 401);
});

test('before a deadline it warns, after it nothing but enrolling is open', async () => {
  const deadline = (role, needs, by) => `\n[[factor_deadline]]\nrole = "${role}"\nneeds = "${needs}"\nby = "${by}"\n`;
  const reload = async (more) => {
    const from = gateway.log.length;
    fs.writeFileSync(gateway.policyFile, policy('1h', more));
    gateway.child.kill('SIGHUP');
    for (let n = 0; n < 2000 && !/policy read/.test(gateway.log.slice(from)); ++n) await sleep(20);
    assert.match(gateway.log.slice(from), /policy read/);
  };
  await reload(deadline('administrator', 'webauthn', '2126-03-01') + deadline('administrator', 'totp', '2020-01-01'));
  const token = await gateway.token(cay);
  assert.equal((await once(gateway.port, post(completions, token, prompt('a')))).status, 200);
  const table = cli(cay, ['coverage']);
  assert.equal(table.code, 0, table.err);
  assert.match(table.out, /administrator +totp +2020-01-01 +2 of 3 +ada/, 'ada was just recovered');
  assert.match(table.out, /administrator +webauthn +2126-03-01 +0 of 3 +ada, bea, cay/);

  await reload(deadline('administrator', 'webauthn', '2020-01-01'));
  up.forget();
  const shut = await once(gateway.port, post(completions, token, prompt('a')));
  assert.equal(shut.reason, 'factor_overdue', `${shut.status} ${shut.body}`);
  assert.equal(shut.status, 403);
  assert.equal(up.seen.length, 0, 'a prompt went upstream');
  for (const [method, target, body] of [['GET', '/v1/users'], ['POST', '/v1/tokens', {}]]) {
    assert.equal((await gateway.call(method, target, body, cay.handle)).reason, 'factor_overdue', target);
  }
  const stopped = await gateway.call('POST', '/v1/stops', { scope: 'user', target: 'ada', why: 'what protects does not wait' }, cay.handle);
  assert.equal(stopped.status, 200, JSON.stringify(stopped));
  const me = await gateway.api('GET', '/v1/me', undefined, cay);
  assert.deepEqual(me.deadlines, [{ needs: 'webauthn', by: '2020-01-01', met: false }]);
  const begun = await bound(cay, '/v1/factors/webauthn');
  assert.equal(begun.status, 200, JSON.stringify(begun.body));

  await reload('');
  assert.equal((await gateway.call('GET', '/v1/users', undefined, cay.handle)).status, 200);
});
