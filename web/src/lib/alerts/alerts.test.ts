import { describe, expect, it } from 'vitest';
import { arithmetic, checkOf, decode, durationOf, filter, folded, grouped, groupings, news, order, subjectOf, summarize, thresholdOf, took, unique } from './alerts';
import type { AlertView } from './types';

let n = 0;
const view = (labels: Record<string, string>, more: Partial<AlertView> = {}): AlertView => ({ fingerprint: String(++n).padStart(16, '0'), labels, starts_at: '2026-03-01T12:00:00Z', state: 'active', receivers: ['ops'], ...more });

describe('alerts', () => {
  it('are sorted: unhandled first, by severity, the newest first', () => {
    const list = [
      view({ alertname: 'Pending', severity: 'critical' }, { state: 'pending' }),
      view({ alertname: 'Acked', severity: 'critical' }, { ack: { by: 'ana', comment: 'x', at: '2026-03-01T12:00:00Z' } }),
      view({ alertname: 'Old', severity: 'critical' }, { starts_at: '2026-03-01T10:00:00Z' }),
      view({ alertname: 'Warn', severity: 'warning' }), view({ alertname: 'New', severity: 'critical' }),
      view({ alertname: 'Silenced', severity: 'critical' }, { state: 'suppressed', silenced_by: ['s1'] }),
      view({ alertname: 'Inhibited', severity: 'critical' }, { state: 'suppressed', inhibited_by: ['f'] }),
      view({ alertname: 'NoSeverity' }),
    ].map(decode).sort(order);
    expect(list.map((a) => a.name)).toEqual(['New', 'Old', 'NoSeverity', 'Warn', 'Acked', 'Silenced', 'Inhibited', 'Pending']);
    expect(summarize(list)).toEqual({ unhandled: { crit: 2, warn: 2 }, quiet: { acknowledged: 1, silenced: 1, inhibited: 1, pending: 1 } });
  });
  it('are found by words, names, labels and receivers', () => {
    const list = [view({ alertname: 'DiskFull', instance: 'db1', env: 'prod', severity: 'critical' }), view({ alertname: 'DiskFull', instance: 'db2', env: 'dev', severity: 'warning' }, { receivers: ['night'] })].map(decode);
    const f = (text: string, more = {}) => filter(list, { text, severity: '', quiet: '', scope: [], ...more }).map((a) => a.subject);
    expect(f('disk')).toEqual(['db1', 'db2']);
    expect(f('env=prod')).toEqual(['db1']);
    expect(f('l:env=prod')).toEqual(['db1']);
    expect(f('env!=prod')).toEqual(['db2']);
    expect(f('{env="prod", instance=~"db.*"}')).toEqual(['db1']);
    expect(f('instance!~db1')).toEqual(['db2']);
    expect(f('env="pro"')).toEqual([]);
    expect(f('env=~"("')).toEqual([]);
    expect(f('s:crit')).toEqual(['db1']);
    expect(f('r:night')).toEqual(['db2']);
    expect(f('n:')).toEqual(['db1', 'db2']);
    expect(f('', { scope: [{ name: 'host', values: ['db2'] }] })).toEqual(['db2']);
    expect(f('', { severity: 'warn' })).toEqual(['db2']);
  });
  it('are grouped by a label or by who is told', () => {
    const list = [view({ alertname: 'A', severity: 'critical', team: 'db' }, { receivers: ['x', 'y'] }), view({ alertname: 'B', severity: 'warning', team: 'db' }), view({ alertname: 'A', severity: 'warning' })].map(decode).sort(order);
    expect(grouped(list, 'team').map((g) => [g.value, g.alerts.length, g.worst])).toEqual([['db', 2, 'crit'], ['', 1, 'warn']]);
    expect(grouped(list, 'receiver').map((g) => g.value).sort()).toEqual(['ops', 'x', 'y']);
    expect(groupings(list)).toEqual(['alertname', 'severity', 'receiver', 'team']);
  });
  it('stand once in a list, the firing one before the waiting one', () => {
    const fire = decode({ ...view({ alertname: 'A' }), fingerprint: 'f' });
    const wait = decode({ ...view({ alertname: 'A' }, { state: 'pending' }), fingerprint: 'f' });
    expect(unique([wait, fire]).map((a) => a.state)).toEqual(['active']);
    expect(unique([fire, wait]).map((a) => a.state)).toEqual(['active']);
  });
  it('have timelines in which failed tries are one line', () => {
    const e = (type: string, text: string) => ({ at: '', type, text });
    expect(folded([e('failed', 'ops could not be told: no, try 3.'), e('failed', 'ops could not be told: no, try 2.'), e('failed', 'x could not'), e('told', 'a'), e('told', 'a')]).map((x) => [x.text, x.times])).toEqual([['ops could not be told: no, try 3.', 2], ['x could not', 1], ['a', 1], ['a', 1]]);
  });
  it('are news once', () => {
    const a = decode(view({ alertname: 'A' }));
    const b = decode(view({ alertname: 'B' }));
    expect(news([a], [a, b]).map((x) => x.name)).toEqual(['B']);
    expect(news([a, { ...b, quiet: 'pending' }], [a, b]).map((x) => x.name)).toEqual(['B']);
  });
  it('say where they are', () => {
    expect(subjectOf({ alertname: 'CheckProblem', host: 'web1', check: 'http' })).toBe('web1/http');
    expect(subjectOf({ alertname: 'HostDown', host: 'web1', check: 'host' })).toBe('web1');
    expect(subjectOf({ alertname: 'X', instance: 'db1', mountpoint: '/var' })).toBe('db1 /var');
    expect(subjectOf({ alertname: 'X', zone: 'a' })).toBe('zone=a');
    expect(checkOf({ alertname: 'CheckProblem', host: 'web1', check: 'http' })).toBe('web1/http');
    expect(checkOf({ alertname: 'Other', host: 'web1', check: 'http' })).toBeUndefined();
  });
});

describe('the threshold of a rule', () => {
  const f = (q: string) => { const t = thresholdOf(q); return t ? `${t.expr} | ${t.op} | ${t.limit}` : null; };
  it('is the comparison with a number', () => {
    expect(f('node_load1 > 4')).toBe('node_load1 | > | 4');
    expect(f('100 * (1 - avg by (instance) (rate(x{mode="idle > 3"}[5m]))) >= 90')).toBe('100 * (1 - avg by (instance) (rate(x{mode="idle > 3"}[5m]))) | >= | 90');
    expect(f('probe_ssl_earliest_cert_expiry - time() < 14 * 24 * 3600')).toBe('probe_ssl_earliest_cert_expiry - time() | < | 1209600');
    expect(f('up == 0')).toBe('up | == | 0');
    expect(f('0.1 > ratio')).toBe('ratio | < | 0.1');
  });
  it('is none where there is no one number', () => {
    for (const q of ['absent(up)', 'a > b', 'a > 1 and b > 2', 'a > 1 > 2', 'vector(1)', 'a > 1 or b']) expect(f(q), q).toBeNull();
  });
});

it('numbers and durations', () => {
  expect(arithmetic('24 * 3600')).toBe(86400);
  expect(arithmetic('-(1 + 2) * 3')).toBe(-9);
  expect(arithmetic('1 +')).toBeNull();
  expect(arithmetic('1 a')).toBeNull();
  expect(durationOf('4h30m')).toBe(16200);
  expect(durationOf('1m0s')).toBe(60);
  expect(durationOf(300)).toBe(300);
  expect(durationOf(30e9)).toBe(30);
  expect(took({ duration: 52_000_000 })).toBe(0.052);
  expect(took({ duration: '52ms' })).toBeCloseTo(0.052);
  expect(took({ seconds: 2 })).toBe(2);
});
