// See bench/first-token. The person is a script in the page: each part begins with a click and ends when the
// page shows what was waited for, by the page's own clock.
import { launch, visit } from '../tests/e2e/lib/browser.mjs';
import { Gateway, password } from '../tests/e2e/lib/gateway.mjs';
import { button, setupToken } from '../tests/e2e/lib/portal.mjs';
import { Upstream } from '../tests/e2e/lib/upstream.mjs';

const runs = Number(process.argv[2]);
const limit = 300;  // ms
const key = { protocol: 'ctap2', transport: 'usb', hasResidentKey: false, hasUserVerification: false, automaticPresenceSimulation: true };
const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

const up = await Upstream.start();
const gateway = await Gateway.start({ points: { main: { upstreams: [up.url] } } });
const browser = await launch();
const { page, context } = await visit(browser, gateway);
const cdp = await context.newCDPSession(page);
await cdp.send('WebAuthn.enable');
await cdp.send('WebAuthn.addVirtualAuthenticator', { options: key });

/// Milliseconds from filling in and clicking until `shown`, as text of some element, is there.
const part = (fields, click, shown) => page.evaluate(async ({ fields: given, click: what, shown: wanted }) => {
  const there = () => [...document.querySelectorAll('h1, .said')].some((e) => e.textContent.includes(wanted) && e.closest('.user') === null);
  for (const [selector, value] of Object.entries(given)) {
    const field = document.querySelector(selector);
    Object.getOwnPropertyDescriptor(Object.getPrototypeOf(field), 'value').set.call(field, value);
    field.dispatchEvent(new Event('input', { bubbles: true }));
  }
  await new Promise((next) => requestAnimationFrame(() => setTimeout(next)));
  const begun = performance.now();
  [...document.querySelectorAll('button')].find((b) => b.textContent.trim() === what).click();
  if (!there()) {
    await new Promise((done) => {
      const watch = new MutationObserver(() => {
        if (!there()) return;
        watch.disconnect();
        done();
      });
      watch.observe(document, { childList: true, subtree: true, characterData: true });
    });
  }
  return performance.now() - begun;
}, { fields, click, shown });

await page.goto(`${gateway.portal}/#/setup/${setupToken(gateway)}`);
await page.getByLabel('Your user name').fill('ada');
await page.getByLabel('Password').fill(password);
await button(page, 'Create the administrator').click();
await page.getByRole('radio', { name: /Passkey or security key/ }).check();
await button(page, 'Continue').click();
await page.getByLabel('I have stored them').check();
await button(page, 'Done').click();
await page.getByRole('heading', { name: 'Chat', level: 1 }).waitFor();

const parts = { password: [], factor: [], 'first token': [], all: [] };
for (let n = -1; n < runs; ++n) {
  await button(page, 'Sign out').click();
  await page.getByText('You have signed out.').waitFor();
  const times = [
    await part({ 'input[autocomplete^=username]': 'ada', 'input[type=password]': password }, 'Continue', 'Your second factor'),
    await part({}, 'Use a passkey or security key', 'Chat'),
    await part({ textarea: `word${n}` }, 'Send', `word${n}`),
  ];
  if (n < 0) continue;  // the first warms up
  [...times, times.reduce((a, b) => a + b)].forEach((time, i) => Object.values(parts)[i].push(time));
}
for (const [name, times] of Object.entries(parts)) console.log(`${name.padEnd(12)}${median(times).toFixed(0).padStart(6)} ms   (${Math.min(...times).toFixed(0)} to ${Math.max(...times).toFixed(0)})`);
await browser.close();
await gateway.stop();
await up.close();
if (median(parts.all) > limit) {
  console.error(`more than ${limit} ms`);
  process.exitCode = 1;
}
