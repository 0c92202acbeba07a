// What a person does in the portal, for the tests that come after signing in.
import fs from 'node:fs';
import path from 'node:path';
import { password } from './gateway.mjs';

export const setupToken = (gateway) => fs.readFileSync(path.join(gateway.dir, 'data', 'setup-token'), 'utf8').trim();
export const button = (page, name, exact = true) => page.getByRole('button', { name, exact });

export async function signIn(page, gateway, name) {
  await page.goto(gateway.portal);
  await page.getByLabel('User name').fill(name);
  await page.getByLabel('Password').fill(password);
  await button(page, 'Continue').click();
  await page.getByRole('heading', { name: 'Your second factor' }).waitFor();
}
export async function prove(page, person) {
  const code = page.getByLabel('Code', { exact: true });
  await code.waitFor();  // a code is made when it is asked for: it gets old
  await code.fill(await person.totp.next());
  await button(page, 'Sign in').click();
  await page.getByRole('heading', { name: 'Chat', level: 1 }).waitFor();
}
export async function into(page, gateway, person) {
  await signIn(page, gateway, person.name);
  await prove(page, person);
}
export async function open(page, name) {
  await page.getByRole('navigation').getByRole('link', { name, exact: true }).click();
  await page.getByRole('heading', { name, level: 1 }).waitFor();
}
/// The dialog's act, with a fresh code.
export async function confirm(page, person, submit) {
  const dialog = page.getByRole('dialog');
  const code = dialog.getByLabel('A fresh code confirms this very act');
  await code.waitFor();
  await code.fill(await person.totp.next());
  await dialog.getByRole('button', { name: submit, exact: true }).click();
}
