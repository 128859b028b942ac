// uPlot behind one function: options from our terms, colours from the tokens. The component beside this file keeps the state.
import uPlot from 'uplot';
import { isolated, type ChartSeries } from '../lib/chartdata';
import { axisTimes, type Zone } from '../lib/time';
import { axisValues, type Unit } from '../lib/units';
import { hash, hues } from '../lib/colors';
import type { Status } from './status';

export interface Threshold { value: number; status: Status; /** 'above' (default) or 'below' is the bad side. */ side?: 'above' | 'below' }
export interface ChartEvent { at: number; text: string; status?: Status }

/** One observation that is drawn over the lines. */
export interface ChartDot { at: number; value: number; text: string; href?: string }

export interface DrawOptions {
  unit: Unit; zone: Zone; log: boolean; stack: boolean; zero: boolean;
  min: number | undefined; max: number | undefined; axisWidth: number; group: string | undefined;
  thresholds: readonly Threshold[]; events: readonly ChartEvent[];
  /** Read at every draw, so that a new range needs no new chart. */
  range: () => { start: number; end: number };
  hidden: (key: string) => boolean;
  onCursor: (u: uPlot) => void; onFocus: (index: number | null) => void; onZoom: (start: number, end: number) => void; onReset: () => void;
  onDraw?: (u: uPlot) => void;
}

export function colourOf(s: ChartSeries): string {
  return s.colour ?? `var(--series-${s.hue ?? hash(s.key) % hues})`;
}

/** A canvas knows no variables: resolve var(--x) against the document. */
export function resolve(colour: string): string {
  const m = /^var\((--[\w-]+)\)$/.exec(colour);
  return m ? getComputedStyle(document.documentElement).getPropertyValue(m[1]!).trim() : colour;
}

const powersOfTwo = Array.from({ length: 60 }, (_, i) => 2 ** (i - 4));

export function makeOptions(series: readonly ChartSeries[], size: { width: number; height: number }, o: DrawOptions): uPlot.Options {
  const font = "11px Inter, system-ui, sans-serif";
  const grid = resolve('var(--grid)');
  const text = resolve('var(--fg-faint)');
  const bytes = o.unit === 'bytes' || o.unit === 'bytes/s';
  return {
    ...size,
    pxAlign: 1,
    padding: [8, 18, 0, 0], // room for half of a time at the right end
    legend: { show: false },
    ...(o.zone === 'utc' ? { tzDate: (ts: number) => uPlot.tzDate(new Date(ts * 1000), 'Etc/UTC') } : {}),
    cursor: {
      y: false,
      drag: { x: true, y: false, setScale: false, dist: 4 },
      focus: { prox: 30 },
      points: { size: 7, width: 2 },
      ...(o.group ? { sync: { key: o.group, setSeries: false } } : {}),
      bind: { dblclick: () => () => { o.onReset(); return null; } },
    },
    focus: { alpha: series.length < 2 ? 1 : o.stack ? 0.6 : 0.3 },
    scales: {
      x: { time: true, range: () => { const r = o.range(); return [r.start, r.end]; } },
      y: {
        distr: o.log ? 3 : 1,
        range: (_u, lo, hi) => yRange(lo, hi, o),
      },
    },
    axes: [
      { stroke: text, font, size: 30, gap: 6, space: 70, grid: { stroke: grid, width: 1 }, ticks: { show: false }, values: (_u, ticks, _a, _s, incr) => axisTimes(ticks, incr, o.zone) },
      {
        stroke: text, font, gap: 6, space: 32, grid: { stroke: grid, width: 1 }, ticks: { show: false },
        size: (_u, values) => Math.max(o.axisWidth, 14 + 6.3 * (values ?? []).reduce((m, v) => Math.max(m, v?.length ?? 0), 0)),
        values: (_u, ticks) => axisValues(ticks, o.unit),
        ...(bytes && !o.log ? { incrs: powersOfTwo } : {}),
      },
    ],
    series: [{}, ...series.map((s, i) => uSeries(s, i, o))],
    ...(o.stack ? { bands: series.slice(1).map((s, i) => ({ series: [i + 2, i + 1] as [number, number], fill: alpha(resolve(colourOf(s)), 0.35) })) } : {}),
    hooks: {
      drawClear: [(u) => drawThresholds(u, o)],
      draw: [(u) => { drawEvents(u, o); o.onDraw?.(u); }],
      setCursor: [o.onCursor],
      setSeries: [(_u, i) => o.onFocus(i)],
      setSelect: [(u) => {
        if (u.select.width < 4) return;
        const a = u.posToVal(u.select.left, 'x');
        const b = u.posToVal(u.select.left + u.select.width, 'x');
        u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        o.onZoom(a, b);
      }],
    },
  };
}

function uSeries(s: ChartSeries, i: number, o: DrawOptions): uPlot.Series {
  const colour = resolve(colourOf(s));
  const fill = o.stack ? (i === 0 ? alpha(colour, 0.35) : undefined) : s.fill ? alpha(colour, 0.14) : undefined;
  return {
    label: s.name,
    stroke: colour,
    width: 1, // a whole number of pixels: anything else costs several times as much to draw without a GPU
    show: !o.hidden(s.key),
    spanGaps: false,
    ...(fill ? { fill } : {}),
    ...(s.dash ? { dash: s.dash } : {}),
    points: { show: true, size: 4, fill: colour, filter: (u, si, _show, _gaps) => isolated(u.data[si]!, u.series[0]!.idxs![0]!, u.series[0]!.idxs![1]!) },
  };
}

function yRange(lo: number | null, hi: number | null, o: DrawOptions): [number | null, number | null] {
  if (lo === null || hi === null) return o.log ? [0.1, 10] : [o.min ?? 0, o.max ?? 1];
  if (o.log) return uPlot.rangeLog(lo, hi, 10, true) as [number, number];
  if (o.zero || o.stack) {
    lo = Math.min(0, lo);
    hi = Math.max(0, hi);
  }
  const [a, b] = uPlot.rangeNum(lo, hi, { min: { pad: 0.1, soft: 0, mode: 3 }, max: { pad: 0.1, soft: 0, mode: 3 } }) as [number, number];
  return [o.min ?? a, o.max !== undefined ? Math.max(o.max, hi) : b];
}

function drawThresholds(u: uPlot, o: DrawOptions): void {
  const { ctx, bbox } = u;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  for (const t of o.thresholds) {
    const y = Math.round(u.valToPos(t.value, 'y', true));
    const colour = resolve(`var(--${t.status})`);
    ctx.fillStyle = alpha(colour, 0.07);
    if (t.side === 'below') ctx.fillRect(bbox.left, y, bbox.width, bbox.top + bbox.height - y);
    else ctx.fillRect(bbox.left, bbox.top, bbox.width, y - bbox.top);
    ctx.fillStyle = alpha(colour, 0.6);
    ctx.fillRect(bbox.left, y, bbox.width, 1);
  }
  ctx.restore();
}

function drawEvents(u: uPlot, o: DrawOptions): void {
  const { ctx, bbox } = u;
  const r = o.range();
  const size = 5 * devicePixelRatio;
  ctx.save(); // the axes' text takes the colour that is set
  for (const e of o.events) {
    if (e.at < r.start || e.at > r.end) continue;
    const x = u.valToPos(e.at, 'x', true);
    const y = bbox.top + bbox.height;
    ctx.fillStyle = resolve(`var(--${e.status && e.status !== 'info' && e.status !== 'pending' ? e.status : 'accent'})`);
    ctx.beginPath();
    ctx.moveTo(x, y);
    ctx.lineTo(x - size, y + size * 1.4);
    ctx.lineTo(x + size, y + size * 1.4);
    ctx.fill();
  }
  ctx.restore();
}

/** A #rrggbb colour with an opacity. */
export function alpha(colour: string, a: number): string {
  const m = /^#([0-9a-f]{6})$/i.exec(colour);
  return m ? colour + Math.round(a * 255).toString(16).padStart(2, '0') : colour;
}
