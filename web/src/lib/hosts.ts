// What the server tells about machines, as rows, and what the pages derive from it. Pure; sizes in bytes, times in Unix seconds, shares in percent.
import type { ChartSeries } from './chartdata';
import type { Status } from '../ui/status';
import type { ScopeLabel } from './urlstate';

type N = number | null;

export interface Reason { rule: string; status: Status; subject?: string; text: string }

export interface Host {
  instance: string; name: string; job: string; labels: Record<string, string> | null;
  os: string; kernel: string; arch: string; hardware: string;
  cpus: N; booted: N; age: N; stale: boolean; status: Status; reasons: Reason[] | null;
  cpu: N; cpu_user: N; cpu_system: N; cpu_iowait: N; cpu_steal: N; load1: N; load5: N; load15: N;
  mem_total: N; mem_available: N; mem: N; mem_cached: N; mem_free: N; swap_total: N; swap_used: N; swap_pages: N;
  psi_cpu: N; psi_mem: N; psi_io: N; net_rx: N; net_tx: N; io: N; io_read: N; io_write: N;
  temp: N; containers: N; failed_units: N; procs_running: N; procs_blocked: N; procs_zombie: N; clock_offset: N; clock: string;
}
export interface Disk { host: number; mount: string; also: string[] | null; device: string; type: string; size: N; used: N; avail: N; used_pct: N; inodes_pct: N; full_in: N; read_only: boolean; error: boolean; status: Status }
export interface NetInterface { host: number; device: string; link: string; rx: N; tx: N; errors: N; drops: N; speed: N; mac: string; inner: boolean }
export interface Device { host: number; device: string; model: string; util: N; read: N; write: N; reads: N; writes: N; await: N }
export interface Change { at: number; kind: string; status: Status; instance: string; subject: string; text: string; link: string }
export interface Target { job: string; instance: string }
export interface Unit { name: string; type: string; state: string }
export interface Group { name: string; procs: N; threads: N; cpu: N; memory: N; read: N; write: N; files: N }
export interface Container { name: string; image: string; id: string; cpu: N; throttled: N; memory: N; memory_max: N; rx: N; tx: N; started: N }
export interface Sparks { cpu: N[]; mem: N[]; net: N[]; io: N[] }
export interface Counts { hosts: number; ok: number; warn: number; crit: number; unknown: number; targets_up: number; targets_down: number }

/** A table as the server sends it: columns; one that is empty in every row is left out. */
export type Columns = { n: number } & Record<string, readonly unknown[] | number>;

export interface OverviewReply {
  at: number; counts: Counts; hosts: Columns; disks: Columns; interfaces: Columns; devices: Columns;
  sparks: { from: number; step: number; rows: Columns }; targets_down: Columns; changes: Columns; cut: boolean; more_changes: number;
}
export interface PageReply {
  at: number; host: Host; disks: Columns; interfaces: Columns; devices: Columns; units: Columns; groups: Columns; containers: Columns;
  facts: { name: string; value: string }[] | null; changes: Columns;
}
export interface Process {
  pid: number; parent: number; group: string; name: string; command: string; user: string; state: string; kernel: boolean; cpu: number; rss: number; swap: number;
  read: number; write: number; has_io: boolean; threads: number; fds: number; started: number;
}
export interface ChartsReply {
  from: number; step: number; points: number;
  panels: { id: string; title: string; unit: string; stacked: boolean; queries: string[]; lines: { name: string; values: N[] }[]; more: number; max: N }[] | null;
}

/** Columns as rows. A field whose column was left out is what `missing` says. */
export function rows<T extends object>(columns: Columns, missing: T): T[] {
  const keys = Object.keys(missing) as (keyof T & string)[];
  return Array.from({ length: columns.n }, (_, i) => {
    const row = { ...missing };
    for (const key of keys) {
      const column = columns[key];
      if (Array.isArray(column)) row[key] = column[i] as T[typeof key];
    }
    return row;
  });
}

const noHost: Host = {
  instance: '', name: '', job: '', labels: null, os: '', kernel: '', arch: '', hardware: '', cpus: null, booted: null, age: null, stale: false, status: 'ok', reasons: null,
  cpu: null, cpu_user: null, cpu_system: null, cpu_iowait: null, cpu_steal: null, load1: null, load5: null, load15: null, mem_total: null, mem_available: null, mem: null,
  mem_cached: null, mem_free: null, swap_total: null, swap_used: null, swap_pages: null, psi_cpu: null, psi_mem: null, psi_io: null, net_rx: null, net_tx: null, io: null,
  io_read: null, io_write: null, temp: null, containers: null, failed_units: null, procs_running: null, procs_blocked: null, procs_zombie: null, clock_offset: null, clock: '',
};
const noDisk: Disk = { host: 0, mount: '', also: null, device: '', type: '', size: null, used: null, avail: null, used_pct: null, inodes_pct: null, full_in: null, read_only: false, error: false, status: 'ok' };
const noInterface: NetInterface = { host: 0, device: '', link: '', rx: null, tx: null, errors: null, drops: null, speed: null, mac: '', inner: false };
const noDevice: Device = { host: 0, device: '', model: '', util: null, read: null, write: null, reads: null, writes: null, await: null };
const noChange: Change = { at: 0, kind: '', status: 'ok', instance: '', subject: '', text: '', link: '' };
const noUnit: Unit = { name: '', type: '', state: '' };
const noGroup: Group = { name: '', procs: null, threads: null, cpu: null, memory: null, read: null, write: null, files: null };
const noContainer: Container = { name: '', image: '', id: '', cpu: null, throttled: null, memory: null, memory_max: null, rx: null, tx: null, started: null };
const noSparks: Sparks & { host: number } = { host: 0, cpu: [], mem: [], net: [], io: [] };

/** One host with what belongs to it. */
export interface Machine extends Host { disks: Disk[]; interfaces: NetInterface[]; devices: Device[]; sparks: Sparks }

export interface Overview { at: number; counts: Counts; machines: Machine[]; down: Target[]; changes: Change[]; moreChanges: number; cut: boolean;
  /** No host has reported for longer than ten minutes: the courses are of that time. */
  young: boolean }

export function decodeOverview(reply: OverviewReply): Overview {
  const machines: Machine[] = rows(reply.hosts, noHost).map((h) => ({ ...h, disks: [], interfaces: [], devices: [], sparks: noSparks }));
  for (const d of rows(reply.disks, noDisk)) machines[d.host]?.disks.push(d);
  for (const n of rows(reply.interfaces, noInterface)) machines[n.host]?.interfaces.push(n);
  for (const d of rows(reply.devices, noDevice)) machines[d.host]?.devices.push(d);
  for (const s of rows(reply.sparks.rows, noSparks)) if (machines[s.host]) machines[s.host]!.sparks = { cpu: s.cpu ?? [], mem: s.mem ?? [], net: s.net ?? [], io: s.io ?? [] };
  return {
    at: reply.at / 1000, counts: reply.counts, machines, down: rows<Target>(reply.targets_down, { job: '', instance: '' }),
    changes: rows(reply.changes, noChange), moreChanges: reply.more_changes, cut: reply.cut, young: reply.sparks.step < 60,
  };
}

export interface HostPage { at: number; machine: Machine; units: Unit[]; groups: Group[]; containers: Container[]; facts: { name: string; value: string }[]; changes: Change[] }

export function decodePage(reply: PageReply): HostPage {
  return {
    at: reply.at / 1000,
    machine: {
      ...noHost, ...reply.host, disks: rows(reply.disks, noDisk), interfaces: rows(reply.interfaces, noInterface), devices: rows(reply.devices, noDevice), sparks: noSparks,
    },
    units: rows(reply.units, noUnit), groups: rows(reply.groups, noGroup), containers: rows(reply.containers, noContainer), facts: reply.facts ?? [], changes: rows(reply.changes, noChange),
  };
}

/** The tab of a host's page where a reason is shown best. */
export function tabOfRule(rule: string): string {
  if (rule.startsWith('disk-') || rule === 'raid') return 'mounts';
  if (rule === 'units-failed') return 'units';
  if (rule.startsWith('network') || rule === 'bond' || rule === 'conntrack') return 'network';
  if (rule === 'oom-kill' || rule === 'zombies' || rule === 'blocked') return 'processes';
  if (rule === 'clock') return 'facts';
  return 'overview';
}

/** Whether a host is within the scope that the top bar narrows every page to. A label that the host does not have does not match. */
export function inScope(h: Host, scope: readonly ScopeLabel[]): boolean {
  return scope.every(({ name, values }) => {
    const value = name === 'instance' ? h.instance : name === 'job' ? h.job : h.labels?.[name];
    return value !== undefined && values.includes(value);
  });
}

/** Whether a host answers what was typed: every word occurs in its name, labels, system, or what is wrong with it. */
export function matches(h: Host, text: string): boolean {
  const hay = [h.name, h.instance, h.os, h.kernel, h.status, ...Object.values(h.labels ?? {}), ...(h.reasons ?? []).map((r) => r.text)].join(' ').toLowerCase();
  return text.toLowerCase().split(/\s+/).every((word) => hay.includes(word));
}

/** The labels by which hosts can be grouped: those that some host has, and that do not tell every host apart. */
export function groupLabels(hosts: readonly Host[]): string[] {
  const values = new Map<string, Set<string>>();
  for (const h of hosts) for (const [k, v] of Object.entries({ ...h.labels, job: h.job, os: h.os })) values.set(k, (values.get(k) ?? new Set()).add(v));
  return [...values].filter(([, set]) => set.size > 1 && set.size < hosts.length).map(([k]) => k).sort();
}

export function groupValue(h: Host, label: string): string {
  return (label === 'job' ? h.job : label === 'os' ? h.os : h.labels?.[label]) ?? '';
}

/** Hosts by the value of a label, the group with the worst host first. */
export function grouped<T extends Host>(hosts: readonly T[], label: string): { value: string; hosts: T[] }[] {
  const groups = new Map<string, T[]>();
  for (const h of hosts) groups.set(groupValue(h, label), [...(groups.get(groupValue(h, label)) ?? []), h]);
  return [...groups].map(([value, list]) => ({ value, hosts: list })); // hosts come worst first, so groups do
}

/** How bad a share is by the table of thresholds' habit: for the colour of a bar only; the status comes from the server. */
export function level(pct: N, warn = 90, crit = 95): Status {
  if (pct === null) return 'ok';
  return pct >= crit ? 'crit' : pct >= warn ? 'warn' : 'ok';
}

/** "data 3 s old" counts on between answers: the age that the server told plus what has passed since. */
export function ageNow(age: N, at: number, now: number): N {
  return age === null ? null : Math.max(0, age + Math.max(0, now - at));
}

/** Changes of one kind within a few minutes as one line: a fleet that starts to report is one piece of news, not forty. */
export interface ChangeGroup { first: Change; rest: Change[] }
export function foldChanges(changes: readonly Change[], name: (instance: string) => string): (ChangeGroup & { text: string })[] {
  const out: ChangeGroup[] = [];
  for (const c of changes) {
    const open = out.findLast((g) => g.first.kind === c.kind && g.first.status === c.status && g.first.at - c.at <= 180 && g.first.instance !== c.instance && foldable.has(c.kind));
    if (open) open.rest.push(c);
    else out.push({ first: c, rest: [] });
  }
  return out.map((g) => ({ ...g, text: g.rest.length === 0 ? g.first.text : g.first.text.replace(name(g.first.instance), `${name(g.first.instance)} and ${g.rest.length} ${g.rest.length === 1 ? 'other' : 'others'}`) }));
}
const foldable = new Set(['host-new', 'host-gone', 'reboot']);

/** The last part of a course that has values, at least a quarter of it: a host that is new has a line, not a dot at the edge. */
export function recentPart(values: readonly N[], least = Math.ceil(values.length / 4)): readonly N[] {
  const first = values.findIndex((v) => v !== null);
  return first < 0 ? values : values.slice(Math.max(0, Math.min(first, values.length - least)));
}

/** The processes that use most, kernel threads left out unless they are busy. */
export function topOf(all: readonly Process[], n: number): Process[] {
  return all.filter((p) => !p.kernel || p.cpu >= 1).sort((a, b) => b.cpu - a.cpu || b.rss - a.rss).slice(0, n);
}

// Lines whose meaning is fixed keep their colour on every host.
const fixedColours: Record<string, string> = {
  'cpu user': 'var(--series-0)', 'cpu system': 'var(--series-1)', 'cpu iowait': 'var(--series-3)', 'cpu steal': 'var(--series-6)',
  'memory used': 'var(--series-1)', 'memory reclaimable': 'var(--series-0)', 'memory free': 'var(--line-strong)', 'load CPUs': 'var(--fg-faint)', 'swap size': 'var(--fg-faint)', 'swap used': 'var(--series-3)',
  'load 1 min': 'var(--series-0)', 'load 5 min': 'var(--series-1)', 'load 15 min': 'var(--series-3)', 'processes running': 'var(--series-0)', 'processes blocked': 'var(--series-6)',
  'pressure CPU, some': 'var(--series-0)', 'pressure memory, some': 'var(--series-1)', 'pressure memory, all': 'var(--series-6)', 'pressure I/O, some': 'var(--series-2)', 'pressure I/O, all': 'var(--series-3)',
};

export type HostPanel = NonNullable<ChartsReply['panels']>[number] & { series: ChartSeries[] };

/** Charts as the chart component takes them. */
/** The least that charts of a new host show: younger ones would change their scale with every sample. Seconds. */
const leastShown = 600;

/** Where the charts of a host begin, so that one which started to report within the range is not drawn into its last corner. Unix seconds. */
export function chartsFrom(changes: readonly Change[], start: number, end: number): number {
  const began = changes.find((c) => c.kind === 'host-new')?.at;
  return began === undefined ? start : Math.max(start, Math.min(began - 30, end - leastShown));
}

export function chartsOf(reply: ChartsReply): { times: number[]; panels: HostPanel[] } {
  const times = Array.from({ length: reply.points }, (_, i) => reply.from + i * reply.step);
  const line = (panel: string, l: { name: string; values: N[] }, i: number): ChartSeries => {
    const colour = fixedColours[`${panel} ${l.name}`];
    const limit = `${panel} ${l.name}` === 'load CPUs' || `${panel} ${l.name}` === 'swap size';
    return { key: l.name, name: l.name, values: l.values, ...(colour ? { colour } : { hue: i % 8 }), ...(limit ? { dash: [4, 4] } : {}) };
  };
  return { times, panels: (reply.panels ?? []).map((p) => ({ ...p, series: p.lines.map((l, i) => line(p.id, l, i)) })) };
}
