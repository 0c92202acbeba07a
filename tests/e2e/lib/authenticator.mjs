// A security key by another implementation (authenticator.py), as a child process.
import { spawn } from 'node:child_process';
import path from 'node:path';
import readline from 'node:readline';
import { fileURLToPath } from 'node:url';

const script = path.join(path.dirname(fileURLToPath(import.meta.url)), 'authenticator.py');

export class Authenticator {
  constructor(algorithm = 'ES256', format = 'self') {
    this.algorithm = algorithm;
    this.format = format;
    this.child = spawn('/usr/bin/python3', [script], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.lines = readline.createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }
  async ask(what) {
    this.child.stdin.write(`${JSON.stringify(what)}\n`);
    const { value, done } = await this.lines.next();
    if (done) throw new Error('the authenticator is gone');
    return value;
  }
  create(options, more = {}) {
    return this.ask({ do: 'create', algorithm: this.algorithm, format: this.format, options, ...more });
  }
  get(options, more = {}) { return this.ask({ do: 'get', options, ...more }); }
  close() { this.child.stdin.end(); }
}
