// Ranges of the Monitoring Plugins Development Guidelines ("80", "10:", "~:5", "10:20", "@10:20") as lines of a chart. Pure.
import type { Threshold } from '../../ui/chart';
import type { Status } from '../../ui/status';
import type { Unit } from '../units';

/** The edges beyond which a value is bad. An inverted range (@) is bad within it, which no single side shows: both its edges are drawn. */
export function edges(range: string | undefined, status: Status): Threshold[] {
  const m = /^(@?)(?:(~|-?[\d.]+(?:e[+-]?\d+)?)?:)?(-?[\d.]+(?:e[+-]?\d+)?)?$/i.exec((range ?? '').trim());
  if (!range || !m) return [];
  const [, inverted, low, high] = m;
  const hasColon = range.includes(':');
  const out: Threshold[] = [];
  const number = (t: string | undefined) => (t === undefined || t === '~' ? null : Number(t));
  const lo = hasColon ? number(low) : 0;
  const hi = number(high);
  if (hi !== null && Number.isFinite(hi)) out.push({ value: hi, status, side: inverted ? 'below' : 'above' });
  // Below zero is bad too by the guidelines when only a maximum is given: nobody draws that line.
  if (lo !== null && Number.isFinite(lo) && (lo !== 0 || (hasColon && inverted))) out.push({ value: lo, status, side: inverted ? 'above' : 'below' });
  return out;
}

/** Units of performance data as the pages name them, and what a value is multiplied by to be in that unit. */
export function perfUnit(unit: string | undefined): { unit: Unit; factor: number } {
  switch (unit) {
    case 's': return { unit: 'seconds', factor: 1 };
    case 'ms': return { unit: 'seconds', factor: 1e-3 };
    case 'us': return { unit: 'seconds', factor: 1e-6 };
    case '%': return { unit: 'percent', factor: 1 };
    case 'B': return { unit: 'bytes', factor: 1 };
    case 'KB': return { unit: 'bytes', factor: 1024 };
    case 'MB': return { unit: 'bytes', factor: 1024 ** 2 };
    case 'GB': return { unit: 'bytes', factor: 1024 ** 3 };
    case 'TB': return { unit: 'bytes', factor: 1024 ** 4 };
    default: return { unit: 'short', factor: 1 };
  }
}
