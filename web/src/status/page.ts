// The data of a public status page, and what is drawn of it. Pure.
import { statusOf } from '../lib/checks/checks';
import type { Word } from '../lib/checks/types';
import { rank, type Status } from '../ui/status';

export interface Day { day: string; status: Word; down_seconds: number }
export interface Item { name: string; status: Word; /** 0 to 1; null before it was watched */ uptime_90d: number | null; days: Day[] | null }
export interface Update { at: string; state: string; text: string }
export interface Incident { id: string; title: string; resolved: boolean; started: string; /** the newest first */ updates: Update[] | null }
export interface Group { name: string; items: Item[] | null }
export interface StatusReply { slug?: string; title: string; description?: string; status?: Word; groups: Group[] | null; incidents: Incident[] | null; at: string }

export const statusText: Record<Status, string> = { ok: 'works', warn: 'troubled', crit: 'down', unknown: 'not known', pending: 'not known yet', maint: 'maintenance', info: '' };

export function worstOf(items: readonly Item[]): Status {
  return items.reduce<Status>((w, i) => (rank(statusOf(i.status)) < rank(w) ? statusOf(i.status) : w), 'ok');
}

export function headline(items: readonly Item[]): { status: Status; text: string } {
  if (items.length === 0) return { status: 'pending', text: 'Nothing is shown here yet' };
  const down = items.filter((i) => i.status === 'CRITICAL').length;
  const worst = worstOf(items);
  if (worst === 'crit') return { status: 'crit', text: down === items.length ? 'Everything is down' : `${down} of ${items.length} ${down === 1 ? 'is' : 'are'} down` };
  if (worst === 'ok') return { status: 'ok', text: 'Everything works' };
  return { status: worst, text: worst === 'warn' ? 'Some things are troubled' : 'Not everything is known' };
}

const dayMs = 86_400_000;

/** The last n days up to `at`, oldest first; a day that the server does not tell of is not known. */
export function lastDays(days: readonly Day[], atMs: number, n = 90): (Day | null)[] {
  const known = new Map(days.map((d) => [d.day.slice(0, 10), d]));
  const today = Math.floor(atMs / dayMs);
  return Array.from({ length: n }, (_, i) => known.get(new Date((today - n + 1 + i) * dayMs).toISOString().slice(0, 10)) ?? null);
}

/** Marks of days as one path for each look: 90 days of 50 items are a few hundred elements, not thousands. */
export function dayPaths(days: readonly (Day | null)[], step: number, height: number): { status: Status | 'none'; d: string }[] {
  const out = new Map<Status | 'none', string>();
  days.forEach((day, i) => {
    const s = day && day.status !== 'PENDING' ? statusOf(day.status) : 'none';
    out.set(s, `${out.get(s) ?? ''}M${i * step} 0h${step - 1}v${height}h${1 - step}z`);
  });
  return [...out].map(([status, d]) => ({ status, d }));
}

export function dayText(day: Day | null): string {
  if (!day) return 'not known';
  if (day.down_seconds <= 0) return day.status === 'OK' ? 'no outage' : statusText[statusOf(day.status)];
  const m = Math.round(day.down_seconds / 60);
  return `down for ${m < 1 ? `${Math.round(day.down_seconds)} s` : m < 60 ? `${m} min` : `${Math.floor(m / 60)} h ${m % 60} min`}`;
}

/** How an incident looks: planned work is no failure. */
export function incidentStatus(i: Incident): Status {
  if (i.resolved) return 'ok';
  return i.updates?.[0]?.state === 'maintenance' ? 'maint' : 'crit';
}

/** When a resolved incident ended: with its last word. */
export function incidentEnd(i: Incident): string { return i.resolved ? (i.updates?.[0]?.at ?? '') : ''; }
