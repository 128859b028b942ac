// Targets as the page shows them. Pure.
import type { ActiveTarget, Target, TargetsData } from './prom';
import { inScope, type ScopeLabel } from './urlstate';

export interface Pool { name: string; targets: Target[]; up: number; down: number; unknown: number; dropped: number; builtIn: boolean }

export type Health = '' | 'up' | 'down' | 'unknown';

const order = { down: 0, unknown: 1, up: 2 } as const;

/** What collects inside Hulotte itself rather than from an address on the network. */
export function builtIn(t: ActiveTarget): boolean {
  return t.scrapeUrl.startsWith('hulotte:');
}

/** Pools with the unhealthy first, and so within each. Filters narrow the targets, not the counts: a count must not lie. */
export function pools(data: TargetsData, filter: { text: string; health: Health; pool: string; scope: readonly ScopeLabel[] }): Pool[] {
  const by = new Map<string, Pool>();
  const pool = (name: string) => {
    let p = by.get(name);
    if (!p) by.set(name, p = { name, targets: [], up: 0, down: 0, unknown: 0, dropped: data.droppedCounts?.[name] ?? 0, builtIn: true });
    return p;
  };
  for (const t of data.active) {
    const p = pool(t.scrapePool);
    p[t.health]++;
    p.builtIn &&= builtIn(t);
    if ((filter.health === '' || t.health === filter.health) && matches(t, filter.text) && inScope(t.labels, filter.scope)) p.targets.push(t);
  }
  for (const name of [...data.pools, ...Object.keys(data.droppedCounts ?? {})]) pool(name).builtIn &&= !!by.get(name)!.targets.length;
  const filtered = filter.text !== '' || filter.health !== '' || filter.scope.length > 0;
  return [...by.values()]
    .filter((p) => (filter.pool === '' || p.name === filter.pool) && (!filtered || p.targets.length > 0))
    .map((p) => ({ ...p, targets: p.targets.sort((a, b) => order[a.health] - order[b.health] || a.scrapeUrl.localeCompare(b.scrapeUrl, 'en', { numeric: true })) }))
    .sort((a, b) => Number(b.down > 0) - Number(a.down > 0) || Number(b.unknown > 0) - Number(a.unknown > 0) || Number(a.builtIn) - Number(b.builtIn) || a.name.localeCompare(b.name, 'en', { numeric: true }));
}

/** Every word occurs in the address, a label or the last error. */
function matches(t: ActiveTarget, text: string): boolean {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return true;
  const hay = [t.scrapeUrl, t.scrapePool, t.lastError, ...Object.entries(t.labels).map(([k, v]) => `${k}="${v}" ${k}=${v}`)].join('\n').toLowerCase();
  return words.every((w) => hay.includes(w));
}

/** Unix seconds of the last scrape; null before the first (Go's zero time). */
export function scrapedAt(t: ActiveTarget): number | null {
  const at = Date.parse(t.lastScrape) / 1000;
  return Number.isFinite(at) && at > 0 ? at : null;
}
