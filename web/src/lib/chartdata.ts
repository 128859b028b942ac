// What a chart computes from its series before it draws. Pure; times are Unix seconds, null is a gap.
import { parsePromNumber } from './prom';
import { assignHues } from './colors';
import { seriesText, shortNames, type Labels } from './labels';

export interface ChartSeries {
  /** Says which series this is, across reloads: its colour and whether it is hidden hang on it. */
  key: string;
  name: string;
  values: (number | null)[];
  labels?: Labels;
  /** 0 to 7, a series colour; without it the key's own. */
  hue?: number;
  /** Any CSS colour, for lines with a fixed meaning (a limit, a forecast). */
  colour?: string;
  dash?: number[];
  /** Fills to zero. */
  fill?: boolean;
}

export interface Stats { last: number | null; avg: number | null; min: number | null; max: number | null }

export function stats(values: readonly (number | null)[]): Stats {
  let last: number | null = null;
  let min = Infinity;
  let max = -Infinity;
  let sum = 0;
  let n = 0;
  for (const v of values) {
    if (v === null || Number.isNaN(v)) continue;
    last = v;
    if (v < min) min = v;
    if (v > max) max = v;
    sum += v;
    n++;
  }
  return n === 0 ? { last: null, avg: null, min: null, max: null } : { last, avg: sum / n, min, max };
}

/** Stacks series upwards in their order. A gap adds nothing to those above, and stays a gap in its own line. */
export function stacked(series: readonly (readonly (number | null)[])[]): (number | null)[][] {
  const sums: number[] = [];
  return series.map((values) => values.map((v, i) => {
    if (v === null || !Number.isFinite(v)) return null;
    sums[i] = (sums[i] ?? 0) + v;
    return sums[i]!;
  }));
}

/** The points without a neighbour on either side: a line cannot show them, a dot must. */
export function isolated(values: ArrayLike<number | null | undefined>, from: number, to: number): number[] {
  const out: number[] = [];
  for (let i = from; i <= to; i++) {
    if (values[i] != null && values[i - 1] == null && values[i + 1] == null) out.push(i);
  }
  return out;
}

/** One answer of query_range as rows of one common time grid: start, start+step, … end. Where a series has no point is a gap. */
export function alignMatrix(result: readonly { metric: Labels; values?: readonly [number, string][] }[], start: number, end: number, step: number): { times: number[]; series: ChartSeries[] } {
  const n = Math.max(1, Math.floor((end - start) / step + 1e-6) + 1);
  const times = Array.from({ length: n }, (_, i) => start + i * step);
  const { names } = shortNames(result.map((r) => r.metric));
  const keys = result.map((r) => seriesText(r.metric));
  const colours = assignHues(keys);
  const series = result.map((r, s) => {
    const values: (number | null)[] = new Array<number | null>(n).fill(null);
    for (const [t, v] of r.values ?? []) {
      const i = Math.round((t - start) / step);
      if (i >= 0 && i < n) {
        const value = parsePromNumber(v);
        values[i] = Number.isFinite(value) ? value : null; // NaN and infinities cannot be drawn; the table shows them
      }
    }
    return { key: keys[s]!, name: names[s]!, labels: r.metric, values, hue: colours.get(keys[s]!)! };
  });
  return { times, series };
}

/** Rows for CSV: a time column, then one column a series. */
export function toCSV(times: readonly number[], series: readonly ChartSeries[]): string {
  const cell = (s: string) => (/[",\n\r]/.test(s) ? `"${s.replace(/"/g, '""')}"` : s);
  const lines = [['time', ...series.map((s) => (s.labels ? seriesText(s.labels) : s.name))].map(cell).join(',')];
  times.forEach((t, i) => lines.push([new Date(t * 1000).toISOString(), ...series.map((s) => (s.values[i] ?? '').toString())].join(',')));
  return `${lines.join('\r\n')}\r\n`;
}

/**
 * The step of a range query: one point for every two pixels or so, a "round" duration so that neighbouring zooms meet the same grid,
 * never below `min` seconds, and never more than 11 000 points, where Prometheus refuses. Without `min` it is the usual interval of
 * collection, 10 s, for all but short ranges: between two samples there is nothing to draw but stairs.
 */
export function chooseStep(seconds: number, pixels: number, min = seconds <= 300 ? 1 : seconds <= 600 ? 5 : 10): number {
  const wanted = Math.max(seconds / Math.max(50, pixels / 2), seconds / 10_000, min);
  const round = [1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800];
  return round.find((r) => r >= wanted * 0.999) ?? Math.ceil(wanted / 86400) * 86400;
}
