// Clocks that differ between machines: a server cannot begin before its client asked, nor end after the client had the answer. Pure.
import { endOf, serviceOf, type RawSpan, type Trace } from './model';

export interface Skew { /** The span that stands outside its caller. */ span: number; client: string; server: string; /** Milliseconds by which the server's clock is ahead of the client's, as far as it shows. */ ms: number }

/** Where a server's span does not lie within the client's that called it, though it would fit. Smaller than a hundredth of the call is no skew that anyone sees. */
export function skews(t: Trace): Skew[] {
  const out: Skew[] = [];
  for (let i = 0; i < t.spans.length; i++) {
    const p = t.parent[i]!;
    if (p < 0) continue;
    const [child, parent] = [t.spans[i]!, t.spans[p]!];
    if (child.kind !== 'server' || parent.kind === 'producer' || child.resource === parent.resource) continue;
    const early = parent.start - child.start;
    const late = endOf(child) - endOf(parent);
    if (child.duration > parent.duration || Math.max(early, late) < Math.max(0.05, parent.duration / 100)) continue;
    // Half of what is left of the call on each side: that is what is known of the way there and back.
    out.push({ span: i, client: serviceOf(t, p), server: serviceOf(t, i), ms: child.start - (parent.start + (parent.duration - child.duration) / 2) });
  }
  return out;
}

/** The spans with each of the skewed ones, and what is below it, moved into its caller. The others are the same objects. */
export function withoutSkew(t: Trace, found = skews(t)): RawSpan[] {
  const by = new Float64Array(t.spans.length);
  const own = new Map(found.map((s) => [s.span, s.ms]));
  return t.spans.map((s, i) => {
    const p = t.parent[i]!;
    by[i] = (p >= 0 ? by[p]! : 0) + (own.get(i) ?? 0);
    const ms = by[i]!;
    return ms === 0 ? s : { ...s, start: s.start - ms, events: s.events.map((e) => ({ ...e, time: e.time - ms })) };
  });
}

/** By pairs of services, the largest first: what a sentence says. */
export function skewPairs(found: readonly Skew[]): { client: string; server: string; ms: number; spans: number }[] {
  const pairs = new Map<string, { client: string; server: string; ms: number; spans: number }>();
  for (const s of found) {
    const key = `${s.client}\u0000${s.server}`;
    const p = pairs.get(key);
    if (!p) pairs.set(key, { client: s.client, server: s.server, ms: s.ms, spans: 1 });
    else { p.spans++; if (Math.abs(s.ms) > Math.abs(p.ms)) p.ms = s.ms; }
  }
  return [...pairs.values()].sort((a, b) => Math.abs(b.ms) - Math.abs(a.ms));
}
