import { describe, expect, it } from 'vitest';
import { ageNow, chartsFrom, decodeOverview, foldChanges, groupLabels, grouped, inScope, level, matches, recentPart, rows, tabOfRule, type Change, type Host, type OverviewReply } from './hosts';

const none = { n: 0 };
const reply = (over: Partial<OverviewReply> = {}): OverviewReply => ({
  at: 5000, counts: { hosts: 2, ok: 1, warn: 0, crit: 1, unknown: 0, targets_up: 2, targets_down: 1 },
  hosts: { n: 2, instance: ['a', 'b'], name: ['A', 'B'], status: ['crit', 'ok'], cpu: [12, null], labels: [{ env: 'prod' }, null], reasons: [[{ rule: 'disk-used', status: 'crit', text: '/ is full' }], null] },
  disks: { n: 3, host: [0, 0, 1], mount: ['/', '/data', '/'], used_pct: [97, 10, null] }, interfaces: none, devices: none,
  sparks: { from: 0, step: 60, rows: { n: 2, host: [0, 1], cpu: [[1, null], [2, 3]] } },
  targets_down: { n: 1, job: ['j'], instance: ['x'] }, changes: { n: 1, at: [4], kind: ['reboot'], instance: ['a'], text: ['A booted'] }, cut: false, more_changes: 0, ...over,
});

describe('rows', () => {
  it('fills in columns that were left out', () => {
    expect(rows({ n: 2, a: [1, 2] }, { a: 0, b: 'none' })).toEqual([{ a: 1, b: 'none' }, { a: 2, b: 'none' }]);
  });
  it('gives nothing for nothing', () => expect(rows({ n: 0 }, { a: 0 })).toEqual([]));
});

describe('decodeOverview', () => {
  const o = decodeOverview(reply());
  it('gives each host what belongs to it', () => {
    expect(o.machines.map((m) => m.disks.map((d) => d.mount))).toEqual([['/', '/data'], ['/']]);
    expect(o.machines[1]!.sparks).toEqual({ cpu: [2, 3], mem: [], net: [], io: [] });
    expect(o.at).toBe(5);
  });
  it('keeps what is not known apart from zero', () => expect([o.machines[0]!.cpu, o.machines[1]!.cpu, o.machines[1]!.mem]).toEqual([12, null, null]));
  it('reads changes and targets', () => expect([o.changes[0]!.status, o.down[0]]).toEqual(['ok', { job: 'j', instance: 'x' }]));
});

describe('finding hosts', () => {
  const [a, b] = decodeOverview(reply()).machines as Host[] as [Host, Host];
  it('searches names, labels and reasons by every word', () => {
    expect(matches(a, 'full prod')).toBe(true);
    expect(matches(b, 'full')).toBe(false);
    expect(matches(b, '')).toBe(true);
  });
  it('narrows to the scope, and a label that is missing does not match', () => {
    expect(inScope(a, [{ name: 'env', values: ['prod', 'dev'] }])).toBe(true);
    expect(inScope(b, [{ name: 'env', values: ['prod'] }])).toBe(false);
    expect(inScope(b, [{ name: 'instance', values: ['b'] }])).toBe(true);
  });
  it('groups by labels that group', () => {
    const hosts = ['x', 'x', 'y'].map((env, i) => ({ ...a, instance: String(i), labels: { env, id: String(i) } }));
    expect(groupLabels(hosts)).toEqual(['env']);
    expect(grouped(hosts, 'env').map((g) => [g.value, g.hosts.length])).toEqual([['x', 2], ['y', 1]]);
  });
});

it('knows the tab of a rule', () => expect(['disk-inodes', 'units-failed', 'memory-available', 'clock'].map(tabOfRule)).toEqual(['mounts', 'units', 'overview', 'facts']));
it('grades shares', () => expect([null, 89.9, 90, 95].map((v) => level(v))).toEqual(['ok', 'ok', 'warn', 'crit']));
it('lets ages grow', () => expect([ageNow(3, 100, 105), ageNow(null, 1, 2), ageNow(3, 100, 99)]).toEqual([8, null, 3]));

describe('foldChanges', () => {
  const change = (instance: string, kind: string, at: number, text: string): Change => ({ at, kind, status: 'ok', instance, subject: '', text, link: 'overview' });
  it('makes one line of hosts that appear together, and keeps the rest apart', () => {
    const got = foldChanges([change('a', 'host-new', 500, 'A started reporting'), change('b', 'disk', 490, '/ went above 90 %'), change('c', 'host-new', 480, 'C started reporting'), change('d', 'disk', 470, '/ went above 90 %'), change('e', 'host-new', 100, 'E started reporting')], (i) => i.toUpperCase());
    expect(got.map((g) => g.text)).toEqual(['A and 1 other started reporting', '/ went above 90 %', '/ went above 90 %', 'E started reporting']);
  });
});

it('shows the part of a course that has values', () => {
  expect(recentPart([null, null, null, null, 1, 2, 3, 4])).toEqual([1, 2, 3, 4]);
  expect(recentPart([null, null, null, null, null, null, null, 4])).toEqual([null, 4]);
  expect(recentPart([1, null])).toEqual([1, null]);
  expect(recentPart([null, null])).toEqual([null, null]);
});

describe('chartsFrom', () => {
  const appeared = (at: number): Change => ({ at, kind: 'host-new', status: 'ok', instance: 'a', subject: '', text: '', link: '' });
  it('keeps the range of a host that has always been there', () => expect(chartsFrom([], 0, 3600)).toBe(0));
  it('begins with a host that appeared within it', () => expect(chartsFrom([appeared(1000)], 0, 3600)).toBe(970));
  it('shows ten minutes of a host that has just appeared', () => expect(chartsFrom([appeared(3590)], 0, 3600)).toBe(3000));
  it('never begins before the range', () => expect(chartsFrom([appeared(-50)], 0, 3600)).toBe(0));
});
