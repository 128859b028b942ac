// Points in time and durations as people write them: "now-6h", "2026-03-01 12:00", "1h30m". Pure; times are Unix seconds.

export type Zone = 'local' | 'utc';

const unitSeconds: Record<string, number> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86400, w: 604800, M: 2592000, y: 31536000 };

/** Parses a Prometheus duration ("90s", "1h30m", "2d") into seconds; null when it is none. */
export function parseDuration(text: string): number | null {
  const trimmed = text.trim();
  if (!/^(\d+(\.\d+)?(ms|[smhdwMy]))+$/.test(trimmed)) return null;
  let sum = 0;
  for (const [, n, unit] of trimmed.matchAll(/(\d+(?:\.\d+)?)(ms|[smhdwMy])/g)) sum += Number(n) * unitSeconds[unit!]!;
  return sum;
}

/** Writes seconds as a Prometheus duration with as many units as needed: 5400 → "1h30m". */
export function formatDuration(seconds: number): string {
  if (seconds < 0) return `-${formatDuration(-seconds)}`;
  if (seconds === 0) return '0s';
  if (seconds < 1) return `${Math.round(seconds * 1000)}ms`;
  let rest = Math.round(seconds);
  let out = '';
  for (const [unit, size] of [['d', 86400], ['h', 3600], ['m', 60], ['s', 1]] as const) {
    const n = Math.floor(rest / size);
    if (n > 0) out += `${n}${unit}`;
    rest -= n * size;
  }
  return out;
}

/** A duration for reading, two units at most: 93784 → "1 d 2 h", 0.0042 → "4.2 ms". */
export function humanDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '–';
  if (seconds < 0) return `−${humanDuration(-seconds)}`;
  if (seconds === 0) return '0 s';
  if (seconds < 1e-6) return `${trim3(seconds * 1e9)} ns`;
  if (seconds < 1e-3) return `${trim3(seconds * 1e6)} µs`;
  if (seconds < 1) return `${trim3(seconds * 1e3)} ms`;
  if (seconds < 60) return `${trim3(seconds)} s`;
  const units = [['y', 31536000], ['d', 86400], ['h', 3600], ['min', 60], ['s', 1]] as const;
  const rounded = Math.round(seconds);
  const i = units.findIndex(([, size]) => rounded >= size);
  const [big, bigSize] = units[i]!;
  const first = Math.floor(rounded / bigSize);
  const next = units[i + 1];
  const second = next ? Math.floor((rounded - first * bigSize) / next[1]) : 0;
  return second > 0 && next ? `${first} ${big} ${second} ${next[0]}` : `${first} ${big}`;
}

function trim3(v: number): string {
  return String(Number(v.toPrecision(3)));
}

/** "12 s ago", "in 5 min"; what is less than a second away is "now". */
export function relativeTime(at: number, now: number): string {
  const d = now - at;
  if (Math.abs(d) < 1) return 'now';
  const text = humanDuration(Math.floor(Math.abs(d)));
  return d > 0 ? `${text} ago` : `in ${text}`;
}

/**
 * Resolves what a `from` or `to` of the URL says: now, now-6h, now-1d/d (rounded down; up when roundUp), Unix seconds or
 * milliseconds, or an ISO-like date. A date without a zone is read in `zone`. Returns null when it is none of these.
 */
export function parseTime(text: string, now: number, zone: Zone = 'local', roundUp = false): number | null {
  const t = text.trim();
  const relative = /^now(?:([+-])((?:\d+(?:\.\d+)?(?:ms|[smhdwMy]))+))?(?:\/([mhdwMy]))?$/.exec(t);
  if (relative) {
    const [, sign, duration, round] = relative;
    let at = now;
    if (sign && duration) at += (sign === '-' ? -1 : 1) * (parseDuration(duration) ?? 0);
    return round ? roundTo(at, round, zone, roundUp) : at;
  }
  if (/^-?\d+(\.\d+)?$/.test(t)) {
    const n = Number(t);
    // A number of twelve digits and more can only be milliseconds: as seconds it would be beyond the year 5000.
    return Math.abs(n) >= 1e11 ? n / 1000 : n;
  }
  const date = /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?)?\s*(Z|[+-]\d{2}:?\d{2})?$/i.exec(t);
  if (!date) return null;
  const n = (i: number) => Number(date[i] ?? 0);
  const ms = Math.round(Number(`0.${date[7] ?? 0}`) * 1000);
  const offset = date[8];
  let value: number;
  if (offset || zone === 'utc') {
    value = Date.UTC(n(1), n(2) - 1, n(3), n(4), n(5), n(6), ms);
    if (offset && offset.toUpperCase() !== 'Z') {
      const minutes = Number(offset.slice(1, 3)) * 60 + Number(offset.slice(-2));
      value -= (offset[0] === '-' ? -1 : 1) * minutes * 60000;
    }
  } else {
    value = new Date(n(1), n(2) - 1, n(3), n(4), n(5), n(6), ms).getTime();
  }
  const back = new Date(value);
  return n(2) < 1 || n(2) > 12 || n(3) < 1 || n(3) > 31 || n(4) > 23 || n(5) > 59 || n(6) > 59 || Number.isNaN(back.getTime()) ? null : value / 1000;
}

function roundTo(at: number, unit: string, zone: Zone, up: boolean): number {
  const d = new Date(at * 1000);
  const utc = zone === 'utc';
  const p = utc
    ? [d.getUTCFullYear(), d.getUTCMonth(), d.getUTCDate(), d.getUTCHours(), d.getUTCMinutes()]
    : [d.getFullYear(), d.getMonth(), d.getDate(), d.getHours(), d.getMinutes()];
  let [y, mo, day, h, mi] = p as [number, number, number, number, number];
  const add = up ? 1 : 0;
  switch (unit) {
    case 'y': y += add; mo = 0; day = 1; h = 0; mi = 0; break;
    case 'M': mo += add; day = 1; h = 0; mi = 0; break;
    case 'w': {
      const weekday = ((utc ? d.getUTCDay() : d.getDay()) + 6) % 7; // the week begins on Monday (ISO 8601)
      day += 7 * add - weekday; h = 0; mi = 0; break;
    }
    case 'd': day += add; h = 0; mi = 0; break;
    case 'h': h += add; mi = 0; break;
    default: mi += add;
  }
  return (utc ? Date.UTC(y, mo, day, h, mi) : new Date(y, mo, day, h, mi).getTime()) / 1000;
}

const two = (n: number) => String(n).padStart(2, '0');

function parts(at: number, zone: Zone): { y: number; mo: number; d: number; h: number; mi: number; s: number; ms: number } {
  const t = new Date(at * 1000);
  return zone === 'utc'
    ? { y: t.getUTCFullYear(), mo: t.getUTCMonth() + 1, d: t.getUTCDate(), h: t.getUTCHours(), mi: t.getUTCMinutes(), s: t.getUTCSeconds(), ms: t.getUTCMilliseconds() }
    : { y: t.getFullYear(), mo: t.getMonth() + 1, d: t.getDate(), h: t.getHours(), mi: t.getMinutes(), s: t.getSeconds(), ms: t.getMilliseconds() };
}

/** "2026-03-01 12:00:05", always 24 h. */
export function formatDateTime(at: number, zone: Zone, withMillis = false): string {
  const p = parts(at, zone);
  return `${p.y}-${two(p.mo)}-${two(p.d)} ${formatClock(at, zone)}${withMillis ? `.${String(p.ms).padStart(3, '0')}` : ''}`;
}

/** "12:00:05". */
export function formatClock(at: number, zone: Zone): string {
  const p = parts(at, zone);
  return `${two(p.h)}:${two(p.mi)}:${two(p.s)}`;
}

/** ISO 8601 in UTC to the second, the form that shared links use. */
export function isoTime(at: number): string {
  return new Date(Math.round(at) * 1000).toISOString().replace('.000', '');
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** Labels for the ticks of a time axis: only as fine as the step needs; the day is written where it changes. */
export function axisTimes(ticks: readonly number[], step: number, zone: Zone): string[] {
  let lastDay = '';
  return ticks.map((at, i) => {
    const p = parts(at, zone);
    const day = `${p.d} ${months[p.mo - 1]}`;
    if (step >= 86400 * 28) {
      return p.mo === 1 || i === 0 ? `${months[p.mo - 1]} ${p.y}` : months[p.mo - 1]!;
    }
    if (step >= 86400) return day;
    let clock = `${two(p.h)}:${two(p.mi)}`;
    if (step < 60) clock += `:${two(p.s)}`;
    if (step < 1) clock += `.${String(p.ms).padStart(3, '0')}`;
    // A chart of one day needs no date at its first tick; only where midnight passes within it.
    const changed = lastDay !== '' && day !== lastDay;
    lastDay = day;
    return changed ? `${clock}\n${day}` : clock;
  });
}

/** The range for reading: "Last 6 h" for what ends now, else both ends, the day said once. */
export function describeRange(from: string, to: string, now: number, zone: Zone): string {
  const last = /^now-(.+)$/.exec(from);
  if (to === 'now' && last?.[1]) {
    const seconds = parseDuration(last[1]);
    if (seconds !== null) return `Last ${humanDuration(seconds)}`;
  }
  if (from === 'now/d' && (to === 'now' || to === 'now/d')) return 'Today';
  const a = parseTime(from, now, zone);
  const b = parseTime(to, now, zone, true);
  if (a === null || b === null) return `${from} to ${to}`;
  const start = formatDateTime(a, zone);
  const end = formatDateTime(b, zone);
  return start.slice(0, 10) === end.slice(0, 10) ? `${start} → ${end.slice(11)}` : `${start} → ${end}`;
}
