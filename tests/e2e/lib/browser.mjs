// A real browser before the portal: everything that a page must not do is noted, and told at the end.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';
import jsqr from 'jsqr';
import { chromium } from 'playwright-core';
import { PNG } from 'pngjs';
import { root } from './gateway.mjs';

const axe = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
// Where screenshots go; none are kept if it is not said.
const shots = process.env.PORTAL_SCREENSHOTS;

export async function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', timeout: 120_000,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
           '--disable-sync', '--disable-dev-shm-usage', '--font-render-hinting=none'],
  });
}

/// A person at a browser. `watch.close()` fails if a page broke its policy, asked others for something or
/// had an error of its own.
export async function visit(browser, gateway, { width = 1280, height = 800, dark = false } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: dark ? 'dark' : 'light', reducedMotion: 'reduce' });
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: gateway.portal });
  context.setDefaultTimeout(45_000);  // only a failure takes so long, and a busy machine
  const page = await context.newPage();
  const wrong = [];
  await page.addInitScript(() => {
    addEventListener('securitypolicyviolation', (e) => console.error(`CSP: ${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}:${e.lineNumber}`));
  });
  page.on('console', (message) => {
    // A refused request is written to the console by the browser itself: no error of the page.
    if (message.type() === 'error' && !/^Failed to load resource: the server responded with a status of 4/.test(message.text())) wrong.push(message.text());
  });
  page.on('pageerror', (error) => wrong.push(String(error)));
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (url.origin !== gateway.portal && !['data:', 'blob:'].includes(url.protocol)) wrong.push(`a request to ${url.origin}`);
  });
  const it = { page, context, wrong };
  it.close = async () => {
    // An answer that is being changed ends with its page; a page may have gone before.
    for (const open of context.pages()) await open.unrouteAll({ behavior: 'ignoreErrors' });
    await context.close();
    assert.deepEqual(wrong, []);
  };
  return it;
}

/// axe-core's verdict, light and dark.
export async function accessible(page, name) {
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => globalThis.axe.run(document, {
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
    }));
    const found = violations.map((v) => `${v.id}: ${v.nodes.map((n) => `${n.target.join(' ')} ${n.failureSummary}`).join('; ')}`);
    assert.deepEqual(found, [], `${name}, ${colorScheme}`);
  }
  await page.emulateMedia({ colorScheme: null });
}

/// No page is wider than its window, at the narrowest; and, if wanted, pictures for the documentation.
export async function look(page, name) {
  await accessible(page, name);
  const before = page.viewportSize();
  for (const width of [360, 1280]) {
    await page.setViewportSize({ width, height: width === 360 ? 740 : 800 });
    const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(over <= 0, `${name} is ${over} px too wide at ${width} px`);
    if (!shots) continue;
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme });
      await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
      fs.mkdirSync(path.resolve(root, shots), { recursive: true });
      const file = path.resolve(root, shots, `${name}-${width}-${colorScheme}.png`);
      await page.screenshot({ path: file, caret: 'hide' });
      spawnSync('pngquant', ['--force', '--strip', '--speed', '1', '--output', file, '64', file]);
    }
    await page.emulateMedia({ colorScheme: null });
  }
  await page.setViewportSize(before);
}

/// What a phone's camera reads off the screen.
export async function scan(page) {
  const picture = PNG.sync.read(await page.locator('svg.qr').screenshot());
  const found = jsqr(Uint8ClampedArray.from(picture.data), picture.width, picture.height);
  assert.ok(found, 'no QR code is legible');
  return new URL(found.data);
}
