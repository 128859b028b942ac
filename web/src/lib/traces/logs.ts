// The logs of a trace or of a span: found by their ids, wherever a line has them. Pure.
import { quote } from '../logs/syntax';
import { secondsAt, type Trace } from './model';

/** Seconds before and after a trace in which its lines are looked for: clocks differ, and writers are slow. */
const around = 60;

/** Lines that have the ids in their text or in a field beside it. */
export function logQuery(trace: string, span = ''): string {
  return `{} |= any(${quote(trace)})${span ? ` |= any(${quote(span)})` : ''}`;
}

/** Unix seconds between which lines of the trace are looked for, whole seconds, for a link. */
export function logRange(t: Trace): { start: number; end: number } {
  return { start: Math.floor(secondsAt(t, t.from)) - around, end: Math.ceil(secondsAt(t, t.to)) + around };
}

const traceField = /^(trace|otel_trace|dd\.trace)[._-]?id$/i;
const spanField = /^(span|otel_span|dd\.span)[._-]?id$/i;

/** The trace, and its span where one is named, that the fields of a line belong to; undefined where there is none. */
export function traceOfFields(fields: readonly { name: string; value: string }[]): { trace: string; span: string } | undefined {
  const id = fields.find((f) => traceField.test(f.name) && isTraceID(f.value))?.value.toLowerCase();
  if (!id) return undefined;
  const span = fields.find((f) => spanField.test(f.name) && /^[0-9a-f]{16}$/i.test(f.value))?.value.toLowerCase() ?? '';
  return { trace: id.padStart(32, '0'), span };
}

/** Whether a text is a trace's id: 32 hexadecimal digits, or the 16 of older senders, not all of them 0 (W3C Trace Context, section 3.2.2.3). */
export function isTraceID(text: string): boolean {
  return /^([0-9a-f]{16}|[0-9a-f]{32})$/i.test(text) && !/^0+$/.test(text);
}
