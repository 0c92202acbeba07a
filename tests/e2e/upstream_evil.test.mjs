// Model servers that break off, lie about lengths, answer too early, close under one's hands.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import { test, before, after, beforeEach } from 'node:test';
import { Gateway, sleep } from './lib/gateway.mjs';
import { Upstream, chat, json, chunk, piece, completion, eventStream, reply as plain } from './lib/upstream.mjs';
import { Wire, once, post, get, prompt } from './lib/raw.mjs';

const path = '/v1/chat/completions';
let up, gateway, admin, token, answer, atHead;
before(async () => {
  up = await Upstream.start((...a) => (answer ?? chat)(...a), { atHead: (...a) => atHead?.(...a) });
  gateway = await Gateway.start({
    points: { main: { upstreams: [up.url] }, any: { kind: 'http', prefix: '/any', upstreams: [up.url] } },
    config: { server: { cores: 1 } },  // one core, one pool: reuse is certain
  });
  admin = await gateway.setup();
  token = await gateway.token(admin);
});
after(async () => {
  lazily.close();
  await gateway?.stop();
  await up?.close();
});
beforeEach(async () => {
  answer = atHead = undefined;
  up.forget();
});
const ask = (text, more) => once(gateway.port, post(path, token, prompt(text, more)));
const content = (reply) => JSON.parse(reply.body).choices[0].message.content;
// After whatever happened: the next reply is its own, not a leftover.
const sane = async () => {
  answer = undefined;
  const mark = `mark-${Math.random()}`;
  const reply = await ask(mark);
  assert.equal(reply.status, 200, reply.body);
  assert.equal(content(reply), mark);
};

// A server that answers at the end of a head and takes what follows for its next request, whatever its length and its `Connection` say.
const lazy = { lines: [], opened: 0 };
const lazily = net.createServer((socket) => {
  lazy.opened += 1;
  let text = '';
  socket.on('error', () => {});
  socket.on('data', (data) => {
    text += data;
    for (let end; (end = text.indexOf('\r\n\r\n')) >= 0;) {
      const head = text.slice(0, end);
      text = text.slice(end + 4);
      lazy.lines.push({ line: head.split('\r\n')[0], closes: /^connection: close$/im.test(head) });
      const said = head.startsWith('POST /v1/chat') ? JSON.stringify(completion('scripted', /X-Bob/.test(head) ? 'what bob asked for' : 'her own')) : '{}';
      socket.write(`HTTP/1.1 ${head.startsWith('POST /v1/chat') ? '200 OK' : '404 Not Found'}\r\nContent-Type: application/json\r\nContent-Length: ${said.length}\r\n\r\n${said}`);
      if (head.startsWith('POST /v1/chat') && !/X-Bob/.test(head)) text = '';  // her body
    }
  });
});

for (const [what, target, type, wrap] of [
  ['a form', '/lazy/v1/audio/transcriptions', 'multipart/form-data; boundary=x', ''],
  ['any body', '/lazy-any/upload', 'application/octet-stream', ''],
  ['a chunked body', '/lazy-any/upload', 'application/octet-stream', 'chunked'],
]) {
  test(`${what} that an upstream has not read is nobody's next request`, async () => {
    if (!lazily.listening) {
      await new Promise((done) => lazily.listen(0, '127.0.0.1', done));
      const url = `http://127.0.0.1:${lazily.address().port}`;
      fs.appendFileSync(gateway.configFile, `[access_point.lazy]\nkind = "openai"\nprefix = "/lazy"\nupstreams = ["${url}"]\n[access_point.lazy-any]\nkind = "http"\nprefix = "/lazy-any"\nupstreams = ["${url}"]\n`);
      await gateway.restart();
    }
    lazy.lines = [];
    const smuggled = 'POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nX-Bob: 1\r\n\r\n';
    const framing = wrap ? 'Transfer-Encoding: chunked' : `Content-Length: ${smuggled.length}`;
    const body = wrap ? `${smuggled.length.toString(16)}\r\n${smuggled}\r\n0\r\n\r\n` : smuggled;
    const bob = await once(gateway.port, `POST ${target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\nContent-Type: ${type}\r\n${framing}\r\n\r\n${body}`);
    assert.equal(bob.status, 404, bob.body);
    await sleep(100);
    assert.ok(lazy.lines[0].closes, JSON.stringify(lazy.lines));
    const opened = lazy.opened;
    const ada = await once(gateway.port, post(target.replace(/(v1\/audio.*|upload)$/, 'v1/chat/completions'), token, prompt('hers')));
    assert.equal(content(ada), 'her own');
    assert.equal(lazy.opened, opened + 1);
  });
}

test('connections to the upstream are reused', async () => {
  await sane();
  const opened = up.opened;
  await sane();
  assert.equal(up.opened, opened);
});

test('where a prompt was answered with an error its connection is not used again', async () => {
  await sane();
  answer = async (r, socket) => socket.write(json({ error: { message: 'no' } }, 400));
  assert.equal((await ask('a')).status, 400);
  const opened = up.opened;
  await sane();
  assert.equal(up.opened, opened + 1);
});

test('a length that is not reached: the client sees a broken end', async () => {
  answer = async (r, socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"choices":');
    await sleep(50);
    socket.end();
  };
  const reply = await ask('a');
  assert.ok(reply.status === 502 || !reply.whole, JSON.stringify(reply));
  await sane();
});

test('a chunked reply that is cut: the client sees a broken end', async () => {
  answer = async (r, socket) => {
    socket.write(eventStream + chunk(piece('scripted', 'one ')));
    await sleep(50);
    socket.write('ff\r\ndata: half');
    socket.end();
  };
  const wire = await Wire.connect(gateway.port);
  wire.write(post(path, token, prompt('a', { stream: true })));
  const reply = await wire.reply();
  assert.equal(reply.status, 200);
  assert.equal(reply.whole, false);
  assert.match(reply.body, /one /);
  await sane();
});

test('a chunked reply cut between chunks has no clean end either, and says why in its own shape', async () => {
  answer = async (r, socket) => {
    socket.write(eventStream + chunk(piece('scripted', 'one ')));
    await sleep(50);
    socket.end();
  };
  const reply = await ask('a', { stream: true });
  assert.equal(reply.whole, false);
  assert.match(reply.body, /upstream_aborted/);
  assert.doesNotMatch(reply.body, /\[DONE\]/);
  await sane();
});

test('a connection that is reset while the reply runs', async () => {
  answer = async (r, socket) => {
    socket.write(eventStream + chunk(piece('scripted', 'one ')));
    await sleep(30);
    socket.resetAndDestroy ? socket.resetAndDestroy() : socket.destroy();
  };
  const reply = await ask('a', { stream: true });
  assert.equal(reply.whole, false);
  await sane();
});

test('nothing but a close: 502', async () => {
  answer = async (r, socket) => socket.destroy();
  const reply = await ask('a');
  assert.equal(reply.status, 502);
  assert.equal(reply.reason, 'upstream_unreachable');
  await sane();
});

test('a second reply behind the first is given to nobody', async () => {
  const evil = json(completion('scripted', 'stolen'));
  answer = async (r, socket) => socket.write(json(completion('scripted', 'mine')) + evil);
  assert.equal(content(await ask('a')), 'mine');
  const opened = up.opened;
  await sane();
  assert.equal(up.opened, opened + 1, 'the connection that is out of step was used again');
});

test('bytes that come later on an idle connection make it unfit', async () => {
  answer = async (r, socket) => {
    socket.write(json(completion('scripted', 'mine')));
    setTimeout(() => socket.write(json(completion('scripted', 'stolen'))), 30);
  };
  assert.equal(content(await ask('a')), 'mine');
  await sleep(80);
  const opened = up.opened;
  await sane();
  assert.equal(up.opened, opened + 1);
});

test('bytes behind the last chunk make it unfit', async () => {
  answer = async (r, socket) => socket.write(eventStream + chunk(piece('scripted', 'one ')) + '0\r\n\r\n' + '5\r\nhello\r\n');
  const reply = await ask('a', { stream: true });
  assert.doesNotMatch(reply.body, /hello/);
  const opened = up.opened;
  await sane();
  assert.equal(up.opened, opened + 1);
});

test('a pooled connection that the upstream has closed meanwhile', async () => {
  answer = async (r, socket) => {
    socket.write(json(completion('scripted', 'mine')));
    setTimeout(() => socket.end(), 10);
  };
  await ask('a');
  await sleep(60);
  await sane();
});

test('a pooled connection that closes under the request: a GET is asked again, a prompt never', async () => {
  await sane();
  let closed = 0;
  answer = async (r, socket) => {
    if (closed++ === 0) return socket.destroy();
    return chat(r, socket);
  };
  up.forget();
  const listed = await once(gateway.port, get('/v1/models', token));
  assert.equal(listed.status, 200);
  assert.equal(up.seen.length, 2);

  await sane();
  closed = 0;
  answer = async (r, socket) => { ++closed; socket.destroy(); };
  up.forget();
  const reply = await ask('a');
  assert.equal(reply.status, 502);
  assert.equal(up.seen.length, 1, 'a prompt was sent twice');
  await sane();
});

test('an answer before the upload has ended', async () => {
  atHead = async (r, socket) => {
    if (r.method !== 'PUT') return false;
    socket.write(plain(413, 'text/plain', 'too much', 'Connection: close\r\n'));
    await sleep(20);
    socket.destroy();  // with the rest of the upload unread: a reset may follow
    return true;
  };
  const size = 8_000_000;
  const wire = await Wire.connect(gateway.port);
  wire.write(`PUT /any/file HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/octet-stream\r\nContent-Length: ${size}\r\n\r\n`);
  wire.write(Buffer.alloc(size, 'a'));
  const reply = await wire.reply();
  wire.close();
  assert.ok(reply, 'no reply at all');
  assert.ok(reply.status === 413 || reply.status === 502, `${reply.status}`);
  atHead = undefined;
  await sane();
});

test('an early answer that keeps its connection: the rest of the upload is not taken for a request', async () => {
  atHead = async (r, socket) => {
    if (r.method !== 'PUT') return false;
    socket.write(plain(200, 'text/plain', 'early'));
    return false;
  };
  answer = async (r, socket) => (r.method === 'PUT' ? undefined : chat(r, socket));
  const smuggled = `GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n`;
  const wire = await Wire.connect(gateway.port);
  wire.write(`PUT /any/file HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\nContent-Length: ${smuggled.length}\r\n\r\n`);
  await sleep(30);
  wire.write(smuggled);
  const reply = await wire.reply();
  assert.equal(reply.body, 'early');
  wire.close();
  atHead = undefined;
  await sane();
  assert.ok(!up.seen.some((r) => r.line === 'GET /v1/models HTTP/1.1' && r.get('host') === 'x'));
});

for (const [name, interim] of [['100 Continue', 'HTTP/1.1 100 Continue\r\n\r\n'], ['103 Early Hints', 'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n']]) {
  test(`an interim ${name} is not passed on, and the reply behind it is`, async () => {
    answer = async (r, socket) => { socket.write(interim); await sleep(20); return chat(r, socket); };
    const reply = await ask('hello');
    assert.equal(reply.status, 200);
    assert.equal(content(reply), 'hello');
    await sane();
  });
}

const length = (text) => `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n${text}\r\n\r\n{}`;
const malformed = [
  ['101 Switching Protocols', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n'],
  ['bare LF', 'HTTP/1.1 200 OK\nContent-Length: 2\n\n{}'],
  ['two lengths', length('Content-Length: 2\r\nContent-Length: 1')],
  ['length and chunked', length('Content-Length: 2\r\nTransfer-Encoding: chunked')],
  ['a negative length', length('Content-Length: -2')],
  ['an unknown coding', length('Transfer-Encoding: gzip')],
  ['NUL in a value', length('X: a\0b\r\nContent-Length: 2')],
  ['a folded value', length('X: a\r\n b\r\nContent-Length: 2')],
  ['a status of four digits', 'HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\n{}'],
  ['HTTP/2', 'HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\n{}'],
  ['no HTTP at all', 'hello there\r\n\r\n'],
  ['a head without end', `HTTP/1.1 200 OK\r\n${`X: ${'a'.repeat(4000)}\r\n`.repeat(60)}`],
];
for (const [name, bytes] of malformed) {
  test(`malformed: ${name}: 502`, async () => {
    answer = async (r, socket) => { socket.write(bytes); await sleep(300); socket.destroy(); };
    const reply = await ask('a');
    assert.equal(reply.status, 502, reply.line);
    assert.match(reply.reason, /^upstream_/);
    await sane();
  });
}

test('a broken chunk size in the reply: no clean end', async () => {
  answer = async (r, socket) => socket.write(eventStream + chunk(piece('scripted', 'one ')) + 'zz\r\nhello\r\n0\r\n\r\n');
  const reply = await ask('a', { stream: true });
  assert.ok(reply.status === 502 || !reply.whole);
  await sane();
});

test('events come one by one, as the upstream sends them', async () => {
  const wire = await Wire.connect(gateway.port);
  const there = (n) => wire.arrivals.some((a) => a.text.includes(`tick${n} `));
  answer = async (r, socket) => {
    socket.write(eventStream);
    for (let n = 0; n < 5; ++n) {
      socket.write(chunk(piece('scripted', `tick${n} `)));
      while (!there(n) && !socket.destroyed) await sleep(5);  // the next one is sent once this one has come
    }
    socket.write('0\r\n\r\n');
  };
  wire.write(post(path, token, prompt('a', { stream: true })));
  const reply = await wire.reply();
  assert.ok(reply.whole);
  for (let n = 0; n < 5; ++n) assert.ok(there(n), `event ${n}`);
  wire.close();
});

test('an event in the smallest pieces arrives whole', async () => {
  answer = async (r, socket) => {
    socket.write(eventStream);
    for (const c of piece('scripted', 'hello')) socket.write(`1\r\n${c}\r\n`);
    socket.write('0\r\n\r\n');
  };
  const reply = await ask('a', { stream: true });
  assert.equal(reply.body, piece('scripted', 'hello'));
  assert.ok(reply.whole);
});

test('two hundred requests on one connection: each gets its own reply', async () => {
  answer = async (r, socket) => {
    const said = JSON.parse(r.body).messages[0].content;
    const n = Number(said);
    if (n % 7 === 3) {
      socket.write(eventStream);
      socket.write(chunk(piece('scripted', said)) + '0\r\n\r\n');
    } else {
      socket.write(json(completion('scripted', said)) + (n % 11 === 5 ? json(completion('scripted', 'stolen')) : ''));
      if (n % 13 === 6) socket.end();
    }
  };
  const wire = await Wire.connect(gateway.port);
  for (let n = 0; n < 200; ++n) {
    wire.write(post(path, token, prompt(String(n))));
    const reply = await wire.reply();
    assert.equal(reply.status, 200);
    assert.equal(n % 7 === 3 ? reply.body : content(reply), n % 7 === 3 ? piece('scripted', String(n)) : String(n));
  }
  wire.close();
});

test('requests sent ahead are answered in their order', async () => {
  const wire = await Wire.connect(gateway.port);
  wire.write(['one', 'two', 'three'].map((text) => post(path, token, prompt(text))).join(''));
  for (const text of ['one', 'two', 'three']) assert.equal(content(await wire.reply()), text);
  wire.close();
});

test('a client that leaves takes its call to the upstream with it', async () => {
  let gone;
  const left = new Promise((done) => { gone = done; });
  answer = async (r, socket) => {
    socket.on('close', gone).on('error', () => {});
    socket.write(eventStream);
    for (let n = 0; n < 200 && !socket.destroyed; ++n) {
      socket.write(chunk(piece('scripted', `tick${n}`)));
      await sleep(25);
    }
  };
  const wire = await Wire.connect(gateway.port);
  wire.write(post(path, token, prompt('a', { stream: true })));
  await sleep(200);
  wire.close();
  await Promise.race([left, sleep(10_000).then(() => assert.fail('the upstream still works for nobody'))]);
});

test('a client that leaves while nothing has come yet is noticed too', async () => {
  let gone;
  const left = new Promise((done) => { gone = done; });
  answer = async (r, socket) => { socket.on('close', gone).on('error', () => {}).resume(); await left; };
  const wire = await Wire.connect(gateway.port);
  wire.write(post(path, token, prompt('a')));
  await sleep(200);
  wire.close();
  await Promise.race([left, sleep(10_000).then(() => assert.fail('the upstream still works for nobody'))]);
});

test('a slow reader stops the upstream instead of filling the memory', async () => {
  const block = 'x'.repeat(65_536);
  let sent = 0;
  answer = async (r, socket) => {
    socket.on('error', () => {});
    socket.write(eventStream);
    while (sent < 400_000_000 && !socket.destroyed) {
      sent += block.length;
      if (!socket.write(chunk(block))) {
        const drained = await Promise.race([new Promise((done) => socket.once('drain', () => done(true))), sleep(1500).then(() => false)]);
        if (!drained) return;
      }
    }
  };
  const wire = await Wire.connect(gateway.port);
  wire.write(post(path, token, prompt('a', { stream: true })));
  await sleep(100);
  wire.socket.pause();
  const done = Date.now() + 6000;
  let before = -1;
  while (Date.now() < done && sent !== before) { before = sent; await sleep(1000); }
  assert.ok(sent < 100_000_000, `${sent} bytes were taken from the upstream`);
  const status = fs.readFileSync(`/proc/${gateway.child.pid}/status`, 'utf8');
  const resident = Number(/VmRSS:\s+(\d+)/.exec(status)[1]);
  assert.ok(resident < 150_000, `${resident} KB resident`);
  wire.close();
});
