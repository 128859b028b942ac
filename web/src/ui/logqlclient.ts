// What completion asks of the server about logs.
import { get } from '../lib/api';
import { cached } from '../lib/cached';
import { logPart } from '../lib/logs/edit';
import { nsOf } from '../lib/logs/records';

export interface Known { label: string; detail: string }

export interface LogCompletion {
  labels: () => Promise<Known[]>;
  labelValues: (name: string, selector: string) => Promise<Known[]>;
  fields: (query: string) => Promise<Known[]>;
  fieldValues: (name: string, query: string) => Promise<Known[]>;
}

interface DetectedFields { fields?: { label: string; type: string; cardinality: number; parsers?: string[] | null }[] | null }

export function logCompletion(range: () => { start: number; end: number }): LogCompletion {
  // Rounded, so that a sliding range still meets the cache.
  const window = () => {
    const { start, end } = range();
    return { start: nsOf(Math.floor(start / 300) * 300), end: nsOf(Math.ceil(end / 300) * 300) };
  };
  const ask = <T>(path: string, params: Record<string, string | undefined> = {}) => {
    const all = { ...window(), ...params };
    return cached(`${path} ${JSON.stringify(all)}`, async () => (await get<T>(path, all)).data);
  };
  const quiet = <T>(p: Promise<T[]>): Promise<T[]> => p.catch(() => []); // completion is help: its failure is no error of the page
  const plain = (names: string[] | null): Known[] => (names ?? []).map((label) => ({ label, detail: '' }));
  return {
    labels: () => quiet(ask<string[] | null>('loki/api/v1/labels').then(plain)),
    labelValues: (name, selector) => quiet(ask<string[] | null>(`loki/api/v1/label/${encodeURIComponent(name)}/values`, { query: selector }).then(plain)),
    fields: (query) => quiet(ask<DetectedFields>('loki/api/v1/detected_fields', { query: logPart(query) }).then((d) => (d.fields ?? []).map((f) => ({ label: f.label, detail: [...(f.parsers ?? []), f.type].join(' ') })))),
    fieldValues: (name, query) => quiet(ask<{ values?: string[] | null }>(`loki/api/v1/detected_field/${encodeURIComponent(name)}/values`, { query: logPart(query) }).then((d) => plain(d.values ?? []))),
  };
}
