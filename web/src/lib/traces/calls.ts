// Spans by the path of calls that led to them: equal calls below one caller are one node. A flame graph draws one trace so, a comparison two. Pure.
import { hasError, serviceOf, type Trace } from './model';

/** What one trace has at a node. Milliseconds. */
export interface Sum { count: number; errors: number; total: number; self: number; /** The first span of it, by index. */ first: number; /** The longest. */ worst: number }
const none: Sum = Object.freeze({ count: 0, errors: 0, total: 0, self: 0, first: -1, worst: -1 });

export interface CallNode {
  service: string;
  name: string;
  /** Index of the caller; -1 for a root. */
  parent: number;
  depth: number;
  /** The first index behind what it calls. */
  end: number;
  sums: Sum[];
}

/** Nodes in preorder, what calls first before; sums[k] is of traces[k]. */
export function callTree(traces: readonly Trace[]): CallNode[] {
  interface Made { service: string; name: string; parent: number; children: Map<string, number>; sums: Sum[]; order: number }
  const made: Made[] = [{ service: '', name: '', parent: -1, children: new Map(), sums: [], order: 0 }];
  traces.forEach((t, k) => {
    const node = new Int32Array(t.spans.length);
    for (let i = 0; i < t.spans.length; i++) {
      const s = t.spans[i]!;
      const above = t.parent[i]! < 0 ? 0 : node[t.parent[i]!]!;
      const service = serviceOf(t, i);
      const key = `${service}\u0000${s.name}`;
      let at = made[above]!.children.get(key);
      if (at === undefined) {
        at = made.length;
        made.push({ service, name: s.name, parent: above, children: new Map(), sums: traces.map(() => none), order: s.start - t.from });
        made[above]!.children.set(key, at);
      }
      node[i] = at;
      const m = made[at]!;
      if (m.sums[k] === none) m.sums[k] = { ...none, first: i, worst: i };
      const sum = m.sums[k]!;
      sum.count++;
      sum.total += Math.max(0, s.duration);
      sum.self += t.self[i]!;
      if (hasError(s)) sum.errors++;
      if (s.duration > t.spans[sum.worst]!.duration) sum.worst = i;
    }
  });
  const out: CallNode[] = [];
  const stack: { at: number; parent: number; depth: number }[] = [];
  const push = (m: Made, parent: number, depth: number) => {
    for (const at of [...m.children.values()].sort((a, b) => made[b]!.order - made[a]!.order || b - a)) stack.push({ at, parent, depth });
  };
  push(made[0]!, -1, 0);
  while (stack.length > 0) {
    const { at, parent, depth } = stack.pop()!;
    const m = made[at]!;
    out.push({ service: m.service, name: m.name, parent, depth, end: 0, sums: m.sums });
    push(m, out.length - 1, depth + 1);
  }
  for (let i = out.length - 1; i >= 0; i--) {
    const n = out[i]!;
    if (n.end <= i) n.end = i + 1;
    if (n.parent >= 0 && out[n.parent]!.end < n.end) out[n.parent]!.end = n.end;
  }
  return out;
}

export interface Flame { node: number; x0: number; x1: number; depth: number; /** Its own time and all own time below: what its width says. */ value: number }

/** A flame graph below a node, or of everything (-1): each as wide as its own time and that of all that it calls. */
export function flames(nodes: readonly CallNode[], root = -1): Flame[] {
  const value = new Float64Array(nodes.length);
  for (let i = nodes.length - 1; i >= 0; i--) {
    value[i]! += nodes[i]!.sums[0]!.self;
    const p = nodes[i]!.parent;
    if (p >= 0) value[p]! += value[i]!;
  }
  const [from, to] = root < 0 ? [0, nodes.length] : [root, nodes[root]!.end];
  const base = root < 0 ? 0 : nodes[root]!.depth;
  let all = 0;
  for (let i = from; i < to; i++) if (i === root || (root < 0 && nodes[i]!.parent < 0)) all += value[i]!;
  const out: Flame[] = [];
  const left = new Float64Array(nodes.length); // where the next child begins
  let next = 0;
  for (let i = from; i < to; i++) {
    const p = nodes[i]!.parent;
    const isRoot = i === root || (root < 0 && p < 0);
    const x0 = isRoot ? next : left[p]!;
    const x1 = x0 + (all > 0 ? value[i]! / all : 0);
    if (isRoot) next = x1;
    else left[p] = x1;
    left[i] = x0;
    out.push({ node: i, x0, x1, depth: nodes[i]!.depth - base, value: value[i]! });
  }
  return out;
}

export type Verdict = 'added' | 'removed' | 'slower' | 'faster' | 'same';
export interface Difference extends CallNode { verdict: Verdict; /** B's total less A's. */ delta: number; selfDelta: number; /** Something below it, or it, differs. */ below: boolean }

/** What B has over A. A call is slower or faster when its time differs by a fifth and by a hundredth of the longer trace. */
export function compareTraces(a: Trace, b: Trace): Difference[] {
  const least = Math.max(a.to - a.from, b.to - b.from) / 100;
  const out = callTree([a, b]).map((n): Difference => {
    const [x, y] = n.sums as [Sum, Sum];
    const delta = y.total - x.total;
    const big = Math.abs(delta) >= least && Math.abs(delta) >= 0.2 * Math.max(1e-9, Math.min(x.total, y.total));
    const verdict: Verdict = x.count === 0 ? 'added' : y.count === 0 ? 'removed' : big ? (delta > 0 ? 'slower' : 'faster') : 'same';
    return { ...n, verdict, delta, selfDelta: y.self - x.self, below: verdict !== 'same' || x.errors !== y.errors };
  });
  for (let i = out.length - 1; i >= 0; i--) if (out[i]!.below && out[i]!.parent >= 0) out[out[i]!.parent]!.below = true;
  return out;
}
