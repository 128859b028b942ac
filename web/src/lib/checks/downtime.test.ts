import { expect, test } from 'vitest';
import { aboutText, kindText, matchersIn, newForm, phase, toDowntime } from './downtime';
import { edges, perfUnit } from './thresholds';

const now = Date.UTC(2026, 2, 1, 12, 0, 30) / 1000;
const form = () => ({ ...newForm(['web1/http'], now, 'utc'), comment: 'new disk' });

test('a fixed downtime', () => {
  const { downtime, problems } = toDowntime(form(), now, 'utc');
  expect(problems).toEqual({});
  expect(downtime).toEqual({ comment: 'new disk', start: '2026-03-01T12:00:00.000Z', end: '2026-03-01T14:00:00.000Z', checks: ['web1/http'] });
});

test('a flexible one has a length', () => {
  expect(toDowntime({ ...form(), sort: 'flexible', length: '90m' }, now, 'utc').downtime).toMatchObject({ flexible: true, length: '1h30m' });
  expect(toDowntime({ ...form(), sort: 'flexible', length: 'long' }, now, 'utc').problems).toHaveProperty('length');
});

test('a recurring one has days and a zone', () => {
  expect(toDowntime({ ...form(), sort: 'recurring', weekdays: [5, 1] }, now, 'utc').downtime?.every).toEqual({ zone: 'UTC', weekdays: [1, 5] });
  expect(toDowntime({ ...form(), sort: 'recurring', repeat: 'monthly', days: '1, -1', until: '2026-12-31' }, now, 'utc').downtime?.every).toEqual({ zone: 'UTC', days: [1, -1], until: '2026-12-31T00:00:00.000Z' });
  expect(toDowntime({ ...form(), sort: 'recurring', repeat: 'monthly', days: '40' }, now, 'utc').problems).toHaveProperty('days');
});

test('what is wrong is said at its field', () => {
  expect(Object.keys(toDowntime({ ...form(), comment: ' ', start: 'soon', end: '' }, now, 'utc').problems)).toEqual(['comment', 'start', 'end']);
  expect(toDowntime({ ...form(), end: '2026-03-01 11:00' }, now, 'utc').problems.end).toContain('before');
  expect(toDowntime({ ...form(), checks: [] }, now, 'utc').problems).toHaveProperty('checks');
  expect(toDowntime({ ...form(), matchers: 'env=prod' }, now, 'utc').problems.matchers).toBe('Write env="value", with quotes.');
});

test('matchers and words', () => {
  expect(matchersIn('{env="a,b", role=~"x|y"}')).toEqual(['env="a,b"', 'role=~"x|y"']);
  expect(aboutText({ comment: '', start: '', end: '', checks: ['web1/*', '*', 'a/b', 'c/d', 'e/f'] })).toBe('all of web1, everything, a/b, 2 more');
  expect(kindText({ comment: '', start: '', end: '', every: { weekdays: [0, 1], zone: 'UTC' } })).toBe('every Mon, Sun (UTC)');
  expect(kindText({ comment: '', start: '', end: '', flexible: true, length: '1h0m0s' })).toBe('for 1 h from the first problem on');
  const d = { comment: '', start: '2026-03-01T12:00:00Z', end: '2026-03-01T13:00:00Z' };
  expect([phase(d, now), phase(d, now + 7200), phase(d, now - 7200)]).toEqual(['on', 'over', 'coming']);
});

test('ranges of plugins as lines of a chart', () => {
  expect(edges('80', 'warn')).toEqual([{ value: 80, status: 'warn', side: 'above' }]);
  expect(edges('10:', 'crit')).toEqual([{ value: 10, status: 'crit', side: 'below' }]);
  expect(edges('~:5', 'crit')).toEqual([{ value: 5, status: 'crit', side: 'above' }]);
  expect(edges('10:20', 'warn')).toEqual([{ value: 20, status: 'warn', side: 'above' }, { value: 10, status: 'warn', side: 'below' }]);
  expect(edges('@10:20', 'warn')).toEqual([{ value: 20, status: 'warn', side: 'below' }, { value: 10, status: 'warn', side: 'above' }]);
  expect(edges('', 'warn')).toEqual([]);
  expect(edges('nonsense', 'warn')).toEqual([]);
  expect(perfUnit('ms')).toEqual({ unit: 'seconds', factor: 0.001 });
});
