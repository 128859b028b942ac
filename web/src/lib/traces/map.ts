// The service map: which parts of it are shown, and how its lines run. The server says where things stand. Pure.
import type { MapEdge, MapNode, MapReply } from './wire';

/** From this share of failed requests on, something is a problem. */
export const badShare = 0.01;
export type Health = 'ok' | 'warn' | 'crit' | 'idle';
export function health(n: { rate: number; errors: number }): Health {
  return n.errors >= 0.05 ? 'crit' : n.errors >= badShare ? 'warn' : n.rate > 0 ? 'ok' : 'idle';
}

/** The part of a map: what is bad and its neighbours, or one thing and its neighbours. Coordinates stay, so that nothing jumps. */
export function partOf(m: MapReply, o: { problems: boolean; focus: string }): MapReply {
  let keep: Set<string> | null = null;
  if (o.focus !== '' && m.nodes.some((n) => n.name === o.focus)) keep = neighbours(m, new Set([o.focus]));
  if (o.problems) {
    const bad = new Set(m.nodes.filter((n) => n.errors >= badShare).map((n) => n.name));
    for (const e of m.edges) if (e.errors >= badShare) { bad.add(e.from); bad.add(e.to); }
    const near = neighbours(m, bad);
    keep = keep === null ? near : new Set([...keep].filter((n) => near.has(n)));
  }
  if (keep === null) return m;
  const shown = keep;
  return { nodes: m.nodes.filter((n) => shown.has(n.name)), edges: m.edges.filter((e) => shown.has(e.from) && shown.has(e.to)) };
}
function neighbours(m: MapReply, of: ReadonlySet<string>): Set<string> {
  const out = new Set(of);
  for (const e of m.edges) { if (of.has(e.from)) out.add(e.to); if (of.has(e.to)) out.add(e.from); }
  return out;
}

export const nodeWidth = 168;
export const nodeHeight = 52;

/** The rectangle round all nodes, with room about it. */
export function bounds(nodes: readonly Pick<MapNode, 'x' | 'y'>[], margin = 40): { x: number; y: number; width: number; height: number } {
  if (nodes.length === 0) return { x: 0, y: 0, width: 400, height: 200 };
  const xs = nodes.map((n) => n.x);
  const ys = nodes.map((n) => n.y);
  const [x, y] = [Math.min(...xs) - nodeWidth / 2 - margin, Math.min(...ys) - nodeHeight / 2 - margin];
  return { x, y, width: Math.max(...xs) + nodeWidth / 2 + margin - x, height: Math.max(...ys) + nodeHeight / 2 + margin - y };
}

/** The line of a call, from the right side of the caller to the left side of the called; one that leads back runs below. */
export function line(a: Pick<MapNode, 'x' | 'y'>, b: Pick<MapNode, 'x' | 'y'>): string {
  const [x0, y0, x1, y1] = [a.x + nodeWidth / 2, a.y, b.x - nodeWidth / 2 - 6, b.y];
  if (a === b || (a.x === b.x && a.y === b.y)) return `M${x0 - 30} ${y0 + nodeHeight / 2}c0 34 ${-nodeWidth + 66} 34 ${-nodeWidth + 66} 6`;
  if (x1 > x0) { const bend = Math.max(24, (x1 - x0) / 2); return `M${x0} ${y0}C${x0 + bend} ${y0} ${x1 - bend} ${y1} ${x1} ${y1}`; }
  const low = Math.max(y0, y1) + nodeHeight;
  return `M${x0} ${y0}C${x0 + 60} ${low} ${x1 - 60} ${low} ${x1} ${y1}`;
}

/** How thick a line is, by its rate among all: 1.2 to 4 pixels. */
export function thickness(e: MapEdge, most: number): number { return most <= 0 ? 1.2 : 1.2 + 2.8 * (Math.log1p(e.rate) / Math.log1p(most)); }
