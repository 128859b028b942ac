// The pages of checks against the real binary: results come from outside, as a plugin's would, and the browser sees what follows.
import AxeBuilder from '@axe-core/playwright';
import { expect, test, type Page } from '@playwright/test';
import { startServer, type Server } from './server';
import { Watch } from './test';

const config = `
host:
  enabled: false
monitoring:
  hosts:
    - {name: web1, address: 127.0.0.1, labels: {env: prod}, groups: [shop], check: none}
    - {name: web2, address: 127.0.0.1, labels: {env: staging}, groups: [shop], check: none}
  checks:
${['web1', 'web2'].flatMap((host) => ['shop', 'api', 'mail', 'search'].map((name) => `    - {host: ${host}, name: ${name}, max_attempts: 1, groups: [front], runbook: "https://wiki.example.org/${name}", passive: {}}`)).join('\n')}
    - {host: web1, name: port, interval: 1s, retry_interval: 1s, max_attempts: 3, tcp: {port: 1}}
`;

let server: Server;
let watch: Watch;
test.beforeAll(async () => { server = await startServer({ config }); });
test.afterAll(() => server.stop());
test.beforeEach(async ({ page }) => { watch = await Watch.on(page, () => new URL(server.url).origin); });
test.afterEach(() => watch.check());

async function post(path: string, body: unknown): Promise<void> {
  const r = await fetch(`${server.url}api/hulotte/v1/${path}`, { method: 'POST', headers: { 'Content-Type': 'application/json', 'X-Hulotte-User': 'test' }, body: JSON.stringify(body) });
  if (!r.ok) throw new Error(`${path}: ${r.status} ${await r.text()}`);
}
const result = (id: string, status: string, output = `${status} - as the test says`, more: object = {}) => post('checks/result', { host: id.split('/')[0], check: id.split('/')[1], status, output, ...more });
async function allFine(): Promise<void> {
  const { data } = (await (await fetch(`${server.url}api/hulotte/v1/downtimes`)).json()) as { data: { downtimes: { id: string }[] } };
  for (const d of data.downtimes) await post('downtimes/end', { id: d.id });
  for (const host of ['web1', 'web2']) for (const name of ['shop', 'api', 'mail', 'search']) await result(`${host}/${name}`, 'OK');
}
async function open(page: Page, path: string): Promise<void> {
  await page.goto(server.url + path);
  await page.locator('[data-ready=yes]').waitFor();
}
const row = (page: Page, id: string) => page.locator(`[data-check="${id}"]`);

test('a new problem appears without reload within two seconds, and is told', async ({ page }) => {
  await allFine();
  await open(page, 'checks');
  await expect(row(page, 'web1/shop')).toHaveCount(0);
  await page.evaluate(() => { (window as unknown as { kept: boolean }).kept = true; });
  await page.waitForTimeout(1500); // the stream is open, and silent
  const began = Date.now();
  await result('web1/shop', 'CRITICAL', 'CRITICAL - the shop is closed');
  await expect(row(page, 'web1/shop')).toBeVisible({ timeout: 2000 });
  console.log(`seen after ${Date.now() - began} ms`);
  expect(Date.now() - began).toBeLessThan(2000);
  await expect(row(page, 'web1/shop')).toContainText('the shop is closed');
  await expect(row(page, 'web1/shop')).toContainText('new');
  await expect(page.locator('[role=status]')).toContainText('New problem: web1/shop CRITICAL');
  expect(await page.evaluate(() => (window as unknown as { kept?: boolean }).kept)).toBe(true);
  // It goes as it came.
  await result('web1/shop', 'OK');
  await expect(row(page, 'web1/shop')).toHaveCount(0, { timeout: 3000 });
});

test('acknowledged by the keyboard alone, and then handled on the wall', async ({ page, context }) => {
  await allFine();
  await result('web1/api', 'CRITICAL', 'CRITICAL - no answer');
  const wall = await context.newPage();
  await wall.setViewportSize({ width: 1920, height: 1080 });
  await wall.goto(`${server.url}wall`);
  const onWall = wall.locator('[data-check="web1/api"]');
  await expect(onWall).toBeVisible();
  await expect(onWall).not.toHaveClass(/handled/);
  await page.bringToFront();
  await open(page, 'checks?q=s:api');
  await page.keyboard.press('j');
  await expect(row(page, 'web1/api').getByRole('link', { name: 'api' })).toBeFocused();
  await page.keyboard.press('a');
  await expect(page.getByRole('dialog', { name: 'Acknowledge' })).toBeVisible();
  await page.keyboard.type('Anna looks at it');
  await page.keyboard.press('Control+Enter');
  await expect(page.getByRole('dialog', { name: 'Acknowledge' })).toBeHidden();
  await expect(row(page, 'web1/api')).toHaveClass(/handled/);
  await expect(page.getByRole('group', { name: 'In short' }).getByRole('link', { name: /handled/ })).toContainText('1');
  await expect(onWall).toHaveClass(/handled/, { timeout: 3000 });
  await expect(onWall).toContainText('web'); // who handles it
  // Its page has the word, in the history too; the same key takes it back.
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/checks\/web1\/api/);
  await expect(page.getByText('“Anna looks at it”').first()).toBeVisible();
  await expect(page.getByRole('region', { name: 'History' })).toContainText('acknowledged');
  await page.keyboard.press('a');
  await page.getByRole('button', { name: 'Take it back' }).click();
  await expect(page.getByRole('button', { name: /^Acknowledge/ })).toBeVisible();
  await expect(onWall).not.toHaveClass(/handled/, { timeout: 3000 });
  await wall.close();
});

test('the classic table, sorted, filtered by prefixes, all in the address', async ({ page }) => {
  await allFine();
  await result('web1/mail', 'WARNING', 'WARNING - 120 messages wait');
  await result('web2/mail', 'CRITICAL', 'CRITICAL - refuses');
  await open(page, 'checks?as=table&show=all&q=h:web'); // this machine may have checks of its own
  const heads = page.getByRole('columnheader');
  await expect(heads).toHaveText(['', 'Host', 'Service', 'Status', 'Last check', 'Duration', 'Attempt', 'Status information']);
  const rows = page.locator('[data-check]');
  await expect(rows).toHaveCount(9);
  await expect(row(page, 'web1/mail')).toContainText(/0d 0h 0m \d+s/);
  await expect(row(page, 'web1/mail')).toContainText('WARNING - 120 messages wait');
  await heads.getByRole('button', { name: 'Host' }).click();
  await expect(page).toHaveURL(/sort=host/);
  await expect(heads.nth(1)).toHaveAttribute('aria-sort', 'ascending');
  await expect(rows.first()).toHaveAttribute('data-check', /^web1\//);
  await heads.getByRole('button', { name: 'Host' }).click();
  await expect(rows.first()).toHaveAttribute('data-check', /^web2\//);
  await page.keyboard.press('/');
  await page.keyboard.press('Control+a');
  await page.keyboard.type('h:web2 st:crit');
  await expect(rows).toHaveCount(1);
  await expect(page).toHaveURL(/q=h:web2\+st:crit/);
  await page.goto(page.url());
  await expect(row(page, 'web2/mail')).toBeVisible();
  await expect(rows).toHaveCount(1);
  // A count is a link to what it counts.
  await page.goto(`${server.url}checks`);
  await page.getByRole('list', { name: 'Unhandled problems' }).getByRole('link', { name: /warning/ }).click();
  await expect(page).toHaveURL(/state=warning&handled=0/);
  await expect(row(page, 'web2/mail')).toHaveCount(0);
  await expect(row(page, 'web1/mail')).toBeVisible();
  await page.goBack();
  await expect(page).not.toHaveURL(/state=/);
});

test('a downtime for several, with its preview, and its end', async ({ page }) => {
  await allFine();
  await result('web1/search', 'CRITICAL');
  await result('web2/search', 'CRITICAL');
  await open(page, 'checks?q=s:search');
  await expect(page.locator('[data-check]')).toHaveCount(2);
  await page.keyboard.press('j');
  await page.keyboard.press('x');
  await page.keyboard.press('j');
  await page.keyboard.press('X'); // from the last one to here
  await expect(page.getByRole('toolbar')).toContainText('2 chosen');
  await page.keyboard.press('d');
  const dialog = page.getByRole('dialog', { name: 'Downtime' });
  await dialog.getByRole('textbox', { name: 'Comment' }).fill('new search servers');
  const preview = dialog.getByRole('region', { name: 'Preview' });
  await expect(preview).toContainText('2 checks');
  await expect(preview).toContainText('web2/search');
  await dialog.getByRole('button', { name: 'Recurring' }).click();
  await expect(preview.getByRole('listitem')).not.toHaveCount(1); // it comes again
  await dialog.getByRole('button', { name: 'Fixed' }).click();
  await expect(preview.getByRole('listitem')).toHaveCount(1);
  await page.keyboard.press('Control+Enter');
  await expect(dialog).toBeHidden();
  for (const id of ['web1/search', 'web2/search']) await expect(row(page, id)).toContainText('in downtime', { timeout: 5000 });
  await open(page, 'downtimes');
  const table = page.getByRole('region', { name: 'Downtimes' }).last();
  await expect(table).toContainText('new search servers');
  await expect(table).toContainText('on');
  await table.getByRole('button', { name: 'End now' }).click();
  await expect(table.getByRole('button', { name: 'End now' })).toHaveCount(0);
  await open(page, 'checks?q=s:search');
  await expect(row(page, 'web1/search')).not.toHaveClass(/handled/);
});

test('a check: what it says, its past, its numbers, why; asked again at once', async ({ page }) => {
  await allFine();
  await open(page, 'checks/web1/port');
  await expect(page.getByRole('region', { name: 'The check' })).toContainText('CRITICAL');
  await expect(page.getByRole('region', { name: 'The check' })).toContainText('3/3');
  await expect(page.getByRole('region', { name: 'Why' })).toContainText('The state is hard');
  await expect(page.getByRole('region', { name: 'History' }).getByRole('listitem').first()).toContainText('CRITICAL', { timeout: 15_000 });
  await expect(page.getByRole('region', { name: 'States' }).getByRole('img')).toHaveAttribute('aria-label', /OK 0 %/);
  await expect(page.getByRole('region', { name: 'How long it took' }).locator('.u-over')).toBeVisible({ timeout: 30_000 });
  // More than one line.
  await result('web1/shop', 'CRITICAL', 'CRITICAL - three shops closed', { long_output: 'first street\nsecond street', perf: "'open shops'=2;4:;3:" });
  await open(page, 'checks/web1/shop');
  await expect(page.getByRole('region', { name: 'The check' })).toContainText('first street\nsecond street');
  await expect(page.getByRole('link', { name: /wiki.example.org\/shop/ })).toHaveAttribute('rel', /noopener/);
  const asked = page.waitForResponse((r) => r.url().endsWith('/checks/recheck'));
  await page.keyboard.press('r');
  await asked;
  // Dragging over the bar zooms the page.
  const bar = page.getByRole('region', { name: 'States' }).getByRole('img');
  const box = (await bar.boundingBox())!;
  await page.mouse.move(box.x + box.width * 0.5, box.y + 8);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.8, box.y + 8, { steps: 4 });
  await page.mouse.up();
  await expect(page).toHaveURL(/from=20/);
});

test('the palette finds checks and what can be done', async ({ page }) => {
  await allFine();
  await result('web2/shop', 'CRITICAL');
  await open(page, 'checks');
  await page.keyboard.press('Control+k');
  await page.getByRole('combobox', { name: /Search/ }).fill('c:web2/shop');
  await expect(page.getByRole('option', { name: /web2\/shop/ }).first()).toBeVisible();
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/checks\/web2\/shop/);
  await page.locator('[data-ready=yes]').waitFor();
  await page.keyboard.press('Control+k');
  await page.getByRole('combobox', { name: /Search/ }).fill('acknowledge');
  await expect(page.getByRole('option', { name: /Acknowledge web2\/shop/ })).toBeVisible();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('dialog', { name: 'Acknowledge' })).toContainText('web2/shop');
  await page.keyboard.press('Escape');
});

test.describe('on a phone', () => {
  test.use({ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 });

  test('acknowledged and put into downtime with a thumb', async ({ page }) => {
    await allFine();
    await result('web1/shop', 'CRITICAL', 'CRITICAL - the shop is closed');
    await open(page, 'checks');
    const fits = async () => expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
    await fits();
    await row(page, 'web1/shop').getByRole('checkbox').tap();
    await page.getByRole('toolbar').getByRole('button', { name: /Acknowledge/ }).tap();
    const dialog = page.getByRole('dialog', { name: 'Acknowledge' });
    await dialog.getByRole('textbox', { name: 'Comment' }).fill('on my way');
    await dialog.getByRole('button', { name: '4 h' }).tap();
    await fits();
    const submit = dialog.getByRole('button', { name: /^Acknowledge/ });
    expect((await submit.boundingBox())!.height).toBeGreaterThanOrEqual(40);
    await submit.tap();
    await expect(dialog).toBeHidden();
    await row(page, 'web1/shop').getByRole('link').last().tap();
    await expect(page).toHaveURL(/checks\/web1\/shop/);
    await expect(page.getByText('“on my way”').first()).toBeVisible();
    await fits();
    await page.getByRole('button', { name: /^Downtime/ }).tap();
    const down = page.getByRole('dialog', { name: 'Downtime' });
    await down.getByRole('textbox', { name: 'Comment' }).fill('moving');
    await fits();
    // The button stands where a thumb finds it, however long the form.
    const box = (await down.getByRole('button', { name: /Set the downtime/ }).boundingBox())!;
    expect(box.y + box.height).toBeLessThan(844);
    await down.getByRole('button', { name: /Set the downtime/ }).tap();
    await expect(down).toBeHidden();
    await expect(page.getByText(/Downtime by/)).toBeVisible();
  });
});

for (const theme of ['dark', 'light'] as const) {
  test.describe(theme, () => {
    test.use({ colorScheme: theme });
    test('axe finds nothing grave on the pages of checks', async ({ page }) => {
      test.setTimeout(120_000);
      await allFine();
      await result('web1/mail', 'WARNING');
      await result('web1/shop', 'CRITICAL');
      await result('web2/api', 'UNKNOWN');
      await post('checks/ack', { checks: ['web2/api'], comment: 'known' });
      for (const path of ['checks', 'checks?as=table&show=all', 'checks?as=groups&group=env', 'checks?show=all&group=host', 'checks/web1/shop', 'checks/web1/port', 'services', 'downtimes', 'wall']) {
        await open(page, path);
        await page.waitForTimeout(500);
        if (path === 'checks') { await page.keyboard.press('j'); await page.keyboard.press('x'); }
        await grave(page, path);
        if (path === 'checks') {
          await page.keyboard.press('a');
          await page.getByRole('dialog').waitFor();
          await grave(page, 'acknowledge');
          await page.keyboard.press('Escape');
          await page.keyboard.press('d');
          await page.getByRole('button', { name: 'Recurring' }).click();
          await page.waitForTimeout(500);
          await grave(page, 'downtime');
          await page.keyboard.press('Escape');
        }
      }
    });
  });
}

async function grave(page: Page, what: string): Promise<void> {
  const found = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa']).analyze();
  const bad = found.violations.filter((v) => v.impact === 'serious' || v.impact === 'critical');
  expect(bad.map((v) => `${what}: ${v.id}: ${v.nodes.map((n) => `${n.html.slice(0, 160)} (${n.failureSummary?.split('\n')[1]?.trim()})`).slice(0, 4).join(' | ')}`)).toEqual([]);
}
