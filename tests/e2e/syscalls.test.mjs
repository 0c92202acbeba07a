// What a warm request costs in system calls, counted by strace: the figures are held here, so that
// whoever adds a call to every request sees it. Allocations are held by proxy_test.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test, after } from 'node:test';
import { Gateway, sleep } from './lib/gateway.mjs';
import { Upstream } from './lib/upstream.mjs';
import { Wire, post, prompt } from './lib/raw.mjs';

const clients = 16, each = 60;
const target = '/v1/chat/completions';
let up, gateway;
after(async () => {
  await gateway?.stop();
  await up?.close();
});

async function load(token, n) {
  const worker = async () => {
    const wire = await Wire.connect(gateway.port);
    for (let i = 0; i < n; ++i) {
      wire.write(post(target, token, prompt('x')));
      const reply = await wire.reply();
      assert.equal(reply.status, 200, reply.body);
    }
    return wire;
  };
  return Promise.all(Array.from({ length: clients }, worker));
}

// Calls of each thread between two times (s): { tid: { name: count } }.
function calls(file, from, to) {
  const threads = {};
  for (const line of fs.readFileSync(file, 'utf8').split('\n')) {
    const m = /^(\d+) +([\d.]+) ([a-z_0-9]+)\(/.exec(line);  // a resumed call has no bracket of its own
    if (!m || Number(m[2]) < from || Number(m[2]) > to) continue;
    const thread = threads[m[1]] ??= {};
    thread[m[3]] = (thread[m[3]] ?? 0) + 1;
  }
  return threads;
}

test('a warm request makes five calls on its sockets, and hardly a futex', async (t) => {
  up = await Upstream.start();
  gateway = await Gateway.start({ points: { main: { upstreams: [up.url] } }, config: { server: { cores: 1 } }, fixed: false });
  const trace = path.join(gateway.dir, 'strace');
  gateway.wrapper = ['strace', '-D', '-f', '-qq', '-ttt', '-s', '0', '-o', trace];
  await gateway.up({ wait: 60_000 });
  const admin = await gateway.setup();
  const token = await gateway.token(admin);
  const warm = await load(token, 10);
  await sleep(300);
  const from = Date.now() / 1000;
  const wires = await load(token, each);
  const to = Date.now() / 1000;
  for (const wire of [...warm, ...wires]) wire.close();
  await gateway.stop();

  const threads = calls(trace, from, to);
  const requests = clients * each;
  const core = Object.values(threads).reduce((a, b) => ((a.sendto ?? 0) > (b.sendto ?? 0) ? a : b));
  const per = (name) => (core[name] ?? 0) / requests;
  const sockets = per('recvfrom') + per('sendto') + per('sendmsg');
  const futexes = per('futex');
  const waits = per('epoll_wait') + per('epoll_ctl') + per('timerfd_settime');
  const rest = Object.entries(core).filter(([name]) => !/^(recvfrom|sendto|sendmsg|epoll_|timerfd_)/.test(name))
    .reduce((sum, [, n]) => sum + n, 0) / requests;
  t.diagnostic(`per request: ${sockets.toFixed(2)} on sockets, ${waits.toFixed(2)} waiting, ${rest.toFixed(2)} other, ${futexes.toFixed(3)} futexes`);
  assert.ok(requests * 1.95 < core.sendto, 'the trace has seen all of it');
  // Two writes; a read of the request, one of the reply, one look whether the pooled connection is quiet (none in a turn in
  // which epoll has just told: records that are awaited end on turns of their own).
  // A reply in two segments is one read more.
  assert.ok(sockets < 6.3, JSON.stringify(core));
  // Only where the writer thread hands over a batch while the core takes from its queue, which strace makes long.
  assert.ok(futexes < 0.25, JSON.stringify(core));
  // Waking the writer thread, being woken by it: shared by all that wait at the time.
  assert.ok(rest < 2.5, JSON.stringify(core));
});
