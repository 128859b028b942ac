import { expect, test } from 'vitest';
import { boxWidth, cable, layout, statusOf, type Link, type Node } from './neighbours';

const node = (id: string, more: Partial<Node> = {}): Node => ({ id, name: id, known: true, read: '2026-01-01T00:00:00Z', ...more });
const link = (from: string, to: string, port = '1'): Link => ({ from, from_port: `Gi0/${port}`, to, to_port: `Gi1/${port}`, protocols: ['lldp'], both: true });

test('the device with the most neighbours stands above what hangs on it', () => {
  const t = { nodes: [node('a'), node('core'), node('b'), node('c'), node('leaf')], links: [link('core', 'a'), link('b', 'core'), link('core', 'c'), link('a', 'leaf')] };
  const at = new Map(layout(t).places.map((p) => [p.node.id, p]));
  expect(at.get('core')!.y).toBe(0);
  for (const id of ['a', 'b', 'c']) expect(at.get(id)!.y).toBeGreaterThan(0);
  expect(at.get('leaf')!.y).toBeGreaterThan(at.get('a')!.y);
  expect(at.get('core')!.degree).toBe(3);
});

test('no two boxes overlap, whatever hangs on what, and the order in which they come does not matter', () => {
  let seed = 7;
  const random = (n: number) => { seed = (seed * 1103515245 + 12345) % 2147483648; return seed % n; };
  for (let round = 0; round < 50; round++) {
    const nodes = Array.from({ length: 1 + random(25) }, (_, i) => node(`n${i}`, { known: random(2) === 0 }));
    const links = Array.from({ length: random(40) }, () => link(`n${random(nodes.length)}`, `n${random(nodes.length)}`, String(random(9))));
    const drawn = layout({ nodes, links });
    expect(drawn.places).toHaveLength(nodes.length);
    for (const p of drawn.places) {
      expect(p.x).toBeGreaterThanOrEqual(0);
      expect(p.x + boxWidth).toBeLessThanOrEqual(drawn.width + 0.001);
      for (const o of drawn.places) if (o !== p && o.y === p.y) expect(Math.abs(o.x - p.x)).toBeGreaterThanOrEqual(boxWidth);
    }
    expect(layout({ nodes: [...nodes].reverse(), links })).toEqual(drawn);
  }
});

test('cables between two devices are one line; those to themselves or to nobody are none', () => {
  const drawn = layout({ nodes: [node('a'), node('b')], links: [link('a', 'b', '1'), link('b', 'a', '2'), link('a', 'a'), link('a', 'gone')] });
  expect(drawn.links.map((l) => l.links.length)).toEqual([2]);
  expect(cable(drawn.links[0]!.links[0]!)).toBe('a Gi0/1 – b Gi1/1');
  expect(layout({ nodes: null, links: null })).toEqual({ places: [], links: [], width: 0, height: 0 });
});

test('what a device is worth', () => {
  expect([node('a'), node('b', { problem: 'no answer' }), { id: 'c', name: 'c', known: true }, node('d', { known: false })].map((n) => statusOf(n))).toEqual(['ok', 'crit', 'pending', 'info']);
});
