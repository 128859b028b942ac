import { describe, expect, test } from 'vitest';
import { axisTimes, describeRange, formatDateTime, formatDuration, humanDuration, isoTime, parseDuration, parseTime, relativeTime } from './time';

const noon = Date.UTC(2026, 2, 4, 12, 0, 0) / 1000; // a Wednesday
const iso = (t: number | null) => (t === null ? null : new Date(t * 1000).toISOString());

test.each([
  ['90s', 90], ['1h30m', 5400], ['1.5h', 5400], ['2d', 172800], ['250ms', 0.25], ['1w', 604800],
  ['', null], ['1', null], ['h', null], ['1h ', 3600], ['-1h', null], ['1h30', null],
])('duration %s', (text, want) => expect(parseDuration(text)).toBe(want));

test.each([[5400, '1h30m'], [0, '0s'], [0.25, '250ms'], [86400, '1d'], [90061, '1d1h1m1s'], [-60, '-1m']])('writes %d s', (s, want) => {
  expect(formatDuration(s)).toBe(want);
});

test.each([[93784, '1 d 2 h'], [0.0042, '4.2 ms'], [59, '59 s'], [60, '1 min'], [3600, '1 h'], [119.6, '2 min'], [1e-7, '100 ns'], [0, '0 s'], [-5, '−5 s'], [NaN, '–']])('reads %d s', (s, want) => {
  expect(humanDuration(s)).toBe(want);
});

describe('points in time', () => {
  const utc = (text: string, up = false) => iso(parseTime(text, noon, 'utc', up));
  test.each([
    ['now', '2026-03-04T12:00:00.000Z'], ['now-6h', '2026-03-04T06:00:00.000Z'], ['now-1h30m', '2026-03-04T10:30:00.000Z'], ['now+1d', '2026-03-05T12:00:00.000Z'],
    ['now/d', '2026-03-04T00:00:00.000Z'], ['now-1d/d', '2026-03-03T00:00:00.000Z'], ['now/w', '2026-03-02T00:00:00.000Z'], ['now/M', '2026-03-01T00:00:00.000Z'], ['now/y', '2026-01-01T00:00:00.000Z'],
    ['2026-03-01', '2026-03-01T00:00:00.000Z'], ['2026-03-01 12:30', '2026-03-01T12:30:00.000Z'], ['2026-03-01T12:30:05.25Z', '2026-03-01T12:30:05.250Z'], ['2026-03-01T12:30:00+02:00', '2026-03-01T10:30:00.000Z'],
    ['1772625600', '2026-03-04T12:00:00.000Z'], ['1772625600000', '2026-03-04T12:00:00.000Z'],
  ])('%s', (text, want) => expect(utc(text)).toBe(want));
  test.each(['', 'yesterday', 'now-', 'now-6', '2026-13-01', '2026-03-01 25:00', 'now-6h/x', '12:00'])('refuses %s', (text) => expect(utc(text)).toBeNull());
  test('rounds up where a range ends', () => expect(utc('now-1d/d', true)).toBe('2026-03-04T00:00:00.000Z'));
  test('reads a date without a zone as local', () => expect(parseTime('2026-03-01 12:30', noon, 'local')).toBe(new Date(2026, 2, 1, 12, 30).getTime() / 1000));
});

test('written times', () => {
  expect(formatDateTime(noon, 'utc')).toBe('2026-03-04 12:00:00');
  expect(isoTime(noon)).toBe('2026-03-04T12:00:00Z');
  expect(relativeTime(noon - 12, noon)).toBe('12 s ago');
  expect(relativeTime(noon + 300, noon)).toBe('in 5 min');
});

test('an axis says the day where it changes', () => {
  const evening = Date.UTC(2026, 2, 4, 18) / 1000;
  expect(axisTimes([evening, evening + 6 * 3600], 6 * 3600, 'utc')).toEqual(['18:00', '00:00\n5 Mar']);
  expect(axisTimes([evening], 15, 'utc')).toEqual(['18:00:00']);
  expect(axisTimes([evening], 86400, 'utc')).toEqual(['4 Mar']);
});

test('ranges in words', () => {
  expect(describeRange('now-6h', 'now', noon, 'utc')).toBe('Last 6 h');
  expect(describeRange('now/d', 'now', noon, 'utc')).toBe('Today');
  expect(describeRange('2026-03-01T10:00:00Z', '2026-03-01T12:00:00Z', noon, 'utc')).toBe('2026-03-01 10:00:00 → 12:00:00');
});
