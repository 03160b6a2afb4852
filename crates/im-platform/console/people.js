// Users, who is online, friends, groups, rooms.

import { el, facts, person, said, section, size, state, tag, to, when } from './dom.js';
import { path, read } from './api.js';
import { list, wrong } from './list.js';

/** A page that is one list. */
const one = (title, about, made) => ({ title, about, node: made.node, start: made.start, refresh: made.refresh });

/** A page about one thing: fetched whole, shown by `show(thing)`; lists in `lists` renew themselves. */
export function detail(title, about, load, show, lists = []) {
  const node = el('div', { class: 'detail' });
  const facing = el('div', {}, el('p', { class: 'plain' }, 'Loading…'));
  node.append(facing);
  let before;
  async function refresh() {
    try {
      const thing = await load();
      const text = JSON.stringify(thing);
      if (text !== before) {
        // Who stands on a link stays on it.
        const at = facing.contains(document.activeElement) ? document.activeElement.getAttribute('href') : null;
        facing.replaceChildren(...show(thing));
        if (at) [...facing.querySelectorAll('a')].find((link) => link.getAttribute('href') === at)?.focus({ preventScroll: true });
      }
      before = text;
    } catch (problem) {
      if (problem.status === 401) throw problem;
      if (before === undefined || problem.status !== 0) {
        facing.replaceChildren(wrong(problem, () => refresh().catch(() => null)));
        before = undefined;
      }
    }
    await Promise.all(lists.map((made) => made.refresh()));
  }
  node.append(...lists.map((made) => made.section));
  const start = () => Promise.all([refresh(), ...lists.map((made) => made.start())]);
  return { title, about, node, start, refresh };
}

export function users(login, jid) {
  if (jid) return user(login, jid);
  let prefix = '';
  const made = list({
    label: 'Users',
    columns: [
      { name: 'User', wide: true, cell: (item) => person(item.user) },
      { name: 'Name', cell: (item) => item.name ?? '—' },
      { name: 'State', cell: (item) => state(item.state) },
      { name: 'Sessions', cell: (item) => String(item.sessions) },
      { name: 'Waiting', cell: (item) => (item.pending ? el('a', { href: to('waiting') }, String(item.pending)) : '0') },
      { name: 'Known since', cell: (item) => when(item.created_at) },
    ],
    load: (query) => read('users', { ...query, prefix }),
    key: (item) => item.user,
    none: ['Nobody here', 'Users come with a bridge’s sessions, with POST /v1/users, or with an import. If you are looking for an address, try its first letters.'],
  });
  const search = el('input', { type: 'search', id: 'prefix', placeholder: 'juliet', autocomplete: 'off', oninput: () => { prefix = search.value.trim(); made.start().catch(() => null); } });
  const node = el('div', {}, el('div', { class: 'filters', role: 'search' }, el('label', { for: 'prefix' }, 'Address begins with'), search), made.node);
  return { title: 'Users', about: 'Everybody the platform knows.', node, start: made.start, refresh: made.refresh };
}

function user(login, jid) {
  const talk = list({
    label: 'Messages', cursor: 'before',
    columns: [
      { name: 'With', cell: (item) => withWhom(jid, item) },
      { name: 'Message', wide: true, cell: (item) => said(item.stanza, login.text) },
      { name: 'Status', cell: (item) => tag(item.status.replace('_', ' '), item.status) },
      { name: 'Size', cell: (item) => size(item.bytes) },
      { name: 'Sent', cell: (item) => when(item.sent_at) },
    ],
    load: (query) => read('messages', { ...query, user: jid }),
    key: (item) => item.key,
    none: ['No messages', 'None are kept for this user: none came, or their days (retention.message_days) are over.'],
  });
  talk.section = section('Messages, newest first', talk.node);
  const sessionRow = (one) => el('li', {}, el('strong', {}, one.resource), ` priority ${one.priority}`, one.show ? ` · ${one.show}` : '', one.available ? '' : ' · no presence sent', one.status ? ` · “${one.status}”` : '');
  const names = (items, none, cell) => (items.length ? el('ul', { class: 'names' }, items.map((item) => el('li', {}, cell(item)))) : el('p', { class: 'muted' }, none));
  const show = ({ state: now, friends, blocks, groups, media }) => [
    facts([['State', state(now.state)], now.status && ['Status', now.status], ['Reachable', now.reachable ? 'yes: a message would be delivered now' : 'no: a message would be stored'], ['Since', when(now.since)]]),
    el('div', { class: 'cards' },
      section('Sessions', now.resources.length ? el('ul', { class: 'names' }, now.resources.map(sessionRow)) : el('p', { class: 'muted' }, 'Not logged in anywhere.')),
      section('Friends', names(friends.items, 'No friends.', (friend) => [person(friend.friend), ' ', tag(friend.subscription)])),
      section('Blocked', names(blocks.items, 'Blocks nobody.', (blocked) => blocked)),
      section('Groups', names(groups.items, 'In no group.', (group) => el('a', { href: to('groups', group.id) }, group.name))),
      section('Media', names(media.items, 'No media.', (medium) => `${medium.content_type}, ${size(medium.size)}`)),
      login.scope === 'operator' && section('Footprints', el('p', {}, el('a', { href: to('footprints', jid) }, 'Show on the map'))))];
  return detail(jid, null, () => read(path('users', jid)), show, [talk]);
}

function withWhom(jid, item) {
  const mine = item.from.split('/')[0] === jid;
  const other = (mine ? item.to : item.from).split('/')[0];
  return el('span', {}, el('span', { class: 'muted' }, mine ? 'to ' : 'from '), el('a', { href: to('conversations', jid, other) }, other));
}

const FILTERS = [['', 'All'], ['online', 'Online'], ['busy', 'Busy'], ['away', 'Away'], ['offline', 'No presence']];

export function online(login, wanted = '') {
  const made = list({
    label: 'Open sessions',
    columns: [
      { name: 'User', wide: true, cell: (item) => person(item.user) },
      { name: 'State', cell: (item) => state(item.state) },
      { name: 'Resource', cell: (item) => item.resource },
      { name: 'Status', cell: (item) => item.status ?? '—' },
      { name: 'Priority', cell: (item) => String(item.priority) },
      { name: 'Bridge', cell: (item) => item.node || 'API' },
      { name: 'Since', cell: (item) => when(item.since) },
    ],
    load: (query) => read('sessions', { ...query, state: wanted }),
    key: (item) => JSON.stringify([item.user, item.resource, item.node]),
    none: ['Nobody is here in this state', 'Sessions come from bridges (see Bridges) or from PUT /v1/state. When a bridge’s lease runs out, its sessions end.'],
  });
  const chips = el('ul', { class: 'chips', 'aria-label': 'By state' }, FILTERS.map(([name, word]) => el('li', {}, el('a', { href: name ? to('online', name) : to('online'), 'aria-current': name === wanted ? 'true' : undefined }, word))));
  return { ...one('Who is online', 'One line per session; a user’s own state comes from the leading one.', made), node: el('div', {}, chips, made.node) };
}

const SEES = { both: 'both see each other', to: 'sees the friend', from: 'is seen by the friend', none: 'neither sees the other' };

export function friends() {
  return one('Friends', 'Everybody’s lists, one after the other.', list({
    label: 'Friends',
    columns: [
      { name: 'User', wide: true, cell: (item) => person(item.user) },
      { name: 'Friend', wide: true, cell: (item) => person(item.friend) },
      { name: 'Called', cell: (item) => item.name ?? '—' },
      { name: 'Subscription', cell: (item) => [tag(item.subscription), ' ', el('span', { class: 'muted' }, item.ask ? 'asked, not answered yet' : SEES[item.subscription])] },
      { name: 'In', cell: (item) => item.groups.join(', ') || '—' },
    ],
    load: (query) => read('friends', query),
    key: (item) => JSON.stringify([item.user, item.friend]),
    none: ['No friendships', 'They come from rosters: a bridge’s import, or PUT /v1/friends/{user}/{friend}.'],
  }));
}

export function groups(login, id) {
  if (id) return group(id);
  return one('Groups', 'With their rooms, where they have one.', list({
    label: 'Groups',
    columns: [
      { name: 'Group', wide: true, cell: (item) => el('a', { href: to('groups', item.id) }, item.name) },
      { name: 'Id', cell: (item) => el('code', {}, item.id) },
      { name: 'Description', cell: (item) => item.description ?? '—' },
      { name: 'Members', cell: (item) => String(item.size) },
      { name: 'Room', cell: (item) => (item.room ? el('a', { href: to('rooms', item.room) }, item.room) : '—') },
    ],
    load: (query) => read('groups', query),
    key: (item) => item.id,
    none: ['No groups', 'Create one with POST /v1/groups, or import Openfire’s.'],
  }));
}

function group(id) {
  const members = list({
    label: 'Members',
    columns: [{ name: 'User', wide: true, cell: (item) => person(item.user) }, { name: 'Role', cell: (item) => tag(item.role) }],
    load: async (query) => { const { members: items, next } = await read(path('groups', id), query); return { items: items ?? [], next }; },
    key: (item) => item.user,
    none: ['No members', 'Add one with PUT /v1/groups/{group}/members/{user}.'],
  });
  members.section = section('Members', members.node);
  const show = (it) => [facts([['Name', it.name], it.description && ['Description', it.description], ['Members', String(it.size)], ['Room', it.room ? el('a', { href: to('rooms', it.room) }, it.room) : 'none'], ['Version', String(it.version)]])];
  return detail(`Group ${id}`, null, () => read(path('groups', id), { limit: 1 }), show, [members]);
}

export function rooms(login, jid) {
  if (jid) return room(login, jid);
  return one('Rooms', 'Who belongs to them, who is there, how much was said.', list({
    label: 'Rooms',
    columns: [
      { name: 'Room', wide: true, cell: (item) => el('a', { href: to('rooms', item.room) }, item.room) },
      { name: 'Members', cell: (item) => String(item.members) },
      { name: 'Of them present', cell: (item) => String(item.present) },
      { name: 'Sessions in it', cell: (item) => String(item.occupants) },
      { name: 'Messages', cell: (item) => String(item.messages) },
    ],
    load: (query) => read('rooms', query),
    key: (item) => item.room,
    none: ['No rooms', 'They come with a bridge (PUT /v1/rooms/{room}, joins and messages).'],
  }));
}

function room(login, jid) {
  const lines = list({
    label: 'Timeline', cursor: 'before',
    columns: [
      { name: 'Speaker', cell: (item) => el('span', {}, el('strong', {}, item.nick), ' ', el('span', { class: 'muted' }, item.from.split('/')[0])) },
      { name: 'Message', wide: true, cell: (item) => said(item.stanza, login.text) },
      { name: 'Delivered', cell: (item) => String(item.delivered) },
      { name: 'Read', cell: (item) => String(item.read) },
      { name: 'Size', cell: (item) => size(item.bytes) },
      { name: 'Sent', cell: (item) => when(item.sent_at) },
    ],
    load: (query) => read(path('rooms', jid, 'messages'), query),
    key: (item) => String(item.seq),
    none: ['Nothing was said', 'Or it was longer ago than retention.message_days.'],
  });
  lines.section = section('Timeline, newest first', lines.node);
  const present = list({
    label: 'In the room now',
    columns: [
      { name: 'Nickname', cell: (item) => el('strong', {}, item.nick) },
      { name: 'User', wide: true, cell: (item) => person(`${item.user}/${item.resource}`) },
      { name: 'Since', cell: (item) => when(item.since) },
    ],
    load: (query) => read(path('rooms', jid, 'occupants'), query),
    key: (item) => JSON.stringify([item.user, item.resource, item.node]),
    none: ['Nobody is in the room', 'What is said now waits for its members.'],
  });
  present.section = section('In the room now', present.node);
  const members = list({
    label: 'Members',
    columns: [{ name: 'User', wide: true, cell: (item) => person(item.user) }, { name: 'Affiliation', cell: (item) => tag(item.affiliation) }],
    load: async (query) => { const { members: items, next } = await read(path('rooms', jid), query); return { items: items ?? [], next }; },
    key: (item) => item.user,
    none: ['No members', 'Anybody may come and go; nobody misses anything.'],
  });
  members.section = section('Members', members.node);
  return detail(jid, null, async () => ({}), () => [], [lines, present, members]);
}

