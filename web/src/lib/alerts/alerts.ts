// Alerts as rows for pages: decoded once, then filtered, grouped and counted in the browser. Pure; times in Unix seconds, 0 for never.
import { at } from '../checks/checks';
import type { Status } from '../../ui/status';
import type { ScopeLabel } from '../urlstate';
import type { AlertView, Delivery, Person, State, TimelineEvent } from './types';

/** Why nobody is told of it just now; '' when it is told. */
export type Quiet = '' | 'acknowledged' | 'silenced' | 'inhibited' | 'muted' | 'pending' | 'watchdog';

export interface Alert {
  id: string; name: string; subject: string; summary: string; labels: Record<string, string>; annotations: Record<string, string>;
  state: State; quiet: Quiet; status: Status; word: string; severity: number; since: number; receivers: readonly string[]; view: AlertView;
}

const severities: Record<string, [rank: number, status: Status]> = {
  critical: [4, 'crit'], crit: [4, 'crit'], page: [4, 'crit'], emergency: [4, 'crit'], error: [4, 'crit'], high: [4, 'crit'], fatal: [4, 'crit'],
  unknown: [3, 'unknown'], warning: [2, 'warn'], warn: [2, 'warn'], ticket: [2, 'warn'], medium: [2, 'warn'], info: [1, 'info'], information: [1, 'info'], low: [1, 'info'], none: [0, 'info'],
};

/** How bad a severity label says that it is. What nobody wrote, or no one knows, ranks as a warning: it must not hide below the known ones. */
export function severityOf(label: string | undefined): { rank: number; status: Status } {
  const [rank, status] = severities[(label ?? '').toLowerCase()] ?? [2, 'warn'];
  return { rank, status };
}

export const quietWords: Record<Quiet, string> = { '': '', acknowledged: 'acknowledged', silenced: 'silenced', inhibited: 'inhibited', muted: 'muted now', pending: 'pending', watchdog: 'always fires' };

// What says where a problem is, the most telling first.
const subjects = ['instance', 'host', 'service', 'unit', 'device', 'mountpoint', 'job', 'name'];
const plain = new Set(['alertname', 'severity']);

/** Where it is, in the labels' own words: the host and what tells alerts of one host apart. */
export function subjectOf(labels: Record<string, string>): string {
  if (labels['host'] && labels['check'] && labels['alertname'] !== 'HostDown') return `${labels['host']}/${labels['check']}`;
  if (labels['alertname'] === 'HostDown' && labels['host']) return labels['host'];
  const where = labels['instance'] ?? labels['host'];
  const what = subjects.slice(2).filter((k) => labels[k] && k !== 'job').map((k) => labels[k]!);
  const parts = [where, ...what.slice(0, 2)].filter((x): x is string => !!x);
  if (parts.length > 0) return parts.join(' ');
  return Object.entries(labels).filter(([k]) => !plain.has(k)).slice(0, 2).map(([k, v]) => `${k}=${v}`).join(' ');
}

export function quietOf(v: AlertView): Quiet {
  if (v.state === 'pending') return 'pending';
  // It proves that alerting works: nobody has to do anything about it.
  if (v.labels?.['alertname'] === 'Watchdog' && (v.labels['severity'] ?? 'none') === 'none') return 'watchdog';
  if (v.ack) return 'acknowledged';
  if ((v.silenced_by ?? []).length > 0) return 'silenced';
  if ((v.inhibited_by ?? []).length > 0) return 'inhibited';
  if ((v.muted_by ?? []).length > 0) return 'muted';
  return v.state === 'suppressed' ? 'silenced' : '';
}

export function decode(v: AlertView): Alert {
  const labels = v.labels ?? {};
  const annotations = v.annotations ?? {};
  const name = labels['alertname'] ?? '(no name)';
  const { rank, status } = severityOf(labels['severity']);
  const quiet = quietOf(v);
  return {
    id: v.fingerprint, name, subject: subjectOf(labels), summary: annotations['summary'] ?? annotations['message'] ?? annotations['description'] ?? '',
    labels, annotations, state: v.state, quiet, status: v.state === 'resolved' ? 'ok' : v.state === 'pending' ? 'pending' : status, word: labels['severity'] ?? 'no severity', severity: rank,
    since: at(v.starts_at), receivers: v.receivers ?? [], view: v,
  };
}

/**
 * Each alert once. After a restart one is remembered as firing while its rule waits again; it is then the firing one that people were told of.
 */
export function unique(list: readonly Alert[]): Alert[] {
  const by = new Map<string, Alert>();
  for (const a of list) { const known = by.get(a.id); if (!known || (known.state === 'pending' && a.state !== 'pending')) by.set(a.id, a); }
  return [...by.values()];
}

const rankOfQuiet: Record<Quiet, number> = { '': 0, acknowledged: 1, silenced: 2, inhibited: 3, muted: 4, pending: 5, watchdog: 6 };
const collator = new Intl.Collator('en', { numeric: true });

/** Those that nobody handles first, the worst first, the newest first within a severity, then names. */
export function order(a: Alert, b: Alert): number {
  return rankOfQuiet[a.quiet] - rankOfQuiet[b.quiet] || b.severity - a.severity || b.since - a.since || collator.compare(a.name, b.name) || collator.compare(a.subject, b.subject) || (a.id < b.id ? -1 : 1);
}

// ---- searching

interface Wanted { words: string[]; names: string[]; labels: [name: string, op: string, value: string][]; receivers: string[]; severities: string[] }

/** Reads a search: n:Disk l:env=prod s:critical r:ops, matchers (env=prod, env!="dev", host=~"web.*", host!~db), and words that occur anywhere. */
export function parseSearch(text: string): Wanted {
  const out: Wanted = { words: [], names: [], labels: [], receivers: [], severities: [] };
  for (const [, prefix, quoted, bare] of text.replace(/^\s*\{|\}\s*$/g, '').matchAll(/(?:\b(n|l|s|r):)?(?:"([^"]*)"|((?:[^\s"]|"[^"]*"?)+))/gi)) {
    const value = (quoted ?? bare ?? '').replace(/,$/, '');
    if (value === '' || /^[nlsr]:$/i.test(value)) continue;
    const label = /^([a-z_]\w*)(=~|!~|!=|=)("?)([^"]*)"?$/i.exec(value);
    const p = prefix?.toLowerCase();
    if (p === 'n') out.names.push(value.toLowerCase());
    else if (p === 's') out.severities.push(value.toLowerCase());
    else if (p === 'r') out.receivers.push(value.toLowerCase());
    else if (label && quoted === undefined) out.labels.push([label[1]!, label[2]! + (label[2] === '=' && label[3] ? '=' : ''), label[4]!]);
    else if (p === 'l') out.labels.push([value, '=', '']);
    else out.words.push(value.toLowerCase());
  }
  return out;
}

/** A matcher on a label: as Alertmanager's, but that a bare name=value takes a part of the value in any case, as people type it; == asks for the whole. */
function fits(have: string | undefined, op: string, v: string): boolean {
  if (op === '=') return have !== undefined && have.toLowerCase().includes(v.toLowerCase());
  if (op === '==') return (have ?? '') === v;
  if (op === '!=') return (have ?? '').toLowerCase() !== v.toLowerCase();
  let hit: boolean;
  try { hit = new RegExp(`^(?:${v})$`).test(have ?? ''); } catch { hit = false; } // half a pattern while someone types
  return hit === (op === '=~');
}

export function wants(w: Wanted, a: Alert): boolean {
  if (w.names.length > 0 && !w.names.some((n) => a.name.toLowerCase().includes(n))) return false;
  if (w.severities.length > 0 && !w.severities.some((s) => a.word.toLowerCase().startsWith(s))) return false;
  if (w.receivers.length > 0 && !w.receivers.some((r) => a.receivers.some((x) => x.toLowerCase().includes(r)))) return false;
  if (!w.labels.every(([k, op, v]) => fits(a.labels[k], op, v))) return false;
  if (w.words.length === 0) return true;
  const hay = `${a.name} ${a.subject} ${a.summary} ${a.quiet} ${Object.values(a.labels).join(' ')} ${a.receivers.join(' ')}`.toLowerCase();
  return w.words.every((word) => hay.includes(word));
}

export interface Filter { text: string; severity: string; quiet: string; scope: readonly ScopeLabel[] }

export function filter(all: readonly Alert[], f: Filter): Alert[] {
  const wanted = parseSearch(f.text);
  const any = f.text.trim() !== '';
  return all.filter((a) => (f.severity === '' || a.status === f.severity || (a.state === 'pending' && severityOf(a.labels['severity']).status === f.severity))
    && (f.quiet === '' || (f.quiet === 'unhandled' ? a.quiet === '' : a.quiet === f.quiet))
    && inScope(a, f.scope) && (!any || wants(wanted, a)));
}

/** Host and instance stand for each other where only one of them is there: checks and metrics name machines differently. */
export function inScope(a: Alert, scope: readonly ScopeLabel[]): boolean {
  return scope.every(({ name, values }) => values.includes(a.labels[name] ?? (name === 'host' ? a.labels['instance'] : name === 'instance' ? a.labels['host'] : undefined) ?? ''));
}

// ---- grouping

/** Labels that alerts can be grouped by: those that some of them share. */
export function groupings(all: readonly Alert[]): string[] {
  const values = new Map<string, Map<string, number>>();
  for (const a of all) for (const [k, v] of Object.entries(a.labels)) { const m = values.get(k) ?? new Map<string, number>(); m.set(v, (m.get(v) ?? 0) + 1); values.set(k, m); }
  const usual = ['alertname', 'severity', 'instance', 'host'];
  const more = [...values].filter(([k, m]) => !usual.includes(k) && [...m.values()].some((n) => n > 1)).map(([k]) => k).sort();
  return [...usual.filter((k) => values.has(k)), 'receiver', ...more];
}

export interface Group { value: string; alerts: Alert[]; unhandled: number; worst: Status }

/** Groups in the order of their first alert: the list is sorted, so the group with the worst unhandled one leads. An alert of two receivers stands in both. */
export function grouped(list: readonly Alert[], by: string): Group[] {
  const groups = new Map<string, Group>();
  const put = (value: string, a: Alert) => {
    let g = groups.get(value);
    if (!g) groups.set(value, g = { value, alerts: [], unhandled: 0, worst: a.status });
    g.alerts.push(a);
    if (a.quiet === '') g.unhandled++;
  };
  for (const a of list) {
    if (by === 'receiver') { for (const r of a.receivers.length > 0 ? a.receivers : ['']) put(r, a); } else put(a.labels[by] ?? '', a);
  }
  return [...groups.values()];
}

// ---- counting and news

export interface Summary { unhandled: Partial<Record<Status, number>>; quiet: Partial<Record<Quiet, number>> }
export function summarize(list: readonly Alert[]): Summary {
  const s: Summary = { unhandled: {}, quiet: {} };
  for (const a of list) {
    if (a.state === 'resolved') continue;
    if (a.quiet === '') s.unhandled[a.status] = (s.unhandled[a.status] ?? 0) + 1;
    else s.quiet[a.quiet] = (s.quiet[a.quiet] ?? 0) + 1;
  }
  return s;
}

/** Alerts that nobody handles and that were not such before. */
export function news(before: readonly Alert[], now: readonly Alert[]): Alert[] {
  const had = new Set(before.filter((a) => a.quiet === '').map((a) => a.id));
  return now.filter((a) => a.quiet === '' && a.state !== 'resolved' && !had.has(a.id));
}

/** A timeline in which tries that only repeat are one line: the newest, with how many there were. */
export function folded(list: readonly TimelineEvent[]): (TimelineEvent & { times: number })[] {
  const bare = (e: TimelineEvent) => `${e.type} ${e.text.replace(/,? \(?(try|attempt) \d+\)?/, '')}`;
  const out: (TimelineEvent & { times: number })[] = [];
  for (const e of list) {
    const before = out.at(-1);
    if (before && e.type === 'failed' && bare(before) === bare(e)) before.times++;
    else out.push({ ...e, times: 1 });
  }
  return out;
}

// ---- words

/** The check that an alert is of, when it is of one. */
export function checkOf(labels: Record<string, string>): string | undefined {
  if (labels['alertname'] === 'HostDown' && labels['host']) return `${labels['host']}/host`;
  return labels['alertname'] === 'CheckProblem' && labels['host'] && labels['check'] ? `${labels['host']}/${labels['check']}` : undefined;
}

export function personName(p: string | Person): string {
  return typeof p === 'string' ? p : (p.name ?? p.contact ?? p.team ?? '');
}

/** Seconds that a delivery took: Go writes nanoseconds or its text, other writers seconds. */
export function took(d: Pick<Delivery, 'duration' | 'seconds'>): number | undefined {
  if (d.seconds !== undefined) return d.seconds;
  if (d.duration === undefined) return undefined;
  if (typeof d.duration === 'number') return d.duration >= 1e4 ? d.duration / 1e9 : d.duration;
  return durationOf(d.duration);
}

const units: Record<string, number> = { ns: 1e-9, us: 1e-6, 'µs': 1e-6, ms: 1e-3, s: 1, m: 60, h: 3600, d: 86400, w: 604800, y: 31536000 };
/** Seconds of a duration as Go or Prometheus write it; a number is seconds already. */
export function durationOf(text: string | number | undefined | null): number {
  if (typeof text === 'number') return text >= 1e9 ? text / 1e9 : text; // nanoseconds: nothing here waits for thirty years
  let sum = 0;
  for (const [, n, unit] of (text ?? '').matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|[smhdwy])/g)) sum += Number(n) * units[unit!]!;
  return sum;
}

// ---- a rule's threshold

export interface Threshold { expr: string; op: '>' | '>=' | '<' | '<=' | '==' | '!='; limit: number }

/**
 * What a rule compares, and with what: the last comparison with a number that stands outside all brackets. "a / b > 0.9" is a / b above 0.9.
 * Without one (absent(x), a comparison of two series, several joined by and) there is no single threshold.
 */
export function thresholdOf(query: string): Threshold | null {
  let depth = 0;
  let quote = '';
  let found: { at: number; op: Threshold['op'] } | null = null;
  for (let i = 0; i < query.length; i++) {
    const c = query[i]!;
    if (quote) { if (c === '\\') i++; else if (c === quote) quote = ''; continue; }
    if (c === '"' || c === "'" || c === '`') { quote = c; continue; }
    if ('([{'.includes(c)) depth++;
    else if (')]}'.includes(c)) depth--;
    else if (depth === 0) {
      const op = /^(==|!=|>=|<=|>|<)/.exec(query.slice(i))?.[1] as Threshold['op'] | undefined;
      if (op) { if (found) return null; found = { at: i, op }; i += op.length - 1; continue; }
      if (/^(and|or|unless)\b/i.test(query.slice(i)) && !/[\w:]/.test(query[i - 1] ?? ' ')) return null;
    }
  }
  if (!found) return null;
  const left = query.slice(0, found.at).trim();
  const right = query.slice(found.at + found.op.length).trim();
  const number = (t: string) => (/^[-+]?(\d+(\.\d*)?|\.\d+)(e[-+]?\d+)?$/i.test(t) ? Number(t) : /^[\d\s.*/+()e-]+$/i.test(t) ? arithmetic(t) : null);
  const r = number(right);
  if (r !== null && left !== '') return { expr: left, op: found.op, limit: r };
  const l = number(left);
  const turned: Record<Threshold['op'], Threshold['op']> = { '>': '<', '>=': '<=', '<': '>', '<=': '>=', '==': '==', '!=': '!=' };
  return l !== null && right !== '' ? { expr: right, op: turned[found.op], limit: l } : null;
}

/** "24 * 3600" and the like: numbers, the four operations, brackets. null for anything else. */
export function arithmetic(text: string): number | null {
  const tokens = text.match(/\d+(?:\.\d+)?(?:e[-+]?\d+)?|[-+*/()]/gi) ?? [];
  if (tokens.join('') !== text.replace(/\s/g, '')) return null;
  let i = 0;
  const factor = (): number => {
    const t = tokens[i++];
    if (t === '-') return -factor();
    if (t === '+') return factor();
    if (t === '(') { const v = sum(); return tokens[i++] === ')' ? v : NaN; }
    return t === undefined ? NaN : Number(t);
  };
  const product = (): number => { let v = factor(); while (tokens[i] === '*' || tokens[i] === '/') v = tokens[i++] === '*' ? v * factor() : v / factor(); return v; };
  const sum = (): number => { let v = product(); while (tokens[i] === '+' || tokens[i] === '-') v = tokens[i++] === '+' ? v + product() : v - product(); return v; };
  const v = sum();
  return i === tokens.length && Number.isFinite(v) ? v : null;
}
