import AxeBuilder from '@axe-core/playwright';
import { routes } from '../src/routes';
import { expect, open, test } from './test';

// What stands in for the parameters of a path.
async function pathOf(pattern: string, api: (path: string) => Promise<{ data: string[] }>): Promise<string> {
  if (!pattern.includes(':')) return pattern.slice(1);
  const { data } = await api('api/v1/label/instance/values?match[]=node_uname_info');
  return pattern.slice(1).replace(/:\w+/g, encodeURIComponent(data[0] ?? 'none'));
}

const extra = [
  ['explore with results', 'explore/metrics?g0.expr=rate(node_cpu_seconds_total[1m])&g1.expr=up&g1.tab=1&g2.expr=nope_total&g3.expr=sum('],
  ['targets filtered', 'targets?health=down'],
  ['no such page', 'no/such/page'],
] as const;

for (const theme of ['dark', 'light'] as const) {
  test.describe(theme, () => {
    test.use({ colorScheme: theme });
    const check = async (page: import('@playwright/test').Page) => {
      await page.waitForTimeout(700); // until numbers have arrived and transitions are over
      const found = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa']).analyze();
      const grave = found.violations.filter((v) => v.impact === 'serious' || v.impact === 'critical');
      expect(grave.map((v) => `${v.id}: ${v.nodes.map((n) => `${n.html.slice(0, 160)} (${n.failureSummary?.split('\n')[1]?.trim()})`).join(' | ')}`)).toEqual([]);
    };
    for (const route of routes) {
      test(`axe finds nothing grave: ${route.key}`, async ({ page, request }) => {
        await open(page, await pathOf(route.pattern, async (p) => (await request.get(p)).json() as Promise<{ data: string[] }>), route.key);
        await check(page);
      });
    }
    for (const [name, path] of extra) {
      test(`axe finds nothing grave: ${name}`, async ({ page }) => {
        await page.goto(path);
        await page.getByRole('main').waitFor();
        await check(page);
      });
    }
    test('axe finds nothing grave: the palette, the help and the pickers', async ({ page }) => {
      await open(page, 'explore/metrics', 'metrics');
      await page.keyboard.press('Escape');
      await page.keyboard.press('Control+k');
      await page.getByRole('combobox', { name: /Search/ }).fill('load');
      await check(page);
      await page.keyboard.press('Escape');
      await page.getByRole('button', { name: 'Keys and help' }).click();
      await check(page);
      await page.keyboard.press('Escape');
      await page.getByRole('button', { name: /^Time range/ }).click();
      await check(page);
      await page.keyboard.press('Escape');
      await page.getByRole('button', { name: 'Metrics', exact: true }).click();
      await page.getByLabel('Find a metric').fill('node_load1');
      await page.getByRole('dialog', { name: 'Metrics' }).getByText('node_load1', { exact: true }).click();
      await check(page);
    });
  });
}
