// The server's answers about traces, as pages hold them. Times are Unix seconds, durations milliseconds. Pure.
// Search, values and metrics are Tempo's HTTP API as Grafana documents it (/api/search, /api/v2/search/tag/{tag}/values, /api/metrics/query_range): public, and the same for every client.
import type { Comparison, FieldShare, Heat } from './search';

export interface FoundTrace { id: string; rootService: string; rootName: string; start: number; duration: number; spans: number; errors: number; services: { name: string; spans: number; errors: number }[]; matched: number }
export interface SearchReply { traces: FoundTrace[]; /** Everything in the range was looked at. */ complete: boolean; scannedSpans: number; ms: number }

export interface MapNode { name: string; /** What it is: a service, a database, a queue, something outside. */ kind: string; x: number; y: number; /** Requests a second that it is asked. */ rate: number; /** Share of them that failed, 0 to 1. */ errors: number; p95: number | null }
export interface MapEdge { from: string; to: string; kind: string; rate: number; errors: number; p95: number | null }
export interface MapReply { nodes: MapNode[]; edges: MapEdge[] }

type J = Record<string, unknown>;
const obj = (v: unknown): J => (typeof v === 'object' && v !== null && !Array.isArray(v) ? (v as J) : {});
const list = (v: unknown): J[] => (Array.isArray(v) ? v.map(obj) : []);
const num = (v: unknown): number => { const n = typeof v === 'string' || typeof v === 'number' ? Number(v) : 0; return Number.isFinite(n) ? n : 0; };
const text = (v: unknown): string => (typeof v === 'string' ? v : typeof v === 'number' || typeof v === 'boolean' ? String(v) : '');

export function readSearch(json: unknown): Omit<SearchReply, 'ms'> {
  const o = obj(json);
  const metrics = obj(o['metrics']);
  const done = num(metrics['completedJobs']);
  const jobs = num(metrics['totalJobs']);
  return {
    complete: jobs === 0 || done >= jobs, scannedSpans: num(metrics['inspectedSpans']),
    traces: list(o['traces']).map((t): FoundTrace => {
      const services = Object.entries(obj(t['serviceStats'])).map(([name, s]) => ({ name, spans: num(obj(s)['spanCount']), errors: num(obj(s)['errorCount']) })).sort((a, b) => b.spans - a.spans || a.name.localeCompare(b.name));
      const sets = list(t['spanSets']);
      return {
        id: text(t['traceID']).padStart(32, '0'), rootService: text(t['rootServiceName']).replace(/^<root span not yet received>$/, ''), rootName: text(t['rootTraceName']),
        start: num(t['startTimeUnixNano']) / 1e9, duration: num(t['durationMs']), services,
        spans: services.reduce((n, s) => n + s.spans, 0), errors: services.reduce((n, s) => n + s.errors, 0), matched: sets.reduce((n, s) => n + num(s['matched']), 0),
      };
    }),
  };
}

interface Series { labels: Map<string, { value: string; text: boolean }>; samples: { at: number; value: number }[] }
function readSeries(json: unknown): Series[] {
  return list(obj(json)['series']).map((s) => ({
    labels: new Map(list(s['labels']).map((l) => {
      const v = obj(l['value']);
      return [text(l['key']), v['stringValue'] !== undefined ? { value: text(v['stringValue']), text: true } : { value: text(v['intValue'] ?? v['doubleValue'] ?? v['boolValue']), text: false }];
    })),
    samples: list(s['samples']).map((p) => ({ at: num(p['timestampMs']) / 1000, value: num(p['value']) })),
  }));
}

/** A heat map from {…} | histogram_over_time(duration): a series a bucket, named by its upper edge in seconds. Edges are powers of two. */
export function readHeat(all: unknown, failed: unknown, start: number, end: number, step: number): Heat {
  const columns = Math.max(1, Math.ceil((end - start) / step - 1e-9));
  const edgeOf = (s: Series) => Number(s.labels.get('__bucket')?.value ?? NaN) * 1000;
  const series = readSeries(all).filter((s) => edgeOf(s) > 0);
  const bad = readSeries(failed).filter((s) => edgeOf(s) > 0);
  const exps = series.map((s) => Math.round(Math.log2(edgeOf(s) / 1000)));
  // A lone bucket would be a line: room above and below.
  const lo = Math.min(...(exps.length > 0 ? exps : [-6])) - 1;
  const hi = Math.max(...(exps.length > 0 ? exps : [0])) + (exps.length < 3 ? 1 : 0);
  const rows = hi - lo + 1;
  const edges = Array.from({ length: rows + 1 }, (_, r) => 2 ** (lo - 1 + r) * 1000);
  const fill = (from: readonly Series[]) => {
    const out = Array.from({ length: rows }, () => new Array<number>(columns).fill(0));
    for (const s of from) {
      const row = out[Math.round(Math.log2(edgeOf(s) / 1000)) - lo];
      for (const p of s.samples) {
        // A sample stands at the end of its step.
        const c = Math.ceil((p.at - start) / step - 1e-6) - 1;
        if (row && c >= 0 && c < columns) row[c]! += p.value;
      }
    }
    return out;
  };
  const counts = fill(series);
  return { start, step, columns, edges, counts, errors: fill(bad), total: counts.reduce((n, r) => n + r.reduce((a, b) => a + b, 0), 0) };
}

/** What {…} | compare({…}) answers: series of the selection and of the baseline, each with one attribute and its value, and the totals of the attribute. */
export function readComparison(json: unknown): Comparison {
  const fields = new Map<string, Map<string, { text: boolean; selected: number; others: number }>>();
  const totals = { selection_total: new Map<string, number>(), baseline_total: new Map<string, number>() };
  for (const s of readSeries(json)) {
    const type = s.labels.get('__meta_type')?.value ?? '';
    const sum = s.samples.reduce((n, p) => n + p.value, 0);
    for (const [key, v] of s.labels) {
      if (key.startsWith('__meta')) continue;
      if (type === 'selection_total' || type === 'baseline_total') totals[type].set(key, (totals[type].get(key) ?? 0) + sum);
      if (type !== 'selection' && type !== 'baseline') continue;
      if (!fields.has(key)) fields.set(key, new Map());
      const values = fields.get(key)!;
      const had = values.get(v.value) ?? { text: v.text, selected: 0, others: 0 };
      had[type === 'selection' ? 'selected' : 'others'] += sum;
      values.set(v.value, had);
    }
  }
  const most = (m: Map<string, number>) => Math.max(0, ...m.values());
  return {
    selected: most(totals.selection_total), others: most(totals.baseline_total),
    fields: [...fields].map(([key, values]): FieldShare => ({ key, values: [...values].map(([value, n]) => ({ value, ...n })) })),
  };
}

export function readValues(json: unknown): string[] {
  return list(obj(json)['tagValues']).map((v) => text(v['value'])).filter((v) => v !== '').sort((a, b) => a.localeCompare(b));
}

/** The service map with its layout: nodes stand in the middle of their place. Rates a second, failures as a share of them, durations in seconds. */
export function readMap(json: unknown): MapReply {
  const o = obj(json);
  const seconds = (v: unknown) => (typeof v === 'number' && Number.isFinite(v) && v >= 0 ? v * 1000 : null);
  const share = (v: unknown) => Math.max(0, Math.min(1, num(v)));
  const nodes = list(o['nodes']).map((n): MapNode => ({ name: text(n['name'] ?? n['id']), kind: text(n['kind'] ?? n['type']) || 'service', x: num(n['x']), y: num(n['y']), rate: num(n['rate']), errors: share(n['errors']), p95: seconds(n['p95']) }));
  return { nodes, edges: list(o['edges']).map((e): MapEdge => ({ from: text(e['from'] ?? e['client']), to: text(e['to'] ?? e['server']), kind: text(e['kind'] ?? e['type']), rate: num(e['rate']), errors: share(e['errors']), p95: seconds(e['p95']) })) };
}
