// Answers that completion asks for again and again, kept for a while. One for the life of a page.
const keep = 60_000; // ms: a name that appears while someone types is worth less than a request at each key
const most = 200;
const cache = new Map<string, { at: number; value: Promise<unknown> }>();

export function cached<T>(key: string, load: () => Promise<T>): Promise<T> {
  const known = cache.get(key);
  if (known && Date.now() - known.at < keep) return known.value as Promise<T>;
  const value = load();
  cache.set(key, { at: Date.now(), value });
  value.catch(() => cache.delete(key));
  if (cache.size > most) cache.delete(cache.keys().next().value!);
  return value;
}
