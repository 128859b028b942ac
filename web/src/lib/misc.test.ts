import { expect, test } from 'vitest';
import { score, search } from './palette';
import { bucketsOf } from '../pages/explore/heatmap';
import { alignMatrix } from './chartdata';

test('the palette finds by words, beginnings first', () => {
  const entries = ['node_load1', 'node_load15', 'go_memstats_alloc', 'upload_total'].map((title) => ({ id: title, title, kind: 'metric', run: () => {} }));
  expect(search(entries, 'load').map((e) => e.title)).toEqual(['node_load1', 'node_load15', 'upload_total']);
  expect(search(entries, 'mem go').map((e) => e.title)).toEqual(['go_memstats_alloc']);
  expect(search(entries, 'nld1').map((e) => e.title)).toEqual(['node_load1', 'node_load15']);
  expect(score('node_load1', 'xyz')).toBe(0);
});

test('cumulative buckets become a grid', () => {
  const raw = [['0.1', '1'], ['1', '4'], ['+Inf', '4']].map(([le, v]) => ({ metric: { le: le! }, values: [[0, v!] as [number, string]] }));
  const g = bucketsOf({ kind: 'graph', raw, ...alignMatrix(raw, 0, 0, 10), start: 0, end: 0, step: 10, histograms: 0 })!;
  expect(g.edges).toEqual([0, 0.1, 1]); // the empty bucket on top is left out
  expect(g.cells).toEqual([[1], [3]]);
  expect(g.max).toBe(3);
});

test('native buckets become a grid', () => {
  const raw = [{ metric: {}, histograms: [[0, { count: '3', sum: '2', buckets: [[0, '0', '1', '1'], [0, '1', '2', '2']] }]] as [number, never][] }];
  const g = bucketsOf({ kind: 'graph', raw, times: [0], series: [], start: 0, end: 0, step: 10, histograms: 1 })!;
  expect(g.edges).toEqual([0, 1, 2]);
  expect(g.cells).toEqual([[1], [2]]);
});

test('an answer without buckets is no heatmap', () => {
  const raw = [{ metric: { a: 'b' }, values: [[0, '1'] as [number, string]] }];
  expect(bucketsOf({ kind: 'graph', raw, ...alignMatrix(raw, 0, 0, 10), start: 0, end: 0, step: 10, histograms: 0 })).toBeNull();
});
