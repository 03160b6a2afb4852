// The platform itself: how it is, media, bridges and imports, the audit.

import { counted, el, facts, person, section, size, state, tag, to, when } from './dom.js';
import { path, read } from './api.js';
import { list } from './list.js';
import { detail } from './people.js';

const TILES = [
  ['users', 'Users', 'users'], ['sessions', 'Sessions open', 'online'], ['friends', 'Friendships', 'friends'], ['messages', 'Messages kept', 'conversations'],
  ['waiting', 'Messages waiting', 'waiting'], ['groups', 'Groups', 'groups'], ['rooms', 'Rooms', 'rooms'], ['footprints', 'Footprints', 'footprints'],
  ['media', 'Media', 'media'], ['events', 'Events', 'events'], ['nodes', 'Bridges', 'bridges'],
];

export function overview() {
  const show = ({ health, counts, metrics }) => {
    const found = new Map(counts.map((one) => [one.name, one.count]));
    const { gauges, routes } = parse(metrics);
    return [
      health.status === 'ok'
        ? el('p', { class: 'health good' }, 'The platform works.')
        : el('div', { class: 'problem', role: 'alert' }, el('p', { class: 'problem-title' }, `The platform cannot serve: ${health.status}`), el('p', {}, 'Look at its log; a full or damaged store is named there.')),
      el('ul', { class: 'tiles' }, TILES.map(([name, word, page]) => el('li', {}, el('a', { href: to(page) }, el('span', { class: 'number' }, counted(found.get(name) ?? 0)), el('span', {}, word))))),
      el('div', { class: 'cards' },
        section('This platform', facts([['Implementation', `${health.name} ${health.version}`], ['Contract', health.api], ['Store', health.store],
          ['Size', size(gauges.get('store_bytes') ?? 0)], ['Of it unused', size(gauges.get('store_free_bytes') ?? 0)], ['Writes in line', String(gauges.get('store_writes_waiting') ?? 0)],
          ['Downlink position', String(gauges.get('downlink_last') ?? 0)], ['Interfaces', el('a', { href: '/docs' }, 'read and try')]])),
        section('Requests since the start', requests(routes)))];
  };
  return detail('Overview', 'What is here, and how it is. Counts stop at 1,000.', async () => {
    const { health, counts, metrics } = await read('overview');
    return { health, counts, metrics };
  }, show);
}

function requests(routes) {
  if (!routes.length) return el('p', { class: 'muted' }, 'None yet, apart from this console’s own.');
  const cells = ({ name, count, failed, mean }) => [name, String(count), failed ? tag(String(failed), 'refused') : '0', `${mean.toFixed(1)} ms`];
  const names = ['Interface', 'Requests', 'Refused or failed', 'Mean time'];
  return el('table', { class: 'small', role: 'table', 'aria-label': 'Requests' },
    el('thead', { role: 'rowgroup' }, el('tr', { role: 'row' }, names.map((name) => el('th', { scope: 'col', role: 'columnheader' }, name)))),
    el('tbody', { role: 'rowgroup' }, routes.map((route) => el('tr', { role: 'row' }, cells(route).map((cell, i) => el('td', { role: 'cell', 'data-label': names[i], class: i === 0 ? 'wide' : undefined }, el('div', {}, i === 0 ? el('code', {}, cell) : cell)))))));
}

/** The gauges, and the most used interfaces, from the text that Prometheus reads. */
export function parse(text) {
  const gauges = new Map();
  const routes = new Map();
  for (const line of text.split('\n')) {
    const [, name, labels, value] = /^im_platform_(\w+?)(?:\{(.*)\})? ([\d.e+-]+)$/.exec(line) ?? [];
    if (!name) continue;
    if (labels === undefined) gauges.set(name, Number(value));
    const label = (key) => new RegExp(`${key}="([^"]*)"`).exec(labels ?? '')?.[1];
    const route = `${label('method')} ${label('route')}`;
    if (!label('route') || label('route').includes('/console')) continue;
    const entry = routes.get(route) ?? { name: route, count: 0, failed: 0, seconds: 0 };
    if (name === 'requests_total') {
      entry.count += Number(value);
      if (label('status') >= '400') entry.failed += Number(value);
    } else if (name === 'request_seconds_sum') entry.seconds = Number(value);
    routes.set(route, entry);
  }
  const busiest = [...routes.values()].filter((entry) => entry.count).sort((a, b) => b.count - a.count).slice(0, 12);
  return { gauges, routes: busiest.map((entry) => ({ ...entry, mean: (entry.seconds / entry.count) * 1000 })) };
}

export function media(login) {
  const mayOpen = login.scope === 'operator' && login.text;
  const made = list({
    label: 'Media',
    columns: [
      { name: 'File', wide: true, cell: (item) => (mayOpen ? preview(item) : el('code', {}, item.id)) },
      { name: 'Owner', cell: (item) => person(item.user) },
      { name: 'Type', cell: (item) => item.content_type },
      { name: 'Size', cell: (item) => size(item.size) },
      { name: 'For', cell: (item) => tag(item.audience) },
      { name: 'Came', cell: (item) => when(item.created_at) },
    ],
    load: (query) => read('media', query),
    key: (item) => item.id,
    none: ['No media', 'Files come with PUT /v1/media/{id}.'],
  });
  const about = mayOpen ? 'Files people have put here. Opening one is noted in the audit.' : 'Files people have put here; this login does not open them.';
  return { title: 'Media', about, ...made };
}

/** A file is fetched only when somebody opens it. */
function preview(item) {
  const address = `/v1/console/${path('media', item.id, 'file')}`;
  if (!item.content_type.startsWith('image/')) return el('a', { href: address, download: '' }, item.id);
  const box = el('details', { class: 'raw' }, el('summary', {}, el('code', {}, item.id)));
  box.addEventListener('toggle', () => box.append(el('img', { class: 'preview', src: address, alt: `Image ${item.id} of ${item.user}` })), { once: true });
  return box;
}

export function bridges() {
  const nodes = list({
    label: 'Bridges',
    columns: [
      { name: 'Node', wide: true, cell: (it) => el('strong', {}, it.node) },
      { name: 'Lease', cell: (it) => state(it.alive ? 'online' : 'offline') },
      { name: 'Runs out', cell: (it) => when(it.expires_at) },
      { name: 'Sessions', cell: (it) => counted(it.sessions) },
      { name: 'Epoch', cell: (it) => (it.epoch ? el('code', {}, it.epoch) : 'must send a snapshot') },
    ],
    load: (query) => read('nodes', query),
    key: (it) => it.node,
    none: ['No bridge has called', 'A bridge sends a snapshot of its sessions first. Check its platform.url and token.'],
  });
  const imports = list({
    label: 'Imports',
    columns: [
      { name: 'Source', wide: true, cell: (it) => it.source },
      { name: 'Position', cell: (it) => String(it.position) },
      { name: 'Last', cell: (it) => when(it.at) },
    ],
    load: (query) => read('imports', query),
    key: (it) => it.source,
    none: ['Nothing was imported', 'POST /v1/import takes users, friends and groups of a server you have.'],
  });
  const node = el('div', { class: 'detail' }, section('Nodes', nodes.node), section('Imports', imports.node));
  const both = (name) => () => Promise.all([nodes[name](), imports[name]()]);
  return { title: 'Bridges', about: 'Message servers that speak to this platform. When a lease runs out, the node’s sessions end.', node, start: both('start'), refresh: both('refresh') };
}

export function audit() {
  const made = list({
    label: 'Audit', cursor: 'before',
    columns: [
      { name: 'When', cell: (it) => when(it.at) },
      { name: 'Who', cell: (it) => el('strong', {}, it.caller) },
      { name: 'Did', cell: (it) => it.action },
      { name: 'About', wide: true, cell: (it) => it.subject || 'everybody, or somebody who was erased' },
    ],
    load: (query) => read('audit', query),
    key: (it) => JSON.stringify(it),
    none: ['Nothing to note yet', 'Reads of message text and of password verifiers are noted here.'],
  });
  return { title: 'Audit', about: 'Who read what people wrote, and who read password verifiers. The same look within five minutes is one note.', ...made };
}
