// The pages of administration: hardware tokens, groups, policy, log.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { password, policy } from './lib/gateway.mjs';
import { launch, look, visit } from './lib/browser.mjs';
import { house } from './lib/house.mjs';
import { button, confirm, into, open } from './lib/portal.mjs';
import { hotp } from './lib/totp.mjs';

let browser;
before(async () => { browser = await launch(); });
after(async () => { await browser?.close(); });

describe('the pages of administration', { concurrency: 3 }, () => {

test('hardware tokens: imported, taken into use by serial, removed', async (t) => {
  const { gateway } = await house(t);
  const admin = await gateway.setup();
  const at = await visit(browser, gateway);
  const { page } = at;
  await into(page, gateway, admin);
  await open(page, 'Hardware tokens');
  await page.getByText('No token is in stock.').waitFor();
  const seed = Buffer.from('12345678901234567890');
  await button(page, 'Import tokens').click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('CSV file').setInputFiles({ name: 'tokens.csv', mimeType: 'text/csv', buffer: Buffer.from(`A-1,${seed.toString('hex')}\nA-2,${'ab'.repeat(20)},8,7\n`) });
  await dialog.getByLabel('Or paste the lines').and(page.locator(':not(:placeholder-shown)')).waitFor();
  await confirm(page, admin, 'Import tokens');
  await page.getByText('2 tokens were imported.').waitFor();
  await page.getByRole('heading', { name: 'A-2 in stock' }).waitFor();

  await open(page, 'My devices');
  await button(page, 'Add a device').click();
  await dialog.getByRole('radio', { name: /Hardware token/ }).check();
  await dialog.getByLabel('Serial number').fill('A-1');
  await dialog.getByLabel('A fresh code confirms').fill(await admin.totp.next());
  await button(dialog, 'Continue').click();
  await dialog.getByLabel('Press the token').fill(hotp(seed, 0));
  await button(dialog, 'Confirm').click();
  await page.getByRole('status').getByText('Your second factor is enrolled').waitFor();
  await open(page, 'Hardware tokens');
  await page.getByRole('heading', { name: 'A-1 held by ada' }).waitFor();
  await look(page, 'tokens');
  assert.equal(await page.getByRole('button', { name: 'Remove A-1' }).count(), 0, 'somebody holds it');
  await page.getByRole('button', { name: 'Remove A-2' }).click();
  // Either device confirms an act.
  await dialog.getByLabel('Code of').selectOption('Hardware token');
  await dialog.getByLabel('A fresh code confirms this very act').fill(hotp(seed, 1));
  await button(dialog, 'Remove').click();
  await page.getByText('The token was removed.').waitFor();
  await at.close();
});

test('groups; the log, searched', async (t) => {
  const { gateway } = await house(t);
  const admin = await gateway.setup();
  await gateway.addUser(admin, 'mia');
  const at = await visit(browser, gateway);
  const { page } = at;
  await into(page, gateway, admin);
  await open(page, 'Users');
  await page.getByLabel('Change mia').click();
  await page.getByRole('button', { name: 'Change groups' }).click();
  await page.getByRole('dialog').getByLabel('Groups').fill('research, night shift');
  await confirm(page, admin, 'Change groups');
  const hers = await page.locator('li').filter({ hasText: 'mia' }).getByText('Groups: ').innerText();
  for (const group of ['research', 'night', 'shift']) assert.match(hers, new RegExp(`\\b${group}\\b`));
  await open(page, 'Log');
  await page.getByRole('row').filter({ hasText: 'user.groups' }).first().waitFor();
  await look(page, 'log');
  await page.getByLabel('Kind').selectOption('Sign-ins');
  await button(page, 'Search').click();
  await page.getByRole('row').filter({ hasText: 'user.groups' }).first().waitFor({ state: 'detached' });
  await page.getByRole('row').filter({ hasText: 'factor.prove' }).first().waitFor();
  await page.getByLabel('Reason').fill('no_such_reason');
  await button(page, 'Search').click();
  await page.getByRole('alert').getByText('reason: not understood').waitFor();
  await at.close();
});

test('policy: read again, what loosens approved with a factor, explained', async (t) => {
  const { gateway } = await house(t, { config: { policy: { file: 'policy.toml', trust: 'approval', administration: 'low' } } });
  const admin = await gateway.setup();
  const at = await visit(browser, gateway);
  const { page } = at;
  await into(page, gateway, admin);
  await open(page, 'Policy');
  await page.getByText('2 rules').waitFor();
  await button(page, 'Read the file again').click();
  await page.getByText('The file says what is in force.').waitFor();
  await page.getByLabel('Operation').fill('chat');
  await button(page, 'Explain').click();
  await page.locator('.explained').getByText(/allow/).first().waitFor();
  fs.writeFileSync(gateway.policyFile, policy('2h'));
  await button(page, 'Read the file again').click();
  await page.getByRole('heading', { name: 'Waits for approval' }).waitFor();
  await page.getByText('loosens').first().waitFor();
  await look(page, 'policy');
  await button(page, 'Approve').click();
  await confirm(page, admin, 'Approve');
  await page.getByText('The policy is in force.').waitFor();
  await page.getByRole('heading', { name: 'Waits for approval' }).waitFor({ state: 'detached' });
  await at.close();
});

test('notices: told live, marked as seen', async (t) => {
  const { gateway } = await house(t);
  const admin = await gateway.setup();
  const mia = await gateway.addUser(admin, 'mia');
  const at = await visit(browser, gateway);
  const { page } = at;
  await into(page, gateway, mia);
  const link = page.getByRole('navigation').getByRole('link', { name: /^Notices/ });
  await link.getByText(/\d new/).waitFor();
  await link.click();
  await page.getByRole('heading', { name: 'Notices', level: 1 }).waitFor();
  await button(page, 'Mark all as seen').click();
  await link.getByText(/\d new/).waitFor({ state: 'detached' });
  // Another's doing, while the page is open.
  await gateway.api('POST', '/v1/users/mia/groups', { groups: ['research'], code: await admin.totp.next() }, admin);
  await link.getByText('1 new').waitFor();
  await page.getByRole('listitem').filter({ hasText: 'New' }).first().waitFor();
  await look(page, 'notices');
  await at.close();
});

// Only how they look: what stands there is made up here.
test('resets, coverage, alerts and deadlines: legible at every width', async (t) => {
  const { gateway } = await house(t);
  const admin = await gateway.setup();
  const at = await visit(browser, gateway);
  const { page } = at;
  const in_ = (seconds) => new Date(Date.now() + seconds * 1000).toISOString();
  const say = (path, body) => page.route(`**${path}`, (route) => route.fulfill({ json: body }));
  await say('/v1/resets', { resets: [{ id: 'one', user: 'mia', requested_by: 'bea', at: in_(-300), expires: in_(3600) }, { id: 'two', user: 'tom', requested_by: 'ada', at: in_(-900), expires: in_(3000) }] });
  await say('/v1/coverage', { rules: [{ role: 'administrator', needs: 'webauthn', by: '2027-03-01', users: 4, covered: 3, missing: ['bea'] }, { role: 'member', needs: 'totp', by: '2027-06-01', users: 40, covered: 40, missing: [] }] });
  await page.route('**/v1/me', async (route) => {
    const response = await route.fetch();
    const me = await response.json();
    await route.fulfill({ response, json: me.user ? { ...me,
      alerts: [{ kind: 'host_recovery', text: 'Access was recovered on the gateway’s own machine.', until: in_(9e5) }],
      deadlines: [{ needs: 'webauthn', by: '2027-03-01', met: false }] } : me });
  });
  await into(page, gateway, admin);
  await page.getByRole('alert').getByText('recovered on the gateway’s own machine').waitFor();
  await page.getByText('By Mar 1, 2027 your account needs a passkey or security key.').waitFor();
  await open(page, 'Coverage');
  await page.getByText('3 of 4').waitFor();
  await look(page, 'coverage');
  await open(page, 'Resets');
  await page.getByText('Another administrator must approve it.').waitFor();
  assert.equal(await page.getByRole('button', { name: 'Approve tom' }).count(), 0, 'not one’s own request');
  await look(page, 'resets');
  await at.close();
});

test('few recovery codes are a banner on every page', async (t) => {
  const { gateway } = await house(t);
  const token = fs.readFileSync(`${gateway.dir}/data/setup-token`, 'utf8').trim();
  const made = await gateway.api('POST', '/v1/setup', { token, name: 'ada', password });
  const person = { name: 'ada', handle: made.handle };
  await gateway.enrolTotp(person);
  const at = await visit(browser, gateway);
  // As after seven of them have been used.
  await at.page.route('**/v1/me', async (route) => {
    const response = await route.fetch();
    const me = await response.json();
    for (const f of me.factors ?? []) if (f.kind === 'recovery_code') f.codes_left = 2;
    await route.fulfill({ response, json: me });
  });
  await into(at.page, gateway, person);
  await at.page.getByText('You have only 2 recovery codes left.').waitFor();
  await at.page.getByRole('link', { name: 'Make new ones' }).click();
  await at.page.getByText('Few are left: make new ones.').waitFor();
  await at.close();
});

});
