// The real binary with a configuration and a data directory of its own on free ports.
import { spawn, spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Counter, Token } from './totp.mjs';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
export const binary = process.env.VESTIBULE ?? path.join(root, 'build/release/src/app/vestibule');
export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
export const password = 'correct horse battery staple';

// A port that is this process's own until it ends. The kernel's choice (port 0) would not do: between that and the
// gateway's start another file's gateway may be given the same. These lie below the range that the kernel chooses from.
const claims = path.join(os.tmpdir(), 've-ports');
const claimed = new Set();
process.on('exit', () => { for (const file of claimed) fs.rmSync(file, { force: true }); });
function claim(port) {
  const file = path.join(claims, String(port));
  const old = fs.statSync(file, { throwIfNoEntry: false });
  if (old && Date.now() - old.mtimeMs > 3_600_000) fs.rmSync(file, { force: true });  // of a run that was killed
  try {
    fs.closeSync(fs.openSync(file, 'wx'));
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
  claimed.add(file);
  return true;
}
export async function freePort() {
  fs.mkdirSync(claims, { recursive: true });
  for (;;) {
    const port = randomInt(15_000, 32_000);
    if (!claim(port)) continue;
    const server = net.createServer();
    const free = await new Promise((done) => server.once('error', () => done(false)).listen(port, '127.0.0.1', () => done(true)));
    if (!free) continue;
    await new Promise((done) => server.close(done));
    return port;
  }
}

const toml = (value) => (Array.isArray(value) ? `[${value.map(toml).join(', ')}]` : JSON.stringify(value));
const table = (name, values) =>
  `[${name}]\n${Object.entries(values).map(([key, value]) => `${key} = ${toml(value)}`).join('\n')}\n\n`;

// Everybody with a role may do everything.
export const everybody = `
[[rule]]
name = "members"
effect = "allow"
who = ["role:member"]
[[rule]]
name = "administrators"
effect = "allow"
who = ["role:administrator"]
access_point = ["*", "vestibule"]
`;
// The same, with ages as a test wants them, from low to critical.
export const policy = (maxAge = '1h', more = '') => `
[sensitivity.low]
max_age = "12h"
[sensitivity.moderate]
max_age = "${maxAge}"
[sensitivity.high]
level = 2
max_age = "10s"
[sensitivity.critical]
level = 2
max_age = "10s"
confirm = "self"
${everybody}${more}`;

const all = new Set();
process.on('exit', (code) => {
  for (const gateway of all) {
    gateway.child?.kill('SIGKILL');
    if (code) {
      const lines = fs.readFileSync(path.join(gateway.dir, 'log'), 'utf8').trimEnd().split('\n');
      process.stderr.write(`--- end of the log of ${gateway.dir}\n${lines.slice(-40).join('\n')}\n`);
    }
    if (!process.env.E2E_KEEP) fs.rmSync(gateway.dir, { recursive: true, force: true });
  }
});

function waiting(pid) {
  const read = (file) => { try { return fs.readFileSync(file, 'utf8').trim(); } catch { return '?'; } };
  return fs.readdirSync(`/proc/${pid}/task`).map((task) => {
    const at = `/proc/${pid}/task/${task}`;
    return `${read(`${at}/comm`)}: ${read(`${at}/wchan`)}, ${read(`${at}/syscall`)}`;
  }).join('\n');
}

export class Gateway {
  // points: { name: options of access_point.NAME }; config: { table: options } on top of the defaults.
  static async start({ points, policy: rules = policy(), config = {}, env = {}, dir, fixed = true } = {}) {
    const gateway = new Gateway();
    gateway.dir = dir ?? fs.mkdtempSync(path.join(os.tmpdir(), 've-'));
    gateway.env = env;
    gateway.port = await freePort();
    gateway.statusPort = await freePort();
    gateway.portalPort = await freePort();
    gateway.state = path.join(gateway.dir, 'state');
    gateway.configFile = path.join(gateway.dir, 'vestibule.toml');
    gateway.policyFile = path.join(gateway.dir, 'policy.toml');
    gateway.socket = path.join(gateway.dir, 'data', 'control.sock');
    const { server = {}, portal = {}, ...rest } = config;
    let text = table('server', {
      listen: [`127.0.0.1:${gateway.port}`], status_listen: `127.0.0.1:${gateway.statusPort}`,
      data_dir: 'data', cores: 2, shutdown: '2s', ...server,
    });
    const tables = {
      portal: { listen: [`127.0.0.1:${gateway.portalPort}`], origins: [`${rest.tls ? 'https' : 'http'}://localhost:${gateway.portalPort}`], ...portal },
      policy: { file: 'policy.toml', trust: 'file', administration: 'low' },
      audit: { checkpoint_file: 'checkpoints' }, ...rest,
    };
    for (const [name, values] of Object.entries(tables)) text += table(name, values);
    for (const [name, values] of Object.entries(points)) text += table(`access_point.${name}`, { kind: 'openai', hold: '0s', ...values });
    fs.writeFileSync(gateway.configFile, text);
    fs.writeFileSync(gateway.policyFile, rules);
    fs.writeFileSync(path.join(gateway.dir, 'log'), '');
    all.add(gateway);
    if (fixed) await gateway.up();
    return gateway;
  }

  get portal() { return `http://localhost:${this.portalPort}`; }
  get url() { return `http://localhost:${this.port}`; }
  get log() { return fs.readFileSync(path.join(this.dir, 'log'), 'utf8'); }

  async up({ wait = 60_000 } = {}) {
    const log = fs.openSync(path.join(this.dir, 'log'), 'a');
    const [program, ...args] = [...(this.wrapper ?? []), binary, 'serve', '--config', this.configFile];
    this.child = spawn(program, args, {
      stdio: ['ignore', log, log], env: { PATH: process.env.PATH, HOME: this.dir, ...this.env },
    });
    fs.closeSync(log);
    const child = this.child;
    this.gone = new Promise((done) => child.once('exit', (code, signal) => { child.over = true; done({ code, signal }); }));
    child.unref();  // a test that fails does not wait for it
    const from = fs.statSync(path.join(this.dir, 'log')).size;
    const until = Date.now() + wait;
    for (;;) {
      if (child.over) throw new Error(`the gateway did not start:\n${this.log.split('\n').slice(-20).join('\n')}`);
      if (this.log.slice(from).includes(' is ready: ')) return;
      if (Date.now() > until) throw new Error(`the gateway is not ready:\n${this.log.split('\n').slice(-20).join('\n')}`);
      await sleep(20);
    }
  }
  // One that does not go says what its threads wait for.
  async kill(signal = 'SIGKILL', { wait = 60_000 } = {}) {
    this.child.ref();
    this.child.kill(signal);
    let limit;
    const late = new Promise((done) => { limit = setTimeout(done, wait); });
    const how = await Promise.race([this.gone, late]);
    clearTimeout(limit);
    if (how) return how;
    const threads = waiting(this.child.pid);
    this.child.kill('SIGKILL');
    throw new Error(`${wait / 1000} s after ${signal} the gateway still runs:\n${threads}\n${this.log.split('\n').slice(-20).join('\n')}`);
  }
  async stop() {
    if (!this.child.over) await this.kill('SIGTERM');
  }
  async restart() {
    await this.stop();
    await this.up();
  }

  // ------------------------------------------------------------------------------- the control API
  // { status, reason, body } of one call on the control socket.
  call(method, target, body, handle, { timeout = 30_000 } = {}) {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers = { Host: 'localhost' };
    if (handle) headers.Authorization = `Bearer ${handle}`;
    if (text !== undefined) Object.assign(headers, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) });
    return new Promise((done, failed) => {
      const request = http.request({ socketPath: this.socket, method, path: target, headers, agent: false, timeout }, (response) => {
        const parts = [];
        response.on('data', (data) => parts.push(data));
        response.on('error', failed);
        response.on('end', () => {
          const raw = Buffer.concat(parts).toString();
          const ndjson = response.headers['content-type'] === 'application/x-ndjson';
          const lines = () => raw.split('\n').filter(Boolean).map((line) => JSON.parse(line));
          done({ status: response.statusCode, reason: response.headers['vestibule-reason'], body: ndjson ? lines() : JSON.parse(raw || '{}') });
        });
      });
      request.on('timeout', () => request.destroy(new Error(`${method} ${target}: no answer in time`)));
      request.on('error', failed);
      request.end(text);
    });
  }
  // The same, but must succeed; as `who` (a person of this harness) or nobody.
  async api(method, target, body, who) {
    const answer = await this.call(method, target, body, who?.handle);
    if (answer.status >= 300) throw new Error(`${method} ${target}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  async enrolTotp(person) {
    const begun = await this.api('POST', '/v1/factors/totp', {}, person);
    person.totp = new Token(begun.secret);
    await this.api('POST', `/v1/factors/${begun.id}/confirm`, { code: await person.totp.next() }, person);
  }
  // The first administrator, signed in with both factors.
  async setup(name = 'ada') {
    const token = fs.readFileSync(path.join(this.dir, 'data', 'setup-token'), 'utf8').trim();
    const made = await this.api('POST', '/v1/setup', { token, name, password });
    const person = { name, handle: made.handle, session: made.session };
    await this.enrolTotp(person);
    return person;
  }
  // A hardware token for an administrator. Its codes come without a wait, for the price of two of the app's.
  async giveToken(admin, serial = 'HT-1') {
    const hotp = new Counter();
    await this.api('POST', '/v1/hardware-tokens', { csv: `${serial},${hotp.key.toString('hex')},6,0`, code: await admin.totp.next() }, admin);
    const begun = await this.api('POST', '/v1/factors/hotp', { serial, code: await admin.totp.next() }, admin);
    await this.api('POST', `/v1/factors/${begun.id}/confirm`, { code: hotp.next() }, admin);
    admin.hotp = hotp;
  }
  // What confirms one act: the hardware token's code where there is one.
  async code(person, member = 'code') {
    return person.hotp ? { kind: 'hotp', [member]: person.hotp.next() } : { [member]: await person.totp.next() };
  }
  async addUser(admin, name, roles = ['member']) {
    const made = await this.api('POST', '/v1/users', { name, roles, ...await this.code(admin) }, admin);
    const enrolled = await this.api('POST', '/v1/enrol', { code: made.enrolment_code, password });
    const person = { name, handle: enrolled.handle, session: enrolled.session };
    await this.enrolTotp(person);
    return person;
  }
  async signIn(person) {
    const made = await this.api('POST', '/v1/sign-in', { name: person.name, password });
    return { ...person, handle: made.handle, session: made.session };
  }
  async prove(person) {
    return this.api('POST', '/v1/prove', await this.code(person, 'answer'), person);
  }
  async token(person, ttl) {
    const made = await this.api('POST', '/v1/tokens', ttl ? { ttl_s: ttl } : {}, person);
    return made.token;
  }
  // Records that nobody waits for (refusals, completions) are written a little later: what the first look puts on record
  // itself is written behind them.
  async audit(person, query = 'limit=1000') {
    await this.api('GET', '/v1/audit?limit=1', undefined, person);
    return this.api('GET', `/v1/audit?${query}`, undefined, person);
  }
  verify(person) { return this.api('POST', '/v1/audit/verify', {}, person); }

  // ------------------------------------------------------------------------------- the CLI
  cli(args, { input, env = {} } = {}) {
    const run = spawnSync(binary, args, {
      input: input ?? '', encoding: 'utf8', timeout: 60_000,
      env: { PATH: process.env.PATH, HOME: this.dir, VESTIBULE_CONFIG: this.configFile, VESTIBULE_STATE: this.state, ...env },
    });
    return { code: run.status, out: run.stdout, err: run.stderr };
  }
}
