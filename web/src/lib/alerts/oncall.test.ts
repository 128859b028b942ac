import { describe, expect, it } from 'vitest';
import { clockIn, dateIn, daysFrom, gapsOf, methodWords, momentIn, mondayOf, pieceText, piecesOf, readMoment, stepWords, toOverride, writeMoment } from './oncall';

const t = (text: string) => Date.parse(text) / 1000;

describe('days in a zone', () => {
  it('have 23 and 25 hours where clocks change', () => {
    const days = daysFrom('2026-03-23', 7, 'Europe/Paris', t('2026-03-25T12:00:00Z'));
    expect(days.map((d) => (d.end - d.start) / 3600)).toEqual([24, 24, 24, 24, 24, 24, 23]);
    expect(days[0]!.title).toBe('Mon 23 Mar');
    expect(days[2]!.today).toBe(true);
    expect(daysFrom('2026-10-25', 1, 'Europe/Paris', 0).map((d) => (d.end - d.start) / 3600)).toEqual([25]);
  });
  it('moments of wall clocks', () => {
    expect(momentIn('2026-03-29', '01:59', 'Europe/Paris')).toBe(t('2026-03-29T00:59:00Z'));
    expect(momentIn('2026-03-29', '03:00', 'Europe/Paris')).toBe(t('2026-03-29T01:00:00Z'));
    expect(momentIn('2026-10-25', '02:30', 'Europe/Paris')).toBe(t('2026-10-25T00:30:00Z'));
    expect(momentIn('2026-03-01', '09:00', 'UTC')).toBe(t('2026-03-01T09:00:00Z'));
    expect([dateIn(t('2026-03-01T23:30:00Z'), 'Asia/Tokyo'), clockIn(t('2026-03-01T23:30:00Z'), 'Asia/Tokyo')]).toEqual(['2026-03-02', '08:30']);
    expect(mondayOf('2026-03-01')).toBe('2026-02-23');
  });
  it('shifts are cut into days, layers stand in lanes', () => {
    const [day] = daysFrom('2026-03-02', 1, 'UTC', 0);
    const shifts = [{ from: '2026-03-01T12:00:00Z', to: '2026-03-02T12:00:00Z', contact: 'ana', layer: 'first' }, { from: '2026-03-02T12:00:00Z', to: '2026-03-03T12:00:00Z', contact: 'ben', layer: 'first' }, { from: '2026-03-02T00:00:00Z', to: '2026-03-03T00:00:00Z', contact: 'eve', layer: 'second' }];
    const pieces = piecesOf(day!, shifts);
    expect(pieces.map((p) => [p.shift.contact, p.from, p.to, p.lane, p.first, p.last])).toEqual([['ana', 0, 0.5, 0, false, true], ['ben', 0.5, 1, 0, true, false], ['eve', 0, 1, 1, true, true]]);
  });
  it('are said in words, with what nobody covers', () => {
    const [day] = daysFrom('2026-03-02', 1, 'Europe/Paris', 0);
    const shifts = [{ from: '2026-03-01T12:00:00Z', to: '2026-03-02T08:00:00Z', contact: 'ana' }, { from: '2026-03-02T09:00:00Z', to: '2026-03-02T17:00:00Z', contact: 'ben' }];
    expect(piecesOf(day!, shifts).map((p) => pieceText(p, day!, 'Europe/Paris'))).toEqual(['until 09:00', '10:00–18:00']);
    expect(gapsOf(day!, shifts).map((g) => `${clockIn(g.from, 'Europe/Paris')}–${clockIn(g.to, 'Europe/Paris')}`)).toEqual(['09:00–10:00', '18:00–00:00']);
    expect(gapsOf(day!, [{ from: '2026-03-01T00:00:00Z', to: '2026-03-09T00:00:00Z', contact: 'x' }])).toEqual([]);
  });
  it('an override is read in the zone of its schedule', () => {
    const form = { schedule: 's', contact: 'ben', from: '2026-03-29 01:30', to: '2026-03-29 03:00', comment: ' swap ' };
    expect(toOverride(form, 'Europe/Paris', t('2026-03-28T00:00:00Z')).override).toEqual({ schedule: 's', contact: 'ben', from: '2026-03-29T00:30:00.000Z', to: '2026-03-29T01:00:00.000Z', comment: 'swap' });
    const f = (more: object) => Object.keys(toOverride({ ...form, ...more }, 'UTC', t('2026-03-28T00:00:00Z')).problems);
    expect(f({ from: '2026-02-30 09:00' })).toEqual(['from']);
    expect(f({ to: '2026-03-29 01:00' })).toEqual(['to']);
    expect(f({ contact: '', from: 'x', to: '25:00' })).toEqual(['contact', 'from', 'to']);
    expect(readMoment('09:15', 'Europe/Paris', t('2026-03-02T12:00:00Z'))).toBe(t('2026-03-02T08:15:00Z'));
    expect(writeMoment(t('2026-03-02T23:30:00Z'), 'Asia/Tokyo')).toBe('2026-03-03 08:30');
  });
});

it('steps in words', () => {
  expect(stepWords({ after: '30m', tell: [{ schedule: 'first' }] }, 0)).toBe('at once: who is on first');
  expect(stepWords({ after: '10m', tell: [{ contact: 'ana' }, { team: 'db' }] }, 1)).toBe('after 10m: ana, team db');
  expect(methodWords({ name: 'ana', methods: [{ kind: 'email', to: 'a@x' }, { kind: 'web_push', to: 'ana' }] })).toBe('email a@x, web push ana');
});
