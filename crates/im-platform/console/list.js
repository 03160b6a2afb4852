// A list that is fetched page by page and renews itself: a table on wide screens, cards on narrow ones.

import { el, empty } from './dom.js';
import { Problem } from './api.js';

const PAGE = 50;
const MOST = 256;

/** What went wrong, with a button where trying again can help. */
export function wrong(problem, again) {
  const { message, advice } = problem instanceof Problem ? problem : { message: 'This page failed', advice: String(problem) };
  return el('div', { class: 'problem', role: 'alert' }, el('p', { class: 'problem-title' }, message), el('p', {}, advice),
    again && el('button', { type: 'button', onclick: again }, 'Try again'));
}

/**
 * `columns`: [{ name, cell(item), wide }]; `load(query)` gives { items, next }; `cursor`: 'after' or 'before'; `key(item)` names a row;
 * `none`: [title, advice] for an empty list. Gives { node, refresh, start, items }.
 */
export function list({ label, columns, load, cursor = 'after', key, none }) {
  const body = el('tbody', { role: 'rowgroup' });
  const head = el('tr', { role: 'row' }, columns.map((column) => el('th', { role: 'columnheader', scope: 'col' }, column.name)));
  const table = el('table', { role: 'table', 'aria-label': label }, el('thead', { role: 'rowgroup' }, head), body);
  const place = el('div', { class: 'list', 'aria-busy': 'true' }, el('p', { class: 'plain' }, 'Loading…'));
  const more = el('button', { type: 'button', class: 'more', onclick: () => forward() }, 'Show more');
  let items = [];
  let next;
  let known = new Map();
  let turn = 0;

  function row(item, fresh) {
    return el('tr', { role: 'row', class: fresh ? 'fresh' : undefined }, columns.map((column) => el('td', { role: 'cell', 'data-label': column.name, class: column.wide ? 'wide' : undefined }, el('div', {}, column.cell(item)))));
  }

  function show(first) {
    const rows = new Map();
    for (const item of items) {
      const name = key(item);
      const text = JSON.stringify(item);
      const before = known.get(name);
      // What has not changed stays as it is, with its focus and what is unfolded in it.
      rows.set(name, before?.text === text ? before : { text, node: row(item, !first) });
    }
    known = rows;
    const nodes = [...rows.values()].map((entry) => entry.node);
    if (nodes.length !== body.children.length || nodes.some((node, i) => body.children[i] !== node)) {
      const focus = document.activeElement;
      body.replaceChildren(...nodes);
      if (focus?.isConnected) focus.focus({ preventScroll: true });
    }
    place.replaceChildren(items.length ? table : empty(...none), ...(next ? [more] : []));
    place.setAttribute('aria-busy', 'false');
  }

  async function fetchFirst(first) {
    const mine = turn += 1;
    try {
      const limit = Math.min(Math.max(items.length, PAGE), MOST);
      const page = await load({ limit: first ? PAGE : limit });
      if (mine !== turn) return;
      ({ items, next } = page);
      show(first);
    } catch (problem) {
      if (mine !== turn) return;
      // A list that is there stays there; the page's status says that it is not renewed.
      if (first || problem.status !== 0) place.replaceChildren(wrong(problem, () => fetchFirst(true).catch(() => null)));
      place.setAttribute('aria-busy', 'false');
      if (problem.status === 401) throw problem;
    }
  }

  async function forward() {
    more.disabled = true;
    const mine = turn += 1;
    try {
      const page = await load({ limit: PAGE, [cursor]: next });
      if (mine !== turn) return;
      items = items.concat(page.items);
      next = page.next;
      show(true);
    } catch (problem) {
      place.append(wrong(problem));
    } finally {
      more.disabled = false;
    }
  }

  return {
    node: place,
    items: () => items,
    /** The first page, anew. */
    start: () => fetchFirst(true),
    /** What is shown, anew. Beyond one large page only a person asks for it. */
    refresh: () => (items.length > MOST ? Promise.resolve() : fetchFirst(false)),
  };
}
