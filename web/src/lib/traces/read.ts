// Traces in the formats of others: OpenTelemetry's JSON, Jaeger's and Zipkin's (v2), told apart by what they hold. A file may hold several traces. Pure.
// OTLP/JSON: opentelemetry-proto, trace/v1/trace.proto with the JSON mapping of the OTLP specification. Jaeger: what its query API and UI export. Zipkin: zipkin-api, v2.
import { kinds, states, valueOf, type AnyValue, type Attribute, type Kind, type RawSpan, type RawTrace, type Resource, type Scope, type SpanState } from './model';

/** More than any page draws; a bound on what a file makes the browser hold. */
const mostSpans = 500_000;
const mostText = 300 << 20;

type J = Record<string, unknown>;
const isObject = (v: unknown): v is J => typeof v === 'object' && v !== null && !Array.isArray(v);
const list = (v: unknown): J[] => (Array.isArray(v) ? v.filter(isObject) : []);
const text = (v: unknown): string => (typeof v === 'string' ? v : typeof v === 'number' ? String(v) : '');
const num = (v: unknown): number => (typeof v === 'number' && Number.isFinite(v) ? v : typeof v === 'string' && v !== '' && Number.isFinite(Number(v)) ? Number(v) : 0);
/** Whole nanoseconds from a number or its text; what is none is 0. */
function ns(v: unknown): bigint {
  if (typeof v === 'number') return Number.isFinite(v) ? BigInt(Math.round(v)) : 0n;
  return typeof v === 'string' && /^-?\d{1,19}$/.test(v) ? BigInt(v) : 0n;
}

export class Unreadable extends Error {}

/** All traces of a file, the one with the most spans first. Throws Unreadable with a sentence. */
export function readTraces(content: string): RawTrace[] {
  if (content.length > mostText) throw new Unreadable(`The file has ${Math.round(content.length / (1 << 20))} MiB; the page reads ${mostText >> 20} MiB at most.`);
  let json: unknown;
  try {
    json = JSON.parse(content);
  } catch (e) {
    const lines = content.split('\n').filter((l) => l.trim() !== '');
    // The collector's file exporter writes a JSON object a line.
    try {
      json = lines.length > 1 ? lines.map((l) => JSON.parse(l) as unknown) : undefined;
    } catch { /* it is no such file either */ }
    if (json === undefined) throw new Unreadable(`It is not JSON: ${e instanceof Error ? e.message : String(e)}.`);
  }
  return tracesOf(json);
}

/** All traces of what was JSON, as readTraces has them. */
export function tracesOf(json: unknown): RawTrace[] {
  const make = new Builder();
  collect(json, make, 0);
  const out = make.done();
  if (out.length === 0) throw new Unreadable('There are no spans in it. What can be read is JSON of OpenTelemetry (resourceSpans), of Jaeger (data, spans, processes) and of Zipkin (a list of spans).');
  return out;
}

function collect(v: unknown, make: Builder, depth: number): void {
  if (depth > 3) return;
  if (Array.isArray(v)) {
    for (const one of v) {
      if (isObject(one) && 'traceId' in one && 'id' in one) zipkin(one, make);
      else collect(one, make, depth + 1);
    }
    return;
  }
  if (!isObject(v)) return;
  const groups = v['resourceSpans'] ?? v['batches'];
  if (Array.isArray(groups)) { for (const g of list(groups)) otlp(g, make); return; }
  if (Array.isArray(v['spans']) && (isObject(v['processes']) || 'traceID' in v)) { jaeger(v, make); return; }
  for (const key of ['data', 'trace', 'result', 'traces']) if (key in v) collect(v[key], make, depth + 1);
}

/** Spans with their times still in nanoseconds, by trace. */
interface Made { span: Omit<RawSpan, 'start' | 'duration' | 'events'>; start: bigint; end: bigint; events: { time: bigint; name: string; attributes: Attribute[]; dropped?: number }[] }

class Builder {
  #traces = new Map<string, { spans: Made[]; resources: Resource[]; scopes: Scope[]; known: Map<unknown, number> }>();
  #spans = 0;

  add(trace: string, resource: Resource, scope: Scope, m: Omit<Made, 'span'> & { span: Omit<Made['span'], 'resource' | 'scope'> }): void {
    if (++this.#spans > mostSpans) throw new Unreadable(`It has more than ${mostSpans.toLocaleString('en')} spans, which is more than the page draws.`);
    let t = this.#traces.get(trace);
    if (!t) this.#traces.set(trace, t = { spans: [], resources: [], scopes: [], known: new Map() });
    const index = <T>(all: T[], one: T): number => {
      let i = t.known.get(one);
      if (i === undefined) t.known.set(one, i = all.push(one) - 1);
      return i;
    };
    t.spans.push({ ...m, span: { ...m.span, resource: index(t.resources, resource), scope: index(t.scopes, scope) } });
  }

  done(): RawTrace[] {
    return [...this.#traces].map(([id, t]): RawTrace => {
      const base = t.spans.reduce((low, s) => (s.start < low ? s.start : low), t.spans[0]!.start);
      const ms = (v: bigint) => Number(v - base) / 1e6;
      return {
        id, base, resources: t.resources, scopes: t.scopes, truncated: 0, warnings: [],
        spans: t.spans.map((m): RawSpan => ({ ...m.span, start: ms(m.start), duration: Number(m.end - m.start) / 1e6, events: m.events.map((e) => ({ ...e, time: ms(e.time) })) })),
      };
    }).sort((a, b) => b.spans.length - a.spans.length);
  }
}

/** Ids as hexadecimal digits; the JSON of Protocol Buffers, which some write instead, has them in Base64. */
function id(v: unknown, bytes: number): string {
  const t = text(v).trim();
  if (t === '' || /^0+$/.test(t)) return '';
  if (/^[0-9a-fA-F]+$/.test(t) && t.length <= 2 * bytes) return t.toLowerCase().padStart(2 * bytes, '0');
  try {
    const raw = atob(t);
    if (raw.length === bytes) {
      const hex = Array.from(raw, (c) => c.charCodeAt(0).toString(16).padStart(2, '0')).join('');
      return /^0+$/.test(hex) ? '' : hex;
    }
  } catch { /* then it is an id of its own kind */ }
  return t;
}

function anyValue(v: unknown, depth = 0): AnyValue {
  if (!isObject(v) || depth > 40) return {};
  if (typeof v['stringValue'] === 'string') return { stringValue: v['stringValue'] };
  if (typeof v['boolValue'] === 'boolean') return { boolValue: v['boolValue'] };
  if (v['intValue'] !== undefined) return { intValue: text(v['intValue']) || '0' };
  if (v['doubleValue'] !== undefined) return { doubleValue: typeof v['doubleValue'] === 'number' ? v['doubleValue'] : Number(v['doubleValue']) };
  if (isObject(v['arrayValue'])) return { arrayValue: { values: list(v['arrayValue']['values']).map((x) => anyValue(x, depth + 1)) } };
  if (isObject(v['kvlistValue'])) return { kvlistValue: { values: attributes(v['kvlistValue']['values'], depth + 1) } };
  if (typeof v['bytesValue'] === 'string') return { bytesValue: v['bytesValue'] };
  return {};
}
function attributes(v: unknown, depth = 0): Attribute[] { return list(v).map((a) => ({ key: text(a['key']), value: anyValue(a['value'], depth) })); }

const optional = <K extends string>(key: K, v: unknown): { [k in K]?: number } => (num(v) > 0 ? { [key]: num(v) } as { [k in K]?: number } : {});
const schema = (v: unknown) => (text(v) ? { schema: text(v) } : {});

function otlp(group: J, make: Builder): void {
  const r = isObject(group['resource']) ? group['resource'] : {};
  const resourceAttributes = attributes(r['attributes']);
  const service = resourceAttributes.find((a) => a.key === 'service.name')?.value.stringValue ?? '';
  const resource: Resource = { service, attributes: resourceAttributes, ...schema(group['schemaUrl']) };
  for (const g of list(group['scopeSpans'] ?? group['instrumentationLibrarySpans'])) {
    const s = isObject(g['scope'] ?? g['instrumentationLibrary']) ? ((g['scope'] ?? g['instrumentationLibrary']) as J) : {};
    const scope: Scope = { name: text(s['name']), version: text(s['version']), attributes: attributes(s['attributes']), ...schema(g['schemaUrl']) };
    for (const span of list(g['spans'])) {
      const status = isObject(span['status']) ? span['status'] : {};
      make.add(id(span['traceId'], 16), resource, scope, {
        start: ns(span['startTimeUnixNano']), end: ns(span['endTimeUnixNano']),
        events: list(span['events']).map((e) => ({ time: ns(e['timeUnixNano']), name: text(e['name']), attributes: attributes(e['attributes']), ...optional('dropped', e['droppedAttributesCount']) })),
        span: {
          id: id(span['spanId'], 8), parent: id(span['parentSpanId'], 8), name: text(span['name']), kind: kindOf(span['kind']), status: stateOf(status['code']), message: text(status['message']),
          attributes: attributes(span['attributes']),
          links: list(span['links']).map((l) => ({ trace: id(l['traceId'], 16), span: id(l['spanId'], 8), attributes: attributes(l['attributes']), ...(text(l['traceState']) ? { state: text(l['traceState']) } : {}), ...optional('dropped', l['droppedAttributesCount']) })),
          ...(text(span['traceState']) ? { state: text(span['traceState']) } : {}), ...optional('flags', span['flags']),
          ...optional('droppedAttributes', span['droppedAttributesCount']), ...optional('droppedEvents', span['droppedEventsCount']), ...optional('droppedLinks', span['droppedLinksCount']),
        },
      });
    }
  }
}

/** An enumeration by its number or its name. */
function kindOf(v: unknown): Kind {
  if (typeof v === 'number') return kinds[v] ?? 'unspecified';
  const name = text(v).toLowerCase().replace(/^span_kind_/, '');
  return /^\d$/.test(name) ? (kinds[Number(name)] ?? 'unspecified') : ((kinds as readonly string[]).includes(name) ? (name as Kind) : 'unspecified');
}
function stateOf(v: unknown): SpanState {
  if (typeof v === 'number') return states[v] ?? 'unset';
  const name = text(v).toLowerCase().replace(/^status_code_/, '');
  return /^\d$/.test(name) ? (states[Number(name)] ?? 'unset') : ((states as readonly string[]).includes(name) ? (name as SpanState) : 'unset');
}

// Times of Jaeger and Zipkin are microseconds.
// A number of JavaScript holds today in microseconds, and not in nanoseconds: whole ones are multiplied as integers.
const micros = (v: unknown): bigint => ns(v) * 1000n;
const noScope: Scope = { name: '', version: '', attributes: [] };

function jaegerTags(v: unknown): Attribute[] {
  return list(v).map((t) => {
    const kind = text(t['type']).toLowerCase();
    const value = t['value'];
    if (kind === 'int64') return { key: text(t['key']), value: { intValue: text(value) || '0' } };
    if (kind === 'float64') return { key: text(t['key']), value: { doubleValue: num(value) } };
    if (kind === 'bool') return { key: text(t['key']), value: { boolValue: value === true || value === 'true' } };
    if (kind === 'binary') return { key: text(t['key']), value: { bytesValue: text(value) } };
    return { key: text(t['key']), value: valueOf(value) };
  });
}

/** Takes tags out that stand for what a span has a place for. */
function taken(tags: Attribute[], key: string): string {
  const i = tags.findIndex((t) => t.key === key);
  if (i < 0) return '';
  const v = tags[i]!.value;
  tags.splice(i, 1);
  return v.stringValue ?? v.intValue ?? (v.boolValue === undefined ? '' : String(v.boolValue));
}

function jaeger(trace: J, make: Builder): void {
  const processes = new Map(Object.entries(isObject(trace['processes']) ? trace['processes'] : {}).map(([key, p]): [string, Resource] => [key, processOf(p)]));
  const unknown: Resource = { service: '', attributes: [] };
  for (const span of list(trace['spans'])) {
    const tags = jaegerTags(span['tags']);
    const references = list(span['references']);
    const own = id(span['traceID'] ?? trace['traceID'], 16);
    const parent = references.find((r) => text(r['refType']) === 'CHILD_OF' && id(r['traceID'], 16) === own) ?? references.find((r) => id(r['traceID'], 16) === own);
    const code = taken(tags, 'otel.status_code');
    const isError = taken(tags, 'error') === 'true';
    const scope: Scope = { ...noScope, name: taken(tags, 'otel.scope.name') || taken(tags, 'otel.library.name'), version: taken(tags, 'otel.scope.version') || taken(tags, 'otel.library.version') };
    const state = taken(tags, 'w3c.tracestate');
    const start = micros(span['startTime']);
    make.add(own, processes.get(text(span['processID'])) ?? (isObject(span['process']) ? processOf(span['process']) : unknown), shared(scope), {
      start, end: start + micros(span['duration']),
      events: list(span['logs']).map((l) => {
        const fields = jaegerTags(l['fields']);
        return { time: micros(l['timestamp']), name: taken(fields, 'event'), attributes: fields };
      }),
      span: {
        id: id(span['spanID'], 8), parent: parent ? id(parent['spanID'], 8) : id(span['parentSpanID'], 8), name: text(span['operationName']), kind: kindOf(taken(tags, 'span.kind')),
        status: isError || code === 'ERROR' ? 'error' : code === 'OK' ? 'ok' : 'unset', message: taken(tags, 'otel.status_description'), attributes: tags,
        links: references.filter((r) => r !== parent).map((r) => ({ trace: id(r['traceID'], 16), span: id(r['spanID'], 8), attributes: [] })),
        ...(state ? { state } : {}), ...optional('flags', span['flags']),
      },
    });
  }
}
function processOf(p: unknown): Resource {
  const o = isObject(p) ? p : {};
  const service = text(o['serviceName']);
  return { service, attributes: [{ key: 'service.name', value: { stringValue: service } }, ...jaegerTags(o['tags'])] };
}

// Scopes of the same name and version are one.
const scopes = new Map<string, Scope>([[' ', noScope]]);
function shared(s: Scope): Scope {
  const key = `${s.name} ${s.version}`;
  const known = scopes.get(key);
  if (known) return known;
  if (scopes.size > 1000) scopes.clear();
  scopes.set(key, s);
  return s;
}

const zipkinResources = new Map<string, Resource>();
function zipkin(span: J, make: Builder): void {
  const local = isObject(span['localEndpoint']) ? span['localEndpoint'] : {};
  const service = text(local['serviceName']);
  const address = text(local['ipv4'] ?? local['ipv6']);
  const key = `${service} ${address}`;
  if (zipkinResources.size > 10_000) zipkinResources.clear();
  let resource = zipkinResources.get(key);
  if (!resource) zipkinResources.set(key, resource = { service, attributes: [{ key: 'service.name', value: { stringValue: service } }, ...(address ? [{ key: 'net.host.ip', value: { stringValue: address } }] : [])] });
  const tags = isObject(span['tags']) ? span['tags'] : {};
  const remote = isObject(span['remoteEndpoint']) ? span['remoteEndpoint'] : {};
  const start = micros(span['timestamp']);
  make.add(id(span['traceId'], 16), resource, noScope, {
    start, end: start + micros(span['duration']),
    events: list(span['annotations']).map((a) => ({ time: micros(a['timestamp']), name: text(a['value']), attributes: [] })),
    span: {
      id: id(span['id'], 8), parent: id(span['parentId'], 8), name: text(span['name']), kind: kindOf(span['kind']), status: 'error' in tags ? 'error' : 'unset', message: text(tags['error']),
      attributes: [...Object.entries(tags).map(([k, v]): Attribute => ({ key: k, value: valueOf(v) })), ...(text(remote['serviceName']) ? [{ key: 'peer.service', value: { stringValue: text(remote['serviceName']) } }] : [])],
      links: [],
    },
  });
}

/** A trace as OpenTelemetry's JSON: what readTraces reads back as it was. */
export function writeOTLP(t: RawTrace): string {
  const at = (ms: number) => String(t.base + BigInt(Math.round(ms * 1e6)));
  const groups = new Map<number, Map<number, unknown[]>>();
  for (const s of t.spans) {
    if (!groups.has(s.resource)) groups.set(s.resource, new Map());
    const byScope = groups.get(s.resource)!;
    if (!byScope.has(s.scope)) byScope.set(s.scope, []);
    byScope.get(s.scope)!.push({
      traceId: t.id, spanId: s.id, ...(s.parent ? { parentSpanId: s.parent } : {}), ...(s.state ? { traceState: s.state } : {}), ...(s.flags ? { flags: s.flags } : {}),
      name: s.name, kind: kinds.indexOf(s.kind), startTimeUnixNano: at(s.start), endTimeUnixNano: at(s.start + s.duration), attributes: s.attributes,
      ...(s.droppedAttributes ? { droppedAttributesCount: s.droppedAttributes } : {}),
      ...(s.events.length > 0 ? { events: s.events.map((e) => ({ timeUnixNano: at(e.time), name: e.name, attributes: e.attributes, ...(e.dropped ? { droppedAttributesCount: e.dropped } : {}) })) } : {}),
      ...(s.droppedEvents ? { droppedEventsCount: s.droppedEvents } : {}),
      ...(s.links.length > 0 ? { links: s.links.map((l) => ({ traceId: l.trace, spanId: l.span, ...(l.state ? { traceState: l.state } : {}), attributes: l.attributes, ...(l.dropped ? { droppedAttributesCount: l.dropped } : {}) })) } : {}),
      ...(s.droppedLinks ? { droppedLinksCount: s.droppedLinks } : {}),
      status: { ...(s.status !== 'unset' ? { code: states.indexOf(s.status) } : {}), ...(s.message ? { message: s.message } : {}) },
    });
  }
  return JSON.stringify({
    resourceSpans: [...groups].map(([r, byScope]) => ({
      resource: { attributes: t.resources[r]?.attributes ?? [] }, ...(t.resources[r]?.schema ? { schemaUrl: t.resources[r].schema } : {}),
      scopeSpans: [...byScope].map(([s, spans]) => ({ scope: { name: t.scopes[s]?.name ?? '', version: t.scopes[s]?.version ?? '', ...(t.scopes[s]?.attributes.length ? { attributes: t.scopes[s].attributes } : {}) }, ...(t.scopes[s]?.schema ? { schemaUrl: t.scopes[s].schema } : {}), spans })),
    })),
  });
}
