// A trace in a table: where its time went. Pure.
import { hasError, serviceOf, type Trace } from './model';

export type StatsBy = 'service' | 'operation' | 'kind';
export interface StatsRow { key: string; service: string; name: string; count: number; errors: number; total: number; self: number; avg: number; p50: number; p95: number; max: number; /** Its own time, of all own time. */ share: number }

export function statistics(t: Trace, by: StatsBy): StatsRow[] {
  const groups = new Map<string, { service: string; name: string; spans: number[] }>();
  for (let i = 0; i < t.spans.length; i++) {
    const s = t.spans[i]!;
    const service = by === 'kind' ? '' : serviceOf(t, i);
    const name = by === 'operation' ? s.name : by === 'kind' ? s.kind : '';
    const key = `${service}\u0000${name}`;
    const g = groups.get(key);
    if (g) g.spans.push(i);
    else groups.set(key, { service, name, spans: [i] });
  }
  const all = t.self.reduce((n, v) => n + v, 0);
  return [...groups].map(([key, g]): StatsRow => {
    const durations = Float64Array.from(g.spans, (i) => Math.max(0, t.spans[i]!.duration)).sort();
    const total = durations.reduce((n, v) => n + v, 0);
    const self = g.spans.reduce((n, i) => n + t.self[i]!, 0);
    return {
      key, service: g.service, name: g.name, count: g.spans.length, errors: g.spans.filter((i) => hasError(t.spans[i]!)).length, total, self, avg: total / g.spans.length,
      p50: quantile(durations, 0.5), p95: quantile(durations, 0.95), max: durations.at(-1)!, share: all > 0 ? self / all : 0,
    };
  }).sort((a, b) => b.self - a.self || a.key.localeCompare(b.key));
}

/** The value that a share q of an ascending list is not above: one that is in the list. */
export function quantile(sorted: ArrayLike<number>, q: number): number {
  if (sorted.length === 0) return 0;
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1))]!;
}
