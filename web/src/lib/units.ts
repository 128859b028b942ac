// Numbers for reading: three significant digits, the unit apart, prefixes by the unit's own habit. Pure.
import { humanDuration } from './time';

export type Unit =
  | 'none' | 'short' | 'percent' | 'ratio' | 'bytes' | 'bytes/s' | 'bits/s' | 'seconds' | 'per second' | 'hertz' | 'celsius' | 'volts' | 'amperes' | 'watts' | 'joules' | 'rpm' | 'timestamp' | 'boolean';

const si = ['', 'k', 'M', 'G', 'T', 'P', 'E'];
const iec = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];

export interface Formatted { number: string; unit: string }

/** Formats a value as number and unit apart, so that the unit can be dimmed. */
export function format(value: number | null | undefined, unit: Unit = 'short'): Formatted {
  if (value === null || value === undefined) return { number: '–', unit: '' };
  if (Number.isNaN(value)) return { number: 'NaN', unit: '' };
  if (!Number.isFinite(value)) return { number: value > 0 ? '+∞' : '−∞', unit: '' };
  switch (unit) {
    case 'none': return { number: minus(String(Number(value.toPrecision(6)))), unit: '' };
    case 'percent': return { number: significant(value), unit: '%' };
    case 'ratio': return { number: significant(value * 100), unit: '%' };
    case 'boolean': return { number: value === 0 ? 'no' : 'yes', unit: '' };
    case 'bytes': return scaled(value, 1024, iec, 'B');
    case 'bytes/s': return scaled(value, 1024, iec, 'B/s');
    case 'bits/s': return scaled(value, 1000, si, 'bit/s');
    case 'hertz': return scaled(value, 1000, si, 'Hz');
    case 'per second': return scaled(value, 1000, si, '/s');
    case 'watts': return scaled(value, 1000, si, 'W');
    case 'joules': return scaled(value, 1000, si, 'J');
    case 'volts': return small(value, 'V');
    case 'amperes': return small(value, 'A');
    case 'celsius': return { number: significant(value), unit: '°C' };
    case 'rpm': return { number: significant(value), unit: 'rpm' };
    case 'timestamp': return { number: new Date(value * 1000).toISOString().slice(0, 19).replace('T', ' '), unit: 'UTC' };
    case 'seconds': {
      const text = humanDuration(value);
      const simple = /^(−?[\d.]+) (\S+)$/.exec(text);
      return simple ? { number: simple[1]!, unit: simple[2]! } : { number: text, unit: '' };
    }
    default: return small(value, '', si);
  }
}

/** The same as one string: "1.5 GiB", "42 %". */
export function formatValue(value: number | null | undefined, unit: Unit = 'short'): string {
  const f = format(value, unit);
  // A prefix without a unit sits at its number: 12k, as people write it.
  return f.unit === '' ? f.number : f.unit.length === 1 && unit === 'short' ? f.number + f.unit : `${f.number} ${f.unit}`;
}

function minus(s: string): string {
  return s.startsWith('-') ? `−${s.slice(1)}` : s;
}

function significant(v: number): string {
  if (v === 0) return '0';
  const a = Math.abs(v);
  if (a >= 1000) return minus(Math.round(v).toString());
  if (a < 0.001) return minus(v.toExponential(1));
  return minus(String(Number(v.toPrecision(3))));
}

function scaled(value: number, base: number, prefixes: readonly string[], unit: string): Formatted {
  let v = Math.abs(value);
  let i = 0;
  // 999.6 would be written "1000": go to the next prefix where rounding to three digits reaches the base.
  while (i < prefixes.length - 1 && Number(v.toPrecision(3)) >= (base === 1024 ? 1000 : base)) {
    v /= base;
    i++;
  }
  return { number: significant(value < 0 ? -v : v), unit: prefixes[i]! + unit };
}

function small(value: number, unit: string, prefixes: readonly string[] = si): Formatted {
  const a = Math.abs(value);
  if (a !== 0 && a < 0.001 && unit !== '') return { number: significant(value * 1000), unit: `m${unit}` };
  return scaled(value, 1000, prefixes, unit);
}

/** One decimal scale for a whole axis, so that all ticks carry the same unit: [0, 512Mi, 1Gi] → "0 MiB, 512 MiB, 1024 MiB". */
export function axisValues(ticks: readonly (number | null)[], unit: Unit): string[] {
  const step = Math.abs((ticks[1] ?? 0) - (ticks[0] ?? 0));
  return ticks.map((t) => {
    if (t === null) return '';
    // Ticks that a sum left at 1e-17 are zero.
    const v = step > 0 && Math.abs(t) < step / 1e6 ? 0 : t;
    return formatValue(v, unit);
  });
}

/**
 * Guesses the unit of an expression: by the metric's own unit where the metadata gives one, else by the suffix of its name as the
 * Prometheus naming rules have it, seen through rate() and the like. `expr` may be any PromQL.
 */
export function guessUnit(expr: string, metadataUnit?: string): Unit {
  const text = expr.replace(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`/g, '""').replace(/#.*$/gm, '');
  if (/\*\s*100\s*\)*\s*$/.test(text) || /^\s*\(*\s*100\s*(\*|-)/.test(text)) return 'percent';
  // A comparison with `bool`, a count or a quotient has no unit that a name could tell.
  if (/^\s*(count|count_values|group|absent|present_over_time|count_over_time|changes|resets)\b/.test(text)) return 'short';
  const names = [...text.matchAll(/[a-zA-Z_:][a-zA-Z0-9_:]*/g)]
    .filter((m) => !functions.has(m[0]) && !/^\s*\(/.test(text.slice(m.index + m[0].length)) && !insideBraces(text, m.index))
    .map((m) => m[0]);
  const metric = names.find((n) => n.includes('_') || n.includes(':')) ?? names[0] ?? '';
  const rated = /\b(rate|irate|deriv)\s*\(/.test(text);
  const divides = hasTopLevelDivision(text);
  if (/histogram_quantile/.test(text)) return fromName(metric.replace(/_bucket$/, ''), metadataUnit);
  if (/_bucket\b/.test(text)) return rated ? 'per second' : 'short'; // observations, whatever they measure
  if (divides) {
    const sides = names.filter((n) => n.includes('_')).map((n) => fromName(n, undefined));
    if (/_sum\b/.test(text) && /_count\b/.test(text)) return fromName(metric.replace(/_sum$/, ''), metadataUnit);
    return sides.length > 1 && sides[0] === sides[1] && sides[0] !== 'short' ? 'ratio' : 'short';
  }
  const base = fromName(metric.replace(/_(sum|total|bucket)$/, ''), metadataUnit);
  if (!rated) return base;
  if (base === 'bytes') return 'bytes/s';
  if (base === 'seconds') return 'ratio'; // seconds spent per second: the share of one core, disk or request slot
  if (base === 'joules') return 'watts';
  return 'per second';
}

const functions = new Set(['by', 'without', 'on', 'ignoring', 'group_left', 'group_right', 'bool', 'offset', 'and', 'or', 'unless', 'inf', 'nan', 'start', 'end']);

function insideBraces(text: string, index: number): boolean {
  const before = text.slice(0, index);
  if (before.lastIndexOf('{') > before.lastIndexOf('}')) return true;
  if (before.lastIndexOf('[') > before.lastIndexOf(']')) return true;
  // The list after by (...) and its kind holds label names, not metrics.
  const open = before.lastIndexOf('(');
  return open > before.lastIndexOf(')') && /\b(by|without|on|ignoring|group_left|group_right)\s*$/.test(before.slice(0, open));
}

function hasTopLevelDivision(text: string): boolean {
  return /\//.test(text.replace(/\[[^\]]*\]/g, ''));
}

function fromName(name: string, metadataUnit?: string): Unit {
  const known: Record<string, Unit> = {
    seconds: 'seconds', bytes: 'bytes', ratio: 'ratio', percent: 'percent', celsius: 'celsius', hertz: 'hertz', volts: 'volts', amperes: 'amperes',
    joules: 'joules', watts: 'watts', rpm: 'rpm',
  };
  if (metadataUnit && known[metadataUnit]) return known[metadataUnit];
  const trimmed = name.replace(/_(total|sum|bucket|max|min|avg)$/, '');
  // Not every *_time_seconds is a point in time: a response_time_seconds is a duration.
  if (/(^|_)(timestamp|mtime|(boot|start|creation|change|expiry|reload|scrape|evaluation|success|node)_time)_seconds$/.test(trimmed)) return 'timestamp';
  const suffix = /(?:^|_)([a-z]+)$/.exec(trimmed)?.[1] ?? '';
  return known[suffix] ?? 'short';
}
