// The libraries that tool servers check receipts with, and the command line, held to the vectors that hold the
// gateway's own check (approval, receipt_test.cpp).
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fromHeader, verifyReceipt } from '../../clients/node/receipt.mjs';
import { confirmed } from '../../clients/node/example-mcp.mjs';

const clients = path.resolve(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), '../../clients');
const { log_keys: logKeys, vectors } = JSON.parse(fs.readFileSync(path.join(clients, 'vectors/receipts.json'), 'utf8'));
const named = (name) => vectors.find((v) => v.name === name);
const good = named('good: by a security key');
const at = good.expect.now * 1000;

const expected = (e) => ({
  logKeys, tool: e.tool, accessPoint: e.access_point, arguments: e.arguments, relyingPartyId: e.relying_party, origins: e.origins,
  maxAge: e.max_age, now: e.now === null ? null : e.now * 1000, allowUnbound: e.unbound, allowUndispatched: !e.dispatched,
});
async function code(receipt, want) {
  try {
    await verifyReceipt(receipt, want);
    return 'ok';
  } catch (e) {
    assert.equal(e.name, 'ReceiptError', e.stack);
    return e.code;
  }
}

test('Node: every vector has its verdict', async () => {
  assert.ok(vectors.filter((v) => v.verdict !== 'ok').length >= 60);
  for (const v of vectors) assert.equal(await code(v.receipt + ' '.repeat(v.spaces ?? 0), expected(v.expect)), v.verdict, v.name);
});

test('Node: says who confirmed', async () => {
  const v = named('good: two people, with two kinds of key');
  const r = await verifyReceipt(v.receipt, expected(v.expect));
  assert.deepEqual(r.confirmed.map((c) => [c.user, c.bound, c.userVerified, c.deviceBound]), [['bob', true, true, true], ['dora', true, true, true]]);
  assert.deepEqual(r.arguments, { amount: 250, to: 'alice' });
  assert.ok(r.dispatched.record > r.confirmed[1].record);
});

test('Node: a receipt is used once, and not up by a refusal; of two at once one passes', async () => {
  const seen = new Set();
  assert.equal(await code(good.receipt, { logKeys, now: at, seen, tool: 'balance' }), 'tool');
  assert.equal(await code(good.receipt, { logKeys, now: at, seen }), 'ok');
  assert.equal(await code(good.receipt, { logKeys, now: at, seen }), 'replayed');
  const taken = new Set();
  const store = { claim: async (name) => !taken.has(name) && Boolean(taken.add(name)) };
  const both = await Promise.all([1, 2].map(() => code(good.receipt, { logKeys, now: at, seen: store })));
  assert.deepEqual(both.sort(), ['ok', 'replayed']);
});

test('Node: it must have been let out, where nothing else is said', async () => {
  const v = named('good: not let out yet');
  assert.equal(await code(v.receipt, { logKeys, now: at }), 'not_dispatched');
  assert.equal(await code(v.receipt, { logKeys, now: at, allowUndispatched: true }), 'ok');
});

test('Node: raw arguments are the very bytes that were confirmed', async () => {
  assert.equal(await code(good.receipt, { logKeys, now: at, arguments: '{"amount": 250, "to": "alice"}' }), 'ok');
  assert.equal(await code(good.receipt, { logKeys, now: at, arguments: Buffer.from('{"amount":250,"to":"alice"}') }), 'arguments');
  assert.equal(await code(good.receipt, { logKeys, now: at, arguments: undefined }), 'ok');
  assert.equal(await code(good.receipt, { logKeys, now: at, arguments: null }), 'arguments');
});

test('Node: a log key that was mistyped is refused', async () => {
  for (const bad of [logKeys[2].slice(0, -4), logKeys[2].replace('vestibule', 'vestibula'), 'x', '']) {
    await assert.rejects(verifyReceipt(good.receipt, { logKeys: [bad] }), TypeError);
  }
});

test('an MCP tool acts on a receipt alone, and once', async () => {
  let ran = 0;
  const tool = confirmed('transfer', { logKeys, now: at }, async (_, { receipt }) => {
    ran += 1;
    return { content: [{ type: 'text', text: receipt.confirmed[0].user }] };
  });
  const header = Buffer.from(good.receipt).toString('base64url');
  assert.equal(fromHeader(header), good.receipt);
  const args = { to: 'alice', amount: 250 };
  const call = (value, given = args) => tool(given, { requestInfo: { headers: { 'vestibule-receipt': value } } });
  assert.match((await tool(args, {})).content[0].text, /malformed/);
  assert.match((await call(`${header}=`)).content[0].text, /malformed/);
  assert.match((await call('A'.repeat(20000))).content[0].text, /too_large/);
  assert.match((await call(header, { to: 'mallory', amount: 250 })).content[0].text, /arguments/);
  assert.equal(ran, 0);
  assert.equal((await call(header)).content[0].text, 'maria');
  assert.match((await call(header)).content[0].text, /replayed/);
  assert.equal(ran, 1);
});

test('Python: the same', () => {
  // The system's own interpreter, which has python3-cryptography.
  const run = spawnSync('/usr/bin/python3', [path.join(clients, 'python/test_receipt.py')], { encoding: 'utf8', timeout: 60_000 });
  assert.equal(run.status, 0, run.stderr);
  assert.match(run.stderr, /OK/);
});

test('vestibule receipt verify, offline', (t) => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'receipt-'));
  t.after(() => fs.rmSync(dir, { recursive: true }));
  const binary = process.env.VESTIBULE ?? path.resolve(clients, '../build/release/src/app/vestibule');
  const file = (name, text) => {
    fs.writeFileSync(path.join(dir, name), text);
    return path.join(dir, name);
  };
  const cli = (...args) => {
    const run = spawnSync(binary, args, { encoding: 'utf8', timeout: 30_000, env: { PATH: process.env.PATH, HOME: dir } });
    return { code: run.status, out: run.stdout, err: run.stderr };
  };
  const receipt = file('good.json', `${good.receipt}\n`);
  const key = logKeys[2];
  const shown = cli('receipt', 'verify', receipt, '--log-key', key, '--tool', 'transfer', '--rp-id', 'ai.example.org');
  assert.equal(shown.code, 0, shown.err);
  assert.match(shown.out, /The receipt holds/);
  assert.match(shown.out, /by maria with webauthn/);
  assert.match(shown.out, /device-bound/);
  const json = JSON.parse(cli('receipt', 'verify', receipt, '--log-key', logKeys[0], '--log-key', key, '--arguments', file('a.json', '{"to":"alice","amount":250}\n'), '--json').out);
  assert.equal(json.confirmed[0].user, 'maria');
  assert.equal(json.confirmed[0].bound, true);
  assert.deepEqual(json.arguments, { amount: 250, to: 'alice' });
  const header = file('header', Buffer.from(good.receipt).toString('base64url'));
  assert.equal(cli('receipt', 'verify', header, '--log-key', key).code, 0);
  for (const [args, why] of [
    [['--log-key', logKeys[0]], /log/],
    [['--log-key', key, '--tool', 'purge'], /tool/],
    [['--log-key', key, '--origin', 'https://evil.test'], /origin/],
    [['--log-key', key, '--arguments', file('b.json', '{"to":"mallory","amount":250}')], /arguments/],
  ]) {
    const refused = cli('receipt', 'verify', receipt, ...args);
    assert.equal(refused.code, 1, refused.out);
    assert.match(refused.err, why);
    assert.equal(refused.out, '');
  }
  const waiting = file('waiting.json', named('good: not let out yet').receipt);
  assert.match(cli('receipt', 'verify', waiting, '--log-key', key).out, /let out +no record/);
  assert.match(cli('receipt', 'verify', waiting, '--log-key', key, '--dispatched').err, /not_dispatched/);
  assert.equal(cli('receipt', 'verify', receipt, '--log-key', key, '--dispatched').code, 0);
  const code = file('code.json', named('good: a code, where that is enough').receipt);
  assert.equal(cli('receipt', 'verify', code, '--log-key', key).code, 1);
  const unbound = cli('receipt', 'verify', code, '--log-key', key, '--unbound');
  assert.equal(unbound.code, 0, unbound.err);
  assert.match(unbound.out, /NOT BOUND/);
  assert.equal(cli('receipt', 'verify', receipt, '--log-key', 'x').code, 2);
  assert.equal(cli('receipt', 'verify', receipt).code, 2, 'a key is needed');
  assert.equal(cli('receipt', 'verify', path.join(dir, 'none'), '--log-key', key).code, 2);
});
