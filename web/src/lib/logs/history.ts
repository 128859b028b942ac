// The queries run in this browser, and those that were given a name; newest first. They stay here: nothing is sent anywhere.
export interface Past { query: string; at: number; name?: string }

const key = 'hulotte.logql-history';
const most = 200;

export function past(storage: Pick<Storage, 'getItem'> = localStorage): Past[] {
  try {
    const list: unknown = JSON.parse(storage.getItem(key) ?? '[]');
    return Array.isArray(list) ? (list as Past[]).filter((p) => typeof p?.query === 'string' && typeof p.at === 'number') : [];
  } catch {
    return [];
  }
}

function store(list: readonly Past[]): void {
  try {
    localStorage.setItem(key, JSON.stringify(list));
  } catch { /* full or forbidden: no history */ }
}

/** The list with a query at its front. Named ones are kept; of the others the oldest go. */
export function remembered(list: readonly Past[], query: string, now: number): Past[] {
  const text = query.trim();
  if (text === '' || text === '{}') return [...list];
  const old = list.find((p) => p.query === text);
  let room = most;
  return [{ query: text, at: now, ...(old?.name === undefined ? {} : { name: old.name }) }, ...list.filter((p) => p !== old)].filter((p) => p.name !== undefined || room-- > 0);
}

export function remember(query: string, now: number): void { store(remembered(past(), query, now)); }
export function nameQuery(query: string, name: string | undefined, now: number): void {
  const list = past().filter((p) => p.query !== query);
  const old = past().find((p) => p.query === query);
  store([{ query, at: old?.at ?? now, ...(name ? { name } : {}) }, ...list]);
}
export function forget(query: string): void { store(past().filter((p) => p.query !== query)); }
export function forgetAll(): void { store(past().filter((p) => p.name !== undefined)); }
