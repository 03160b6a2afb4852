// Shows /openapi.json as a page and lets one try it. Everything is written with textContent: nothing from a document becomes markup.
'use strict';

const make = (tag, text, parent) => {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (parent) parent.append(element);
  return element;
};

const field = (parent, label, kind) => {
  const wrap = make('label', label + ' ', parent);
  return wrap.appendChild(document.createElement(kind));
};

function operation(parent, method, path, op) {
  const box = make('details', undefined, parent);
  const summary = make('summary', undefined, box);
  make('code', `${method.toUpperCase()} ${path}`, summary);
  summary.append(` ${op.summary}`);
  make('p', op['x-scopes'].length ? `Scopes: ${op['x-scopes'].join(', ')}` : 'No credential needed.', box).className = 'scopes';
  const inputs = (op.parameters || []).map((parameter) => {
    const label = `${parameter.name} (${parameter.in}${parameter.required ? ', needed' : ''}) ${parameter.description || ''}`;
    const input = field(box, label, 'input');
    if (parameter.example !== undefined && parameter.in === 'path') input.value = parameter.example;
    return [parameter, input];
  });
  const kinds = op.requestBody ? Object.keys(op.requestBody.content) : [];
  let body;
  if (kinds.length) {
    const schema = op.requestBody.content[kinds[0]].schema;
    make('p', `Body: ${kinds.join(', ')} ${schema.$ref ? '(' + schema.$ref.split('/').pop() + ')' : ''}`, box);
    body = field(box, 'Body', 'textarea');
    body.rows = 6;
    const example = op.requestBody.content[kinds[0]].example;
    if (example !== undefined) body.value = JSON.stringify(example, null, 2);
  }
  const [status, answer] = Object.entries(op.responses)[0];
  const content = answer.content ? Object.entries(answer.content)[0] : undefined;
  make('p', `Success: ${status} ${content ? content[0] + ' ' + (content[1].schema.$ref || '').split('/').pop() : ''}`, box);
  const send = make('button', 'Send', box);
  const shown = make('pre', '', box);
  shown.setAttribute('aria-live', 'polite');
  send.addEventListener('click', async () => {
    let target = path;
    const query = new URLSearchParams();
    const headers = {};
    for (const [parameter, input] of inputs) {
      if (parameter.in === 'path') target = target.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
      else if (input.value && parameter.in === 'query') query.set(parameter.name, input.value);
      else if (input.value) headers[parameter.name] = input.value;
    }
    const token = document.getElementById('token').value;
    if (token) headers.authorization = `Bearer ${token}`;
    if (body) headers['content-type'] = kinds[0];
    const url = query.size ? `${target}?${query}` : target;
    try {
      const response = await fetch(url, { method: method.toUpperCase(), headers, body: body ? body.value : undefined });
      const text = await response.text();
      let pretty = text;
      try { pretty = JSON.stringify(JSON.parse(text), null, 2); } catch { /* not JSON: shown as it is */ }
      shown.textContent = `${response.status} ${response.headers.get('content-type') || ''}\n${pretty}`;
    } catch (error) {
      shown.textContent = String(error);
    }
  });
}

async function main() {
  const all = document.getElementById('interfaces');
  const contract = await (await fetch('/openapi.json')).json();
  document.getElementById('about').textContent = contract.info.description;
  all.textContent = '';
  for (const tag of contract.tags) {
    make('h2', tag.name, all);
    for (const [path, operations] of Object.entries(contract.paths)) {
      for (const [method, op] of Object.entries(operations)) {
        if (op.tags.includes(tag.name)) operation(all, method, path, op);
      }
    }
  }
  make('h2', 'Types', all);
  for (const [name, schema] of Object.entries(contract.components.schemas)) {
    const box = make('details', undefined, all);
    make('summary', name, box);
    make('pre', JSON.stringify(schema, null, 2), box);
  }
  all.setAttribute('aria-busy', 'false');
}

main();
