// Calls that are held: how many, who asks for what, and the person with a passkey who lets them go on.
import assert from 'node:assert/strict';
import { password, sleep } from './gateway.mjs';
import { visit } from './browser.mjs';
import { button, setupToken } from './portal.mjs';

export const held = async (gateway) => {
  const text = await (await fetch(`http://127.0.0.1:${gateway.statusPort}/metrics`)).text();
  return Number(/^vestibule_calls_held (\d+)/m.exec(text)[1]);
};
export const waiting = async (gateway, person) => (await gateway.api('GET', '/v1/approvals', undefined, person)).approvals;

/// What `check` gives, once it is something.
export async function until(what, check, ms = 45_000) {
  for (const end = Date.now() + ms; ;) {
    const seen = await check();
    if (seen) return seen;
    assert.ok(Date.now() < end, `${what}: not in time`);
    await sleep(20);
  }
}

/// The first administrator, "ada", with a passkey, in a browser.
export async function withPasskey(browser, gateway) {
  const at = await visit(browser, gateway);
  const { page, context } = at;
  const cdp = await context.newCDPSession(page);
  await cdp.send('WebAuthn.enable');
  await cdp.send('WebAuthn.addVirtualAuthenticator', {
    options: { protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true },
  });
  await page.goto(`${gateway.portal}/#/setup/${setupToken(gateway)}`);
  await page.getByLabel('Your user name').fill('ada');
  await page.getByLabel('Password').fill(password);
  await button(page, 'Create the administrator').click();
  await page.getByRole('radio', { name: /Passkey or security key/ }).check();
  await button(page, 'Continue').click();
  await page.getByLabel('I have stored them').check();
  await button(page, 'Done').click();
  await page.getByRole('heading', { name: 'Chat', level: 1 }).waitFor();
  return at;
}
