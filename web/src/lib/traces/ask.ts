// Asking the server for traces: the only place that knows what its JSON looks like.
import { ApiError, get } from '../api';
import { askLines } from '../logs/ask';
import { nsOf, Rows, type Row } from '../logs/records';
import { logQuery, logRange } from './logs';
import type { RawTrace, Trace } from './model';
import { tracesOf } from './read';

/** One trace, whole. */
export async function askTrace(id: string, signal: AbortSignal): Promise<RawTrace> {
  const a = await get<unknown>(`api/hulotte/v1/traces/${encodeURIComponent(id)}`, {}, signal);
  try {
    return tracesOf(a.data)[0]!;
  } catch {
    throw new ApiError('not_found', `No trace ${id}.`);
  }
}

export interface Found { rows: Row[]; more: boolean; /** Nothing names the span itself: these are of the whole trace. */ ofTrace: boolean }

export async function askSpanLogs(t: Trace, span: string, signal: AbortSignal): Promise<Found> {
  const range = logRange(t);
  const [start, end] = [nsOf(range.start), nsOf(range.end)];
  const make = new Rows();
  const own = await askLines(make, logQuery(t.id, span), start, end, { limit: 100, ascending: true }, signal);
  if (own.rows.length > 0) return { rows: own.rows, more: own.more, ofTrace: false };
  const all = await askLines(make, logQuery(t.id), start, end, { limit: 100, ascending: true }, signal);
  return { rows: all.rows, more: all.more, ofTrace: true };
}
