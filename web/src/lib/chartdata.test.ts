import { expect, test } from 'vitest';
import { alignMatrix, chooseStep, isolated, stacked, stats, toCSV } from './chartdata';
import { assignHues } from './colors';
import { seriesText, shortNames } from './labels';
import { sparkPaths } from './spark';

test('gaps stay gaps', () => {
  const { times, series } = alignMatrix([{ metric: { __name__: 'a' }, values: [[100, '1'], [120, 'NaN'], [130, '3']] }], 100, 140, 10);
  expect(times).toEqual([100, 110, 120, 130, 140]);
  expect(series[0]?.values).toEqual([1, null, null, 3, null]);
  expect(isolated(series[0]!.values, 0, 4)).toEqual([0, 3]);
});

test('points outside the grid do no harm', () => {
  expect(alignMatrix([{ metric: {}, values: [[90, '1'], [1e9, '2']] }], 100, 110, 10).series[0]?.values).toEqual([null, null]);
});

test('stacking', () => {
  expect(stacked([[1, 2, null], [10, null, 10], [100, 100, 100]])).toEqual([[1, 2, null], [11, null, 10], [111, 102, 110]]);
});

test('statistics skip what is not there', () => {
  expect(stats([null, 1, NaN, 3, null])).toEqual({ last: 3, avg: 2, min: 1, max: 3 });
  expect(stats([null])).toEqual({ last: null, avg: null, min: null, max: null });
});

test.each([[3600, 1200, 10], [900, 1200, 10], [120, 1200, 1], [86400, 1200, 300], [86400, 400, 600], [86400 * 90, 1200, 21600], [86400 * 365 * 20, 10, 86400 * 7 * 21]])('the step of %d s on %d pixels', (seconds, pixels, most) => {
  const step = chooseStep(seconds, pixels);
  expect(step).toBeLessThanOrEqual(Math.max(most, seconds / 25));
  expect(seconds / step).toBeLessThan(11_000);
});

test('CSV quotes what it must', () => {
  expect(toCSV([0], [{ key: 'k', name: 'a,"b"', values: [1.5] }, { key: 'l', name: 'c', values: [null] }])).toBe('time,"a,""b""",c\r\n1970-01-01T00:00:00.000Z,1.5,\r\n');
});

test('colours are stable and differ while they can', () => {
  const keys = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
  const all = assignHues(keys);
  expect(new Set(all.values()).size).toBe(8);
  expect(assignHues([...keys].reverse())).toEqual(all);
  expect(assignHues(['a']).get('a')).toBe(assignHues(['a']).get('a'));
  expect(Math.max(...assignHues(Array.from({ length: 100 }, (_, i) => `s${i}`)).values())).toBeLessThan(8);
});

test('names say what tells series apart', () => {
  const f = (sets: Record<string, string>[]) => shortNames(sets).names;
  expect(f([{ __name__: 'a', job: 'j', mode: 'idle' }, { __name__: 'a', job: 'j', mode: 'user' }])).toEqual(['idle', 'user']);
  expect(f([{ __name__: 'a', job: 'j' }, { __name__: 'b', job: 'j' }])).toEqual(['a', 'b']);
  expect(f([{ a: '1', b: '1' }, { a: '2', b: '2' }])).toEqual(['a=1 b=1', 'a=2 b=2']);
  expect(f([{ __name__: 'up', job: 'x' }])).toEqual(['up{job="x"}']);
  expect(f([])).toEqual([]);
});

test('a series as PromQL', () => {
  expect(seriesText({ __name__: 'up', job: 'a"b\\', 'x.y': '1' })).toBe('up{job="a\\"b\\\\", "x.y"="1"}');
  expect(seriesText({ __name__: 'a.b' })).toBe('{"a.b"}');
  expect(seriesText({})).toBe('{}');
});

test('sparklines break at gaps', () => {
  expect(sparkPaths([0, 1, null, 1, 0], 40, 10)?.line.match(/M/g)).toHaveLength(2);
  expect(sparkPaths([null, null], 40, 10)).toBeNull();
  expect(sparkPaths([5, 5, 5], 40, 10)?.line).not.toContain('NaN');
});
