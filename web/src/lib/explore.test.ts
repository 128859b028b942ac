import { expect, test } from 'vitest';
import { decodePanels, emptyPanel, encodePanels, importRange, positionIn } from './explore';
import { queryText } from './urlstate';

const decode = (q: string) => decodePanels(new URLSearchParams(q));

test('a link of Prometheus opens', () => {
  const q = 'g0.expr=rate(node_cpu_seconds_total%5B5m%5D)&g0.tab=0&g0.display_mode=stacked&g0.show_exemplars=0&g0.range_input=6h&g0.end_input=2026-03-04%2012%3A00%3A00&g1.expr=up&g1.tab=1&g1.step_input=30';
  expect(decode(q)).toEqual([{ ...emptyPanel, expr: 'rate(node_cpu_seconds_total[5m])', stack: true }, { ...emptyPanel, expr: 'up', tab: 'table', step: 30 }]);
  expect(importRange(new URLSearchParams(q))).toEqual({ from: '2026-03-04T06:00:00Z', to: '2026-03-04T12:00:00Z' });
  expect(importRange(new URLSearchParams('g0.expr=up&g0.range_input=1h'))).toEqual({ from: 'now-1h', to: 'now' });
  expect(importRange(new URLSearchParams('g0.expr=up&g0.range_input=1h&from=now-5m'))).toBeNull();
  expect(importRange(new URLSearchParams('g0.expr=up'))).toBeNull();
});

test('panels survive the URL', () => {
  const panels = [
    { ...emptyPanel, expr: 'a{b="c&d"}', tab: 'heatmap' as const, log: true, hidden: true, unit: 'bytes' as const },
    { ...emptyPanel },
    { ...emptyPanel, expr: 'up # 100%', tab: 'table' as const, step: 15, stack: true, zero: true, exemplars: true },
  ];
  const q = queryText(encodePanels(panels, new URLSearchParams('from=now-6h&g7.expr=old')));
  expect(decode(q)).toEqual(panels);
  expect(q).toContain('from=now-6h');
  expect(q).not.toContain('old');
});

test('one empty panel needs no URL, and no URL is one empty panel', () => {
  expect(queryText(encodePanels([emptyPanel], new URLSearchParams()))).toBe('');
  expect(decode('')).toEqual([emptyPanel]);
});

test('a hand-made link cannot ask for a thousand queries', () => {
  expect(decode(Array.from({ length: 900 }, (_, i) => `g${i}.expr=up`).join('&'))).toHaveLength(20);
});

test.each([
  ['1:6: parse error: unclosed left parenthesis', 'nope(x', 5],
  ['invalid parameter "query": 2:3: parse error: unexpected', 'sum(\n  )', 7],
  ['metric might not be a counter: "x" (1:6)', 'rate(x[5m])', 5],
  ['9:9: parse error: beyond', 'up', null],
  ['query timed out', 'up', null],
])('where %s points', (message, expr, want) => expect(positionIn(message, expr)).toBe(want));
