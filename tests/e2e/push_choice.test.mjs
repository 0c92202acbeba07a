// A choice of numbers on a device, where the policy allows it for sensitivity low: over the wire, at a terminal,
// and in two browsers; and what it does not open.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { accessible, launch, look, visit } from './lib/browser.mjs';
import { Device } from './lib/device.mjs';
import { Gateway, binary, everybody, sleep } from './lib/gateway.mjs';
import { button, into, open } from './lib/portal.mjs';
import { once, post, prompt } from './lib/raw.mjs';
import { Upstream } from './lib/upstream.mjs';

// Ages as short as they may be. What is new would ask for digits.
const rules = (push) => `
[sensitivity.low]
max_age = "12s"
push = "${push}"
[sensitivity.moderate]
max_age = "12s"
[sensitivity.high]
level = 2
max_age = "10s"
[sensitivity.critical]
level = 2
max_age = "10s"
[signal.new_client]
max_age = "24h"
[signal.new_source]
max_age = "24h"
${everybody}`;

async function house(t, { push = 'choice', lab = true } = {}) {
  const up = await Upstream.start();
  // The administration is of sensitivity low here (gateway.mjs), and is asked for digits all the same.
  const gateway = await Gateway.start({
    points: { main: { upstreams: [up.url], sensitivity: 'low' }, ...(lab ? { lab: { upstreams: [up.url], prefix: '/lab', sensitivity: 'moderate' } } : {}) },
    policy: rules(push), config: { notify: { push_loopback: true } },
  });
  t.after(async () => {
    await gateway.stop();
    await up.close();
  });
  const admin = await gateway.setup();
  return { gateway, admin, up };
}
const begin = (gateway, person, kind = 'push_choice', operation = 'prove') =>
  gateway.call('POST', '/v1/challenges', { kind, operation }, person.handle);
const given = (asked) => ({ id: asked.body.challenge, digits: JSON.parse(asked.body.options).digits });
const prove = (gateway, person, id, kind = 'push_choice') => gateway.call('POST', '/v1/prove', { kind, challenge: id, answer: '' }, person.handle);
const lapse = () => sleep(12_500);

let browser;
before(async () => { browser = await launch(); });
after(async () => { await browser?.close(); });

describe('a choice of numbers', { concurrency: true }, () => {

test('opens what is of sensitivity low, and nothing else', async (t) => {
  const { gateway, admin } = await house(t);
  const device = await Device.make();
  await device.enrol(gateway, admin);
  const token = await gateway.token(admin);
  const chat = async (path) => (await once(gateway.port, post(path, token, prompt('hello')))).reason ?? 'ok';
  await lapse();
  assert.equal(await chat('/v1/chat/completions'), 'mfa_lapsed');
  const { access_points: points } = await gateway.api('GET', '/v1/me', undefined, admin);
  const offer = (name) => points.find((p) => p.name === name).offer;
  assert.deepEqual(offer('main'), ['totp', 'push_choice', 'push']);
  assert.deepEqual(offer('lab'), ['totp', 'push']);

  const asked = given(await begin(gateway, admin));
  assert.match(asked.digits, /^[1-9]\d$/);
  const [shown] = (await device.inbox(gateway)).prompts;
  assert.equal(shown.match, 'choose');
  assert.equal(new Set(shown.choices).size, 3);
  assert.ok(shown.choices.includes(asked.digits));
  // A hundred at once: one counts.
  const right = await device.answerCall(asked.id, 'approve', asked.digits);
  assert.equal((await gateway.call('POST', '/v1/devices/answer', { ...right, digits: shown.choices.find((n) => n !== asked.digits) })).reason, 'credential_unknown');
  const ends = await Promise.all(Array.from({ length: 100 }, () => gateway.call('POST', '/v1/devices/answer', right)));
  assert.equal(ends.filter((e) => e.status === 200 && e.body.state === 'approved').length, 1);
  const proofs = await Promise.all(Array.from({ length: 4 }, () => prove(gateway, admin, asked.id)));
  assert.equal(proofs.filter((p) => p.status === 200).length, 1);
  assert.equal(await chat('/v1/chat/completions'), 'ok');
  assert.notEqual(await chat('/lab/v1/chat/completions'), 'ok');
  for (const route of ['/v1/users', '/v1/audit', '/v1/stops']) {
    assert.match((await gateway.call('GET', route, undefined, admin.handle)).reason, /^mfa_/, route);
  }
  assert.equal((await begin(gateway, admin, 'push_choice', 'factor.recovery_codes')).reason, 'push_digits');
  assert.equal((await begin(gateway, await gateway.signIn(admin))).reason, 'push_digits', 'a sign-in takes digits');
  await lapse();
  assert.equal(await chat('/v1/chat/completions'), 'mfa_lapsed', 'it lapses like others');

  // A wrong pick declines; then there are digits alone.
  const second = given(await begin(gateway, admin));
  const [again] = (await device.inbox(gateway)).prompts;
  assert.equal((await device.answer(gateway, second.id, 'approve', again.choices.find((n) => n !== second.digits))).body.state, 'declined');
  assert.equal((await device.answer(gateway, second.id, 'approve', second.digits)).reason, 'conflict');
  assert.equal((await prove(gateway, admin, second.id)).reason, 'code_wrong');
  const refused = await begin(gateway, admin);
  assert.equal(refused.status, 409);
  assert.equal(refused.reason, 'push_digits');
  assert.match(given(await begin(gateway, admin, 'push')).digits, /^\d{6}$/);
  await gateway.prove(admin);
  const records = await gateway.audit(admin);
  const admitted = records.find((r) => r.kind === 'admission' && r.operation === 'chat' && r.outcome === 'allow');
  assert.ok(JSON.stringify(admitted).includes('push_choice'), JSON.stringify(admitted));
  assert.deepEqual((await gateway.verify(admin)).problems, []);
});

test('is refused where the policy does not allow it', async (t) => {
  const { gateway, admin } = await house(t, { push: 'digits' });
  const device = await Device.make();
  await device.enrol(gateway, admin);
  assert.equal((await begin(gateway, admin)).reason, 'push_digits');
  assert.deepEqual((await device.inbox(gateway)).prompts, []);
  assert.equal((await prove(gateway, admin, 'chl_aaaaaaaaaaaaaaaaaaaaaaaaaa')).reason, 'push_digits');
});

for (const { lab, number } of [{ lab: false, number: /Pick this number there: (\d\d)\n/ }, { lab: true, number: /Type this number there: (\d{3} \d{3})/ }]) {
test(`at a terminal: ${lab ? 'six digits where two would not open all that has lapsed' : 'two digits where they do'}, six for a sign-in`, async (t) => {
  const { gateway, admin } = await house(t, { lab });
  // Another person: an administrator's own would be asked for more.
  const bob = await gateway.addUser(admin, 'bob');
  const device = await Device.make();
  await device.enrol(gateway, bob);
  const login = (...args) => {
    const child = spawn(binary, ['login', 'bob', '--push', ...args], {
      env: { PATH: process.env.PATH, HOME: gateway.dir, VESTIBULE_CONFIG: gateway.configFile, VESTIBULE_STATE: gateway.state },
    });
    const run = { out: '', err: '' };
    child.stdout.on('data', (data) => { run.out += data; });
    child.stderr.on('data', (data) => { run.err += data; });
    child.stdin.end('correct horse battery staple\n');
    run.over = new Promise((done) => child.once('close', (code) => done(code)));
    return run;
  };
  const shown = async (run, what) => {
    for (let i = 0; i < 900; ++i, await sleep(50)) {
      const digits = what.exec(run.err);
      if (digits) return digits[1].replace(' ', '');
    }
    throw new Error(`no number was shown: ${run.err}`);
  };
  const first = login('--password-stdin', '--new');
  const six = await shown(first, /Type this number there: (\d{3} \d{3})/);
  assert.equal((await device.answer(gateway, (await device.inbox(gateway)).prompts[0].id, 'approve', six)).body.state, 'approved');
  assert.equal(await first.over, 0, first.err);
  await lapse();
  const second = login();
  const all = await shown(second, number);
  assert.equal((await device.answer(gateway, (await device.inbox(gateway)).prompts[0].id, 'approve', all)).body.state, 'approved');
  assert.equal(await second.over, 0, second.err);
  assert.match(second.out, lab ? /push proved/ : /push_choice proved/);
});
}

test('in two browsers: shown at the one, picked at the other, with the keyboard too', async (t) => {
  const { gateway, admin, up } = await house(t);
  const phone = await visit(browser, gateway);
  await into(phone.page, gateway, admin);
  await open(phone.page, 'My devices');
  await button(phone.page, 'Add a device').click();
  const enrolment = phone.page.getByRole('dialog');
  await enrolment.getByRole('radio', { name: /This browser, asked by push/ }).check();
  await enrolment.getByLabel('Name of this device').fill('Phone browser');
  await enrolment.getByLabel('A fresh code confirms').fill(await admin.totp.next());
  await button(enrolment, 'Continue').click();
  await phone.page.getByRole('status').getByText('Your second factor is enrolled').waitFor();

  const desk = await visit(browser, gateway);
  await into(desk.page, gateway, admin);
  await phone.page.goto(`${gateway.portal}/#/inbox`);
  await phone.page.getByText('Nothing asks for your approval.').waitFor();
  await lapse();
  const { page } = desk;
  await page.getByLabel('Message').fill('What may I do?');
  await button(page, 'Send').click();
  const dialog = page.getByRole('dialog', { name: 'Prove that it is you' });
  await button(dialog, 'Ask my device').click();
  const digits = await dialog.getByLabel('Number to pick on your device').innerText();
  assert.match(digits, /^[1-9]\d$/);
  await look(page, 'asked-choice');
  const card = phone.page.locator('.prompt-card');
  await card.getByRole('group', { name: 'Which number is shown where you asked?' }).waitFor();
  const numbers = await card.locator('fieldset button').allInnerTexts();
  assert.equal(numbers.length, 3);
  assert.ok(numbers.includes(digits));
  await look(phone.page, 'inbox-choice');
  await button(card, digits).focus();
  await phone.page.keyboard.press('Enter');
  await phone.page.getByText('Approved.').waitFor();
  await page.locator('article.assistant .said').getByText('What may I do?').waitFor();
  assert.equal(up.seen.filter((r) => r.target === '/v1/chat/completions').length, 1);

  // Declined: for a while there are digits alone, and the screen asks for them by itself.
  await lapse();
  await page.getByLabel('Message').fill('And now?');
  await button(page, 'Send').click();
  await button(dialog, 'Ask my device').click();
  await dialog.getByLabel('Number to pick on your device').waitFor();
  await button(card, 'Decline').click();
  await dialog.getByRole('alert').getByText('Your device has declined').waitFor();
  await button(dialog, 'Ask my device').click();
  await dialog.getByLabel('Number to type on your device').waitFor();
  await card.getByLabel('Number that is shown where you asked').waitFor();
  await accessible(page, 'digits instead');
  await phone.close();
  await desk.close();
});

});
