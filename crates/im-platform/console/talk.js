// Conversations, waiting messages, events, the downlink: who may read the text sees it, everybody else sees that there is some.

import { el, person, raw, said, size, tag, to, when } from './dom.js';
import { read } from './api.js';
import { list } from './list.js';

const HIDDEN = 'This login does not show message text: you see who, when and how much.';
const SHOWN = 'Reading texts is noted in the audit.';

const about = (login, text) => `${text} ${login.text ? SHOWN : HIDDEN}`;

export function conversations(login, one, other) {
  if (one && other) return conversation(login, one, other);
  const made = list({
    label: 'Conversations', cursor: 'before',
    columns: [
      { name: 'Between', wide: true, cell: (item) => {
        const [a, b] = [item.from, item.to].map((jid) => jid.split('/')[0]).sort();
        return el('a', { href: to('conversations', a, b) }, `${a} – ${b}`);
      } },
      { name: 'Last message', wide: true, cell: (item) => said(item.stanza, login.text) },
      { name: 'From', cell: (item) => item.from.split('/')[0] },
      { name: 'Status', cell: (item) => tag(item.status.replace('_', ' '), item.status) },
      { name: 'Size', cell: (item) => size(item.bytes) },
      { name: 'Sent', cell: (item) => when(item.sent_at) },
    ],
    load: (query) => read('conversations', query),
    key: (item) => item.key,
    none: ['No conversations', 'They appear when a bridge asks the platform about a message (decide mode) and lets it keep the text.'],
  });
  return { title: 'Conversations', about: about(login, 'The latest first.'), ...made };
}

function conversation(login, one, other) {
  const made = list({
    label: 'Messages', cursor: 'before',
    columns: [
      { name: 'From', cell: (item) => person(item.from) },
      { name: 'Message', wide: true, cell: (item) => el('div', {}, said(item.stanza, login.text), login.text && item.stanza && raw(item.stanza, 'Stanza')) },
      { name: 'Status', cell: (item) => tag(item.status.replace('_', ' '), item.status) },
      { name: 'Size', cell: (item) => size(item.bytes) },
      { name: 'Sent', cell: (item) => when(item.sent_at) },
    ],
    load: (query) => read('messages', { ...query, user: one, with: other }),
    key: (item) => item.key,
    none: ['No messages between these two', 'None came, or their days (retention.message_days) are over.'],
  });
  return { title: `${one} – ${other}`, about: about(login, 'Newest first.'), ...made };
}

export function waiting() {
  const made = list({
    label: 'Waiting messages',
    columns: [
      { name: 'For', wide: true, cell: (item) => person(item.user) },
      { name: 'Messages', cell: (item) => String(item.count) },
      { name: 'Oldest sent', cell: (item) => when(item.oldest) },
      { name: 'Handed over to', cell: (item) => item.claimed_by ?? 'nobody yet' },
    ],
    load: (query) => read('pending', query),
    key: (item) => item.user,
    none: ['Nothing waits', 'Messages wait here while their recipient is away, and are handed over when they come back.'],
  });
  return { title: 'Waiting messages', about: 'Stored for people who are away, until a session of theirs takes them.', ...made };
}

export function events(login) {
  const made = list({
    label: 'Events', cursor: 'before',
    columns: [
      { name: 'Type', wide: true, cell: (item) => el('code', {}, item.type) },
      { name: 'Subject', cell: (item) => item.subject ?? '—' },
      { name: 'Source', cell: (item) => item.source },
      { name: 'Place', cell: (item) => el('code', {}, item.sequence) },
      { name: 'Data', cell: (item) => data(login, item) },
      { name: 'Came', cell: (item) => when(item.received_at) },
    ],
    load: (query) => read('events', query),
    key: (item) => item.id,
    none: ['No events', 'Bridges in mirror mode send them (POST /v1/events).'],
  });
  return { title: 'Events', about: about(login, 'What bridges mirror, newest first.'), ...made };
}

const data = (login, item) => (login.text && item.data !== undefined ? raw(item.data, size(item.bytes)) : el('span', { class: 'hidden-text' }, `${size(item.bytes)}, not shown`));

export function downlink(login) {
  const made = list({
    label: 'Downlink', cursor: 'before',
    columns: [
      { name: 'Position', cell: (item) => String(item.seq) },
      { name: 'Type', wide: true, cell: (item) => el('code', {}, item.type) },
      { name: 'About', cell: (item) => item.subject },
      { name: 'Caused by', cell: (item) => (item.origin ? `${item.origin.node}/${item.origin.event}` : 'the platform') },
      { name: 'Data', cell: (item) => data(login, item) },
      { name: 'When', cell: (item) => when(item.time) },
    ],
    load: (query) => read('downlink', query),
    key: (item) => String(item.seq),
    none: ['Nothing was announced', 'Changes made at the platform appear here; a bridge fetches them and tells XMPP.'],
  });
  return { title: 'Downlink', about: about(login, 'What the platform tells bridges, newest first.'), ...made };
}
