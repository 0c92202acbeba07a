// The official conformance runner, before a server and before the same server behind the gateway: check by check it
// must say the same.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Gateway, policy } from './lib/gateway.mjs';
import { conformance, everything, forwarder } from './lib/mcp.mjs';
import { fixture } from './lib/mcp_fixture.mjs';

// Nobody is asked: what is compared here is the protocol.
const open = `
[[rule]]
name = "every tool"
effect = "allow"
tool = ["*"]
confirm = "none"
`;
const point = (url, prefix) => ({
  kind: 'mcp', prefix, upstream_prefix: '/mcp', upstreams: [url], sensitivity: 'low',
  operations: ['resources/read', 'prompts/get', 'tasks'], client_requests: ['sampling', 'elicitation', 'roots'],
});
/// What differs on purpose: the gateway refuses strangers' hosts and tells of a session that is over, whatever the server does.
const better = {
  'dns-rebinding-protection': ['localhost-host-rebinding-rejected'],
  'server-session-lifecycle': ['server-session-terminated-returns-404'],
};

let bare, whole, gateway, front;
before(async () => {
  [bare, whole] = await Promise.all([everything(), fixture()]);
  gateway = await Gateway.start({ points: { everything: point(bare.url, '/everything'), fixture: point(whole.url, '/fixture') }, policy: policy('1h', open) });
  front = await forwarder(gateway, await gateway.token(await gateway.setup()));
});
after(async () => {
  front?.close();
  await gateway?.stop();
  bare?.close();
  await whole?.close();
});

/// "scenario / check: STATUS" of each check, in its order. What the runner only notes (INFO) is not judged.
const lines = ({ scenarios }) => Object.entries(scenarios).flatMap(([name, checks]) =>
  checks.filter((check) => check.status !== 'INFO').map((check) => `${name} / ${check.id}: ${check.status}`));

for (const [server, revision, args] of [
  ['everything', '2025-06-18', ['--spec-version', '2025-06-18']],
  ['everything', '2025-11-25', ['--requirements', '2025-11-25']],
  ['fixture', '2025-06-18', ['--spec-version', '2025-06-18']],
  ['fixture', '2025-11-25', ['--requirements', '2025-11-25']],
  ['fixture', '2026-07-28', ['--requirements', '2026-07-28']],
]) {
  test(`${server}, ${revision}: through the gateway as without it`, async (t) => {
    const upstream = server === 'fixture' ? whole : bare;
    const without = await conformance(['server', '--output-dir', 'results', '--url', `${upstream.url}/mcp`, ...args]);
    const through = await conformance(['server', '--output-dir', 'results', '--url', `${front.url}/${server}`, ...args]);
    const [expected, got] = [lines(without), lines(through)];
    assert.ok(expected.length >= 50, without.out);
    if (server === 'fixture') assert.ok(expected.filter((line) => line.endsWith('FAILURE') && !line.startsWith('tasks-')).length === 0, expected.join('\n'));
    const gained = (line) => Object.entries(better).some(([name, ids]) => ids.some((id) => line === `${name} / ${id}: FAILURE`) && got.includes(line.replace('FAILURE', 'SUCCESS')));
    for (const line of got) t.diagnostic(line);
    const wanted = expected.map((line) => (gained(line) ? line.replace('FAILURE', 'SUCCESS') : line));
    const told = through.checks.filter((check) => check.status === 'FAILURE').map((check) => `${check.id}: ${check.errorMessage}`);
    assert.deepEqual(got, wanted, told.join('\n'));
  });
}
