// A factor that a plug-in judges, in the portal: enrolled, asked at sign-in and for a single act.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Gateway, freePort, password, root, sleep } from './lib/gateway.mjs';
import { accessible, launch, visit } from './lib/browser.mjs';
import { button, into, open } from './lib/portal.mjs';
import { Upstream } from './lib/upstream.mjs';

let browser;
before(async () => { browser = await launch(); });
after(async () => { await browser?.close(); });

test('a plug-in’s factor: enrolled, signed in with, an act confirmed', async (t) => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 've-'));
  fs.writeFileSync(path.join(dir, 'plugin.key'), `${crypto.randomBytes(32).toString('hex')}\n`, { mode: 0o600 });
  const port = await freePort();
  let shown = '';
  const example = spawn('python3', [path.join(root, 'examples/factor-plugin/console_codes.py'), path.join(dir, 'plugin.key'), String(port)], {
    stdio: ['ignore', 'pipe', 'inherit'], env: { PATH: process.env.PATH, PYTHONDONTWRITEBYTECODE: '1' },
  });
  t.after(() => example.kill('SIGKILL'));
  example.stdout.on('data', (data) => { shown += data; });
  for (let i = 0; i < 2000 && !shown.includes('http://'); ++i) await sleep(20);
  const codes = () => shown.trimEnd().split('\n').flatMap((line) => /code for \w+: (\d{6})$/.exec(line)?.[1] ?? []);
  const code = async (before) => {
    for (let i = 0; i < 2000 && codes().length === before; ++i) await sleep(20);
    return codes().at(-1);
  };
  const up = await Upstream.start();
  t.after(() => up.close());
  const gateway = await Gateway.start({
    dir, points: { main: { upstreams: [up.url] } },
    config: { 'factor_plugin.console': { label: 'Codes on the console', url: `http://127.0.0.1:${port}/`, key_file: 'plugin.key' } },
  });
  t.after(() => gateway.stop());
  const admin = await gateway.setup();
  const at = await visit(browser, gateway);
  const { page } = at;
  await into(page, gateway, admin);
  await open(page, 'My devices');
  await button(page, 'Add a device').click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('radio', { name: /Codes on the console/ }).check();
  await dialog.getByLabel('A fresh code confirms').fill(await admin.totp.next());
  await button(dialog, 'Continue').click();
  await dialog.getByText('A code is on its way to you.').waitFor();
  await dialog.getByLabel('Answer for Codes on the console').fill(await code(0));
  await button(dialog, 'Confirm').click();
  await page.getByRole('status').getByText('Your second factor is enrolled').waitFor();

  await button(page, 'Sign out').click();
  await page.getByText('You have signed out.').waitFor();
  await page.getByLabel('User name').fill('ada');
  await page.getByLabel('Password').fill(password);
  await button(page, 'Continue').click();
  await page.getByRole('heading', { name: 'Your second factor' }).waitFor();
  const use = button(page, 'Use Codes on the console');
  await use.click();
  await page.getByLabel('Answer for Codes on the console').waitFor();
  await accessible(page, 'a plug-in’s question');
  const right = await code(1);
  await page.getByLabel('Answer for Codes on the console').fill(right === '000000' ? '000001' : '000000');
  await page.getByRole('button', { name: 'Sign in', exact: true }).last().click();
  await page.getByRole('alert').getByText('not right').waitFor();
  await use.click();  // another question
  await page.getByLabel('Answer for Codes on the console').fill(await code(2));
  await page.getByRole('button', { name: 'Sign in', exact: true }).last().click();
  await page.getByRole('heading', { name: 'Chat', level: 1 }).waitFor();

  await open(page, 'Users');
  await button(page, 'New user').click();
  await dialog.getByLabel('User name').fill('mia');
  await button(dialog, 'Use Codes on the console').click();
  await dialog.getByLabel('Answer for Codes on the console').fill(await code(3));
  await button(dialog, 'Create').last().click();
  await page.getByRole('dialog', { name: 'mia was created' }).waitFor();
  assert.equal(codes().length, 4);
  await at.close();
});
