// A real platform on a scratch folder, and calls to its interfaces.

import { spawn, execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

/** Name, scope and more settings of each credential; the token is `token-of-<name>-for-tests`. */
const CREDENTIALS = [
  ['bridge', 'bridge'], ['shop', 'integrator'], ['ada', 'operator'], ['bob', 'operator', 'message_text = false'], ['eve', 'read-only'],
];
export const token = (name) => `token-of-${name}-for-tests`;

const running = new Set();

// Whatever happens to us, none of them stays behind.
process.on('exit', () => running.forEach((platform) => platform.child.kill('SIGKILL')));

/** Ends every platform that is still there. */
export const stopAll = () => Promise.all([...running].map((platform) => platform.stop()));

export class Platform {
  /** Starts one; `settings` is more TOML for its configuration. */
  static async start(binary, settings = '') {
    const folder = await mkdtemp(join(tmpdir(), 'console-suite-'));
    let text = `listen = "127.0.0.1:0"\ndata = ${JSON.stringify(join(folder, 'data'))}\n${settings}\n`;
    for (const [name, scope, more = ''] of CREDENTIALS) {
      await writeFile(join(folder, name), token(name));
      text += `[[credentials]]\nname = "${name}"\nscope = "${scope}"\ntoken_file = ${JSON.stringify(join(folder, name))}\n${more}\n`;
    }
    await writeFile(join(folder, 'config.toml'), text);
    const child = spawn(binary, ['serve', '--config', join(folder, 'config.toml')], {
      stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, IM_PLATFORM_LOG: 'info', IM_PLATFORM_LOG_FORMAT: 'json' },
    });
    const platform = new Platform();
    Object.assign(platform, { binary, folder, child, log: [] });
    platform.ended = new Promise((resolve) => child.once('exit', resolve));
    running.add(platform);
    const address = new Promise((resolve) => {
      createInterface({ input: child.stderr }).on('line', (line) => {
        platform.log.push(line);
        const addr = line.startsWith('{') ? JSON.parse(line).fields?.addr : undefined;
        if (addr) resolve(addr);
      });
    });
    const started = await Promise.race([address, platform.ended.then(() => null)]);
    if (!started) throw new Error(`the platform ended at its start:\n${platform.log.join('\n')}`);
    platform.base = `http://${started}`;
    return platform;
  }

  /** A call that must succeed; gives the answer's JSON. */
  async call(method, path, body, { as = 'bridge', type = 'application/json' } = {}) {
    const headers = { authorization: `Bearer ${token(as)}` };
    if (body !== undefined) headers['content-type'] = type;
    const raw = body === undefined || typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body);
    const response = await fetch(this.base + path, { method, headers, body: raw });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text ? JSON.parse(text) : null;
  }

  /** What `im-platform console` prints. */
  async link(...options) {
    const { stdout } = await promisify(execFile)(this.binary, ['console', '--data', join(this.folder, 'data'), ...options]);
    return stdout.trim();
  }

  async stop() {
    running.delete(this);
    this.child.kill('SIGTERM');
    await this.ended;
    await rm(this.folder, { recursive: true, force: true });
  }
}
