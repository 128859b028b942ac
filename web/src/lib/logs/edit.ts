// Changing a LogQL query by clicks: include, exclude, only this, a range of numbers, words to search for. Each filter goes where it
// means what the reader saw: a label's into the selector, a stored field's before the parsers, a parsed field's behind the parser that
// finds it (which is added when it is missing), a text's before the parsers, or at the end when the line was rewritten. What stands in
// the query already is toggled instead of doubled. Everything else of the text stays as it is. Pure.
import { escapeRegex, literals, parse, quote, type LogExpr, type Matcher, type Stage } from './syntax';

/** Where a value came from: a label of the stream, a stored field of the record, or the line by a parser. */
export type Source = 'label' | 'stored' | 'json' | 'logfmt' | 'parsed';
export interface FieldRef { name: string; source: Source }
export type Act = 'include' | 'exclude' | 'only';

interface Cut { from: number; to: number; text: string }

/** Everything that has the default selector: all streams. */
export const everything = '{}';

/** Applies an edit to each selector with its pipeline, also to those inside metric queries. */
function editEach(query: string, edit: (expr: LogExpr, query: string) => Cut[]): string {
  const base = query.trim() === '' ? everything : query;
  const cuts = parse(base).logs.flatMap((expr) => edit(expr, base));
  // From the end, so that earlier offsets stay true; of two at one place the one that was made first stands first.
  return cuts.map((c, i) => ({ ...c, i })).sort((a, b) => b.from - a.from || b.i - a.i).reduce((text, c) => text.slice(0, c.from) + c.text + text.slice(c.to), base);
}

/** Includes or excludes a field's value, or takes it back when the query says so already; `only` replaces whatever there is on the field. */
export function filterValue(query: string, field: FieldRef, value: string, act: Act): string {
  return editEach(query, (expr, text) => (field.source === 'label' ? editMatchers(expr, text, field.name, value, act) : editStages(expr, text, field, value, act)));
}

/** A condition on one name as both the selector and label filters have it. */
interface Condition { op: string; value: string }

/**
 * What becomes of the conditions on one name. `kept` are those that stay, by index; `added` is written in place of those that go, or anew.
 * Values that are included gather in one condition (a or b), those that are excluded in another.
 */
function decide(have: readonly Condition[], value: string, act: Act): { gone: number[]; added: Condition[] } {
  const equality = have.map((c, i) => ({ ...c, i, values: valuesOf(c) })).filter((c) => c.values !== null);
  const includes = equality.filter((c) => c.op === '=' || c.op === '=~');
  const excludes = equality.filter((c) => c.op === '!=' || c.op === '!~');
  if (act === 'only') {
    const alone = have.length === 1 && includes.length === 1 && includes[0]!.values!.length === 1 && includes[0]!.values![0] === value;
    return { gone: have.map((_, i) => i), added: alone ? [] : [{ op: '=', value }] };
  }
  const [mine, other, one, many] = act === 'include' ? [includes, excludes, '=', '=~'] as const : [excludes, includes, '!=', '!~'] as const;
  const without = (list: typeof equality) => list.filter((c) => c.values!.includes(value)).map((c) => ({ i: c.i, rest: condition(c.op[0] === '!', c.values!.filter((v) => v !== value)) }));
  const undone = without(mine);
  const turned = without(other);
  if (undone.length > 0) return { gone: undone.map((u) => u.i), added: undone.flatMap((u) => u.rest ?? []) };
  const gone = turned.map((t) => t.i);
  const added = turned.flatMap((t) => t.rest ?? []);
  // Of values that are included, taking one away is enough to exclude it.
  if (act === 'exclude' && added.length > 0) return { gone, added };
  const joined = mine[0];
  const all = [...(joined?.values ?? []), value];
  return { gone: joined ? [...gone, joined.i] : gone, added: [...added, all.length === 1 ? { op: one, value } : { op: many, value: all.map(escapeRegex).join('|') }] };
}

function valuesOf(c: Condition): string[] | null {
  if (c.op === '=' || c.op === '!=') return [c.value];
  return c.op === '=~' || c.op === '!~' ? literals(c.value) : null;
}

function condition(not: boolean, values: readonly string[]): Condition | null {
  if (values.length === 0) return null;
  if (values.length === 1) return { op: not ? '!=' : '=', value: values[0]! };
  return { op: not ? '!~' : '=~', value: values.map(escapeRegex).join('|') };
}

function editMatchers(expr: LogExpr, text: string, name: string, value: string, act: Act): Cut[] {
  const have = expr.matchers.filter((m) => m.name === name);
  const { gone, added } = decide(have, value, act);
  const dropped = new Set<Matcher>(gone.map((i) => have[i]!));
  const write = (c: Condition) => `${name}${c.op}${quote(c.value)}`;
  const rest = [...added];
  // What is replaced keeps its place.
  const list = expr.matchers.flatMap((m) => {
    if (!dropped.has(m)) return [text.slice(m.from, m.to)];
    const next = rest.shift();
    return next ? [write(next)] : [];
  });
  return [{ from: expr.open, to: text[expr.close] === '}' ? expr.close + 1 : expr.close, text: `{${[...list, ...rest.map(write)].join(', ')}}` }];
}

function editStages(expr: LogExpr, text: string, field: FieldRef, value: string, act: Act): Cut[] {
  const have = expr.stages.filter((s) => s.kind === 'label' && s.name === field.name && (act === 'only' || (s.quoted && valuesOf(s) !== null) || s.op === '='));
  const { gone, added } = decide(have, value, act);
  return replaceStages(expr, text, field, gone.map((i) => have[i]!), added.map((c) => `| ${field.name}${c.op}${quote(c.value)}`));
}

/** Takes stages away and writes others, in the first one's place when there is one, else where the field's filters belong. */
function replaceStages(expr: LogExpr, text: string, field: FieldRef, gone: readonly Stage[], added: readonly string[]): Cut[] {
  const cuts: Cut[] = gone.map((s) => ({ from: beforeBlanks(text, s.from), to: s.to, text: '' }));
  if (added.length === 0) return cuts;
  const inPlace = cuts[0];
  if (inPlace) {
    inPlace.text = added.map((a) => ` ${a}`).join('');
    return cuts;
  }
  const { at, parser } = place(expr, field);
  return [{ from: at, to: at, text: [...(parser ? [`| ${parser}`] : []), ...added].map((a) => ` ${a}`).join('') }];
}

function beforeBlanks(text: string, at: number): number {
  while (at > 0 && /\s/.test(text[at - 1]!)) at--;
  return at;
}

/** Where a filter on a field is written, and the parser that has to come before it when the query has none. */
function place(expr: LogExpr, field: FieldRef): { at: number; parser?: string } {
  const start = expr.stages[0] ? stageBefore(expr, 0) : expr.to;
  const renamed = expr.stages.findLastIndex((s) => s.word === 'label_format');
  const lastParser = expr.stages.findLastIndex((s) => s.kind === 'parser');
  const after = (i: number): number => {
    let end = i;
    while (expr.stages[end + 1]?.kind === 'label') end++;
    return end < 0 ? start : expr.stages[end]!.to;
  };
  if (field.source === 'stored') {
    let end = -1;
    while (['line', 'label'].includes(expr.stages[end + 1]?.kind ?? '')) end++;
    return { at: end < 0 ? start : expr.stages[end]!.to };
  }
  const known = field.source === 'json' || field.source === 'logfmt' ? field.source : undefined;
  const own = known ? expr.stages.findLastIndex((s) => s.kind === 'parser' && (s.word === known || (known === 'json' && s.word === 'unpack'))) : lastParser;
  if (own >= 0) return { at: after(known ? own : Math.max(own, renamed)) };
  if (!known) return { at: expr.to };
  if (lastParser >= 0) return { at: after(lastParser), parser: known };
  let end = -1;
  while (['line', 'label'].includes(expr.stages[end + 1]?.kind ?? '')) end++;
  return { at: end < 0 ? start : expr.stages[end]!.to, parser: known };
}

/** The end of what stands before stage i. */
function stageBefore(expr: LogExpr, i: number): number {
  return i > 0 ? expr.stages[i - 1]!.to : expr.close + 1;
}

/** Bounds of a number, a duration or a size, written as LogQL has them: 100, 250ms, 10KiB. An absent bound is open. */
export function filterRange(query: string, field: FieldRef, range: { min?: string; max?: string }): string {
  return editEach(query, (expr, text) => {
    const have = expr.stages.filter((s) => s.kind === 'label' && s.name === field.name && /^[<>]=?$/.test(s.op));
    const added = [...(range.min === undefined ? [] : [`| ${field.name} >= ${range.min}`]), ...(range.max === undefined ? [] : [`| ${field.name} <= ${range.max}`])];
    // Bounds on a label work as they do on a field: they stand behind the selector.
    return replaceStages(expr, text, field.source === 'label' ? { ...field, source: 'stored' } : field, have, added);
  });
}

/** The bounds that the query sets on a field. */
export function rangeOf(query: string, name: string): { min?: string; max?: string } {
  const out: { min?: string; max?: string } = {};
  for (const s of parse(query).logs[0]?.stages ?? []) {
    if (s.kind !== 'label' || s.name !== name) continue;
    if (s.op.startsWith('>')) out.min = s.value;
    if (s.op.startsWith('<')) out.max = s.value;
  }
  return out;
}

/** What the query says about a value of a field. */
export function standing(query: string, field: FieldRef, value: string): 'included' | 'excluded' | '' {
  const expr = parse(query).logs[0];
  if (!expr) return '';
  const have: Condition[] = field.source === 'label' ? expr.matchers.filter((m) => m.name === field.name) : expr.stages.filter((s) => s.kind === 'label' && s.name === field.name);
  for (const c of have) {
    if (valuesOf(c)?.includes(value)) return c.op.startsWith('!') ? 'excluded' : 'included';
  }
  return '';
}

/** A line filter such as |= "text" or !> "a <_> b", or its removal when it stands there. The opposite one is replaced. */
export function filterLine(query: string, op: '|=' | '!=' | '|~' | '!~' | '|>' | '!>', value: string, call: '' | 'any' = ''): string {
  return editEach(query, (expr, text) => {
    const is = (s: Stage, wanted: string) => s.kind === 'line' && s.op === wanted && s.needles.length === 1 && s.needles[0]!.text === value && s.needles[0]!.call === call;
    const opposite = (op.startsWith('!') ? '|' : '!') + (op === '|=' || op === '!=' ? '=' : op[1]!);
    const same = expr.stages.find((s) => is(s, op));
    if (same) return [{ from: beforeBlanks(text, same.from), to: same.to, text: '' }];
    const written = `${op} ${call ? `${call}(${quote(value)})` : quote(value)}`;
    const turned = expr.stages.find((s) => is(s, opposite));
    if (turned) return [{ from: turned.from, to: turned.to, text: written }];
    const at = linePlace(expr);
    return [{ from: at, to: at, text: ` ${written}` }];
  });
}

/** Behind the line filters at the front; at the end when the line is rewritten, since then it is the new one that was seen. */
function linePlace(expr: LogExpr): number {
  if (expr.stages.some((s) => s.word === 'line_format' || s.word === 'decolorize' || s.word === 'unpack')) return expr.to;
  let end = -1;
  while (expr.stages[end + 1]?.kind === 'line') end++;
  return end < 0 ? (expr.stages[0] ? stageBefore(expr, 0) : expr.to) : expr.stages[end]!.to;
}

/** One of the things to search for in plain words. */
export interface Word { text: string; not: boolean; anyCase: boolean }

function wordOf(s: Stage): Word | null {
  const n = s.needles[0];
  if (s.kind !== 'line' || s.needles.length !== 1 || n?.call !== 'any') return null;
  if (s.op === '|=' || s.op === '!=') return { text: n.text, not: s.op === '!=', anyCase: false };
  if (s.op !== '|~' && s.op !== '!~') return null;
  const only = n.text.startsWith('(?i)') ? literals(n.text.slice(4)) : null;
  return only?.length === 1 ? { text: only[0]!, not: s.op === '!~', anyCase: true } : null;
}

/** The plain words that a query searches for: its filters of the form |= any("word"). */
export function wordsOf(query: string): Word[] {
  return (parse(query).logs[0]?.stages ?? []).flatMap((s) => wordOf(s) ?? []);
}

/** Puts plain words in place of those that were there. */
export function setWords(query: string, words: readonly Word[]): string {
  return editEach(query, (expr, text) => {
    const old = expr.stages.filter((s) => wordOf(s) !== null);
    const cuts: Cut[] = old.map((s) => ({ from: beforeBlanks(text, s.from), to: s.to, text: '' }));
    const written = words.map((w) => ` ${w.not ? '!' : '|'}${w.anyCase ? `~ any(${quote(`(?i)${escapeRegex(w.text)}`)})` : `= any(${quote(w.text)})`}`).join('');
    if (written === '') return cuts;
    if (cuts[0]) {
      cuts[0].text = written;
      return cuts;
    }
    const at = linePlace(expr);
    return [...cuts, { from: at, to: at, text: written }];
  });
}

/** What someone types: words, "phrases in quotes", -without. */
export function readWords(text: string, anyCase = false): Word[] {
  return [...text.matchAll(/(-?)"((?:[^"\\]|\\.)*)"?|(\S+)/g)].map((m) => {
    if (m[2] !== undefined) return { text: m[2].replace(/\\(.)/g, '$1'), not: m[1] === '-', anyCase };
    const word = m[3]!;
    return word.length > 1 && word.startsWith('-') ? { text: word.slice(1), not: true, anyCase } : { text: word, not: false, anyCase };
  }).filter((w) => w.text !== '');
}

export function writeWords(words: readonly Word[]): string {
  return words.map((w) => (w.not ? '-' : '') + (/[\s"]|^-/.test(w.text) || w.text === '' ? `"${w.text.replace(/[\\"]/g, '\\$&')}"` : w.text)).join(' ');
}

/** A condition of a query as people see it when they search in plain words: each can be taken away. */
export interface Chip { text: string; kind: 'label' | 'field' | 'line' | 'stage'; from: number; to: number; not: boolean; name: string; op: string; value: string }

/** Everything in a query but its plain words. */
export function chips(query: string): Chip[] {
  const expr = parse(query).logs[0];
  if (!expr) return [];
  const negative = (op: string) => op.startsWith('!');
  return [
    ...expr.matchers.map((m): Chip => ({ text: query.slice(m.from, m.to), kind: 'label', from: m.from, to: m.to, not: negative(m.op), name: m.name, op: m.op, value: m.value })),
    ...expr.stages.filter((s) => wordOf(s) === null).map((s): Chip => ({
      text: query.slice(s.from, s.to).replace(/^\|\s*(?![=~>])/, ''), kind: s.kind === 'line' ? 'line' : s.kind === 'label' ? 'field' : 'stage', from: s.from, to: s.to,
      not: negative(s.op), name: s.name, op: s.op, value: s.kind === 'line' ? (s.needles[0]?.text ?? '') : s.value,
    })),
  ];
}

/** The query without one of its chips. */
export function withoutChip(query: string, chip: Chip): string {
  const expr = parse(query).logs[0];
  if (!expr) return query;
  if (chip.kind !== 'label') return query.slice(0, beforeBlanks(query, chip.from)) + query.slice(chip.to);
  const list = expr.matchers.filter((m) => m.from !== chip.from).map((m) => query.slice(m.from, m.to));
  return `${query.slice(0, expr.open)}{${list.join(', ')}}${query.slice(query[expr.close] === '}' ? expr.close + 1 : expr.close)}`;
}

/** Conditions of the page's scope, put into each selector that says nothing of that label. */
export function withScope(query: string, scope: readonly { name: string; op: string; value: string }[]): string {
  if (scope.length === 0) return query;
  return editEach(query, (expr, text) => {
    const missing = scope.filter((s) => !expr.matchers.some((m) => m.name === s.name)).map((s) => `${s.name}${s.op}${quote(s.value)}`);
    if (missing.length === 0) return [];
    const list = [...expr.matchers.map((m) => text.slice(m.from, m.to)), ...missing];
    return [{ from: expr.open, to: text[expr.close] === '}' ? expr.close + 1 : expr.close, text: `{${list.join(', ')}}` }];
  });
}

/** The part of the query that finds lines: itself, or what stands inside a metric query. */
export function logPart(query: string): string {
  const parsed = parse(query);
  const expr = parsed.logs[0];
  return expr ? query.slice(expr.from, expr.to) : everything;
}

/** The selector alone, of which the context of a line is asked. */
export function selectorOf(labels: Readonly<Record<string, string>>): string {
  return `{${Object.keys(labels).sort().map((k) => `${k}=${quote(labels[k]!)}`).join(', ')}}`;
}

/** What the query looks for in the text of a line, to be marked in it. Regular expressions only when they are plain alternatives. */
export function marksOf(query: string): { text: string; anyCase: boolean }[] {
  return (parse(query).logs[0]?.stages ?? []).filter((s) => s.kind === 'line' && !s.op.startsWith('!')).flatMap((s) => s.needles.flatMap((n) => {
    if (s.op === '|=' && n.call !== 'ip') return [{ text: n.text, anyCase: false }];
    if (s.op !== '|~') return [];
    const anyCase = n.text.startsWith('(?i)');
    return (literals(anyCase ? n.text.slice(4) : n.text) ?? []).map((text) => ({ text, anyCase }));
  })).filter((m) => m.text !== '');
}
