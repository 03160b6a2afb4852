// The map: land and borders from the binary, dots for footprints. It asks nobody for anything.

import * as L from './leaflet.js';
import './topojson.js';

let world;

/** A line that does not jump from one edge of the map to the other where it crosses the 180th meridian; a ring around a pole goes by the pole. */
function unrolled(line) {
  let turn = 0;
  const points = line.map(([lon, lat], i) => {
    const step = i > 0 ? lon - line[i - 1][0] : 0;
    if (Math.abs(step) > 180) turn -= Math.sign(step) * 360;
    return [lon + turn, lat];
  });
  const [first, last] = [points[0], points[points.length - 1]];
  return Math.abs(last[0] - first[0]) > 180 ? [...points, [last[0], Math.sign(last[1]) * 90], [first[0], Math.sign(last[1]) * 90]] : points;
}

const unroll = (coordinates) => (typeof coordinates[0][0] === 'number' ? unrolled(coordinates) : coordinates.map(unroll));
const flat = (geometry) => ({ ...geometry, coordinates: geometry.coordinates.length > 0 ? unroll(geometry.coordinates) : [] });

/** Land and borders, read once. */
export function land() {
  world ??= fetch('/console/assets/world.json').then((response) => response.json()).then((topology) => {
    const { countries } = topology.objects;
    const { topojson } = globalThis;
    const shapes = topojson.feature(topology, countries).features.map((shape) => ({ ...shape, geometry: flat(shape.geometry) }));
    return { shapes, borders: flat(topojson.mesh(topology, countries, (a, b) => a !== b)) };
  });
  return world;
}

/**
 * A map in `node`. `moved(area)` hears of every new view: { west, south, east, north }. Gives { show(features, popup), fit(features), open(id), remove() }.
 */
export async function map(node, moved) {
  const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
  const view = L.map(node, { fadeAnimation: !still, zoomAnimation: !still, markerZoomAnimation: !still, center: [25, 10], zoom: 2, minZoom: 1, maxZoom: 17, worldCopyJump: true, zoomSnap: 0.5, attributionControl: false, maxBounds: [[-88, -720], [88, 720]] });
  L.control.scale({ imperial: false }).addTo(view);
  const markers = L.layerGroup().addTo(view);
  const byId = new Map();
  const { shapes, borders } = await land();
  for (const shift of [-360, 0, 360]) {
    const coordsToLatLng = ([lon, lat]) => L.latLng(lat, lon + shift);
    L.geoJSON(shapes, { interactive: false, style: { className: 'land' }, coordsToLatLng }).addTo(view);
    L.geoJSON(borders, { interactive: false, style: { className: 'border' }, coordsToLatLng }).addTo(view);
  }
  // The keyboard goes into what it opens, and back to its dot.
  let back = null;
  view.on('popupopen', ({ popup }) => {
    back = popup._source?.getElement() ?? null;
    popup.getElement().querySelector('.footprint').focus({ preventScroll: true });
  });
  view.on('popupclose', ({ popup }) => {
    // Without an animation it is out of the page already, and the focus nowhere.
    const lost = document.activeElement === document.body || popup.getElement()?.contains(document.activeElement);
    if (lost && back?.isConnected) back.focus({ preventScroll: true });
  });
  node.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') view.closePopup();
  });
  const told = () => {
    const bounds = view.getBounds();
    const wide = bounds.getEast() - bounds.getWest() >= 360;
    const turn = (lon) => ((((lon + 180) % 360) + 360) % 360) - 180;
    moved({ west: wide ? -180 : turn(bounds.getWest()), east: wide ? 180 : turn(bounds.getEast()), south: Math.max(bounds.getSouth(), -90), north: Math.min(bounds.getNorth(), 90) });
  };
  view.on('moveend', told);

  function show(features, popup, label) {
    const here = new Set(features.map((feature) => feature.id));
    for (const [id, entry] of byId) {
      if (!here.has(id)) {
        markers.removeLayer(entry.marker);
        byId.delete(id);
      }
    }
    for (const feature of features) {
      const text = JSON.stringify(feature);
      const before = byId.get(feature.id);
      if (before?.text === text) continue;
      if (before) markers.removeLayer(before.marker);
      const [lon, lat] = feature.geometry.coordinates;
      const icon = L.divIcon({ className: `dot ${feature.properties.precision}`, iconSize: [24, 24] });
      const marker = L.marker([lat, lon], { icon, keyboard: true, title: label(feature), alt: label(feature), riseOnHover: true });
      marker.bindPopup(() => popup(feature), { minWidth: 220, maxWidth: 300 });
      marker.addTo(markers);
      const dot = marker.getElement();
      dot.setAttribute('aria-label', label(feature));
      byId.set(feature.id, { marker, text });
    }
  }

  return {
    show,
    told,
    fit(features) {
      if (!features.length) return;
      const bounds = L.latLngBounds(features.map((feature) => [feature.geometry.coordinates[1], feature.geometry.coordinates[0]]));
      view.fitBounds(bounds, { padding: [40, 40], maxZoom: 6, animate: false });
    },
    open(id) {
      const entry = byId.get(id);
      if (!entry) return;
      view.panTo(entry.marker.getLatLng(), { animate: false });
      entry.marker.openPopup();
    },
    remove: () => view.remove(),
  };
}

