// Rules as rows for a page, and the rules of a group's YAML one by one, for trying them. Pure.
import { at } from '../checks/checks';
import { formatDuration } from '../time';
import type { Status } from '../../ui/status';
import type { Firing, Noise, Rule, RuleSet } from './types';

export type RuleState = 'broken' | 'firing' | 'pending' | 'inactive' | 'recording';
export interface RuleRow { key: string; rule: Rule; set: RuleSet; state: RuleState; status: Status; alerts: number; text: string }

/** What a rule is doing; one that cannot be evaluated is broken, whatever it said last. */
export function stateOf(r: Rule): RuleState {
  if (r.health === 'err') return 'broken';
  if (r.type === 'recording') return 'recording';
  return r.state === 'firing' || r.state === 'pending' ? r.state : 'inactive';
}

const statuses: Record<RuleState, Status> = { broken: 'unknown', firing: 'crit', pending: 'pending', inactive: 'ok', recording: 'info' };

export function rowsOf(sets: readonly RuleSet[]): RuleRow[] {
  return sets.flatMap((set) => (set.rules ?? []).map((rule, i): RuleRow => {
    const state = stateOf(rule);
    const severity = rule.labels?.['severity'] ?? '';
    const status: Status = state === 'firing' && !/^(critical|crit|page|error|fatal|emergency|high)$/i.test(severity) ? (/^(info|none|low)/i.test(severity) ? 'info' : 'warn') : statuses[state];
    return { key: `${set.source} ${set.path} ${set.name} ${i}`, rule, set, state, status, alerts: (rule.alerts ?? []).length, text: `${rule.name} ${set.name} ${rule.query} ${Object.entries(rule.labels ?? {}).map(([k, v]) => `${k}=${v}`).join(' ')}`.toLowerCase() };
  }));
}

export interface RuleFilter { text: string; state: string; source: string }
export function filterRules(rows: readonly RuleRow[], f: RuleFilter): RuleRow[] {
  const words = f.text.toLowerCase().split(/\s+/).filter(Boolean);
  return rows.filter((r) => (f.state === '' || r.state === f.state) && (f.source === '' || r.set.source === f.source) && words.every((w) => r.text.includes(w)));
}

/** A number for a group that stands for its document: several groups of one file have names of their own. */
export function setKey(s: RuleSet): string { return `${s.source} ${s.path} ${s.name}`; }

/** How late a group was evaluated: seconds of all its rules together, and when last. */
export function evaluated(s: RuleSet): { seconds: number; last: number } {
  let seconds = 0;
  let last = 0;
  for (const r of s.rules ?? []) { seconds += r.evaluationTime > 0 ? r.evaluationTime : 0; last = Math.max(last, at(r.lastEvaluation)); }
  return { seconds, last };
}

function scalar(text: string): string {
  return /^[\w][\w ./%()-]*$/.test(text) && !/^(true|false|yes|no|on|off|null|~|[\d.-]+)$/i.test(text) && !text.endsWith(' ') ? text : JSON.stringify(text);
}

/** A rule as YAML, as it stands in a group. */
export function ruleYAML(r: Pick<Rule, 'type' | 'name' | 'query' | 'duration' | 'keepFiringFor' | 'labels' | 'annotations'>): string {
  const lines = [`${r.type === 'recording' ? 'record' : 'alert'}: ${scalar(r.name)}`];
  if (r.query.includes('\n')) lines.push('expr: |', ...r.query.trimEnd().split('\n').map((l) => `  ${l}`));
  else lines.push(`expr: ${/[:#{}[\],&*?|<>=!%@`"']/.test(r.query) ? `'${r.query.replace(/'/g, "''")}'` : r.query}`);
  if (r.duration) lines.push(`for: ${formatDuration(r.duration)}`);
  if (r.keepFiringFor) lines.push(`keep_firing_for: ${formatDuration(r.keepFiringFor)}`);
  for (const [key, set] of [['labels', r.labels], ['annotations', r.annotations]] as const) {
    const entries = Object.entries(set ?? {});
    if (entries.length > 0) lines.push(`${key}:`, ...entries.map(([k, v]) => `  ${/^\w+$/.test(k) ? k : JSON.stringify(k)}: ${scalar(v)}`));
  }
  return `${lines.join('\n')}\n`;
}

/** The rules that stand in a group's YAML, each as the YAML of one rule: what can be tried before it is kept. */
export function rulesIn(yaml: string): { name: string; text: string; line: number }[] {
  const lines = yaml.split('\n');
  const out: { name: string; text: string; line: number }[] = [];
  for (let i = 0; i < lines.length; i++) {
    const m = /^( *)-( +)(alert|record|expr|for|labels|annotations)\s*:/.exec(lines[i]!);
    if (!m) continue;
    const indent = m[1]!.length;
    const inner = indent + 1 + m[2]!.length;
    const body = [lines[i]!.slice(inner)];
    const line = i + 1;
    while (i + 1 < lines.length && (lines[i + 1]!.trim() === '' || /^ */.exec(lines[i + 1]!)![0].length > indent)) body.push(lines[++i]!.slice(inner));
    const text = `${body.join('\n').trimEnd()}\n`;
    const name = /^(?:alert|record)\s*:\s*["']?([^"'#\n]+?)["']?\s*(?:#.*)?$/m.exec(text)?.[1];
    if (name) out.push({ name, text, line });
  }
  return out;
}

/** "It would have fired 4 times, for 2 h 10 min in all." */
export function firedText(fired: number, firings: readonly Firing[], end: number, human: (s: number) => string): string {
  if (fired === 0) return 'It would not have fired.';
  const seconds = firings.reduce((n, f) => n + Math.max(0, (f.to ? at(f.to) : end) - at(f.from)), 0);
  return `It would have fired ${fired === 1 ? 'once' : `${fired} times`}${seconds > 0 && firings.length === fired ? `, for ${human(seconds)} in all` : ''}.`;
}

export function noiseText(n: Noise, days: number): string {
  switch (n.kind) {
    case 'flapping': return `flaps: fired ${n.fired} times in ${days} days, ${n.flapping} of them again at once`;
    case 'always': return `fires always`;
    case 'ignored': return `ignored: fired ${n.fired} times in ${days} days, and nobody did anything`;
    default: return '';
  }
}

export const newGroup = `name: my-rules
interval: 1m
rules:
  - alert: LoadIsHigh
    expr: node_load5 > 8
    for: 10m
    labels:
      severity: warning
    annotations:
      summary: The load of {{ $labels.instance }} is {{ $value | humanize }}
`;
