// An explanation in sentences: who is told, by which route, when, and what keeps it quiet. Pure.
import { at } from '../checks/checks';
import { humanDuration } from '../time';
import { durationOf, personName } from './alerts';
import type { Explanation, Integration, RouteNode, RouteStep } from './types';

export function stepText(step: string | readonly string[]): string {
  const list = typeof step === 'string' ? [step] : step;
  const text = list.filter((m) => m !== '').join(', ');
  return text === '' ? 'everything' : text;
}

/** The way from the root, for reading: "everything → team="db" → severity="critical"". */
export function wayText(r: Pick<RouteStep, 'route'>): string {
  const steps = (r.route ?? []).map(stepText);
  return steps.length === 0 ? 'everything' : steps.join(' → ');
}

export function integrationText(i: string | { kind: string; index?: number; to?: string }): string {
  return typeof i === 'string' ? i : i.to ? `${i.kind} (${i.to})` : i.kind;
}

/** A receiver without integrations tells nobody but the pages. */
export function tells(r: Pick<RouteStep, 'integrations'>): boolean { return (r.integrations ?? []).length > 0; }

export function groupText(r: Pick<RouteStep, 'group_by' | 'group_labels'>): string {
  const by = r.group_by ?? [];
  if (by.includes('...')) return 'It stands alone: alerts are grouped by all their labels.';
  const labels = Object.entries(r.group_labels ?? {});
  if (by.length === 0) return 'All alerts of this route are told in one message.';
  return `It is told together with others of the same ${by.join(', ')}${labels.length > 0 ? ` (${labels.map(([k, v]) => `${k}=${v}`).join(', ')})` : ''}.`;
}

export function timesText(r: Pick<RouteStep, 'group_wait' | 'group_interval' | 'repeat_interval'>): string {
  const d = (t: string | number | undefined) => humanDuration(durationOf(t));
  return `The first message waits ${d(r.group_wait)} for others, news of the group follow after ${d(r.group_interval)}, and it is told again every ${d(r.repeat_interval)} while it lasts.`;
}

/** The sentences of one receiver. */
export function receiverSentences(r: RouteStep, now: number): string[] {
  const out: string[] = [];
  const people = (r.people ?? []).map(personName).filter(Boolean);
  const by = (r.integrations ?? []).map(integrationText);
  out.push(!tells(r) ? `“${r.receiver}” tells nobody: it has no integration. It is seen on the pages only.`
    : `“${r.receiver}” is told by ${list(by)}${people.length > 0 ? `, which reaches ${list(people)}` : ''}.`);
  out.push(`It comes there by the route ${wayText(r)}.`, groupText(r));
  if (r.group_wait !== undefined || r.repeat_interval !== undefined) out.push(timesText(r));
  if ((r.muted_by ?? []).length > 0) out.push(`It is muted now by the time interval ${list(r.muted_by!.map((m) => `“${m}”`))}.`);
  else if (r.active === false) out.push('Its time interval is not active now.');
  const last = at(r.last_told);
  if (last > 0) out.push(`It was told of this last ${humanDuration(Math.max(1, Math.floor(now - last)))} ago.`);
  const next = at(r.next ?? undefined);
  if (next > 0) out.push(next <= now ? 'The next message is due now.' : `The next message is due in ${humanDuration(Math.ceil(next - now))}.`);
  return out;
}

/** What keeps it quiet, each with a sentence. */
export function quietSentences(e: Explanation, until: (t: string) => string): string[] {
  return [
    ...(e.silenced_by ?? []).map((s) => `${s.ack ? 'Acknowledged' : 'Silenced'} by ${s.by}${s.until ? ` until ${until(s.until)}` : ' until it is over'}${s.comment ? `: “${s.comment}”` : ''}.`),
    ...(e.inhibited_by ?? []).map((i) => `Inhibited by ${i.name}${i.rule ? ` (${i.rule})` : ''}: while that one fires, this one is not told.`),
  ];
}

export function list(words: readonly string[]): string {
  return words.length < 2 ? (words[0] ?? 'nothing') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
}

export interface FlatRoute { node: RouteNode; depth: number; way: string; key: string }
/** The tree as rows, with what each inherits filled in: a value that is not written is its parent's. */
export function flatten(root: RouteNode): FlatRoute[] {
  const out: FlatRoute[] = [];
  const walk = (n: RouteNode, parent: RouteNode | undefined, depth: number, key: string) => {
    const node: RouteNode = {
      ...n, receiver: n.receiver || parent?.receiver || '', group_by: n.group_by ?? parent?.group_by ?? [], group_wait: n.group_wait ?? parent?.group_wait ?? '30s',
      group_interval: n.group_interval ?? parent?.group_interval ?? '5m', repeat_interval: n.repeat_interval ?? parent?.repeat_interval ?? '4h',
    };
    out.push({ node, depth, way: stepText(n.matchers ?? []), key });
    (n.routes ?? []).forEach((c, i) => walk(c, node, depth + 1, `${key}.${i}`));
  };
  walk(root, undefined, 0, '0');
  return out;
}

/** Whether the last try of an integration failed. */
export function failing(i: Integration): boolean { return i.failing === true || (i.last != null && !i.last.ok); }

/** name=value pairs as people type them: alertname=DiskFull host=db1, with or without commas and quotes. */
export function parseLabels(text: string): { labels: Record<string, string>; problem?: string } {
  const labels: Record<string, string> = {};
  const rest = text.trim().replace(/^\{|\}$/g, '').replace(/([A-Za-z_][\w.]*)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*,?/g, (_all, k: string, q: string | undefined, v: string | undefined) => { labels[k] = q !== undefined ? q.replace(/\\(.)/g, '$1') : v!; return ''; });
  if (rest.trim() !== '') return { labels, problem: `“${rest.trim()}” is not name=value.` };
  return { labels };
}
