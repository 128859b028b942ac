// The critical path: at each moment of a trace, the span that the end had to wait for. Pure.
//
// From a span's end backwards: the child that ended last before it is what it waited for, down to that child's start, and so on; what is left
// is the span's own. Children that outlive their parent count up to its end, since nobody waited longer (they were started and left alone).
import { endOf, type Trace } from './model';

export interface Stretch { span: number; from: number; to: number }

/** The stretches of the path below a root, in order of time. They do not overlap, and together are as long as the root. */
export function criticalPath(t: Trace, root = t.main): Stretch[] {
  if (root < 0 || root >= t.spans.length) return [];
  const out: Stretch[] = [];
  const own = (span: number, from: number, to: number) => { if (to > from) out.push({ span, from, to }); };
  // Each entry waits, in time going backwards, for the children that are left in its list.
  interface Entry { span: number; cursor: number; children: { i: number; end: number }[] }
  const entry = (span: number, until: number): Entry => {
    const s = t.spans[span]!;
    const last = Math.min(endOf(s), until);
    const children: { i: number; end: number }[] = [];
    for (let c = span + 1; c < t.end[span]!; c = t.end[c]!) {
      const child = t.spans[c]!;
      if (child.start < last && endOf(child) > s.start && child.duration > 0) children.push({ i: c, end: Math.min(endOf(child), last) });
    }
    children.sort((a, b) => a.end - b.end || a.i - b.i); // the last is taken first
    return { span, cursor: last, children };
  };
  const stack: Entry[] = [entry(root, Infinity)];
  while (stack.length > 0) {
    const top = stack.at(-1)!;
    const start = t.spans[top.span]!.start;
    const next = top.children.pop();
    if (!next) {
      own(top.span, start, top.cursor);
      stack.pop();
      continue;
    }
    if (next.end > top.cursor) continue; // it ran beside the one that was waited for
    own(top.span, next.end, top.cursor);
    const below = entry(next.i, next.end);
    top.cursor = Math.max(start, t.spans[next.i]!.start);
    stack.push(below);
    if (below.cursor <= t.spans[next.i]!.start) stack.pop();
  }
  // A child may begin before its parent where clocks differ: what lies before the root is not part of its time.
  const first = t.spans[root]!.start;
  return out.filter((s) => s.to > first).map((s) => (s.from < first ? { ...s, from: first } : s)).sort((a, b) => a.from - b.from || a.to - b.to);
}

/** The stretches of each span, for drawing. */
export function bySpan(path: readonly Stretch[]): Map<number, Stretch[]> {
  const out = new Map<number, Stretch[]>();
  for (const s of path) {
    const list = out.get(s.span);
    if (list) list.push(s);
    else out.set(s.span, [s]);
  }
  return out;
}
