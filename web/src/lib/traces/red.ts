// Rate, errors and durations of a traced service, in PromQL. The series are those of OpenTelemetry's span-metrics and service-graph connectors, whoever made them: durations as
// native histograms in seconds, or classic ones in seconds or milliseconds. Pure.
import { quote } from '../labels';

const calls = 'traces_span_metrics_calls_total';
const duration = 'traces_span_metrics_duration';
const graph = 'traces_service_graph_request';
/** Spans in which the service answers somebody. */
const answering = 'span_kind=~"SPAN_KIND_SERVER|SPAN_KIND_CONSUMER"';
const failed = 'status_code="STATUS_CODE_ERROR"';

/** One number above 0 when the service is traced in the last `seconds`. */
export function tracedQuery(service: string, seconds: number): string { return `count(last_over_time(${calls}{service_name=${quote(service)}}[${Math.ceil(seconds)}s]))`; }

export interface RedQueries { rate: string; errors: string; quantile: (q: number) => string }

/** Of a service, over a window of seconds, apart by labels. Errors are a rate; with none there is 0, not nothing. */
export function redQueries(service: string, window: number, by: readonly string[] = []): RedQueries {
  const own = `service_name=${quote(service)},${answering}`;
  const w = `[${Math.max(1, Math.ceil(window))}s]`;
  const sum = (labels: readonly string[], inner: string) => (labels.length > 0 ? `sum by (${labels.join(', ')}) (${inner})` : `sum(${inner})`);
  return {
    rate: sum(by, `rate(${calls}{${own}}${w})`),
    errors: `${sum(by, `rate(${calls}{${own},${failed}}${w})`)} or 0 * ${sum(by, `rate(${calls}{${own}}${w})`)}`,
    quantile: (q) => quantiles(q, duration, own, by, w),
  };
}

function quantiles(q: number, name: string, matchers: string, by: readonly string[], w: string): string {
  const group = (more: string[]) => { const l = [...by, ...more]; return l.length > 0 ? ` by (${l.join(', ')})` : ''; };
  return [
    `histogram_quantile(${q}, sum${group([])} (rate(${name}_seconds{${matchers}}${w})))`,
    `histogram_quantile(${q}, sum${group(['le'])} (rate(${name}_seconds_bucket{${matchers}}${w})))`,
    `histogram_quantile(${q}, sum${group(['le'])} (rate(${name}_milliseconds_bucket{${matchers}}${w}))) / 1000`,
  ].join(' or ');
}

/** What a service calls ('server'), or who calls it ('client'). */
export function graphQueries(service: string, other: 'server' | 'client', window: number): RedQueries {
  const self = other === 'server' ? 'client' : 'server';
  const own = `${self}=${quote(service)}`;
  const w = `[${Math.max(1, Math.ceil(window))}s]`;
  return {
    rate: `sum by (${other}) (rate(${graph}_total{${own}}${w}))`,
    errors: `sum by (${other}) (rate(${graph}_failed_total{${own}}${w}))`,
    quantile: (q) => quantiles(q, `${graph}_${other === 'server' ? 'client' : 'server'}`, own, [other], w),
  };
}

export interface RedRow { name: string; rate: number; /** Share of the rate, 0 to 1. */ errors: number; p95: number | null }

/** Rows of a table from instant vectors of rate, errors and a quantile, joined by one label; the busiest first. */
export function redRows(label: string, rate: readonly Sample[], errors: readonly Sample[], p95: readonly Sample[]): RedRow[] {
  const by = (list: readonly Sample[]) => new Map(list.map((s) => [s.metric[label] ?? '', Number(s.value?.[1] ?? NaN)]));
  const [e, p] = [by(errors), by(p95)];
  return rate.map((s): RedRow => {
    const name = s.metric[label] ?? '';
    const r = Number(s.value?.[1] ?? 0);
    const q = p.get(name);
    return { name, rate: r, errors: r > 0 ? Math.min(1, Math.max(0, (e.get(name) ?? 0) / r)) : 0, p95: q !== undefined && Number.isFinite(q) ? q : null };
  }).sort((a, b) => b.rate - a.rate || a.name.localeCompare(b.name));
}
interface Sample { metric: Record<string, string>; value?: [number, string] }
