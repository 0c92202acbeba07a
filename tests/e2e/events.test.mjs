// One stream of events a browser, however many tabs; what changes elsewhere is seen at once.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { sleep } from './lib/gateway.mjs';
import { launch, visit } from './lib/browser.mjs';
import { house } from './lib/house.mjs';
import { button, into, open } from './lib/portal.mjs';

let browser;
before(async () => { browser = await launch(); });
after(async () => { await browser?.close(); });

/// Streams that the gateway itself counts.
async function streams(gateway) {
  const text = await (await fetch(`http://127.0.0.1:${gateway.statusPort}/metrics`)).text();
  return Number(/^vestibule_portal_streams (\d+)/m.exec(text)[1]);
}
async function settled(gateway, wanted, within = 45_000) {
  const until = Date.now() + within;
  while (Date.now() < until && (await streams(gateway)) !== wanted) await sleep(100);
  assert.equal(await streams(gateway), wanted);
}
async function tab(at, gateway) {
  const page = await at.context.newPage();
  await page.goto(gateway.portal);
  await page.getByRole('heading', { name: 'Chat', level: 1 }).waitFor();
  return page;
}

describe('events', { concurrency: true }, () => {

for (const worker of [true, false]) {
  test(`three tabs, one stream, ${worker ? 'in a shared worker' : 'by the tab that leads'}`, async (t) => {
    const { gateway } = await house(t);
    const admin = await gateway.setup();
    const at = await visit(browser, gateway);
    if (!worker) await at.context.addInitScript(() => { delete globalThis.SharedWorker; });
    const { page } = at;
    await into(page, gateway, admin);
    await settled(gateway, 1);
    const second = await tab(at, gateway);
    const third = await tab(at, gateway);
    await sleep(1500);
    assert.equal(await streams(gateway), 1, 'more than one stream');

    // The log is followed on the same stream, in two tabs at once, the later one with what came before.
    await open(second, 'Live decisions');
    await second.getByRole('row').filter({ hasText: 'events.read' }).first().waitFor({ state: 'detached' });
    await second.getByRole('row').filter({ hasText: 'factor.confirm' }).or(second.getByRole('row').filter({ hasText: 'factor.prove' })).first().waitFor();
    await open(third, 'Live decisions');
    await third.getByRole('row').filter({ hasText: 'factor.prove' }).first().waitFor();
    await gateway.addUser(admin, 'mia');
    for (const where of [second, third]) await where.getByRole('row').filter({ hasText: 'user.create' }).first().waitFor();
    await settled(gateway, 1);
    const reads = (await gateway.audit(admin, 'operation=events.read')).filter((e) => e.kind === 'admission');
    assert.equal(reads.length, 1, 'one recorded read for all of them');
    await open(second, 'Chat');
    await open(third, 'Chat');
    await settled(gateway, 1);

    // What another browser does is seen without a reload.
    await open(page, 'My sessions');
    const other = await visit(browser, gateway);
    await into(other.page, gateway, admin);
    await button(page, 'End all others').waitFor();
    await settled(gateway, 2);
    await other.close();

    // Whoever leads may go.
    await page.close();
    await sleep(500);
    await settled(gateway, 1);
    await gateway.call('POST', '/v1/stops', { scope: 'all' }, admin.handle);
    await second.getByText('Your proof has lapsed').or(second.getByText('Prove again')).first().waitFor();
    // Out everywhere at once.
    await button(third, 'Sign out').click();
    await second.getByRole('heading', { name: 'Sign in' }).waitFor();
    await settled(gateway, 0);
    await at.close();
  });
}

test('a session that is ended elsewhere ends on the page at once', async (t) => {
  const { gateway } = await house(t);
  const admin = await gateway.setup();
  const mia = await gateway.addUser(admin, 'mia');
  const at = await visit(browser, gateway);
  await into(at.page, gateway, mia);
  await settled(gateway, 1);
  await gateway.api('POST', '/v1/users/mia/revoke-sessions', {}, admin);
  await at.page.getByRole('heading', { name: 'Sign in' }).waitFor();
  await settled(gateway, 0);
  await at.close();
});

test('the gateway goes and comes back: so does the stream', async (t) => {
  const { gateway } = await house(t);
  const admin = await gateway.setup();
  const at = await visit(browser, gateway);
  await into(at.page, gateway, admin);
  await open(at.page, 'Live decisions');
  await at.page.getByText('Live', { exact: true }).waitFor();
  await settled(gateway, 1);
  await gateway.restart();
  await at.page.mouse.click(5, 5);
  await settled(gateway, 1);
  await at.page.getByText('Live', { exact: true }).waitFor();
  await at.page.getByRole('row').filter({ hasText: 'start' }).first().waitFor();
  await at.context.close();
});

});
