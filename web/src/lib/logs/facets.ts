// The facets beside the lines: labels and fields with their most frequent values. Pure.
import { literals, parse } from './syntax';
import { standing, type FieldRef, type Source } from './edit';

export interface FacetValue { value: string; count: number }
export interface RawFacet {
  name: string; source: 'label' | 'metadata' | 'json' | 'logfmt' | 'parsed'; type: string; count: number; cardinality: number; exact?: boolean;
  values: FacetValue[] | null; min?: number; max?: number;
}
export interface FacetsReply { facets: RawFacet[] | null; records: number; sampled: boolean; stats?: Stats }
export interface Stats { bytes?: number; records?: number; matched?: number; seconds?: number; groups?: number; groupsSkipped?: number }

export interface Facet extends FieldRef { type: string; count: number; cardinality: number; values: (FacetValue & { standing: 'included' | 'excluded' | '' })[]; min?: number; max?: number; numeric: boolean; /** Unique to each record or nearly so: an identifier, of which counts say nothing. */ unique: boolean }

export function sourceOf(s: RawFacet['source']): Source { return s === 'metadata' ? 'stored' : s; }

const numericTypes = new Set(['int', 'float', 'duration', 'bytes']);

/**
 * The facets to show: what the query includes or excludes keeps its place even when the answer has it no more, so that a click can be taken
 * back where it was made.
 */
export function mergeFacets(reply: FacetsReply, query: string): Facet[] {
  const facets = (reply.facets ?? []).map((raw): Facet => {
    const ref: FieldRef = { name: raw.name, source: sourceOf(raw.source) };
    const values = (raw.values ?? []).map((v) => ({ ...v, standing: standing(query, ref, v.value) }));
    const known = new Set(values.map((v) => v.value));
    const gone = mentioned(query, ref).filter((v) => !known.has(v)).map((value) => ({ value, count: 0, standing: standing(query, ref, value) }));
    return {
      ...ref, type: raw.type, count: raw.count, cardinality: raw.cardinality, values: [...values, ...gone], numeric: numericTypes.has(raw.type),
      unique: raw.count >= 20 && raw.cardinality > 0.9 * raw.count,
      ...(raw.min === undefined ? {} : { min: raw.min }), ...(raw.max === undefined ? {} : { max: raw.max }),
    };
  });
  // Fields that the query names and no record has: their conditions would have no place.
  const have = new Set(facets.map((f) => f.name));
  const missing = namesIn(query).filter((r) => !have.has(r.name)).map((ref): Facet => ({
    ...ref, type: 'string', count: 0, cardinality: 0, numeric: false, unique: false, values: mentioned(query, ref).map((value) => ({ value, count: 0, standing: standing(query, ref, value) })),
  })).filter((f) => f.values.length > 0);
  return [...missing, ...facets];
}

function namesIn(query: string): FieldRef[] {
  const expr = parse(query).logs[0];
  if (!expr) return [];
  const all: FieldRef[] = [...expr.matchers.map((m): FieldRef => ({ name: m.name, source: 'label' })), ...expr.stages.filter((s) => s.kind === 'label' && s.name !== '').map((s): FieldRef => ({ name: s.name, source: 'parsed' }))];
  return all.filter((r, i) => all.findIndex((o) => o.name === r.name) === i);
}

/** The values of a field that the query names. */
function mentioned(query: string, ref: FieldRef): string[] {
  const expr = parse(query).logs[0];
  if (!expr) return [];
  const ops = ref.source === 'label' ? expr.matchers.filter((m) => m.name === ref.name) : expr.stages.filter((s) => s.kind === 'label' && s.name === ref.name);
  return [...new Set(ops.flatMap((c) => (c.op === '=' || c.op === '!=' ? [c.value] : c.op === '=~' || c.op === '!~' ? (literals(c.value) ?? []) : [])))];
}

/** Which share of the stored groups of records was left out without reading them; null when the server did not say. */
export function skippedShare(stats: Stats | undefined): number | null {
  return stats?.groups ? (stats.groupsSkipped ?? 0) / stats.groups : null;
}
