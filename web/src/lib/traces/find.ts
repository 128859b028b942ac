// Searching within one trace. Pure.
import { serviceOf, textOf, type Attribute, type Trace } from './model';

/**
 * The spans that fit: every word occurs in the name, the service, the id, the status' message, or an attribute (of the span, its events or its resource) as key=value.
 * "a=b" asks for the attribute a, whose value contains b; words in "quotes" are one.
 */
export function findSpans(t: Trace, query: string): number[] {
  const words = [...query.toLowerCase().matchAll(/"([^"]*)"|(\S+)/g)].map((m) => m[1] ?? m[2]!).filter((w) => w !== '');
  if (words.length === 0) return [];
  const resources = t.resources.map((r) => r.attributes.map(line));
  const out: number[] = [];
  for (let i = 0; i < t.spans.length; i++) {
    const s = t.spans[i]!;
    const head = `${s.name}\n${serviceOf(t, i)}\n${s.id}\n${s.message}\n${s.kind}\n${s.status}`.toLowerCase();
    let own: string[] | undefined;
    const lines = () => (own ??= [...s.attributes.map(line), ...s.events.flatMap((e) => [e.name.toLowerCase(), ...e.attributes.map(line)]), ...(resources[s.resource] ?? [])]);
    if (words.every((w) => (!w.includes('=') && head.includes(w)) || lines().some((l) => fits(l, w)))) out.push(i);
  }
  return out;
}

function line(a: Attribute): string { return `${a.key}=${textOf(a.value)}`.toLowerCase(); }

function fits(l: string, word: string): boolean {
  const eq = word.indexOf('=');
  if (eq <= 0) return l.includes(word);
  const key = word.slice(0, eq + 1);
  // "status_code" is enough for http.status_code.
  const at = l.startsWith(key) ? 0 : l.indexOf(`.${key}`) + 1;
  return (at > 0 || l.startsWith(key)) && l.slice(at + key.length).includes(word.slice(eq + 1));
}
