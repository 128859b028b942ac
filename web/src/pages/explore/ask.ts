// Asking the server for one panel, and shaping the answer for what shows it.
import { post, type Answer } from '../../lib/api';
import { alignMatrix, chooseStep, type ChartSeries } from '../../lib/chartdata';
import { seriesText, type Labels } from '../../lib/labels';
import { parsePromNumber, type HistogramValue, type QueryData, type Sample, type Series } from '../../lib/prom';

export interface GraphAnswer { kind: 'graph'; times: number[]; series: ChartSeries[]; raw: Series[]; start: number; end: number; step: number; histograms: number }
export interface TableRow { key: string; labels: Labels; value: number | null; text: string; histogram?: HistogramValue; at: number }
export interface TableAnswer { kind: 'table'; rows: TableRow[]; resultType: QueryData['resultType'] }
export interface PanelAnswer { result: GraphAnswer | TableAnswer; warnings: string[]; infos: string[]; ms: number; bytes: number; points: number; count: number; samplesRead: number | null }

/** A server that is asked for more than this is asked for what no browser can draw. */
const mostSeries = 5000;

interface Stats { stats?: { samples?: { samplesRead?: number; totalQueryableSamples?: number } } }

export async function askGraph(expr: string, range: { start: number; end: number }, width: number, wantedStep: number, signal: AbortSignal): Promise<PanelAnswer> {
  const step = wantedStep > 0 ? Math.max(wantedStep, (range.end - range.start) / 10_900) : chooseStep(range.end - range.start, width);
  // On the step's own grid, so that a sliding range meets the same points again and lines do not shimmer.
  const start = Math.ceil(range.start / step) * step;
  const end = Math.max(start, Math.floor(range.end / step) * step);
  const answer = await post<QueryData & Stats>('api/v1/query_range', { query: expr, start, end, step, limit: mostSeries, stats: 'true' }, signal);
  const raw = answer.data.resultType === 'matrix' ? answer.data.result : [];
  const { times, series } = alignMatrix(raw.filter((r) => r.values), start, end, step);
  const points = raw.reduce((n, r) => n + (r.values?.length ?? 0) + (r.histograms?.length ?? 0), 0);
  return { result: { kind: 'graph', times, series, raw, start, end, step, histograms: raw.filter((r) => r.histograms).length }, points, count: raw.length, ...common(answer) };
}

export async function askTable(expr: string, at: number, signal: AbortSignal): Promise<PanelAnswer> {
  const answer = await post<QueryData & Stats>('api/v1/query', { query: expr, time: at, limit: mostSeries, stats: 'true' }, signal);
  const rows = tableRows(answer.data);
  return { result: { kind: 'table', rows, resultType: answer.data.resultType }, points: rows.length, count: rows.length, ...common(answer) };
}

function common(a: Answer<Stats>): Pick<PanelAnswer, 'warnings' | 'infos' | 'ms' | 'bytes' | 'samplesRead'> {
  const samples = a.data.stats?.samples;
  return { warnings: a.warnings, infos: a.infos, ms: a.ms, bytes: a.bytes, samplesRead: samples?.samplesRead ?? samples?.totalQueryableSamples ?? null };
}

export function tableRows(data: QueryData): TableRow[] {
  switch (data.resultType) {
    case 'scalar':
    case 'string':
      return [{ key: data.resultType, labels: {}, at: data.result[0], text: data.result[1], value: data.resultType === 'scalar' ? parsePromNumber(data.result[1]) : null }];
    case 'vector':
      return data.result.map(sampleRow);
    case 'matrix':
      return data.result.map((s) => {
        const last = s.values?.at(-1);
        return { key: seriesText(s.metric), labels: s.metric, at: last?.[0] ?? 0, value: null, text: (s.values ?? []).map(([t, v]) => `${v} @${t}`).join('\n') };
      });
  }
}

function sampleRow(s: Sample): TableRow {
  if (s.histogram) {
    const [at, h] = s.histogram;
    return { key: seriesText(s.metric), labels: s.metric, at, value: Number(h.count), text: `count ${h.count}, sum ${h.sum}`, histogram: h };
  }
  const [at, text] = s.value ?? [0, ''];
  return { key: seriesText(s.metric), labels: s.metric, at, text, value: parsePromNumber(text) };
}

export function tableCSV(rows: readonly TableRow[]): string {
  const names = [...new Set(rows.flatMap((r) => Object.keys(r.labels)))].sort();
  const cell = (s: string) => (/[",\n\r]/.test(s) ? `"${s.replace(/"/g, '""')}"` : s);
  const lines = [[...names, 'time', 'value'], ...rows.map((r) => [...names.map((n) => r.labels[n] ?? ''), new Date(r.at * 1000).toISOString(), r.text])];
  return `${lines.map((l) => l.map(cell).join(',')).join('\r\n')}\r\n`;
}

interface RawExemplars { seriesLabels: Labels; exemplars: { labels: Labels; value: string; timestamp: number }[] }
export interface Exemplar { at: number; value: number; labels: Labels }

/** Single observations of the series that an expression selects, the newest of them. */
export async function askExemplars(query: string, range: { start: number; end: number }, signal: AbortSignal): Promise<Exemplar[]> {
  const all = (await post<RawExemplars[] | null>('api/v1/query_exemplars', { query, start: range.start, end: range.end }, signal)).data ?? [];
  return all.flatMap((s) => s.exemplars.map((e) => ({ at: e.timestamp, value: Number(e.value), labels: e.labels }))).filter((e) => Number.isFinite(e.value)).sort((a, b) => b.at - a.at).slice(0, 300);
}

export function download(name: string, text: string, type = 'text/csv'): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const a = document.createElement('a');
  a.href = url;
  a.download = name;
  a.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
