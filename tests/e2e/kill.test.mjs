// kill -9 at random moments under load: every prompt that the model server saw has its admission
// record, and the log is whole after each restart. E2E_KILLS says how often.
import assert from 'node:assert/strict';
import { test, before, after } from 'node:test';
import { Gateway, sleep } from './lib/gateway.mjs';
import { Upstream } from './lib/upstream.mjs';
import { Wire, post, prompt } from './lib/raw.mjs';

const kills = Number(process.env.E2E_KILLS ?? 100);
const path = '/v1/chat/completions';
let up, gateway, admin, token;
before(async () => {
  up = await Upstream.start();
  gateway = await Gateway.start({ points: { main: { upstreams: [up.url] } }, config: { audit: { checkpoint_file: 'checkpoints', checkpoint_records: 100 } } });
  admin = await gateway.setup();
  token = await gateway.token(admin);
});
after(async () => {
  await gateway?.stop();
  await up?.close();
});

async function load(until) {
  let answered = 0;
  const worker = async () => {
    while (!until.over) {
      let wire;
      try {
        wire = await Wire.connect(gateway.port);
        for (let n = 0; !until.over; ++n) {
          wire.write(post(path, token, prompt('x'.repeat(n % 7), n % 3 ? {} : { stream: true })));
          const reply = await wire.reply({ wait: 3000 });
          if (!reply?.whole) break;
          assert.equal(reply.status, 200, reply.body);
          ++answered;
        }
      } catch (error) {
        if (error.code === 'ERR_ASSERTION') throw error;
      } finally {
        wire?.close();
      }
      await sleep(5);
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  return answered;
}

test(`${kills} kills under load`, async (t) => {
  let answered = 0, seen = 0, from = 0;
  const recorded = new Set();
  for (let n = 0; n < kills; ++n) {
    const until = { over: false };
    const loaded = load(until);
    await sleep(30 + Math.random() * 270);
    await gateway.kill('SIGKILL');
    until.over = true;
    answered += await loaded;
    await gateway.up();

    const { problems, records } = await gateway.verify(admin);
    assert.deepEqual(problems, [], `after kill ${n + 1}`);
    for (;;) {
      const entries = await gateway.api('GET', `/v1/audit?kind=admission&order=oldest&limit=1000&from_seq=${from}`, undefined, admin);
      for (const entry of entries) recorded.add(entry.request);
      if (entries.length === 0) break;
      from = entries.at(-1).seq + 1;
      if (entries.length < 1000) break;
    }
    for (const request of up.seen) {
      const id = request.get('x-request-id');
      assert.ok(recorded.has(id), `kill ${n + 1}: the upstream saw ${id}, the log did not (${records} records)`);
    }
    seen += up.seen.length;
    up.forget();
  }
  assert.ok(seen > kills * 5, `only ${seen} prompts: no load`);
  t.diagnostic(`${answered} answers, ${seen} prompts seen upstream, ${recorded.size} admissions`);
});

test('a copy of the stopped gateway\'s log verifies offline, and misses nothing that was checkpointed', async () => {
  const { vkey } = await gateway.api('GET', '/v1/audit/checkpoint', undefined, admin);
  await gateway.stop();
  const files = ['--database', `${gateway.dir}/data/vestibule.db`, '--checkpoints', `${gateway.dir}/checkpoints`];
  const run = gateway.cli(['audit', 'verify', '--json', ...files, '--vkey', vkey]);
  assert.equal(run.code, 0, run.err + run.out);
  const report = JSON.parse(run.out);
  assert.deepEqual(report.problems, []);
  assert.ok(report.records > 200 && report.checkpoints > 5, run.out);
  // Another log's key does not.
  const other = vkey.slice(0, -4) + (vkey.endsWith('AAAA') ? 'BBBB' : 'AAAA');
  assert.notEqual(gateway.cli(['audit', 'verify', ...files, '--vkey', other]).code, 0);
});
