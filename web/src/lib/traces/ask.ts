// Asking the server for traces.
import { ApiError, get } from '../api';
import { askLines } from '../logs/ask';
import { nsOf, Rows, type Row } from '../logs/records';
import { logQuery, logRange } from './logs';
import type { RawTrace, Trace } from './model';
import { tracesOf } from './read';
import { narrowed, regionQuery } from './query';
import type { Comparison, Heat, Region } from './search';
import { readComparison, readHeat, readMap, readSearch, readValues, type MapReply, type SearchReply } from './wire';

interface Span { start: number; end: number }
const seconds = (s: Span) => ({ start: Math.floor(s.start), end: Math.ceil(s.end) });

/** One trace, whole. */
export async function askTrace(id: string, signal: AbortSignal): Promise<RawTrace> {
  const a = await get<unknown>(`api/v2/traces/${encodeURIComponent(id)}`, {}, signal);
  try {
    return { ...tracesOf(a.data)[0]!, warnings: a.warnings };
  } catch {
    throw new ApiError('not_found', `No trace ${id}.`);
  }
}

/** The newest traces of a range that fit, or of a region of it. */
export async function askSearch(query: string, range: Span, region: Region | null, limit: number, signal: AbortSignal): Promise<SearchReply> {
  const a = await get<unknown>('api/search', { q: narrowed(query, region), ...seconds(region ?? range), limit, spss: 1 }, signal);
  return { ...readSearch(a.data), ms: a.ms };
}

/** How many spans took how long, in `columns` steps or somewhat fewer; and how many of them failed. */
export async function askHeat(query: string, range: Span, columns: number, signal: AbortSignal): Promise<Heat> {
  const step = [1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400].find((s) => (range.end - range.start) / s <= columns) ?? 86400;
  const start = Math.floor(range.start / step) * step;
  const end = Math.ceil(range.end / step) * step;
  const ask = async (q: string) => (await get<unknown>('api/metrics/query_range', { q: `${q} | histogram_over_time(duration)`, start, end, step: `${step}s` }, signal)).data;
  const base = query.trim() === '' ? '{}' : query;
  const [all, failed] = await Promise.all([ask(base), ask(`${base} | {status = error}`)]);
  return readHeat(all, failed, start, end, step);
}

/** Which attributes the spans of a region have more often than the others. */
export async function askCompare(query: string, range: Span, region: Region, signal: AbortSignal): Promise<Comparison> {
  const span = { start: Math.floor(range.start), end: Math.ceil(range.end) };
  const base = query.trim() === '' ? '{}' : query;
  const ns = (s: number) => nsOf(s);
  const q = `${base} | compare(${regionQuery(region)}, 10, ${ns(region.start)}, ${ns(region.end)})`;
  return readComparison((await get<unknown>('api/metrics/query_range', { q, ...span, step: `${Math.max(1, span.end - span.start)}s` }, signal)).data);
}

/** The values of a field, of the spans that a query finds. */
export async function askValues(field: string, range: Span, query: string, signal: AbortSignal): Promise<string[]> {
  return readValues((await get<unknown>(`api/v2/search/tag/${encodeURIComponent(field)}/values`, { ...seconds(range), ...(query ? { q: query } : {}) }, signal)).data);
}

export interface Found { rows: Row[]; more: boolean; /** Nothing names the span itself: these are of the whole trace. */ ofTrace: boolean }

/** The log lines that name a span, or else its trace. */
export async function askSpanLogs(t: Trace, span: string, signal: AbortSignal): Promise<Found> {
  const range = logRange(t);
  const [start, end] = [nsOf(range.start), nsOf(range.end)];
  const make = new Rows();
  const own = await askLines(make, logQuery(t.id, span), start, end, { limit: 100, ascending: true }, signal);
  if (own.rows.length > 0) return { rows: own.rows, more: own.more, ofTrace: false };
  const all = await askLines(make, logQuery(t.id), start, end, { limit: 100, ascending: true }, signal);
  return { rows: all.rows, more: all.more, ofTrace: true };
}

/** Who calls whom in a range, and where each stands. */
export async function askMap(range: Span, signal: AbortSignal): Promise<MapReply> {
  return readMap((await get<unknown>('api/hulotte/v1/traces/map', seconds(range), signal)).data);
}
