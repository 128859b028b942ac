import { expect, open, test } from './test';

test('where the data is, how durable, and a verify that runs', async ({ page, request }) => {
  await open(page, 'storage', 'storage');
  const main = page.getByRole('main');
  const medium = main.locator('section', { hasText: 'Medium' }).first();
  await expect(medium).toContainText('local files');
  await expect(medium).toContainText('works');
  await expect(medium).toContainText(/\/data\/medium/);
  await expect(medium).toContainText('nothing acknowledged is lost');
  await expect(medium).toContainText('Every acknowledged write is on the disk.');
  await expect(medium.getByRole('row', { name: /^Documents/ })).toBeVisible();
  await expect(main.locator('section', { hasText: 'Nodes on this medium' })).toContainText('this one');
  await expect(main.getByRole('link', { name: 'Download a backup' })).toHaveAttribute('href', /storage\/backup\?compress=true&config=true$/);

  // By keyboard alone.
  await main.getByRole('button', { name: 'Verify now' }).focus();
  await page.keyboard.press('Enter');
  const runs = main.locator('table.runs tbody tr');
  await expect(runs.first()).toContainText('verify');
  await expect(runs.first()).toContainText('sound');
  await expect(main.getByText('Under way')).toHaveCount(0);
  await expect(main.locator('section', { hasText: 'Verify and backup' }).locator('.standing').first()).toContainText('sound');

  // What the page shows is what the API tells.
  const { data } = (await (await request.get('api/hulotte/v1/storage')).json()) as { data: { runs: { kind: string; state: string }[]; nodes: { self: boolean }[] } };
  expect(data.runs[0]).toMatchObject({ kind: 'verify', state: 'sound' });
  expect(data.nodes.filter((n) => n.self)).toHaveLength(1);
});

test('damage, a host that is down and a run under way are shown', async ({ page }) => {
  const finding = { area: 'blob', name: 'series/b1', where: 'medium/blob/series/b1@65536', problem: 'the checksum of bytes 65536 to 131072 is wrong', effect: 'these bytes of the blob cannot be read' };
  const counts = { journals: 3, entries: 1200, documents: 40, blobs: 7, files: 12, bytes: 5_000_000 };
  await page.route('**/api/hulotte/v1/storage', async (route) => {
    const answer = (await (await route.fetch()).json()) as { data: { medium: Record<string, unknown>; run: unknown; runs: unknown[] } };
    answer.data.medium['type'] = 'cassandra';
    answer.data.medium['hosts'] = [{ address: '10.0.0.1:9042', datacenter: 'north', rack: 'r1', version: '5.0.2', up: true }, { address: '10.0.0.2:9042', datacenter: 'north', rack: 'r2', version: '5.0.2', up: false }];
    answer.data.medium['cluster'] = { keyspace: 'hulotte', datacenter: 'north', copies: { north: '3' }, consistency: 'local_quorum', schema: 3 };
    answer.data.run = { id: 'x', kind: 'backup', started: new Date(Date.now() - 65_000).toISOString(), state: 'running', phase: 'series', name: 'default/wal', counts, findings_total: 0 };
    answer.data.runs = [{ id: 'y', kind: 'verify', by: 'alice at 10.1.1.1', started: new Date(Date.now() - 3_700_000).toISOString(), ended: new Date(Date.now() - 3_600_000).toISOString(), state: 'damaged', counts, findings: [finding], findings_total: 3 }];
    await route.fulfill({ json: answer });
  });
  await open(page, 'storage', 'storage');
  const main = page.getByRole('main');
  await expect(main.getByText('works, 1 of 2 hosts down')).toBeVisible();
  await expect(main.getByText('3 in north')).toBeVisible();
  await expect(main.locator('section', { hasText: 'Hosts of the cluster' }).locator('tbody tr').first()).toContainText('10.0.0.2:9042');
  await expect(main.getByRole('status', { name: 'Under way' })).toContainText('series · default/wal');
  await expect(main.getByRole('button', { name: 'Stop' })).toBeVisible();
  await main.getByRole('button', { name: 'verify', exact: true }).click();
  await expect(main.getByText('medium/blob/series/b1@65536')).toBeVisible();
  await expect(main.getByText('these bytes of the blob cannot be read')).toBeVisible();
  await expect(main.getByText(/and 2 more/)).toBeVisible();
});
