import { describe, expect, it } from 'vitest';
import { callTree, compareTraces, flames } from './calls';
import { bySpan, criticalPath } from './critical';
import { findSpans } from './find';
import { makeTrace, randomSpans, rawTrace, texts, type Short } from './fixtures';
import { formatMs, textOf, valueOf } from './model';
import { readTraces, Unreadable, writeOTLP } from './read';
import { foldedScale, gapsOf, plainScale, roundStep, ticks } from './scale';
import { skewPairs, skews, withoutSkew } from './skew';
import { quantile, statistics } from './stats';
import { buildTrace, deepest, errorsBelow, foldBelow, nextIndex, unfoldedTo, visibleRows } from './tree';

/** The tree as one line: names in preorder, with their depth. */
const drawn = (spans: readonly Short[]) => { const t = makeTrace(spans); return t.spans.map((s, i) => '.'.repeat(t.depth[i]!) + s.id).join(' '); };

describe('the tree', () => {
  const f = (spans: readonly Short[], want: string) => expect(drawn(spans)).toBe(want);
  it('puts parents before children and children in order of their start', () => {
    f([{ id: 'c', parent: 'a', start: 5 }, { id: 'b', parent: 'a', start: 1 }, { id: 'a' }, { id: 'd', parent: 'b', start: 2 }], 'a .b ..d .c');
    f([], '');
    f([{ id: 'b', start: 3 }, { id: 'a', start: 1 }], 'a b');
  });
  it('keeps spans whose parent is missing as roots', () => {
    f([{ id: 'a' }, { id: 'x', parent: 'gone', start: 4 }, { id: 'y', parent: 'x', start: 5 }], 'a x .y');
    const t = makeTrace([{ id: 'x', parent: 'gone', duration: 900 }, { id: 'a', start: 4 }]);
    expect(t.odd.get(0)).toBe('orphan');
    expect(t.spans[t.main]!.id).toBe('a'); // not an orphan, though it is shorter
  });
  it('cuts cycles at the earliest span and loses nothing', () => {
    f([{ id: 'a', parent: 'c', start: 2 }, { id: 'b', parent: 'a', start: 1 }, { id: 'c', parent: 'b', start: 3 }, { id: 'd', parent: 'c', start: 4 }, { id: 'r', start: 0 }], 'r b .c ..a ..d');
    f([{ id: 'a', parent: 'a' }], 'a');
    expect(makeTrace([{ id: 'a', parent: 'a' }]).odd.get(0)).toBe('cycle');
    f([{ id: 'a', parent: 'b', start: 1 }, { id: 'b', parent: 'a', start: 1 }, { id: 'c', parent: 'd', start: 2 }, { id: 'd', parent: 'c', start: 3 }], 'a .b c .d');
  });
  it('marks a span that came twice, and puts a server below a client of the same id', () => {
    const t = makeTrace([{ id: 'a' }, { id: 'b', parent: 'a' }, { id: 'b', parent: 'a' }]);
    expect([...t.odd.values()]).toEqual(['duplicate']);
    f([{ id: 'a', kind: 'client', duration: 20 }, { id: 'a', kind: 'server', start: 1 }, { id: 'q', parent: 'a', start: 2 }], 'a .a ..q');
    f([{ id: 'a', kind: 'server', start: 1 }, { id: 'a', kind: 'client' }, { id: 'q', parent: 'a', start: 2 }], 'a .a ..q');
  });
  it('tells a span’s own time: its children counted once where they overlap, and only within it', () => {
    const t = makeTrace([{ id: 'a', duration: 100 }, { id: 'b', parent: 'a', start: 10, duration: 30 }, { id: 'c', parent: 'a', start: 20, duration: 30 }, { id: 'd', parent: 'a', start: 90, duration: 50 }]);
    expect([...t.self]).toEqual([50, 30, 30, 50]);
    expect([t.from, t.to]).toEqual([0, 140]);
  });
  it('folds, and unfolds towards a span', () => {
    const t = makeTrace([{ id: 'a' }, { id: 'b', parent: 'a' }, { id: 'c', parent: 'b' }, { id: 'd', parent: 'a', start: 5, error: true }]);
    expect([...visibleRows(t, new Set([1]))]).toEqual([0, 1, 3]);
    expect([...visibleRows(t, foldBelow(t, 1))]).toEqual([0]);
    expect([...visibleRows(t, foldBelow(t, 2))]).toEqual([0, 1, 3]);
    expect([...unfoldedTo(t, new Set([0, 1]), 2)]).toEqual([]);
    expect(deepest(t)).toBe(3);
    expect([...errorsBelow(t)]).toEqual([1, 0, 0, 0]);
    expect(t.errors).toBe(1);
  });
  it('finds the next of a kind, round the end', () => {
    expect(nextIndex(5, 3, 1, (i) => i === 1)).toBe(1);
    expect(nextIndex(5, 1, -1, (i) => i === 1)).toBe(1);
    expect(nextIndex(5, -1, 1, (i) => i === 0)).toBe(0);
    expect(nextIndex(5, 1, 1, () => false)).toBe(-1);
    expect(nextIndex(0, -1, 1, () => true)).toBe(-1);
  });
});

describe('50,000 spans', () => {
  it('as a chain: nothing recurses', () => {
    const n = 50_000;
    const t = makeTrace(Array.from({ length: n }, (_, i): Short => ({ id: `s${i}`, parent: i === 0 ? '' : `s${i - 1}`, start: i / 1000, duration: 1000 - i / 500 })));
    expect(deepest(t)).toBe(n);
    expect(t.end[0]).toBe(n);
    expect(criticalPath(t).at(-1)!.to).toBeCloseTo(1000);
    const calls = callTree([t]);
    expect(calls).toHaveLength(n);
    expect(flames(calls).at(-1)!.depth).toBe(n - 1);
    expect(compareTraces(t, t).every((d) => d.verdict === 'same')).toBe(true);
    expect(visibleRows(t, foldBelow(t, 10))).toHaveLength(10);
  });
  it('as a ring of parents', () => {
    const n = 50_000;
    const t = makeTrace(Array.from({ length: n }, (_, i): Short => ({ id: `s${i}`, parent: `s${(i + n - 1) % n}`, start: i })));
    expect(t.roots).toEqual([0]);
    expect(t.odd.size).toBe(1);
    expect(deepest(t)).toBe(n);
  });
  it('of all shapes: own times and stretches are those of the trace', () => {
    const t = makeTrace(randomSpans(50_000));
    expect(t.spans).toHaveLength(50_000);
    const path = criticalPath(t);
    expect(path.reduce((sum, s) => sum + s.to - s.from, 0)).toBeCloseTo(1000, 6);
    for (let i = 1; i < path.length; i++) expect(path[i]!.from).toBeGreaterThanOrEqual(path[i - 1]!.to - 1e-9);
    for (let i = 1; i < t.spans.length; i++) if (t.parent[i]! >= i || t.end[t.parent[i]!]! < t.end[i]!) throw new Error(`span ${i} is not below its parent`);
  });
});

describe('the critical path', () => {
  const f = (spans: readonly Short[], want: string) => { const t = makeTrace(spans); expect(criticalPath(t).map((s) => `${t.spans[s.span]!.id} ${s.from}-${s.to}`).join(', ')).toBe(want); };
  it('goes back from the end through what ended last', () => {
    f([{ id: 'a', duration: 100 }, { id: 'b', parent: 'a', start: 10, duration: 30 }, { id: 'c', parent: 'a', start: 50, duration: 40 }], 'a 0-10, b 10-40, a 40-50, c 50-90, a 90-100');
    f([{ id: 'a', duration: 100 }, { id: 'b', parent: 'a', start: 10, duration: 60 }, { id: 'c', parent: 'a', start: 50, duration: 40 }], 'a 0-50, c 50-90, a 90-100');
    f([{ id: 'a', duration: 100 }, { id: 'b', parent: 'a', start: 10, duration: 80 }, { id: 'd', parent: 'b', start: 20, duration: 10 }], 'a 0-10, b 10-20, d 20-30, b 30-90, a 90-100');
  });
  it('ends with the root: a child that was left alone counts no longer', () => {
    f([{ id: 'a', duration: 100 }, { id: 'b', parent: 'a', start: 50, duration: 500 }], 'a 0-50, b 50-100');
    f([{ id: 'a', duration: 100 }, { id: 'b', parent: 'a', start: 200, duration: 500 }], 'a 0-100');
  });
  it('stays within the root when clocks differ', () => f([{ id: 'a', start: 10, duration: 100 }, { id: 'b', parent: 'a', start: 0, duration: 50 }], 'b 10-50, a 50-110'));
  it('is nothing for nothing', () => {
    expect(criticalPath(makeTrace([]))).toEqual([]);
    const t = makeTrace([{ id: 'a', duration: 100 }, { id: 'b', parent: 'a', start: 10, duration: 30 }]);
    expect(bySpan(criticalPath(t)).get(0)).toHaveLength(2);
  });
});

describe('the line of time', () => {
  const spans = [{ id: 'a', duration: 10 }, { id: 'b', start: 1000, duration: 10 }];
  it('folds what nothing happens in', () => {
    const t = makeTrace(spans);
    expect(gapsOf(t)).toEqual([{ from: 10, to: 1000 }]);
    const s = foldedScale(t);
    expect(s.folds).toHaveLength(1);
    expect(s.x(0)).toBe(0);
    expect(s.x(1010)).toBe(1);
    expect(s.x(10)).toBeCloseTo(0.4875);
    expect(s.x(1000)).toBeCloseTo(0.5125);
    for (const x of [0, 0.2, 0.5, 0.9, 1]) expect(s.x(s.t(x))).toBeCloseTo(x);
  });
  it('leaves a trace without gaps, and one that is a gap alone', () => {
    const f = (list: Short[]) => { const t = makeTrace(list); expect(foldedScale(t).folds).toEqual([]); expect(foldedScale(t).x(t.to)).toBe(t.to > t.from ? 1 : 0); };
    f([{ id: 'a', duration: 100 }]);
    f(Array.from({ length: 30 }, (_, i) => ({ id: `${i}`, start: i, duration: 1 })));
    f([{ id: 'a', duration: 0 }]);
  });
  it('has ticks at round times', () => {
    const t = makeTrace([{ id: 'a', duration: 1000 }]);
    expect(ticks(plainScale(t), 0, 1, 5, formatMs).map((x) => x.text)).toEqual(['0 ms', '200 ms', '400 ms', '600 ms', '800 ms', '1 s']);
    expect(ticks(plainScale(t), 0.5, 0.6, 4, formatMs).map((x) => x.text)).toEqual(['500 ms', '550 ms', '600 ms']);
    expect(ticks(foldedScale(makeTrace(spans)), 0, 1, 6, formatMs).map((x) => x.text)).toEqual(['0 ms', '5 ms', '10 ms', '1 s', '1.01 s']);
    expect(roundStep(0)).toBe(0);
    expect(roundStep(200_000)).toBe(300_000);
  });
});

describe('statistics', () => {
  it('of services and operations', () => {
    const t = makeTrace([{ id: 'a', service: 'web', duration: 100 }, { id: 'b', name: 'get', service: 'db', parent: 'a', start: 10, duration: 30, error: true }, { id: 'c', name: 'get', service: 'db', parent: 'a', start: 50, duration: 10 }]);
    expect(statistics(t, 'service').map((r) => [r.service, r.count, r.errors, r.total, r.self, r.p95])).toEqual([['web', 1, 0, 100, 60, 100], ['db', 2, 1, 40, 40, 30]]);
    expect(statistics(t, 'operation').map((r) => r.name)).toEqual(['a', 'get']);
    expect(statistics(t, 'kind')).toHaveLength(1);
    expect(quantile([1, 2, 3, 4], 0.5)).toBe(2);
    expect(quantile([], 0.5)).toBe(0);
  });
});

describe('calls', () => {
  const a = makeTrace([{ id: '1', name: 'root', duration: 100 }, { id: '2', name: 'get', service: 'db', parent: '1', start: 10, duration: 10 }, { id: '3', name: 'get', service: 'db', parent: '1', start: 30, duration: 10 }, { id: '4', name: 'old', parent: '1', start: 60, duration: 5 }]);
  const b = makeTrace([{ id: '1', name: 'root', duration: 180 }, { id: '2', name: 'get', service: 'db', parent: '1', start: 10, duration: 90 }, { id: '5', name: 'new', parent: '2', start: 20, duration: 50, error: true }]);
  it('are one where they are the same', () => {
    expect(callTree([a]).map((n) => `${n.depth}${n.name}×${n.sums[0]!.count}`)).toEqual(['0root×1', '1get×2', '1old×1']);
    const f = flames(callTree([a]));
    expect(f.map((x) => [x.x0, x.x1])).toEqual([[0, 1], [0, 0.2], [0.2, 0.25]]);
    expect(flames(callTree([a]), 1)).toMatchObject([{ node: 1, x0: 0, x1: 1, depth: 0 }]);
  });
  it('are compared', () => {
    expect(compareTraces(a, b).map((d) => [d.name, d.verdict, d.delta, d.below])).toEqual([['root', 'slower', 80, true], ['get', 'slower', 70, true], ['new', 'added', 50, true], ['old', 'removed', -5, true]]);
    expect(compareTraces(a, a).some((d) => d.below)).toBe(false);
  });
});

describe('clocks', () => {
  it('that differ are found and put right', () => {
    const t = makeTrace([{ id: 'a', service: 'web', kind: 'client', duration: 100 }, { id: 'b', parent: 'a', service: 'api', kind: 'server', start: -400, duration: 80 }, { id: 'c', parent: 'b', service: 'api', start: -390, duration: 10 }]);
    const found = skews(t);
    expect(found.map((s) => [s.client, s.server, s.ms])).toEqual([['web', 'api', -410]]);
    expect(withoutSkew(t, found).map((s) => s.start)).toEqual([0, 10, 20]);
    expect(skewPairs(found)).toEqual([{ client: 'web', server: 'api', ms: -410, spans: 1 }]);
    expect(skews(makeTrace([{ id: 'a', service: 'web', duration: 100 }, { id: 'b', parent: 'a', service: 'api', kind: 'server', start: 50, duration: 500 }]))).toEqual([]);
  });
});

describe('searching', () => {
  it('looks at names, services, ids and attributes', () => {
    const t = makeTrace([{ id: 'a', name: 'GET /cart', attributes: { 'http.status_code': '500', user: 'Ana Maria' } }, { id: 'b', name: 'SELECT', service: 'db', start: 1 }]);
    const f = (q: string, want: number[]) => expect(findSpans(t, q)).toEqual(want);
    f('cart', [0]); f('DB', [1]); f('http.status_code=500', [0]); f('status_code=500', [0]); f('code=404', []); f('get cart', [0]); f('"ana maria"', [0]); f('service.name=db select', [1]); f('', []);
  });
});

describe('formats of others', () => {
  const f = (content: unknown) => readTraces(typeof content === 'string' ? content : JSON.stringify(content));
  const span = { traceId: '0AF7651916CD43DD8448EB211C80319C', spanId: 'b7ad6b7169203331', parentSpanId: '', name: 'GET', kind: 2, startTimeUnixNano: '1764000000000000001', endTimeUnixNano: '1764000000012345679', status: { code: 2, message: 'no' }, attributes: [{ key: 'n', value: { intValue: '9007199254740993' } }], events: [{ timeUnixNano: '1764000000000001001', name: 'exception', attributes: [] }], links: [{ traceId: 'ff', spanId: '01', attributes: [] }] };
  const otlp = { resourceSpans: [{ resource: { attributes: texts({ 'service.name': 'shop' }) }, scopeSpans: [{ scope: { name: 'lib', version: '2' }, spans: [span] }] }] };
  it('OpenTelemetry', () => {
    const [t] = f(otlp);
    expect(t).toMatchObject({ id: '0af7651916cd43dd8448eb211c80319c', base: 1764000000000000001n, resources: [{ service: 'shop' }], scopes: [{ name: 'lib', version: '2' }] });
    expect(t!.spans[0]).toMatchObject({ id: 'b7ad6b7169203331', parent: '', kind: 'server', status: 'error', message: 'no', start: 0, duration: 12.345678, events: [{ time: 0.001, name: 'exception' }], links: [{ trace: '000000000000000000000000000000ff', span: '0000000000000001' }] });
    expect(textOf(t!.spans[0]!.attributes[0]!.value)).toBe('9007199254740993');
    expect(f(`${JSON.stringify(otlp)}\n${JSON.stringify(otlp)}\n`)[0]!.spans).toHaveLength(2);
    expect(f({ trace: otlp })[0]!.spans).toHaveLength(1);
    expect(f({ batches: otlp.resourceSpans })[0]!.spans).toHaveLength(1);
  });
  it('OpenTelemetry with ids in Base64 and names for numbers', () => {
    const [t] = f({ resourceSpans: [{ scopeSpans: [{ spans: [{ ...span, traceId: 'CvdlGRbNQ92ESOshHIAxnA==', spanId: 't61rcWkgMzE=', kind: 'SPAN_KIND_CLIENT', status: { code: 'STATUS_CODE_OK' } }] }] }] });
    expect(t).toMatchObject({ id: '0af7651916cd43dd8448eb211c80319c', spans: [{ id: 'b7ad6b7169203331', kind: 'client', status: 'ok' }] });
  });
  it('what is written is read as it was', () => {
    const [t] = f(otlp);
    expect(f(writeOTLP(t!))).toEqual([t]);
    const made = rawTrace(randomSpans(200));
    expect(f(writeOTLP({ ...made, spans: made.spans.map((s, i) => ({ ...s, id: (i + 1).toString(16).padStart(16, '0'), parent: '', start: Math.round(s.start * 1e6) / 1e6, duration: Math.round(s.duration * 1e6) / 1e6 })) }))[0]!.spans).toHaveLength(200);
  });
  it('Jaeger', () => {
    const [t] = f({ data: [{ traceID: 'abc', processes: { p1: { serviceName: 'shop', tags: [{ key: 'host.name', type: 'string', value: 'web-1' }] } }, spans: [
      { traceID: 'abc', spanID: '1', operationName: 'GET', references: [], startTime: 1764000000000000, duration: 1500, processID: 'p1', tags: [{ key: 'span.kind', type: 'string', value: 'server' }, { key: 'error', type: 'bool', value: true }, { key: 'n', type: 'int64', value: 7 }], logs: [{ timestamp: 1764000000000100, fields: [{ key: 'event', type: 'string', value: 'retry' }, { key: 'n', type: 'int64', value: 1 }] }] },
      { traceID: 'abc', spanID: '2', operationName: 'q', references: [{ refType: 'CHILD_OF', traceID: 'abc', spanID: '1' }, { refType: 'FOLLOWS_FROM', traceID: 'def', spanID: '9' }], startTime: 1764000000000200, duration: 100, processID: 'p1', tags: [], logs: [] },
    ] }] });
    expect(t).toMatchObject({ id: '00000000000000000000000000000abc', resources: [{ service: 'shop' }] });
    expect(t!.spans[0]).toMatchObject({ kind: 'server', status: 'error', duration: 1.5, attributes: [{ key: 'n', value: { intValue: '7' } }], events: [{ name: 'retry', time: 0.1 }] });
    expect(t!.spans[1]).toMatchObject({ parent: '0000000000000001', start: 0.2, links: [{ trace: '00000000000000000000000000000def' }] });
  });
  it('Zipkin', () => {
    const [t] = f([{ traceId: 'abc', id: '1', name: 'get', kind: 'CLIENT', timestamp: 1764000000000000, duration: 2000, localEndpoint: { serviceName: 'web' }, tags: { error: 'timeout' } }, { traceId: 'abc', id: '1', kind: 'SERVER', shared: true, timestamp: 1764000000000500, duration: 1000, localEndpoint: { serviceName: 'api' } }]);
    expect(buildTrace(t!).spans.map((s) => [s.kind, s.status])).toEqual([['client', 'error'], ['server', 'unset']]);
  });
  it('refuses what is none, with a sentence', () => {
    const refuse = (content: string, want: RegExp) => { expect(() => readTraces(content)).toThrow(Unreadable); expect(() => readTraces(content)).toThrow(want); };
    refuse('nope', /not JSON/);
    refuse('{}', /no spans/);
    refuse('[[[[[[]]]]]]', /no spans/);
    refuse('{"resourceSpans": [{"scopeSpans": null}, 7, null]}', /no spans/);
    refuse('{"data": [{"traceID": 1, "spans": [null, 3]}]}', /no spans/);
  });
  it('survives what is odd within', () => {
    const [t] = f({ resourceSpans: [{ scopeSpans: [{ spans: [{ traceId: '1', spanId: {}, startTimeUnixNano: 'soon', endTimeUnixNano: -5, kind: 99, status: 7, attributes: [null, { key: 3, value: { arrayValue: 5 } }], events: [{}], links: 'x' }] }] }] });
    expect(t!.spans[0]).toMatchObject({ id: '', name: '', kind: 'unspecified', status: 'unset' });
  });
});

describe('values', () => {
  it('are written for reading', () => {
    const f = (v: unknown, want: string) => expect(textOf(valueOf(v))).toBe(want);
    f('a', 'a'); f(7, '7'); f(0.5, '0.5'); f(true, 'true'); f(['a', 1], '["a", 1]'); f({ a: { b: 'c' } }, '{a: {b: "c"}}'); f(null, '');
  });
  it('durations too', () => {
    const f = (ms: number, want: string) => expect(formatMs(ms)).toBe(want);
    f(0, '0 ms'); f(0.00025, '250 ns'); f(0.85, '850 µs'); f(12.34, '12.3 ms'); f(999.6, '1 s'); f(1240, '1.24 s'); f(200_000, '3 min 20 s'); f(7_200_000, '2 h'); f(-5, '−5 ms'); f(3 * 86_400_000, '3 d');
  });
});
