// A scripted model server on bare TCP: it records every byte that reaches it and can answer in every
// way, also wrong ones.
import net from 'node:net';
import { once } from 'node:events';

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

export function parseHead(text) {
  const lines = text.split('\r\n');
  const [method, target] = lines[0].split(' ');
  const headers = lines.slice(1).filter(Boolean).map((line) => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  });
  return { line: lines[0], method, target, headers, get: (name) => headers.find(([n]) => n === name)?.[1] };
}

class Reader {
  constructor(socket, bytes) {
    this.socket = socket;
    this.buffer = Buffer.alloc(0);
    this.ended = false;
    this.wake = () => {};
    socket.on('data', (data) => {
      bytes.push(data);
      this.buffer = Buffer.concat([this.buffer, data]);
      this.wake();
    });
    const over = () => {
      this.ended = true;
      this.wake();
    };
    socket.on('end', over).on('close', over).on('error', over);
  }
  async more() {
    if (this.ended) return false;
    await new Promise((done) => { this.wake = done; });
    return true;
  }
  async until(mark) {
    for (;;) {
      const at = this.buffer.indexOf(mark);
      if (at >= 0) return this.take(at + mark.length);
      if (!(await this.more())) return null;
    }
  }
  async exactly(n) {
    while (this.buffer.length < n) if (!(await this.more())) return null;
    return this.take(n);
  }
  take(n) {
    const out = this.buffer.subarray(0, n);
    this.buffer = this.buffer.subarray(n);
    return out;
  }
}

export class Upstream {
  // answer(request, connection) is called with each whole request; atHead(request, connection) as soon
  // as its head is there, and may answer early by returning true.
  static async start(answer = chat, { atHead, host = '127.0.0.1', port = 0 } = {}) {
    const up = new Upstream();
    up.answer = answer;
    up.atHead = atHead;
    up.seen = [];
    up.bytes = [];
    up.sockets = new Set();
    up.opened = 0;
    up.server = net.createServer((socket) => up.serve(socket).catch(() => socket.destroy()));
    up.server.listen(port, host);
    await once(up.server, 'listening');
    up.port = up.server.address().port;
    up.url = `http://${host}:${up.port}`;
    return up;
  }

  async serve(socket) {
    const connection = ++this.opened;
    this.sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('close', () => this.sockets.delete(socket));
    const reader = new Reader(socket, this.bytes);
    for (;;) {
      const raw = await reader.until('\r\n\r\n');
      if (raw === null) break;
      const request = parseHead(raw.toString('latin1'));
      request.raw = raw.toString('latin1');
      request.connection = connection;
      request.at = Date.now();
      this.seen.push(request);
      if (this.atHead && (await this.atHead(request, socket, reader))) return;
      request.body = await body(request, reader);
      if (request.body === null) break;
      if (this.answer === null) return;
      await this.answer(request, socket, reader);
      if (socket.destroyed) break;
    }
    socket.end();
  }

  // Everything that has come in, as text.
  text() { return Buffer.concat(this.bytes).toString('latin1'); }
  forget() { this.seen.length = 0; this.bytes.length = 0; }
  async close() {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
  }
}

async function body(request, reader) {
  if (request.get('transfer-encoding')) {
    const parts = [];
    for (;;) {
      const line = await reader.until('\r\n');
      if (line === null) return null;
      const size = parseInt(line.toString(), 16);
      const piece = await reader.exactly(size + 2);
      if (piece === null) return null;
      if (size === 0) return Buffer.concat(parts);
      parts.push(piece.subarray(0, size));
    }
  }
  return reader.exactly(Number(request.get('content-length') ?? 0));
}

export const reply = (status, type, text, extra = '') =>
  `HTTP/1.1 ${status} Whatever\r\nContent-Type: ${type}\r\nContent-Length: ${Buffer.byteLength(text)}\r\n${extra}\r\n${text}`;
export const json = (value, status = 200) => reply(status, 'application/json', JSON.stringify(value));
export const chunk = (text) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
export const eventStream = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n';

export const completion = (model, content) => ({
  id: 'chatcmpl-1', object: 'chat.completion', created: 1, model,
  choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
});
export const piece = (model, content, finish = null) =>
  `data: ${JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model, choices: [{ index: 0, delta: content ? { content } : {}, finish_reason: finish }] })}\n\n`;

// The usual answer: says back what was said last, streamed or not.
export async function chat(request, socket) {
  if (request.target.endsWith('/models')) {
    return socket.write(json({ object: 'list', data: [{ id: 'scripted', object: 'model', created: 1, owned_by: 'x' }] }));
  }
  let asked = {};
  try { asked = JSON.parse(request.body.toString()); } catch { /* not JSON: nothing to say back */ }
  const said = asked.messages?.at(-1)?.content ?? 'nothing';
  if (!asked.stream) return socket.write(json(completion(asked.model, said)));
  socket.write(eventStream);
  for (const word of String(said).split(' ')) socket.write(chunk(piece(asked.model, word + ' ')));
  socket.write(chunk(piece(asked.model, '', 'stop')));
  socket.write(chunk('data: [DONE]\n\n'));
  socket.write('0\r\n\r\n');
}

// An endless trickle, one event every `ms`, until the other side goes away.
export const trickle = (ms = 50) => async (request, socket) => {
  socket.on('error', () => {});
  socket.write(eventStream);
  for (let n = 0; !socket.destroyed && !socket.readableEnded; ++n) {
    socket.write(chunk(piece('scripted', `tick${n} `)));
    await sleep(ms);
  }
};
