import { expect, test } from 'vitest';
import { compareNs, fieldsOf, isoNs, joinPages, jsonFields, keyTime, levelOf, lineKey, logfmtFields, nsOf, Rows, rowLevel, secondsOf, shiftNs, subMillis, valueOf, type Row } from './records';
import { ansi, pieces, patternPieces } from './text';
import { Heights } from './heights';
import { decodeState, emptyState, encodeState } from './state';
import { mergeFacets, skippedShare, type FacetsReply } from './facets';
import { remembered } from './history';
import { queryText } from '../urlstate';

const t = (n: number) => `17000000000000000${String(n).padStart(2, '0')}`;
const rows = (make: Rows, list: [stream: string, n: number, line?: string][]) => make.all(list.map(([a, n, line]) => ({ stream: { a }, values: [[t(n), line ?? `${a}${n}`]] })), true);

test('streams are merged by time, in either order', () => {
  const raw = [{ stream: { a: 'x' }, values: [[t(3), 'x3'], [t(1), 'x1']] as const }, { stream: { a: 'y' }, values: [[t(2), 'y2']] as const }];
  expect(new Rows().all(raw, true).map((r) => r.line)).toEqual(['x3', 'y2', 'x1']);
  expect(new Rows().all(raw, false).map((r) => r.line)).toEqual(['x1', 'y2', 'x3']);
});

test('pages meet without loss and without doubles', () => {
  const make = new Rows();
  const have = rows(make, [['x', 5], ['x', 4], ['x', 4], ['y', 4]]);
  const next = rows(make, [['x', 4], ['x', 4], ['x', 4], ['y', 4], ['x', 3]]);
  expect(joinPages(have, next).map((r) => r.line)).toEqual(['x5', 'x4', 'x4', 'y4', 'x4', 'x3']);
  expect(joinPages([], next)).toHaveLength(5);
});

test('times keep their nanoseconds', () => {
  expect(compareNs('1700000000000000001', '1700000000000000002')).toBe(-1);
  expect(compareNs('999', '1000')).toBeLessThan(0);
  expect(shiftNs('1700000000000000001', -2)).toBe('1699999999999999999');
  expect(nsOf(1700000000.123)).toBe('1700000000123000000');
  expect(secondsOf('1700000000500000000')).toBe(1700000000.5);
  expect(isoNs('1700000000000000007')).toBe('2023-11-14T22:13:20.000000007Z');
  expect(subMillis('1700000000123456700')).toBe('4567');
  expect(subMillis('1700000000123000000')).toBe('');
});

test('a line is known again by its key', () => {
  const [a] = rows(new Rows(), [['x', 1]]);
  const [b] = rows(new Rows(), [['x', 1]]);
  const [c] = rows(new Rows(), [['y', 1, 'x1']]);
  expect(lineKey(a!)).toBe(lineKey(b!));
  expect(lineKey(a!)).not.toBe(lineKey(c!));
  expect(keyTime(lineKey(a!))).toBe(t(1));
  expect(keyTime('x~1')).toBeNull();
});

test('levels by any name', () => {
  expect(['ERROR', 'warning', 'Notice', 'emerg', 'crit', 'what', undefined].map(levelOf)).toEqual(['error', 'warn', 'info', 'fatal', 'critical', 'unknown', 'unknown']);
  const row = (stored: Record<string, string>, labels: Record<string, string>): Row => ({ id: 1, ns: '1', line: '', stream: { labels, id: '' }, stored, parsed: {} });
  expect(rowLevel(row({ detected_level: 'warn' }, { level: 'info' }))).toBe('warn');
  expect(rowLevel(row({}, { level: 'err' }))).toBe('error');
});

test('the fields of a line, as the server names them', () => {
  expect(jsonFields('{"a":1,"b":{"c.d":"x","e":null,"f":[1]},"g":true,"1st":"y"}')!.map((f) => [f.name, f.value])).toEqual([['a', '1'], ['b_c_d', 'x'], ['g', 'true'], ['_1st', 'y']]);
  expect(jsonFields('[1]')).toBeNull();
  expect(jsonFields('{"a":')).toBeNull();
  expect(logfmtFields('level=info msg="a \\"b\\"" took=1.5ms empty= user.id=7')!.map((f) => [f.name, f.value])).toEqual([['level', 'info'], ['msg', 'a "b"'], ['took', '1.5ms'], ['user_id', '7']]);
  expect(logfmtFields('the answer a=1 and b=2')).toBeNull();
  expect(logfmtFields('a=1 is prose')).toBeNull();
  expect(jsonFields(`{"a":${'{"a":'.repeat(3000)}1${'}'.repeat(3000)}}`)).not.toBeNull();
});

test('every field with where it came from; the query beats the line', () => {
  const [row] = new Rows().make({ stream: { host: 'h' }, values: [['1', '{"status":200,"host":"inner","msg":"x"}', { structuredMetadata: { trace_id: 'abc' }, parsed: { status: '200', host_extracted: 'inner' } }]] });
  expect(fieldsOf(row!, 'json').map((f) => `${f.source} ${f.name}=${f.value}`)).toEqual(['label host=h', 'stored trace_id=abc', 'json host_extracted=inner', 'json status=200', 'json msg=x']);
  expect([valueOf(row!, 'status'), valueOf(row!, 'trace_id'), valueOf(row!, 'host'), valueOf(row!, 'msg'), valueOf(row!, 'no')]).toEqual(['200', 'abc', 'h', 'x', undefined]);
});

test('a line in pieces: marks and terminal colours', () => {
  expect(pieces('one two one', [{ text: 'one', anyCase: false }]).map((p) => [p.text, p.mark])).toEqual([['one', true], [' two ', false], ['one', true]]);
  expect(pieces('aXbxc', [{ text: 'x', anyCase: true }]).filter((p) => p.mark)).toHaveLength(2);
  expect(pieces('abc', [{ text: 'ab', anyCase: false }, { text: 'bc', anyCase: false }]).map((p) => [p.text, p.mark])).toEqual([['ab', true], ['c', false]]);
  expect(pieces('\x1b[1;31mERR\x1b[0m it \x1b[38;5;12mblue\x1b[39m', [{ text: 'RR it', anyCase: false }])).toEqual([
    { text: 'E', mark: false, style: 'bold c1' }, { text: 'RR', mark: true, style: 'bold c1' }, { text: ' it', mark: true, style: '' }, { text: ' ', mark: false, style: '' }, { text: 'blue', mark: false, style: '' },
  ]);
  expect(ansi('\x1b]0;title\x07x\x1b[2Ky').text).toBe('xy');
  expect(pieces('a\x00b\tc', [])[0]!.text).toBe('a␀b\tc');
  expect(patternPieces('GET <_> took <_>').map((p) => p.wild)).toEqual([false, true, false, true]);
});

test('heights: a naive list agrees', () => {
  let seed = 7;
  const random = (n: number) => (seed = (seed * 1103515245 + 12345) % 2147483648) % n;
  for (const n of [1, 2, 7, 64, 100]) {
    const h = new Heights(n, 20);
    const plain = new Array<number>(n).fill(20);
    for (let k = 0; k < 200; k++) {
      const i = random(n);
      plain[i] = 5 + random(90);
      h.set(i, plain[i]!);
      const at = random(n);
      expect(h.offset(at)).toBe(plain.slice(0, at).reduce((a, b) => a + b, 0));
      const y = random(h.total);
      let want = 0;
      for (let sum = plain[0]!; sum <= y; sum += plain[++want]!);
      expect(h.find(y)).toBe(want);
    }
    expect(h.find(-5)).toBe(0);
    expect(h.find(1e9)).toBe(n - 1);
  }
});

test('the state survives the URL, and its defaults need none', () => {
  const state = { query: '{a="b&c"} |= `x`', shape: 'table' as const, columns: ['host', 'status'], wrap: true, ascending: true, live: true, line: '17~abc' };
  const text = queryText(encodeState(state, new URLSearchParams('from=now-6h&as=json&l.env=prod')));
  expect(decodeState(new URLSearchParams(text))).toEqual(state);
  expect(text).toContain('from=now-6h&l.env=prod');
  expect(queryText(encodeState(emptyState, new URLSearchParams()))).toBe('');
  expect(decodeState(new URLSearchParams('as=nope&line=<script>&columns=,a,a,'))).toEqual({ ...emptyState, columns: ['a'] });
});

test('facets keep what the query says of them', () => {
  const reply: FacetsReply = { records: 10, sampled: false, facets: [
    { name: 'host', source: 'label', type: 'string', count: 10, cardinality: 2, values: [{ value: 'a', count: 6 }, { value: 'b', count: 4 }] },
    { name: 'status', source: 'json', type: 'int', count: 8, cardinality: 1, values: [{ value: '200', count: 8 }], min: 200, max: 200 },
  ] };
  const got = mergeFacets(reply, '{host=~"a|c", env="prod"} | json | status!="500" | user="me"');
  expect(got.map((f) => `${f.source} ${f.name}: ${f.values.map((v) => `${v.value} ${v.count} ${v.standing}`).join(', ')}`)).toEqual([
    'label env: prod 0 included', 'parsed user: me 0 included', 'label host: a 6 included, b 4 , c 0 included', 'json status: 200 8 , 500 0 excluded',
  ]);
  expect(got[3]).toMatchObject({ numeric: true, min: 200, max: 200, unique: false });
  expect(skippedShare({ groups: 200, groupsSkipped: 194 })).toBe(0.97);
  expect(skippedShare({})).toBeNull();
});

test('the history keeps what has a name, and each query once', () => {
  const list = [{ query: 'a', at: 1 }, { query: 'b', at: 0, name: 'mine' }];
  expect(remembered(list, 'b', 5)).toEqual([{ query: 'b', at: 5, name: 'mine' }, { query: 'a', at: 1 }]);
  expect(remembered(list, ' {} ', 5)).toEqual(list);
  const many = Array.from({ length: 250 }, (_, i) => ({ query: `q${i}`, at: 0 }));
  expect(remembered([...many, { query: 'n', at: 0, name: 'x' }], 'new', 1)).toHaveLength(201);
});
