import { expect, test } from 'vitest';
import { decode } from './checks';
import { addressText, alertSaid, alertStatus, checkOf, serviceRows, watchedText, whereText } from './services';
import type { Service, View } from './types';

const service = (id: string, patch: Partial<Service> = {}): Service => ({ id, name: id.split('@')[0]!, kind: 'nginx', title: 'nginx', state: 'running', since: '', ...patch });
const check = (id: string, of: string, status: View['status']) => decode({ id, spec: { host: id.split('/')[0]!, name: id.split('/')[1]!, kind: 'http', service: of }, status, labels: {}, output: '', duration: '0s' } as unknown as View);

test('a service finds its check, and what is unwell stands first', () => {
  const checks = [check('m/nginx', 'nginx', 'OK'), check('m/redis-2', 'redis@2', 'CRITICAL'), check('m/redis', 'redis', 'OK')];
  expect(checkOf(service('redis@2'), checks)?.id).toBe('m/redis-2');
  expect(checkOf(service('redis@3'), checks)?.id).toBe('m/redis');
  expect(checkOf(service('squid'), checks)).toBeUndefined();
  const rows = serviceRows([service('nginx'), service('old', { state: 'inactive' }), service('redis@2'), service('squid', { state: 'gone' })], checks);
  expect(rows.map((r) => [r.s.id, r.status])).toEqual([['squid', 'crit'], ['redis@2', 'crit'], ['nginx', 'ok'], ['old', 'info']]);
});

test('words', () => {
  expect(addressText({ network: 'tcp', ip: '::1', port: 80 })).toBe('[::1]:80');
  expect(addressText({ network: 'udp', ip: '10.0.0.1', port: 53 })).toBe('10.0.0.1:53/udp');
  expect(addressText({ network: 'unix', path: '/run/x.sock' })).toBe('/run/x.sock');
  expect(whereText(service('a', { container: { id: 'abcdef0123456789', name: 'web' } }))).toBe('container web');
  expect(whereText(service('a', { unit: 'nginx.service' }))).toBe('nginx.service');
  const [row] = serviceRows([service('a', { check: { kind: 'http' }, logs: [{ path: '/x' }] })], []);
  expect(watchedText(row!)).toBe('check http, no metrics, 1 log file');
});

test('alerting rules of a service', () => {
  const rule = { group: 'redis', name: 'RedisDown', state: 'firing' as const };
  expect(alertStatus({ ...rule, severity: 'critical' })).toBe('crit');
  expect(alertStatus({ ...rule, severity: 'warning' })).toBe('warn');
  expect(alertStatus({ ...rule, severity: 'critical', state: 'pending' })).toBe('pending');
  expect(alertStatus({ ...rule, state: 'inactive' })).toBe('ok');
  expect(alertSaid({ ...rule, state: 'inactive' })).toBe('not firing');
});
