// Asking the server for logs: Loki's API for the lines themselves, ours for what stands around them.
import { get, post } from '../api';
import type { Labels } from '../labels';
import type { QueryData } from '../prom';
import type { FacetsReply, Stats } from './facets';
import { compareNs, nsOf, Rows, type RawStream, type Row } from './records';
import { labelsOf, subjectQuery, type Subject } from './subject';

/** The most that one request brings; more comes by further pages. The server's own limit is 5,000. */
export const pageSize = 1000;
/** What the browser holds at most: scrolling stays quick, and memory bounded. */
export const mostRows = 100_000;

interface LokiStats { stats?: { summary?: { totalBytesProcessed?: number; totalLinesProcessed?: number; execTime?: number } } }
interface LokiReply extends LokiStats { resultType: string; result: RawStream[] }

const apart = { 'X-Loki-Response-Encoding-Flags': 'categorize-labels' };

export interface Page { rows: Row[]; /** The server may have more in this direction. */ more: boolean; ms: number; /** What the answer lacks, in sentences. */ warnings: string[] }

/** Lines from startNs on and before endNs, the newest or the oldest of them. */
export async function askLines(make: Rows, query: string, startNs: string, endNs: string, o: { limit?: number; ascending: boolean; descendingRows?: boolean }, signal: AbortSignal): Promise<Page> {
  const limit = o.limit ?? pageSize;
  const answer = await post<LokiReply>('loki/api/v1/query_range', { query, start: startNs, end: endNs, limit, direction: o.ascending ? 'forward' : 'backward' }, signal, apart);
  const rows = answer.data.resultType === 'streams' ? make.all(answer.data.result, !o.ascending) : [];
  return { rows: rows.sort((a, b) => (o.ascending ? 1 : -1) * compareNs(a.ns, b.ns) || a.id - b.id), more: rows.length >= limit, ms: answer.ms, warnings: answer.warnings };
}

export interface Bars { start: number; end: number; step: number; by: string; series: { value: string; counts: number[] }[]; total: number; stats?: Stats }
interface Span { start: number; end: number }
const span = (s: Span) => ({ start: nsOf(s.start), end: nsOf(s.end) });

export async function askBars(query: string, range: Span, buckets: number, signal: AbortSignal): Promise<Bars & { ms: number }> {
  const a = await post<Bars>('api/hulotte/v1/logs/histogram', { query, ...span(range), by: 'detected_level', buckets }, signal);
  return { ...a.data, series: a.data.series ?? [], ms: a.ms };
}

export async function askFacets(query: string, range: Span, signal: AbortSignal): Promise<FacetsReply> {
  return (await post<FacetsReply>('api/hulotte/v1/logs/facets', { query, ...span(range), limit: 10, fields: 100 }, signal)).data;
}

/** One facet more closely: more of its values, or those that contain a text. */
export async function askFacet(query: string, range: Span, field: { name: string; source: string }, search: string, signal: AbortSignal): Promise<FacetsReply> {
  const source = field.source === 'stored' ? 'metadata' : field.source;
  return (await post<FacetsReply>('api/hulotte/v1/logs/facets', { query, ...span(range), field: field.name, source, limit: 200, search: search || undefined }, signal)).data;
}

export interface Pattern {
  pattern: string; total: number; level: string; levels?: Record<string, number>; firstSeen?: string; lastSeen?: string; isNew: boolean; before: number; share: number;
  examples: { time: string; line: string; stream: Labels }[] | null; samples: number[] | null; filter?: string; exclude?: string;
}
export interface PatternsReply { patterns: Pattern[] | null; start: number; end: number; step: number; records: number; sampled: boolean; other: number; comparedStart?: string; comparedEnd?: string; stats?: Stats }

export async function askPatterns(query: string, range: Span, signal: AbortSignal): Promise<PatternsReply> {
  return (await post<PatternsReply>('api/hulotte/v1/logs/patterns', { query, ...span(range), limit: 200 }, signal)).data;
}

export interface ContextEntry { time: string; line: string; metadata?: Labels; n?: number }
export interface ContextReply { before: ContextEntry[] | null; at: ContextEntry | null; after: ContextEntry[] | null; moreBefore: boolean; moreAfter: boolean }

/** What the same stream wrote before and after a record. */
export async function askContext(stream: string, at: { ns: string; line: string; n: number }, before: number, after: number, signal: AbortSignal): Promise<ContextReply> {
  return (await post<ContextReply>('api/hulotte/v1/logs/context', { stream, time: at.ns, line: at.line.slice(0, 1000), n: at.n, before, after }, signal)).data;
}

export async function askMetric(query: string, range: Span & { step: number }, signal: AbortSignal): Promise<QueryData & LokiStats> {
  return (await post<QueryData & LokiStats>('loki/api/v1/query_range', { query, start: nsOf(range.start), end: nsOf(range.end), step: range.step }, signal)).data;
}

/** Whether there are logs at all, in any time: what an empty answer needs to know. */
export async function anyLogs(signal: AbortSignal): Promise<boolean> {
  const now = Date.now() / 1000;
  const a = await post<LokiReply>('loki/api/v1/query_range', { query: '{}', start: nsOf(now - 30 * 86_400), end: nsOf(now + 60), limit: 1, direction: 'backward' }, signal);
  return a.data.result.length > 0;
}

/** The query for the logs of something: asks which labels name it in a range of time. */
export async function askSubject(subjects: readonly Subject[], range: Span, signal: AbortSignal): Promise<string> {
  const params = span(range);
  const there = new Set((await get<string[] | null>('loki/api/v1/labels', params, signal)).data ?? []);
  const names = [...new Set(subjects.flatMap((s) => labelsOf[s.kind]))].filter((n) => there.has(n));
  const lists = await Promise.all(names.map(async (name) => [name, (await get<string[] | null>(`loki/api/v1/label/${name}/values`, params, signal)).data ?? []] as const));
  return subjectQuery(subjects, Object.fromEntries(lists));
}
