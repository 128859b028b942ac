// A trace as the pages hold it: spans in the order in which a tree is drawn, so that everything that is worked out from it is a loop. Pure.

/** OpenTelemetry's AnyValue as its JSON has it: one of these is set, or none for a value that is empty. */
export interface AnyValue {
  stringValue?: string;
  boolValue?: boolean;
  /** A number of 64 bits, which a number of JavaScript cannot hold. */
  intValue?: string;
  doubleValue?: number;
  arrayValue?: { values: AnyValue[] };
  kvlistValue?: { values: Attribute[] };
  /** Base64. */
  bytesValue?: string;
}
export interface Attribute { key: string; value: AnyValue }

export type Kind = 'unspecified' | 'internal' | 'server' | 'client' | 'producer' | 'consumer';
export type SpanState = 'unset' | 'ok' | 'error';
export const kinds: readonly Kind[] = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer'];
export const states: readonly SpanState[] = ['unset', 'ok', 'error'];

export interface Resource { service: string; attributes: Attribute[]; schema?: string }
export interface Scope { name: string; version: string; attributes: Attribute[]; schema?: string }
export interface SpanEvent { /** Milliseconds after the trace's base. */ time: number; name: string; attributes: Attribute[]; dropped?: number }
export interface SpanLink { trace: string; span: string; state?: string; attributes: Attribute[]; dropped?: number }

export interface RawSpan {
  id: string;
  /** '' for none. */
  parent: string;
  name: string;
  kind: Kind;
  status: SpanState;
  message: string;
  /** Milliseconds after the trace's base, exact to the nanosecond for traces of up to some days. */
  start: number;
  /** Milliseconds; below zero where it ended before it began, as clocks may tell. */
  duration: number;
  resource: number;
  scope: number;
  attributes: Attribute[];
  events: SpanEvent[];
  links: SpanLink[];
  state?: string;
  flags?: number;
  droppedAttributes?: number;
  droppedEvents?: number;
  droppedLinks?: number;
}

export interface RawTrace {
  id: string;
  /** Nanoseconds since the epoch that every time is counted from. */
  base: bigint;
  spans: RawSpan[];
  resources: Resource[];
  scopes: Scope[];
  /** Spans that whoever answered left out. */
  truncated: number;
  /** What whoever answered says about it, in sentences. */
  warnings: string[];
}

/** What is odd about a span's place in the tree. */
export type Oddity = 'orphan' | 'cycle' | 'duplicate';

/** A trace whose spans stand in preorder: a parent before its children, children by their start. */
export interface Trace extends RawTrace {
  /** Index of the parent, -1 for a root. */
  parent: Int32Array;
  /** 0 for a root. */
  depth: Int32Array;
  /** The first index behind the span's subtree. */
  end: Int32Array;
  odd: ReadonlyMap<number, Oddity>;
  /** The earliest start and the latest end, milliseconds after the base. */
  from: number;
  to: number;
  /** Milliseconds in which nothing below the span was at work. */
  self: Float64Array;
  roots: number[];
  /** The root that the trace is named for. */
  main: number;
  errors: number;
  services: ServiceShare[];
}
export interface ServiceShare { name: string; spans: number; errors: number; /** Milliseconds of its own. */ self: number }

export function serviceOf(t: RawTrace, i: number): string { return t.resources[t.spans[i]!.resource]?.service || 'unknown'; }
export function endOf(s: RawSpan): number { return s.start + Math.max(0, s.duration); }
export function hasError(s: RawSpan): boolean { return s.status === 'error'; }

/** A value for reading, and for searching in. */
export function textOf(v: AnyValue): string {
  if (v.stringValue !== undefined) return v.stringValue;
  if (v.boolValue !== undefined) return String(v.boolValue);
  if (v.intValue !== undefined) return v.intValue;
  if (v.doubleValue !== undefined) return String(v.doubleValue);
  if (v.arrayValue) return `[${v.arrayValue.values.map(nestedText).join(', ')}]`;
  if (v.kvlistValue) return `{${v.kvlistValue.values.map((a) => `${a.key}: ${nestedText(a.value)}`).join(', ')}}`;
  if (v.bytesValue !== undefined) return v.bytesValue;
  return '';
}
function nestedText(v: AnyValue): string { return v.stringValue !== undefined ? JSON.stringify(v.stringValue) : textOf(v); }

/** The type of a value, in a word. */
export function typeOf(v: AnyValue): string {
  if (v.stringValue !== undefined) return 'text';
  if (v.boolValue !== undefined) return 'yes or no';
  if (v.intValue !== undefined) return 'whole number';
  if (v.doubleValue !== undefined) return 'number';
  if (v.arrayValue) return 'list';
  if (v.kvlistValue) return 'map';
  if (v.bytesValue !== undefined) return 'bytes, in Base64';
  return 'empty';
}

/** A value of plain JSON as an AnyValue. */
export function valueOf(v: unknown, depth = 0): AnyValue {
  if (typeof v === 'string') return { stringValue: v };
  if (typeof v === 'boolean') return { boolValue: v };
  if (typeof v === 'number') return Number.isSafeInteger(v) ? { intValue: String(v) } : { doubleValue: v };
  if (typeof v === 'bigint') return { intValue: String(v) };
  if (depth > 40) return { stringValue: '…' }; // deeper than anybody reads, and than a stack should go
  if (Array.isArray(v)) return { arrayValue: { values: v.map((x) => valueOf(x, depth + 1)) } };
  if (typeof v === 'object' && v !== null) return { kvlistValue: { values: attributesOf(v as Record<string, unknown>, depth + 1) } };
  return {};
}
export function attributesOf(o: Record<string, unknown>, depth = 0): Attribute[] { return Object.entries(o).map(([key, v]) => ({ key, value: valueOf(v, depth) })); }

export function attribute(list: readonly Attribute[], key: string): string | undefined {
  const found = list.find((a) => a.key === key);
  return found && textOf(found.value);
}

/** Milliseconds for reading: 850 µs, 12.3 ms, 1.24 s, 3 min 20 s. */
export function formatMs(ms: number): string {
  const sign = ms < 0 ? '−' : '';
  const a = Math.abs(ms);
  const n = (v: number) => String(Number(v.toPrecision(3)));
  if (a === 0) return '0 ms';
  if (a < 0.0009995) return `${sign}${n(a * 1e6)} ns`;
  if (a < 0.9995) return `${sign}${n(a * 1000)} µs`;
  if (a < 999.5) return `${sign}${n(a)} ms`;
  if (a < 59_950) return `${sign}${n(a / 1000)} s`;
  const s = Math.round(a / 1000);
  if (s < 3600) return `${sign}${Math.floor(s / 60)} min${s % 60 ? ` ${s % 60} s` : ''}`;
  const m = Math.round(s / 60);
  return m < 2880 ? `${sign}${Math.floor(m / 60)} h${m % 60 ? ` ${m % 60} min` : ''}` : `${sign}${Math.floor(m / 1440)} d${Math.floor((m % 1440) / 60) ? ` ${Math.floor((m % 1440) / 60)} h` : ''}`;
}

/** Nanoseconds since the epoch of a time within the trace. */
export function nsAt(t: RawTrace, ms: number): bigint { return t.base + BigInt(Math.round(ms * 1e6)); }
/** Unix seconds of it. */
export function secondsAt(t: RawTrace, ms: number): number { return Number(t.base) / 1e9 + ms / 1000; }
