// A downtime as a form asks for it, and as the API takes it. Pure; times in Unix seconds.
import { parseDuration, parseTime, formatDateTime, formatDuration, humanDuration, type Zone } from '../time';
import { at, seconds } from './checks';
import type { Downtime } from './types';

export type Sort = 'fixed' | 'flexible' | 'recurring';
export interface Form {
  sort: Sort; comment: string; start: string; end: string; length: string;
  repeat: 'daily' | 'weekly' | 'monthly'; weekdays: number[]; days: string; zone: string; until: string;
  checks: string[]; matchers: string;
}

export const weekdayNames = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'] as const;
/** Monday first (ISO 8601). */
export const weekdayOrder = [1, 2, 3, 4, 5, 6, 0] as const;

export function newForm(checks: readonly string[], now: number, zone: Zone, browserZone = 'UTC'): Form {
  const minute = Math.floor(now / 60) * 60;
  const text = (t: number) => formatDateTime(t, zone).slice(0, 16);
  return {
    sort: 'fixed', comment: '', start: text(minute), end: text(minute + 7200), length: '1h', repeat: 'weekly',
    weekdays: [new Date(minute * 1000).getDay()], days: '1', zone: zone === 'utc' ? 'UTC' : browserZone, until: '', checks: [...checks], matchers: '',
  };
}

export type Problems = Partial<Record<keyof Form, string>>;

/** Matchers as PromQL writes them: env="prod", role=~"web|db"; split at the commas outside quotes. */
export function matchersIn(text: string): string[] {
  return (text.match(/(?:[^,"]|"(?:[^"\\]|\\.)*")+/g) ?? []).map((m) => m.trim().replace(/^\{|\}$/g, '').trim()).filter((m) => m !== '');
}

/** What the form says as the API takes it, or what is wrong with it, by field. */
export function toDowntime(f: Form, now: number, zone: Zone): { downtime?: Downtime; problems: Problems } {
  const problems: Problems = {};
  const start = parseTime(f.start, now, zone);
  const end = parseTime(f.end, now, zone);
  const matchers = matchersIn(f.matchers);
  if (f.comment.trim() === '') problems.comment = 'Say why: others will read it.';
  if (start === null) problems.start = 'Write it like 2026-03-01 22:00, or now.';
  if (end === null) problems.end = 'Write it like 2026-03-01 23:30, or now+2h.';
  if (start !== null && end !== null && end <= start) problems.end = 'It ends before it begins.';
  else if (end !== null && f.sort !== 'recurring' && end <= now) problems.end = 'It is over already.';
  if (f.checks.length === 0 && matchers.length === 0) problems.checks = 'Name checks, or labels.';
  for (const m of matchers) if (!/^[a-zA-Z_][\w.]*\s*(=~|!~|!=|=)\s*".*"$/.test(m)) problems.matchers = `Write ${m.split(/[=!~]/)[0] || 'label'}="value", with quotes.`;
  const length = parseDuration(f.length.replaceAll(' ', ''));
  if (f.sort === 'flexible' && (length === null || length <= 0)) problems.length = 'Write it like 30m or 2h.';
  const days = f.days.split(/[\s,]+/).filter(Boolean).map(Number);
  if (f.sort === 'recurring') {
    if (f.repeat === 'weekly' && f.weekdays.length === 0) problems.weekdays = 'Choose a day.';
    if (f.repeat === 'monthly' && (days.length === 0 || days.some((d) => !Number.isInteger(d) || d === 0 || Math.abs(d) > 31))) problems.days = 'Days of the month, 1 to 31; -1 is the last one.';
    if (f.until.trim() !== '' && parseTime(f.until, now, zone) === null) problems.until = 'Write it like 2026-12-31, or leave it empty.';
  }
  if (Object.keys(problems).length > 0) return { problems };
  const iso = (t: number) => new Date(t * 1000).toISOString();
  const until = f.until.trim() === '' ? null : parseTime(f.until, now, zone);
  return {
    problems,
    downtime: {
      comment: f.comment.trim(), start: iso(start!), end: iso(end!),
      ...(f.checks.length > 0 ? { checks: f.checks } : {}), ...(matchers.length > 0 ? { matchers } : {}),
      ...(f.sort === 'flexible' ? { flexible: true, length: formatDuration(length!) } : {}),
      ...(f.sort === 'recurring' ? {
        every: {
          zone: f.zone || 'UTC',
          ...(f.repeat === 'weekly' ? { weekdays: [...f.weekdays].sort() } : {}),
          ...(f.repeat === 'monthly' ? { days } : {}),
          ...(until !== null ? { until: iso(until) } : {}),
        },
      } : {}),
    },
  };
}

/** What a downtime is about, in a few words. */
export function aboutText(d: Downtime): string {
  const list = d.checks ?? [];
  const names = list.slice(0, 3).map((c) => (c === '*' ? 'everything' : c.endsWith('/*') ? `all of ${c.slice(0, -2)}` : c));
  if (list.length > 3) names.push(`${list.length - 3} more`);
  return [...names, ...(d.matchers ?? []).map((m) => m)].join(', ') || 'nothing';
}

const months = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December'];

/** When it is, in words: "every Mon, Fri", "for 1 h once a problem begins". */
export function kindText(d: Downtime): string {
  const parts: string[] = [];
  if (d.flexible) parts.push(`for ${humanDuration(seconds(d.length))} from the first problem on`);
  const e = d.every;
  if (e) {
    const week = weekdayOrder.filter((w) => e.weekdays?.includes(w)).map((w) => weekdayNames[w]);
    const days = (e.days ?? []).map((x) => (x < 0 ? (x === -1 ? 'the last day' : `day ${x} from the end`) : `day ${x}`));
    const when = week.length > 0 ? `every ${week.join(', ')}` : days.length > 0 ? `each month on ${days.join(', ')}` : 'every day';
    parts.push(when + (e.months && e.months.length > 0 ? ` in ${e.months.map((m) => months[m - 1]).join(', ')}` : '') + (e.zone ? ` (${e.zone})` : ''));
  }
  return parts.join('; ') || 'once';
}

export type Phase = 'on' | 'coming' | 'over';

/** Where it stands. A recurring one is on within its hours only, which the server knows; here it is coming until its last day. */
export function phase(d: Downtime, now: number): Phase {
  const start = at(d.start);
  const end = at(d.end);
  if (d.every) {
    const until = at(d.every.until);
    return until > 0 && until + 86400 < now ? 'over' : now >= start && now < end ? 'on' : 'coming';
  }
  return now < start ? 'coming' : now < end ? 'on' : 'over';
}
