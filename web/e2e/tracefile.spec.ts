// A trace from a file, in a browser: the built pages of support/mock.ts are enough, since nothing is asked of the server.
import AxeBuilder from '@axe-core/playwright';
import { expect, test, type Page } from '@playwright/test';
import { startMock } from './support/mock';
import { checkout, large, otlp, shopID } from './support/tracesmock';

async function withFile(page: Page, content: unknown, body: () => Promise<void>): Promise<void> {
  const { url, stop } = await startMock(() => undefined);
  const errors: string[] = [];
  page.on('pageerror', (e) => errors.push(String(e)));
  try {
    await page.goto(`${url}traces/file`);
    await page.getByLabel('File with a trace').setInputFiles({ name: 'trace.json', mimeType: 'application/json', buffer: Buffer.from(typeof content === 'string' ? content : JSON.stringify(content)) });
    await body();
    expect(errors).toEqual([]);
  } finally { await stop(); }
}
const grid = (page: Page) => page.getByRole('treegrid', { name: 'Spans' });
const spans = (page: Page) => grid(page).getByRole('row');
const detail = (page: Page) => page.getByRole('complementary', { name: 'Span', exact: true });
const expectAccessible = async (page: Page) => {
  const { violations } = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa']).analyze();
  expect(violations.filter((v) => v.impact === 'serious' || v.impact === 'critical').map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => `${n.html.slice(0, 160)} ${n.failureSummary?.split('\n')[1]?.trim()}`).join(' | ')}`)).toEqual([]);
};

test('a trace of a file: what it is, its spans, what failed, what is odd', async ({ page }) => {
  await withFile(page, otlp(checkout()), async () => {
    await expect(page.getByRole('heading', { name: /POST \/checkout/ })).toBeVisible();
    await expect(page.getByText('23 spans', { exact: true })).toBeVisible();
    await expect(page.getByText(/1 span has a parent that is not here/)).toBeVisible();
    await expect(grid(page)).toHaveAttribute('aria-rowcount', '23');
    await expect(page.getByRole('button', { name: '9 failed' })).toBeVisible();

    // From failure to failure, and what one of them says.
    for (let i = 0; i < 4; i++) await page.keyboard.press('e');
    await expect(detail(page).getByRole('heading', { name: 'POST payments/charge' })).toBeVisible();
    await expect(detail(page)).toContainText('payment provider did not answer in 240 ms');
    await expect(detail(page)).toContainText('TimeoutError');
    await expect(page).toHaveURL(/span=/);
    await page.keyboard.press('Escape');
    await expect(detail(page)).toBeHidden();

    // The next of the critical path is on it: it was waited for.
    await page.keyboard.press('c');
    await expect(detail(page).getByText('Waited for').locator('..')).not.toContainText('–');
  });
});

test('searching, folding, zooming', async ({ page }) => {
  await withFile(page, otlp(checkout()), async () => {
    await page.keyboard.press('f');
    await page.getByLabel('Find in the trace').fill('db.system=postgresql');
    await page.getByLabel('Find in the trace').press('Enter');
    await expect(page.getByRole('status').filter({ hasText: '1 of 1' })).toBeVisible();
    await expect(detail(page).getByRole('heading', { name: 'UPDATE stock SET reserved' })).toBeVisible();
    await page.getByRole('button', { name: 'Close the span' }).click();

    await grid(page).getByRole('button', { name: 'Fold POST /checkout' }).click();
    await expect(grid(page)).toHaveAttribute('aria-rowcount', '2'); // and the orphan
    await page.keyboard.press('e'); // what failed is unfolded
    await page.keyboard.press('e');
    await expect(grid(page)).toHaveAttribute('aria-rowcount', '23');

    const before = await page.locator('.row .bar').nth(3).boundingBox();
    const map = (await page.getByRole('application', { name: /The whole trace/ }).boundingBox())!;
    await page.mouse.move(map.x + 5, map.y + 20);
    await page.mouse.down();
    await page.mouse.move(map.x + map.width / 4, map.y + 20, { steps: 3 });
    await page.mouse.up();
    expect((await page.locator('.row .bar').nth(3).boundingBox())!.width).toBeGreaterThan(2 * before!.width);
    await page.getByRole('button', { name: 'All', exact: true }).click();
    await expect.poll(async () => (await page.locator('.row .bar').nth(3).boundingBox())!.width).toBeCloseTo(before!.width, 0);
  });
});

test('flame graph, statistics and JSON', async ({ page }) => {
  await withFile(page, otlp(checkout()), async () => {
    await page.getByRole('button', { name: 'Flame graph' }).click();
    const call = page.getByRole('button', { name: /^payments: POST \/charge, 2 spans/ });
    const narrow = (await call.boundingBox())!.width;
    await call.click();
    await expect.poll(async () => (await call.boundingBox())!.width).toBeGreaterThan(narrow);
    await page.getByRole('button', { name: 'Statistics' }).click();
    await expect(page.getByRole('region', { name: 'Where the time went' }).locator('tbody tr.line').first()).toContainText('POST provider.example/v1/charges');
    await page.getByRole('button', { name: 'Service', exact: true }).click();
    await expect(page.getByRole('region', { name: 'Where the time went' }).locator('tbody tr.line')).toHaveCount(6);
    await page.getByRole('button', { name: 'JSON' }).click();
    await expect(page.getByRole('region', { name: 'JSON of the trace' })).toContainText(shopID);
    const file = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Download' }).click();
    expect((await file).suggestedFilename()).toBe(`trace-${shopID}.json`);
  });
});

test('10,000 spans: few elements, quick to move through', async ({ page }) => {
  await withFile(page, otlp(large(10_000)), async () => {
    await expect(grid(page)).toHaveAttribute('aria-rowcount', '10000', { timeout: 20_000 });
    expect(await spans(page).count()).toBeLessThan(80);
    const cdp = await page.context().newCDPSession(page);
    await cdp.send('Performance.enable', { timeDomain: 'threadTicks' }); // CPU time: the machine may be busy
    const busy = async () => (await cdp.send('Performance.getMetrics')).metrics.find((m) => m.name === 'TaskDuration')!.value;
    const before = await busy();
    for (let i = 1; i <= 40; i++) { await grid(page).evaluate((e, y) => { e.scrollTop = y; }, i * 2400); await page.evaluate(() => new Promise(requestAnimationFrame)); }
    const each = ((await busy()) - before) / 40;
    console.log(`a scroll of 100 rows costs ${(each * 1000).toFixed(1)} ms of the main thread`);
    expect(each).toBeLessThan(0.15); // a whole screen of new rows; seen: 55 ms on a busy machine
    await grid(page).evaluate((e) => { e.scrollTop = e.scrollHeight; });
    await expect(grid(page).locator('[aria-rowindex="10000"]')).toBeVisible();
  });
});

test("Jaeger's and Zipkin's files too; what is none is said", async ({ page }) => {
  const zipkin = [{ traceId: shopID, id: '00f067aa0ba902b7', name: 'get /', kind: 'SERVER', timestamp: 1_764_000_000_000_000, duration: 12_000, localEndpoint: { serviceName: 'web' }, tags: { 'http.path': '/' } }];
  await withFile(page, zipkin, async () => { await expect(page.getByRole('heading', { name: /web get \// })).toBeVisible(); });
  const jaeger = { data: [{ traceID: shopID, spans: [{ traceID: shopID, spanID: '00f067aa0ba902b7', operationName: 'GET /cart', references: [], startTime: 1_764_000_000_000_000, duration: 900, tags: [], logs: [], processID: 'p1' }], processes: { p1: { serviceName: 'cart', tags: [] } } }] };
  await withFile(page, jaeger, async () => { await expect(page.getByRole('heading', { name: /cart GET \/cart/ })).toBeVisible(); });
  await withFile(page, 'hello', async () => { await expect(page.getByText(/trace.json: It is not JSON/)).toBeVisible(); });
});

for (const theme of ['dark', 'light'] as const) {
  test.describe(theme, () => {
    test.use({ colorScheme: theme });
    test('axe finds nothing grave in a trace', async ({ page }) => {
      await withFile(page, otlp(checkout()), async () => {
        await expect(spans(page).first()).toBeVisible();
        await page.keyboard.press('e');
        await expect(detail(page)).toBeVisible();
        await expectAccessible(page);
        for (const name of ['Flame graph', 'Statistics', 'JSON']) {
          await page.getByRole('button', { name, exact: true }).click();
          await expectAccessible(page);
        }
      });
    });
  });
}

test('a service of which span metrics arrive: rate, failures, durations, operations, what it calls', async ({ page }) => {
  const sample = (metric: Record<string, string>, value: string) => ({ metric, value: [Date.now() / 1000, value] });
  const { url, stop } = await startMock((m) => {
    m.answers = (name, q) => {
      if (name !== '/api/v1/query') return undefined;
      const query = q.get('query') ?? '';
      const by = (label: string, values: Record<string, string>) => ({ resultType: 'vector', result: Object.entries(values).map(([k, v]) => sample({ [label]: k }, v)) });
      if (query.startsWith('count(last_over_time(traces_span_metrics_calls_total{service_name="orders"}')) return { resultType: 'vector', result: [sample({}, '4')] };
      if (query.includes('histogram_quantile')) return query.includes('span_name') ? by('span_name', { 'POST /charge': '0.25', 'GET /orders': '0.01' }) : by(query.includes('by (server)') ? 'server' : 'client', {});
      if (query.includes('by (span_name)')) return by('span_name', query.includes('STATUS_CODE_ERROR') ? { 'POST /charge': '1', 'GET /orders': '0' } : { 'POST /charge': '4', 'GET /orders': '16' });
      if (query.includes('by (server)')) return by('server', query.includes('failed') ? {} : { payments: '4' });
      if (query.includes('by (client)')) return by('client', query.includes('failed') ? {} : { web: '20' });
      return undefined;
    };
  });
  try {
    await page.goto(`${url}services/orders`);
    await expect(page.locator('[data-red=yes]')).toBeVisible();
    await expect(page.getByText('There is no such service')).toBeHidden();
    const requests = page.getByRole('region', { name: 'Requests of orders' });
    await expect(requests).toContainText('20 /s');
    await expect(requests).toContainText('5 %'); // 1 of 20
    const operation = page.getByRole('region', { name: 'Endpoints', exact: true }).first().locator('tbody tr.line');
    await expect(operation.first()).toContainText('GET /orders');
    await expect(operation.nth(1)).toContainText('25 %');
    await expect(operation.nth(1)).toContainText('250 ms');
    await expect(page.getByRole('link', { name: 'payments' })).toHaveAttribute('href', /services\/payments/);
    await expect(page.getByRole('region', { name: 'Callers', exact: true })).toContainText('web');
    await expectAccessible(page);
  } finally { await stop(); }
});

test('exemplars stand as dots in a chart, when they are wanted', async ({ page }) => {
  const now = Math.floor(Date.now() / 1000);
  const { url, stop } = await startMock((m) => {
    m.answers = (name) => (name === '/api/v1/query_exemplars' ? [{ seriesLabels: { __name__: 'x_bucket' }, exemplars: [60, 600, 1200].map((ago, i) => ({ labels: { trace_id: shopID }, value: String(0.015 + i / 500), timestamp: now - ago })) }] : undefined);
  });
  try {
    await page.goto(`${url}explore/metrics?g0.expr=x_seconds&refresh=off`);
    const dots = page.getByTitle(new RegExp(shopID));
    await expect(page.locator('.u-over')).toBeVisible();
    await expect(dots).toHaveCount(0);
    await page.getByRole('button', { name: 'Exemplars' }).click();
    await expect(dots).toHaveCount(3);
    await expect(page).toHaveURL(/show_exemplars=1/);
    await page.reload(); // and the address keeps it
    await expect(dots).toHaveCount(3);
    await expect.poll(async () => (await dots.first().boundingBox())!.x).toBeGreaterThan((await page.locator('.u-over').boundingBox())!.x);
  } finally { await stop(); }
});

test('without a file the page says what it takes, and keeps to the rules', async ({ page }) => {
  const { url, stop } = await startMock(() => undefined);
  try {
    await page.goto(url);
    await page.locator('body[data-page]').waitFor({ state: 'attached' });
    await page.keyboard.press('g');
    await page.keyboard.press('x');
    await expect(page.getByRole('heading', { name: 'Look at a trace from a file' })).toBeVisible();
    await expectAccessible(page);
  } finally { await stop(); }
});
