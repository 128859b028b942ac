// What completion asks of the server, through our own API client: base path, limits and one cache for all editors of the page.
import type { PrometheusClient } from '@prometheus-io/codemirror-promql';
import { EqlRegex, Neq, NeqRegex } from '@prometheus-io/lezer-promql';
import { get } from '../lib/api';
import { cached } from '../lib/cached';
import { labelName, quote } from '../lib/labels';
import type { MetricMetadata } from '../lib/prom';

type Matcher = { name: string; type: unknown; value: string; matchesEmpty(): boolean };

const most = 10_000; // more suggestions than that help nobody

export function completionClient(range: () => { start: number; end: number }): PrometheusClient {
  // Rounded, so that a sliding range still meets the cache.
  const window = () => {
    const { start, end } = range();
    return { start: Math.floor(start / 300) * 300, end: Math.ceil(end / 300) * 300, limit: most };
  };
  const ask = <T>(path: string, params: Record<string, string | string[] | undefined> = {}) => {
    const all = { ...window(), ...params };
    return cached(`${path} ${JSON.stringify(all)}`, async () => (await get<T>(path, all)).data);
  };
  const quiet = <T>(p: Promise<T>, none: T): Promise<T> => p.catch(() => none); // completion is help: its failure is no error of the page
  return {
    labelNames: (metric) => quiet(ask<string[]>('api/v1/labels', { 'match[]': metric ? selector(metric) : undefined }), []),
    labelValues: (label, metric, matchers) => quiet(ask<string[]>(`api/v1/label/${encodeURIComponent(label)}/values`, { 'match[]': metric || matchers?.length ? selector(metric ?? '', matchers, label) : undefined }), []),
    metricMetadata: () => quiet(ask<Record<string, MetricMetadata[]>>('api/v1/metadata', { limit: String(most) }), {}),
    series: async (metric, matchers, label) => {
      const list = await quiet(ask<Record<string, string>[]>('api/v1/series', { 'match[]': selector(metric, matchers, label) }), []);
      return list.map((one) => new Map(Object.entries(one)));
    },
    metricNames: () => quiet(ask<string[]>('api/v1/label/__name__/values'), []),
    flags: () => Promise.resolve({}),
  };
}

/** The selector typed so far, without the matcher whose value is being completed. */
function selector(metric: string, matchers: readonly Matcher[] = [], except = ''): string {
  // The value is the text between the quotes as typed: escaped already.
  const list = matchers.filter((m) => m.name !== except && m.value !== '').map((m) => `${labelName(m.name)}${operator(m.type)}"${m.value}"`);
  if (metric && !/^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(metric)) return `{${[quote(metric), ...list].join(',')}}`;
  if (!metric && list.length === 0) return '{__name__=~".+"}';
  return `${metric}{${list.join(',')}}`;
}

/** An operator from its node in the grammar. */
function operator(type: unknown): string {
  return type === EqlRegex ? '=~' : type === Neq ? '!=' : type === NeqRegex ? '!~' : '=';
}
