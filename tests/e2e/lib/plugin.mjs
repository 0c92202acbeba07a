// The example plug-in of examples/factor-plugin, with its console.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';
import { freePort, root, sleep } from './gateway.mjs';

export class Example {
  static async start(keyFile) {
    const plugin = new Example();
    plugin.port = await freePort();
    plugin.console = '';
    plugin.child = spawn('python3', [path.join(root, 'examples/factor-plugin/console_codes.py'), keyFile, String(plugin.port)], {
      stdio: ['ignore', 'pipe', 'inherit'], env: { PATH: process.env.PATH, PYTHONDONTWRITEBYTECODE: '1' },
    });
    plugin.child.stdout.on('data', (data) => { plugin.console += data; });
    for (let i = 0; i < 500 && !plugin.console.includes('http://'); ++i) await sleep(20);
    assert.match(plugin.console, /console codes on/);
    return plugin;
  }
  // The newest code on the console.
  code() { return this.console.trimEnd().split('\n').at(-1).match(/code for \w+: (\d{6})$/)[1]; }
  stop() { this.child.kill('SIGKILL'); }
}
