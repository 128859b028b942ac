import { readFileSync } from 'node:fs';
import { expect, open, test, type Page } from './test';

const query = (q: string) => `explore/metrics?${q}`;
const field = (page: Page, name = 'A') => page.getByRole('textbox', { name: `PromQL expression ${name}` });

async function ready(page: Page): Promise<void> {
  await expect(page.locator('[data-editor=ready]').first()).toBeAttached();
}

test('type, complete, run, zoom, go back, share', async ({ page, context }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await open(page, query('from=now-15m&to=now&refresh=off'), 'metrics');
  await ready(page);
  await field(page).click();
  await page.keyboard.type('rate(node_cpu_sec', { delay: 20 });
  const offered = page.getByRole('option', { name: /node_cpu_seconds_total/ }).first();
  await expect(offered).toBeVisible();
  await offered.click();
  await page.keyboard.type('[1m])');
  await page.keyboard.press('Escape');
  await field(page).press('Control+Enter');
  await expect(page).toHaveURL(/g0\.expr=rate\(node_cpu_seconds_total%5B1m%5D\)/);
  await expect(page.getByText(/\d+ series · .* points · step/)).toBeVisible();
  const canvas = page.locator('figure .u-over');
  await expect(canvas).toBeVisible();

  // Brushing zooms through the URL; going back undoes it.
  const box = (await canvas.boundingBox())!;
  await page.mouse.move(box.x + box.width * 0.6, box.y + 50);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.9, box.y + 60, { steps: 5 });
  await page.mouse.up();
  await expect(page).toHaveURL(/from=\d{4}-\d\d-\d\dT[\d:]+Z&to=\d{4}/);
  await page.goBack();
  await expect(page).toHaveURL(/from=now-15m&to=now/);

  await page.getByRole('button', { name: 'Share' }).click();
  await expect(page.getByText('Link copied, its time fixed')).toBeVisible();
  const link = await page.evaluate(() => navigator.clipboard.readText());
  expect(link).toMatch(/explore\/metrics\?g0\.expr=rate\(node_cpu_seconds_total%5B1m%5D\)&g0\.tab=0&from=\d{4}-[^&]*Z&to=\d{4}-[^&]*Z/);
  await page.goto(link);
  await expect(page.getByText(/\d+ series · .* points/)).toBeVisible();
});

test('double-click ends zooming', async ({ page }) => {
  await open(page, query('g0.expr=node_load1&from=now-30m&to=now&refresh=off'), 'metrics');
  const canvas = page.locator('figure .u-over');
  const brush = async (from: number, to: number) => {
    const box = (await canvas.boundingBox())!;
    await page.mouse.move(box.x + box.width * from, box.y + 50);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * to, box.y + 50, { steps: 4 });
    await page.mouse.up();
    await expect(page).toHaveURL(/from=\d{4}/);
  };
  await expect(canvas).toBeVisible();
  await brush(0.7, 0.998); // the newest part, which has data
  await canvas.dblclick();
  await expect(page).toHaveURL(/from=now-30m&to=now/);
  // Where there is no data, before the server began, there is no chart to click: the way back is offered.
  await expect(canvas).toBeVisible();
  await brush(0.02, 0.1);
  await page.getByRole('button', { name: 'Back from zooming' }).click();
  await expect(page).toHaveURL(/from=now-30m&to=now/);
});

test('a link of Prometheus opens with its range', async ({ page }) => {
  await open(page, query('g0.expr=up&g0.tab=0&g0.display_mode=stacked&g0.show_exemplars=0&g0.range_input=30m'), 'metrics');
  await expect(page).toHaveURL(/from=now-30m&to=now/);
  await expect(page.getByRole('button', { name: 'Stack' })).toHaveAttribute('aria-pressed', 'true');
});

test('the answer as a table, a filter by a click, CSV', async ({ page }) => {
  await open(page, query('g0.expr=up&g0.tab=1'), 'metrics');
  await ready(page);
  const result = page.getByRole('region', { name: 'Result' });
  await expect(result.getByRole('row')).not.toHaveCount(2); // the head, and more than one series
  const download = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Download CSV' }).click();
  const text = readFileSync(await (await download).path(), 'utf8');
  expect(text.split('\r\n')[0]).toMatch(/^__name__,(env,)?instance,job,(service,)?time,value$/);
  expect(text).toContain('node');
  await result.getByRole('button', { name: 'node', exact: true }).click();
  await expect(page).toHaveURL(/g0\.expr=up%7Bjob%3D%22node%22%7D/);
  await expect(result.getByRole('row')).toHaveCount(2);
});

test('what is wrong stands at the query, with its place', async ({ page }) => {
  await open(page, query('g0.expr=sum(up&g1.expr=rate(node_load1%5B1m%5D)&g1.tab=1'), 'metrics');
  const a = page.getByRole('region', { name: 'Query A' });
  await expect(a.getByRole('alert')).toContainText('parse error');
  await expect(a.getByRole('button', { name: /Go to character/ })).toBeVisible();
  // A rate of a gauge works, and the server says what it thinks of it.
  await expect(page.getByRole('region', { name: 'Query B' }).getByText(/might not be a counter/).first()).toBeVisible();
});

test('an empty answer says why, and offers what was meant', async ({ page }) => {
  await open(page, query('g0.expr=node_memory_MemTotl_bytes&g0.tab=1'), 'metrics');
  await expect(page.getByText('There is no metric node_memory_MemTotl_bytes')).toBeVisible();
  await page.getByRole('button', { name: 'node_memory_MemTotal_bytes', exact: true }).click();
  await expect(page).toHaveURL(/MemTotal_bytes/);
  await expect(page.getByRole('region', { name: 'Result' })).toBeVisible();
  await page.goto(query('g0.expr=up%7Bjob%3D%22nod%22%7D&g0.tab=1'));
  await expect(page.getByText('No series has job="nod".')).toBeVisible();
  await page.getByRole('button', { name: 'up{job="node"}', exact: true }).click();
  await expect(page.getByRole('region', { name: 'Result' })).toBeVisible();
});

test('several queries: add, hide, remove', async ({ page }) => {
  await open(page, query('g0.expr=node_load1&g0.tab=1'), 'metrics');
  await ready(page);
  await page.getByRole('button', { name: 'Add query' }).click();
  await expect(field(page, 'B')).toBeVisible();
  await field(page, 'B').click();
  await page.keyboard.type('up');
  await page.keyboard.press('Escape');
  await field(page, 'B').press('Control+Enter');
  await expect(page).toHaveURL(/g1\.expr=up/);
  await page.getByRole('button', { name: 'Query A, shown' }).click();
  await expect(page).toHaveURL(/g0\.hide=1/);
  await page.getByRole('button', { name: 'Remove query A' }).click();
  await expect(page).toHaveURL(/g0\.expr=up/);
  await expect(page).not.toHaveURL(/g1\./);
});

test('the metrics browser puts a metric into the query', async ({ page }) => {
  await open(page, query(''), 'metrics');
  await page.getByRole('button', { name: 'Metrics', exact: true }).click();
  const dialog = page.getByRole('dialog', { name: 'Metrics' });
  await dialog.getByLabel('Find a metric').fill('network receive bytes');
  await dialog.getByText('node_network_receive_bytes_total', { exact: true }).click();
  await expect(dialog.getByText('device', { exact: true })).toBeVisible(); // its labels
  await dialog.getByRole('button', { name: 'Rate' }).click();
  await expect(page).toHaveURL(/rate\(node_network_receive_bytes_total%5B5m%5D\)/);
  await expect(page.getByText(/\d+ series ·/)).toBeVisible();
});

test('the scope narrows the query that is sent, not the one that is written', async ({ page }) => {
  await open(page, query('g0.expr=up&g0.tab=1&l.job=node'), 'metrics');
  await expect(page.getByText('up{job="node"}')).toBeVisible();
  await expect(page.getByRole('region', { name: 'Result' }).getByRole('row')).toHaveCount(2);
  await page.getByRole('button', { name: 'Remove job=node from the scope' }).click();
  await expect(page.getByRole('region', { name: 'Result' }).getByRole('row')).not.toHaveCount(2);
});

test('the chart as a table, for those who cannot see it', async ({ page }) => {
  await open(page, query('g0.expr=node_load1&from=now-5m&to=now'), 'metrics');
  await expect(page.locator('figure[aria-label="Query A: node_load1"]')).toBeVisible();
  await page.getByRole('button', { name: 'Table', exact: true }).click();
  await expect(page.getByRole('region', { name: 'Result' })).toContainText('node_load1');
});
