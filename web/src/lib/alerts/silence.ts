// Silences: matchers as people write them and as Alertmanager's API takes them, the form, and where one stands. Pure; times in Unix seconds.
import { at } from '../checks/checks';
import { quote } from '../labels';
import { formatDateTime, parseTime, type Zone } from '../time';
import type { Silence, V2Matcher } from './types';

export type Op = '=' | '!=' | '=~' | '!~';
export function opOf(m: V2Matcher): Op { return m.isRegex ? (m.isEqual === false ? '!~' : '=~') : m.isEqual === false ? '!=' : '='; }
export function matcherText(m: V2Matcher): string { return `${/^[a-zA-Z_]\w*$/.test(m.name) ? m.name : quote(m.name)}${opOf(m)}${quote(m.value)}`; }
export function matchersText(list: readonly V2Matcher[]): string { return list.map(matcherText).join(', '); }

/** Reads matchers: env="prod", role=~"web|db", bare values too (env=prod). Says what it cannot read. */
export function parseMatchers(text: string): { matchers: V2Matcher[]; problem?: string } {
  const parts = (text.trim().replace(/^\{|\}$/g, '').match(/(?:[^,"]|"(?:[^"\\]|\\.)*"?)+/g) ?? []).map((p) => p.trim()).filter((p) => p !== '');
  const matchers: V2Matcher[] = [];
  for (const p of parts) {
    const m = /^("(?:[^"\\]|\\.)*"|[^=!~"\s]+)\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*"|[^"]*)$/.exec(p);
    if (!m) return { matchers, problem: `“${p}” is no matcher: write name="value", name!="value", name=~"a|b" or name!~"a|b".` };
    const unquote = (s: string) => (s.startsWith('"') ? s.slice(1, -1).replace(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c)) : s);
    const [, name, op, value] = m as unknown as [string, string, Op, string];
    matchers.push({ name: unquote(name), value: unquote(value), isRegex: op.endsWith('~'), isEqual: !op.startsWith('!') });
    if (op.endsWith('~')) {
      try { new RegExp(unquote(value)); } catch { return { matchers, problem: `“${unquote(value)}” is no regular expression.` }; }
    }
  }
  return { matchers };
}

/** Whether a silence would match labels: each matcher, whole value; a missing label is the empty value. */
export function matches(list: readonly V2Matcher[], labels: Record<string, string>): boolean {
  return list.length > 0 && list.every((m) => {
    const v = labels[m.name] ?? '';
    let hit = v === m.value;
    if (m.isRegex) { try { hit = new RegExp(`^(?:${m.value})$`).test(v); } catch { hit = false; } }
    return hit === (m.isEqual !== false);
  });
}

// What changes while a problem stays the same: a silence of it must not hang on these.
const passing = new Set(['severity', 'value', 'replica', 'prometheus_replica']);

/** Matchers of exactly these alerts as far as they agree: one alert gives its labels, several those that all share, and the names as a choice. */
export function matchersFor(sets: readonly Record<string, string>[]): V2Matcher[] {
  const first = sets[0];
  if (!first) return [];
  const equal = (name: string, value: string): V2Matcher => ({ name, value, isRegex: false, isEqual: true });
  const names = [...new Set(sets.map((s) => s['alertname'] ?? ''))].filter(Boolean);
  const out: V2Matcher[] = names.length === 1 ? [equal('alertname', names[0]!)] : names.length > 1 ? [oneOf('alertname', names)] : [];
  for (const [k, v] of Object.entries(first)) {
    if (k === 'alertname' || passing.has(k)) continue;
    const values = [...new Set(sets.map((s) => s[k]))];
    if (values.length === 1) out.push(equal(k, v));
    else if ((k === 'instance' || k === 'host') && values.every((x): x is string => x !== undefined)) out.push(oneOf(k, values as string[]));
  }
  return out;
}
function oneOf(name: string, values: readonly string[]): V2Matcher {
  return { name, value: values.map((v) => v.replace(/[\\^$.|?*+()[\]{}]/g, '\\$&')).join('|'), isRegex: true, isEqual: true };
}

export interface SilenceForm { id?: string; matchers: string; start: string; end: string; by: string; comment: string }
export type Problems = Partial<Record<'matchers' | 'start' | 'end' | 'by' | 'comment', string>>;

export function newForm(matchers: readonly V2Matcher[], now: number, zone: Zone, by: string, hours = 2): SilenceForm {
  const text = (t: number) => formatDateTime(t, zone).slice(0, 16);
  const minute = Math.ceil(now / 60) * 60;
  return { matchers: matchersText(matchers), start: 'now', end: text(minute + hours * 3600), by, comment: '' };
}

export function formOf(s: Silence, zone: Zone, again = false, now = 0): SilenceForm {
  const text = (t: number) => formatDateTime(t, zone).slice(0, 16);
  const length = at(s.endsAt) - at(s.startsAt);
  return { ...(s.id && !again ? { id: s.id } : {}), matchers: matchersText(s.matchers), start: again ? 'now' : text(at(s.startsAt)), end: text(again ? Math.ceil(now / 60) * 60 + Math.max(3600, length) : at(s.endsAt)), by: s.createdBy, comment: s.comment };
}

/** The form as Alertmanager takes it, or what is wrong with it, by field. */
export function toSilence(f: SilenceForm, now: number, zone: Zone): { silence?: Silence; problems: Problems; matchers: V2Matcher[] } {
  const problems: Problems = {};
  const { matchers, problem } = parseMatchers(f.matchers);
  if (problem) problems.matchers = problem;
  else if (matchers.length === 0) problems.matchers = 'Name at least one label: a silence of everything is not taken.';
  else if (matchers.every((m) => matches([m], {}))) problems.matchers = 'It would match everything: at least one matcher must ask for a value.';
  const start = f.start.trim() === 'now' ? now : parseTime(f.start, now, zone);
  const end = parseTime(f.end, now, zone);
  if (start === null) problems.start = 'Write it like 2026-03-01 22:00, or now.';
  if (end === null) problems.end = 'Write it like 2026-03-01 23:30, or now+2h.';
  else if (start !== null && end <= start) problems.end = 'It ends before it begins.';
  else if (end <= now) problems.end = 'It is over already.';
  if (f.by.trim() === '') problems.by = 'Say who you are.';
  if (f.comment.trim() === '') problems.comment = 'Say why: others will read it.';
  if (Object.keys(problems).length > 0) return { problems, matchers };
  const iso = (t: number) => new Date(t * 1000).toISOString();
  return { problems, matchers, silence: { ...(f.id ? { id: f.id } : {}), matchers, startsAt: iso(start!), endsAt: iso(end!), createdBy: f.by.trim(), comment: f.comment.trim() } };
}

export type Phase = 'active' | 'pending' | 'expired';
export function phase(s: Silence, now: number): Phase {
  if (s.status?.state === 'expired') return 'expired';
  return at(s.endsAt) <= now ? 'expired' : at(s.startsAt) > now ? 'pending' : 'active';
}
/** An active silence that ends within the hour: what it hides comes back soon. */
export function endsSoon(s: Silence, now: number): boolean {
  return phase(s, now) === 'active' && at(s.endsAt) - now < 3600;
}
/** Acknowledgements, and downtimes of checks, are kept as silences too; what made them ends them. */
export function keptFor(s: Silence): 'acknowledgement' | 'check' | '' {
  const names = Object.keys(s.annotations ?? {});
  return names.includes('hulotte_ack') ? 'acknowledgement' : names.includes('hulotte_check') ? 'check' : '';
}
