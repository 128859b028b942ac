import { expect, test } from 'vitest';
import { age, at, brief, checkPath, classicDuration, decode, filter, grouped, groupings, merge, newProblems, order, parseSearch, said, seconds, statesIn, summarize, wants, type Check } from './checks';
import type { View, Word } from './types';

function view(id: string, status: Word, patch: Partial<View> = {}): View {
  const [host, name] = id.split('/') as [string, string];
  return {
    id, spec: { host, name, kind: 'http', groups: patch.spec?.groups ?? [] }, status, hard: true, attempt: 3, hard_status: status, since: '2026-03-01T12:00:00Z', hard_since: '2026-03-01T12:00:00Z', last_check: '2026-03-01T12:30:00Z',
    last_ok: '0001-01-01T00:00:00Z', output: `${status} - ${name}`, duration: '12.5ms', flapping: false, flap_percent: 0, unreachable: false, stale: false, max_attempts: 3, latency: '0s', labels: { host, check: name }, held: false, running: false, ...patch,
  };
}
const check = (id: string, status: Word, patch: Partial<View> = {}): Check => decode(view(id, status, patch));
const ids = (list: readonly Check[]) => list.map((c) => c.id);

test('times and durations of Go', () => {
  expect(at('0001-01-01T00:00:00Z')).toBe(0);
  expect(at('1970-01-01T00:01:00Z')).toBe(60);
  expect(at(undefined)).toBe(0);
  expect(seconds('1m30s')).toBe(90);
  expect(seconds('12.5ms')).toBeCloseTo(0.0125);
  expect(seconds('250µs')).toBeCloseTo(0.00025);
  expect(seconds('1h0m0s')).toBe(3600);
});

test('unhandled problems first, by severity, then the newest', () => {
  const list = [
    check('a/ok', 'OK'), check('a/acked', 'CRITICAL', { handled: 'acknowledged' }), check('a/warn', 'WARNING'), check('b/old', 'CRITICAL', { since: '2026-03-01T10:00:00Z' }),
    check('a/new', 'CRITICAL'), check('a/unknown', 'UNKNOWN'), check('a/pending', 'PENDING'),
  ];
  expect(ids([...list].sort(order))).toEqual(['a/new', 'b/old', 'a/unknown', 'a/warn', 'a/acked', 'a/pending', 'a/ok']);
});

test('a search with prefixes', () => {
  const list = [check('web1/http', 'CRITICAL'), check('web2/http', 'OK'), check('db1/http', 'CRITICAL', { labels: { env: 'prod' } }), check('web1/load', 'WARNING', { spec: { host: 'web1', name: 'load', kind: 'load', groups: ['front'] } })];
  const found = (text: string) => ids(list.filter((c) => wants(parseSearch(text), c)));
  expect(found('h:web s:http')).toEqual(['web1/http', 'web2/http']);
  expect(found('h:web st:crit')).toEqual(['web1/http']);
  expect(found('h:web1 h:db')).toEqual(['web1/http', 'db1/http', 'web1/load']);
  expect(found('st:w,ok')).toEqual(['web2/http']); // one letter is no state
  expect(found('st:wa,ok')).toEqual(['web2/http', 'web1/load']);
  expect(found('g:fro')).toEqual(['web1/load']);
  expect(found('l:env=prod')).toEqual(['db1/http']);
  expect(found('"critical - http" db1')).toEqual(['db1/http']);
  expect(found('h:')).toHaveLength(4);
  expect(statesIn('crit,nonsense,unknown')).toEqual(['CRITICAL', 'UNKNOWN']);
});

test('filters of the address', () => {
  const list = [check('a/host', 'CRITICAL'), check('a/http', 'CRITICAL', { handled: 'host' }), check('b/http', 'OK')];
  expect(ids(filter(list, { text: '', states: [], handled: '0', scope: [] }))).toEqual(['a/host']);
  expect(ids(filter(list, { text: '', states: [], handled: '1', scope: [] }))).toEqual(['a/http']);
  expect(ids(filter(list, { text: '', states: ['OK'], handled: '', scope: [] }))).toEqual(['b/http']);
  expect(ids(filter(list, { text: '', states: [], handled: '', scope: [{ name: 'instance', values: ['b'] }] }))).toEqual(['b/http']);
});

test('groups: the worst that nobody handles stands first', () => {
  const list = [check('a/x', 'WARNING'), check('b/x', 'CRITICAL', { handled: 'acknowledged' }), check('c/x', 'OK'), check('a/y', 'OK')];
  const groups = grouped(list, 'host');
  expect(groups.map((g) => [g.value, g.worst, g.worstUnhandled, g.checks.length])).toEqual([['a', 'WARNING', 'WARNING', 2], ['b', 'CRITICAL', 'OK', 1], ['c', 'OK', 'OK', 1]]);
  expect(groupings(list)).toEqual(['host', 'check', 'kind']);
});

test('counts', () => {
  const s = summarize([check('a/host', 'CRITICAL'), check('b/host', 'CRITICAL', { unreachable: true, handled: 'unreachable' }), check('c/host', 'OK'), check('c/http', 'WARNING')]);
  expect(s.hosts).toEqual({ up: 1, down: 1, unreachable: 1, pending: 0 });
  expect(s.unhandled).toEqual({ CRITICAL: 1, WARNING: 1 });
  expect(s.handled).toEqual({ CRITICAL: 1 });
  expect(said(check('a/host', 'CRITICAL'))).toBe('DOWN');
  expect(said(check('a/host', 'CRITICAL', { unreachable: true }))).toBe('UNREACHABLE');
});

test('news is what became a problem, or a worse one, and is not handled', () => {
  const before = [check('a/x', 'WARNING'), check('a/y', 'CRITICAL'), check('a/z', 'OK')];
  const now = [check('a/x', 'CRITICAL'), check('a/y', 'CRITICAL'), check('a/z', 'CRITICAL', { handled: 'downtime' }), check('a/new', 'UNKNOWN')];
  expect(ids(newProblems(before, now))).toEqual(['a/x', 'a/new']);
});

test('a full list is brought up to date by the problems alone', () => {
  const full = [check('a/x', 'CRITICAL'), check('a/y', 'OK'), check('a/z', 'WARNING')];
  const merged = merge(full, [check('a/y', 'CRITICAL'), check('a/z', 'WARNING'), check('a/new', 'CRITICAL')], 1000);
  expect(merged.map((c) => [c.id, c.word])).toEqual([['a/new', 'CRITICAL'], ['a/y', 'CRITICAL'], ['a/z', 'WARNING'], ['a/x', 'OK']]);
});

test('ages', () => {
  expect(age(1000, 1045)).toBe('45s');
  expect(age(1000, 1000 + 12 * 60 + 5)).toBe('12m');
  expect(age(1000, 1000 + 3 * 3600 + 20 * 60)).toBe('3h 20m');
  expect(age(1000, 1000 + 5 * 86400)).toBe('5d');
  expect(age(0, 1000)).toBe('–');
  expect(classicDuration(1000, 1000 + 86400 + 3661)).toBe('1d 1h 1m 1s');
  expect(checkPath('web 1/a b')).toBe('/checks/web%201/a%20b');
});

test('the word of the state is not said twice', () => {
  const f = (word: Word, output: string, want: string) => expect(brief({ word, output })).toBe(want);
  f('CRITICAL', 'CRITICAL - no route', 'no route');
  f('WARNING', 'DISK WARNING - free space: / 1 GB', 'free space: / 1 GB');
  f('OK', 'HTTP OK: HTTP/1.1 200', 'HTTP/1.1 200');
  f('CRITICAL', 'connect refused', 'connect refused');
  f('OK', 'OK - ', 'OK - ');
});
