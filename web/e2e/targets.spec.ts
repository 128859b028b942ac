import { expect, open, test } from './test';

test('the unwell first, with the whole error; labels, filters and links', async ({ page }) => {
  await open(page, 'targets', 'targets');
  const main = page.getByRole('main');
  await expect(main.getByText('connect: connection refused')).toBeVisible();
  const pools = main.locator('tr.pool');
  await expect(pools.first()).toContainText('refused');
  await expect(pools.first()).toContainText('1 down');
  await expect(main.locator('tr.pool', { hasText: 'node' })).toContainText('built in');
  await expect(main.locator('tr.pool', { hasText: 'unwanted' })).toContainText('1 dropped by relabelling');

  await main.getByRole('button', { name: 'http://127.0.0.1:1/metrics' }).click();
  await expect(main.getByText('__metrics_path__=/metrics')).toBeVisible();

  await main.getByRole('button', { name: /^down/ }).click();
  await expect(page).toHaveURL(/health=down/);
  await expect(pools).toHaveCount(1);
  await page.goBack();
  await expect(pools).not.toHaveCount(1);

  await main.getByRole('textbox', { name: 'Find a target' }).fill('env=prod');
  await expect(pools).toHaveCount(1);
  await expect(page).toHaveURL(/search=env/);
  await main.locator('tr.target').first().click();
  await main.getByRole('link', { name: 'Was it up?' }).click();
  await expect(page).toHaveURL(/explore\/metrics\?g0\.expr=up/);
  await expect(page.getByText(/1 series ·/)).toBeVisible();
});

test('the last scrape is as young as its interval', async ({ page }) => {
  await open(page, 'targets', 'targets');
  const row = page.locator('tbody', { hasText: 'itself' }).locator('tr.target').first();
  await expect(row).toContainText(/(now|[0-9]+ s ago)/);
  await expect(row).toContainText('up');
});
