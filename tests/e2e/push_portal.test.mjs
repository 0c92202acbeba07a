// A browser as a device: enrolled, asked by push, answered with the right and a wrong number, at a page that
// needs no session; a push delivered to the service worker says nothing.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, describe, test } from 'node:test';
import { Gateway, password, sleep } from './lib/gateway.mjs';
import { accessible, launch, look, visit } from './lib/browser.mjs';
import { button, into, open } from './lib/portal.mjs';
import { PushService, useService } from './lib/push.mjs';
import { Upstream } from './lib/upstream.mjs';

let browser;
before(async () => { browser = await launch(); });
after(async () => { await browser?.close(); });

async function house(t) {
  const up = await Upstream.start();
  t.after(() => up.close());
  const service = await PushService.start();
  t.after(() => service.close());
  const gateway = await Gateway.start({ points: { main: { upstreams: [up.url] } }, config: { notify: { push_loopback: true } } });
  t.after(() => gateway.stop());
  return { gateway, service };
}
/// Enrols `at`, where the person is signed in, as a device; gives what delivers pushes to it.
async function enrol(at, gateway, service, person) {
  const deliver = await useService(at, gateway, service);
  const { page } = at;
  await into(page, gateway, person);
  await page.evaluate(() => navigator.serviceWorker.ready);
  await open(page, 'My devices');
  await button(page, 'Add a device').click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('radio', { name: /This browser, asked by push/ }).check();
  await look(page, 'enrol-device');
  await dialog.getByLabel('Name of this device').fill('Phone browser');
  await dialog.getByLabel('A fresh code confirms').fill(await person.totp.next());
  await button(dialog, 'Continue').click();
  await dialog.getByText('A push with a code is on its way').waitFor();
  await deliver(await service.next('enrol'));
  await page.getByRole('status').getByText('Your second factor is enrolled').waitFor();
  await page.getByRole('heading', { name: 'Phone browser This browser' }).waitFor();
  return deliver;
}
/// At another browser: password, then the question to the device; gives the number shown.
async function asks(page, gateway, name) {
  await page.goto(gateway.portal);
  await page.getByLabel('User name').fill(name);
  await page.getByLabel('Password').fill(password);
  await button(page, 'Continue').click();
  await page.getByRole('heading', { name: 'Your second factor' }).waitFor();
  await button(page, 'Ask my device').click();
  return (await page.getByLabel('Number to type on your device').innerText()).replace(/\D/g, '');
}

describe('push', { concurrency: true }, () => {

test('enrolled; asked by push; the right number opens, a wrong one declines, "not me" ends the session', async (t) => {
  const { gateway, service } = await house(t);
  const admin = await gateway.setup();
  const phone = await visit(browser, gateway, { width: 360, height: 740 });
  // The inbox of a browser that is no device, without a session.
  await phone.page.goto(`${gateway.portal}/#/inbox`);
  await phone.page.getByText('This browser is not one of your devices').waitFor();
  await accessible(phone.page, 'inbox of no device');
  await phone.close();

  const device = await visit(browser, gateway);
  const deliver = await enrol(device, gateway, service, admin);
  const kept = await device.page.evaluate(async () => {
    const db = await new Promise((done) => { const r = indexedDB.open('vestibule'); r.onsuccess = () => done(r.result); });
    const [one] = await new Promise((done) => { const r = db.transaction('devices').objectStore('devices').getAll(); r.onsuccess = () => done(r.result); });
    const outcome = await crypto.subtle.exportKey('pkcs8', one.key).then(() => 'exported', (e) => e.name);
    return { extractable: one.key.extractable, outcome };
  });
  assert.deepEqual(kept, { extractable: false, outcome: 'InvalidAccessError' });

  // The device needs no session of its own.
  await button(device.page, 'Sign out').click();
  await device.page.getByText('You have signed out.').waitFor();
  await device.page.goto(`${gateway.portal}/#/inbox`);
  await device.page.getByText('Nothing asks for your approval.').waitFor();
  await accessible(device.page, 'empty inbox');

  const asking = await visit(browser, gateway);
  const digits = await asks(asking.page, gateway, 'ada');
  assert.match(digits, /^\d{6}$/);
  const message = await service.next('prompt');
  assert.deepEqual(JSON.parse(message), { v: 1, type: 'prompt' }, 'nothing of who or what');
  await deliver(message);
  const shown = await device.page.evaluate(async () => {
    const registration = await navigator.serviceWorker.ready;
    for (let i = 0; i < 600; ++i) {
      const [one] = await registration.getNotifications();
      if (one) return { title: one.title, body: one.body };
      await new Promise((next) => setTimeout(next, 50));
    }
    return null;
  });
  assert.equal(shown?.title, 'Somebody asks for your approval');
  assert.doesNotMatch(`${shown.title} ${shown.body}`, /\bada\b|Chromium|localhost/i);

  const card = device.page.locator('.prompt-card');
  await card.waitFor();
  const text = await card.innerText();
  for (const part of [/ada/, /Who/, /From/, /With/, /Since/, /Ends/]) assert.match(text, part);
  assert.ok(!text.includes(digits), 'the number stands where it was asked for, and only there');
  assert.ok(await button(card, 'Approve').isDisabled(), 'nothing is approved by a click');
  await look(device.page, 'inbox');
  await look(asking.page, 'asked');
  await card.getByLabel('Number that is shown where you asked').fill(digits);
  await button(card, 'Approve').click();
  await device.page.getByText('Approved.').waitFor();
  await asking.page.getByRole('heading', { name: 'Chat', level: 1 }).waitFor();
  await button(asking.page, 'Sign out').click();
  await asking.page.getByText('You have signed out.').waitFor();

  // A wrong number declines, and the question is over.
  const second = await asks(asking.page, gateway, 'ada');
  await card.getByLabel('Number that is shown where you asked').fill(second === '000000' ? '000001' : '000000');
  await button(card, 'Approve').click();
  await device.page.getByText('The number was not right').waitFor();
  await asking.page.getByRole('alert').getByText('Your device has declined').waitFor();
  assert.equal(await card.count(), 0);

  // "It was not me".
  await button(asking.page, 'Ask my device').click();
  await button(card, 'It was not me').click();
  await device.page.getByText('The session that asked has ended').waitFor();
  await asking.page.getByRole('alert').or(asking.page.getByRole('heading', { name: 'Sign in' })).first().waitFor();
  await sleep(300);
  assert.equal((await gateway.call('GET', '/v1/me', undefined, admin.handle)).status, 200, 'only the session that asked');
  await asking.close();
  await device.close();
});

test('a single act is confirmed by the device; the inbox is in no frame', async (t) => {
  const { gateway, service } = await house(t);
  const admin = await gateway.setup();
  const device = await visit(browser, gateway);
  await enrol(device, gateway, service, admin);
  const { page } = device;
  // The same browser asks and answers, at two tabs.
  const tab = await device.context.newPage();
  await tab.goto(`${gateway.portal}/#/inbox`);
  await open(page, 'Users');
  await button(page, 'New user').click();
  await page.getByRole('dialog').getByLabel('User name').fill('mia');
  await button(page.getByRole('dialog'), 'Ask my device').click();
  const digits = (await page.getByLabel('Number to type on your device').innerText()).replace(/\D/g, '');
  const card = tab.locator('.prompt-card');
  await card.waitFor();
  assert.match(await card.innerText(), /mia/, 'the whole of what is to be done');
  await card.getByLabel('Number that is shown where you asked').fill(digits);
  await button(card, 'Approve').click();
  await page.getByRole('dialog', { name: 'mia was created' }).waitFor();

  const evil = http.createServer((_, response) => {
    response.setHeader('Content-Type', 'text/html');
    response.end(`<iframe src="${gateway.portal}/#/inbox"></iframe>`);
  }).listen(0, '127.0.0.1');
  t.after(() => evil.close());
  await new Promise((done) => evil.once('listening', done));
  const theirs = await device.context.newPage();
  await theirs.goto(`http://localhost:${evil.address().port}/`);
  await sleep(700);
  for (const frame of theirs.frames()) assert.equal(await frame.locator('#app').count().catch(() => 0), 0);
  await theirs.close();

  // Taken away, it answers nothing any more.
  await open(page, 'My devices').catch(() => {});
  await device.context.close();
});

});
