// Elements, and how times and sizes are written. Everything from the platform becomes text nodes: nothing of it is ever markup.

/** An element with properties (`class`, `data-…`, `aria-…`, `on…`) and children; null and false children are left out. */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'value' || name === 'checked') element[name] = value;
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** A link to a page of the console: `to('users', 'juliet@example.org')`. */
export const to = (...parts) => `#/${parts.map(encodeURIComponent).join('/')}`;

const dates = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto' });
const STEPS = [['day', 86400], ['hour', 3600], ['minute', 60]];

/** A time as "5 minutes ago", exact on hover. */
export function when(text) {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return el('span', {}, '—');
  const seconds = (at.getTime() - Date.now()) / 1000;
  const step = STEPS.find(([, size]) => Math.abs(seconds) >= size);
  let words = step ? relative.format(Math.round(seconds / step[1]), step[0]) : 'just now';
  if (!step && seconds > 5) words = 'in a moment';
  if (Math.abs(seconds) > 7 * 86400) words = dates.format(at);
  return el('time', { datetime: text, title: `${dates.format(at)} (${text})` }, words);
}

/** A size: 812 B, 1.4 kB, 3.0 MB. */
export function size(bytes) {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)}\u00a0${units[unit]}`;
}

/** A count that was counted up to 1,000. */
export const counted = (count) => (count > 1000 ? '1,000+' : count.toLocaleString('en'));

const STATES = { online: 'Online', busy: 'Busy', away: 'Away', offline: 'Offline' };

/** A state as a dot and a word. */
export const state = (name) => el('span', { class: `state ${name}` }, STATES[name] ?? name);

/** A small word in a frame. */
export const tag = (text, kind = '') => el('span', { class: `tag ${kind}` }, text);

/** Somebody's address as a link to the page about them; other servers' people and resources as they are. */
export function person(jid) {
  const bare = jid.split('/')[0];
  const resource = jid.slice(bare.length);
  return el('span', { class: 'jid' }, el('a', { href: to('users', bare) }, bare), resource && el('span', { class: 'muted' }, resource));
}

/** What a stanza says: its text, or that there is none, or that it is not ours to read. */
export function said(stanza, mayRead) {
  if (!mayRead || stanza === undefined) return el('span', { class: 'hidden-text' }, 'Text not shown');
  const text = typeof stanza?.body === 'string' ? stanza.body : Object.values(stanza?.bodies ?? {})[0];
  if (text !== undefined) return el('span', { class: 'said' }, text);
  return el('span', { class: 'muted' }, 'No text');
}

/** JSON to unfold. */
export const raw = (value, label) => el('details', { class: 'raw' }, el('summary', {}, label), el('pre', { tabindex: '0' }, JSON.stringify(value, null, 2)));

/** A section with a heading. */
export const section = (title, ...content) => el('section', { class: 'card' }, el('h2', {}, title), ...content);

/** Pairs of names and values. */
export const facts = (pairs) => el('dl', { class: 'facts' }, pairs.filter(Boolean).map(([name, value]) => el('div', {}, el('dt', {}, name), el('dd', {}, value))));

/** Why there is nothing, and what to do. */
export const empty = (title, advice) => el('div', { class: 'empty' }, el('p', { class: 'empty-title' }, title), el('p', {}, advice));
