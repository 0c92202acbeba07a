// A proof lapses at the second, a code counts once, and nothing renews a factor but the factor.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { policy, sleep } from './lib/gateway.mjs';
import { house as begin } from './lib/house.mjs';
import { Wire, once, post, prompt } from './lib/raw.mjs';
import { codeOf, stepAt } from './lib/totp.mjs';

const path = '/v1/chat/completions';
const age = 10;

// Each test has a gateway of its own, so that they can wait beside each other and no lock-out of one
// stands in the way of another.
async function house(t) {
  const { up, gateway } = await begin(t, { policy: policy(`${age}s`) });
  const admin = await gateway.setup();
  const it = { up, gateway, admin, token: await gateway.token(admin) };
  it.ask = async (wire) => {
    const sent = Date.now();
    wire.write(post(path, it.token, prompt('hello')));
    const reply = await wire.reply();
    return { sent, got: Date.now(), reply };
  };
  return it;
}

describe('proofs and codes', { concurrency: true }, () => {

test('a proof lapses at the very second, also on a kept-alive connection in use', async (t) => {
  const it = await house(t);
  const { gateway, admin, ask } = it;
  const wire = await Wire.connect(gateway.port);
  const before = Date.now();
  await gateway.prove(admin);
  const proved = Date.now();
  let passed = 0, refused = 0;
  while (refused < 3) {
    const { sent, got, reply } = await ask(wire);
    if (reply.status === 200) {
      ++passed;
      assert.equal(refused, 0, 'passed again without a new proof');
      assert.ok(sent <= proved + age * 1000, `passed ${sent - proved} ms after the proof`);
      const left = Number(reply.headers['vestibule-expires-in']);
      assert.ok(left <= age && left >= 0, `says ${left} s left`);
    } else {
      assert.ok(got >= before + age * 1000, `refused ${got - before} ms after the proof`);
      assert.equal(reply.status, 401);
      assert.equal(reply.reason, 'mfa_lapsed');
      assert.match(reply.headers['www-authenticate'], /error="insufficient_user_authentication"/);
      assert.match(reply.headers['www-authenticate'], new RegExp(`max_age="?${age}"?`));
      ++refused;
    }
    await sleep(25);
  }
  assert.ok(passed > 20, `${passed}`);
  // Neither activity nor a new token renews anything; a new code does, on the same connection.
  it.token = await gateway.token(admin);
  assert.equal((await ask(wire)).reply.reason, 'mfa_lapsed');
  await gateway.prove(admin);
  assert.equal((await ask(wire)).reply.status, 200);
  wire.close();
});

test('a request whose body comes after the proof has lapsed is refused', async (t) => {
  const { gateway, token, up } = await house(t);
  up.forget();
  const wire = await Wire.connect(gateway.port);
  const bytes = post(path, token, prompt('hello'));
  wire.write(bytes.slice(0, -5));
  await sleep((age + 0.3) * 1000);
  wire.write(bytes.slice(-5));
  const reply = await wire.reply();
  assert.equal(reply.reason, 'mfa_lapsed');
  assert.equal(up.seen.length, 0);
  wire.close();
});

test('a code counts once, and no spelling of it counts again', async (t) => {
  const { gateway, admin } = await house(t);
  const code = await admin.totp.next();
  assert.equal((await gateway.call('POST', '/v1/prove', { answer: code }, admin.handle)).status, 200);
  const fullWidth = [...code].map((d) => String.fromCharCode(0xff10 + Number(d))).join('');
  const arabic = [...code].map((d) => String.fromCharCode(0x660 + Number(d))).join('');
  for (const again of [code, ` ${code}`, `${code} `, `${code.slice(0, 3)} ${code.slice(3)}`, `${code.slice(0, 3)}-${code.slice(3)}`, `${code}\n`, `\t${code}`, `${code}\u00a0`, fullWidth, arabic, `0${code}`, `${code}\0`]) {
    const reply = await gateway.call('POST', '/v1/prove', { answer: again }, admin.handle);
    assert.ok(reply.status >= 400, `${JSON.stringify(again)} counted`);
    assert.ok(['code_used', 'code_wrong', 'factor_locked', 'invalid_argument', 'body_not_json'].includes(reply.reason), reply.reason);
    if (reply.reason === 'factor_locked') break;
  }
});

test('a hundred parallel uses of one code: exactly one counts', async (t) => {
  const { gateway, admin } = await house(t);
  // From several sessions, each request on a connection of its own.
  const sessions = [admin, await gateway.signIn(admin), await gateway.signIn(admin), await gateway.signIn(admin)];
  const code = await admin.totp.next();
  const text = JSON.stringify({ answer: code });
  const wires = await Promise.all(Array.from({ length: 100 }, () => Wire.connect(gateway.socket)));
  wires.forEach((wire, n) => wire.write(`POST /v1/prove HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${sessions[n % 4].handle}\r\nContent-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n${text}`));
  const replies = await Promise.all(wires.map((wire) => wire.reply({ wait: 20_000 })));
  wires.forEach((wire) => wire.close());
  const tally = {};
  for (const reply of replies) tally[reply.reason ?? reply.status] = (tally[reply.reason ?? reply.status] ?? 0) + 1;
  assert.equal(tally[200], 1, JSON.stringify(tally));
  for (const why of Object.keys(tally)) assert.ok(['200', 'code_used', 'factor_locked', 'session_ended', 'credential_unknown'].includes(why), JSON.stringify(tally));
});

test('guesses from many sessions share one counter, and passwords do not reset it', async (t) => {
  const { gateway, admin } = await house(t);
  const user = await gateway.addUser(admin, 'mia');
  let tried = 0, locked = false;
  for (; tried < 40 && !locked; ++tried) {
    const session = await gateway.signIn(user);
    const wrong = wrongCode(user);
    const reply = await gateway.call('POST', '/v1/prove', { answer: wrong }, session.handle);
    assert.ok(['code_wrong', 'factor_locked'].includes(reply.reason), reply.reason);
    locked = reply.reason === 'factor_locked';
  }
  assert.ok(locked, 'never locked');
  assert.ok(tried <= 11, `${tried} guesses`);
  // Nor does another session with the right code pass now.
  const session = await gateway.signIn(user);
  const reply = await gateway.call('POST', '/v1/prove', { answer: codeOf(user.totp.secret, stepAt() + 1) }, session.handle);
  assert.equal(reply.reason, 'factor_locked');
});

test('a stranger cannot lock somebody out: codes count only behind the password', async (t) => {
  const { gateway, admin } = await house(t);
  const reply = await gateway.call('POST', '/v1/sign-in', { name: 'ada', password: 'not the right one at all' });
  assert.equal(reply.reason, 'signin_failed');
  const nobody = await gateway.call('POST', '/v1/sign-in', { name: 'nobody', password: 'not the right one at all' });
  assert.deepEqual([nobody.status, nobody.body.error.code, nobody.body.error.message], [reply.status, reply.body.error.code, reply.body.error.message]);
  const after = await gateway.signIn(admin);
  await gateway.prove({ ...after, totp: admin.totp });
});

test('a proof from before a restart still has its age afterwards', async (t) => {
  const { gateway, admin, token } = await house(t);
  await gateway.prove(admin);
  const proved = Date.now();
  assert.equal((await once(gateway.port, post(path, token, prompt('a')))).status, 200);
  await gateway.restart();
  const soon = await once(gateway.port, post(path, token, prompt('a')));
  if (Date.now() < proved + 8000) assert.equal(soon.status, 200, soon.body);
  await sleep(Math.max(0, proved + (age + 0.2) * 1000 - Date.now()));
  assert.equal((await once(gateway.port, post(path, token, prompt('a')))).reason, 'mfa_lapsed');
});

});

function wrongCode(user) {
  const right = [-2, -1, 0, 1, 2].map((n) => codeOf(user.totp.secret, stepAt() + n));
  for (let n = 0; ; ++n) if (!right.includes(String(n).padStart(6, '0'))) return String(n).padStart(6, '0');
}
