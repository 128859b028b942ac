// Who is connected to whom, as network devices tell (LLDP, CDP, MNDP), and where a map draws them. Pure.
import type { Status } from '../../ui/status';

export interface Node { id: string; name: string; address?: string; kind?: string; known: boolean; read?: string; problem?: string; description?: string }
export interface Link { from: string; from_port: string; to: string; to_port: string; protocols: string[] | null; both: boolean }
export interface Topology { nodes: Node[] | null; links: Link[] | null }

export interface Place { node: Node; x: number; y: number; degree: number; status: Status }
export interface Drawn { places: Place[]; links: { key: string; a: Place; b: Place; links: Link[] }[]; width: number; height: number }

/** More boxes than this are no picture; the table has them all. */
export const mostDrawn = 60;
export const boxWidth = 132;
export const boxHeight = 34;
const gapX = 18;
const gapY = 54;

export function statusOf(n: Node): Status {
  if (!n.known) return 'info';
  return n.problem ? 'crit' : n.read ? 'ok' : 'pending';
}

/**
 * Devices in rows by how many cables they are from the one with the most neighbours, each below those that it hangs on. What does not hang together
 * stands side by side. The same devices are drawn the same way, in whatever order they come.
 */
export function layout(t: Topology): Drawn {
  const nodes = [...(t.nodes ?? [])].sort((a, b) => (a.id < b.id ? -1 : 1));
  const near = new Map<string, Set<string>>(nodes.map((n) => [n.id, new Set<string>()]));
  for (const l of t.links ?? []) {
    if (l.from === l.to || !near.has(l.from) || !near.has(l.to)) continue;
    near.get(l.from)!.add(l.to);
    near.get(l.to)!.add(l.from);
  }
  const byId = new Map(nodes.map((n) => [n.id, n]));
  const degree = (id: string) => near.get(id)!.size;
  const order = [...byId.keys()].sort((a, b) => degree(b) - degree(a) || Number(byId.get(b)!.known) - Number(byId.get(a)!.known) || (a < b ? -1 : 1));
  const places = new Map<string, Place>();
  let left = 0;
  let height = 0;
  for (const root of order) {
    if (places.has(root)) continue;
    const rows = rowsFrom(root, near);
    const wide = Math.max(...rows.map((r) => r.length)) * (boxWidth + gapX) - gapX;
    rows.forEach((row, depth) => {
      const middle = (id: string) => {
        const above = [...near.get(id)!].filter((o) => places.has(o) && places.get(o)!.y < depth * (boxHeight + gapY)).map((o) => places.get(o)!.x);
        return above.length > 0 ? above.reduce((a, b) => a + b, 0) / above.length : 0;
      };
      const sorted = depth === 0 ? row : [...row].sort((a, b) => middle(a) - middle(b) || (a < b ? -1 : 1));
      const start = left + (wide - (sorted.length * (boxWidth + gapX) - gapX)) / 2;
      sorted.forEach((id, i) => {
        const node = byId.get(id)!;
        places.set(id, { node, x: start + i * (boxWidth + gapX), y: depth * (boxHeight + gapY), degree: degree(id), status: statusOf(node) });
      });
    });
    left += wide + 2 * gapX;
    height = Math.max(height, rows.length * (boxHeight + gapY) - gapY);
  }
  return { places: [...places.values()], links: bundles(t.links ?? [], places), width: Math.max(0, left - 2 * gapX), height };
}

/** Everything that hangs on root, by the number of cables to it. */
function rowsFrom(root: string, near: ReadonlyMap<string, ReadonlySet<string>>): string[][] {
  const rows = [[root]];
  const seen = new Set([root]);
  for (;;) {
    const next = rows.at(-1)!.flatMap((id) => [...near.get(id)!].filter((o) => !seen.has(o) && seen.add(o)));
    if (next.length === 0) return rows;
    rows.push(next);
  }
}

/** Cables between the same two devices are one line. */
function bundles(links: readonly Link[], places: ReadonlyMap<string, Place>): Drawn['links'] {
  const out = new Map<string, Drawn['links'][number]>();
  for (const l of links) {
    const [a, b] = [places.get(l.from), places.get(l.to)];
    if (!a || !b || a === b) continue;
    const key = [l.from, l.to].sort().join('\n');
    const known = out.get(key);
    if (known) known.links.push(l);
    else out.set(key, { key, a, b, links: [l] });
  }
  return [...out.values()];
}

/** One line of text for a cable. */
export function cable(l: Link): string { return `${l.from} ${l.from_port || '?'} – ${l.to} ${l.to_port || '?'}`; }
