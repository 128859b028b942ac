// The shapes of the API of checks, as check/check.go writes them. Times are RFC 3339 with the year 1 for "never", durations Go's text.

export type Word = 'OK' | 'WARNING' | 'CRITICAL' | 'UNKNOWN' | 'PENDING';
export type Handled = '' | 'acknowledged' | 'downtime' | 'unreachable' | 'host' | 'flapping';

export interface Perf { label: string; value: number | null; unit?: string; warn?: string; crit?: string; min?: number; max?: number }
export interface Ack { by: string; comment: string; at: string; until?: string; sticky: boolean }
export interface Dependency { host?: string; name?: string; fail_on?: Word[]; no_check?: boolean; group?: string }

export interface HostSpec { name: string; alias?: string; address?: string; labels?: Record<string, string>; groups?: string[]; parents?: string[]; runbook?: string; source?: string }
export interface Spec {
  host: string; name: string; kind: string; options?: unknown; labels?: Record<string, string>; groups?: string[]; runbook?: string; notes?: string; service?: string;
  interval?: string; retry_interval?: string; timeout?: string; max_attempts?: number; volatile?: boolean; passive?: boolean; freshness?: string;
  depends_on?: Dependency[]; period?: string; notify_period?: string; event_handler?: string[]; source?: string;
}

/** A check as the list has it. */
export interface View {
  id: string; spec: Spec;
  status: Word; hard: boolean; attempt: number; hard_status: Word; since: string; hard_since: string; last_check: string; last_ok: string;
  output: string; long_output?: string; perf?: Perf[] | null; duration: string;
  flapping: boolean; flap_percent: number; unreachable: boolean; stale: boolean; ack?: Ack;
  max_attempts: number; next_check?: string; latency: string; labels?: Record<string, string> | null; downtimes?: string[] | null; handled?: Handled; held: boolean; running: boolean;
}

export interface Summary {
  hosts: { up: number; down: number; unreachable: number; pending: number };
  checks: Partial<Record<Word, number>>;
  unhandled: Partial<Record<Word, number>>;
  handled: Partial<Record<Word, number>>;
}
export interface ListReply { at: string; summary: Summary; checks: View[] | null }

export interface Change {
  at: string; host: string; name: string; type: string; from: Word; to: Word; hard: boolean; attempt: number; output?: string; long_output?: string; by?: string; comment?: string; tell: boolean;
}
export interface Span { from: string; to: string; status: Word; hard: boolean; handled: boolean | string }
export interface Timeline { spans: Span[] | null; availability: Partial<Record<Word, number>> | null }
export interface Related { id: string; status: Word; hard: boolean; since?: string; output?: string }
export interface PastResult { at: string; status: Word; duration: string; output?: string; by: string }
export interface Explanation {
  id: string; why: string[] | null; parents?: Related[]; dependencies?: Related[]; downtimes?: Downtime[]; ack?: Ack; last_check?: string; next_check?: string; results?: PastResult[];
}
export interface CheckReply { view: View; host: HostSpec; explain: Explanation | null; dependents: string[] | null }

export interface Recurrence { weekdays?: number[]; days?: number[]; months?: number[]; zone?: string; until?: string }
export interface Downtime {
  id?: string; by?: string; comment: string; created?: string; checks?: string[]; matchers?: string[]; start: string; end: string;
  flexible?: boolean; length?: string; trigger?: string; every?: Recurrence; began?: Record<string, string>;
}
export interface Preview { checks: string[] | null; next: { start: string; end: string }[] | null }

export interface HostChecked { host: HostSpec; view?: View | null; worst: Word; checks: number; problems: number }

export interface Service {
  id: string; name: string; instance?: string; kind: string; title: string; pids?: number[]; exe?: string; cmdline?: string; started?: string;
  container?: { id: string; name?: string; image?: string; runtime?: string; namespace?: string; pod?: string; project?: string; service?: string };
  unit?: string; version?: string; listen?: Address[]; address?: Address; state: 'running' | 'gone' | 'inactive'; since: string; seen?: string;
  why?: string[] | null; check?: { kind?: string; options?: Record<string, unknown> }; metrics?: { kind?: string; options?: Record<string, unknown>; exporter?: string; job?: string };
  logs?: { path: string; format?: string }[]; labels?: Record<string, string>; alerts?: ServiceAlert[] | null; dashboards?: string[]; language?: string; source?: string; host?: string;
}
/** A rule that watches services of this kind; state is that of this one, runbook an ID. */
export interface ServiceAlert { group: string; name: string; severity?: string; state: 'inactive' | 'pending' | 'firing'; runbook?: string }
export interface Address { network: string; ip?: string; port?: number; path?: string; tls?: boolean; any?: boolean; local?: boolean }
