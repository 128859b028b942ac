import { expect, test } from 'vitest';
import type { Target } from './prom';
import { pools, scrapedAt } from './targets';

const target = (pool: string, host: string, health: Target['health'], lastError = ''): Target => ({
  discoveredLabels: {}, labels: { job: pool, instance: host }, scrapePool: pool, scrapeUrl: `${pool === 'node' ? 'hulotte' : 'http'}://${host}/metrics`, globalUrl: '', lastError, lastScrape: '2026-03-04T12:00:00Z', lastScrapeDuration: 0, health, samples: 1, samplesKept: 1, seriesAdded: 0, bodyBytes: -1,
});
const data = { active: [target('node', 'vm', 'up'), target('web', 'b10', 'up'), target('web', 'b9', 'up'), target('web', 'a', 'down', 'refused'), target('db', 'x', 'unknown')], dropped: [], pools: [], droppedCounts: { web: 3 } };
const all = { text: '', health: '' as const, pool: '', scope: [] };
const shape = (f: Parameters<typeof pools>[1]) => pools(data, f).map((p) => `${p.name}: ${p.targets.map((t) => t.labels['instance']).join(' ')}`);

test('what is unwell comes first, what is built in last', () => expect(shape(all)).toEqual(['web: a b9 b10', 'db: x', 'node: vm']));
test('filters narrow the targets', () => {
  expect(shape({ ...all, health: 'down' })).toEqual(['web: a']);
  expect(shape({ ...all, text: 'REFUSED' })).toEqual(['web: a']);
  expect(shape({ ...all, text: 'job=web instance=b' })).toEqual(['web: b9 b10']);
  expect(shape({ ...all, pool: 'db' })).toEqual(['db: x']);
  expect(shape({ ...all, scope: [{ name: 'instance', values: ['b9', 'x'] }] })).toEqual(['web: b9', 'db: x']);
  expect(shape({ ...all, text: 'nobody' })).toEqual([]);
});
test('counts do not follow the filter', () => {
  const web = pools(data, { ...all, health: 'down' })[0]!;
  expect([web.up, web.down, web.dropped]).toEqual([2, 1, 3]);
});
test('never scraped', () => expect(scrapedAt({ ...data.active[0]!, lastScrape: '0001-01-01T00:00:00Z' })).toBeNull());
