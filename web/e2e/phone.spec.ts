import { routes } from '../src/routes';
import { expect, open, test } from './test';

test.use({ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 });

for (const route of routes.filter((r) => !r.pattern.includes(':'))) {
  test(`nothing is wider than a phone: ${route.key}`, async ({ page }) => {
    await open(page, route.pattern.slice(1), route.key);
    await page.waitForTimeout(700);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
  });
}

test('a chart and a table fit a phone', async ({ page }) => {
  await open(page, 'explore/metrics?g0.expr=rate(node_cpu_seconds_total[1m])&g1.expr=up&g1.tab=1', 'metrics');
  await expect(page.locator('figure .u-over')).toBeVisible();
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
});

test('the bar at the bottom leads on', async ({ page }) => {
  await open(page, 'targets', 'targets');
  const bar = page.getByRole('navigation', { name: 'Pages' });
  await bar.getByRole('link', { name: 'Logs' }).tap();
  await expect(page.getByRole('heading', { level: 1, name: 'Logs' })).toBeVisible();
  await bar.getByRole('button', { name: 'Search' }).tap();
  await expect(page.getByRole('combobox', { name: /Search/ })).toBeVisible();
});
