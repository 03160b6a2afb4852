// `node run.mjs platform=BINARY chromium=BINARY results=FILE [shots=DIR] [FILTER...]`: the console and /docs in a real Chromium, against a real platform.
// Ends everything it started when its stdin ends.

import { mkdir, writeFile } from 'node:fs/promises';
import { launch } from './browser.mjs';
import { stopAll } from './platform.mjs';
import { suite } from './suite.mjs';

const options = {};
const filters = [];
for (const word of process.argv.slice(2)) {
  const [, name, value] = /^(platform|chromium|results|shots)=(.+)$/.exec(word) ?? [];
  if (name) options[name] = value;
  else filters.push(word);
}
if (options.shots) await mkdir(options.shots, { recursive: true });

const browser = await launch(options.chromium);
let ending = false;
const end = async () => {
  ending = true;
  await browser.close().catch(() => null);
  await stopAll();
};
if (!process.stdin.isTTY) {
  process.stdin.resume();
  process.stdin.once('end', () => end().then(() => process.exit(1)));
}

const lines = [];
let [passed, failed] = [0, 0];
for (const [name, test] of suite({ browser, ...options })) {
  if (ending) break;
  if (filters.length && !filters.some((filter) => name.includes(filter))) continue;
  const started = Date.now();
  try {
    await test();
    passed += 1;
    lines.push(`ok ${name} (${Date.now() - started} ms)`);
  } catch (error) {
    failed += 1;
    lines.push(`failed ${name}: ${error.message ?? error}`);
  }
  console.log(lines.at(-1));
}
lines.push(`${passed} passed, ${failed} failed`);
console.log(lines.at(-1));
if (options.results) await writeFile(options.results, `${lines.join('\n')}\n`);
await end();
process.exit(failed || !passed ? 1 : 0);
