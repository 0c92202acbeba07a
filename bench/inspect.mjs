// See bench/inspect: a model server that writes word by word, and those who read its answers, in one process.
// A line of JSON on stdin is one round; its answer is one line on stdout.
import net from 'node:net';
import readline from 'node:readline';

// Cut as models cut: the space leads. With what answers have in them besides words.
const words = ('The gateway asks for a second factor, and says why: "who are you?" Two ways are\nknown:\n\n1. **A key** that you touch, '
  + '2. a code (six digits).\n\nIn C++ one writes `std::vector<int> v{1, 2, 3};`, in Python\n\n```python\nfor x in range(10):\n    print(x["name"])\n```\n\n'
  + 'Größe, naïveté and 日本語 are words as well, and so the answer goes on until it has said all that it was asked for.').match(/\s*\S+/gu);
const word = (i) => words[i % words.length];
const dots = (i) => 'x'.repeat((i * 7) % 16);  // OpenAI hides the words' length
const sse = (data, event) => `${event ? `event: ${event}\n` : ''}data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`;
const chunk = (delta, finish, more) => ({ id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1764000000, model: 'tiny', system_fingerprint: 'b1-0',
  choices: [{ index: 0, delta, finish_reason: finish }], ...more });
const ask = { model: 'tiny', stream: true, messages: [{ role: 'user', content: 'a'.repeat(500) }] };
const named = (data) => sse(data, data.type);

// What each protocol's events look like: before the words, for a word, and behind them.
export const dialects = {
  chat: { path: '/v1/chat/completions', ask, type: 'text/event-stream',
    before: [sse(chunk({ role: 'assistant', content: null }, null))],
    event: (i) => sse(chunk({ content: word(i) }, null)),
    behind: [sse(chunk({}, 'stop')), sse('[DONE]')] },
  // As api.openai.com writes it: no two events are alike.
  openai: { path: '/v1/chat/completions', ask, type: 'text/event-stream; charset=utf-8',
    before: [sse(chunk({ role: 'assistant', content: '', refusal: null }, null, { obfuscation: 'x' }))],
    event: (i) => sse(chunk({ content: word(i) }, null, { service_tier: 'default', usage: null, obfuscation: dots(i) })),
    behind: [sse(chunk({}, 'stop', { obfuscation: 'xxx' })), sse('[DONE]')] },
  messages: { path: '/v1/messages', ask: { ...ask, max_tokens: 1000 }, type: 'text/event-stream; charset=utf-8',
    before: [named({ type: 'message_start', message: { id: 'msg_1', type: 'message', role: 'assistant', model: 'tiny', content: [], stop_reason: null, stop_sequence: null,
      usage: { input_tokens: 12, output_tokens: 1 } } }), named({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } })],
    event: (i) => named({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: word(i) } }),
    behind: [named({ type: 'content_block_stop', index: 0 }), named({ type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: 200 } }),
      named({ type: 'message_stop' })] },
  // The time differs from line to line.
  ollama: { path: '/api/chat', ask, type: 'application/x-ndjson', before: [],
    event: (i) => `${JSON.stringify({ model: 'tiny', created_at: `2026-11-27T03:00:00.${String(i * 7919 % 1000000).padStart(6, '0')}Z`, message: { role: 'assistant', content: word(i) }, done: false })}\n`,
    behind: [`${JSON.stringify({ model: 'tiny', created_at: '2026-11-27T03:00:01Z', message: { role: 'assistant', content: '' }, done: true, done_reason: 'stop', prompt_eval_count: 12, eval_count: 200 })}\n`] },
};

let round;
const wires = new Map();  // of a dialect: its events as they go out, each a chunk
function events(name) {
  const key = `${name} ${round.events}`;
  if (!wires.has(key)) {
    const { before, event, behind } = dialects[name];
    const all = [...before, ...Array.from({ length: round.events }, (_, i) => event(i)), ...behind].map((text) => Buffer.from(text));
    wires.set(key, all.map((bytes) => Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')])));
  }
  return wires.get(key);
}

// Each stream writes an event every `gap` ms. Each millisecond is another gateway's turn: whatever else the machine does, it
// does to all of them.
const turns = [];
let turn = 0;
setInterval(() => {
  turn += 1;
  const now = turns[turn % turns.length];
  for (const stream of now ?? []) {
    stream.socket.write(stream.wire[stream.at++]);
    if (stream.at < stream.wire.length) continue;
    stream.socket.write('0\r\n\r\n');
    now.delete(stream);
  }
}, 1);

const ends = Buffer.from('\r\n\r\n');
const server = net.createServer({ noDelay: true }, (socket) => {
  let came = Buffer.alloc(0);
  socket.on('error', () => {});
  socket.on('data', (bytes) => {
    came = Buffer.concat([came, bytes]);
    const head = came.indexOf(ends);
    if (head < 0) return;
    const [, path, length] = /^POST \/(\d+)\/.*content-length: (\d+)/is.exec(came.subarray(0, head).toString());
    if (came.length < head + 4 + Number(length)) return;
    came = Buffer.alloc(0);
    socket.write(`HTTP/1.1 200 OK\r\nContent-Type: ${dialects[round.dialect].type}\r\nTransfer-Encoding: chunked\r\n\r\n`);
    // The smallest of its gateway's turns.
    turns.filter((_, i) => i % round.gateways.length === Number(path)).reduce((a, b) => (b.size < a.size ? b : a))
      .add({ socket, wire: events(round.dialect), at: 0 });
  });
});

// One reader: `answers` answers, one after the other. Counts how often something came.
function read(port, request) {
  return new Promise((done, failed) => {
    let left = round.answers, pieces = 0, first = true;
    const socket = net.connect(port, '127.0.0.1', () => socket.write(request));
    socket.setNoDelay(true);
    socket.on('error', failed);
    socket.on('close', () => failed(new Error('the gateway closed the connection')));
    socket.on('data', (data) => {
      if (first && !data.subarray(0, 15).equals(Buffer.from('HTTP/1.1 200 OK'))) failed(new Error(data.toString().slice(0, 400)));
      first = false;
      pieces += 1;
      if (!data.subarray(-5).equals(Buffer.from('0\r\n\r\n'))) return;
      first = true;
      left -= 1;
      if (left > 0) return socket.write(request);
      socket.removeAllListeners('close').destroy();
      done(pieces);
    });
  });
}

async function run() {
  const { path, ask: body } = dialects[round.dialect];
  const text = JSON.stringify(body);
  turns.length = 0;
  for (let i = 0; i < Math.ceil(round.gap / round.gateways.length) * round.gateways.length; ++i) turns.push(new Set());
  const reads = round.gateways.flatMap(({ port, token }) => Array.from({ length: round.streams }, () => read(port,
    `POST ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nAnthropic-Version: 2023-06-01\r\n`
    + `Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`)));
  const pieces = await Promise.all(reads);
  const n = events(round.dialect).length * round.answers;
  return { events: n * round.streams, pieces: pieces.reduce((a, b) => a + b) / n / pieces.length };
}

server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: server.address().port })));
for await (const line of readline.createInterface({ input: process.stdin })) {
  round = JSON.parse(line);
  console.log(JSON.stringify(await run().catch((e) => ({ failed: String(e) }))));
}
process.exit();
