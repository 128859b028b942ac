// TraceQL as the page's simple filters write and read it. What they cannot show stays a query that is written by hand. Pure.
// Grammar: Grafana Tempo's public documentation of TraceQL; a spanset of comparisons joined by &&.
import { parseDuration } from '../time';
import { textOf, type Attribute } from './model';

export interface Tag { key: string; op: string; value: string; /** Written with quotes. */ text: boolean }
export interface Filters { service: string; operation: string; status: '' | 'error' | 'ok' | 'unset'; min: string; max: string; tags: Tag[] }
export const noFilters: Filters = { service: '', operation: '', status: '', min: '', max: '', tags: [] };

export function quoteText(s: string): string { return `"${s.replace(/[\\"]/g, '\\$&').replace(/\n/g, '\\n')}"`; }

/** A name as TraceQL has it: one with spaces or signs stands in quotes behind its scope. */
export function field(scope: string, key: string): string {
  return `${scope}.${/^[\w.:/-]+$/.test(key) ? key : quoteText(key)}`;
}

/** The query for spans whose attribute has the same value; of the scope "span", "resource" or "instrumentation". */
export function spanQuery(scope: string, a: Attribute): string {
  const name = scope === 'instrumentation' && (a.key === 'name' || a.key === 'version') ? `instrumentation:${a.key}` : field(scope, a.key);
  const v = a.value;
  const plain = v.intValue ?? (v.doubleValue !== undefined ? String(v.doubleValue) : v.boolValue !== undefined ? String(v.boolValue) : undefined);
  return `{${name} = ${plain ?? quoteText(textOf(v))}}`;
}

export function writeFilters(f: Filters): string {
  const parts = [
    ...(f.service ? [`resource.service.name = ${quoteText(f.service)}`] : []),
    ...(f.operation ? [`name = ${quoteText(f.operation)}`] : []),
    ...(f.status ? [`status = ${f.status}`] : []),
    ...(f.min ? [`duration >= ${f.min}`] : []),
    ...(f.max ? [`duration <= ${f.max}`] : []),
    ...f.tags.map((t) => `${t.key} ${t.op} ${t.text ? quoteText(t.value) : t.value}`),
  ];
  return parts.length > 0 ? `{${parts.join(' && ')}}` : '';
}

const comparison = /^\s*([A-Za-z_.][\w.:/-]*(?:"(?:[^"\\]|\\.)*")?)\s*(!=|=~|!~|>=|<=|=|>|<)\s*("(?:[^"\\]|\\.)*"|[^\s"&|{}()]+)\s*/;

/** The filters that a query stands for; null where it says more than they can. */
export function readFilters(query: string): Filters | null {
  const q = query.trim();
  if (q === '' || q === '{}') return { ...noFilters, tags: [] };
  if (!q.startsWith('{') || !q.endsWith('}')) return null;
  let rest = q.slice(1, -1);
  if (rest.trim() === '') return { ...noFilters, tags: [] };
  const out: Filters = { ...noFilters, tags: [] };
  for (;;) {
    const m = comparison.exec(rest);
    if (!m) return null;
    const [all, key, op, raw] = m as unknown as [string, string, string, string];
    const text = raw.startsWith('"');
    const value = text ? raw.slice(1, -1).replace(/\\n/g, '\n').replace(/\\(.)/g, '$1') : raw;
    const free = (name: 'service' | 'operation' | 'status' | 'min' | 'max') => out[name] === '';
    if (key === 'resource.service.name' && op === '=' && text && free('service')) out.service = value;
    else if ((key === 'name' || key === 'span:name') && op === '=' && text && free('operation')) out.operation = value;
    else if ((key === 'status' || key === 'span:status') && op === '=' && /^(error|ok|unset)$/.test(value) && !text && free('status')) out.status = value as Filters['status'];
    else if ((key === 'duration' || key === 'span:duration') && op === '>=' && !text && free('min')) out.min = value;
    else if ((key === 'duration' || key === 'span:duration') && op === '<=' && !text && free('max')) out.max = value;
    else out.tags.push({ key, op, value, text });
    rest = rest.slice(all.length);
    if (rest === '') return out;
    if (!rest.startsWith('&&')) return null;
    rest = rest.slice(2);
  }
}

/** A tag as people write it: http.status_code=500, span.db.system!=redis, .region=~"eu-.*". Null where it is none. */
export function readTag(written: string): Tag | null {
  const m = /^\s*([\w.:/-]+)\s*(!=|=~|!~|>=|<=|=|>|<)\s*(.+?)\s*$/.exec(written);
  if (!m) return null;
  const [, name, op, raw] = m as unknown as [string, string, string, string];
  const scoped = /^(span|resource|event|link|instrumentation|trace)[.:]|^\.|^(kind|status|statusMessage|name|duration|rootName|rootServiceName|traceDuration)$/.test(name);
  const quoted = /^"(.*)"$/s.exec(raw);
  const plain = !quoted && (/^-?\d+(\.\d+)?(ns|us|µs|ms|s|m|h)?$|^(true|false|nil)$/.test(raw) || /^(kind|status)$/.test(name));
  return { key: scoped ? name : `.${name}`, op, value: quoted ? quoted[1]! : raw, text: !plain };
}

/** A duration as TraceQL takes it ("1.5s", "200ms"); '' where it is none. A bare number is milliseconds, as people mean it. */
export function readDuration(text: string): string {
  const m = /^(\d+(?:\.\d+)?)\s*(ns|us|µs|ms|s|m|h)?$/.exec(text.trim());
  if (m) return `${m[1]}${m[2] ?? 'ms'}`;
  const seconds = parseDuration(text.trim());
  return seconds === null ? '' : `${seconds}s`;
}

/** The query with one comparison more: into its only spanset, or a spanset beside it where it says more. */
export function withFilter(query: string, t: Tag): string {
  const f = readFilters(query);
  const one = `${t.key} ${t.op} ${t.text ? quoteText(t.value) : t.value}`;
  if (f === null) return `${query.trim()} && {${one}}`;
  if (f.tags.some((x) => x.key === t.key && x.op === t.op && x.value === t.value)) return query;
  if (t.key === 'resource.service.name' && t.op === '=' && f.service === '') return writeFilters({ ...f, service: t.value });
  return writeFilters({ ...f, tags: [...f.tags, t] });
}

/** Milliseconds as TraceQL's duration, to the microsecond. */
function durationText(ms: number): string { return `${Math.max(0, Math.round(ms * 1000))}us`; }

/** The spanset of a region's durations. */
export function regionQuery(r: { min: number; max: number }): string {
  return `{${[...(r.min > 0 ? [`duration >= ${durationText(r.min)}`] : []), ...(Number.isFinite(r.max) ? [`duration < ${durationText(r.max)}`] : [])].join(' && ')}}`;
}

/** The query with its spans narrowed to a region's durations. */
export function narrowed(query: string, r: { min: number; max: number } | null): string {
  const base = query.trim() === '' ? '{}' : query.trim();
  if (!r || (r.min <= 0 && !Number.isFinite(r.max))) return base;
  return base === '{}' ? regionQuery(r) : `${base} | ${regionQuery(r)}`;
}
