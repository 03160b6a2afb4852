// The tests, in order. Those of one platform share it; nothing waits for time to pass, only for things to appear.

import assert from 'node:assert/strict';
import { LOOKS, PHONE, Visit } from './browser.mjs';
import { Platform, token } from './platform.mjs';
import { EVENT_TEXT, PLACE_TEXT, ROOM_TEXT, SECRET, TEXTS, change, message, seed } from './seed.mjs';

/** Each page: its path behind `#/`, and what of the seeded data is on it. */
const PAGES = [
  ['', 'The platform works.', 'Users', 'Requests since the start', 'im-platform'],
  ['users', 'juliet@example.org', 'Juliet Capulet', 'villager-000@example.org', 'Show more'],
  ['users/juliet%40example.org', 'Offline', 'romeo@example.org', 'tybalt@example.org', 'Star-crossed lovers', 'image/png', SECRET],
  ['online', 'romeo@example.org', 'Waiting for the moon', 'Busy', 'Away', 'openfire-1'],
  ['online/busy', 'mercutio@example.org', 'square'],
  ['friends', 'juliet@example.org', 'both see each other', 'asked, not answered yet', 'Verona'],
  ['groups', 'Star-crossed lovers', 'Two households', 'hall@rooms.example.org'],
  ['groups/lovers', 'Star-crossed lovers', 'owner', 'romeo@example.org'],
  ['conversations', 'juliet@example.org – romeo@example.org', SECRET, 'At the feast.', 'pending'],
  ['conversations/juliet%40example.org/romeo%40example.org', SECRET, 'Stanza', 'romeo@example.org/orchard'],
  ['waiting', 'juliet@example.org', '3', 'nobody yet'],
  ['rooms', 'hall@rooms.example.org'],
  ['rooms/hall%40rooms.example.org', ROOM_TEXT, 'Romeo', 'owner', 'In the room now'],
  ['footprints', 'Casa di Giulietta', 'The Globe', 'Mantua', '3 in view'],
  ['media', 'picture-of-juliet', 'juliet@example.org', 'image/png', 'friends'],
  ['events', 'im.message.chat', 'juliet@example.org', '/nodes/openfire-1'],
  ['downlink', 'im.stanza', 'im.friend.changed', 'the platform'],
  ['bridges', 'openfire-1', 'epoch-1', 'town-hall', '120'],
  ['audit', 'ada', 'read text', 'juliet@example.org'],
];

/** One platform for several tests, made when the first of them needs it. */
function shared(make) {
  let made;
  return () => (made ??= make());
}

export function* suite({ browser, platform: binary, shots }) {
  const seeded = shared(async () => {
    const platform = await Platform.start(binary);
    await seed(platform);
    return platform;
  });
  const visiting = (name, work, { as, platform = seeded, ...options } = {}) => [name, async () => {
    const visit = await Visit.start(browser, await platform(), { shots, ...options });
    try {
      if (as) await visit.logIn(token(as));
      await work(visit, visit.page);
    } catch (error) {
      await visit.context.close();
      throw new Error([error.message, ...visit.wrong].join('\n'));
    }
    await visit.end();
  }];

  yield visiting('login: a wrong token says what to do, a right one opens the console', async (visit, page) => {
    visit.expect(401, 403);
    await page.goto('/console');
    await page.getByRole('heading', { name: 'Cloud Bridge platform' }).waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.id), 'token');
    for (const [given, said] of [['not-a-token-of-ours', 'Check that all of it was copied'], [token('bridge'), 'Use one of scope operator or read-only'], [token('shop'), 'Use one of scope operator or read-only']]) {
      await page.getByLabel('Token').fill(given);
      await page.keyboard.press('Enter');
      await page.getByRole('alert').filter({ hasText: said }).waitFor();
    }
    await visit.shot('login-wrong');
    await page.getByLabel('Token').fill(token('ada'));
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
    const [cookie] = await visit.context.cookies(`${visit.platform.base}/v1/console/x`);
    assert.deepEqual([cookie.name, cookie.httpOnly, cookie.sameSite, cookie.path], ['im_console', true, 'Strict', '/v1/console']);
    assert.deepEqual(await page.evaluate(() => [document.cookie, localStorage.length, sessionStorage.length]), ['', 0, 0]);
    await page.reload();
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
  });

  for (const [theme, viewport] of LOOKS) {
    yield visiting(`login: accessible (${theme}, ${viewport.width})`, async (visit, page) => {
      await page.goto('/console');
      await page.getByText('I have no token').click();
      await visit.sees('im-platform console --data');
      assert.deepEqual(await visit.axe(), []);
      await visit.shot('login');
    }, { theme, viewport });
  }

  yield visiting('login: the link that im-platform prints works once', async (visit, page) => {
    visit.expect(401);
    const link = await visit.platform.link();
    await page.goto(link);
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
    assert.equal(new URL(page.url()).hash, '#/');
    await visit.sees('ticket', 'operator');
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.goto('about:blank');
    await page.goto(link);
    await page.getByRole('alert').filter({ hasText: 'works once and for ten minutes' }).waitFor();
    await page.goto('about:blank');
    await page.goto(await visit.platform.link('--read-only'));
    await visit.sees('read-only');
  });

  for (const [path, ...texts] of PAGES) {
    for (const [theme, viewport] of LOOKS) {
      yield visiting(`page ${path || 'overview'} (${theme}, ${viewport.width})`, async (visit, page) => {
        await visit.open(path);
        await visit.sees(...texts);
        assert.equal(await page.locator('main h1').count(), 1);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        assert.ok(wide <= 0, `the page is ${wide} px wider than the window`);
        await visit.shot(`page-${path.replaceAll('/', '-').replaceAll('%40', '-') || 'overview'}`);
        assert.deepEqual(await visit.axe(), []);
      }, { as: 'ada', theme, viewport });
    }
  }

  yield visiting('paging: the next page comes by the keyboard', async (visit, page) => {
    await visit.open('users');
    const rows = page.locator('tbody tr');
    assert.equal(await rows.count(), 50);
    await page.getByRole('button', { name: 'Show more' }).focus();
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 100);
    await page.getByLabel('Address begins with').fill('villager-11');
    await page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 10);
    await page.getByLabel('Address begins with').fill('nobody-like-this');
    await visit.sees('Nobody here');
  }, { as: 'ada' });

  yield visiting('map: land, dots, popups by the keyboard', async (visit, page) => {
    await visit.open('footprints');
    const drawn = await page.locator('path.land').evaluateAll((paths) => paths.map((path) => path.getAttribute('d').length).filter((length) => length > 20).length);
    assert.ok(drawn > 10, `${drawn} countries are drawn`);
    const fills = await page.locator('path.land').first().evaluate((path) => [getComputedStyle(path).fill, getComputedStyle(document.querySelector('.map')).backgroundColor]);
    assert.notEqual(fills[0], fills[1], 'land and sea look alike');
    const jumps = await page.evaluate(async () => {
      const { shapes, borders } = await (await import('/console/assets/map.js')).land();
      const lines = (coordinates) => (typeof coordinates[0]?.[0] === 'number' ? [coordinates] : coordinates.flatMap(lines));
      const steps = (line) => line.slice(1).map(([lon, lat], i) => ({ far: Math.abs(lon - line[i][0]), lat }));
      return [...shapes.map((shape) => shape.geometry), borders].flatMap((geometry) => lines(geometry.coordinates)).flatMap(steps).filter(({ far, lat }) => far > 180 && lat > -90);
    });
    assert.deepEqual(jumps, [], 'land that reaches across the whole map');
    assert.equal(await page.locator('.dot').count(), 3);
    await page.locator('.dot[aria-label*="Casa di Giulietta"]').focus();
    await page.keyboard.press('Enter');
    const popup = page.locator('.leaflet-popup');
    await popup.filter({ hasText: PLACE_TEXT }).waitFor();
    assert.match(await popup.innerText(), /friends[\s\S]*city/);
    assert.deepEqual(await visit.axe(), []);
    await visit.shot('map-popup');
    await page.keyboard.press('Escape');
    await popup.waitFor({ state: 'detached' });
    assert.match(await page.evaluate(() => document.activeElement.getAttribute('aria-label')), /Casa di Giulietta/);
    await page.locator('.places button', { hasText: 'The Globe' }).focus();
    await page.keyboard.press('Enter');
    await popup.filter({ hasText: 'mercutio@example.org' }).waitFor();
    const close = page.waitForResponse((response) => {
      const [west, , east] = (new URL(response.url()).searchParams.get('bbox') ?? '').split(',').map(Number);
      return east - west < 2;
    });
    await page.getByRole('button', { name: 'Zoom in' }).focus();
    for (let i = 0; i < 6; i += 1) await page.keyboard.press('Enter');
    await close;
    await page.locator('#in-view').filter({ hasText: /^1 in view$/ }).waitFor();
  }, { as: 'ada' });

  yield visiting('map: one person, dark', async (visit, page) => {
    await visit.open('footprints/romeo%40example.org');
    await page.waitForFunction(() => document.querySelectorAll('.dot').length === 1);
    await page.locator('.dot').focus();
    await page.keyboard.press('Enter');
    await visit.sees('Mantua');
    assert.deepEqual(await visit.axe(), []);
    await visit.shot('map-popup');
  }, { as: 'ada', theme: 'dark' });

  for (const [who, footprints] of [['eve', 'Places are for operators'], ['bob', 'Casa di Giulietta']]) {
    yield visiting(`text is hidden from ${who} on every page and in every answer`, async (visit) => {
      visit.expect(403);
      for (const [path] of PAGES) {
        await visit.open(path);
        const text = await visit.page.locator('body').innerText();
        for (const secret of TEXTS) assert.ok(!text.includes(secret), `${path} shows: ${secret}`);
      }
      await visit.open('conversations');
      await visit.sees('Text not shown', 'This login does not show message text');
      await visit.shot(`hidden-${who}`);
      await visit.open('footprints');
      await visit.sees(footprints);
      const received = await visit.received();
      for (const secret of TEXTS) assert.ok(!received.includes(secret), `an answer holds: ${secret}`);
      assert.ok(received.includes('m-wait-0'), 'that there are messages is in the answers');
      const status = await visit.page.evaluate(() => fetch('/v1/console/media/picture-of-juliet/file').then((answer) => answer.status));
      assert.equal(status, 403);
    }, { as: who });
  }
  yield ['text: bob is refused by the other interfaces, too', async () => {
    const platform = await seeded();
    for (const path of ['/v1/messages?user=juliet@example.org', '/v1/rooms/hall%40rooms.example.org/messages', '/v1/footprints']) {
      const answers = await Promise.all(['bob', 'ada'].map((as) => fetch(platform.base + path, { headers: { authorization: `Bearer ${token(as)}` } })));
      assert.deepEqual(answers.map((answer) => answer.status), [403, 200], path);
    }
  }];

  yield visiting('text: ada reads it, opens a picture, and the audit and the log say so without it', async (visit, page) => {
    await visit.open('events');
    await page.locator('summary').first().click();
    await visit.sees(EVENT_TEXT);
    await visit.open('media');
    await page.getByText('picture-of-juliet').click();
    await page.waitForFunction(() => document.querySelector('img.preview')?.naturalWidth === 1);
    await visit.open('rooms/hall%40rooms.example.org');
    await visit.sees(ROOM_TEXT);
    await visit.open('audit');
    await visit.sees('hall@rooms.example.org', 'picture-of-juliet');
    const log = visit.platform.log.join('\n');
    assert.match(log, /an operator reads what people wrote/);
    for (const secret of [...TEXTS, 'juliet@example.org']) assert.ok(!log.includes(secret), `the log holds ${secret}`);
  }, { as: 'ada' });

  yield visiting('live: what changes appears by itself', async (visit, page) => {
    await visit.sees('Live');
    await visit.open('conversations');
    await message(visit.platform, 'm-live-1', 'nurse@example.org/kitchen', 'juliet@example.org', 'Come down!');
    await visit.sees('Come down!');
    await visit.open('online');
    assert.equal(await page.getByText('Gone to Mantua').count(), 0);
    await change(visit.platform, 10, 'romeo@example.org', 'orchard', { show: 'away', status: 'Gone to Mantua' });
    await visit.sees('Gone to Mantua');
    await visit.open('footprints');
    await visit.platform.call('POST', '/v1/footprints', { id: 'live', user: 'nurse@example.org', lat: 47.05, lon: 8.31, place: 'Lucerne', audience: 'me' });
    await visit.sees('Lucerne');
    await page.waitForFunction(() => document.querySelectorAll('.dot').length === 4);
    await visit.open('');
    const footprints = page.getByRole('link', { name: /Footprints$/ }).filter({ has: page.locator('.number') });
    await footprints.filter({ hasText: '4' }).waitFor();
    await visit.platform.call('DELETE', '/v1/footprints/nurse@example.org/live');
    await footprints.filter({ hasText: '3' }).waitFor();
  }, { as: 'ada' });

  yield visiting('logout: the page is left and the cookie is worth nothing', async (visit, page) => {
    const [cookie] = await visit.context.cookies(`${visit.platform.base}/v1/console/x`);
    const users = () => fetch(`${visit.platform.base}/v1/console/users`, { headers: { cookie: `im_console=${cookie.value}` } });
    assert.equal((await users()).status, 200);
    await page.getByRole('button', { name: 'Log out' }).click();
    await visit.sees('You are logged out.');
    assert.equal((await users()).status, 401);
    assert.deepEqual(await visit.context.cookies(`${visit.platform.base}/v1/console/x`), []);
    await page.reload();
    await page.getByLabel('Token').waitFor();
  }, { as: 'ada' });

  const brief = shared(() => Platform.start(binary, '[console]\nsession_seconds = 2'));
  yield visiting('session: when it ends the page says so', async (visit) => {
    visit.expect(401);
    await visit.sees('Your session has ended. Log in to go on.');
    await visit.logIn(token('ada'));
  }, { as: 'ada', platform: brief });

  const bare = shared(() => Platform.start(binary));
  yield visiting('empty: every page says what to do', async (visit, page) => {
    for (const [path] of PAGES.filter(([one]) => one && !one.includes('/') && one !== 'audit')) {
      await visit.open(path);
      await page.locator('.empty').first().waitFor();
      const advice = await page.locator('.empty').first().locator('p').nth(1).innerText();
      assert.ok(advice.length > 20, `${path}: ${advice}`);
      await visit.shot(`empty-${path}`);
      assert.deepEqual(await visit.axe(), []);
    }
  }, { as: 'eve', platform: bare });

  yield visiting('wrong: an unknown user and an unknown page say so', async (visit) => {
    visit.expect(404);
    await visit.open('users/ghost%40example.org');
    await visit.sees('There is no such thing');
    await visit.open('nothing-of-the-kind');
    await visit.sees('No such page');
  }, { as: 'ada', platform: bare });

  yield visiting('guessing: after ten wrong tokens the address has to wait', async (visit, page) => {
    visit.expect(401, 429);
    await page.goto('/console');
    for (let i = 0; i < 10; i += 1) {
      await page.getByLabel('Token').fill(`guess-number-${i}-of-a-token`);
      const answer = page.waitForResponse((response) => response.request().method() === 'POST');
      await page.keyboard.press('Enter');
      assert.equal((await answer).status(), 401);
    }
    await page.getByLabel('Token').fill(token('ada'));
    await page.keyboard.press('Enter');
    await page.getByRole('alert').filter({ hasText: 'Wait a minute' }).waitFor();
  }, { platform: shared(() => Platform.start(binary)) });

  yield visiting('phone: the menu opens and closes by the keyboard', async (visit, page) => {
    const menu = page.getByRole('navigation', { name: 'Pages' });
    assert.equal(await menu.isVisible(), false);
    await page.getByRole('button', { name: 'Menu' }).focus();
    await page.keyboard.press('Enter');
    await menu.waitFor({ state: 'visible' });
    await visit.shot('menu');
    assert.deepEqual(await visit.axe(), []);
    await page.keyboard.press('Escape');
    await menu.waitFor({ state: 'hidden' });
    await page.keyboard.press('Enter');
    await page.getByRole('link', { name: 'Groups', exact: true }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Groups' }).waitFor();
    assert.equal(await menu.isVisible(), false);
  }, { as: 'ada', viewport: PHONE });

  yield ['security: policy, caches, other sites, other paths', async () => {
    const { base } = await seeded();
    const page = await fetch(`${base}/console`);
    const policy = page.headers.get('content-security-policy');
    assert.match(policy, /default-src 'self'/);
    assert.doesNotMatch(policy, /unsafe|\*|http/);
    assert.match(policy, /frame-ancestors 'none'/);
    assert.doesNotMatch(await page.text(), /<script(?![^>]*src=)|<style|style=|onclick=/);
    const logIn = (headers) => fetch(`${base}/v1/console/session`, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify({ token: token('ada') }) });
    assert.equal((await logIn({ 'sec-fetch-site': 'cross-site' })).status, 403);
    assert.equal((await logIn({ 'content-type': 'text/plain' })).status, 415);
    const cookie = (await logIn({})).headers.get('set-cookie').split(';')[0];
    const get = (path, headers, method = 'GET') => fetch(base + path, { method, headers: { cookie, ...headers } });
    const users = await get('/v1/console/users');
    assert.deepEqual([users.status, users.headers.get('cache-control')], [200, 'no-store']);
    assert.equal((await get('/v1/console/users', { 'sec-fetch-site': 'cross-site' })).status, 401);
    assert.equal((await get('/v1/messages?user=juliet@example.org')).status, 401);
    assert.equal((await get('/v1/users/juliet@example.org', {}, 'DELETE')).status, 401);
    const asset = await get('/console/assets/app.js');
    const again = await get('/console/assets/app.js', { 'if-none-match': asset.headers.get('etag') });
    assert.deepEqual([asset.status, again.status], [200, 304]);
  }];

  yield ['off: without a console there is nothing', async () => {
    const platform = await Platform.start(binary, '[console]\nenabled = false');
    for (const path of ['/console', '/console/assets/app.js', '/v1/console/session']) assert.equal((await fetch(platform.base + path)).status, 404, path);
    await assert.rejects(platform.link());
    await platform.stop();
  }];

  for (const [theme, viewport] of LOOKS) {
    yield visiting(`docs: the contract to read and try (${theme}, ${viewport.width})`, async (visit, page) => {
      await page.goto('/docs');
      await page.locator('#interfaces[aria-busy="false"]').waitFor();
      await visit.sees('GET /v1/users', 'POST /v1/messages', 'Types', 'OpenAPI document');
      assert.ok((await page.locator('details').count()) > 60);
      const health = page.locator('details', { has: page.locator('summary code', { hasText: 'GET /healthz' }) });
      await health.locator('summary').click();
      await health.getByRole('button', { name: 'Send' }).click();
      await health.getByText('"status": "ok"').waitFor();
      await visit.shot('docs');
      assert.deepEqual(await visit.axe(), []);
    }, { theme, viewport });
  }

  yield visiting('down: the page says that the platform does not answer', async (visit) => {
    visit.expect(/ERR_CONNECTION|ERR_EMPTY|Failed to load/);
    await visit.sees('Live');
    const { platform } = visit;
    await platform.stop();
    await visit.sees('No connection, trying again');
  }, { as: 'ada', platform: shared(() => Platform.start(binary)) });
}
