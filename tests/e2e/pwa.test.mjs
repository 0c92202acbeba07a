// The portal as an app: manifest, icons, service worker, the page without a connection, the first load.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { launch, look, visit } from './lib/browser.mjs';
import { house } from './lib/house.mjs';
import { into } from './lib/portal.mjs';

let browser;
before(async () => { browser = await launch(); });
after(async () => { await browser?.close(); });

describe('the portal as an app', { concurrency: true }, () => {

test('manifest, icons and worker are served as what they are, and the browser would install it', async (t) => {
  const { gateway } = await house(t);
  const get = (path) => fetch(gateway.portal + path);
  const manifest = await get('/manifest.webmanifest');
  assert.equal(manifest.headers.get('content-type'), 'application/manifest+json');
  const { icons, start_url: start, display, shortcuts } = await manifest.json();
  assert.deepEqual([start, display, shortcuts[0].url], ['/', 'standalone', '/#/inbox']);
  for (const { src, type } of icons) {
    const icon = await get(src);
    assert.equal(icon.status, 200, src);
    assert.equal(icon.headers.get('content-type'), type);
  }
  const worker = await get('/sw.js');
  assert.equal(worker.headers.get('content-type'), 'text/javascript; charset=utf-8');
  assert.equal(worker.headers.get('cache-control'), 'no-cache', 'a new one is seen at once');
  assert.match(worker.headers.get('content-security-policy'), /default-src 'none'.*worker-src 'self'.*trusted-types vestibule$/);

  const at = await visit(browser, gateway);
  await at.page.goto(gateway.portal);
  await at.page.evaluate(() => navigator.serviceWorker.ready);
  const cdp = await at.context.newCDPSession(at.page);
  const { errors } = await cdp.send('Page.getAppManifest');
  assert.deepEqual(errors, []);
  const { installabilityErrors } = await cdp.send('Page.getInstallabilityErrors');
  assert.deepEqual(installabilityErrors.map((e) => e.errorId).filter((id) => id !== 'in-incognito'), []);
  // No script of the page makes one of another address.
  const tried = await at.page.evaluate(() => {
    const outcome = (run) => { try { run(); return 'made'; } catch (e) { return e.name; } };
    return [outcome(() => new SharedWorker('/assets/x.js')), outcome(() => globalThis.trustedTypes.createPolicy('vestibule', {})), outcome(() => globalThis.trustedTypes.createPolicy('other', {}))];
  });
  assert.deepEqual(tried, ['TypeError', 'TypeError', 'TypeError']);
  await at.context.close();
});

test('without a connection it says so, and shows nothing that was kept', async (t) => {
  const { gateway } = await house(t);
  const admin = await gateway.setup();
  const at = await visit(browser, gateway);
  const { page } = at;
  await into(page, gateway, admin);
  await page.evaluate(() => navigator.serviceWorker.ready);
  await page.waitForFunction(() => navigator.serviceWorker.controller !== null);
  const kept = await page.evaluate(async () => {
    const names = await caches.keys();
    return (await Promise.all(names.map(async (name) => (await (await caches.open(name)).keys()).map((r) => new URL(r.url).pathname)))).flat().sort();
  });
  assert.deepEqual(kept, ['/icon.svg', '/offline.css', '/offline.html'], 'nothing of the gateway’s replies');
  await gateway.stop();
  await page.goto(`${gateway.portal}/#/users`).catch(() => {});
  await page.reload();
  await page.getByRole('heading', { name: 'The gateway cannot be reached' }).waitFor();
  await look(page, 'offline');
  await gateway.up();
  await page.getByRole('link', { name: 'Try again' }).click();
  await page.getByRole('heading', { name: 'Chat', level: 1 }).waitFor();
  const unexpected = at.wrong.filter((text) => !/net::ERR_|Failed to fetch/.test(text));
  assert.deepEqual(unexpected, []);
  await at.context.close();
});

test('the first load is under 150 KB', async (t) => {
  const { gateway } = await house(t);
  const at = await visit(browser, gateway);
  const cdp = await at.context.newCDPSession(at.page);
  await cdp.send('Network.enable');
  let bytes = 0;
  cdp.on('Network.loadingFinished', (e) => { bytes += e.encodedDataLength; });
  await at.page.goto(gateway.portal);
  await at.page.getByLabel('User name').waitFor();
  await at.page.evaluate(() => navigator.serviceWorker.ready);
  await at.page.waitForLoadState('networkidle');
  t.diagnostic(`${Math.round(bytes / 1024)} KB`);
  assert.ok(bytes > 10 * 1024 && bytes < 150 * 1024, `${bytes}`);
  await at.close();
});

});
