// Explore logs, in a browser against the real binary, with logs that came over Loki's push API.
import AxeBuilder from '@axe-core/playwright';
import { readFileSync } from 'node:fs';
import { expect, test as base, type Page } from '@playwright/test';
import { startServer, type Server } from './server';
import { minutes, push, shop, shopLines } from './support/logs';
import { Watch } from './test';

// The logs of the machine that runs the tests would stand among those that the tests count.
const onlyPushed = 'logs:\n  enabled: false\n';

interface Shop extends Server { end: bigint }
const test = base.extend<{ watched: Watch }, { shopServer: Shop }>({
  shopServer: [async ({}, use) => {
    const server = await startServer({ config: onlyPushed });
    const end = BigInt(Date.now()) * 1_000_000n;
    await push(server.url, shopLines(end));
    await use({ ...server, end });
    await server.stop();
  }, { scope: 'worker' }],
  baseURL: async ({ shopServer }, use) => use(shopServer.url),
  watched: [async ({ page, shopServer }, use) => {
    const w = await Watch.on(page, () => new URL(shopServer.url).origin);
    await use(w);
    w.check();
  }, { auto: true }],
});

const address = (query: string, more: Record<string, string> = {}) => `explore/logs?${new URLSearchParams({ ...(query ? { query } : {}), refresh: 'off', ...more })}`;
const lines = (page: Page) => page.getByRole('treegrid', { name: 'Log lines' });
const rows = (page: Page) => lines(page).locator('.row-box');
const found = (page: Page) => page.getByText(/ lines found/);
const facet = (page: Page, name: string) => page.getByRole('complementary', { name: 'Fields' }).getByRole('region', { name, exact: true });
const queryOf = (page: Page) => new URL(page.url()).searchParams.get('query') ?? '';

/** Opens a search and waits until its lines are there. */
async function search(page: Page, query: string, more: Record<string, string> = {}): Promise<void> {
  await page.goto(address(query, more));
  await expect(rows(page).first()).toBeVisible();
}

async function expectAccessible(page: Page): Promise<void> {
  const result = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa']).analyze();
  const grave = result.violations.filter((v) => v.impact === 'serious' || v.impact === 'critical');
  expect(grave.map((v) => `${v.id}: ${v.nodes.map((n) => `${n.html.slice(0, 160)} (${n.failureSummary?.split('\n')[1]?.trim()})`).slice(0, 4).join(' | ')}`)).toEqual([]);
}

test('words find lines, in every field, and narrow one after the other', async ({ page }) => {
  await search(page, '');
  await expect(found(page)).toContainText('1.2k lines found');
  const field = page.getByRole('textbox', { name: 'Search the logs' });
  await field.fill('"cannot charge"');
  await field.press('Enter');
  await expect(page.locator('[data-lines="30"]')).toBeAttached();
  await expect(found(page)).toContainText(`${shop.errors} lines found`);
  await expect(rows(page).first().locator('mark').first()).toHaveText('cannot charge');
  await expect(rows(page).first().locator('.lv')).toHaveText('ERR');

  // The request's id stands in no line, but in a field that is stored with one.
  await field.fill(shop.needle);
  await field.press('Enter');
  await expect(page.locator('[data-lines="1"]')).toBeAttached();
  await rows(page).first().click();
  await expect(rows(page).first().locator('.field-row', { hasText: 'request_id' })).toContainText(shop.needle);

  // Without: what a word with a minus says.
  await field.fill('level -job');
  await field.press('Enter');
  await expect(found(page)).toContainText('410 lines found');
  await page.goBack();
  await expect(field).toHaveValue(shop.needle);
});

test('brushing the histogram zooms, and the way back leads back', async ({ page }) => {
  await search(page, '{service_name="api"}', { from: 'now-1h', to: 'now' });
  const chart = page.getByRole('region', { name: 'Over time' });
  await expect(chart.getByRole('button', { name: /^error/ })).toContainText(String(shop.errors));
  const bars = chart.locator('.box');
  const box = (await bars.boundingBox())!;
  await page.mouse.move(box.x + box.width * 0.5, box.y + 30);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.7, box.y + 40, { steps: 5 });
  await page.mouse.up();
  await expect(page).toHaveURL(/from=\d{4}-[^&]*&to=\d{4}/);
  await expect(found(page)).not.toContainText('400 lines found');
  await expect(found(page)).toContainText(/^1\d\d lines found/);
  await page.goBack();
  await expect(page).toHaveURL(/from=now-1h&to=now/);
  await expect(found(page)).toContainText('400 lines found');

  // A level of the legend filters, and is taken back by the same click.
  await chart.getByRole('button', { name: /^error/ }).click();
  await expect(found(page)).toContainText('30 lines found');
  expect(queryOf(page)).toContain('detected_level="error"');
  await chart.getByRole('button', { name: /^error/ }).click();
  await expect(found(page)).toContainText('400 lines found');
});

test('facets count values; a click includes, excludes and takes back', async ({ page }) => {
  await search(page, '');
  const services = facet(page, 'service_name');
  await expect(services.getByRole('button', { name: /^nginx/ })).toContainText('400');
  await services.getByRole('button', { name: /^api/ }).click();
  await expect(found(page)).toContainText('400 lines found');
  expect(queryOf(page)).toBe('{service_name="api"}');
  await services.getByRole('button', { name: /^api/ }).click();
  await expect(found(page)).toContainText('1.2k lines found');

  const exclude = services.getByRole('button', { name: 'Exclude service_name=nginx' });
  await exclude.focus(); // what a mouse reveals, the keyboard reaches
  await exclude.press('Enter');
  await expect(found(page)).toContainText('800 lines found');
  expect(queryOf(page)).toBe('{service_name!="nginx"}');

  // A field that only the lines have: its parser is written into the query.
  await page.goto(address('{service_name="api"}'));
  await facet(page, 'user_plan').getByRole('button', { name: /^pro/ }).click();
  await expect(found(page)).toContainText('100 lines found');
  expect(queryOf(page)).toBe('{service_name="api"} | json | user_plan="pro"');
});

test('every value of a line is included and excluded where it belongs', async ({ page }) => {
  await search(page, '{service_name="worker"}');
  await rows(page).first().click();
  const detail = rows(page).first().locator('.detail');
  for (const name of ['service_name', 'host', 'detected_level', 'level', 'msg', 'queue']) {
    await expect(detail.getByRole('button', { name: new RegExp(`^Include ${name}=`) })).toBeVisible();
    await expect(detail.getByRole('button', { name: new RegExp(`^Exclude ${name}=`) })).toBeVisible();
  }
  await detail.getByRole('button', { name: /^Exclude queue=/ }).click();
  await expect(found(page)).toContainText('200 lines found');
  expect(queryOf(page)).toMatch(/^\{service_name="worker"\} \| logfmt \| queue!="(mail|billing)"$/);
});

test('live lines obey the filter, stop and go on', async ({ page, shopServer }) => {
  await search(page, '{service_name="live"} |= "wanted"', { live: '1' }).catch(() => undefined);
  await expect(page.getByText('Waiting for lines that match…')).toBeVisible();
  await push(shopServer.url, [{ service: 'live', host: 'web-1', line: 'wanted one' }, { service: 'live', host: 'web-1', line: 'left out' }, { service: 'other', host: 'web-1', line: 'wanted elsewhere' }]);
  await expect(rows(page)).toHaveCount(1);
  await expect(rows(page).first()).toContainText('wanted one');
  await page.getByRole('button', { name: 'Pause', exact: true }).click();
  await push(shopServer.url, [{ service: 'live', host: 'web-1', line: 'wanted two' }]);
  const on = page.getByRole('button', { name: 'Go on (1 new)' });
  await expect(on).toBeVisible();
  await expect(rows(page)).toHaveCount(1);
  await on.click();
  await expect(rows(page)).toHaveCount(2);
  await expect(rows(page).first()).toContainText('wanted two');
});

test('the context of a line is what its stream wrote, filtered or not', async ({ page }) => {
  await search(page, '{service_name="api"} |= "cannot charge"');
  await rows(page).first().click();
  await rows(page).first().getByRole('button', { name: 'Context' }).click();
  const dialog = page.getByRole('dialog', { name: 'Context of the line' });
  await expect(dialog.locator('[aria-current=true]')).toContainText('cannot charge');
  await expect(dialog.getByRole('listitem').filter({ hasText: 'order placed' }).first()).toBeVisible();
  expect(await dialog.getByRole('listitem').count()).toBeGreaterThan(20);
  const had = await dialog.getByRole('listitem').count();
  await dialog.getByRole('button', { name: '50 lines before' }).click();
  await expect.poll(() => dialog.getByRole('listitem').count()).toBeGreaterThan(had + 40);
  await dialog.getByRole('button', { name: 'Open the stream' }).click();
  await expect(page).toHaveURL(/line=\d+/);
  await expect(page.locator('.row-box.linked')).toContainText('cannot charge');
  await expect(rows(page).filter({ hasText: 'order placed' }).first()).toBeVisible();
});

test('patterns, with what is new in this time', async ({ page, shopServer }) => {
  // The ten minutes in which shards moved, compared with the ten before.
  const iso = (ns: bigint) => new Date(Number(ns / 1_000_000n)).toISOString().slice(0, 19) + 'Z';
  const end = shopServer.end - (shopServer.end % 1_000_000_000n);
  await page.goto(address('{service_name="worker"}', { as: 'patterns', from: iso(end - minutes(10)), to: iso(end) }));
  const table = page.getByRole('table').filter({ hasText: 'Pattern' });
  const moved = table.getByRole('row').filter({ hasText: 'lease of shard' });
  await expect(moved.locator('.new')).toHaveText('new');
  await expect(moved).toContainText('<_>');
  const done = table.getByRole('row').filter({ hasText: 'done' }).first();
  await expect(done).toBeVisible();
  await expect(done.locator('.new')).toHaveCount(0);
  await page.getByRole('button', { name: /^New only/ }).click();
  await expect(table.getByRole('row').filter({ hasText: 'done' })).toHaveCount(0);
  await moved.getByRole('button', { name: /^Include the pattern/ }).click();
  await expect(page).toHaveURL(/query=[^&]*%7C%3E/);
  await page.getByRole('group', { name: 'Show as' }).getByRole('button', { name: 'Lines' }).click();
  await expect(rows(page).first()).toContainText('lease of shard');
  await expect(rows(page).filter({ hasText: 'done' })).toHaveCount(0);
});

test('a table with columns, and JSON', async ({ page }) => {
  await search(page, '{service_name="api"}');
  const as = page.getByRole('group', { name: 'Show as' });
  await as.getByRole('button', { name: 'Table' }).click();
  await page.getByRole('button', { name: 'Add column host' }).first().click();
  await expect(lines(page).getByRole('columnheader', { name: 'host' })).toBeVisible();
  await expect(rows(page).first().locator('.cell')).toHaveText(/^web-[12]$/);
  await expect(page).toHaveURL(/as=table&columns=host/);
  await as.getByRole('button', { name: 'JSON' }).click();
  await expect(rows(page).first()).toContainText(/"plan": "(pro|free)"/);
});

test('downloads hold what was found', async ({ page }) => {
  await search(page, '{service_name="api"} |= "cannot charge"');
  const save = async (name: string) => {
    await page.getByRole('button', { name: 'Share and download' }).click();
    const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name }).click()]);
    return readFileSync((await file.path())!, 'utf8').trimEnd().split('\n');
  };
  const records = (await save('JSON, a record a line')).map((l) => JSON.parse(l) as { line: string });
  expect(records).toHaveLength(shop.errors);
  expect(records.every((r) => r.line.includes('cannot charge'))).toBe(true);
  const text = await save('Text, as it was written');
  expect(text).toHaveLength(shop.errors);
  expect(text[0]).toContain('"msg":"cannot charge the card"');
  expect((await save('CSV')).length).toBe(shop.errors + 1);
});

test('a link leads to its line', async ({ page, context }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await search(page, '{service_name="api"} |= "order placed"');
  const row = rows(page).nth(5);
  const line = await row.locator('.msg').first().textContent();
  await row.click();
  await row.getByRole('button', { name: 'Link', exact: true }).click();
  await expect(page.getByText('Link to the line copied')).toBeVisible();
  const link = await page.evaluate(() => navigator.clipboard.readText());
  expect(link).toMatch(/from=\d{4}-[^&]*&to=\d{4}[^&]*&.*line=|line=.*from=\d{4}/);
  await page.goto(link);
  await expect(page.locator('.row-box.linked')).toContainText(line!.trim().slice(0, 40));
  await expect(page.locator('.row-box.linked .detail')).toBeVisible();
});

test('the logs of a host, from its page and from the list', async ({ page, request, shopServer }) => {
  let instance = '';
  await expect.poll(async () => {
    const { data } = (await (await request.get('api/v1/label/instance/values?match[]=node_uname_info')).json()) as { data: string[] };
    return (instance = data[0] ?? '');
  }, { timeout: 30_000 }).not.toBe('');
  await push(shopServer.url, [{ service: 'cron', host: instance, line: 'written by this host' }]);
  await page.goto(`hosts/${encodeURIComponent(instance)}`);
  await page.getByRole('region', { name: 'The host' }).getByRole('link', { name: 'Logs' }).click();
  await expect(rows(page)).toHaveCount(1);
  await expect(rows(page).first()).toContainText('written by this host');
  expect(queryOf(page)).toBe(`{host="${instance}"}`);
  await page.goto('hosts');
  await page.getByRole('link', { name: `Logs of ${instance}` }).click();
  await expect(rows(page).first()).toContainText('written by this host');
  // A container is found by whatever label names it; a name that no log has says so.
  await page.goto('explore/logs?container=shop-api&refresh=off');
  await expect(found(page)).toContainText('400 lines found');
  expect(queryOf(page)).toBe('{container="shop-api"}');
  await page.goto('explore/logs?host=nobody&refresh=off');
  await expect(page.getByText('No line matches')).toBeVisible();
});

test('LogQL completes, and an error names its place', async ({ page }) => {
  await page.goto(address('{service_name="api"} | nonsense'));
  await expect(page.getByRole('alert').getByText(/parse error at line 1, col \d+/)).toHaveCount(1);
  await expect(page.getByLabel('The place in the query').locator('mark')).toBeVisible();
  await page.getByRole('button', { name: 'LogQL' }).click();
  await expect(page.getByRole('button', { name: /Go to character/ })).toBeVisible();
  await page.goto(address(''));
  const editor = page.getByRole('textbox', { name: 'LogQL query' });
  await editor.click();
  await page.keyboard.press('Control+End');
  for (let i = 0; i < 2; i++) await page.keyboard.press('Backspace');
  await page.keyboard.type('{service_n', { delay: 20 });
  await page.getByRole('option', { name: /service_name/ }).first().click();
  await page.keyboard.type('="wo', { delay: 20 });
  await page.getByRole('option', { name: /worker/ }).first().click();
  await page.keyboard.press('Escape');
  await editor.press('Control+Enter');
  await expect(found(page)).toContainText('400 lines found');
});

test('numbers over lines are drawn as a chart', async ({ page }) => {
  await page.goto(address('sum by (service_name) (count_over_time({service_name=~"api|nginx"}[5m]))'));
  await expect(page.locator('figure .u-over')).toBeVisible();
  await expect(page.getByText(/2 series · step/)).toBeVisible();
  await page.getByRole('button', { name: 'The lines behind it' }).click();
  await expect(found(page)).toContainText('800 lines found');
});

test('keys: lines one after the other, opened, context', async ({ page }) => {
  await search(page, '{service_name="api"}');
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  await expect(rows(page).nth(1)).toHaveClass(/active/);
  await page.keyboard.press('Enter');
  await expect(rows(page).nth(1).locator('.detail')).toBeVisible();
  await page.keyboard.press('c');
  await expect(page.getByRole('dialog', { name: 'Context of the line' })).toBeVisible();
});

test('no logs at all: how to send some, and they appear by themselves', async ({ page: _ , browser }) => {
  const server = await startServer({ config: onlyPushed });
  const page = await browser.newPage();
  try {
    await page.goto(`${server.url}explore/logs?refresh=5s`);
    await expect(page.getByRole('heading', { name: 'No logs yet' })).toBeVisible();
    await expect(page.getByText(`curl -X POST ${server.url}loki/api/v1/push`)).toBeVisible();
    await push(server.url, [{ service: 'first', host: 'web-1', line: 'here I am' }]);
    await expect(rows(page).first()).toContainText('here I am', { timeout: 15_000 });
  } finally {
    await page.close();
    await server.stop();
  }
});

test.describe('on a phone', () => {
  test.use({ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 });
  test('search, open a line, fields in a dialog; nothing is wider than the screen', async ({ page }) => {
    await search(page, '');
    const fits = async () => expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
    await fits();
    await rows(page).first().tap();
    await expect(rows(page).first().locator('.detail')).toBeVisible();
    await fits();
    await page.getByRole('button', { name: 'Fields', exact: true }).tap();
    const dialog = page.getByRole('dialog', { name: 'Fields' });
    await dialog.getByRole('button', { name: /^worker/ }).tap();
    await expect.poll(() => queryOf(page)).toBe('{service_name="worker"}');
    for (const as of ['table', 'json', 'patterns']) {
      await page.goto(address('{service_name="api"}', { as }));
      await expect(page.locator(as === 'patterns' ? '.patterns tbody tr' : '.row-box').first()).toBeVisible();
      await fits();
    }
    await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Logs' }).tap();
    await expect(page.getByRole('heading', { level: 1, name: 'Logs' })).toBeVisible();
  });
});

// What is looked at for faults that keep people with assistive technology out, in both themes.
const views: Record<string, (page: Page) => Promise<void>> = {
  lines: async (page) => {
    await search(page, '{service_name="api"} |= "cannot charge"');
    await expect(facet(page, 'service_name')).toBeVisible();
  },
  'an opened line': async (page) => {
    await search(page, '{service_name="api"}');
    await rows(page).first().click();
    await expect(rows(page).first().locator('.detail')).toBeVisible();
  },
  context: async (page) => {
    await views['an opened line']!(page);
    await rows(page).first().getByRole('button', { name: 'Context' }).click();
    await expect(page.getByRole('dialog').locator('[aria-current=true]')).toBeVisible();
  },
  'a table': (page) => search(page, '', { as: 'table', columns: 'host,level' }),
  JSON: (page) => search(page, '', { as: 'json' }),
  patterns: async (page) => {
    await page.goto(address('{service_name="worker"}', { as: 'patterns' }));
    await expect(page.locator('.patterns tbody tr').first()).toBeVisible();
  },
  'an error': async (page) => {
    await page.goto(address('{service_name="api"} | nonsense'));
    await expect(page.getByRole('alert').first()).toBeVisible();
  },
  'nothing found': async (page) => {
    await page.goto(address('{service_name="nobody"}'));
    await expect(page.getByText('No line matches')).toBeVisible();
  },
};
for (const theme of ['dark', 'light'] as const) {
  test.describe(theme, () => {
    test.use({ colorScheme: theme });
    for (const [name, show] of Object.entries(views)) {
      test(`axe finds nothing grave: ${name}`, async ({ page }) => {
        await show(page);
        await expectAccessible(page);
      });
    }
  });
}
