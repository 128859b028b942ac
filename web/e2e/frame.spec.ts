import { expect, open, test, Watch } from './test';
import { startServer } from './server';

test('a missing chunk is 404, an unknown page is the application', async ({ request }) => {
  expect((await request.get('assets/gone-1234.js')).status()).toBe(404);
  expect((await request.get('api/v1/gone')).status()).toBe(404);
  const page = await request.get('some/page');
  expect(page.status()).toBe(200);
  expect(page.headers()['content-type']).toContain('text/html');
});

test('the page says so when there is no such page', async ({ page }) => {
  await page.goto('no/such/page');
  await expect(page.getByText('There is no such page')).toBeVisible();
  await page.getByRole('main').getByRole('link', { name: 'Overview' }).click();
  await expect(page).toHaveURL(/\/$/);
});

test('under a base path: a cold deep link, going on, going back', async ({ page }) => {
  const server = await startServer({ basePath: '/obs', scrape: true });
  const w = await Watch.on(page, () => new URL(server.url).origin);
  const outside: string[] = [];
  page.on('request', (r) => { if (!new URL(r.url()).pathname.startsWith('/obs/')) outside.push(r.url()); });
  try {
    await page.goto(`${server.url}explore/metrics?g0.expr=up&g0.tab=1&from=now-15m&to=now&l.job=node`);
    await expect(page.getByRole('region', { name: 'Result' }).getByRole('button', { name: 'node', exact: true })).toBeVisible();
    await expect(page.locator('[data-editor=ready]')).toBeAttached();
    await page.getByRole('navigation', { name: 'Pages' }).first().getByRole('link', { name: 'Targets' }).click();
    await expect(page).toHaveURL(/\/obs\/targets\?from=now-15m&to=now&l\.job=node$/); // the view goes along, the query does not
    await page.reload();
    await expect(page.getByRole('heading', { level: 1, name: 'Targets' })).toBeVisible();
    await page.goBack();
    await expect(page.getByRole('heading', { level: 1, name: 'Metrics' })).toBeVisible();
    await expect(page).toHaveURL(/g0\.expr=up/);
    expect((await page.request.get(`${server.url}assets/gone.js`)).status()).toBe(404);
    expect(outside).toEqual([]);
    w.check();
  } finally {
    await page.goto('about:blank');
    await server.stop();
  }
});

test('keys: jumps, the palette, the theme', async ({ page }) => {
  await open(page, 'targets', 'targets');
  await page.keyboard.press('g');
  await page.keyboard.press('m');
  await expect(page.getByRole('heading', { level: 1, name: 'Metrics' })).toBeVisible();
  await page.keyboard.press('Control+k'); // also from within the editor
  await page.keyboard.type('theme light');
  await page.keyboard.press('Enter');
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'light');
  await page.reload();
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'light');
  await page.keyboard.press('Control+k');
  await page.keyboard.type('targets');
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/targets/);
  await page.keyboard.press('/');
  await page.keyboard.type('refused');
  await expect(page).toHaveURL(/search=refused/);
});

test('the time range lives in the URL', async ({ page }) => {
  await open(page, 'targets', 'targets');
  await page.getByRole('button', { name: /^Time range/ }).click();
  await page.getByRole('button', { name: 'Last 6 h' }).click();
  await expect(page).toHaveURL(/from=now-6h&to=now/);
  await page.getByRole('button', { name: /^Time range/ }).click();
  await page.getByLabel('From', { exact: true }).fill('nonsense');
  await expect(page.getByText('Not a time.')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Apply' })).toBeDisabled();
  await page.getByLabel('From', { exact: true }).fill('now-2h');
  await page.getByLabel('To', { exact: true }).fill('now-1h');
  await page.getByRole('button', { name: 'Apply' }).click();
  await expect(page).toHaveURL(/from=now-2h&to=now-1h/);
  await page.goBack();
  await expect(page).toHaveURL(/from=now-6h&to=now/);
});

test('the skip link is the first stop, and there is one main landmark', async ({ page }) => {
  await open(page, 'targets', 'targets');
  await page.keyboard.press('Tab');
  await expect(page.getByRole('link', { name: 'Skip to the content' })).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('main')).toBeFocused();
  await expect(page).toHaveURL(/\/targets$/);
  expect(await page.getByRole('main').count()).toBe(1);
  expect(await page.getByRole('heading', { level: 1 }).count()).toBe(1);
});
