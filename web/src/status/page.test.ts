import { expect, test } from 'vitest';
import { dayPaths, dayText, headline, incidentEnd, incidentStatus, lastDays, type Item } from './page';

const item = (status: Item['status']): Item => ({ name: status, status, uptime_90d: 1, days: null });

test('the headline is as bad as the worst', () => {
  expect(headline([item('OK'), item('OK')])).toEqual({ status: 'ok', text: 'Everything works' });
  expect(headline([item('OK'), item('CRITICAL'), item('WARNING')])).toEqual({ status: 'crit', text: '1 of 3 is down' });
  expect(headline([item('CRITICAL')]).text).toBe('Everything is down');
  expect(headline([item('WARNING')]).status).toBe('warn');
  expect(headline([]).status).toBe('pending');
});

test('ninety days, the unknown ones too', () => {
  const at = Date.UTC(2026, 2, 10, 15);
  const days = lastDays([{ day: '2026-03-10', status: 'CRITICAL', down_seconds: 600 }, { day: '2026-03-08T00:00:00Z', status: 'OK', down_seconds: 0 }], at);
  expect(days).toHaveLength(90);
  expect(days[89]?.status).toBe('CRITICAL');
  expect(days[88]).toBeNull();
  expect(days[87]?.status).toBe('OK');
  expect(dayPaths(days, 4, 28).map((p) => p.status)).toEqual(['none', 'ok', 'crit']);
});

test('days in words', () => {
  expect(dayText(null)).toBe('not known');
  expect(dayText({ day: '', status: 'OK', down_seconds: 0 })).toBe('no outage');
  expect(dayText({ day: '', status: 'CRITICAL', down_seconds: 25 })).toBe('down for 25 s');
  expect(dayText({ day: '', status: 'CRITICAL', down_seconds: 5400 })).toBe('down for 1 h 30 min');
});

test('incidents', () => {
  const i = { id: 'a', title: 'x', resolved: false, started: '2026-03-01T10:00:00Z', updates: [{ at: '2026-03-01T11:00:00Z', state: 'identified', text: '' }] };
  expect([incidentStatus(i), incidentEnd(i)]).toEqual(['crit', '']);
  expect(incidentStatus({ ...i, updates: [{ at: '', state: 'maintenance', text: '' }] })).toBe('maint');
  expect([incidentStatus({ ...i, resolved: true }), incidentEnd({ ...i, resolved: true })]).toEqual(['ok', '2026-03-01T11:00:00Z']);
});
