// stanza.js (npm): XML to JSON and back with its own definitions. It loses what it does not know; it is compared as it is.
// Commands line by line: "load KIND FILE", "run WHAT KIND TIMES" (answers nanoseconds), "size WHAT KIND" (answers bytes).
'use strict';
const fs = require('fs');
const readline = require('readline');
const { Registry, parse } = require('stanza/jxt');
const definitions = require('stanza/protocol').default;

const registry = new Registry();
registry.define(definitions);
const xml = new Map();
const objects = new Map();

function toJson(kind) {
  const element = parse(xml.get(kind));
  return JSON.stringify({ kind: element.getName(), ...registry.import(element) });
}

function toXml(kind) {
  const { kind: path, ...stanza } = JSON.parse(objects.get(kind));
  return registry.export(path, stanza).toString();
}

const work = { 'to-json': toJson, 'to-xml': toXml };

readline.createInterface({ input: process.stdin }).on('line', line => {
  const [command, what, kind, times] = line.split(' ');
  if (command === 'load') {
    xml.set(what, fs.readFileSync(kind, 'utf8'));
    objects.set(what, toJson(what));
    console.log('ok');
  } else if (command === 'run') {
    const once = work[what];
    let bytes = 0;
    const start = process.cpuUsage();
    for (let i = 0; i < Number(times); i++) bytes += Buffer.byteLength(once(kind));
    const took = process.cpuUsage(start);
    console.log(bytes === 0 ? 'error' : String((took.user + took.system) * 1000));
  } else {
    console.log(String(Buffer.byteLength(work[what](kind))));
  }
});
