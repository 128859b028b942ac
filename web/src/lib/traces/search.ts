// The state of the page that searches traces, in the URL beside the shared view; and the chart of durations over time. Pure.
import { formatMs } from './model';

/** A region of the chart: Unix seconds and milliseconds. */
export interface Region { start: number; end: number; min: number; max: number }
export type Order = 'newest' | 'slowest' | 'errors' | 'spans';
export interface SearchState { query: string; region: Region | null; order: Order; /** Traces chosen for a comparison. */ picked: string[]; limit: number; dots: boolean }

const orders: readonly Order[] = ['newest', 'slowest', 'errors', 'spans'];
const own = ['q', 'region', 'order', 'pick', 'limit', 'dots'];
export const limits = [50, 200, 1000] as const;

export function decodeSearch(query: URLSearchParams): SearchState {
  const order = query.get('order') as Order | null;
  const limit = Number(query.get('limit'));
  return {
    query: query.get('q') ?? '', region: decodeRegion(query.get('region') ?? ''), order: order && orders.includes(order) ? order : 'newest',
    picked: (query.get('pick') ?? '').split(',').filter((id) => /^[0-9a-f]{32}$/.test(id)).slice(0, 2), limit: limits.find((l) => l === limit) ?? limits[0], dots: query.get('dots') !== '0',
  };
}

export function encodeSearch(s: SearchState, query: URLSearchParams): URLSearchParams {
  const out = new URLSearchParams();
  if (s.query !== '') out.set('q', s.query);
  if (s.region) out.set('region', encodeRegion(s.region));
  if (s.order !== 'newest') out.set('order', s.order);
  if (s.picked.length > 0) out.set('pick', s.picked.join(','));
  if (s.limit !== limits[0]) out.set('limit', String(s.limit));
  if (!s.dots) out.set('dots', '0');
  for (const [k, v] of query) if (!own.includes(k)) out.append(k, v);
  return out;
}

const short = (n: number) => String(Number(n.toPrecision(5)));
export function encodeRegion(r: Region): string { return `${Math.round(r.start * 1000)}~${Math.round(r.end * 1000)}~${short(r.min)}~${Number.isFinite(r.max) ? short(r.max) : ''}`; }
export function decodeRegion(text: string): Region | null {
  const m = /^(\d{1,15})~(\d{1,15})~([\d.e+-]{1,20})~([\d.e+-]{0,20})$/.exec(text);
  if (!m) return null;
  const r = { start: Number(m[1]) / 1000, end: Number(m[2]) / 1000, min: Number(m[3]), max: m[4] === '' ? Infinity : Number(m[4]) };
  return r.end > r.start && r.max > r.min && r.min >= 0 ? r : null;
}
export function regionText(r: Region): string { return Number.isFinite(r.max) ? `${formatMs(r.min)} to ${formatMs(r.max)}` : `${formatMs(r.min)} and longer`; }

/** Counts of spans by time and duration. counts[row][column]; row 0 is the shortest. */
export interface Heat { /** Unix seconds at which the first column begins, and how long each is. */ start: number; step: number; columns: number; /** Milliseconds, ascending, one more than there are rows. */ edges: number[]; counts: number[][]; errors: number[][] | null; total: number }

/** The place of a duration on the chart's axis, 0 at the bottom and 1 at the top; the axis is logarithmic. */
export function durationAxis(edges: readonly number[]): { y: (ms: number) => number; ms: (y: number) => number; lo: number; hi: number } {
  const lo = Math.max(1e-6, edges[0] && edges[0] > 0 ? edges[0] : (edges[1] ?? 1) / 2);
  const hi = Math.max(lo * 2, edges.at(-1) ?? lo * 2);
  const [a, b] = [Math.log(lo), Math.log(hi)];
  return { y: (ms) => (Math.log(Math.max(ms, lo)) - a) / (b - a), ms: (y) => Math.exp(a + y * (b - a)), lo, hi };
}

/** Powers of ten in milliseconds between two durations. */
export function durationTicks(lo: number, hi: number): number[] {
  const out: number[] = [];
  for (let e = Math.ceil(Math.log10(lo) - 1e-9); 10 ** e <= hi * (1 + 1e-9); e++) out.push(10 ** e);
  return out;
}

/** How strong a cell is drawn, 0 to 1: the logarithm, so that one span among thousands is still seen. */
export function strength(count: number, most: number): number { return count <= 0 ? 0 : 0.18 + 0.82 * (Math.log1p(count) / Math.log1p(Math.max(1, most))); }

export interface ValueShare { value: string; /** Of the scope's value as TraceQL has it, for filtering. */ text: boolean; selected: number; others: number }
export interface FieldShare { key: string; values: ValueShare[] }
export interface Comparison { selected: number; others: number; fields: FieldShare[] }

/** How much more often a value stands in the selection than beside it: the difference of shares, -1 to 1. */
export function lift(v: Pick<ValueShare, 'selected' | 'others'>, c: Pick<Comparison, 'selected' | 'others'>): number {
  return (c.selected > 0 ? v.selected / c.selected : 0) - (c.others > 0 ? v.others / c.others : 0);
}
