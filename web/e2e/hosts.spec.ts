// Overview and Host, in a browser against the real binary: a bare one, and one with a fleet sent by remote write.
import AxeBuilder from '@axe-core/playwright';
import { expect, test, type Page } from '@playwright/test';
import { startServer } from './server';
import { fleet, hostSeries } from './support/fleet';
import { remoteWrite } from './support/remotewrite';
import { Watch } from './test';

interface Hulotte { url: string; started: number; stop: () => Promise<void> }

/** A process of its own: these tests need to say what it watches. */
async function startHulotte(config = ''): Promise<Hulotte> {
  const server = await startServer(config ? { config } : {});
  return { url: server.url.replace(/\/$/, ''), started: server.startedAt, stop: server.stop };
}

const guard = (page: Page, url: string): Promise<Watch> => Watch.on(page, () => url);

async function expectNoSidewaysScroll(page: Page): Promise<void> {
  const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  expect(content).toBeLessThanOrEqual(window);
}

async function expectAccessible(page: Page): Promise<void> {
  const result = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa']).analyze();
  const serious = result.violations.filter((v) => v.impact === 'serious' || v.impact === 'critical');
  expect(serious.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(' ')).slice(0, 5).join(' | ')}`)).toEqual([]);
}

test.describe('a bare start', () => {
  test('shows this machine, live, within 15 s of the start of the process', async ({ page }) => {
    const hulotte = await startHulotte();
    try {
      const watch = await guard(page, hulotte.url);
      await page.goto(hulotte.url);
      const card = page.locator('[data-host]');
      await expect(card).toBeVisible({ timeout: hulotte.started + 15_000 - Date.now() });
      // Rates need two collections: with them everything is there.
      await expect(card.getByRole('region', { name: 'CPU' }).locator('.big')).toHaveText(/^\d/, { timeout: Math.max(1, hulotte.started + 15_000 - Date.now()) });
      expect(Date.now() - hulotte.started).toBeLessThan(15_000);
      await expect(card.getByRole('region', { name: 'Memory' }).locator('.big')).toHaveText(/^\d/);
      await expect(card.getByRole('region', { name: 'File systems' }).getByRole('listitem').first()).toBeVisible();
      await expect(card).toContainText('data');
      // Newer data arrives by itself, into the same elements.
      await card.evaluate((el) => { el.setAttribute('data-kept', 'yes'); });
      const answer = await page.waitForResponse((r) => r.url().endsWith('/overview'), { timeout: 20_000 });
      expect(answer.ok()).toBe(true);
      await expect(card).toHaveAttribute('data-kept', 'yes');
      watch.check();
    } finally {
      await hulotte.stop();
    }
  });

  test('without any host says how to send', async ({ page }) => {
    const hulotte = await startHulotte('host:\n  enabled: false\n');
    try {
      const watch = await guard(page, hulotte.url);
      await page.goto(hulotte.url);
      await expect(page.getByRole('heading', { name: 'No host reports yet' })).toBeVisible();
      await expect(page.getByText(`${hulotte.url}/api/v1/write`)).toBeVisible();
      await expectAccessible(page);
      // The first host that is sent takes the place of the hints.
      await remoteWrite(hulotte.url, hostSeries({ name: 'first' }, Date.now()));
      await expect(page.locator('[data-host=first]')).toBeVisible({ timeout: 25_000 });
      watch.check();
    } finally {
      await hulotte.stop();
    }
  });
});

test.describe('a fleet', () => {
  let hulotte: Hulotte;
  test.beforeAll(async () => {
    hulotte = await startHulotte('host:\n  enabled: false\n');
    const now = Date.now();
    for (const h of fleet(40)) await remoteWrite(hulotte.url, hostSeries(h, now));
  });
  test.afterAll(() => hulotte.stop());

  test('shows the nearly full disk first, and each disk by itself', async ({ page }) => {
    const watch = await guard(page, hulotte.url);
    await page.goto(hulotte.url);
    const problems = page.getByRole('region', { name: 'Problems' });
    await expect(problems.getByRole('listitem').first()).toContainText('/var/lib/postgresql is 97 % full');
    const first = page.locator('tbody tr').first();
    await expect(first).toContainText('db-02');
    await expect(first).toContainText('97');
    await problems.getByRole('link').first().click();
    await expect(page).toHaveURL(/\/hosts\/db-02\?tab=mounts/);
    await expect(page.getByRole('region', { name: 'File systems' }).locator('tbody tr').first()).toContainText('/var/lib/postgresql');
    await page.goBack();
    await expect(problems).toBeVisible();
    watch.check();
  });

  test('greys out a host that does not report, and keeps it', async ({ page }) => {
    await page.goto(hulotte.url);
    const row = page.locator('tr.stale-row');
    await expect(row).toHaveCount(1);
    await expect(row).toContainText('build-03');
    await expect(row).toContainText(/1[7-9] min/);
    await expect(page.getByRole('region', { name: 'What changed' })).toContainText('build-03 stopped reporting');
    await page.goto(`${hulotte.url}/hosts/build-03`);
    await expect(page.getByText('not reporting', { exact: true })).toBeVisible();
  });

  test('is found, filtered, sorted and grouped, all in the address', async ({ page }) => {
    await page.goto(`${hulotte.url}/hosts`);
    const rows = page.locator('tbody tr:has(td a)');
    await expect(page.getByText('40', { exact: true }).first()).toBeVisible();
    await page.keyboard.press('/');
    await page.keyboard.type('db full');
    await expect(rows).toHaveCount(2);
    await expect(page).toHaveURL(/q=db\+full/);
    await page.getByLabel('Find hosts').fill('');
    await page.getByRole('button', { name: /critical/ }).click();
    await expect(page).toHaveURL(/state=crit/);
    await expect(rows.first()).toContainText('db-02');
    await page.goto(`${hulotte.url}/hosts?group=role&sort=-cpu`);
    await expect(page.getByText('1 of 8').first()).toBeVisible();
    await expect(page.locator('th[aria-sort=descending]').first()).toContainText('CPU');
  });

  test('works by the keyboard alone', async ({ page }) => {
    await page.goto(`${hulotte.url}/hosts`);
    const table = page.getByRole('region', { name: 'Hosts' }).last();
    await table.focus();
    await page.keyboard.press('j');
    await page.keyboard.press('j');
    await page.keyboard.press('Enter');
    await expect(page).toHaveURL(/\/hosts\/build-03/);
    await page.getByRole('tab', { name: 'Overview' }).focus();
    await page.keyboard.press('ArrowRight');
    await expect(page.getByRole('tab', { name: 'Checks' })).toBeFocused();
    await page.keyboard.press('ArrowRight');
    await expect(page.getByRole('tab', { name: 'Processes' })).toBeFocused();
    await expect(page).toHaveURL(/tab=processes/);
  });

  test('shows a host on one time axis: the crosshair is shared, brushing zooms the page', async ({ page }) => {
    const watch = await guard(page, hulotte.url);
    await page.goto(`${hulotte.url}/hosts/db-02`);
    const cpu = page.locator('[data-panel=cpu] .u-over');
    await expect(cpu).toBeVisible();
    await expect(page.locator('[data-panel=load] .u-over')).toBeVisible();
    const box = (await cpu.boundingBox())!;
    await page.mouse.move(box.x + box.width * 0.6, box.y + 40);
    await page.mouse.move(box.x + box.width * 0.62, box.y + 40);
    const other = page.locator('[data-panel=load] .u-cursor-x');
    await expect.poll(() => other.evaluate((el) => getComputedStyle(el).transform)).not.toBe('none');
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.8, box.y + 40, { steps: 5 });
    await page.mouse.up();
    await expect(page).toHaveURL(/from=20\d\d-/);
    await expect(page.getByRole('region', { name: 'CPU by mode' }).getByRole('link', { name: /Explore/ })).toHaveAttribute('href', /explore\/metrics\?.*g0\.expr=/);
    watch.check();
  });

  test('pauses', async ({ page }) => {
    await page.goto(`${hulotte.url}/?refresh=off`);
    await expect(page.locator('tbody tr').first()).toBeVisible();
    let asked = 0;
    page.on('request', (r) => { if (r.url().includes('/overview')) asked++; });
    // Our own metrics are collected every 10 s: an unpaused page would ask.
    await page.waitForTimeout(11_000);
    expect(asked).toBe(0);
  });

  test('asks once for each piece of news, over one stream', async ({ page }) => {
    const asked = { overview: 0, live: 0 };
    page.on('request', (r) => { for (const k of ['overview', 'live'] as const) if (new URL(r.url()).pathname.endsWith(`/${k}`)) asked[k]++; });
    await page.goto(hulotte.url);
    await expect(page.locator('tbody tr').first()).toBeVisible();
    await page.waitForTimeout(11_000);
    expect(asked.live).toBe(1);
    expect(asked.overview).toBeGreaterThan(1);
    expect(asked.overview).toBeLessThanOrEqual(4);
  });

  for (const theme of ['dark', 'light'] as const) {
    test(`has no serious fault for assistive technology, ${theme}`, async ({ page }) => {
      await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' });
      for (const path of ['/', '/hosts', '/hosts/db-02', '/hosts/db-02?tab=mounts', '/hosts/queue-05?tab=units', '/hosts/build-03']) {
        await page.goto(hulotte.url + path);
        await expect(page.locator('tbody tr, .u-over').first()).toBeVisible();
        await expectAccessible(page);
      }
    });
  }

  test('fits a phone', async ({ page }) => {
    await page.setViewportSize({ width: 390, height: 844 });
    for (const path of ['/', '/hosts', '/hosts/db-02', '/hosts/db-02?tab=mounts', '/hosts/db-02?tab=processes']) {
      await page.goto(hulotte.url + path);
      await expect(page.locator('.panel').first()).toBeVisible();
      await expectNoSidewaysScroll(page);
    }
  });

  test('an instance with odd characters has a page', async ({ page }) => {
    const name = 'a/b c?#%2F"é';
    await remoteWrite(hulotte.url, hostSeries({ name, from: 5 }, Date.now()));
    await page.goto(`${hulotte.url}/hosts/${encodeURIComponent(name)}`);
    await expect(page.getByRole('heading', { level: 1 })).toHaveText(name);
    await expect(page.locator('.u-over').first()).toBeVisible();
  });

  test('a host that nobody knows says so', async ({ page }) => {
    await page.goto(`${hulotte.url}/hosts/nobody`);
    await expect(page.getByText('Not found')).toBeVisible();
    await expect(page.getByRole('link', { name: 'All hosts' })).toBeVisible();
  });
});
