// What the pages are to show: a small Verona, and enough citizens for a second page.

export const SECRET = 'a text that only some may read';
export const PLACE_TEXT = 'what was said under the balcony';
export const ROOM_TEXT = 'what the hall heard';
export const EVENT_TEXT = 'what the mirror kept';
/** Texts that people wrote. */
export const TEXTS = [SECRET, PLACE_TEXT, ROOM_TEXT, EVENT_TEXT];

const at = (minutes) => new Date(Date.now() - minutes * 60000).toISOString();
const EPOCH = 'epoch-1';
/** One pixel of red. */
const PNG = Uint8Array.from(atob('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg=='), (c) => c.charCodeAt(0));

export const message = (platform, key, from, to, text, minutes = 0) => platform.call('POST', '/v1/messages', {
  node: 'openfire-1', epoch: EPOCH, items: [{ key, from, to, sent_at: at(minutes), stanza: { kind: 'message', type: 'chat', body: text }, storable: true }],
});

export const change = (platform, seq, user, resource, more) => platform.call('POST', '/v1/nodes/openfire-1/states', {
  epoch: EPOCH, changes: [{ seq, open: true, user, resource, available: true, priority: 0, ...more }],
});

export async function seed(platform) {
  const users = [['juliet', 'Juliet Capulet'], ['romeo', 'Romeo Montague'], ['mercutio', 'Mercutio'], ['nurse', 'Nurse'], ['tybalt', 'Tybalt']];
  for (const [user, name] of users) await platform.call('POST', '/v1/users', { user: `${user}@example.org`, name });
  const citizens = Array.from({ length: 120 }, (_, i) => ({ kind: 'user', user: `villager-${String(i).padStart(3, '0')}@example.org` }));
  await platform.call('POST', '/v1/import', { source: 'town-hall', from: 0, items: citizens });
  const session = (user, resource, more = {}) => ({ user: `${user}@example.org`, resource, available: true, priority: 5, ...more });
  await platform.call('PUT', '/v1/nodes/openfire-1/sessions', { epoch: EPOCH, ttl_ms: 300000, seq: 1, sessions: [
    session('romeo', 'orchard', { status: 'Waiting for the moon' }), session('mercutio', 'square', { show: 'dnd' }), session('nurse', 'kitchen', { show: 'away' }),
    session('tybalt', 'street', { available: false }),
  ] });
  const friend = (user, other, entry) => platform.call('PUT', `/v1/friends/${user}@example.org/${other}@example.org`, entry);
  await friend('juliet', 'romeo', { subscription: 'both', name: 'R.', groups: ['Verona'] });
  await friend('romeo', 'juliet', { subscription: 'both' });
  await friend('romeo', 'mercutio', { subscription: 'to', ask: true });
  await platform.call('PUT', '/v1/blocks/juliet@example.org/tybalt@example.org');
  await message(platform, 'm-1', 'romeo@example.org/orchard', 'mercutio@example.org', 'Where is everybody?', 90);
  await message(platform, 'm-2', 'mercutio@example.org/square', 'romeo@example.org', 'At the feast.', 60);
  for (let i = 0; i < 3; i += 1) await message(platform, `m-wait-${i}`, 'romeo@example.org/orchard', 'juliet@example.org', SECRET, 30 - i);
  await platform.call('POST', '/v1/groups', { id: 'lovers', name: 'Star-crossed lovers', description: 'Two households', room: 'hall@rooms.example.org',
    members: [{ user: 'juliet@example.org', role: 'owner' }, { user: 'romeo@example.org', role: 'member' }] }, { as: 'shop' });
  const room = '/v1/rooms/hall%40rooms.example.org';
  await platform.call('PUT', room, { members: [{ user: 'juliet@example.org', affiliation: 'owner' }, { user: 'romeo@example.org', affiliation: 'member' }] });
  await platform.call('PUT', '/v1/nodes/openfire-1/occupants', { epoch: EPOCH, seq: 1, occupants: [{ room: 'hall@rooms.example.org', user: 'romeo@example.org', resource: 'orchard', nick: 'Romeo' }] });
  await platform.call('POST', `${room}/messages`, { node: 'openfire-1', epoch: EPOCH, items: [{ key: 'r-1', from: 'romeo@example.org', nick: 'Romeo', sent_at: at(20), stanza: { kind: 'message', type: 'groupchat', body: ROOM_TEXT } }] });
  await platform.call('PUT', '/v1/media/picture-of-juliet?user=juliet@example.org&audience=friends', PNG, { type: 'image/png' });
  const share = (id, user, lat, lon, more) => platform.call('POST', '/v1/footprints', { id, user: `${user}@example.org`, lat, lon, audience: 'friends', ...more });
  await share('balcony', 'juliet', 45.4420, 10.9985, { text: PLACE_TEXT, place: 'Casa di Giulietta', media: ['picture-of-juliet'], at: at(15) });
  await share('mantua', 'romeo', 45.1564, 10.7914, { place: 'Mantua', audience: 'me', precision: 'exact', at: at(600) });
  await share('globe', 'mercutio', 51.5081, -0.0972, { place: 'The Globe', audience: 'all', precision: 'street', at: at(4000) });
  await platform.call('POST', '/v1/events', JSON.stringify([{ specversion: '1.0', id: 'event-1', source: '/nodes/openfire-1', type: 'im.message.chat', subject: 'juliet@example.org',
    time: at(5), datacontenttype: 'application/json', sequence: '00000001', partitionkey: 'a', data: { body: EVENT_TEXT } }]), { type: 'application/cloudevents-batch+json' });
  await platform.call('POST', '/v1/downlink', { to: 'juliet@example.org', stanza: { kind: 'message', body: SECRET } }, { as: 'shop' });
  await platform.call('GET', '/v1/messages?user=juliet@example.org', undefined, { as: 'ada' });
}
