// What the page needs to know about an expression's inside. Uses the same grammar as the editor and comes in the editor's chunk. Pure.
import { parser } from '@prometheus-io/lezer-promql';
import { labelName, quote } from './labels';

export interface Matcher { name: string; op: '=' | '!=' | '=~' | '!~'; value: string; text: string }
export interface Selector { from: number; to: number; text: string; name: string; matchers: Matcher[] }

type Node = ReturnType<typeof parser.parse>['topNode'];

/** Every vector selector in an expression, in order; those inside ranges and subqueries too. */
export function selectors(expr: string): Selector[] {
  const out: Selector[] = [];
  parser.parse(expr).iterate({
    enter: (ref) => {
      if (ref.name !== 'VectorSelector') return true;
      out.push(selector(ref.node, expr));
      return false;
    },
  });
  return out;
}

function selector(node: Node, expr: string): Selector {
  const text = (n: Node) => expr.slice(n.from, n.to);
  const s: Selector = { from: node.from, to: node.to, text: text(node), name: '', matchers: [] };
  const name = node.getChild('Identifier');
  if (name) s.name = text(name);
  for (let n = node.getChild('LabelMatchers')?.firstChild; n; n = n.nextSibling) {
    if (n.name === 'QuotedLabelName') {
      s.name = unquote(text(n));
      continue;
    }
    const label = n.getChild('LabelName') ?? n.getChild('QuotedLabelName');
    const op = n.getChild('MatchOp');
    const value = n.getChild('StringLiteral');
    if (!label || !op || !value) continue;
    const m: Matcher = { name: unquote(text(label)), op: text(op) as Matcher['op'], value: unquote(text(value)), text: text(n) };
    if (m.name === '__name__' && m.op === '=') s.name = m.value;
    else s.matchers.push(m);
  }
  return s;
}

function unquote(text: string): string {
  if (text.startsWith('`')) return text.slice(1, -1);
  if (!/^["']/.test(text)) return text;
  return text.slice(1, -1).replace(/\\(.)/g, (_, c: string) => ({ n: '\n', t: '\t', r: '\r' })[c] ?? c);
}

/** Adds matchers to every selector that has none for the same label: what a page's scope does to an expression. */
export function withMatchers(expr: string, add: readonly { name: string; op: string; value: string }[]): string {
  if (add.length === 0) return expr;
  let out = '';
  let at = 0;
  for (const s of selectors(expr)) {
    const missing = add.filter((a) => !s.matchers.some((m) => m.name === a.name)).map((a) => `${labelName(a.name)}${a.op}${quote(a.value)}`);
    if (missing.length === 0) continue;
    const close = s.text.lastIndexOf('}');
    if (close < 0) {
      out += `${expr.slice(at, s.to)}{${missing.join(',')}}`;
    } else {
      const inside = s.text.slice(0, close).trimEnd();
      const comma = inside.endsWith('{') || inside.endsWith(',') ? '' : ',';
      out += `${expr.slice(at, s.from)}${inside}${comma}${missing.join(',')}}`;
    }
    at = s.to;
  }
  return out + expr.slice(at);
}

/** The names of metrics in an expression, each once. */
export function metricNames(expr: string): string[] {
  return [...new Set(selectors(expr).map((s) => s.name).filter((n) => n !== ''))];
}

/** Whether the grammar accepts it. The server has the last word. */
export function parses(expr: string): boolean {
  let ok = true;
  parser.parse(expr).iterate({ enter: (n) => { if (n.type.isError) ok = false; } });
  return ok;
}

/** The names most like a mistyped one, best first: by edit distance, and by shared words. */
export function similar(name: string, all: readonly string[], most = 3): string[] {
  const words = name.toLowerCase().split(/[_:.]/).filter(Boolean);
  return all.map((n) => {
    const have = new Set(n.toLowerCase().split(/[_:.]/));
    const shared = words.filter((w) => have.has(w)).length / Math.max(words.length, 1);
    return { n, score: distance(name.toLowerCase(), n.toLowerCase(), 12) - 4 * shared };
  }).filter((x) => x.score < Math.max(2, name.length / 6)).sort((a, b) => a.score - b.score || a.n.localeCompare(b.n)).slice(0, most).map((x) => x.n);
}

/** Levenshtein's distance, given up beyond `limit`. */
function distance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1;
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return Math.min(row[b.length]!, limit + 1);
}
