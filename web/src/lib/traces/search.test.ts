import { describe, expect, it } from 'vitest';
import { bounds, health, line, partOf } from './map';
import { narrowed, regionQuery } from './query';
import { graphQueries, redQueries, redRows, tracedQuery } from './red';
import { decodeRegion, decodeSearch, durationAxis, durationTicks, encodeRegion, encodeSearch, lift, strength } from './search';
import { readComparison, readHeat, readMap, readSearch, readValues } from './wire';

describe('state of the search in the URL', () => {
  it('is the same after writing and reading', () => {
    const id = '0af7651916cd43dd8448eb211c80319c';
    const s = { query: '{status = error}', region: { start: 1_764_000_000.5, end: 1_764_000_100, min: 12.5, max: Infinity }, order: 'slowest' as const, picked: [id], limit: 200, dots: false };
    expect(decodeSearch(encodeSearch(s, new URLSearchParams('from=now-6h')))).toEqual(s);
  });
  it('mangled regions and ids are left out', () => {
    for (const bad of ['', '1~2', '5~3~1~2', '1~2~9~3', 'a~b~c~d', '1~2~-1~3']) expect(decodeRegion(bad)).toBeNull();
    expect(decodeRegion(encodeRegion({ start: 1, end: 2, min: 0, max: 3 }))).toEqual({ start: 1, end: 2, min: 0, max: 3 });
    expect(decodeSearch(new URLSearchParams('pick=x,0af7651916cd43dd8448eb211c80319c&limit=7&order=nope'))).toMatchObject({ picked: ['0af7651916cd43dd8448eb211c80319c'], limit: 50, order: 'newest' });
  });
  it('a region narrows the query by durations', () => {
    expect(regionQuery({ min: 1.5, max: 200 })).toBe('{duration >= 1500us && duration < 200000us}');
    expect(narrowed('', { min: 5, max: Infinity })).toBe('{duration >= 5000us}');
    expect(narrowed('{.a = 1}', { min: 5, max: Infinity })).toBe('{.a = 1} | {duration >= 5000us}');
    expect(narrowed('{.a = 1}', { min: 0, max: Infinity })).toBe('{.a = 1}');
    expect(narrowed('', null)).toBe('{}');
  });
});

describe('the chart of durations', () => {
  it('places durations and reads places back', () => {
    const a = durationAxis([1, 10, 100]);
    expect(a.y(1)).toBeCloseTo(0);
    expect(a.y(100)).toBeCloseTo(1);
    expect(a.ms(a.y(37))).toBeCloseTo(37);
    expect(a.y(0)).toBeCloseTo(0);
    expect(durationTicks(0.5, 1500)).toEqual([1, 10, 100, 1000]);
  });
  it('shows one among thousands', () => {
    expect(strength(0, 1000)).toBe(0);
    expect(strength(1, 100_000)).toBeGreaterThan(0.2);
    expect(strength(1000, 1000)).toBeCloseTo(1);
  });
  it('reads buckets that are powers of two of seconds', () => {
    const series = (le: number, ...samples: [number, number][]) => ({ labels: [{ key: '__bucket', value: { doubleValue: le } }], samples: samples.map(([t, value]) => ({ timestampMs: String(t * 1000), value })) });
    const h = readHeat({ series: [series(0.25, [110, 3], [120, 4]), series(1, [120, 1])] }, { series: [series(1, [120, 1])] }, 100, 120, 10);
    expect(h.columns).toBe(2);
    expect(h.total).toBe(8);
    const row = (ms: number) => h.edges.findIndex((e) => e === ms) - 1; // by its upper edge
    expect(h.counts[row(250)]).toEqual([3, 4]);
    expect(h.counts[row(1000)]).toEqual([0, 1]);
    expect(h.errors![row(1000)]).toEqual([0, 1]);
    expect(h.edges.length).toBe(h.counts.length + 1);
  });
  it('is empty without spans, not broken', () => {
    const h = readHeat({}, null, 0, 60, 10);
    expect(h.total).toBe(0);
    expect(h.edges.every(Number.isFinite)).toBe(true);
  });
});

describe("the server's answers", () => {
  it('search', () => {
    const r = readSearch({ traces: [{ traceID: 'f7651916cd43dd8448eb211c80319c', rootServiceName: 'web', rootTraceName: 'GET /', startTimeUnixNano: '1764000000500000000', durationMs: 12, serviceStats: { web: { spanCount: 2 }, db: { spanCount: 5, errorCount: 1 } }, spanSets: [{ matched: 3 }] }, { traceID: 'a', rootServiceName: '<root span not yet received>' }], metrics: { inspectedSpans: '99', completedJobs: 1, totalJobs: 2 } });
    expect(r.complete).toBe(false);
    expect(r.scannedSpans).toBe(99);
    expect(r.traces[0]).toMatchObject({ id: '00f7651916cd43dd8448eb211c80319c', spans: 7, errors: 1, matched: 3, duration: 12, start: 1_764_000_000.5 });
    expect(r.traces[0]!.services.map((s) => s.name)).toEqual(['db', 'web']);
    expect(r.traces[1]!.rootService).toBe('');
    expect(readSearch(null).traces).toEqual([]);
  });
  it('comparison: values of both sides side by side', () => {
    const one = (type: string, value: object, n: number) => ({ labels: [{ key: '__meta_type', value: { stringValue: type } }, { key: 'span.a', value }], samples: [{ timestampMs: '1', value: n }] });
    const c = readComparison({ series: [one('selection_total', { stringValue: 'nil' }, 10), one('baseline_total', { stringValue: 'nil' }, 100), one('selection', { intValue: '5' }, 8), one('baseline', { intValue: '5' }, 10)] });
    expect(c).toEqual({ selected: 10, others: 100, fields: [{ key: 'span.a', values: [{ value: '5', text: false, selected: 8, others: 10 }] }] });
    expect(lift(c.fields[0]!.values[0]!, c)).toBeCloseTo(0.7);
  });
  it('values, and maps with odd numbers in them', () => {
    expect(readValues({ tagValues: [{ type: 'string', value: 'b' }, { value: 'a' }, { value: '' }] })).toEqual(['a', 'b']);
    expect(readMap({ nodes: [{ name: 'a', x: 1, y: 2, rate: 'x', errors: 7, p95: 0.25 }], edges: null })).toEqual({ nodes: [{ name: 'a', kind: 'service', x: 1, y: 2, rate: 0, errors: 1, p95: 250 }], edges: [] });
  });
});

describe('the service map', () => {
  const node = (name: string, errors = 0) => ({ name, kind: 'service', x: 0, y: 0, rate: 1, errors, p95: null });
  const edge = (from: string, to: string, errors = 0) => ({ from, to, kind: '', rate: 1, errors, p95: null });
  const m = { nodes: [node('a'), node('b', 0.5), node('c'), node('d'), node('e')], edges: [edge('a', 'b'), edge('b', 'c'), edge('c', 'd'), edge('d', 'e')] };
  it('shows problems and their neighbours, or one and its neighbours', () => {
    expect(partOf(m, { problems: true, focus: '' }).nodes.map((n) => n.name)).toEqual(['a', 'b', 'c']);
    expect(partOf(m, { problems: false, focus: 'd' }).edges).toHaveLength(2);
    expect(partOf(m, { problems: false, focus: 'gone' })).toBe(m);
    expect(partOf({ nodes: [node('a')], edges: [] }, { problems: true, focus: '' }).nodes).toEqual([]);
  });
  it('says how things are, and draws lines forwards, backwards and to itself', () => {
    expect([health({ rate: 1, errors: 0 }), health({ rate: 1, errors: 0.02 }), health({ rate: 1, errors: 0.2 }), health({ rate: 0, errors: 0 })]).toEqual(['ok', 'warn', 'crit', 'idle']);
    for (const [a, b] of [[{ x: 0, y: 0 }, { x: 400, y: 9 }], [{ x: 400, y: 0 }, { x: 0, y: 9 }], [{ x: 5, y: 5 }, { x: 5, y: 5 }]] as const) expect(line(a, b)).toMatch(/^M[-\d. cC]+$/);
    expect(bounds([]).width).toBeGreaterThan(0);
  });
});

describe('rate, errors and durations', () => {
  it('are asked of the span metrics, quoted', () => {
    const q = redQueries('a "b"', 300, ['span_name']);
    expect(q.rate).toBe('sum by (span_name) (rate(traces_span_metrics_calls_total{service_name="a \\"b\\"",span_kind=~"SPAN_KIND_SERVER|SPAN_KIND_CONSUMER"}[300s]))');
    expect(q.errors).toContain('status_code="STATUS_CODE_ERROR"');
    expect(q.quantile(0.95)).toContain('sum by (span_name, le) (rate(traces_span_metrics_duration_seconds_bucket');
    expect(graphQueries('x', 'server', 60).rate).toBe('sum by (server) (rate(traces_service_graph_request_total{client="x"}[60s]))');
    expect(graphQueries('x', 'client', 60).quantile(0.5)).toContain('traces_service_graph_request_server_seconds{server="x"}');
    expect(tracedQuery('x', 600)).toBe('count(last_over_time(traces_span_metrics_calls_total{service_name="x"}[600s]))');
  });
  it('are joined into rows, the busiest first', () => {
    const s = (name: string, v: string) => ({ metric: { span_name: name }, value: [0, v] as [number, string] });
    expect(redRows('span_name', [s('a', '1'), s('b', '4')], [s('b', '1')], [s('b', 'NaN'), s('a', '0.2')])).toEqual([{ name: 'b', rate: 4, errors: 0.25, p95: null }, { name: 'a', rate: 1, errors: 0, p95: 0.2 }]);
  });
});
