import { describe, expect, test } from 'vitest';
import { absoluteView, decodeView, encodeView, inScope, queryText, resolveRange, scopeMatchers, shiftRange, zoomOut, type View } from './urlstate';

const noon = Date.UTC(2026, 2, 4, 12) / 1000;
const plain: View = { from: 'now-1h', to: 'now', tz: '', refresh: '', scope: [] };
const round = (q: string) => queryText(encodeView(decodeView(new URLSearchParams(q)), new URLSearchParams(q)));

describe('the codec', () => {
  test.each([
    ['', ''],
    ['from=now-1h&to=now', ''],
    ['from=now-6h&to=now', 'from=now-6h&to=now'],
    ['tz=utc&refresh=30s', 'tz=utc&refresh=30s'],
    ['refresh=10s', ''],
    ['refresh=off', 'refresh=off'],
    ['l.env=prod&l.env=dev&l.team=db', 'l.env=dev&l.env=prod&l.team=db'],
    ['from=soon&to=later&tz=mars&refresh=fast', ''],
    ['l.=x&l.env=', ''],
    ['sort=-since&from=now-6h', 'sort=-since&from=now-6h&to=now'],
    ['from=2026-03-04T10:00:00Z&to=2026-03-04T11:00:00Z', 'from=2026-03-04T10:00:00Z&to=2026-03-04T11:00:00Z'],
  ])('%s', (q, want) => expect(round(q)).toBe(want));
  test('what it writes it reads the same', () => {
    const v: View = { from: '1772618400', to: 'now-5m', tz: 'local', refresh: '5s', scope: [{ name: 'a.b', values: ['x&y=z', 'é +'] }] };
    expect(decodeView(new URLSearchParams(queryText(encodeView(v, new URLSearchParams()))))).toEqual(v);
  });
  test('nothing in a value can add a parameter', () => {
    const q = new URLSearchParams({ 'g0.expr': 'a{b="c&from=now"} + # %2B' });
    expect([...new URLSearchParams(queryText(q))]).toEqual([...q]);
  });
});

test('ranges', () => {
  expect(resolveRange(plain, noon, 'utc')).toEqual({ start: noon - 3600, end: noon });
  expect(resolveRange({ from: 'now', to: 'now-1h' }, noon, 'utc')).toEqual({ start: noon - 60, end: noon });
  expect(shiftRange(plain, -0.5, noon, 'utc')).toMatchObject({ from: '2026-03-04T10:30:00Z', to: '2026-03-04T11:30:00Z' });
  expect(shiftRange(plain, 0.5, noon, 'utc'), 'never past now').toMatchObject({ from: '2026-03-04T11:00:00Z', to: '2026-03-04T12:00:00Z' });
  expect(zoomOut(plain, noon, 'utc')).toMatchObject({ from: 'now-2h', to: 'now' });
  expect(absoluteView(plain, noon, 'utc')).toMatchObject({ from: '2026-03-04T11:00:00Z', to: '2026-03-04T12:00:00Z' });
});

test('scope', () => {
  const scope = [{ name: 'env', values: ['prod'] }, { name: 'team', values: ['d.b', 'web'] }];
  expect(scopeMatchers(scope)).toEqual([{ name: 'env', op: '=', value: 'prod' }, { name: 'team', op: '=~', value: 'd\\.b|web' }]);
  expect(inScope({ env: 'prod', team: 'web' }, scope)).toBe(true);
  expect(inScope({ env: 'prod' }, scope)).toBe(false);
});
