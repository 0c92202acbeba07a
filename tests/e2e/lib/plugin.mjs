// The example plug-in of examples/factor-plugin, with its console.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { freePort, root, sleep } from './gateway.mjs';

export class Example {
  static async start(keyFile) {
    const plugin = new Example();
    plugin.port = await freePort();
    // A file and no pipe: what it printed before it answered can be read as soon as it has answered.
    plugin.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'vp-'));
    const out = fs.openSync(path.join(plugin.dir, 'console'), 'w');
    plugin.child = spawn('python3', [path.join(root, 'examples/factor-plugin/console_codes.py'), keyFile, String(plugin.port)], {
      stdio: ['ignore', out, 'inherit'], env: { PATH: process.env.PATH, PYTHONDONTWRITEBYTECODE: '1' },
    });
    fs.closeSync(out);
    for (let i = 0; i < 2000 && !plugin.console.includes('http://'); ++i) await sleep(20);
    assert.match(plugin.console, /console codes on/);
    return plugin;
  }
  get console() { return fs.readFileSync(path.join(this.dir, 'console'), 'utf8'); }
  // The newest code on the console.
  code() { return this.console.trimEnd().split('\n').at(-1).match(/code for \w+: (\d{6})$/)[1]; }
  stop() {
    this.child.kill('SIGKILL');
    fs.rmSync(this.dir, { recursive: true, force: true });
  }
}
