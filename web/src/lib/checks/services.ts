// Discovered services as rows: what they are, why they are known, how they are watched. Pure.
import type { Status } from '../../ui/status';
import { statusOf, type Check } from './checks';
import type { Address, Service, ServiceAlert } from './types';

export interface Row { s: Service; check: Check | undefined; status: Status; title: string; where: string; watched: { check: string; metrics: string; logs: number } }

export function addressText(a: Address | undefined): string {
  if (!a) return '';
  if (a.network === 'unix') return a.path ?? '';
  if (!a.ip && !a.port) return '';
  return `${a.ip?.includes(':') ? `[${a.ip}]` : (a.ip ?? '')}:${a.port ?? ''}${a.network === 'udp' ? '/udp' : ''}`;
}

export function whereText(s: Service): string {
  if (s.container) return s.container.pod ? `pod ${s.container.namespace ? `${s.container.namespace}/` : ''}${s.container.pod}` : `container ${s.container.name || s.container.id.slice(0, 12)}`;
  if (s.unit) return s.unit;
  return s.pids?.length ? `process ${s.pids[0]}` : '';
}

/** The check that asks a service: the one that names it, by its identity or its name. */
export function checkOf(s: Service, checks: readonly Check[]): Check | undefined {
  const named = checks.filter((c) => { const of = c.view.spec?.service; return of !== undefined && of !== '' && (of === s.id || of === s.name); });
  return named.find((c) => c.view.spec.service === s.id) ?? named.find((c) => c.name === s.id || c.name === s.name) ?? named[0];
}

export function serviceRows(services: readonly Service[], checks: readonly Check[]): Row[] {
  const own = checks.filter((c) => c.view.spec?.service);
  const rank = (r: Row) => ({ running: 0, gone: -1, inactive: 9 })[r.s.state] ?? 0;
  const bad: Record<Status, number> = { crit: 0, unknown: 1, warn: 2, maint: 3, pending: 4, ok: 5, info: 6 };
  return services.map((s): Row => {
    const check = checkOf(s, own);
    return {
      s, check, status: s.state === 'inactive' ? 'info' : check ? (check.handled !== '' && check.problem ? 'maint' : statusOf(check.word)) : s.state === 'gone' ? 'crit' : 'info',
      title: s.title || s.name, where: whereText(s), watched: { check: s.check?.kind ?? '', metrics: s.metrics?.kind ?? '', logs: s.logs?.length ?? 0 },
    };
  }).sort((a, b) => bad[a.status] - bad[b.status] || rank(a) - rank(b) || a.s.id.localeCompare(b.s.id, 'en', { numeric: true }));
}

/** What a service says of itself in words: "check: http, metrics: nginx (nginx_exporter's names), 2 log files". */
export function watchedText(r: Row): string {
  const parts = [r.watched.check ? `check ${r.watched.check}` : 'no check', r.watched.metrics ? `metrics ${r.watched.metrics}` : 'no metrics', r.watched.logs > 0 ? `${r.watched.logs} log ${r.watched.logs === 1 ? 'file' : 'files'}` : 'no logs'];
  return parts.join(', ');
}

/** How a service stands with one of its alerting rules: a rule that does not fire is as good as a check that is OK. */
export function alertStatus(a: ServiceAlert): Status {
  if (a.state === 'firing') return a.severity === 'critical' ? 'crit' : a.severity === 'none' || a.severity === 'info' ? 'info' : 'warn';
  return a.state === 'pending' ? 'pending' : 'ok';
}

export function alertSaid(a: ServiceAlert): string {
  return { firing: 'firing', pending: 'true, not yet for long enough', inactive: 'not firing' }[a.state];
}
