// The expressions run in this browser, newest first, each once. They stay here: nothing is sent anywhere.
const key = 'hulotte.promql-history';
const most = 200;

export interface Past { expr: string; at: number; pinned?: boolean }

export function past(): Past[] {
  try {
    const list: unknown = JSON.parse(localStorage.getItem(key) ?? '[]');
    return Array.isArray(list) ? (list as Past[]).filter((p) => typeof p?.expr === 'string') : [];
  } catch {
    return [];
  }
}

function store(list: readonly Past[]): void {
  try {
    localStorage.setItem(key, JSON.stringify(list));
  } catch { /* full or forbidden: no history */ }
}

export function remember(expr: string, now: number): void {
  const text = expr.trim();
  if (text === '') return;
  const list = past();
  const old = list.find((p) => p.expr === text);
  const rest = list.filter((p) => p !== old);
  const next: Past = { expr: text, at: now, ...(old?.pinned ? { pinned: true } : {}) };
  // Pinned ones survive; of the rest the oldest go.
  let room = most;
  store([next, ...rest].filter((p) => p.pinned || room-- > 0));
}

export function togglePin(expr: string): void { store(past().map((p) => (p.expr === expr ? { ...p, pinned: !p.pinned } : p))); }
export function forget(expr: string): void { store(past().filter((p) => p.expr !== expr)); }
export function forgetAll(): void { store(past().filter((p) => p.pinned)); }
