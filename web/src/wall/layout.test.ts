import { expect, test } from 'vitest';
import type { Check } from '../lib/checks/checks';
import { linePath, pickRows, rotation, tileGrid } from './layout';

const c = (id: string, word: string, handled = '') => ({ id, word, handled }) as Check;

test('all problems when they fit; else the worst, with room for the newest warnings', () => {
  const few = [c('a', 'CRITICAL'), c('b', 'WARNING')];
  expect(pickRows(few)).toEqual({ rows: few, more: 0 });
  const many = [...Array.from({ length: 12 }, (_, i) => c(`crit${i}`, 'CRITICAL')), c('w1', 'WARNING'), c('w2', 'WARNING'), c('w3', 'WARNING'), c('h', 'WARNING', 'acknowledged')];
  const { rows, more } = pickRows(many);
  expect(rows.map((r) => r.id)).toEqual(['crit0', 'crit1', 'crit2', 'crit3', 'crit4', 'crit5', 'crit6', 'w1', 'w2']);
  expect(more).toBe(7);
  expect(pickRows(Array.from({ length: 12 }, (_, i) => c(`x${i}`, 'CRITICAL'))).rows).toHaveLength(9);
});

test('tiles fill their area', () => {
  for (const n of [1, 7, 30, 44, 500]) {
    const g = tileGrid(n, 50, 40, 3);
    expect(g.columns * g.rows).toBeGreaterThanOrEqual(n);
    expect((g.rows - 1) * g.columns).toBeLessThan(n);
  }
});

test('rotation', () => {
  expect(rotation(new URLSearchParams(''))).toEqual({ pages: ['problems'], seconds: 0 });
  expect(rotation(new URLSearchParams('rotate=30'))).toEqual({ pages: ['problems', 'hosts', 'network'], seconds: 30 });
  expect(rotation(new URLSearchParams('rotate=1&page=network&page=hosts&page=nonsense'))).toEqual({ pages: ['network', 'hosts'], seconds: 5 });
});

test('lines have gaps', () => {
  expect(linePath([0, 10, null, 5], 30, 10, 10)).toBe('M0.0 10.0L10.0 0.0M30.0 5.0');
  expect(linePath([1], 30, 10, 10)).toBe('');
});
