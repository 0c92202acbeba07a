// HTTP/1.1 by hand: what was sent is what was meant, and a broken end is seen as one.
import net from 'node:net';
import tls from 'node:tls';

/// What a busy machine makes of "within a second" (ms): nothing that is cut would have ended by itself until then.
export const soon = 3000;

export class Wire {
  static async connect(to, options = {}) {
    const wire = new Wire();
    wire.socket = options.tls ? tls.connect({ port: to, host: '127.0.0.1', ...options.tls })
      : typeof to === 'string' ? net.connect(to) : net.connect({ port: to, host: '127.0.0.1', localAddress: options.from });
    wire.buffer = Buffer.alloc(0);
    wire.arrivals = [];
    wire.ended = false;
    wire.clean = false;  // the other side said that it has ended
    wire.wake = () => {};
    const connected = new Promise((done, failed) => {
      wire.socket.once(options.tls ? 'secureConnect' : 'connect', done).once('error', failed);
      wire.socket.once('close', () => failed(new Error('closed before it was connected')));
    });
    wire.socket.setNoDelay?.(true);
    wire.socket.on('data', (data) => {
      wire.arrivals.push({ at: Date.now(), text: data.toString('latin1') });
      wire.buffer = Buffer.concat([wire.buffer, data]);
      wire.wake();
    });
    wire.socket.on('end', () => { wire.clean = true; });
    wire.socket.on('error', () => {});
    const over = () => { wire.ended = true; wire.endedAt ??= Date.now(); wire.wake(); };
    wire.socket.on('end', over).on('close', over);
    await connected;
    return wire;
  }

  write(bytes) { this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes); }
  close() { this.socket.destroy(); }

  async more(until) {
    if (this.ended) return false;
    const left = until - Date.now();
    if (left <= 0) throw new Error('nothing came in time');
    let timer;
    await new Promise((done) => {
      this.wake = done;
      timer = setTimeout(done, left);
    });
    clearTimeout(timer);
    return true;
  }

  // The next reply: { status, headers, body, whole }. Not `whole` if it broke off; null if none came.
  async reply({ wait = 30_000, head = false } = {}) {
    const until = Date.now() + wait;
    let at;
    while ((at = this.buffer.indexOf('\r\n\r\n')) < 0) if (!(await this.more(until))) return null;
    const text = this.buffer.subarray(0, at).toString('latin1');
    this.buffer = this.buffer.subarray(at + 4);
    const [line, ...fields] = text.split('\r\n');
    const status = Number(line.split(' ')[1]);
    const headers = {};
    for (const f of fields) {
      const colon = f.indexOf(':');
      const name = f.slice(0, colon).toLowerCase();
      headers[name] = name in headers ? `${headers[name]}, ${f.slice(colon + 1).trim()}` : f.slice(colon + 1).trim();
    }
    const out = { status, headers, line, body: '', whole: true, reason: headers['vestibule-reason'] };
    if (status < 200 || status === 204 || status === 304 || head) return out;
    if (headers['transfer-encoding'] === 'chunked') {
      for (;;) {
        const size = await this.line(until);
        if (size === null) return Object.assign(out, { whole: false });
        const n = parseInt(size, 16);
        const data = await this.bytes(n + 2, until);
        if (data === null) return Object.assign(out, { whole: false });
        if (n === 0) return out;
        out.body += data.subarray(0, n).toString();
      }
    }
    if ('content-length' in headers) {
      const data = await this.bytes(Number(headers['content-length']), until);
      if (data === null) return Object.assign(out, { whole: false, body: this.buffer.toString() });
      out.body = data.toString();
      return out;
    }
    while (await this.more(until));
    out.body = this.buffer.toString();
    out.whole = this.clean;
    return out;
  }

  async line(until) {
    let at;
    while ((at = this.buffer.indexOf('\r\n')) < 0) if (!(await this.more(until))) return null;
    const out = this.buffer.subarray(0, at).toString('latin1');
    this.buffer = this.buffer.subarray(at + 2);
    return out;
  }
  async bytes(n, until) {
    while (this.buffer.length < n) if (!(await this.more(until))) return null;
    const out = this.buffer.subarray(0, n);
    this.buffer = this.buffer.subarray(n);
    return out;
  }
  // Until the other side ends; says when.
  async end(wait = 30_000) {
    const until = Date.now() + wait;
    while (await this.more(until));
    return this.endedAt;
  }
}

// One request on a connection of its own.
export async function once(to, bytes, options) {
  const wire = await Wire.connect(to, options);
  try {
    wire.write(bytes);
    return await wire.reply(options);
  } finally {
    wire.close();
  }
}

export function post(target, token, body, extra = '') {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return `POST ${target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\n` +
    `Content-Length: ${Buffer.byteLength(text)}\r\n${extra}\r\n${text}`;
}
export const get = (target, token, extra = '') =>
  `GET ${target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\n${extra}\r\n`;
export const prompt = (text, more = {}) => ({ model: 'scripted', messages: [{ role: 'user', content: text }], ...more });
