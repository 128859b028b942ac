// The state of the Explore metrics page in the URL: one panel a query, g0.expr=…&g0.tab=…, as Prometheus' own links have it, so that
// a link copied from there opens here. Pure.
import { guessUnit, type Unit } from './units';
import { isoTime, parseDuration, parseTime } from './time';
import { isViewKey } from './urlstate';

export type Tab = 'graph' | 'table' | 'heatmap';

export interface PanelState {
  expr: string;
  tab: Tab;
  stack: boolean;
  log: boolean;
  zero: boolean;
  /** Seconds between points; 0 chooses by the width. */
  step: number;
  /** 'auto' guesses from the expression. */
  unit: Unit | 'auto';
  /** The eye is closed: kept, but not asked. */
  hidden: boolean;
  /** Single observations with their traces are drawn as dots. */
  exemplars: boolean;
}

export const emptyPanel: PanelState = { expr: '', tab: 'graph', stack: false, log: false, zero: false, step: 0, unit: 'auto', hidden: false, exemplars: false };

/** More than a person compares, and a bound on what a hand-made link makes the server do. */
export const maxPanels = 20;

const panelKey = /^g(\d{1,3})\.(.+)$/;

export function decodePanels(query: URLSearchParams): PanelState[] {
  const found = new Map<number, PanelState>();
  for (const [key, value] of query) {
    const m = panelKey.exec(key);
    if (!m) continue;
    const i = Number(m[1]);
    const p = found.get(i) ?? { ...emptyPanel };
    found.set(i, p);
    switch (m[2]) {
      case 'expr': p.expr = value; break;
      // Prometheus 2 and 3 number their tabs; ours has a name for what they lack.
      case 'tab': p.tab = value === '1' || value === 'table' ? 'table' : value === 'heatmap' ? 'heatmap' : 'graph'; break;
      case 'stacked': p.stack ||= value === '1'; break;
      case 'display_mode': p.stack ||= value === 'stacked'; if (value === 'heatmap') p.tab = 'heatmap'; break;
      case 'step_input': p.step = parseDuration(value) ?? (Number(value) > 0 ? Number(value) : 0); break;
      case 'log': p.log = value === '1'; break;
      case 'zero': p.zero = value === '1'; break;
      case 'show_exemplars': p.exemplars = value === '1'; break;
      case 'hide': p.hidden = value === '1'; break;
      case 'unit': p.unit = units.includes(value as Unit) ? (value as Unit) : 'auto'; break;
      default: // what Prometheus has and we need not (res_type …)
    }
  }
  const panels = [...found].sort(([a], [b]) => a - b).slice(0, maxPanels).map(([, p]) => p);
  return panels.length > 0 ? panels : [{ ...emptyPanel }];
}

export function encodePanels(panels: readonly PanelState[], query: URLSearchParams): URLSearchParams {
  const out = new URLSearchParams();
  panels.forEach((p, i) => {
    if (panels.length === 1 && p.expr === '' && p.tab === 'graph') return;
    out.set(`g${i}.expr`, p.expr);
    out.set(`g${i}.tab`, p.tab === 'graph' ? '0' : p.tab === 'table' ? '1' : 'heatmap');
    if (p.stack) out.set(`g${i}.display_mode`, 'stacked');
    if (p.step > 0) out.set(`g${i}.step_input`, String(p.step));
    if (p.log) out.set(`g${i}.log`, '1');
    if (p.zero) out.set(`g${i}.zero`, '1');
    if (p.unit !== 'auto') out.set(`g${i}.unit`, p.unit);
    if (p.exemplars) out.set(`g${i}.show_exemplars`, '1');
    if (p.hidden) out.set(`g${i}.hide`, '1');
  });
  for (const [k, v] of query) if (!panelKey.test(k)) out.append(k, v);
  return out;
}

/**
 * The time range of a Prometheus link (g0.range_input=1h, g0.end_input=2026-03-01 12:00:00, in UTC) as our from and to; null when the
 * query has a range of its own or none at all.
 */
export function importRange(query: URLSearchParams): { from: string; to: string } | null {
  if (query.has('from') || query.has('to')) return null;
  const width = query.get('g0.range_input');
  const end = query.get('g0.end_input') ?? query.get('g0.moment_input');
  if (width === null && end === null) return null;
  const seconds = parseDuration(width ?? '1h') ?? 3600;
  const at = end === null || end === '' ? null : parseTime(end, 0, 'utc');
  if (at === null) return { from: `now-${width ?? '1h'}`, to: 'now' };
  return { from: isoTime(at - seconds), to: isoTime(at) };
}

export const units: readonly Unit[] = [
  'short', 'none', 'percent', 'ratio', 'bytes', 'bytes/s', 'bits/s', 'seconds', 'per second', 'hertz', 'celsius', 'volts', 'amperes', 'watts', 'joules', 'rpm', 'timestamp', 'boolean',
];

export function unitOf(p: Pick<PanelState, 'unit' | 'expr'>, metadataUnit?: string): Unit {
  return p.unit === 'auto' ? guessUnit(p.expr, metadataUnit) : p.unit;
}

/** Where a message of the server points: "1:6: parse error: …", or "… (1:6)" at the end of a warning. Offset in characters, or null. */
export function positionIn(message: string, expr: string): number | null {
  const m = /(?:^|\s)(\d+):(\d+): parse error/.exec(message) ?? /\((\d+):(\d+)\)\s*$/.exec(message);
  if (!m) return null;
  const lines = expr.split('\n');
  const line = Number(m[1]) - 1;
  const column = Number(m[2]) - 1;
  if (line < 0 || line >= lines.length || column < 0 || column > lines[line]!.length) return null;
  return lines.slice(0, line).reduce((n, l) => n + l.length + 1, 0) + column;
}

/** Whether keys of the query concern this page's panels or the shared view; the rest is nobody's. */
export function isExploreKey(key: string): boolean {
  return panelKey.test(key) || isViewKey(key);
}
