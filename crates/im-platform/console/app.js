// The frame: who is logged in, which page is shown, and the pulse that keeps it fresh.

import { el } from './dom.js';
import * as api from './api.js';
import { wrong } from './list.js';
import * as people from './people.js';
import * as talk from './talk.js';
import * as places from './places.js';
import * as system from './system.js';

/** Every page: its path's first part, its name in the menu, and what makes it: `(login, ...rest of the path)` gives { title, about, node, refresh, start, stop }. */
const PAGES = [
  { path: '', name: 'Overview', make: system.overview },
  { path: 'users', name: 'Users', make: people.users, group: 'People' },
  { path: 'online', name: 'Who is online', make: people.online },
  { path: 'friends', name: 'Friends', make: people.friends },
  { path: 'groups', name: 'Groups', make: people.groups },
  { path: 'conversations', name: 'Conversations', make: talk.conversations, group: 'Talk' },
  { path: 'waiting', name: 'Waiting messages', make: talk.waiting },
  { path: 'rooms', name: 'Rooms', make: people.rooms },
  { path: 'footprints', name: 'Footprints', make: places.footprints, group: 'Content' },
  { path: 'media', name: 'Media', make: system.media },
  { path: 'events', name: 'Events', make: talk.events, group: 'Platform' },
  { path: 'downlink', name: 'Downlink', make: talk.downlink },
  { path: 'bridges', name: 'Bridges', make: system.bridges },
  { path: 'audit', name: 'Audit', make: system.audit },
];

const app = document.getElementById('app');
let login = null;
let current = null;
let following = null;

function header(title) {
  document.title = `${title} · Cloud Bridge platform`;
}

function showLogin(problem, note) {
  following?.abort();
  current?.stop?.();
  current = null;
  login = null;
  header('Log in');
  const token = el('input', { id: 'token', type: 'password', autocomplete: 'current-password', required: true, 'aria-describedby': 'token-help', spellcheck: 'false' });
  const said = el('div', { id: 'said' });
  if (problem) said.append(wrong(problem));
  if (note) said.append(el('p', { class: 'note', role: 'status' }, note));
  const button = el('button', { type: 'submit', class: 'primary' }, 'Log in');
  const form = el('form', { class: 'login card', onsubmit: async (event) => {
    event.preventDefault();
    button.disabled = true;
    await enter(token.value);
    button.disabled = false;
  } },
  el('img', { src: '/console/assets/icon.svg', alt: '', width: '48', height: '48' }),
  el('h1', {}, 'Cloud Bridge platform'), said,
  el('label', { for: 'token' }, 'Token'), token,
  el('p', { id: 'token-help', class: 'muted' }, 'Of scope operator, or read-only to look without message text and places.'),
  button,
  el('details', {}, el('summary', {}, 'I have no token'),
    el('p', {}, 'On the platform’s machine, this prints a link that logs you in once:'),
    el('pre', { tabindex: '0' }, 'im-platform console --data DIR'),
    el('p', {}, 'DIR is the platform’s data folder. Or give the configuration a credential of scope operator.')));
  app.replaceChildren(el('main', { class: 'login-page' }, form));
  token.focus();

  async function enter(text) {
    try {
      login = await api.logIn(text);
      showFrame();
    } catch (failed) {
      said.replaceChildren(wrong(failed));
      token.value = '';
      token.focus();
    }
  }
}

function menu() {
  const links = [];
  for (const page of PAGES) {
    if (page.group) links.push(el('li', { class: 'menu-group', 'aria-hidden': 'true' }, page.group));
    links.push(el('li', {}, el('a', { href: `#/${page.path}`, 'data-page': page.path }, page.name)));
  }
  return el('ul', {}, links);
}

function showFrame() {
  const main = el('main', { id: 'main', tabindex: '-1' });
  const pulse = el('span', { id: 'pulse', class: 'pulse', role: 'status' }, 'Connecting…');
  const nav = el('nav', { id: 'menu', 'aria-label': 'Pages' }, menu());
  const toggle = el('button', { type: 'button', class: 'menu-button', 'aria-expanded': 'false', 'aria-controls': 'menu', onclick: () => open(toggle.getAttribute('aria-expanded') !== 'true') }, 'Menu');
  const out = el('button', { type: 'button', id: 'logout', onclick: async () => {
    await api.logOut().catch(() => null);
    showLogin(null, 'You are logged out.');
  } }, 'Log out');
  const rights = login.scope === 'read-only' ? 'read-only' : login.text ? 'operator' : 'operator, without message text';
  app.replaceChildren(
    el('a', { class: 'skip', href: '#main', onclick: (event) => { event.preventDefault(); main.focus(); } }, 'Skip to the content'),
    el('header', { class: 'top' }, toggle,
      el('a', { class: 'brand', href: '#/', 'aria-label': 'Cloud Bridge platform, overview' }, el('img', { src: '/console/assets/icon.svg', alt: '', width: '28', height: '28' }), el('span', {}, 'Cloud Bridge platform')),
      pulse, el('span', { class: 'who' }, login.name, ' ', el('span', { class: 'tag' }, rights)), out),
    nav, main);
  function open(yes) {
    toggle.setAttribute('aria-expanded', String(yes));
    document.body.classList.toggle('menu-open', yes);
  }
  nav.addEventListener('click', (event) => { if (event.target.closest('a')) open(false); });
  document.addEventListener('keydown', (event) => { if (event.key === 'Escape') open(false); });
  open(false);
  if (!location.hash.startsWith('#/')) history.replaceState(null, '', '#/');
  route(false);
  pulseOn(pulse);
}

function pulseOn(pulse) {
  following?.abort();
  following = new AbortController();
  const words = { live: 'Live', broken: 'No connection, trying again', over: 'Logged out' };
  const refresh = async () => {
    if (document.hidden) return;
    await current?.refresh?.();
  };
  api.follow(following.signal, refresh, (status) => {
    if (pulse.dataset.status !== status) {
      pulse.dataset.status = status;
      pulse.textContent = words[status];
    }
    if (status === 'over') over();
  });
}

const over = () => showLogin(null, 'Your session has ended. Log in to go on.');

function route(focus = true) {
  if (!login || !location.hash.startsWith('#/')) return;
  const parts = location.hash.slice(2).split('/').map(decodeURIComponent);
  const page = PAGES.find((one) => one.path === parts[0]);
  const main = document.getElementById('main');
  current?.stop?.();
  for (const link of document.querySelectorAll('#menu a')) {
    if (link.dataset.page === parts[0]) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  if (!page) {
    current = null;
    main.replaceChildren(el('h1', { tabindex: '-1' }, 'No such page'), el('p', {}, 'Choose one from the menu.'));
    return;
  }
  const made = page.make(login, ...parts.slice(1));
  current = made;
  header(made.title);
  const title = el('h1', { tabindex: '-1' }, made.title);
  main.replaceChildren(
    ...(parts.length > 1 ? [el('p', { class: 'crumb' }, el('a', { href: `#/${page.path}` }, `← ${page.name}`))] : []),
    title, ...(made.about ? [el('p', { class: 'about' }, made.about)] : []), made.node);
  if (focus) title.focus({ preventScroll: true });
  window.scrollTo(0, 0);
  Promise.resolve(made.start?.()).catch((problem) => (problem.status === 401 ? over() : main.append(wrong(problem))));
}

window.addEventListener('hashchange', () => route());
document.addEventListener('visibilitychange', () => { if (!document.hidden) current?.refresh?.(); });

async function start() {
  const ticket = /^#login=(.+)$/.exec(location.hash)?.[1];
  if (ticket) {
    // Out of the address bar and the history before anything else.
    history.replaceState(null, '', '#/');
    try {
      login = await api.logIn(ticket);
      return showFrame();
    } catch (problem) {
      return showLogin(problem);
    }
  }
  try {
    login = await api.whoAmI();
  } catch (problem) {
    return showLogin(problem);
  }
  return login ? showFrame() : showLogin();
}

start();
