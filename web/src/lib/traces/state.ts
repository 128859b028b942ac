// The state of the page of one trace in the URL, beside the shared view. Pure.
import type { StatsBy } from './stats';

export type TraceShape = 'timeline' | 'flame' | 'statistics' | 'json';

export interface TraceState {
  shape: TraceShape;
  /** The span that is looked at, by its id. */
  span: string;
  find: string;
  /** The critical path is drawn. */
  critical: boolean;
  /** Long stretches in which nothing begins or ends are made short. */
  gaps: boolean;
  /** Spans are moved to where clocks without skew would have them. */
  deskew: boolean;
  by: StatsBy;
}

const shapes: readonly TraceShape[] = ['timeline', 'flame', 'statistics', 'json'];
const groupings: readonly StatsBy[] = ['operation', 'service', 'kind'];
const own = ['as', 'span', 'find', 'critical', 'gaps', 'clocks', 'by'];

export function decodeTrace(query: URLSearchParams): TraceState {
  const one = <T extends string>(key: string, all: readonly T[]): T => { const v = query.get(key) as T | null; return v && all.includes(v) ? v : all[0]!; };
  return {
    shape: one('as', shapes), span: query.get('span') ?? '', find: query.get('find') ?? '',
    critical: query.get('critical') !== '0', gaps: query.get('gaps') === 'folded', deskew: query.get('clocks') === 'corrected', by: one('by', groupings),
  };
}

export function encodeTrace(s: TraceState, query: URLSearchParams): URLSearchParams {
  const out = new URLSearchParams();
  if (s.shape !== 'timeline') out.set('as', s.shape);
  if (s.span !== '') out.set('span', s.span);
  if (s.find !== '') out.set('find', s.find);
  if (!s.critical) out.set('critical', '0');
  if (s.gaps) out.set('gaps', 'folded');
  if (s.deskew) out.set('clocks', 'corrected');
  if (s.by !== 'operation') out.set('by', s.by);
  for (const [k, v] of query) if (!own.includes(k)) out.append(k, v);
  return out;
}

/** Where a duration is written beside its bar, both ends as shares of the line: behind it, before it, or on it where it has no room beside. */
export function labelPlace(x0: number, x1: number): 'after' | 'before' | 'on' {
  if (x1 < 0.88) return 'after';
  return x0 > 0.12 ? 'before' : 'on';
}

/** A window of the line, at least `least` wide, kept within 0 and 1. */
export function clampWindow(a: number, b: number, least = 1e-5): [number, number] {
  const w = Math.min(1, Math.max(least, Math.abs(b - a)));
  const lo = Math.min(Math.max(0, Math.min(a, b)), 1 - w);
  return [lo, lo + w];
}

/** The window zoomed by a factor about a place of it (0 to 1 of the window). */
export function zoomWindow([a, b]: readonly [number, number], factor: number, at: number): [number, number] {
  const w = Math.min(1, (b - a) * factor);
  const fixed = a + (b - a) * at;
  return clampWindow(fixed - w * at, fixed - w * at + w);
}
