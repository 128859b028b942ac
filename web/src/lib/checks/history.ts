// A check's past: the spans of its states as a bar, its changes as sentences. Pure; times in Unix seconds.
import type { Status } from '../../ui/status';
import { at, handledWords, statusOf } from './checks';
import type { Change, Handled, Span, Word } from './types';

export interface Stretch { from: number; to: number; word: Word; status: Status; hard: boolean; handled: string }

/** Spans within a range, in order; those that are too short to be seen are as wide as a pixel by `least` seconds, the worse one on top. */
export function stretches(spans: readonly Span[], start: number, end: number): Stretch[] {
  return spans.flatMap((s): Stretch[] => {
    const from = Math.max(start, at(s.from) || start);
    const to = Math.min(end, at(s.to) || end);
    const handled = typeof s.handled === 'string' ? (handledWords[s.handled as Handled] ?? s.handled) : s.handled ? 'handled' : '';
    return to > from ? [{ from, to, word: s.status, status: statusOf(s.status), hard: s.hard, handled }] : [];
  }).sort((a, b) => a.from - b.from);
}

/** "99.98 %": never rounded up to 100. */
export function share(v: number | undefined): string {
  if (v === undefined || !Number.isFinite(v)) return '–';
  const pct = v * 100;
  if (pct >= 100) return '100 %';
  if (pct === 0) return '0 %';
  const digits = pct > 99.99 ? 3 : pct > 1 ? 2 : 3;
  const f = 10 ** digits;
  return `${pct > 50 ? Math.floor(pct * f) / f : Math.ceil(pct * f) / f} %`;
}

/** What happened, in a few words. */
export function changeText(c: Change): string {
  switch (c.type) {
    case 'state': return c.from === c.to ? `${c.to} is ${c.hard ? 'hard' : 'soft'} now` : `${c.from} → ${c.to}`;
    case 'flapping_start': return 'began to flap';
    case 'flapping_stop': return 'flaps no more';
    case 'ack': return 'acknowledged';
    case 'ack_removed': return 'acknowledgement ended';
    case 'downtime_start': return 'downtime began';
    case 'downtime_end': return 'downtime ended';
    case 'stale': return 'no fresh result';
    case 'unreachable': return 'became unreachable';
    case 'reachable': return 'reachable again';
    case 'comment': return 'comment';
    case 'event_handler': return 'event handler ran';
    default: return c.type;
  }
}
