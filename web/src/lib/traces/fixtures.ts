// Traces for tests, made by arithmetic.
import { buildTrace } from './tree';
import type { Attribute, RawSpan, RawTrace, Trace } from './model';

export interface Short { id: string; parent?: string; name?: string; service?: string; start?: number; duration?: number; error?: boolean; kind?: RawSpan['kind']; attributes?: Record<string, string>; events?: RawSpan['events']; links?: RawSpan['links'] }

export const texts = (o: Record<string, string>): Attribute[] => Object.entries(o).map(([key, v]) => ({ key, value: { stringValue: v } }));

export function rawTrace(spans: readonly Short[], id = '0af7651916cd43dd8448eb211c80319c'): RawTrace {
  const services = [...new Set(spans.map((s) => s.service ?? 'shop'))];
  return {
    id, base: 1_764_000_000_000_000_000n, truncated: 0, warnings: [],
    resources: services.map((service) => ({ service, attributes: texts({ 'service.name': service }) })), scopes: [{ name: 'test', version: '1', attributes: [] }],
    spans: spans.map((s): RawSpan => ({
      id: s.id, parent: s.parent ?? '', name: s.name ?? s.id, kind: s.kind ?? 'internal', status: s.error ? 'error' : 'unset', message: '', start: s.start ?? 0, duration: s.duration ?? 10,
      resource: services.indexOf(s.service ?? 'shop'), scope: 0, attributes: texts(s.attributes ?? {}), events: s.events ?? [], links: s.links ?? [],
    })),
  };
}

export const makeTrace = (spans: readonly Short[]): Trace => buildTrace(rawTrace(spans));

/** n spans, each the child of one before it, at random but always the same. */
export function randomSpans(n: number, seed = 1): Short[] {
  let x = seed;
  const random = () => { x = (Math.imul(x, 1664525) + 1013904223) >>> 0; return x / 2 ** 32; };
  const out: { id: string; parent: string; service: string; start: number; duration: number; error: boolean; name: string }[] = [];
  for (let i = 0; i < n; i++) {
    const p = i === 0 ? undefined : out[Math.floor(Math.max(0, i - 1 - random() * Math.min(i, 40)))]!;
    const start = p ? p.start + random() * p.duration * 0.5 : 0;
    out.push({ id: `s${i}`, parent: p?.id ?? '', service: `svc-${Math.floor(random() * 6)}`, name: `op-${Math.floor(random() * 20)}`, start, duration: p ? Math.max(0.001, random() * (p.start + p.duration - start)) : 1000, error: random() < 0.01 });
  }
  return out;
}
