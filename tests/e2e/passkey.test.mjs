// Passkeys and security keys in a real browser with virtual authenticators: enrolled, used for sign-in,
// step-up and single acts; a copied key is noticed.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { password, policy, sleep } from './lib/gateway.mjs';
import { launch, look, visit } from './lib/browser.mjs';
import { house } from './lib/house.mjs';

let browser;
before(async () => { browser = await launch(); });
after(async () => { await browser?.close(); });

const platform = { protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true };
const roaming = { protocol: 'ctap2', transport: 'usb', hasResidentKey: false, hasUserVerification: false, automaticPresenceSimulation: true };
const button = (page, name) => page.getByRole('button', { name, exact: true });

/// A browser with an authenticator of its own.
async function person(gateway, options) {
  const at = await visit(browser, gateway);
  at.cdp = await at.context.newCDPSession(at.page);
  await at.cdp.send('WebAuthn.enable');
  at.use = async (kind) => {
    if (at.key) await at.cdp.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId: at.key });
    at.key = (await at.cdp.send('WebAuthn.addVirtualAuthenticator', { options: kind })).authenticatorId;
  };
  await at.use(options);
  return at;
}
/// The first administrator, by the page alone, with a key for second factor.
async function setUp(at, gateway) {
  const { page } = at;
  const token = fs.readFileSync(path.join(gateway.dir, 'data', 'setup-token'), 'utf8').trim();
  await page.goto(`${gateway.portal}/#/setup/${token}`);
  await page.getByLabel('Your user name').fill('ada');
  await page.getByLabel('Password').fill(password);
  await button(page, 'Create the administrator').click();
  await page.getByRole('radio', { name: /Passkey or security key/ }).check();
  await look(page, 'enrol-choice');
  await button(page, 'Continue').click();
  await page.getByLabel('I have stored them').check();
  await button(page, 'Done').click();
  await page.getByRole('heading', { name: 'Chat', level: 1 }).waitFor();
}
async function signOut(page) {
  await button(page, 'Sign out').click();
  await page.getByText('You have signed out.').waitFor();
}

describe('passkeys', { concurrency: true }, () => {

test('a passkey: enrolled, sign-in in one step, step-up, a single act', async (t) => {
  const { gateway } = await house(t, { policy: policy('10s') });
  const at = await person(gateway, platform);
  const { page } = at;
  await setUp(at, gateway);
  await signOut(page);
  await button(page, 'Sign in with a passkey').click();
  await page.getByRole('heading', { name: 'Chat', level: 1 }).waitFor();
  await page.getByText('Your proof has lapsed').waitFor();
  await sleep(1500);  // the page says so up to a second early
  await page.getByLabel('Message').fill('by touch');
  await button(page, 'Send').click();
  const dialog = page.getByRole('dialog', { name: 'Prove that it is you' });
  await button(dialog, 'Use a passkey or security key').click();
  await page.locator('article.assistant .said').getByText('by touch').waitFor();

  await page.getByRole('link', { name: 'Users' }).click();
  await button(page, 'New user').click();
  await page.getByRole('dialog').getByLabel('User name').fill('mia');
  await button(page.getByRole('dialog'), 'Use a passkey or security key').click();
  await page.getByRole('dialog', { name: 'mia was created' }).waitFor();
  await button(page.getByRole('dialog'), 'Done').click();
  await page.getByRole('heading', { name: 'mia' }).waitFor();
  await at.close();
});

test('who is not verified by the key does not come in by it alone', async (t) => {
  const { gateway } = await house(t);
  const at = await person(gateway, platform);
  const { page } = at;
  await setUp(at, gateway);
  await signOut(page);
  await at.cdp.send('WebAuthn.setUserVerified', { authenticatorId: at.key, isUserVerified: false });
  await button(page, 'Sign in with a passkey').click();
  await page.getByRole('alert').getByText('question about the key was closed').waitFor();
  await at.cdp.send('WebAuthn.setUserVerified', { authenticatorId: at.key, isUserVerified: true });
  await button(page, 'Sign in with a passkey').click();
  await page.getByRole('heading', { name: 'Chat', level: 1 }).waitFor();
  await at.close();
});

test('a security key is the second factor behind the password; a copy of it is noticed', async (t) => {
  const { gateway } = await house(t);
  const at = await person(gateway, roaming);
  const { page } = at;
  await setUp(at, gateway);
  const enter = async () => {
    await page.getByLabel('User name').fill('ada');
    await page.getByLabel('Password').fill(password);
    await button(page, 'Continue').click();
    await page.getByRole('heading', { name: 'Your second factor' }).waitFor();
    await button(page, 'Use a passkey or security key').click();
  };
  await signOut(page);
  await enter();
  await page.getByRole('heading', { name: 'Chat', level: 1 }).waitFor();
  await signOut(page);
  await enter();
  await page.getByRole('heading', { name: 'Chat', level: 1 }).waitFor();
  await signOut(page);
  // The copy has the key and an old counter.
  const { credentials: [credential] } = await at.cdp.send('WebAuthn.getCredentials', { authenticatorId: at.key });
  assert.ok(credential.signCount >= 2, `${credential.signCount}`);
  await at.use(roaming);
  await at.cdp.send('WebAuthn.addCredential', { authenticatorId: at.key, credential: { ...credential, signCount: 0 } });
  await enter();
  await page.getByRole('alert').getByText('copy').waitFor();
  await at.close();
});

});
