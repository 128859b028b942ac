// Why a query returns nothing: looks at each selector alone, and in one that matches nothing for the matcher that is to blame.
import { get } from '../../lib/api';
import { labelName, quote } from '../../lib/labels';
import type { Selector } from '../../lib/promql';

export interface Finding {
  selector: string;
  /** How many series it matches in the range, counted up to a bound. */
  matches: number;
  /** What is wrong, in words. */
  reason: string;
  /** Expressions to put in the selector's place. */
  instead: string[];
  from: number;
  to: number;
}

const most = 1000;

export async function whyEmpty(found: readonly Selector[], range: { start: number; end: number }, similar: (name: string, all: readonly string[]) => string[], signal: AbortSignal): Promise<Finding[]> {
  const window = { start: Math.floor(range.start), end: Math.ceil(range.end) };
  const count = async (selector: string) => (await get<unknown[]>('api/v1/series', { 'match[]': selector, ...window, limit: most }, signal)).data.length;
  const values = async (label: string, match?: string) => (await get<string[]>(`api/v1/label/${encodeURIComponent(label)}/values`, { ...window, ...(match ? { 'match[]': match } : {}), limit: 10_000 }, signal)).data;

  return Promise.all(found.slice(0, 10).map(async (s): Promise<Finding> => {
    const base = { selector: s.text, from: s.from, to: s.to };
    const matches = await count(s.text);
    if (matches > 0) return { ...base, matches, reason: '', instead: [] };
    const metric = s.name === '' ? '' : /^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(s.name) ? s.name : `{${quote(s.name)}}`;
    if (metric !== '' && (await count(metric)) === 0) {
      const near = similar(s.name, await values('__name__'));
      return { ...base, matches, reason: `There is no metric ${s.name} in this time range.`, instead: near.map((n) => s.text.replace(s.name, n)) };
    }
    for (const m of s.matchers) {
      const alone = metric && !metric.startsWith('{') ? `${metric}{${m.text}}` : `{${metric ? `${quote(s.name)},` : ''}${m.text}}`;
      if ((await count(alone)) > 0) continue;
      const seen = await values(m.name, metric || undefined);
      if (seen.length === 0) return { ...base, matches, reason: `${s.name || 'Nothing'} has no label ${m.name}.`, instead: [] };
      const near = m.op === '=' || m.op === '=~' ? [...new Set([...similar(m.value, seen), ...seen])].slice(0, 5) : [];
      return { ...base, matches, reason: `No series has ${m.text}. ${m.name} has ${seen.length === 1 ? 'one value' : `${seen.length} values`} here.`, instead: near.map((v) => s.text.replace(m.text, `${labelName(m.name)}=${quote(v)}`)) };
    }
    return { ...base, matches, reason: 'Each of its matchers alone matches something, but no series has them all.', instead: [] };
  }));
}
