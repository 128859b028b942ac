// "The logs of this host": links name the thing, and the page finds out which label names it in the logs that are there. Shippers differ:
// what one calls host another calls instance or hostname. Pure.
import { quote } from './syntax';

export type SubjectKind = 'host' | 'container' | 'service';
export interface Subject { kind: SubjectKind; name: string }

/** The labels that may name a thing, in the order in which they are believed. */
export const labelsOf: Record<SubjectKind, readonly string[]> = {
  host: ['instance', 'host', 'hostname', 'host_name', 'node_name', 'node'],
  container: ['container', 'container_name', 'pod'],
  service: ['service_name', 'unit', 'systemd_unit', 'service', 'app', 'container', 'syslog_identifier'],
};
const kinds = Object.keys(labelsOf) as SubjectKind[];

/** What an address asks the logs of: ?host=web-1, ?host=web-1&container=api, ?service=nginx. */
export function subjectsIn(query: URLSearchParams): Subject[] {
  return kinds.flatMap((kind) => { const name = query.get(kind); return name ? [{ kind, name }] : []; });
}

export function withoutSubjects(query: URLSearchParams): URLSearchParams {
  const out = new URLSearchParams(query);
  for (const kind of kinds) out.delete(kind);
  return out;
}

/** A name without what only some say: the port of an instance, the kind of a systemd unit, the slash of a container. */
function bare(kind: SubjectKind, name: string): string {
  if (kind === 'host') return name.replace(/:\d+$/, '').toLowerCase();
  return kind === 'service' ? name.replace(/\.service$/, '') : name.replace(/^\//, '');
}

/** The query for the subjects, when the logs have these values of their labels. Where no label has the name, the likeliest one is asked for. */
export function subjectQuery(subjects: readonly Subject[], values: Readonly<Record<string, readonly string[]>>): string {
  const matchers: string[] = [];
  const filters: string[] = [];
  for (const s of subjects) {
    const found = labelsOf[s.kind].flatMap((label) => (values[label] ?? []).filter((v) => bare(s.kind, v) === bare(s.kind, s.name)).map((value) => `${label}=${quote(value)}`));
    if (found.length > 1) filters.push(` | ${found.join(' or ')}`);
    else matchers.push(found[0] ?? `${labelsOf[s.kind][0]!}=${quote(s.name)}`);
  }
  return `{${matchers.join(', ')}}${filters.join('')}`;
}
