// Checks as rows for pages: decoded once, then filtered, grouped and counted in the browser. Pure; times in Unix seconds, 0 for never.
import type { Status } from '../../ui/status';
import type { ScopeLabel } from '../urlstate';
import type { Handled, Summary, View, Word } from './types';

/** The name of the check that says whether a host is up. */
export const hostCheck = 'host';

export interface Check {
  id: string; host: string; name: string; isHost: boolean;
  word: Word; status: Status;
  /** How much it wants a person: 4 to 0. */
  severity: number;
  problem: boolean; handled: Handled; hard: boolean; attempt: number; max: number;
  since: number; last: number; next: number; seconds: number;
  output: string; labels: Record<string, string>; groups: readonly string[];
  view: View;
}

const statuses: Record<Word, Status> = { OK: 'ok', WARNING: 'warn', CRITICAL: 'crit', UNKNOWN: 'unknown', PENDING: 'pending' };
const severities: Record<Word, number> = { CRITICAL: 4, UNKNOWN: 3, WARNING: 2, PENDING: 1, OK: 0 };
/** The words, worst first. */
export const words: readonly Word[] = ['CRITICAL', 'UNKNOWN', 'WARNING', 'PENDING', 'OK'];

export function statusOf(word: Word): Status { return statuses[word] ?? 'unknown'; }
export function severityOf(word: Word): number { return severities[word] ?? 3; }

/** Unix seconds of a time of the API; 0 for Go's zero time and for none. */
export function at(text: string | undefined | null): number {
  if (!text || text.startsWith('0001-')) return 0;
  const ms = Date.parse(text);
  return Number.isFinite(ms) && ms > 0 ? ms / 1000 : 0;
}

const goUnits: Record<string, number> = { ns: 1e-9, us: 1e-6, 'µs': 1e-6, 'μs': 1e-6, ms: 1e-3, s: 1, m: 60, h: 3600, d: 86400, w: 604800 };

/** Seconds of a duration as Go writes it ("1m30s", "12.5ms"), or Prometheus ("1d"). */
export function seconds(text: string | undefined | null): number {
  let sum = 0;
  for (const [, n, unit] of (text ?? '').matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|μs|ms|[smhdw])/g)) sum += Number(n) * goUnits[unit!]!;
  return sum;
}

export function decode(v: View): Check {
  const i = v.id.indexOf('/');
  const host = v.spec?.host || v.id.slice(0, i);
  const name = v.spec?.name || v.id.slice(i + 1);
  return {
    id: v.id, host, name, isHost: name === hostCheck, word: v.status, status: statusOf(v.status), severity: severityOf(v.status),
    problem: v.status !== 'OK' && v.status !== 'PENDING', handled: v.handled ?? '', hard: v.hard, attempt: v.attempt, max: v.max_attempts || v.spec?.max_attempts || 1,
    since: at(v.since), last: at(v.last_check), next: at(v.next_check), seconds: seconds(v.duration),
    output: v.output ?? '', labels: v.labels ?? {}, groups: v.spec?.groups ?? [], view: v,
  };
}

/** What is said of it: hosts are up, down or unreachable, checks have their word. */
export function said(c: Pick<Check, 'isHost' | 'word' | 'view'>): string {
  if (!c.isHost) return c.word;
  if (c.word === 'OK') return 'UP';
  if (c.word === 'PENDING') return 'PENDING';
  return c.view.unreachable ? 'UNREACHABLE' : c.word === 'CRITICAL' ? 'DOWN' : c.word;
}

/** Unhandled problems first, by severity and age (the newest first within a severity), then names. The server's order, kept in the browser after a merge. */
export function order(a: Check, b: Check): number {
  const unhandled = (c: Check) => (c.problem && c.handled === '' ? 0 : c.problem ? 1 : 2);
  return unhandled(a) - unhandled(b) || b.severity - a.severity || (a.problem ? b.since - a.since : 0) || compare(a.host, b.host) || compare(a.name, b.name);
}
const collator = new Intl.Collator('en', { numeric: true });
function compare(a: string, b: string): number { return a === b ? 0 : collator.compare(a, b); }

// ---- searching

export interface Wanted { words: string[]; hosts: string[]; services: string[]; groups: string[]; states: Set<Word>; labels: [name: string, value: string][] }

const stateNames: Record<string, Word> = { ok: 'OK', up: 'OK', warn: 'WARNING', warning: 'WARNING', crit: 'CRITICAL', critical: 'CRITICAL', down: 'CRITICAL', unknown: 'UNKNOWN', unkn: 'UNKNOWN', pending: 'PENDING' };

/** Words of states in a list, abbreviated or whole: "crit,unknown". What is no state is left out. */
export function statesIn(text: string): Word[] {
  return [...new Set(text.toLowerCase().split(',').flatMap((t) => {
    const s = t.trim();
    if (s === '') return [];
    const exact = stateNames[s];
    if (exact) return [exact];
    return s.length >= 2 ? Object.entries(stateNames).filter(([k]) => k.startsWith(s)).map(([, v]) => v).slice(0, 1) : [];
  }))];
}

/** Reads a search: h:web s:http st:crit g:shop l:env=prod, and words that occur anywhere. A value with spaces goes in quotes. */
export function parseSearch(text: string): Wanted {
  const out: Wanted = { words: [], hosts: [], services: [], groups: [], states: new Set(), labels: [] };
  for (const [, prefix, quoted, plain] of text.toLowerCase().matchAll(/(?:\b(h|s|st|g|l):)?(?:"([^"]*)"|(\S+))/g)) {
    const value = quoted ?? plain ?? '';
    // "h:" alone, while someone is still typing, asks for nothing.
    if (value === '' || /^(h|s|st|g|l):$/.test(value)) continue;
    if (prefix === 'h') out.hosts.push(value);
    else if (prefix === 's') out.services.push(value);
    else if (prefix === 'g') out.groups.push(value);
    else if (prefix === 'st') for (const w of statesIn(value)) out.states.add(w);
    else if (prefix === 'l') { const [k, v] = value.split('='); out.labels.push([k!, v ?? '']); }
    else out.words.push(value);
  }
  return out;
}

export function wants(w: Wanted, c: Check): boolean {
  if (w.states.size > 0 && !w.states.has(c.word)) return false;
  const host = c.host.toLowerCase();
  const name = c.name.toLowerCase();
  if (w.hosts.length > 0 && !w.hosts.some((h) => host.includes(h))) return false;
  if (w.services.length > 0 && !w.services.some((s) => name.includes(s))) return false;
  if (w.groups.length > 0 && !w.groups.some((g) => c.groups.some((x) => x.toLowerCase().includes(g)))) return false;
  if (!w.labels.every(([k, v]) => (c.labels[k] ?? '').toLowerCase().includes(v) && k in c.labels)) return false;
  if (w.words.length === 0) return true;
  const hay = `${c.id} ${c.output} ${said(c)} ${c.handled} ${Object.values(c.labels).join(' ')}`.toLowerCase();
  return w.words.every((word) => hay.includes(word));
}

export interface Filter { text: string; states: readonly Word[]; handled: '' | '0' | '1'; host?: string; group?: string; hostsOnly?: boolean; scope: readonly ScopeLabel[] }

export function filter(all: readonly Check[], f: Filter): Check[] {
  const wanted = parseSearch(f.text);
  const any = f.text.trim() !== '';
  return all.filter((c) => (f.states.length === 0 || f.states.includes(c.word))
    && (f.handled === '' || (c.problem && (c.handled === '') === (f.handled === '0')))
    && (!f.host || c.host === f.host) && (!f.group || c.groups.includes(f.group)) && (!f.hostsOnly || c.isHost)
    && inScope(c, f.scope) && (!any || wants(wanted, c)));
}

/** A label that a check does not have does not match; instance and host are the host's name where no label says otherwise. */
export function inScope(c: Check, scope: readonly ScopeLabel[]): boolean {
  return scope.every(({ name, values }) => values.includes(c.labels[name] ?? (name === 'host' || name === 'instance' ? c.host : '')));
}

// ---- grouping

/** What checks can be grouped by: host, group, and labels that tell some of them apart but not each from every other. */
export function groupings(all: readonly Check[]): string[] {
  const values = new Map<string, Set<string>>();
  for (const c of all) for (const [k, v] of Object.entries(c.labels)) if (k !== 'host' && k !== 'check' && k !== 'instance') values.set(k, (values.get(k) ?? new Set()).add(v));
  const labels = [...values].filter(([, set]) => set.size < Math.max(2, all.length)).map(([k]) => k).sort();
  return ['host', ...(all.some((c) => c.groups.length > 0) ? ['group'] : []), 'check', 'kind', ...labels];
}

export function groupsOf(c: Check, by: string): readonly string[] {
  if (by === 'host') return [c.host];
  if (by === 'check') return [c.name];
  if (by === 'kind') return [c.view.spec?.kind ?? ''];
  if (by === 'group') return c.groups.length > 0 ? c.groups : [''];
  return [c.labels[by] ?? ''];
}

export interface Group { value: string; checks: Check[]; worst: Word; /** of those that nobody handles; OK when there is none */ worstUnhandled: Word; problems: number; unhandled: number }

/** Groups with the worst unhandled check first, then the worst of all; within one the order of the list stays. */
export function grouped(list: readonly Check[], by: string): Group[] {
  const groups = new Map<string, Group>();
  for (const c of list) {
    for (const value of groupsOf(c, by)) {
      let g = groups.get(value);
      if (!g) groups.set(value, g = { value, checks: [], worst: 'OK', worstUnhandled: 'OK', problems: 0, unhandled: 0 });
      g.checks.push(c);
      if (c.severity > severityOf(g.worst)) g.worst = c.word;
      if (!c.problem) continue;
      g.problems++;
      if (c.handled !== '') continue;
      g.unhandled++;
      if (c.severity > severityOf(g.worstUnhandled)) g.worstUnhandled = c.word;
    }
  }
  return [...groups.values()].sort((a, b) => severityOf(b.worstUnhandled) - severityOf(a.worstUnhandled) || severityOf(b.worst) - severityOf(a.worst) || b.unhandled - a.unhandled || compare(a.value, b.value));
}

// ---- counting

export function summarize(list: readonly Check[]): Summary {
  const s: Summary = { hosts: { up: 0, down: 0, unreachable: 0, pending: 0 }, checks: {}, unhandled: {}, handled: {} };
  for (const c of list) {
    if (c.isHost) s.hosts[c.word === 'OK' ? 'up' : c.word === 'PENDING' ? 'pending' : c.view.unreachable ? 'unreachable' : 'down']++;
    s.checks[c.word] = (s.checks[c.word] ?? 0) + 1;
    if (!c.problem) continue;
    const to = c.handled === '' ? s.unhandled : s.handled;
    to[c.word] = (to[c.word] ?? 0) + 1;
  }
  return s;
}

export function total(counts: Partial<Record<Word, number>> | undefined): number {
  return Object.values(counts ?? {}).reduce((a, b) => a + b, 0);
}

// ---- news

/** The problems that nobody handles and that were not such before: what is told to people who do not look. */
export function newProblems(before: readonly Check[], now: readonly Check[]): Check[] {
  const had = new Map(before.map((c) => [c.id, c]));
  return now.filter((c) => {
    if (!c.problem || c.handled !== '') return false;
    const old = had.get(c.id);
    return !old || !old.problem || old.severity < c.severity;
  });
}

/**
 * A full list brought up to date by the newer list of problems alone: asking for 50,000 checks at every change would be too much. Those
 * that were problems and are in the list no more are OK since then; what they say now is not known before the next full list.
 */
export function merge(full: readonly Check[], problems: readonly Check[], now: number): Check[] {
  const newer = new Map(problems.map((c) => [c.id, c]));
  const out = full.map((c) => {
    const n = newer.get(c.id);
    if (n) { newer.delete(c.id); return n; }
    return c.problem ? { ...c, word: 'OK' as const, status: 'ok' as const, severity: 0, problem: false, handled: '' as const, since: now, output: '' } : c;
  });
  return [...out, ...newer.values()].sort(order);
}

/** The age of a state in the few characters that a list has for it: 45s, 12m, 3h 20m, 5d 4h. */
export function age(since: number, now: number): string {
  if (since <= 0) return '–';
  const s = Math.max(0, Math.floor(now - since));
  if (s < 60) return `${s}s`;
  const m = Math.floor(s / 60);
  if (m < 60) return `${m}m`;
  const h = Math.floor(m / 60);
  if (h < 24) return m % 60 > 0 ? `${h}h ${m % 60}m` : `${h}h`;
  const d = Math.floor(h / 24);
  return h % 24 > 0 ? `${d}d ${h % 24}h` : `${d}d`;
}

/** Nagios' duration, as the classic table has it: 0d 3h 20m 5s. */
export function classicDuration(since: number, now: number): string {
  if (since <= 0) return 'N/A';
  const s = Math.max(0, Math.floor(now - since));
  return `${Math.floor(s / 86400)}d ${Math.floor(s / 3600) % 24}h ${Math.floor(s / 60) % 60}m ${s % 60}s`;
}

export const handledWords: Record<Handled, string> = { '': '', acknowledged: 'acknowledged', downtime: 'in downtime', unreachable: 'unreachable', host: 'its host is down', flapping: 'flapping' };

/** Who handles it, and why nobody else needs to. */
export function handledBy(c: Check): string {
  if (c.handled === '') return '';
  if (c.handled === 'acknowledged' && c.view.ack) return c.view.ack.by;
  return handledWords[c.handled];
}

/** What it says without the word of its state that plugins begin with: beside the state it would stand twice. */
export function brief(c: Pick<Check, 'output' | 'word'>): string {
  const rest = c.output.replace(new RegExp(`^(?:[A-Za-z0-9_-]{1,20} )?${c.word}\\s*[-:]\\s*`), '');
  return rest === '' ? c.output : rest;
}

/** The path of a check's page. */
export function checkPath(id: string): string {
  const i = id.indexOf('/');
  return `/checks/${encodeURIComponent(id.slice(0, i))}/${encodeURIComponent(id.slice(i + 1))}`;
}
