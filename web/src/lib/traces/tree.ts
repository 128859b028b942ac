// From spans as they come to a tree: what refers to itself is cut, what refers to nothing is a root, and nothing is lost. Pure, and never recursive:
// a trace of 50,000 spans may be 50,000 deep.
import { endOf, hasError, type Oddity, type RawSpan, type RawTrace, type ServiceShare, type Trace } from './model';

export function buildTrace(raw: RawTrace): Trace {
  const { order, parent, odd } = preorder(raw.spans);
  const n = order.length;
  const at = new Int32Array(n); // old index → new
  order.forEach((old, i) => { at[old] = i; });
  const spans = order.map((i) => raw.spans[i]!);
  const newParent = new Int32Array(n);
  const depth = new Int32Array(n);
  const end = new Int32Array(n);
  const roots: number[] = [];
  for (let i = 0; i < n; i++) {
    const p = parent[order[i]!]!;
    newParent[i] = p < 0 ? -1 : at[p]!;
    depth[i] = p < 0 ? 0 : depth[at[p]!]! + 1;
    if (p < 0) roots.push(i);
  }
  for (let i = n - 1; i >= 0; i--) {
    if (end[i]! <= i) end[i] = i + 1;
    const p = newParent[i]!;
    if (p >= 0 && end[p]! < end[i]!) end[p] = end[i]!;
  }
  let from = Infinity;
  let to = -Infinity;
  let errors = 0;
  for (const s of spans) {
    if (s.start < from) from = s.start;
    if (endOf(s) > to) to = endOf(s);
    if (hasError(s)) errors++;
  }
  if (n === 0) from = to = 0;
  const strange = new Map([...odd].map(([old, what]) => [at[old]!, what]));
  const self = selfTimes(spans, end);
  const trace: Trace = { ...raw, spans, parent: newParent, depth, end, odd: strange, from, to, self, roots, main: 0, errors, services: [] };
  // The trace is named for a real root where there is one; of several for the longest.
  const better = (a: number, b: number) => Number(strange.has(a)) - Number(strange.has(b)) || spans[b]!.duration - spans[a]!.duration || a - b;
  trace.main = [...roots].sort(better)[0] ?? -1;
  trace.services = shares(trace);
  return trace;
}

/** The order in which spans are drawn and the parent of each, by their old indexes. */
function preorder(spans: readonly RawSpan[]): { order: number[]; parent: Int32Array; odd: Map<number, Oddity> } {
  const n = spans.length;
  const odd = new Map<number, Oddity>();
  const parent = parentsOf(spans, odd);
  cutCycles(spans, parent, odd);
  // Children of each in a row: counted, then laid out, so that no list is made for a span without children.
  const count = new Int32Array(n + 2);
  for (let i = 0; i < n; i++) count[parent[i]! + 2]!++;
  for (let i = 1; i < n + 2; i++) count[i]! += count[i - 1]!;
  const children = new Int32Array(n);
  const byStart = Int32Array.from({ length: n }, (_, i) => i).sort((a, b) => spans[a]!.start - spans[b]!.start || spans[b]!.duration - spans[a]!.duration || a - b);
  const fill = count.slice();
  for (const i of byStart) children[fill[parent[i]! + 1]!++] = i;
  const of = (p: number) => children.subarray(count[p + 1]!, count[p + 2]!);
  const order: number[] = [];
  const stack: number[] = Array.from(of(-1)).reverse();
  while (stack.length > 0) {
    const i = stack.pop()!;
    order.push(i);
    const below = of(i);
    for (let k = below.length - 1; k >= 0; k--) stack.push(below[k]!);
  }
  return { order, parent, odd };
}

/** Each span's parent by index, -1 for none. Zipkin's client and server may share one id: then the server's is below the client's. */
function parentsOf(spans: readonly RawSpan[], odd: Map<number, Oddity>): Int32Array {
  const byId = new Map<string, number>();
  const clientOf = new Map<number, number>();
  spans.forEach((s, i) => {
    const known = byId.get(s.id);
    if (known === undefined || s.id === '') { byId.set(s.id, i); return; }
    const [a, b] = [spans[known]!.kind, s.kind];
    if (a === 'client' && b === 'server') { clientOf.set(i, known); byId.set(s.id, i); }
    else if (a === 'server' && b === 'client') clientOf.set(known, i);
    else odd.set(i, 'duplicate');
  });
  const out = new Int32Array(spans.length).fill(-1);
  spans.forEach((s, i) => {
    const client = clientOf.get(i);
    if (client !== undefined) { out[i] = client; return; }
    if (s.parent === '') return;
    const p = byId.get(s.parent);
    if (p === undefined) odd.set(i, 'orphan');
    else out[i] = p;
  });
  return out;
}

/** Where spans are each other's parents, the earliest of them becomes a root. */
function cutCycles(spans: readonly RawSpan[], parent: Int32Array, odd: Map<number, Oddity>): void {
  const seen = new Int32Array(spans.length); // the walk that passed here first
  for (let i = 0; i < spans.length; i++) {
    let at = i;
    while (at >= 0 && seen[at] === 0) {
      seen[at] = i + 1;
      at = parent[at]!;
    }
    if (at < 0 || seen[at] !== i + 1) continue;
    let first = at;
    for (let k = parent[at]!; k !== at; k = parent[k]!) if (spans[k]!.start < spans[first]!.start) first = k;
    parent[first] = -1;
    odd.set(first, 'cycle');
  }
}

/** For each span of a preorder: its duration without what its direct children cover. */
function selfTimes(spans: readonly RawSpan[], end: Int32Array): Float64Array {
  const out = new Float64Array(spans.length);
  for (let i = 0; i < spans.length; i++) {
    const s = spans[i]!;
    const last = endOf(s);
    let covered = 0;
    let until = s.start;
    for (let c = i + 1; c < end[i]!; c = end[c]!) { // by their start, so one pass joins them
      const a = Math.max(spans[c]!.start, until);
      const b = Math.min(endOf(spans[c]!), last);
      if (b > a) { covered += b - a; until = b; }
    }
    out[i] = Math.max(0, last - s.start - covered);
  }
  return out;
}

function shares(t: Trace): ServiceShare[] {
  const byName = new Map<string, ServiceShare>();
  for (let i = 0; i < t.spans.length; i++) {
    const name = t.resources[t.spans[i]!.resource]?.service || 'unknown';
    let s = byName.get(name);
    if (!s) byName.set(name, s = { name, spans: 0, errors: 0, self: 0 });
    s.spans++;
    s.self += t.self[i]!;
    if (hasError(t.spans[i]!)) s.errors++;
  }
  return [...byName.values()].sort((a, b) => b.self - a.self || a.name.localeCompare(b.name));
}

/** The rows to draw when the spans in `folded` hide what is below them. */
export function visibleRows(t: Trace, folded: ReadonlySet<number>): Int32Array {
  const out = new Int32Array(t.spans.length);
  let n = 0;
  for (let i = 0; i < t.spans.length; i = folded.has(i) ? t.end[i]! : i + 1) out[n++] = i;
  return out.subarray(0, n);
}

/** What to fold so that no more than `levels` levels are open. */
export function foldBelow(t: Trace, levels: number): Set<number> {
  const out = new Set<number>();
  for (let i = 0; i < t.spans.length; i++) if (t.depth[i]! === levels - 1 && t.end[i]! > i + 1) out.add(i);
  return out;
}

export function deepest(t: Trace): number {
  let most = 0;
  for (const d of t.depth) if (d > most) most = d;
  return t.spans.length === 0 ? 0 : most + 1;
}

/** The same folds without those that hide span i. */
export function unfoldedTo(t: Trace, folded: ReadonlySet<number>, i: number): ReadonlySet<number> {
  let out: Set<number> | undefined;
  for (let p = t.parent[i]!; p >= 0; p = t.parent[p]!) if ((out ?? folded).has(p)) (out ??= new Set(folded)).delete(p);
  return out ?? folded;
}

/** For each span, how many below it have an error, as a folded row says. */
export function errorsBelow(t: Trace): Int32Array {
  const out = new Int32Array(t.spans.length);
  for (let i = t.spans.length - 1; i >= 0; i--) {
    const p = t.parent[i]!;
    if (p >= 0) out[p]! += out[i]! + (hasError(t.spans[i]!) ? 1 : 0);
  }
  return out;
}

/** The next index after `from` in a direction for which `wanted` holds, round the end; -1 when there is none. */
export function nextIndex(n: number, from: number, by: 1 | -1, wanted: (i: number) => boolean): number {
  for (let k = 1; k <= n; k++) {
    const i = (((from + by * k) % n) + n) % n;
    if (wanted(i)) return i;
  }
  return -1;
}
