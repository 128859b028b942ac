// The calendar of shifts: weeks of days in a time zone, each shift cut into the days that it touches. Pure; times in Unix seconds.
import { at } from '../checks/checks';
import type { Contact, Shift, Step } from './types';

export interface Day { /** "2026-03-29". */ date: string; start: number; end: number; title: string; today: boolean }
export interface Piece { shift: Shift; /** Hours from the day's beginning are not whole where clocks change: parts of the day, 0 to 1. */ from: number; to: number; first: boolean; last: boolean; lane: number }

const formats = new Map<string, Intl.DateTimeFormat>();
function format(zone: string): Intl.DateTimeFormat {
  let f = formats.get(zone);
  if (!f) formats.set(zone, f = new Intl.DateTimeFormat('en-CA', { timeZone: zone, year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' }));
  return f;
}
export function isZone(zone: string): boolean {
  try { format(zone); return true; } catch { return false; }
}

interface Parts { year: number; month: number; day: number; hour: number; minute: number; second: number }
function parts(t: number, zone: string): Parts {
  const p = Object.fromEntries(format(zone).formatToParts(new Date(t * 1000)).map((x) => [x.type, Number(x.value)]));
  return p as unknown as Parts;
}
const two = (n: number) => String(n).padStart(2, '0');
/** The date of a moment in a zone. */
export function dateIn(t: number, zone: string): string { const p = parts(t, zone); return `${p.year}-${two(p.month)}-${two(p.day)}`; }
/** "Mon 09:00" of a moment in a zone; with the date when asked. */
export function clockIn(t: number, zone: string): string { const p = parts(t, zone); return `${two(p.hour)}:${two(p.minute)}`; }

/** The moment when a wall clock of a zone shows this; in the hour that a clock skips it is the moment after the skip, of two the first. */
export function momentIn(date: string, clock: string, zone: string): number {
  const [y, mo, d] = date.split('-').map(Number) as [number, number, number];
  const [h, mi] = clock.split(':').map(Number) as [number, number];
  const wanted = Date.UTC(y, mo - 1, d, h, mi) / 1000;
  const shown = (t: number) => { const p = parts(t, zone); return Date.UTC(p.year, p.month - 1, p.day, p.hour, p.minute, p.second) / 1000; };
  const guesses = [wanted - (shown(wanted - 86400) - (wanted - 86400)), wanted - (shown(wanted + 86400) - (wanted + 86400))].sort((a, b) => a - b);
  return guesses.find((g) => shown(g) === wanted) ?? guesses[1]!;
}

const names = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

export function addDays(date: string, n: number): string {
  const [y, mo, d] = date.split('-').map(Number) as [number, number, number];
  return new Date(Date.UTC(y, mo - 1, d + n)).toISOString().slice(0, 10);
}
/** The Monday of a date's week (ISO 8601). */
export function mondayOf(date: string): string {
  const [y, mo, d] = date.split('-').map(Number) as [number, number, number];
  return addDays(date, -((new Date(Date.UTC(y, mo - 1, d)).getUTCDay() + 6) % 7));
}

/** Days from a date on, each with its true ends: 23 or 25 hours where clocks change. */
export function daysFrom(date: string, n: number, zone: string, now: number): Day[] {
  const today = dateIn(now, zone);
  return Array.from({ length: n }, (_, i) => {
    const d = addDays(date, i);
    const [y, mo, day] = d.split('-').map(Number) as [number, number, number];
    const weekday = new Date(Date.UTC(y, mo - 1, day)).getUTCDay();
    return { date: d, start: momentIn(d, '00:00', zone), end: momentIn(addDays(d, 1), '00:00', zone), title: `${names[weekday]} ${day}${day === 1 || i === 0 ? ` ${months[mo - 1]}` : ''}`, today: d === today };
  });
}

/** What of the shifts lies in a day, overrides last so that they lie on top; shifts of several layers at once stand in lanes. */
export function piecesOf(day: Day, shifts: readonly Shift[]): Piece[] {
  const length = day.end - day.start;
  const out: Piece[] = [];
  const layers = [...new Set(shifts.map((s) => (s.override ? '' : (s.layer ?? ''))))];
  for (const shift of shifts) {
    const from = Math.max(at(shift.from), day.start);
    const to = Math.min(at(shift.to), day.end);
    if (to <= from) continue;
    out.push({ shift, from: (from - day.start) / length, to: (to - day.start) / length, first: at(shift.from) >= day.start, last: at(shift.to) <= day.end, lane: 0 });
  }
  out.sort((a, b) => layers.indexOf(a.shift.layer ?? '') - layers.indexOf(b.shift.layer ?? '') || a.from - b.from);
  const ends: number[] = [];
  for (const p of out) {
    let lane = ends.findIndex((e) => e <= p.from + 1e-9);
    if (lane < 0) lane = ends.push(0) - 1;
    ends[lane] = p.to;
    p.lane = lane;
  }
  return out;
}
/** A moment as people write it in a zone: 2026-03-01 09:00, or a time or a day alone. null when it is none. */
export function readMoment(text: string, zone: string, now: number): number | null {
  const m = /^(?:(\d{4}-\d{2}-\d{2})(?:[T ]+(\d{1,2}:\d{2}))?|(\d{1,2}:\d{2}))$/.exec(text.trim());
  if (!m) return text.trim() === 'now' ? now : null;
  const date = m[1] ?? dateIn(now, zone);
  const clock = m[2] ?? m[3] ?? '00:00';
  const [y, mo, d] = date.split('-').map(Number) as [number, number, number];
  const [h, mi] = clock.split(':').map(Number) as [number, number];
  const back = new Date(Date.UTC(y, mo - 1, d));
  return back.getUTCMonth() !== mo - 1 || back.getUTCDate() !== d || h > 24 || mi > 59 || (h === 24 && mi > 0) ? null : momentIn(date, clock, zone);
}
export function writeMoment(t: number, zone: string): string { return `${dateIn(t, zone)} ${clockIn(t, zone)}`; }

export interface OverrideForm { schedule: string; contact: string; from: string; to: string; comment: string }
export function toOverride(f: OverrideForm, zone: string, now: number): { override?: { schedule: string; contact: string; from: string; to: string; comment: string }; problems: Partial<Record<keyof OverrideForm, string>> } {
  const problems: Partial<Record<keyof OverrideForm, string>> = {};
  const from = readMoment(f.from, zone, now);
  const to = readMoment(f.to, zone, now);
  if (f.schedule === '') problems.schedule = 'Choose a schedule.';
  if (f.contact === '') problems.contact = 'Choose who takes over.';
  if (from === null) problems.from = 'Write it like 2026-03-01 09:00.';
  if (to === null) problems.to = 'Write it like 2026-03-01 17:00.';
  else if (from !== null && to <= from) problems.to = 'It ends before it begins.';
  else if (to <= now) problems.to = 'It is over already.';
  if (Object.keys(problems).length > 0) return { problems };
  const iso = (t: number) => new Date(t * 1000).toISOString();
  return { problems, override: { schedule: f.schedule, contact: f.contact, from: iso(from!), to: iso(to!), comment: f.comment.trim() } };
}

/** A piece of a day in words: "09:00–17:00", "from 09:00", "until 17:00", "all day". */
export function pieceText(p: Piece, day: Day, zone: string): string {
  const from = Math.max(at(p.shift.from), day.start);
  const to = Math.min(at(p.shift.to), day.end);
  if (p.from <= 0 && p.to >= 1) return 'all day';
  return p.from <= 0 ? `until ${clockIn(to, zone)}` : p.to >= 1 ? `from ${clockIn(from, zone)}` : `${clockIn(from, zone)}–${clockIn(to, zone)}`;
}

/** Times of a day in which nobody is on, each as a piece of it, of at least a minute. */
export function gapsOf(day: Day, shifts: readonly Shift[]): { from: number; to: number }[] {
  const on = shifts.map((s) => [Math.max(at(s.from), day.start), Math.min(at(s.to), day.end)] as const).filter(([a, b]) => b > a).sort((a, b) => a[0] - b[0]);
  const out: { from: number; to: number }[] = [];
  let t = day.start;
  for (const [a, b] of on) {
    if (a - t >= 60) out.push({ from: t, to: a });
    t = Math.max(t, b);
  }
  if (day.end - t >= 60) out.push({ from: t, to: day.end });
  return out;
}

/** What a step of an escalation says: whom it tells, and when. */
export function stepWords(step: Step, n: number): string {
  const who = (step.tell ?? []).map((t) => (t.schedule ? `who is on ${t.schedule}` : t.team ? `team ${t.team}` : (t.contact ?? ''))).filter((x) => x !== '').join(', ');
  return n === 0 ? `at once: ${who}` : `after ${step.after ?? '0s'}: ${who}`;
}
/** The ways to reach somebody. */
export function methodWords(c: Contact): string { return (c.methods ?? []).map((m) => `${m.kind.replace('_', ' ')} ${m.to}`).join(', '); }
