import { expect, test } from 'vitest';
import { changeText, share, stretches } from './history';

test('spans are cut to the range', () => {
  const spans = [
    { from: '1970-01-01T00:00:10Z', to: '1970-01-01T00:00:20Z', status: 'OK' as const, hard: true, handled: false },
    { from: '1970-01-01T00:00:20Z', to: '0001-01-01T00:00:00Z', status: 'CRITICAL' as const, hard: false, handled: 'acknowledged' },
  ];
  expect(stretches(spans, 15, 30)).toEqual([
    { from: 15, to: 20, word: 'OK', status: 'ok', hard: true, handled: '' },
    { from: 20, to: 30, word: 'CRITICAL', status: 'crit', hard: false, handled: 'acknowledged' },
  ]);
  expect(stretches(spans, 100, 30)).toEqual([]);
});

test('a share is never rounded up to all, nor down to none', () => {
  expect([share(1), share(0.99996), share(0.9987), share(0.5), share(0.00001), share(0), share(undefined)]).toEqual(['100 %', '99.996 %', '99.87 %', '50 %', '0.001 %', '0 %', '–']);
});

test('changes in words', () => {
  const c = { at: '', host: 'a', name: 'b', type: 'state', from: 'OK' as const, to: 'CRITICAL' as const, hard: false, attempt: 1, tell: false };
  expect(changeText(c)).toBe('OK → CRITICAL');
  expect(changeText({ ...c, from: 'CRITICAL', hard: true })).toBe('CRITICAL is hard now');
  expect(changeText({ ...c, type: 'ack' })).toBe('acknowledged');
});
