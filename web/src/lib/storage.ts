// What /api/hulotte/v1/storage tells, and what the page makes of it. Pure.
import type { Status } from '../ui/status';
import { humanDuration } from './time';

export type RunKind = 'verify' | 'backup';
export type RunState = 'running' | 'sound' | 'damaged' | 'failed' | 'stopped';

export interface Finding { area: string; name: string; where: string; problem: string; effect?: string }
export interface Counts { journals: number; entries: number; documents: number; blobs: number; files: number; bytes: number }

export interface Run {
  id: string; kind: RunKind; node?: string; by?: string; started: string; ended?: string; state: RunState; error?: string;
  phase?: string; name?: string; counts: Counts; findings?: Finding[]; findings_total: number;
}

export interface Health { open: boolean; healthy: boolean; problem?: string; since: string }
export interface Contents {
  journals: { name: string; next: number; bytes: number }[]; journals_total: number; journal_bytes: number;
  blobs: number; blob_bytes: number; documents: number; document_bytes: number; kinds: number; partial: boolean; counted: string;
}
export interface Host { address: string; datacenter: string; rack: string; version: string; up: boolean }
export interface Node {
  id: string; host: string; address: string; role: string; version: string; started: string; beat: string; stopped?: string;
  state: 'alive' | 'silent' | 'stopped'; seen: string; self: boolean;
}

export interface Storage {
  medium: {
    type: 'local' | 'cassandra'; place: string; health: Health; durability: string; may_lose_seconds: number; free_bytes: number | null;
    contents: Contents | null; contents_problem?: string; hosts: Host[] | null;
    cluster?: { keyspace: string; datacenter: string; copies: Record<string, string>; consistency: string; schema: number } | null;
  };
  series: { place: string; bytes: number; free_bytes: number | null; tenants: string[]; durability: string; may_lose_seconds: number };
  nodes: Node[];
  run: Run | null;
  runs: Run[];
  runs_problem?: string;
}

export const runStatus: Record<RunState, Status> = { running: 'pending', sound: 'ok', damaged: 'crit', failed: 'crit', stopped: 'unknown' };
export const nodeStatus: Record<Node['state'], Status> = { alive: 'ok', silent: 'crit', stopped: 'maint' };

/** One status for the medium: broken, some host away, or fine. */
export function mediumStatus(m: Storage['medium']): { status: Status; text: string } {
  if (!m.health.open) return { status: 'crit', text: 'not there yet' };
  if (!m.health.healthy) return { status: 'crit', text: 'does not work' };
  const down = (m.hosts ?? []).filter((h) => !h.up).length;
  if (down > 0) return { status: 'warn', text: `works, ${down} of ${m.hosts!.length} hosts down` };
  return { status: 'ok', text: 'works' };
}

/** The promise in a few words; the sentence of the server says it in full. */
export function promise(mayLoseSeconds: number): string {
  if (mayLoseSeconds === 0) return 'nothing acknowledged is lost';
  if (mayLoseSeconds < 0) return 'as long as the operating system likes';
  return `a power cut may take back ${humanDuration(mayLoseSeconds)}`;
}

/** The newest run of a kind that came to its end. */
export function lastRun(runs: readonly Run[], kind: RunKind): Run | undefined {
  return runs.find((r) => r.kind === kind && (r.state === 'sound' || r.state === 'damaged'));
}

export const weekly = 8 * 86_400; // a weekly job, and a day for it to be late

/** How the last verify or backup stands: never done and long ago are worth a look, damage is worse. */
export function runStanding(runs: readonly Run[], kind: RunKind, now: number): { status: Status; text: string } {
  const last = lastRun(runs, kind);
  const latest = runs.find((r) => r.kind === kind);
  if (latest?.state === 'failed') return { status: 'crit', text: 'the last one failed' };
  if (!last) return { status: 'info', text: 'never' };
  if (last.state === 'damaged') return { status: 'crit', text: last.findings_total === 1 ? '1 finding' : `${last.findings_total.toLocaleString('en')} findings` };
  if (now - seconds(last.ended) > weekly) return { status: 'warn', text: 'long ago' };
  return { status: 'ok', text: 'sound' };
}

/** RFC 3339 to Unix seconds; NaN for what is none. */
export function seconds(time: string | undefined): number { return Date.parse(time ?? '') / 1000; }

export function took(r: Run, now: number): number { return Math.max(0, (r.ended ? seconds(r.ended) : now) - seconds(r.started)); }

/** Nodes that matter first: those that are silent, then this one, then by address. */
export function sortNodes(nodes: readonly Node[]): Node[] {
  const rank = (n: Node) => (n.state === 'silent' ? 0 : n.self ? 1 : n.state === 'alive' ? 2 : 3);
  return [...nodes].sort((a, b) => rank(a) - rank(b) || (a.address < b.address ? -1 : 1));
}
