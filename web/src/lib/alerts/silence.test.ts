import { describe, expect, it } from 'vitest';
import { endsSoon, formOf, matchersFor, matchersText, matches, newForm, parseMatchers, phase, toSilence } from './silence';

const now = Date.UTC(2026, 2, 1, 12) / 1000;

describe('matchers', () => {
  it('are read as people write them', () => {
    const f = (text: string) => matchersText(parseMatchers(text).matchers);
    expect(f('env=prod')).toBe('env="prod"');
    expect(f('{env="prod", role=~"web|db",a!="b, c"}')).toBe('env="prod", role=~"web|db", a!="b, c"');
    expect(f('x!~"a\\"b"')).toBe('x!~"a\\"b"');
    expect(f('a=""')).toBe('a=""');
    expect(parseMatchers('env').problem).toContain('“env” is no matcher');
    expect(parseMatchers('env=~"("').problem).toContain('no regular expression');
  });
  it('match whole values; a missing label is empty', () => {
    const f = (text: string, labels: Record<string, string>) => matches(parseMatchers(text).matchers, labels);
    expect(f('a=~"x|y"', { a: 'x' })).toBe(true);
    expect(f('a=~"x|y"', { a: 'xy' })).toBe(false);
    expect(f('a!="x"', {})).toBe(true);
    expect(f('a=""', {})).toBe(true);
    expect(f('', { a: 'x' })).toBe(false);
  });
  it('of alerts: what they share, without what changes while the problem stays', () => {
    expect(matchersText(matchersFor([{ alertname: 'Disk', instance: 'db1:9100', severity: 'warning', mountpoint: '/' }]))).toBe('alertname="Disk", instance="db1:9100", mountpoint="/"');
    expect(matchersText(matchersFor([{ alertname: 'Disk', instance: 'db.1', env: 'prod' }, { alertname: 'Load', instance: 'db2', env: 'prod' }]))).toBe('alertname=~"Disk|Load", instance=~"db\\\\.1|db2", env="prod"');
    expect(matchersFor([])).toEqual([]);
  });
});

describe('the form', () => {
  const form = (more = {}) => ({ matchers: 'env="prod"', start: 'now', end: '2026-03-01 14:00', by: 'ana', comment: 'work', ...more });
  it('becomes a silence', () => {
    expect(toSilence(form(), now, 'utc').silence).toEqual({ matchers: [{ name: 'env', value: 'prod', isRegex: false, isEqual: true }], startsAt: '2026-03-01T12:00:00.000Z', endsAt: '2026-03-01T14:00:00.000Z', createdBy: 'ana', comment: 'work' });
    const f = newForm([{ name: 'a', value: 'b', isRegex: false, isEqual: true }], now, 'utc', 'ana');
    expect([f.matchers, f.end]).toEqual(['a="b"', '2026-03-01 14:00']);
  });
  it('says what is wrong, by field', () => {
    const f = (more: object) => Object.keys(toSilence(form(more), now, 'utc').problems);
    expect(f({ comment: ' ' })).toEqual(['comment']);
    expect(f({ by: '' })).toEqual(['by']);
    expect(f({ matchers: '' })).toEqual(['matchers']);
    expect(f({ matchers: 'a=~".*"' })).toEqual(['matchers']);
    expect(f({ end: '2026-03-01 11:00' })).toEqual(['end']);
    expect(f({ start: 'soon' })).toEqual(['start']);
  });
  it('changes one, or makes it anew', () => {
    const s = { id: 'x', matchers: [{ name: 'a', value: 'b', isRegex: false, isEqual: true }], startsAt: '2026-03-01T10:00:00Z', endsAt: '2026-03-01T13:00:00Z', createdBy: 'ana', comment: 'c' };
    expect(formOf(s, 'utc')).toEqual({ id: 'x', matchers: 'a="b"', start: '2026-03-01 10:00', end: '2026-03-01 13:00', by: 'ana', comment: 'c' });
    expect(formOf(s, 'utc', true, now)).toEqual({ matchers: 'a="b"', start: 'now', end: '2026-03-01 15:00', by: 'ana', comment: 'c' });
    expect([phase(s, now), phase(s, now + 7200), phase(s, now - 86400)]).toEqual(['active', 'expired', 'pending']);
    expect([endsSoon(s, now), endsSoon(s, now + 1800)]).toEqual([false, true]);
  });
});
