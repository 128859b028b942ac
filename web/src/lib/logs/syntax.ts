// LogQL as the page needs to understand it: where the selector and each stage of a pipeline begin and end, so that a click can add a
// filter at its right place and the rest of the text stays as it was written. The server has the last word on what is valid. Pure.

export type TokenKind = 'string' | 'number' | 'name' | 'flag' | 'op' | 'comment' | 'bad';
export interface Token { kind: TokenKind; from: number; to: number; text: string }

const patterns: readonly [TokenKind, RegExp][] = [
  ['comment', /#[^\n]*/y],
  ['string', /"(?:[^"\\\n]|\\.)*"|`[^`]*`/y],
  // A number, a duration (1h30m, 250µs) or a size (10KiB).
  ['number', /(?:0[xX][\da-fA-F]+|(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)(?:[a-zA-Zµ]+(?:\d+(?:\.\d+)?[a-zA-Zµ]+)*)?/y],
  ['name', /[a-zA-Z_][a-zA-Z0-9_:]*/y],
  ['flag', /--[a-z-]+/y],
  ['op', /\|=|\|~|\|>|!=|!~|!>|=~|==|>=|<=|[=<>|{}()[\],+\-*/%^]/y],
];

/** Cuts a query into tokens; blanks are left out. What nothing fits, such as a string without its end, is one bad token. */
export function tokens(text: string): Token[] {
  const out: Token[] = [];
  let at = 0;
  while (at < text.length) {
    if (/\s/.test(text[at]!)) {
      at++;
      continue;
    }
    const hit = patterns.map(([kind, re]) => {
      re.lastIndex = at;
      return { kind, length: re.exec(text)?.[0].length ?? 0 };
    }).find((h) => h.length > 0);
    // An open string reaches to the end of its line, or of everything when it is a raw one.
    const length = hit?.length ?? (text[at] === '"' ? text.slice(at).search(/\n|$/) : text[at] === '`' ? text.length - at : 1);
    out.push({ kind: hit?.kind ?? 'bad', from: at, to: at + length, text: text.slice(at, at + length) });
    at += length;
  }
  return out;
}

export type MatchOp = '=' | '!=' | '=~' | '!~';
export interface Matcher { name: string; op: MatchOp; value: string; from: number; to: number }

export type StageKind = 'line' | 'label' | 'parser' | 'format' | 'other';

/** One alternative of a line filter. `call` is the function around it: any("…") looks at every field too, ip("…") at addresses. */
export interface Needle { text: string; call: '' | 'any' | 'ip' }

export interface Stage {
  kind: StageKind;
  from: number;
  to: number;
  /** The keyword of a parser or of a format: json, logfmt, line_format, drop, unwrap … */
  word: string;
  /** Of a line filter: |= != |~ !~ |> !>; of a label filter that is a single comparison: = != =~ !~ > >= < <=. Else ''. */
  op: string;
  needles: Needle[];
  /** Of a label filter that is a single comparison: the label, its value, and whether that was a string. */
  name: string;
  value: string;
  quoted: boolean;
}

/** A selector and the pipeline behind it. `to` is where one more stage would be written. */
export interface LogExpr { from: number; to: number; open: number; close: number; matchers: Matcher[]; stages: Stage[] }

export interface Query {
  /** Its answer is numbers over time, not lines. */
  metric: boolean;
  logs: LogExpr[];
}

const parsers = new Set(['json', 'logfmt', 'regexp', 'pattern', 'unpack']);
const formats = new Set(['line_format', 'label_format', 'decolorize', 'drop', 'keep', 'unwrap', 'distinct']);
const lineOps = new Set(['|=', '!=', '|~', '!~', '|>', '!>']);
const comparisons = new Set(['=', '!=', '=~', '!~', '>', '>=', '<', '<=', '==']);

export function parse(text: string): Query {
  const list = tokens(text).filter((t) => t.kind !== 'comment');
  const first = list.find((t) => t.text !== '(');
  const logs: LogExpr[] = [];
  for (let i = 0; i < list.length; i++) {
    if (list[i]!.text !== '{') continue;
    const [expr, next] = logExpr(list, i);
    logs.push(expr);
    i = next - 1;
  }
  return { metric: first !== undefined && first.text !== '{', logs };
}

function logExpr(list: readonly Token[], start: number): [LogExpr, number] {
  const expr: LogExpr = { from: list[start]!.from, to: 0, open: list[start]!.from, close: -1, matchers: [], stages: [] };
  let i = start + 1;
  for (; i < list.length && list[i]!.text !== '}'; i++) {
    const [name, op, value] = [list[i]!, list[i + 1], list[i + 2]];
    if (name.kind !== 'name' || !op || !value || value.kind !== 'string' || !['=', '!=', '=~', '!~'].includes(op.text)) continue;
    expr.matchers.push({ name: name.text, op: op.text as MatchOp, value: unquote(value.text), from: name.from, to: value.to });
    i += 2;
  }
  const brace = list[i];
  expr.close = brace ? brace.from : list.at(-1)!.to;
  expr.to = brace ? brace.to : expr.close;
  i++;
  while (i < list.length && startsStage(list, i)) {
    const end = stageEnd(list, i);
    const stage = readStage(list.slice(i, end));
    expr.stages.push(stage);
    expr.to = stage.to;
    i = end;
  }
  return [expr, i];
}

/** Whether a stage begins at token i, which stands between stages. */
function startsStage(list: readonly Token[], i: number): boolean {
  return list[i]!.text === '|' || lineOps.has(list[i]!.text);
}

function stageEnd(list: readonly Token[], start: number): number {
  let depth = 0;
  for (let i = start + 1; i < list.length; i++) {
    const t = list[i]!;
    if (t.text === '(') depth++;
    else if (t.text === ')' && depth-- === 0) return i;
    else if (depth > 0) continue;
    else if (t.text === '[' || t.text === '{' || (t.text === 'offset' && t.kind === 'name')) return i;
    else if (t.text === '|' || t.text === '|=' || t.text === '|~' || t.text === '|>') return i;
    else if (t.text.startsWith('!') && t.kind === 'op') {
      // After a name it compares (level != "x"), after anything else, and after a parser's keyword, it is the next line filter.
      const before = list[i - 1]!;
      const keyword = i - 1 === start + 1 && list[start]!.text === '|' && (parsers.has(before.text) || before.text === 'decolorize');
      if (before.kind !== 'name' || keyword) return i;
    }
  }
  return list.length;
}

function readStage(list: readonly Token[]): Stage {
  const stage: Stage = { kind: 'other', from: list[0]!.from, to: list.at(-1)!.to, word: '', op: '', needles: [], name: '', value: '', quoted: false };
  const head = list[0]!.text;
  if (head !== '|') return { ...stage, kind: 'line', op: head, needles: needles(list.slice(1)) };
  const word = list[1]?.text ?? '';
  const compares = list.length > 2 && comparisons.has(list[2]!.text);
  if (parsers.has(word) && !compares) return { ...stage, kind: 'parser', word };
  if (formats.has(word) && !compares) return { ...stage, kind: 'format', word };
  if (list[1]?.kind !== 'name' && word !== '(') return { ...stage, word };
  const [, name, op, value] = list;
  if (list.length === 4 && compares && (value!.kind === 'string' || value!.kind === 'number')) {
    const quoted = value!.kind === 'string';
    return { ...stage, kind: 'label', op: op!.text === '==' ? '=' : op!.text, name: name!.text, value: quoted ? unquote(value!.text) : value!.text, quoted };
  }
  return { ...stage, kind: 'label' };
}

function needles(list: readonly Token[]): Needle[] {
  const out: Needle[] = [];
  let call: Needle['call'] = '';
  for (const t of list) {
    if (t.text === 'any' || t.text === 'ip') call = t.text;
    else if (t.text === 'or') call = '';
    else if (t.kind === 'string') out.push({ text: unquote(t.text), call });
  }
  return out;
}

/** A string literal of LogQL: raw where that is easier to read, else with the escapes of Go. */
export function quote(text: string): string {
  // eslint-disable-next-line no-control-regex
  if (/["\\]/.test(text) && !/[`\x00-\x1f\x7f]/.test(text)) return `\`${text}\``;
  // eslint-disable-next-line no-control-regex
  const escaped = text.replace(/[\\"]/g, '\\$&').replace(/[\x00-\x1f\x7f]/g, (c) => ({ '\n': '\\n', '\t': '\\t', '\r': '\\r' })[c] ?? `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
  return `"${escaped}"`;
}

const simpleEscapes: Record<string, string> = { a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };

export function unquote(text: string): string {
  const inside = text.slice(1, /["`]$/.test(text) && text.length > 1 ? -1 : undefined);
  if (text.startsWith('`')) return inside;
  return inside.replace(/\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([0-7]{3})|([^]))/g, (_, x?: string, u?: string, big?: string, octal?: string, c?: string) => {
    if (octal) return String.fromCharCode(parseInt(octal, 8));
    const hex = x ?? u ?? big;
    if (hex === undefined) return simpleEscapes[c!] ?? c!;
    const code = parseInt(hex, 16);
    return code <= 0x10ffff ? String.fromCodePoint(code) : '\ufffd';
  });
}

/** The text as a regular expression (RE2) that matches just it. */
export function escapeRegex(text: string): string {
  return text.replace(/[\\^$.|?*+()[\]{}]/g, '\\$&');
}

/** The literals that a regular expression of the form a|b|c allows; null when it is more than that. */
export function literals(regex: string): string[] | null {
  const out = [''];
  for (let i = 0; i < regex.length; i++) {
    const c = regex[i]!;
    if (c === '\\' && i + 1 < regex.length && /[^a-zA-Z0-9]/.test(regex[i + 1]!)) out[out.length - 1] += regex[++i]!;
    else if (c === '|') out.push('');
    else if (/[\\^$.?*+()[\]{}]/.test(c)) return null;
    else out[out.length - 1] += c;
  }
  return out;
}

/** Where an error of the server points in the text: "parse error at line 1, col 12: …". Offset in characters, or null. */
export function errorPosition(message: string, text: string): number | null {
  const m = /parse error at line (\d+), col(?:umn)? (\d+)/.exec(message);
  if (!m) return null;
  const lines = text.split('\n');
  const line = Number(m[1]) - 1;
  if (line < 0 || line >= lines.length) return null;
  const before = lines.slice(0, line).reduce((n, l) => n + l.length + 1, 0);
  return Math.min(text.length, before + Math.max(0, Math.min(Number(m[2]) - 1, lines[line]!.length)));
}
