/**
 * The console in a real browser, over a lab:
 *
 *   tokyo ══ frankfurt          acme: three sites, each linked with the others; exchange publishes trade at tokyo
 *     ║  ╲      ║
 *   osaka ╲═ virginia           globex: camera publishes film at tokyo, for the group studio at osaka, where nobody consumes
 *
 * MBUS_IMAGES=1 keeps its screenshots as those of docs/console.md.
 */
import { mkdir } from 'node:fs/promises';
import { AxeBuilder } from '@axe-core/playwright';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { labCut, labDown, labRestore, labUp } from '../../../src/lab/index.ts';
import { findChromium, openPage, startChromium } from '../../support/chromium.ts';
import { startTestConsole } from '../../support/console.ts';
import { adminOf, type TestLab, testLab } from '../../support/lab.ts';
import { until } from '../../support/tcp.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

const yaml = `
sites:
  - {name: tokyo,     mode: server, address: "tokyo.example.net:7422"}
  - {name: frankfurt, mode: server, address: "fra.example.net:7422"}
  - {name: virginia,  mode: client}
  - {name: osaka,     mode: client}
customers:
  - name: acme
    terminals: [tokyo, frankfurt, virginia]
    links: [{between: [tokyo, frankfurt]}, {between: [virginia, frankfurt]}, {between: [virginia, tokyo], cost: 5}]
    topics: [{name: trade, groups: [{name: risk, terminals: [frankfurt]}, {name: archive, terminals: [virginia]}]}]
    apps: [{name: exchange, terminal: tokyo, publish: [trade]}]
  - name: globex
    terminals: [tokyo, osaka]
    links: [{between: [osaka, tokyo]}]
    topics: [{name: film, groups: [{name: studio, terminals: [osaka]}]}]
    apps: [{name: camera, terminal: tokyo, publish: [film]}]
`;
const link = { customer: 'globex', a: 'osaka', b: 'tokyo' };
const images = process.env.MBUS_IMAGES === '1' ? new URL('../../../docs/images/', import.meta.url).pathname : undefined;
const executable = findChromium();
if (executable === undefined) console.warn('console in a browser: skipped, no Chromium on the PATH and no CHROMIUM');

async function shoot(page: Page, name: string): Promise<void> {
  if (images === undefined) return;
  await mkdir(images, { recursive: true });
  await page.screenshot({ path: `${images}${name}.png` });
}

/** What axe finds wrong in a theme, contrast included. */
async function findings(page: Page, theme: 'light' | 'dark'): Promise<string[]> {
  await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' });
  const { violations } = await new AxeBuilder({ page }).analyze();
  return violations.flatMap(({ id, nodes }) => nodes.map(({ target }) => `${theme} ${id} ${target.join(' ')}`));
}

describe.skipIf(executable === undefined)('in Chromium', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await startChromium(executable ?? '');
  });
  afterAll(() => browser?.close());

  describe('over a lab', () => {
    let lab: TestLab;
    let page: Page;
    let complaints: string[];
    let isPublishing = true;
    const connections: { close(): Promise<void> }[] = [];

    beforeAll(async () => {
      const dir = `${await makeTempDir('mbus-console-')}/lab`;
      lab = testLab(dir, await labUp({ text: yaml, fileName: 'bus.yaml', dir }), connections);
      const admin = await adminOf(lab);
      const { code } = await admin.call('console.code', {});
      await admin.close();
      ({ page, complaints } = await openPage(browser, `${lab.info.console}/#code=${code}`));
      await page.waitForSelector('.map');
      void publish(await lab.connect('globex/camera'), 'film.reel', 40);
      void publish(await lab.connect('acme/exchange'), 'trade.eu', 15);
    }, 300_000);

    afterAll(async () => {
      isPublishing = false;
      await Promise.all(connections.map((connection) => connection.close().catch(() => undefined)));
      if (lab !== undefined) await labDown(lab.dir);
    }, 120_000);

    /** A few messages a second until the end. */
    async function publish(nc: Awaited<ReturnType<TestLab['connect']>>, subject: string, each: number): Promise<void> {
      const payload = Buffer.alloc(2_000, 'x');
      while (isPublishing && !nc.isClosed()) {
        for (let i = 0; i < each; i++) nc.publish(subject, payload);
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
    }

    function untilCount(selector: string, count: number): Promise<void> {
      return until(`${count} of ${selector}`, async () => (await page.locator(selector).count()) === count, 30_000);
    }

    /** The samples of five seconds each that the chart shows for film@studio. */
    async function lagAtTokyo(): Promise<(number | null)[]> {
      const { sites } = (await page.evaluate(
        "fetch('/api/lag?group=globex/film@studio').then((got) => got.json())",
      )) as {
        sites: Record<string, (number | null)[]>;
      };
      return sites.tokyo ?? [];
    }

    test('the login code is gone from the address, and the map shows every site and link with its state', async () => {
      expect(page.url()).toBe(`${lab.info.console}/#/`);
      expect(await page.locator('.map a.node').count()).toBe(4);
      await untilCount('.map a.edge.up', 4);
      await until(
        'traffic is shown',
        async () => /ms · cost .*iB\/s/.test((await page.textContent('.map')) ?? ''),
        30_000,
      );
      await shoot(page, 'console-map');
    });

    test('a cut link is seen within 2 s, with the reason in words, and so is its return', async () => {
      const edge = 'a.edge[href="#/links/osaka/tokyo"]';
      const cutAtMs = performance.now();
      await labCut(lab.dir, link);
      await page.waitForSelector(`${edge}.down`, { timeout: 2_000 });
      await page.waitForSelector('.stuck :text("globex/link osaka-tokyo cut since")', { timeout: 2_000 });
      console.info(`the page shows a cut link, and says so, after ${Math.round(performance.now() - cutAtMs)} ms`);
      await page.waitForSelector('.stuck :text("waiting at tokyo for osaka")', { timeout: 20_000 });
      await page.click(`${edge} .touch`);
      await page.waitForSelector('.detail h2:text("osaka – tokyo")');
      await shoot(page, 'console-cut-link');
      await labRestore(lab.dir, link);
      await page.waitForSelector(`${edge}.up`, { timeout: 10_000 });
    });

    test('a group shows the lag of its last hour', async () => {
      await page.goto(`${lab.info.console}/#/groups/globex/film@studio`);
      await page.waitForSelector('.chart canvas');
      await labCut(lab.dir, link);
      const isWaiting = (messages: number | null): boolean => messages !== null && messages > 0;
      await until('samples while it is cut', async () => (await lagAtTokyo()).filter(isWaiting).length >= 3, 60_000);
      await labRestore(lab.dir, link);
      const isOver = async (): Promise<boolean> => (await lagAtTokyo()).slice(-2).every((messages) => messages === 0);
      await until('samples after it came back', isOver, 60_000);
      await page.waitForResponse((response) => response.url().includes('/api/lag'));
      expect(await page.textContent('.chart .u-legend')).toMatch(/osaka.*tokyo/s);
      expect(await page.textContent('.detail dl')).toMatch(/[1-9][\d,]* messages at/);
      await shoot(page, 'console-lag');
    });

    test('the filter applies to map, sentences and tables, and takes several words', async () => {
      await page.goto(`${lab.info.console}/#/links`);
      await page.fill('#filter', 'globex up');
      await untilCount('.map a.edge', 1);
      expect(await page.locator('.map a.node').count()).toBe(2);
      expect(await page.locator('.lower tbody tr').count()).toBe(2);
      await page.fill('#filter', 'nothing of that name');
      await page.waitForSelector('.lower .nothing');
      await page.fill('#filter', '');
      await untilCount('.map a.node', 4);
    });

    test('everything is reached by keyboard, and an update does not take the focus away', async () => {
      await page.goto(`${lab.info.console}/#/`);
      await page.evaluate('document.activeElement.blur()');
      await page.keyboard.press('/');
      expect(await page.evaluate('document.activeElement.id')).toBe('filter');
      const focused = (): Promise<unknown> => page.evaluate("document.activeElement.getAttribute('href')");
      for (let i = 0; i < 30 && (await focused()) !== '#/sites/osaka'; i++) await page.keyboard.press('Tab');
      expect(await focused()).toBe('#/sites/osaka');
      const before = await page.textContent('.map');
      await until('an update', async () => (await page.textContent('.map')) !== before, 30_000);
      expect(await focused()).toBe('#/sites/osaka');
      await page.keyboard.press('Enter');
      await page.waitForSelector('.detail h2:text("osaka")');
      await page.goBack();
      await page.waitForSelector('.detail h2:text("The bus")');
    });

    test('axe finds nothing wrong, in light and in dark', { timeout: 240_000 }, async () => {
      for (const route of ['', 'sites/osaka', 'links/osaka/tokyo', 'groups/globex/film@studio', 'topics', 'audit']) {
        await page.goto(`${lab.info.console}/#/${route}`);
        await page.waitForSelector('.detail');
        expect([...(await findings(page, 'light')), ...(await findings(page, 'dark'))], route).toEqual([]);
      }
      await page.goto(`${lab.info.console}/#/`);
      await page.waitForSelector('.map');
      await shoot(page, 'console-dark');
      await page.emulateMedia({ colorScheme: 'light' });
    });

    test('the tables beside the map show all of their columns', async () => {
      for (const route of ['sites/tokyo', 'links/osaka/tokyo', 'groups/globex/film@studio', 'groups/acme/trade@risk']) {
        await page.goto(`${lab.info.console}/#/${route}`);
        await page.waitForSelector('.detail .scroll');
        const cut = await page.evaluate(
          "[...document.querySelectorAll('.detail .scroll')].filter((each) => each.scrollWidth > each.clientWidth).map((each) => each.ariaLabel)",
        );
        expect(cut, route).toEqual([]);
      }
    });

    test('it fits on a phone', async () => {
      await page.setViewportSize({ width: 390, height: 844 });
      const shown = {
        '': '.detail h2:text("The bus")',
        'groups/globex/film@studio': '.chart canvas',
        audit: 'nav a[aria-current="page"][href="#/audit"]',
      };
      for (const [route, selector] of Object.entries(shown)) {
        await page.goto(`${lab.info.console}/#/${route}`);
        await page.waitForSelector(selector);
        expect(await page.evaluate('document.documentElement.scrollWidth'), route).toBeLessThanOrEqual(390);
      }
      await page.goto(`${lab.info.console}/#/`);
      await page.evaluate('scrollTo(0, 0)');
      await shoot(page, 'console-phone');
      await page.setViewportSize({ width: 1280, height: 800 });
    });

    test('it has had nothing to complain about, and nothing came from elsewhere', async () => {
      const asked = await page.evaluate(() => performance.getEntriesByType('resource').map(({ name }) => name));
      expect(asked.filter((url) => !url.startsWith(lab.info.console))).toEqual([]);
      expect(complaints).toEqual([]);
    });

    test('who logs out sees the login and nothing else', async () => {
      await page.click('text=log out');
      await page.waitForSelector('#login');
      expect(await page.textContent('body')).not.toContain('tokyo');
      expect(await findings(page, 'dark')).toEqual([]);
      expect(await findings(page, 'light')).toEqual([]);
      await page.reload();
      await page.waitForSelector('#login');
    });
  });

  test('what sites say of themselves is text, whatever it looks like', async () => {
    const console = await startTestConsole();
    const evil = `<img src=x onerror="window.hacked=1"><script>window.hacked=2</script><a href="javascript:alert(1)">x</a>`;
    try {
      const linkId = console.idOf('acme/frankfurt-tokyo');
      const end = { linkId, peerSiteId: console.idOf('frankfurt'), rttMs: null, sinceMs: 1, isDialer: true };
      const ids = { topicId: console.idOf('acme/trade'), groupId: console.idOf('acme/trade@risk') };
      await console.report('tokyo', {
        sidecarVersion: evil,
        serverVersion: evil,
        links: [{ ...end, state: 'down', reason: evil }],
        groups: [{ ...ids, outgoing: 5, pending: 0, unacked: 0, assigned: null, reason: evil }],
        problems: [{ code: evil, text: evil }],
        limits: [{ kind: 'capture', id: ids.topicId, bytes: 100, maxBytes: 100, heldBy: evil }],
      });
      const { page, complaints } = await openPage(browser, `${console.url}/#code=${await console.code()}`);
      for (const route of ['sites/tokyo', 'links/frankfurt/tokyo', 'groups/acme/trade@risk', 'links', 'audit', evil]) {
        await page.goto(`${console.url}/#/${encodeURI(route)}`);
        await page.waitForSelector('.detail');
        expect(await page.locator('img, main script, a[href^="javascript:"]').count(), route).toBe(0);
      }
      await page.goto(`${console.url}/#/sites/tokyo`);
      await page.waitForSelector('.problems');
      expect(await page.textContent('.problems')).toContain(evil);
      expect(await page.evaluate(() => 'hacked' in globalThis)).toBe(false);
      expect(complaints).toEqual([]);
    } finally {
      await console.stop();
    }
  });
});
