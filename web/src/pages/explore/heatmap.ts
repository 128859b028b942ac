// Histograms as a grid of time and value: classic buckets (series with le) or native ones. Pure.
import { parsePromNumber } from '../../lib/prom';
import type { GraphAnswer } from './ask';

export interface Grid {
  times: number[];
  step: number;
  /** Edges of the rows, ascending; row i lies between edges[i] and edges[i+1]. */
  edges: number[];
  /** cells[row][column]: observations (or their rate) in that bucket; null where there is no sample. */
  cells: (number | null)[][];
  max: number;
}

/** Null when the answer holds no histogram. Several series with the same buckets are added up. */
export function bucketsOf(a: GraphAnswer): Grid | null {
  return a.histograms > 0 ? native(a) : classic(a);
}

function classic(a: GraphAnswer): Grid | null {
  const byEdge = new Map<number, (number | null)[]>();
  for (const s of a.series) {
    const le = s.labels?.['le'];
    if (le === undefined) continue;
    const edge = parsePromNumber(le);
    if (Number.isNaN(edge)) continue;
    const sum = byEdge.get(edge) ?? new Array<number | null>(a.times.length).fill(null);
    s.values.forEach((v, i) => { if (v !== null) sum[i] = (sum[i] ?? 0) + v; });
    byEdge.set(edge, sum);
  }
  const tops = [...byEdge.keys()].sort((x, y) => x - y);
  if (tops.length < 2) return null;
  // Buckets are cumulative: each row is what its bucket has beyond the one below. Races between scrapes can make that negative.
  const cells = tops.map((top, r) => byEdge.get(top)!.map((v, i) => {
    const below = r === 0 ? 0 : byEdge.get(tops[r - 1]!)![i];
    return v === null || below === null || below === undefined ? null : Math.max(0, v - below);
  }));
  const bottom = tops[0]! > 0 ? 0 : tops[0]! - 1;
  return grid(a, [bottom, ...tops], cells);
}

function native(a: GraphAnswer): Grid | null {
  const edges = new Set<number>();
  for (const s of a.raw) for (const [, h] of s.histograms ?? []) for (const b of h.buckets ?? []) { edges.add(parsePromNumber(b[1])); edges.add(parsePromNumber(b[2])); }
  const sorted = [...edges].sort((x, y) => x - y);
  if (sorted.length < 2) return null;
  const cells: (number | null)[][] = sorted.slice(1).map(() => new Array<number | null>(a.times.length).fill(null));
  for (const s of a.raw) {
    for (const [t, h] of s.histograms ?? []) {
      const i = Math.round((t - a.start) / a.step);
      if (i < 0 || i >= a.times.length) continue;
      for (const row of cells) row[i] ??= 0;
      for (const b of h.buckets ?? []) {
        const lo = sorted.indexOf(parsePromNumber(b[1]));
        const hi = sorted.indexOf(parsePromNumber(b[2]));
        // A bucket of a coarser schema spans several rows: its count is spread evenly over them.
        const share = parsePromNumber(b[3]) / Math.max(1, hi - lo);
        for (let r = lo; r < hi; r++) cells[r]![i] = (cells[r]![i] ?? 0) + share;
      }
    }
  }
  return grid(a, sorted, cells);
}

function grid(a: GraphAnswer, edges: number[], cells: (number | null)[][]): Grid {
  // Empty rows at either end say nothing and cost height.
  const used = cells.map((row) => row.some((v) => v !== null && v > 0));
  const from = Math.max(0, used.indexOf(true));
  const to = Math.max(from, used.lastIndexOf(true));
  const kept = cells.slice(from, to + 1);
  const max = kept.reduce((m, row) => row.reduce<number>((x, v) => Math.max(x, v ?? 0), m), 0);
  return { times: a.times, step: a.step, edges: edges.slice(from, to + 2), cells: kept, max };
}
