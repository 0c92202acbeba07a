// An emergency stop that two people lift, at the portal.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Gateway, policy } from './lib/gateway.mjs';
import { accessible, launch, look, visit } from './lib/browser.mjs';
import { confirm, into, open } from './lib/portal.mjs';
import { scripted } from './lib/mcp.mjs';

let browser, up, gateway, ada, bob, eve;
before(async () => {
  browser = await launch();
  up = await scripted();
  gateway = await Gateway.start({
    points: { tools: { kind: 'mcp', prefix: '/mcp', upstream_prefix: '/mcp', upstreams: [up.url] } }, policy: policy('1h'),
    config: { policy: { file: 'policy.toml', trust: 'file', administration: 'low', lift_people: 2 }, approval: { wait: '0s' } },
  });
  ada = await gateway.setup();
  await gateway.giveToken(ada);
  [bob, eve] = [await gateway.addUser(ada, 'bob', ['administrator']), await gateway.addUser(ada, 'eve', ['administrator'])];
});
after(async () => {
  await gateway?.stop();
  up?.close();
  await browser?.close();
});
const lift = async (who) => gateway.call('POST', '/v1/stops/lift', { scope: 'tools', ...await gateway.code(who) }, who.handle);
const stops = async () => (await gateway.api('GET', '/v1/stops', undefined, ada)).stops;

test('one person’s word lifts nothing; the second one sees whose it is, and lifts it', async () => {
  await gateway.api('POST', '/v1/stops', { scope: 'tools', why: 'odd calls since noon' }, ada);
  const first = await lift(eve);
  assert.deepEqual(first.body, { lifted: false, needed: 1 });
  assert.equal((await lift(ada)).reason, 'not_eligible', 'she has made both accounts');
  assert.equal((await stops()).length, 1);
  const at = await visit(browser, gateway);
  const { page } = at;
  await into(page, gateway, bob);
  await open(page, 'Emergency stop');
  await page.getByText('eve agreed to lift it. One more administrator has to, within the hour.').waitFor();
  await look(page, 'stop-agreed');
  await accessible(page, 'stop-agreed');
  await page.getByRole('button', { name: 'Lift Every tool call is stopped' }).click();
  await page.getByText('It takes 2 administrators').waitFor();
  await confirm(page, bob, 'Lift');
  await page.getByText('Nothing is stopped.').waitFor();
  assert.deepEqual(await stops(), []);
  await at.context.close();
});
