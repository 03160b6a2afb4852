// Footprints on a map, and the same ones as a list beside it.

import { el, empty, facts, person, tag, when } from './dom.js';
import { read } from './api.js';
import { wrong } from './list.js';
import { map } from './map.js';

const SINCE = [['', 'Any time'], ['1', 'Last day'], ['7', 'Last week'], ['30', 'Last 30 days']];
const MOST = 200;

export function footprints(login, jid = '') {
  const title = jid ? `Footprints of ${jid}` : 'Footprints';
  if (login.scope !== 'operator') {
    return { title, node: empty('Places are for operators', 'A read-only login sees that footprints exist (Overview), not where anybody was. Log in with a token of scope operator.') };
  }
  const canvas = el('div', { class: 'map', role: 'application', 'aria-label': 'Map of footprints. Arrow keys move, plus and minus zoom, Tab goes from dot to dot, Enter opens one.' });
  const head = el('p', { class: 'muted', id: 'in-view', role: 'status' });
  const box = el('div', { 'aria-busy': 'true' }, el('p', { class: 'plain' }, 'Loading…'));
  const side = el('div', { class: 'places' }, head, box);
  const days = el('select', { id: 'since', onchange: () => look() }, SINCE.map(([value, word]) => el('option', { value }, word)));
  const whose = el('input', { id: 'whose', type: 'search', placeholder: 'anybody', value: jid, autocomplete: 'off', onchange: () => look() });
  const node = el('div', {},
    el('div', { class: 'filters', role: 'search' }, el('label', { for: 'whose' }, 'Of'), whose, el('label', { for: 'since' }, 'From'), days),
    el('div', { class: 'map-and-list' }, canvas, side),
    el('p', { class: 'muted small-print' }, 'Land: Natural Earth. Map: Leaflet. Both are in this platform; the map asks nobody.'));
  let view;
  let area;
  let turn = 0;
  let gone = false;

  async function search(bounds) {
    const since = days.value ? new Date(Date.now() - Number(days.value) * 86400000).toISOString() : undefined;
    const bbox = bounds && [bounds.west, bounds.south, bounds.east, bounds.north].map((n) => n.toFixed(6)).join(',');
    return read('footprints', { bbox, since, user: whose.value.trim(), limit: MOST });
  }

  async function look() {
    const mine = turn += 1;
    try {
      const found = await search(area);
      if (mine !== turn || gone) return;
      view.show(found.features, (feature) => card(login, feature), label);
      const lines = found.features.map((feature) => el('li', {}, el('button', { type: 'button', onclick: () => view.open(feature.id) },
        el('strong', {}, feature.properties.user), el('span', {}, feature.properties.place ?? coordinates(feature)), when(feature.properties.at))));
      head.textContent = `${lines.length}${found.next ? ' newest' : ''} in view`;
      box.replaceChildren(...(lines.length ? [el('ul', {}, lines), ...(found.next ? [el('p', { class: 'muted' }, 'There are more: move closer, or choose a time.')] : [])]
        : [empty('No footprints here', 'Move the map, choose another time, or clear the name. People share them with POST /v1/footprints or from their client.')]));
      box.setAttribute('aria-busy', 'false');
    } catch (problem) {
      if (mine !== turn || gone) return;
      box.replaceChildren(wrong(problem, look));
    }
  }

  async function start() {
    try {
      view = await map(canvas, (bounds) => { area = bounds; look(); });
    } catch (problem) {
      box.replaceChildren(wrong(problem, start));
      return;
    }
    if (gone) return view.remove();
    const first = await search(null).catch(() => ({ features: [] }));
    if (gone) return;
    view.fit(first.features);
    view.told();
  }

  return { title, about: login.text ? 'You see exact places; other people see what each owner lets through. Reading this is noted in the audit.' : 'You see exact places, without what was said there.', node, start, refresh: () => (area ? look() : undefined), stop: () => { gone = true; view?.remove(); } };
}

const coordinates = (feature) => feature.geometry.coordinates.slice().reverse().map((n) => n.toFixed(3)).join(', ');
const label = (feature) => `${feature.properties.user}, ${feature.properties.place ?? coordinates(feature)}`;

function card(login, feature) {
  const { user, text, place, at, audience, precision, media, links, track } = feature.properties;
  const whom = audience?.people ? `${audience.people.length} chosen` : audience?.group ? `group ${audience.group}` : audience;
  return el('div', { class: 'footprint', tabindex: '-1' }, el('p', { class: 'footprint-who' }, person(user)),
    login.text ? text && el('p', { class: 'said' }, text) : el('p', { class: 'hidden-text' }, 'Text not shown'),
    facts([place && ['Place', place], ['At', coordinates(feature)], ['When', when(at)], ['For', tag(whom ?? '—')], ['Others see', tag(precision)], track && ['Track', track], media?.length > 0 && ['Media', String(media.length)], links?.length > 0 && ['Links', links.join(' ')]]));
}
