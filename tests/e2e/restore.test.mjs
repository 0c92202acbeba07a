// By the command line, what an operator does with the data: backup and restore, master keys.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { describe, test } from 'node:test';
import { password } from './lib/gateway.mjs';
import { house } from './lib/house.mjs';
import { stepAt } from './lib/totp.mjs';

describe('an operator and the data', { concurrency: true }, () => {

test('backup and restore: what was open then is void', async (t) => {
  const { gateway } = await house(t);
  const { totp: token } = await gateway.setup();
  const backup = `${gateway.dir}/backup.db`;
  const signedIn = gateway.cli(['login', '--new', '--name', 'ada', '--password-stdin'], { input: `${password}\n${await token.next()}\n` });
  assert.equal(signedIn.code, 0, signedIn.err);
  const made = gateway.cli(['backup', backup, '--code', await token.next()]);
  assert.equal(made.code, 0, made.err);
  const running = gateway.cli(['restore', backup, '--yes']);
  assert.notEqual(running.code, 0, 'restored under a running gateway');
  await gateway.stop();
  const restored = gateway.cli(['restore', backup, '--yes']);
  assert.equal(restored.code, 0, restored.err + restored.out);
  token.last = stepAt() + 1;  // all codes up to the one after the present are void
  await gateway.up();
  assert.notEqual(gateway.cli(['token']).code, 0, 'a session outlived the restore');
  const again = gateway.cli(['login', '--new', '--name', 'ada', '--password-stdin'], { input: `${password}\n${await token.next()}\n` });
  assert.equal(again.code, 0, again.err);
  // The checkpoints from after the backup show what the restore has lost; without them the log is whole.
  const verified = gateway.cli(['audit', 'verify']);
  assert.equal(verified.code, 1);
  assert.match(verified.err, /shipped/);
  fs.renameSync(`${gateway.dir}/checkpoints`, `${gateway.dir}/checkpoints.before`);
  await gateway.restart();
  const whole = gateway.cli(['audit', 'verify']);
  assert.equal(whole.code, 0, whole.err);
});

test('keys: rotated, and the old one retired once nothing is sealed by it', async (t) => {
  const { gateway } = await house(t);
  const admin = await gateway.setup();
  await gateway.giveToken(admin);
  await gateway.api('POST', '/v1/preference', { kind: 'hotp' }, admin);
  const signIn = () => gateway.cli(['login', '--new', '--name', 'ada', '--password-stdin'], { input: `${password}\n${admin.hotp.next()}\n` });
  const first = signIn();
  assert.equal(first.code, 0, first.err);
  const ids = () => JSON.parse(gateway.cli(['keys', 'list', '--json']).out).ids;
  const database = `${gateway.dir}/data/vestibule.db`;
  const sql = (text) => spawnSync('sqlite3', ['-cmd', '.timeout 5000', database, text], { encoding: 'utf8' }).stdout.trim();
  assert.deepEqual(ids(), [1]);
  let code = admin.hotp.next();
  const active = gateway.cli(['keys', 'retire', '1', '--code', code]);
  assert.equal(active.code, 1);
  assert.match(active.err, /seals at present/);
  const old = sql("SELECT hex(sealed) FROM factor WHERE kind = 2");
  assert.match(old, /^01[0-9A-F]+$/);
  const rotated = gateway.cli(['keys', 'rotate', '--code', code]);  // the code was not spent
  assert.equal(rotated.code, 0, rotated.err);
  assert.deepEqual(ids(), [1, 2]);
  // One secret left behind, as after a rotation that broke off: nobody may take its key away.
  const fresh = sql("SELECT hex(sealed) FROM factor WHERE kind = 2");
  assert.notEqual(fresh, old);
  sql(`UPDATE factor SET sealed = x'${old}' WHERE kind = 2`);
  code = admin.hotp.next();
  const early = gateway.cli(['keys', 'retire', '1', '--code', code]);
  assert.equal(early.code, 1);
  assert.match(early.err, /still sealed/);
  assert.deepEqual(ids(), [1, 2]);
  sql(`UPDATE factor SET sealed = x'${fresh}' WHERE kind = 2`);
  const retired = gateway.cli(['keys', 'retire', '1', '--code', code]);
  assert.equal(retired.code, 0, retired.err);
  assert.deepEqual(ids(), [2]);
  assert.equal(fs.statSync(`${gateway.dir}/master.key`).mode & 0o777, 0o600);
  assert.equal(gateway.cli(['keys', 'retire', '1', '--code', admin.hotp.next()]).code, 1, 'a key was retired twice');
  await gateway.restart();
  const again = signIn();
  assert.equal(again.code, 0, again.err);
  const session = await gateway.signIn({ name: 'ada', totp: admin.totp });
  assert.equal((await gateway.prove(session)).level, 2, 'the secret that was moved about opens');
  const records = gateway.cli(['audit', 'list', '--operation', 'keys.retire', '--json']).out.trim().split('\n').map((line) => JSON.parse(line));
  assert.deepEqual(records.filter((r) => r.kind === 'change').map((r) => r.object), ['key 1']);
});

});
