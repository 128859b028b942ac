// Time on a line from 0 to 1, with long stretches in which nothing begins or ends made short. Pure.
import { endOf, type Trace } from './model';

export interface Piece { t0: number; t1: number; x0: number; x1: number; /** A gap that was made short. */ folded: boolean }

export class TimeScale {
  readonly pieces: readonly Piece[];
  constructor(pieces: readonly Piece[]) { this.pieces = pieces; }

  x(t: number): number {
    const p = this.#find((q) => t < q.t1);
    if (p.t1 <= p.t0) return p.x0;
    return p.x0 + ((p.x1 - p.x0) * (t - p.t0)) / (p.t1 - p.t0);
  }
  t(x: number): number {
    const p = this.#find((q) => x < q.x1);
    if (p.x1 <= p.x0) return p.t0;
    return p.t0 + ((p.t1 - p.t0) * (x - p.x0)) / (p.x1 - p.x0);
  }
  /** The first piece for which it holds, which ascends; else the last. */
  #find(before: (p: Piece) => boolean): Piece {
    let lo = 0;
    let hi = this.pieces.length - 1;
    while (lo < hi) {
      const mid = (lo + hi) >> 1;
      if (before(this.pieces[mid]!)) hi = mid;
      else lo = mid + 1;
    }
    return this.pieces[lo]!;
  }
  get folds(): Piece[] { return this.pieces.filter((p) => p.folded); }
}

export function plainScale(t: Pick<Trace, 'from' | 'to'>): TimeScale {
  return new TimeScale([{ t0: t.from, t1: t.to, x0: 0, x1: 1, folded: false }]);
}

/** The share of the trace from which on a stretch without a change is a gap: shorter ones hide nothing that matters. */
const leastGap = 0.08;
/** What is left of a gap on the line: room for its mark. */
const foldedWidth = 0.025;

/** Stretches in which no span begins or ends, in order of time. */
export function gapsOf(t: Trace): { from: number; to: number }[] {
  const n = t.spans.length;
  const times = new Float64Array(2 * n);
  t.spans.forEach((s, i) => { times[2 * i] = s.start; times[2 * i + 1] = endOf(s); });
  times.sort();
  const least = (t.to - t.from) * leastGap;
  const out: { from: number; to: number }[] = [];
  for (let i = 1; i < times.length; i++) if (times[i]! - times[i - 1]! > least && least > 0) out.push({ from: times[i - 1]!, to: times[i]! });
  return out;
}

export function foldedScale(t: Trace, gaps = gapsOf(t)): TimeScale {
  const idle = gaps.reduce((n, g) => n + g.to - g.from, 0);
  const busy = t.to - t.from - idle;
  // All of one gap: there is nothing that could take the room.
  if (gaps.length === 0 || busy <= 0) return plainScale(t);
  const perMs = (1 - gaps.length * foldedWidth) / busy;
  const pieces: Piece[] = [];
  let x = 0;
  let at = t.from;
  const add = (to: number, width: number, folded: boolean) => {
    if (to > at) pieces.push({ t0: at, t1: to, x0: x, x1: (x += width), folded });
    at = to;
  };
  for (const g of gaps) {
    add(g.from, (g.from - at) * perMs, false);
    add(g.to, foldedWidth, true);
  }
  add(t.to, (t.to - at) * perMs, false);
  pieces[pieces.length - 1]!.x1 = 1; // sums of shares miss it by a hair
  return new TimeScale(pieces);
}

export interface Tick { x: number; text: string }

/** Round times of the window [a, b] of the line, some `wanted` of them; each as a share of the window. */
export function ticks(scale: TimeScale, a: number, b: number, wanted: number, format: (ms: number) => string): Tick[] {
  const zero = scale.pieces[0]!.t0;
  const shown = scale.pieces.filter((p) => !p.folded && p.x1 > a && p.x0 < b);
  const visible = shown.reduce((n, p) => n + (Math.min(p.x1, b) - Math.max(p.x0, a)) * ((p.t1 - p.t0) / Math.max(1e-12, p.x1 - p.x0)), 0);
  const step = roundStep(visible / Math.max(1, wanted));
  if (!(step > 0)) return [{ x: 0, text: format(0) }];
  const out: Tick[] = [];
  let last = -Infinity;
  for (const p of shown) {
    const from = scale.t(Math.max(p.x0, a)) - zero;
    const to = scale.t(Math.min(p.x1, b)) - zero;
    for (let k = Math.ceil(from / step - 1e-9); k * step <= to + step * 1e-9 && out.length < 200; k++) {
      const x = (scale.x(zero + k * step) - a) / (b - a);
      if (x < -1e-9 || x > 1 + 1e-9 || x - last < 0.4 / wanted) continue;
      out.push({ x, text: format(k * step) });
      last = x;
    }
  }
  return out;
}

/** The smallest of 1, 2, 5 · 10ⁿ milliseconds, or of round minutes and hours, that is not below. */
export function roundStep(ms: number): number {
  if (!(ms > 0) || !Number.isFinite(ms)) return 0;
  for (const s of [60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400]) if (ms > 30_000 && s * 1000 >= ms) return s * 1000;
  const ten = 10 ** Math.floor(Math.log10(ms));
  return [1, 2, 5, 10].map((m) => m * ten).find((s) => s >= ms * (1 - 1e-9))!;
}
