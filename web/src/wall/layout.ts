// What the wall shows of what there is. Pure.
import type { Check } from '../lib/checks/checks';

/** Lines that fit beneath the counts at a size that is read from five metres. */
export const lines = 9;
/** Of them, kept for the newest warnings: a flood of critical ones must not hide what has just begun. */
const keptForWarnings = 2;

/** The problems that have room, in the order given (unhandled first, worst first), with room for the newest warnings that nobody handles. */
export function pickRows(sorted: readonly Check[], most = lines): { rows: Check[]; more: number } {
  if (sorted.length <= most) return { rows: [...sorted], more: 0 };
  const first = sorted.slice(0, most);
  const isNew = (c: Check) => c.word === 'WARNING' && c.handled === '';
  const have = first.filter(isNew).length;
  const missing = sorted.slice(most).filter(isNew).slice(0, Math.max(0, keptForWarnings - have));
  return { rows: [...first.slice(0, most - missing.length), ...missing], more: sorted.length - most };
}

/** Columns and rows of tiles of about the wanted shape (width over height) that fill an area of this shape. */
export function tileGrid(n: number, width: number, height: number, shape: number): { columns: number; rows: number } {
  if (n === 0) return { columns: 1, rows: 1 };
  const columns = Math.max(1, Math.min(n, Math.ceil(Math.sqrt((n * width) / (height * shape)))));
  return { columns, rows: Math.ceil(n / columns) };
}

export type PageName = 'problems' | 'hosts' | 'network';
const names: readonly PageName[] = ['problems', 'hosts', 'network'];

/** ?rotate=30&page=problems&page=network: which pages follow each other, and after how many seconds; 0 stands still. */
export function rotation(query: URLSearchParams): { pages: PageName[]; seconds: number } {
  const asked = query.getAll('page').flatMap((p) => p.split(',')).filter((p): p is PageName => (names as readonly string[]).includes(p));
  const n = Number(query.get('rotate') ?? 0);
  const seconds = Number.isFinite(n) && n > 0 ? Math.max(5, n) : 0;
  return { pages: asked.length > 0 ? asked : seconds > 0 ? [...names] : ['problems'], seconds };
}

/** A line through values, as path data, scaled to a box; null is a gap. */
export function linePath(values: readonly (number | null)[], width: number, height: number, max: number): string {
  if (values.length < 2 || max <= 0) return '';
  let pen = 'M';
  let out = '';
  values.forEach((v, i) => {
    if (v === null) { pen = 'M'; return; }
    out += `${pen}${((i / (values.length - 1)) * width).toFixed(1)} ${(height - (v / max) * height).toFixed(1)}`;
    pen = 'L';
  });
  return out;
}
