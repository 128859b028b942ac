import { expect, test } from 'vitest';
import { lastRun, mediumStatus, promise, runStanding, seconds, sortNodes, took, type Node, type Run, type RunState, type Storage } from './storage';

const now = seconds('2026-11-22T12:00:00Z');
const run = (kind: Run['kind'], state: RunState, ended: string, findings = 0): Run => ({
  id: ended, kind, state, started: '2026-11-01T00:00:00Z', ended, findings_total: findings, counts: { journals: 0, entries: 0, documents: 0, blobs: 0, files: 0, bytes: 0 },
});
const medium = (health: Partial<Storage['medium']['health']>, ups: boolean[] = []): Storage['medium'] => ({
  type: 'cassandra', place: 'p', health: { open: true, healthy: true, since: '', ...health }, durability: '', may_lose_seconds: 0, free_bytes: null, contents: null,
  hosts: ups.map((up, i) => ({ address: `h${i}`, datacenter: 'd', rack: 'r', version: '5.0', up })),
});

test('the medium in one word', () => {
  expect(mediumStatus(medium({ open: false, healthy: false }))).toEqual({ status: 'crit', text: 'not there yet' });
  expect(mediumStatus(medium({ healthy: false }))).toEqual({ status: 'crit', text: 'does not work' });
  expect(mediumStatus(medium({}, [true, false, true]))).toEqual({ status: 'warn', text: 'works, 1 of 3 hosts down' });
  expect(mediumStatus(medium({}, [true]))).toEqual({ status: 'ok', text: 'works' });
  expect(mediumStatus({ ...medium({}), hosts: null })).toEqual({ status: 'ok', text: 'works' });
});

test('what may be lost', () => expect([0, 0.1, 1, -1].map(promise)).toEqual([
  'nothing acknowledged is lost', 'a power cut may take back 100 ms', 'a power cut may take back 1 s', 'as long as the operating system likes',
]));

test('how the last run stands', () => {
  const stands = (...runs: Run[]) => runStanding(runs, 'verify', now);
  expect(stands()).toEqual({ status: 'info', text: 'never' });
  expect(stands(run('backup', 'sound', '2026-11-22T11:00:00Z'))).toEqual({ status: 'info', text: 'never' });
  expect(stands(run('verify', 'sound', '2026-11-22T11:00:00Z'))).toEqual({ status: 'ok', text: 'sound' });
  expect(stands(run('verify', 'sound', '2026-11-02T11:00:00Z'))).toEqual({ status: 'warn', text: 'long ago' });
  expect(stands(run('verify', 'damaged', '2026-11-22T11:00:00Z', 1234))).toEqual({ status: 'crit', text: '1,234 findings' });
  expect(stands(run('verify', 'damaged', '2026-11-22T11:00:00Z', 1))).toEqual({ status: 'crit', text: '1 finding' });
  expect(stands(run('verify', 'failed', '2026-11-22T11:00:00Z'), run('verify', 'sound', '2026-11-22T10:00:00Z')).status).toBe('crit');
  // One that was stopped says nothing about what is kept.
  const before = run('verify', 'sound', '2026-11-22T10:00:00Z');
  expect(lastRun([run('verify', 'stopped', '2026-11-22T11:00:00Z'), before], 'verify')).toBe(before);
});

test('how long it took', () => {
  expect(took(run('verify', 'sound', '2026-11-01T00:01:00Z'), now)).toBe(60);
  expect(took({ ...run('verify', 'running', ''), started: '2026-11-22T11:59:00Z' }, now)).toBe(60);
});

test('silent nodes first, then this one', () => {
  const node = (address: string, state: Node['state'], self = false): Node => ({ id: address, host: '', address, role: '', version: '', started: '', beat: '', seen: '', state, self });
  expect(sortNodes([node('b', 'alive'), node('a', 'stopped'), node('c', 'alive', true), node('d', 'silent'), node('a2', 'alive')]).map((n) => n.address)).toEqual(['d', 'c', 'a2', 'b', 'a']);
});
