// The portal in a real browser: each page, each way in, the lapse in the middle of a chat, and what other
// sites may not do.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import { after, before, describe, test } from 'node:test';
import { Gateway, binary, password, policy, sleep } from './lib/gateway.mjs';
import { launch, look, scan, visit } from './lib/browser.mjs';
import { house as begin } from './lib/house.mjs';
import { button, confirm, into, open, prove, setupToken as token, signIn } from './lib/portal.mjs';
import { Upstream, chat, chunk, eventStream, piece } from './lib/upstream.mjs';
import { Token } from './lib/totp.mjs';
import { once, post, prompt } from './lib/raw.mjs';

let browser;
before(async () => { browser = await launch(); });
after(async () => { await browser?.close(); });

async function house(t, options) {
  const it = await begin(t, options);
  it.up.answer = talk;
  return it;
}
const cookies = async (context) => (await context.cookies()).map(({ name, value, httpOnly, secure, sameSite, path: where, domain }) => ({ name, value, httpOnly, secure, sameSite, where, domain }));

/// A model that answers as one does, for the pictures; to all else it says back what was said.
const question = 'What is multi-factor authentication?';
const replies = {
  [question]: 'It asks for more than one kind of proof that you are you: something you know, such as a password, and something you have, such as a phone that shows a code.',
};
async function talk(request, socket) {
  const said = /completions$/.test(request.target) ? JSON.parse(request.body.toString()).messages.at(-1).content : '';
  if (!replies[said]) return chat(request, socket);
  socket.write(eventStream);
  for (const word of replies[said].split(' ')) {
    socket.write(chunk(piece('scripted', `${word} `)));
    await sleep(10);
  }
  socket.write(`${chunk('data: [DONE]\n\n')}0\r\n\r\n`);
}

describe('the portal', { concurrency: 4 }, () => {

test('set-up, enrolment with the QR code off the screen, recovery codes, chat, signing in again, devices, sessions', async (t) => {
  const { gateway } = await house(t);
  const at = await visit(browser, gateway);
  const { page, context } = at;
  await page.goto(gateway.portal);
  await page.getByText('Nobody has been set up here yet').waitFor();
  await page.goto(`${gateway.portal}/#/setup/${token(gateway)}`);
  await page.getByRole('heading', { name: 'Set up this gateway' }).waitFor();
  await page.waitForFunction(() => location.hash === '#/setup');  // the token has left the address bar
  await look(page, 'setup');
  await page.getByLabel('Your user name').fill('ada');
  await page.getByLabel('Password').fill('dragondragon');
  await button(page, 'Create the administrator').click();
  await page.getByRole('alert').getByText('too short or too common').waitFor();
  await page.getByLabel('Password').fill(password);
  await button(page, 'Create the administrator').click();

  await page.getByRole('heading', { name: 'Add your second factor' }).waitFor();
  await page.getByLabel('Name of this device').fill('My phone');
  await button(page, 'Continue').click();
  await page.getByLabel('Then enter the code').waitFor();
  await look(page, 'enrol');
  const uri = await scan(page);
  assert.equal(uri.protocol, 'otpauth:');
  const person = { name: 'ada', totp: new Token(uri.searchParams.get('secret')) };
  await page.getByLabel('Then enter the code').fill('000000');
  await button(page, 'Confirm').click();
  await page.getByRole('alert').getByText('not right').waitFor();
  await page.getByLabel('Then enter the code').fill(await person.totp.next());
  await button(page, 'Confirm').click();
  await page.getByRole('heading', { name: 'Your recovery codes' }).waitFor();
  const codes = await page.locator('.recovery-codes code').allInnerTexts();
  assert.equal(codes.length, 10);
  await look(page, 'recovery-codes');
  const saved = page.waitForEvent('download');
  await button(page, 'Download').click();
  const file = await (await saved).path();
  assert.equal(fs.readFileSync(file, 'utf8'), `${codes.join('\n')}\n`);
  assert.ok(await button(page, 'Done').isDisabled(), 'one cannot go on without them');
  await page.getByLabel('I have stored them').check();
  await button(page, 'Done').click();

  await page.getByRole('heading', { name: 'Chat', level: 1 }).waitFor();
  const [cookie, ...others] = await cookies(context);
  assert.deepEqual(others, []);
  assert.deepEqual({ ...cookie, value: cookie.value.slice(0, 3) },
                   { name: '__Host-vestibule', value: 'vs_', httpOnly: true, secure: true, sameSite: 'Strict', where: '/', domain: 'localhost' });
  assert.equal(await page.evaluate(() => document.cookie), '');
  assert.equal(await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage })), '{}');

  await page.getByLabel('Message').fill('<img src=x onerror=alert(1)> **bold** and a\u00a0word');
  await page.keyboard.press('Enter');
  const answer = page.locator('article.assistant .said');
  await answer.getByText('word').waitFor();
  assert.equal(await answer.locator('*').count(), 0, 'what a model says is text');
  await button(page, 'New conversation').click();
  await look(page, 'chat-empty');
  await button(page, question).click();
  await page.getByText('shows a code.').first().waitFor();
  await look(page, 'chat');

  await open(page, 'My devices');
  await page.getByRole('heading', { name: 'My phone' }).waitFor();
  await look(page, 'devices');
  await button(page, 'Add a device').click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Name of this device').fill('Tablet');
  await dialog.getByLabel('A fresh code confirms').fill(await person.totp.next());
  await button(dialog, 'Continue').click();
  const tablet = new Token((await scan(page)).searchParams.get('secret'));
  await dialog.getByLabel('Then enter the code').fill(await tablet.next());
  await button(dialog, 'Confirm').click();
  await page.getByRole('status').getByText('Your second factor is enrolled').waitFor();
  await page.getByRole('button', { name: 'Remove My phone' }).click();
  await look(page, 'act');
  await confirm(page, { totp: tablet }, 'Remove');
  await page.getByText('The device was removed.').waitFor();
  assert.equal(await page.getByRole('heading', { name: 'My phone' }).count(), 0);
  assert.equal(await page.getByRole('button', { name: 'Remove Tablet' }).count(), 0, 'the last one stays');

  const ada = { name: 'ada', totp: tablet };
  await button(page, 'Sign out').click();
  await page.getByText('You have signed out.').waitFor();
  assert.deepEqual(await cookies(context), []);
  await look(page, 'sign-in');
  await page.getByLabel('User name').fill('ada');
  await page.getByLabel('Password').fill('not the right one at all');
  await button(page, 'Continue').click();
  await page.getByRole('alert').getByText('Name or password are not right').waitFor();
  await signIn(page, gateway, 'ada');
  await look(page, 'second-factor');
  await page.getByText('I cannot use my second factor').click();
  await look(page, 'recovery');
  await page.goBack();
  await page.getByRole('heading', { name: 'Your second factor' }).waitFor();
  await prove(page, ada);

  // The same person at another browser, and out again from here.
  const other = await visit(browser, gateway);
  await into(other.page, gateway, ada);
  await open(page, 'My sessions');
  await page.getByText('This one').waitFor();
  await look(page, 'sessions');
  await button(page, 'End all others').click();
  await page.getByText('All other sessions have ended.').waitFor();
  await other.page.getByText('Your session has ended.').waitFor();
  await other.close();
  await at.close();
});

test('a proof that lapses: the dialog comes, and the prompt goes on by itself', async (t) => {
  const { gateway, up } = await house(t, { policy: policy('20s') });
  const person = await gateway.setup();
  const at = await visit(browser, gateway);
  const { page } = at;
  await into(page, gateway, person);
  await button(page, question).click();
  await page.getByText('Your proof has lapsed').waitFor();
  await sleep(1500);  // the page says so up to a second early
  await page.getByText('shows a code.').first().waitFor();
  up.forget();
  await page.getByLabel('Message').fill('And which factors can I use here?');
  await button(page, 'Send').click();
  const dialog = page.getByRole('dialog', { name: 'Prove that it is you' });
  await dialog.waitFor();
  await page.getByText('Held until you have proved').waitFor();
  assert.deepEqual(up.seen.filter((one) => one.method !== 'GET'), [], 'no byte of the prompt went on');
  await look(page, 'step-up');
  await dialog.getByLabel('Code').fill('000000');
  await button(dialog, 'Prove').click();
  await dialog.getByRole('alert').getByText('not right').waitFor();
  assert.ok(await dialog.getByLabel('Code').evaluate((e) => e === document.activeElement), 'the eye is where it can be mended');
  await dialog.getByLabel('Code').fill(await person.totp.next());
  await button(dialog, 'Prove').click();
  await page.locator('article.assistant .said').getByText('And which factors can I use here?').waitFor();
  assert.equal(await dialog.count(), 0);
  const [asked] = up.seen.filter((r) => r.target === '/v1/chat/completions');
  assert.equal(asked.get('cookie'), undefined, 'the model server sees no cookie');
  assert.equal(asked.get('authorization'), undefined);
  assert.equal(asked.get('origin'), undefined);
  assert.doesNotMatch(asked.raw, /vs_/);
  // Who does not want to prove anything keeps the prompt and is told why.
  await page.getByText('Your proof has lapsed').waitFor();
  await sleep(1500);
  await page.getByLabel('Message').fill('again');
  await button(page, 'Send').click();
  await dialog.waitFor();
  await page.keyboard.press('Escape');
  await page.locator('article').getByRole('alert').getByText('lapsed').waitFor();
  await at.close();
});

test('users: created, enrolled, disabled; the log as it grows; the emergency stop', async (t) => {
  const { gateway } = await house(t);
  const admin = await gateway.setup();
  const at = await visit(browser, gateway);
  const { page } = at;
  await into(page, gateway, admin);
  await open(page, 'Users');
  await button(page, 'New user').click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('User name').fill('mia');
  await dialog.getByLabel('Full name').fill('Mia Wallace');
  await confirm(page, admin, 'Create');
  await page.getByRole('dialog', { name: 'mia was created' }).waitFor();
  const code = await dialog.locator('.secret code').innerText();
  await look(page, 'enrolment-code');
  await button(dialog, 'Done').click();
  await page.getByRole('heading', { name: 'Mia Wallace' }).waitFor();

  const hers = await visit(browser, gateway);
  await hers.page.goto(`${gateway.portal}/#/enrol`);
  await look(hers.page, 'enrol-code');
  await hers.page.getByLabel('Enrolment code').fill(code);
  await hers.page.getByLabel('New password').fill(password);
  await button(hers.page, 'Continue').click();
  await hers.page.getByRole('heading', { name: 'Add your second factor' }).waitFor();
  await button(hers.page, 'Continue').click();
  const mia = { name: 'mia', totp: new Token((await scan(hers.page)).searchParams.get('secret')) };
  await hers.page.getByLabel('Then enter the code').fill(await mia.totp.next());
  await button(hers.page, 'Confirm').click();
  await hers.page.getByLabel('I have stored them').check();
  await button(hers.page, 'Done').click();
  await hers.page.getByRole('heading', { name: 'Chat', level: 1 }).waitFor();
  assert.equal(await hers.page.getByRole('link', { name: 'Users' }).count(), 0, 'she administers nothing');

  await look(page, 'users');
  await open(page, 'Live decisions');
  await page.getByText('Live', { exact: true }).waitFor();
  await hers.page.getByLabel('Message').fill('seen at once');
  await hers.page.keyboard.press('Enter');
  await hers.page.locator('article.assistant .said').getByText('seen at once').waitFor();
  const row = page.getByRole('row').filter({ hasText: 'mia' }).filter({ hasText: 'main chat' });
  await row.first().waitFor();
  assert.match(await row.first().innerText(), /totp, \d+ (s|min) ago/);
  await look(page, 'decisions');
  await open(page, 'Status');
  await page.getByText('All is well').waitFor();
  await look(page, 'status');

  await open(page, 'Emergency stop');
  await page.getByText('Nothing is stopped.').waitFor();
  await page.getByLabel('Why').fill('a drill');
  await button(page, 'Stop now').click();
  await page.getByRole('heading', { name: 'Everything is stopped' }).waitFor();
  await look(page, 'stop');
  await hers.page.getByLabel('Message').fill('and now');
  await hers.page.keyboard.press('Enter');
  await hers.page.getByText('Access is stopped at present').first().waitFor();
  await page.getByRole('button', { name: 'Lift Everything is stopped' }).click();
  await confirm(page, admin, 'Lift');
  await page.getByText('Nothing is stopped.').waitFor();
  await open(page, 'Chat');
  await open(page, 'Users');
  await page.getByLabel('Change mia').click();
  await page.getByRole('button', { name: 'Disable' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Disable', exact: true }).click();
  await page.locator('li').filter({ hasText: 'mia' }).getByText('Disabled').waitFor();
  await hers.page.getByText('Your session has ended.').waitFor();
  await hers.close();
  await at.close();
});

test('the address with the set-up token is for a terminal only', async (t) => {
  const { gateway } = await house(t);
  assert.match(gateway.log, new RegExp(`portal: ${gateway.portal}/#/setup/ and the token in .*setup-token`));
  assert.ok(!gateway.log.includes(token(gateway)), 'the token is in the log');
  await gateway.stop();
  const child = spawn('script', ['-qfec', `exec '${binary}' serve --config '${gateway.configFile}'`, '/dev/null'],
                      { env: { PATH: process.env.PATH, HOME: gateway.dir, TERM: 'xterm' } });
  let out = '';
  child.stdout.on('data', (data) => { out += data; });
  const closed = new Promise((done) => child.on('close', done));
  for (let n = 0; n < 3000 && !/setup\/\S+\r?\n/.test(out); ++n) await sleep(20);
  const address = /portal: (\S+#\/setup\/\S+)/.exec(out)?.[1];
  assert.equal(address, `${gateway.portal}/#/setup/${token(gateway)}`);
  const at = await visit(browser, gateway);
  await at.page.goto(address);
  await at.page.getByRole('heading', { name: 'Set up this gateway' }).waitFor();
  assert.equal(await at.page.getByLabel('Set-up token').count(), 0, 'it is there already');
  await at.close();
  child.stdin.write('\x03');
  await closed;
});

test('recovery: a code of the list lets one enrol anew, once', async (t) => {
  const { gateway } = await house(t);
  const token_ = token(gateway);
  const made = await gateway.api('POST', '/v1/setup', { token: token_, name: 'ada', password });
  const begun = await gateway.api('POST', '/v1/factors/totp', {}, made);
  const first = new Token(begun.secret);
  const { recovery_codes: codes } = await gateway.api('POST', `/v1/factors/${begun.id}/confirm`, { code: await first.next() }, made);
  const at = await visit(browser, gateway, { width: 360, height: 740 });
  const { page } = at;
  await signIn(page, gateway, 'ada');
  await page.getByText('I cannot use my second factor').click();
  await page.getByLabel('Recovery code', { exact: true }).fill('aaaa-bbbb-cccc-dddd');
  await button(page, 'Use this code').click();
  await page.getByRole('alert').getByText('not right').waitFor();
  await page.getByLabel('Recovery code', { exact: true }).fill(codes[0]);
  await button(page, 'Use this code').click();
  await page.getByRole('heading', { name: 'Add your second factor' }).waitFor();
  await button(page, 'Continue').click();
  const fresh = new Token((await scan(page)).searchParams.get('secret'));
  await page.getByLabel('Then enter the code').fill(await fresh.next());
  await button(page, 'Confirm').click();
  await page.getByLabel('I have stored them').check();
  await button(page, 'Done').click();
  await page.getByRole('heading', { name: 'Chat', level: 1 }).waitFor();
  // On a phone the navigation folds up.
  await button(page, /^Menu/, false).click();
  await page.getByRole('navigation').getByRole('link', { name: 'My devices' }).click();
  await page.getByRole('heading', { name: 'My devices', level: 1 }).waitFor();
  assert.ok(await page.getByRole('navigation').isHidden());
  await at.close();
});

test('the keyboard alone is enough', async (t) => {
  const { gateway } = await house(t);
  const admin = await gateway.setup();
  const at = await visit(browser, gateway);
  const { page } = at;
  await page.goto(gateway.portal);
  await page.getByLabel('User name').waitFor();
  await page.keyboard.press('Tab');
  await page.keyboard.type('ada');
  await page.keyboard.press('Tab');
  await page.keyboard.type(password);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Your second factor' }).waitFor();
  await page.waitForFunction(() => document.activeElement?.inputMode === 'numeric');
  await page.keyboard.type(await admin.totp.next());
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Chat', level: 1 }).waitFor();
  await page.reload();
  await page.getByRole('heading', { name: 'Chat', level: 1 }).waitFor();
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Skip to the content');
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
  await at.close();
});

test('other sites, frames and doors: nothing of the session works anywhere else', async (t) => {
  const { gateway, up } = await house(t, { point: { tools: 'open' } });  // what cannot be read for tool calls goes nowhere otherwise
  const admin = await gateway.setup();
  const at = await visit(browser, gateway);
  const { page, context } = at;
  await into(page, gateway, admin);
  const cookie = (await cookies(context))[0].value;

  // The cookie opens no access point, by its own name or as a token, and nothing on the control socket.
  const body = JSON.stringify(prompt('hello'));
  const raw = (fields) => once(gateway.port, `POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${fields}Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`);
  up.forget();
  assert.equal((await raw(`Cookie: __Host-vestibule=${cookie}\r\n`)).reason, 'credential_missing');
  assert.equal((await once(gateway.port, post('/v1/chat/completions', cookie, prompt('hello')))).reason, 'credential_audience');
  assert.equal((await raw(`Cookie: __Host-vestibule=${cookie}\r\nOrigin: ${gateway.portal}\r\nSec-Fetch-Site: same-origin\r\n`)).reason, 'credential_missing');
  // Nor does a token open the portal's chat, with or without the cookie.
  const access = await gateway.token(admin);
  const own = `Host: localhost\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Dest: empty\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n`;
  const ask = (fields) => once(gateway.portalPort, `POST /chat/main/v1/chat/completions HTTP/1.1\r\n${own}${fields}\r\n${body}`);
  assert.equal((await ask(`Authorization: Bearer ${access}\r\n`)).reason, 'credential_malformed');
  assert.equal((await ask(`Authorization: Bearer ${access}\r\nCookie: __Host-vestibule=${cookie}\r\n`)).reason, 'credential_malformed');
  assert.equal((await ask('')).reason, 'credential_missing');
  assert.equal((await ask('Cookie: __Host-vestibule=vs_garbage\r\n')).reason, 'credential_malformed');
  // The page's own list of models may have come meanwhile; a prompt has not.
  assert.deepEqual(up.seen.filter((one) => one.method !== 'GET'), []);

  // Another origin on the same host: its scripts, forms and frames.
  const evil = http.createServer((request, response) => {
    response.setHeader('Content-Type', 'text/html');
    response.end(`<title>evil</title><iframe name="into"></iframe><form id="f" method="post" target="into" enctype="text/plain" action="${gateway.portal}/v1/stops"><input name='{"scope":"all","x":"' value='"}'></form>`);
  }).listen(0, '127.0.0.1');
  t.after(() => evil.close());
  await new Promise((done) => evil.once('listening', done));
  const theirs = await context.newPage();
  for (const host of ['localhost', '127.0.0.1']) {
    await theirs.goto(`http://${host}:${evil.address().port}/`);
    const tried = await theirs.evaluate(async (portal) => {
      const outcome = async (run) => { try { const r = await run(); return `${r.type} ${r.status}`; } catch (e) { return e.name; } };
      const json = { method: 'POST', credentials: 'include', body: '{"scope":"all"}' };
      return {
        read: await outcome(() => fetch(`${portal}/v1/me`, { credentials: 'include' })),
        act: await outcome(() => fetch(`${portal}/v1/stops`, { ...json, headers: { 'Content-Type': 'application/json' } })),
        simple: await outcome(() => fetch(`${portal}/v1/stops`, { ...json, mode: 'no-cors' })),
        script: await new Promise((done) => { const s = document.createElement('script'); s.src = `${portal}/v1/me`; s.onload = () => done('loaded'); s.onerror = () => done('refused'); document.head.append(s); }),
      };
    }, gateway.portal);
    assert.deepEqual(tried, { read: 'TypeError', act: 'TypeError', simple: 'TypeError', script: 'refused' }, host);
    await theirs.evaluate(() => document.getElementById('f').submit());
    await theirs.evaluate((portal) => { const f = document.createElement('iframe'); f.name = 'framed'; f.src = portal; document.body.append(f); }, gateway.portal);
    await sleep(500);
    for (const frame of theirs.frames()) assert.equal(await frame.locator('#app').count().catch(() => 0), 0, `framed: ${frame.url()}`);
  }
  assert.deepEqual((await gateway.api('GET', '/v1/stops', undefined, admin)).stops, [], 'nothing was stopped from elsewhere');
  await theirs.close();

  // What a hostile model server sends is never a page of the portal's origin.
  up.answer = async (request, socket) => {
    const page_ = '<script>top.pwned = 1</script>';
    socket.write(`HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nSet-Cookie: __Host-vestibule=vs_evil; Path=/; Secure\r\nAccess-Control-Allow-Origin: *\r\nClear-Site-Data: "*"\r\nRefresh: 0;url=//evil.example\r\nCache-Control: max-age=9999\r\nContent-Length: ${page_.length}\r\n\r\n${page_}`);
  };
  const reply = await page.evaluate(async () => {
    const r = await fetch('/chat/main/v1/chat/completions', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{"model":"m","messages":[{"role":"user","content":"x"}]}' });
    return { status: r.status, headers: Object.fromEntries(r.headers) };
  });
  assert.equal(reply.status, 200);
  assert.match(reply.headers['content-security-policy'], /sandbox/);
  assert.equal(reply.headers['x-content-type-options'], 'nosniff');
  assert.equal(reply.headers['cache-control'], 'no-store');
  const refused = await page.evaluate(async () => Object.fromEntries((await fetch('/chat/main/nowhere')).headers));
  assert.match(refused['content-security-policy'], /sandbox/);
  assert.equal(refused['cache-control'], 'no-store');
  for (const name of ['clear-site-data', 'refresh', 'access-control-allow-origin', 'set-cookie']) assert.equal(reply.headers[name], undefined, name);
  assert.equal((await cookies(context))[0].value, cookie);
  const direct = await page.goto(`${gateway.portal}/chat/main/v1/models`);
  assert.equal(direct.status(), 403, 'not to be opened as a page');
  await context.close();
});

});
