import { expect, test, Watch } from './test';
import { startServer } from './server';

// This one has a server of its own, since it measures from the start of a process.
test.use({ watched: undefined as never });
test('fifteen seconds after the process started, the browser shows numbers of this host', async ({ page }) => {
  const server = await startServer();
  try {
    const w = await Watch.on(page, () => new URL(server.url).origin);
    await page.goto(`${server.url}explore/metrics?g0.expr=node_memory_MemTotal_bytes&g0.tab=1`);
    const value = page.getByRole('region', { name: 'Result' }).getByText(/^[\d.]+\s?[KMGT]iB$/);
    await expect(value).toBeVisible({ timeout: Math.max(1, server.startedAt + 15_000 - Date.now()) });
    expect(Date.now() - server.startedAt).toBeLessThan(15_000);
    w.check();
  } finally {
    await page.goto('about:blank');
    await server.stop();
  }
});
