import { describe, expect, it } from 'vitest';
import { isTraceID, logQuery, traceOfFields } from './logs';
import { field, quoteText, readDuration, readFilters, readTag, spanQuery, withFilter, writeFilters } from './query';
import { clampWindow, decodeTrace, encodeTrace, labelPlace, zoomWindow } from './state';

describe('state of a trace in the URL', () => {
  it('is the same after writing and reading, and leaves others alone', () => {
    const q = new URLSearchParams('from=now-6h&as=flame&span=00f067aa0ba902b7&find=a%3Db&critical=0&gaps=folded&clocks=corrected&by=kind');
    const s = decodeTrace(q);
    expect(s).toEqual({ shape: 'flame', span: '00f067aa0ba902b7', find: 'a=b', critical: false, gaps: true, deskew: true, by: 'kind' });
    expect(decodeTrace(encodeTrace(s, q))).toEqual(s);
    expect(encodeTrace(s, q).get('from')).toBe('now-6h');
  });
  it('has defaults for what is missing or wrong, and does not write them', () => {
    const s = decodeTrace(new URLSearchParams('as=nope&by=nope'));
    expect(s.shape).toBe('timeline');
    expect(s.by).toBe('operation');
    expect(encodeTrace(s, new URLSearchParams()).toString()).toBe('');
  });
});

describe('windows of the line', () => {
  it('stay within it', () => {
    const [lo, hi] = clampWindow(0.9, 1.4);
    expect(lo).toBeCloseTo(0.5);
    expect(hi).toBe(1);
    expect(clampWindow(0.4, 0.2)).toEqual([0.2, 0.4]);
    const [a, b] = clampWindow(0.5, 0.5);
    expect(b - a).toBeGreaterThan(0);
  });
  it('zoom about the place of the pointer', () => {
    const [a, b] = zoomWindow([0, 1], 0.5, 0.25);
    expect(a).toBeCloseTo(0.125);
    expect(b).toBeCloseTo(0.625);
    expect(zoomWindow([0.2, 0.4], 100, 0.5)).toEqual([0, 1]);
  });
  it('leave room for a label', () => {
    expect(labelPlace(0.1, 0.2)).toBe('after');
    expect(labelPlace(0.5, 1)).toBe('before');
    expect(labelPlace(0, 1)).toBe('on');
  });
});

describe('filters and TraceQL', () => {
  it('read back what they write', () => {
    const f = { service: 'shop "one"', operation: 'GET /a', status: 'error' as const, min: '100ms', max: '2s', tags: [{ key: '.http.status_code', op: '>=', value: '500', text: false }, { key: 'span.db.system', op: '=~', value: 'post.*', text: true }] };
    expect(readFilters(writeFilters(f))).toEqual(f);
    expect(writeFilters(f)).toBe('{resource.service.name = "shop \\"one\\"" && name = "GET /a" && status = error && duration >= 100ms && duration <= 2s && .http.status_code >= 500 && span.db.system =~ "post.*"}');
  });
  it('leave alone what says more than they can', () => {
    for (const q of ['{a = 1} | count() > 2', '{a = 1 || b = 2}', '{a = 1} >> {b = 2}', '{(a = 1)}', 'nonsense']) expect(readFilters(q)).toBeNull();
    expect(readFilters(' {} ')?.tags).toEqual([]);
  });
  it('a second comparison of the same field is a tag, not lost', () => {
    const q = '{name = "a" && name = "b"}';
    expect(writeFilters(readFilters(q)!)).toBe(q);
  });
  it('read tags as people write them', () => {
    expect(readTag('http.status_code=500')).toEqual({ key: '.http.status_code', op: '=', value: '500', text: false });
    expect(readTag('span.db.system != redis')).toEqual({ key: 'span.db.system', op: '!=', value: 'redis', text: true });
    expect(readTag('kind=server')).toEqual({ key: 'kind', op: '=', value: 'server', text: false });
    expect(readTag('a="1"')).toEqual({ key: '.a', op: '=', value: '1', text: true });
    expect(readTag('no comparison')).toBeNull();
  });
  it('read durations, a bare number as milliseconds', () => {
    expect([readDuration('250'), readDuration('1.5 s'), readDuration('20µs'), readDuration('soon'), readDuration('')]).toEqual(['250ms', '1.5s', '20µs', '', '']);
  });
  it('add a comparison, once', () => {
    const tag = { key: '.a', op: '=', value: '1', text: false };
    expect(withFilter('', tag)).toBe('{.a = 1}');
    expect(withFilter('{.a = 1}', tag)).toBe('{.a = 1}');
    expect(withFilter('{b = 1} | count() > 2', tag)).toBe('{b = 1} | count() > 2 && {.a = 1}');
  });
  it('write fields and values of a span', () => {
    expect(field('span', 'http.route')).toBe('span.http.route');
    expect(field('span', 'my key')).toBe('span."my key"');
    expect(spanQuery('resource', { key: 'n', value: { intValue: '5' } })).toBe('{resource.n = 5}');
    expect(spanQuery('span', { key: 'n', value: { stringValue: 'a "b"' } })).toBe('{span.n = "a \\"b\\""}');
    expect(quoteText('a\nb')).toBe('"a\\nb"');
  });
});

describe('logs and traces', () => {
  it('ask for lines that name the trace and the span', () => {
    expect(logQuery('ab')).toBe('{} |= any("ab")');
    expect(logQuery('ab', 'cd')).toBe('{} |= any("ab") |= any("cd")');
  });
  it('find the trace of a line among its fields', () => {
    const id = '0af7651916cd43dd8448eb211c80319c';
    expect(traceOfFields([{ name: 'msg', value: 'x' }, { name: 'traceId', value: id.toUpperCase() }, { name: 'span_id', value: '00F067AA0BA902B7' }])).toEqual({ trace: id, span: '00f067aa0ba902b7' });
    expect(traceOfFields([{ name: 'trace_id', value: '8448eb211c80319c' }])).toEqual({ trace: '00000000000000008448eb211c80319c', span: '' });
    expect(traceOfFields([{ name: 'trace_id', value: 'not one' }])).toBeUndefined();
    expect(isTraceID('0'.repeat(32))).toBe(false);
  });
});
