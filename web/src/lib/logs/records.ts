// Log records as the page holds them: what Loki's query_range and tail answer, flattened into rows in order of time. Pure.
// Times are strings of nanoseconds, since a number cannot hold them; Unix seconds only where they are shown.
import { hash } from '../colors';
import type { Labels } from '../labels';
import { selectorOf, type Source } from './edit';

export interface Stream { labels: Labels; id: string }
export interface Row {
  /** Unique on the page, ascending in the order in which rows were made. */
  id: number;
  ns: string;
  line: string;
  stream: Stream;
  /** Stored with the record beside its line (structured metadata). */
  stored: Labels;
  /** What the query's parsers found. */
  parsed: Labels;
}

/** One stream of an answer; the third part of a value is there when labels are kept apart (categorize-labels). */
export interface RawStream { stream: Labels; values: readonly (readonly [ns: string, line: string, extra?: { structuredMetadata?: Labels; parsed?: Labels }])[] }

const none: Labels = Object.freeze({});

/** Makes rows, and shares streams between them. One for the life of a page. */
export class Rows {
  #streams = new Map<string, Stream>();
  #next = 1;

  stream(labels: Labels): Stream {
    const id = selectorOf(labels);
    let s = this.#streams.get(id);
    if (!s) {
      if (this.#streams.size > 20_000) this.#streams.clear(); // rows keep what they have; only sharing begins anew
      this.#streams.set(id, s = { labels, id });
    }
    return s;
  }

  make(raw: RawStream): Row[] {
    const stream = this.stream(raw.stream);
    return raw.values.map(([ns, line, extra]) => ({ id: this.#next++, ns, line, stream, stored: filled(extra?.structuredMetadata), parsed: filled(extra?.parsed) }));
  }

  /** All rows of an answer in order of time. */
  all(result: readonly RawStream[], descending: boolean): Row[] {
    const rows = result.flatMap((r) => this.make(r));
    const sign = descending ? -1 : 1;
    return rows.sort((a, b) => sign * compareNs(a.ns, b.ns) || a.id - b.id);
  }
}

function filled(labels: Labels | undefined): Labels {
  for (const _ in labels) return labels;
  return none;
}

export function compareNs(a: string, b: string): number {
  if (a.length !== b.length && a[0] !== '-' && b[0] !== '-') return a.length - b.length;
  return a < b ? -1 : a > b ? 1 : 0;
}

export function secondsOf(ns: string): number { return Number(ns) / 1e9; }

/** Nanoseconds moved by some. */
export function shiftNs(ns: string, by: number): string { return (BigInt(ns) + BigInt(by)).toString(); }

/** Unix seconds as nanoseconds, exact to the millisecond. */
export function nsOf(seconds: number): string { return (BigInt(Math.round(seconds * 1000)) * 1_000_000n).toString(); }

/** The digits behind the millisecond, when they say something. */
export function subMillis(ns: string): string {
  const digits = ns.slice(-6);
  return /^0+$/.test(digits) ? '' : digits.replace(/0+$/, '');
}

/** Which record a row shows, the same on every load: for links, and for telling what two answers share. */
export function lineKey(row: Row): string { return `${row.ns}~${hash(`${row.stream.id}\n${row.line}`).toString(36)}`; }

export function keyTime(key: string): string | null { return /^(\d{1,19})~[a-z0-9]+$/.exec(key)?.[1] ?? null; }

/**
 * Puts the next page behind the rows that are there. Pages meet at one nanosecond: what both hold is taken once, counted, since two equal
 * records of one stream are two.
 */
export function joinPages(have: readonly Row[], next: readonly Row[]): Row[] {
  const edge = have.at(-1)?.ns;
  const shared = new Map<string, number>();
  for (let i = have.length - 1; i >= 0 && have[i]!.ns === edge; i--) {
    const key = lineKey(have[i]!);
    shared.set(key, (shared.get(key) ?? 0) + 1);
  }
  const fresh = next.filter((r) => {
    if (r.ns !== edge) return true;
    const key = lineKey(r);
    const left = shared.get(key) ?? 0;
    shared.set(key, left - 1);
    return left <= 0;
  });
  return [...have, ...fresh];
}

// The same names as the server's, the gravest first.
export const levels = ['fatal', 'critical', 'error', 'warn', 'info', 'debug', 'trace', 'unknown'] as const;
export type Level = (typeof levels)[number];

const synonyms: Record<string, Level> = {
  emerg: 'fatal', emergency: 'fatal', panic: 'fatal', alert: 'fatal', crit: 'critical', err: 'error', eror: 'error', severe: 'error', warning: 'warn', notice: 'info', informational: 'info', information: 'info', verbose: 'debug', dbug: 'debug', dbg: 'debug', trc: 'trace', inf: 'info', wrn: 'warn', '': 'unknown',
};

export function levelOf(text: string | undefined): Level {
  const t = (text ?? '').toLowerCase();
  return (levels as readonly string[]).includes(t) ? (t as Level) : (synonyms[t] ?? 'unknown');
}

export function rowLevel(row: Row): Level {
  return levelOf(row.stored['detected_level'] ?? row.stream.labels['detected_level'] ?? row.stream.labels['level'] ?? row.parsed['level'] ?? row.stored['level']);
}

/** Three letters, so that a column of them lines up. */
export const levelShort: Record<Level, string> = { fatal: 'FTL', critical: 'CRT', error: 'ERR', warn: 'WRN', info: 'INF', debug: 'DBG', trace: 'TRC', unknown: '' };

export interface Field { name: string; value: string; source: Source }

/**
 * Everything that is known of a record, by where it came from. A line in JSON or logfmt is read here when the query did not parse it, so
 * that its fields can be filtered by without knowing how.
 */
export function fieldsOf(row: Row, parsedBy: Source = 'parsed'): Field[] {
  const list = (labels: Labels, source: Source) => Object.keys(labels).sort().map((name): Field => ({ name, value: labels[name]!, source }));
  const known = [...list(row.stream.labels, 'label'), ...list(row.stored, 'stored'), ...list(row.parsed, parsedBy)];
  const own = jsonFields(row.line) ?? logfmtFields(row.line);
  if (!own) return known;
  const names = new Set(known.map((k) => k.name));
  return [...known, ...own.filter((o) => !names.has(o.name) && !names.has(`${o.name}_extracted`))];
}

/** The value of one field, wherever it is: what a column shows. */
export function valueOf(row: Row, name: string): string | undefined {
  return row.parsed[name] ?? row.stored[name] ?? row.stream.labels[name] ?? quick(row).get(name);
}

// Rows of a table ask for several fields of one line: it is read once.
const read = new WeakMap<Row, Map<string, string>>();
function quick(row: Row): Map<string, string> {
  let known = read.get(row);
  if (!known) read.set(row, known = new Map((jsonFields(row.line) ?? logfmtFields(row.line) ?? []).map((f) => [f.name, f.value])));
  return known;
}

const mostFields = 500; // of one line; a longer list helps nobody, and costs
const mostText = 1 << 20; // a line beyond a megabyte is not taken apart in the browser

/** The fields of a line that is a JSON object, nested ones joined by "_", as the server's parser names them; null when it is none. */
export function jsonFields(line: string): Field[] | null {
  const value = jsonOf(line);
  if (!isObject(value)) return null;
  const out: Field[] = [];
  const visit = (object: Record<string, unknown>, prefix: string, depth: number) => {
    for (const [key, v] of Object.entries(object)) {
      if (out.length >= mostFields) return;
      const name = prefix + key.replace(/[^a-zA-Z0-9_]/g, '_');
      if (isObject(v)) { if (depth < 20) visit(v, `${name}_`, depth + 1); }
      else if (v !== null && !Array.isArray(v)) out.push({ name: prefix === '' && /^[0-9]/.test(name) ? `_${name}` : name, value: String(v), source: 'json' });
    }
  };
  visit(value, '', 0);
  return out;
}

export function jsonOf(line: string): unknown {
  const text = line.trimStart();
  if (text[0] !== '{' || line.length > mostText) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function isObject(v: unknown): v is Record<string, unknown> { return typeof v === 'object' && v !== null && !Array.isArray(v); }

/** The pairs of a line in logfmt. Two of them at least, in a line that begins with one or has most of its words in them: prose with one = is no logfmt. */
export function logfmtFields(line: string): Field[] | null {
  if (line.length > mostText || !/^\s*[\w.\-@/]+=/.test(line)) return null;
  const out: Field[] = [];
  for (const m of line.matchAll(/([^\s="]+)=(?:"((?:[^"\\]|\\.)*)"|(\S*))/g)) {
    if (out.length >= mostFields) break;
    const name = m[1]!.replace(/[^a-zA-Z0-9_]/g, '_').replace(/^(\d)/, '_$1');
    const value = m[2] !== undefined ? m[2].replace(/\\(.)/g, (_, c: string) => ({ n: '\n', t: '\t', r: '\r' })[c] ?? c) : m[3]!;
    if (value !== '') out.push({ name, value, source: 'logfmt' });
  }
  return out.length >= 2 ? out : null;
}

const serviceLabels = ['service_name', 'service', 'app', 'container', 'container_name', 'unit', 'systemd_unit', 'syslog_identifier', 'job', 'filename'];
const hostLabels = ['host', 'hostname', 'instance', 'host_name', 'node_name', 'node'];

/** The label that says which service wrote a stream, and the one that says on which host; undefined when none does. */
export function serviceOf(labels: Labels): { name: string; value: string } | undefined { return firstOf(labels, serviceLabels); }
export function hostOf(labels: Labels): { name: string; value: string } | undefined { return firstOf(labels, hostLabels); }

function firstOf(labels: Labels, names: readonly string[]): { name: string; value: string } | undefined {
  const name = names.find((n) => labels[n]);
  return name === undefined ? undefined : { name, value: labels[name]! };
}

/** The first of a facet's names that stands for hosts or services: what the quick filters offer. */
export function pickName(names: readonly string[], what: 'host' | 'service'): string | undefined {
  return (what === 'host' ? hostLabels : serviceLabels).find((n) => names.includes(n));
}

/** A record as one JSON object, for the clipboard. */
export function recordJSON(row: Row): string {
  return JSON.stringify({ time: isoNs(row.ns), line: row.line, labels: row.stream.labels, ...(row.stored === none ? {} : { fields: row.stored }), ...(row.parsed === none ? {} : { parsed: row.parsed }) }, null, 2);
}

/** RFC 3339 with all nine digits. */
export function isoNs(ns: string): string {
  const seconds = Math.floor(Number(ns.slice(0, -9) || '0'));
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}.${ns.slice(-9).padStart(9, '0')}Z`;
}
