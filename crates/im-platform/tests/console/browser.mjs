// Pages in the system's Chromium that take note of everything that must not happen.

import { createRequire } from 'node:module';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const require = createRequire(import.meta.url);
const AXE = await readFile(require.resolve('axe-core/axe.min.js'), 'utf8');

export const WIDE = { width: 1280, height: 860 };
export const PHONE = { width: 390, height: 800 };
/** Light and dark, wide and narrow. */
export const LOOKS = [['light', WIDE], ['dark', WIDE], ['light', PHONE], ['dark', PHONE]];

/** How long anything may take to appear. */
const PATIENCE = 15000;

export const launch = (executablePath) => chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-background-networking', '--disable-component-update'] });

/** A browser of its own (cookies, theme, size) on a platform. */
export class Visit {
  static async start(browser, platform, { theme = 'light', viewport = WIDE, shots } = {}) {
    const visit = new Visit();
    const context = await browser.newContext({ colorScheme: theme, viewport, reducedMotion: 'reduce', baseURL: platform.base });
    context.setDefaultTimeout(PATIENCE);
    const page = await context.newPage();
    Object.assign(visit, { context, page, platform, shots, theme, viewport, wrong: [], bodies: [], expected: [] });
    context.on('request', (request) => {
      const { origin, protocol } = new URL(request.url());
      if (origin !== platform.base && protocol !== 'data:' && protocol !== 'blob:') visit.wrong.push(`foreign request: ${request.url()}`);
    });
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type()) && !visit.expected.some((one) => one.test(message.text()))) visit.wrong.push(`console ${message.type()}: ${message.text()} ${message.location().url}`);
    });
    page.on('pageerror', (error) => visit.wrong.push(`page error: ${error}`));
    page.on('response', (response) => {
      if (new URL(response.url()).pathname.startsWith('/v1/')) visit.bodies.push(response.text().catch(() => ''));
    });
    return visit;
  }

  /** Statuses of answers that this test provokes; the browser reports them as errors. */
  expect(...statuses) {
    this.expected.push(...statuses.map((status) => (typeof status === 'number' ? new RegExp(`status of ${status} `) : status)));
  }

  async logIn(token) {
    await this.page.goto('/console');
    await this.page.getByLabel('Token').fill(token);
    await this.page.getByRole('button', { name: 'Log in' }).click();
    await this.page.locator('#menu').waitFor({ state: 'attached' });
  }

  /** Goes to a page by its path behind `#/` and waits until it has its data. */
  async open(path) {
    await this.page.evaluate((hash) => { location.hash = hash; }, `#/${path}`);
    await this.settled();
  }

  async settled() {
    await this.page.waitForFunction(() => document.querySelector('main h1') && !document.querySelector('main [aria-busy="true"]') && ![...document.querySelectorAll('main .plain')].some((p) => p.textContent.startsWith('Loading')));
  }

  /** Waits until all of these are on the page. */
  async sees(...texts) {
    for (const text of texts) await this.page.locator('body').filter({ hasText: text }).waitFor();
  }

  /** Serious and critical findings of axe-core. */
  async axe() {
    await this.page.evaluate(AXE);
    const violations = await this.page.evaluate(async () => (await globalThis.axe.run(document, { resultTypes: ['violations'] })).violations);
    return violations.filter((one) => ['serious', 'critical'].includes(one.impact))
      .map((one) => `axe ${one.id} (${one.impact}): ${one.nodes.map((node) => `${node.target} ${node.failureSummary}`).slice(0, 3).join(' | ')}`);
  }

  /** Everything the platform has sent to this browser's scripts. */
  received = async () => (await Promise.all(this.bodies)).join('\n');

  async shot(name) {
    if (this.shots) await this.page.screenshot({ path: join(this.shots, `${name}-${this.theme}-${this.viewport.width}.png`), fullPage: true });
  }

  /** Ends it; throws when anything happened that must not. */
  async end() {
    await this.context.close();
    if (this.wrong.length) throw new Error(this.wrong.join('\n'));
  }
}
