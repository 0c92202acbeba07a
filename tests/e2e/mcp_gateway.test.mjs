// The MCP gateway as an attacker tries it: calls that nobody has confirmed, sessions of other people, proofs that have
// lapsed. What matters each time is what has reached the server.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Gateway, policy, sleep } from './lib/gateway.mjs';
import { held, until } from './lib/held.mjs';
import { modern, rules as shared, scripted, send, session } from './lib/mcp.mjs';
import { Wire, soon } from './lib/raw.mjs';
import { confirmations } from './lib/tools.mjs';

const rules = `${shared}[[rule]]
name = "tips by code"
effect = "allow"
tool = ["tip"]
confirm_with = "code"
[[rule]]
name = "bob tips nobody"
effect = "deny"
who = ["user:bob"]
tool = ["tip"]
`;
const point = (up, prefix, more) => ({ kind: 'mcp', prefix, upstream_prefix: '/mcp', upstreams: [up.url], ...more });

let up, keeping, gateway, ada, bob, mine, his, proved;
before(async () => {
  [up, keeping] = await Promise.all([scripted(), scripted({
    GET: (asked, request, response) => { response.writeHead(200, { 'Content-Type': 'text/event-stream' }); response.flushHeaders(); },
  }, { sessions: true })]);
  gateway = await Gateway.start({
    points: {
      tools: point(up, '/mcp', { hold: '0s' }), patient: point(up, '/patient', { hold: '20s' }),
      kept: point(keeping, '/kept'), beside: point(keeping, '/beside'), fresh: point(up, '/fresh', { sensitivity: 'high', hold: '0s' }),
    },
    policy: policy('1h', rules),
  });
  ada = await gateway.setup();
  await gateway.giveToken(ada);
  bob = await gateway.addUser(ada, 'bob');
  proved = Date.now();
  [mine, his] = await Promise.all([gateway.token(ada), gateway.token(bob)]);
});
after(async () => {
  await gateway?.stop();
  up?.close();
  keeping?.close();
});

/// What `work` gives, and what the server sees of it.
async function reaching(server, work) {
  const from = server.seen.length;
  const result = await work();
  return { result, seen: server.seen.slice(from) };
}
let id = 0;
const call = (name, args, more = {}) => ({ jsonrpc: '2.0', id: ++id, method: 'tools/call', params: { name, ...(args === undefined ? {} : { arguments: args }), ...more } });
const refusal = (answer) => answer.message?.error?.data?.reason;
const ran = (answer) => answer.message?.result?.content?.[0].text;
const waiting = async (person = ada) => (await confirmations(gateway, person)).filter((one) => one.stage === 'waiting');
const code = async () => ({ code: ada.hotp.next(), kind: 'hotp' });
const confirm = async (one) => gateway.api('POST', '/v1/confirmations/confirm', { ids: [one.id], ...await code() }, ada);
/// The one that waits for these arguments.
const asked = (args) => until('one waits', async () => (await waiting()).find((one) => one.arguments === JSON.stringify(args)));

describe('calls of tools', () => {

test('an allowed call goes on byte for byte, and comes back so', async () => {
  const body = ' {"jsonrpc" : "2.0","id":"an id","method":"tools\\/call","params":{"arguments":{"b":1.50,"a":"\\u00fc"},"name":"ech\\u006f"}} ';
  const { result, seen } = await reaching(up, () => send(gateway, mine, body));
  assert.equal(result.status, 200, result.text);
  assert.equal(ran(result), 'ran echo {"b":1.5,"a":"ü"}');
  assert.equal(result.message.id, 'an id');
  assert.equal(seen.length, 1);
  assert.equal(seen[0].raw, body);
  assert.equal(seen[0].url, '/mcp');
  assert.equal(seen[0].headers.authorization, undefined);
});

test('what one may not call one does not see, and cannot call', async () => {
  const names = async (token) => (await send(gateway, token, { jsonrpc: '2.0', id: 1, method: 'tools/list' })).message.result.tools.map((tool) => tool.name);
  assert.deepEqual(await names(mine), ['echo', 'tip', 'transfer_money']);
  assert.deepEqual(await names(his), ['echo', 'transfer_money']);
  for (const [token, name] of [[mine, 'format_disk'], [his, 'tip'], [his, 'format_disk']]) {
    const { result, seen } = await reaching(up, () => send(gateway, token, call(name, {})));
    assert.equal(result.status, 200);
    assert.equal(result.message.error.code, -32003);
    assert.equal(refusal(result), 'tool_denied');
    assert.equal(seen.length, 0);
  }
});

test('an alias is another tool: it asks a person', async () => {
  for (const name of ['Format_disk', 'format_disk ', 'format_dis\u212a', 'format_disk\u200b', 'ECHO', 'echo ', ' echo', 'echo\n', 'ec\u200bho']) {
    const { result, seen } = await reaching(up, () => send(gateway, mine, call(name, {})));
    assert.equal(seen.length, 0, JSON.stringify(name));
    assert.ok(result.message.error, result.text);
  }
});

test('held, confirmed, run once; once more takes another confirmation', async () => {
  const args = { to: 'waiter', amount: 1 };
  const { result, seen } = await reaching(up, async () => {
    const answer = send(gateway, mine, call('tip', args), { path: '/patient' });
    const one = await asked(args);
    assert.equal(await held(gateway), 1);
    assert.equal(up.calls().filter((c) => c.raw.includes('waiter')).length, 0, 'nothing has gone on');
    await confirm(one);
    const got = await answer;
    const twice = await gateway.call('POST', '/v1/confirmations/confirm', { ids: [one.id], ...await code() }, ada.handle);
    assert.equal(twice.reason, 'conflict');
    return got;
  });
  assert.equal(ran(result), `ran tip ${JSON.stringify(args)}`);
  assert.equal(seen.length, 1);
  const again = await reaching(up, () => send(gateway, mine, call('tip', args)));
  assert.equal(refusal(again.result), 'confirmation_required', again.result.text);
  assert.equal(again.seen.length, 0);
});

test('confirmed after the caller has given up: the same call goes through, once', async () => {
  const args = { to: 'late', amount: 2 };
  assert.equal(refusal(await send(gateway, mine, call('tip', args))), 'confirmation_required');
  await confirm(await asked(args));
  const { result, seen } = await reaching(up, async () => {
    const both = await Promise.all([1, 2, 3, 4].map(() => send(gateway, mine, call('tip', args))));
    assert.equal(both.filter((one) => ran(one)).length, 1, 'sent four times at once, it runs once');
    return both;
  });
  assert.equal(seen.length, 1);
  assert.equal(result.filter((one) => one.message.error).length, 3);
});

test('what was confirmed is what is released: other arguments, another name, another person, none of them', async () => {
  const args = { to: 'carol', amount: 3 };
  assert.equal(refusal(await send(gateway, mine, call('tip', args))), 'confirmation_required');
  await confirm(await asked(args));
  const others = [
    [mine, call('tip', { ...args, amount: 300 })], [mine, call('tip', { amount: 3, to: 'carol' })], [mine, call('tip', { ...args, more: true })],
    [mine, call('transfer_money', args)], [mine, call('tip')], [his, call('tip', args)],
    [mine, JSON.stringify(call('tip', 0)).replace('"arguments":0', '"arguments":{"to":"carol","amount":3.0}')],
    [mine, JSON.stringify(call('tip', 0)).replace('"arguments":0', '"arguments":{"to":"carol", "amount":3}')],
    [mine, JSON.stringify(call('tip', 0)).replace('"arguments":0', '"arguments":{"to":"c\\u0061rol","amount":3}')],
  ];
  const { seen } = await reaching(up, async () => {
    for (const [token, body] of others) {
      const answer = await send(gateway, token, body);
      assert.ok(answer.message.error, JSON.stringify(body));
    }
  });
  assert.equal(seen.length, 0);
  const good = await reaching(up, () => send(gateway, mine, call('tip', args)));
  assert.equal(ran(good.result), `ran tip ${JSON.stringify(args)}`);
  assert.equal(good.seen.length, 1);
});

test('declined: refused, and the same call asks nobody again', async () => {
  const args = { to: 'mallory', amount: 4 };
  const { result, seen } = await reaching(up, async () => {
    const answer = send(gateway, mine, call('tip', args), { path: '/patient' });
    await gateway.api('POST', `/v1/confirmations/${(await asked(args)).id}/decline`, {}, ada);
    return answer;
  });
  assert.equal(result.message.error.code, -32003);
  assert.equal(refusal(result), 'confirmation_declined');
  const before_ = (await waiting()).length;
  assert.equal(refusal(await send(gateway, mine, call('tip', args), { path: '/patient' })), 'confirmation_declined');
  assert.equal((await waiting()).length, before_);
  assert.equal(seen.length, 0);
});

test('a code where a signature is asked for, a token, a stranger: nothing comes out', async () => {
  const args = { to: 'eve', amount: 500 };
  assert.equal(refusal(await send(gateway, mine, call('transfer_money', args))), 'confirmation_required');
  const one = await asked(args);
  for (const who of [mine, his, undefined]) assert.equal((await gateway.call('POST', '/v1/confirmations/confirm', { ids: [one.id], ...await code() }, who)).status, 401);
  assert.equal((await gateway.call('POST', '/v1/confirmations/confirm', { ids: [one.id], ...await code() }, ada.handle)).reason, 'mfa_required');
  assert.equal((await gateway.call('POST', '/v1/confirmations/confirm', { ids: [one.id], code: await bob.totp.next() }, bob.handle)).reason, 'not_found');
  const { result, seen } = await reaching(up, () => send(gateway, mine, call('transfer_money', args)));
  assert.equal(refusal(result), 'confirmation_required');
  assert.equal(seen.length, 0);
});

test('a call that would run by itself later is one all the same', async () => {
  const { result, seen } = await reaching(up, () => send(gateway, mine, call('tip', { to: 'task' }, { task: { ttl: 60_000 } })));
  assert.ok(result.message.error, result.text);
  assert.equal(seen.length, 0);
});

test('an emergency stop of a tool stops it', async () => {
  await gateway.api('POST', '/v1/stops', { scope: 'tool', target: '*/echo' }, ada);
  const { result, seen } = await reaching(up, () => send(gateway, mine, call('echo', { a: 1 })));
  assert.ok(result.message.error, result.text);
  assert.equal(seen.length, 0);
  await gateway.api('POST', '/v1/stops/lift', { scope: 'tool', target: '*/echo', ...await code() }, ada);
  assert.equal(ran(await send(gateway, mine, call('echo', { a: 1 }))), 'ran echo {"a":1}');
});

});

describe('sessions', () => {

test('a stolen session is none', async () => {
  const own = await session(gateway, mine, { path: '/kept' });
  assert.ok(own.id);
  assert.notEqual(own.id, `s-${keeping.seen.length}`);
  assert.equal((await own.send('tools/list')).status, 200);
  const stolen = { 'Mcp-Session-Id': own.id, 'MCP-Protocol-Version': '2025-11-25' };
  const { seen } = await reaching(keeping, async () => {
    for (const [method, token, at] of [['POST', his, '/kept'], ['GET', his, '/kept'], ['DELETE', his, '/kept'], ['POST', mine, '/beside'], ['DELETE', mine, '/beside']]) {
      const answer = await send(gateway, token, method === 'POST' ? { jsonrpc: '2.0', id: 1, method: 'tools/list' } : undefined, { method, path: at, headers: stolen });
      assert.equal(answer.status, 404, `${method} ${at}: ${answer.text}`);
    }
    for (const made of ['s-1', 's-2', '', 'x'.repeat(500), `${own.id}x`, own.id.slice(0, -1)]) {
      const answer = await send(gateway, mine, { jsonrpc: '2.0', id: 1, method: 'tools/list' }, { path: '/kept', headers: { ...stolen, 'Mcp-Session-Id': made } });
      assert.ok([400, 404].includes(answer.status), `${made}: ${answer.status}`);
    }
    const raw = keeping.seen.at(-1).headers['mcp-session-id'];
    for (const name of ['Mcp_Session_Id', 'MCP-SESSION_ID', 'Mcp.Session.Id', 'Mcp-Session-Id']) {
      for (const method of ['POST', 'GET', 'DELETE']) {
        const answer = await send(gateway, his, method === 'POST' ? { jsonrpc: '2.0', id: 1, method: 'tools/list' } : undefined, { method, path: '/kept', headers: { 'MCP-Protocol-Version': '2025-11-25', [name]: raw } });
        assert.equal(answer.status, name === 'Mcp-Session-Id' ? 404 : 400, `the server's own name of it by ${name}: ${answer.text}`);
      }
    }
    const two = await send(gateway, mine, { jsonrpc: '2.0', id: 1, method: 'tools/list' }, { path: '/kept', headers: { ...stolen, 'Mcp-Session-Id': [own.id, own.id] } });
    assert.equal(two.status, 400);
  });
  assert.equal(seen.length, 0);
  assert.equal((await own.send('tools/list')).status, 200, 'the owner goes on');
  // The revision without sessions takes no notice of one, and the server hears of none.
  const [body, { headers }] = modern('tools/list');
  for (const id of [own.id, keeping.seen.at(-1).headers['mcp-session-id']]) {
    const { seen: heard } = await reaching(keeping, () => send(gateway, his, body, { path: '/kept', headers: { ...headers, 'Mcp-Session-Id': id } }));
    assert.ok(heard.length > 0 && heard.every((request) => !request.headers['mcp-session-id']));
  }
});

test('a stream that stays open ends when its person is shut out', async () => {
  const eve = await gateway.addUser(ada, 'eve');
  const hers = await gateway.token(eve);
  const own = await session(gateway, hers, { path: '/kept' });
  const wire = await Wire.connect(gateway.port);
  wire.write(`GET /kept HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${hers}\r\nAccept: text/event-stream\r\nMcp-Session-Id: ${own.id}\r\nMCP-Protocol-Version: 2025-11-25\r\n\r\n`);
  await until('the stream is open', () => wire.buffer.includes('200 OK'));
  await sleep(300);
  assert.equal(wire.ended, false);
  const at = Date.now();
  await gateway.api('POST', '/v1/users/eve/disable', {}, ada);
  assert.ok(await wire.end() - at < soon);
  assert.equal((await own.send('tools/list')).status, 401);
});

test('GET and DELETE belong to sessions', async () => {
  for (const method of ['GET', 'DELETE']) {
    assert.equal((await send(gateway, mine, undefined, { method, headers: { 'MCP-Protocol-Version': '2025-11-25' } })).status, 405, 'where there are none');
    const { result, seen } = await reaching(keeping, () => send(gateway, mine, undefined, { method, path: '/kept', headers: { 'MCP-Protocol-Version': '2026-07-28' } }));
    assert.equal(result.status, 405);
    assert.equal(seen.length, 0);
  }
});

test('what is over is over', async () => {
  const own = await session(gateway, mine, { path: '/kept' });
  assert.equal((await send(gateway, mine, undefined, { method: 'DELETE', path: '/kept', headers: own.headers })).status, 200);
  assert.equal((await own.send('tools/list')).status, 404);
});

});

test('a proof that has lapsed opens nothing, whatever the message', async () => {
  await sleep(Math.max(0, proved + 11_000 - Date.now()));
  const { seen } = await reaching(up, async () => {
    for (const body of [call('echo', {}), { jsonrpc: '2.0', id: 1, method: 'tools/list' }, { jsonrpc: '2.0', id: 1, method: 'ping' }, { jsonrpc: '2.0', method: 'notifications/initialized' }, { jsonrpc: '2.0', id: 1, result: {} }, undefined]) {
      const answer = await send(gateway, his, body, { path: '/fresh', method: body ? 'POST' : 'GET' });
      assert.equal(answer.status, 401, JSON.stringify(body));
      assert.equal(answer.reason, 'mfa_lapsed');
      assert.match(answer.headers['www-authenticate'], /error="insufficient_user_authentication".*max_age="10"/);
    }
  });
  assert.equal(seen.length, 0);
  await gateway.prove(bob);
  assert.equal(ran(await send(gateway, his, call('echo', {}), { path: '/fresh' })), 'ran echo {}');
});

test('the log says which tool was called, by whom, and that what was refused was', async () => {
  await send(gateway, mine, call('echo', { last: true }));
  const records = await gateway.audit(ada);
  const tools = records.filter((record) => record.operation === 'tools/call');
  assert.ok(tools.some((record) => record.kind === 'admission' && record.object === 'echo' && record.user_name === 'ada'), JSON.stringify(tools.at(-1)));
  assert.ok(records.some((record) => record.operation === 'tools.confirm'));
  assert.ok(await gateway.verify(ada));
});
