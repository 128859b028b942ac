// What every page keeps in the URL's query, and its codec. Pure: the URL is the state, so a link, a reload and the back button all
// give the same page. Defaults are left out, so that links stay short; foreign parameters pass through untouched.
import { isoTime, parseDuration, parseTime, type Zone } from './time';

/** A label that narrows every page: `l.env=prod&l.env=staging` allows either value. */
export interface ScopeLabel { name: string; values: string[] }

export interface View {
  from: string;
  to: string;
  tz: Zone | ''; // '' is what the reader's preference says
  refresh: string; // 'off' or a duration such as '10s'; '' is the default
  scope: ScopeLabel[];
}

export const defaultFrom = 'now-1h';
export const defaultTo = 'now';
export const defaultRefresh = '10s';

export const viewKeys = ['from', 'to', 'tz', 'refresh'] as const;

export function isViewKey(key: string): boolean {
  return (viewKeys as readonly string[]).includes(key) || key.startsWith('l.');
}

/** Reads the shared part of a query. What cannot be read falls back to its default: a mangled link still opens. */
export function decodeView(query: URLSearchParams): View {
  const time = (key: string, fallback: string) => {
    const v = query.get(key);
    return v !== null && parseTime(v, 0) !== null ? v : fallback;
  };
  const scope = new Map<string, string[]>();
  for (const [key, value] of query) {
    if (!key.startsWith('l.') || key.length === 2 || value === '') continue;
    const name = key.slice(2);
    const values = scope.get(name) ?? [];
    if (!values.includes(value)) values.push(value);
    scope.set(name, values);
  }
  const refresh = query.get('refresh') ?? '';
  const tz = query.get('tz');
  return {
    from: time('from', defaultFrom),
    to: time('to', defaultTo),
    tz: tz === 'utc' || tz === 'local' ? tz : '',
    refresh: refresh === 'off' || parseDuration(refresh) !== null ? refresh : '',
    scope: [...scope].map(([name, values]) => ({ name, values: values.sort() })).sort((a, b) => (a.name < b.name ? -1 : 1)),
  };
}

/** Writes the shared part over `query`, in place of what was there. */
export function encodeView(view: View, query: URLSearchParams): URLSearchParams {
  const out = new URLSearchParams();
  for (const [k, v] of query) if (!isViewKey(k)) out.append(k, v);
  if (view.from !== defaultFrom || view.to !== defaultTo) {
    out.set('from', view.from);
    out.set('to', view.to);
  }
  if (view.tz !== '') out.set('tz', view.tz);
  if (view.refresh !== '' && view.refresh !== defaultRefresh) out.set('refresh', view.refresh);
  for (const { name, values } of view.scope) for (const v of values) out.append(`l.${name}`, v);
  return out;
}

/** A query as text for people: "/", ":", "," and the like stay legible, which RFC 3986 section 3.4 allows. */
export function queryText(query: URLSearchParams): string {
  const keep = (s: string) => encodeURIComponent(s).replace(/%(2F|3A|2C|40|3B|24|28|29|5B|5D|7B|7D)/g, (m) => (/%(5B|5D|7B|7D)/.test(m) ? m : decodeURIComponent(m))).replace(/%20/g, '+');
  return [...query].map(([k, v]) => `${keep(k)}=${keep(v)}`).join('&');
}

/** The same view with its ends fixed to points in time, for links that must show tomorrow what they show now. */
export function absoluteView(view: View, now: number, zone: Zone): View {
  const start = parseTime(view.from, now, zone);
  const end = parseTime(view.to, now, zone, true);
  if (start === null || end === null) return view;
  return { ...view, from: isoTime(start), to: isoTime(end) };
}

/** Whether the view ends now, so that new data can still change it. */
export function endsNow(view: View): boolean {
  return view.to.startsWith('now');
}

/** Resolves a view into Unix seconds; a range that is empty or turned round becomes one minute ending at its later end. */
export function resolveRange(view: Pick<View, 'from' | 'to'>, now: number, zone: Zone): { start: number; end: number } {
  const a = parseTime(view.from, now, zone) ?? now - 3600;
  const b = parseTime(view.to, now, zone, true) ?? now;
  if (b - a >= 1) return { start: a, end: b };
  const end = Math.max(a, b);
  return { start: end - 60, end };
}

/** The range moved by a part of its width: -0.5 is half a width back. It becomes absolute, and never passes now. */
export function shiftRange(view: View, by: number, now: number, zone: Zone): View {
  const { start, end } = resolveRange(view, now, zone);
  const width = end - start;
  const newEnd = Math.min(end + by * width, Math.max(now, end));
  return { ...view, from: isoTime(newEnd - width), to: isoTime(newEnd) };
}

/** The range twice as wide about its middle, or as wide as up to now. */
export function zoomOut(view: View, now: number, zone: Zone): View {
  const { start, end } = resolveRange(view, now, zone);
  const width = end - start;
  if (view.to === 'now' && parseDuration(view.from.replace(/^now-/, '')) !== null) {
    return { ...view, from: `now-${wholeDuration(width * 2)}` };
  }
  const newEnd = Math.min(end + width / 2, Math.max(now, end));
  return { ...view, from: isoTime(newEnd - width * 2), to: isoTime(newEnd) };
}

function wholeDuration(seconds: number): string {
  if (seconds % 86400 === 0) return `${seconds / 86400}d`;
  if (seconds % 3600 === 0) return `${seconds / 3600}h`;
  if (seconds % 60 === 0) return `${seconds / 60}m`;
  return `${Math.round(seconds)}s`;
}

/** Scope as PromQL matchers: env="prod", team=~"db|infra". */
export function scopeMatchers(scope: readonly ScopeLabel[]): { name: string; op: '=' | '=~'; value: string }[] {
  const escape = (v: string) => v.replace(/[\\^$.|?*+()[\]{}]/g, '\\$&');
  return scope.map(({ name, values }) =>
    values.length === 1 ? { name, op: '=' as const, value: values[0]! } : { name, op: '=~' as const, value: values.map(escape).join('|') });
}

/** Whether labels lie within the scope: each label of it has one of its values. */
export function inScope(labels: Record<string, string>, scope: readonly ScopeLabel[]): boolean {
  return scope.every(({ name, values }) => values.includes(labels[name] ?? ''));
}
