// The shapes of the API of alerting. Times are RFC 3339. Lists may be null: Go writes an empty slice so.

export type State = 'pending' | 'active' | 'suppressed' | 'resolved';
export type Source = 'rule' | 'check' | 'api';

export interface Ack { by: string; comment: string; at: string; until?: string }
export interface RuleRef { group: string; name: string; file?: string }

export interface AlertView {
  fingerprint: string; labels: Record<string, string> | null; annotations?: Record<string, string> | null;
  starts_at: string; ends_at?: string; updated_at?: string; generator_url?: string;
  state: State; silenced_by?: string[] | null; inhibited_by?: string[] | null; muted_by?: string[] | null; receivers?: string[] | null;
  ack?: Ack | null; source?: Source; rule?: RuleRef | null; value?: string | number;
}

export interface Counts { active: number; suppressed: number; acknowledged: number; pending: number }
export interface AlertsReply { at: string; counts: Counts; told: boolean; alerts: AlertView[] | null; problem?: string; total?: number }

export interface Told { fingerprint: string; name?: string; status: 'firing' | 'resolved' }
export interface Delivery {
  id: string; at: string; receiver: string; integration: string; index: number; group_key?: string; group_labels?: Record<string, string> | null;
  alerts?: Told[] | null; attempt: number; /** Go's nanoseconds, or seconds, or its text. */ duration?: number | string; seconds?: number;
  ok: boolean; retry?: boolean; test?: boolean; error?: string; answer?: string;
}

export interface RouteStep { receiver: string; route: (string | string[])[] | null; group_by?: string[] | null; group_labels?: Record<string, string> | null; group_wait?: string | number; group_interval?: string | number; repeat_interval?: string | number;
  integrations?: (string | { kind: string; index?: number; to?: string })[] | null; muted_by?: string[] | null; active?: boolean; last_told?: string; next?: string | null; told?: Delivery[] | null; people?: (string | Person)[] | null }
export interface Person { name?: string; contact?: string; team?: string; until?: string; role?: string }
export interface Explanation {
  labels: Record<string, string> | null; receivers: RouteStep[] | null; raised?: boolean; silenced_by?: { id: string; by: string; comment: string; until?: string; ack?: boolean }[] | null;
  inhibited_by?: { fingerprint: string; name: string; rule?: string }[] | null; verdict: string;
}

export interface RuleDetail extends RuleRef { query: string; for?: string | number; keep_firing_for?: string | number; labels?: Record<string, string> | null; annotations?: Record<string, string> | null; language?: string }
export interface TimelineEvent { at: string; type: string; text: string; by?: string }
export interface AlertReply { alert: AlertView; rule?: RuleDetail | null; explanation?: Explanation | null; timeline?: TimelineEvent[] | null; deliveries?: Delivery[] | null; runbook?: { id: string; title: string } | null }

// Alertmanager's API v2.
export interface V2Matcher { name: string; value: string; isRegex: boolean; isEqual: boolean }
export interface Silence { id?: string; matchers: V2Matcher[]; startsAt: string; endsAt: string; createdBy: string; comment: string; status?: { state: 'active' | 'pending' | 'expired' }; updatedAt?: string; annotations?: Record<string, string> }
export interface SilencePreview { alerts: AlertView[] | null; total: number }

// Routing and receivers.
export interface RouteNode {
  receiver: string; matchers?: string[] | null; group_by?: string[] | null; group_by_all?: boolean; group_wait?: string | number; group_interval?: string | number; repeat_interval?: string | number;
  mute_time_intervals?: string[] | null; active_time_intervals?: string[] | null; muted_by?: string[] | null; continue?: boolean; routes?: RouteNode[] | null; alerts?: number;
}
export interface InhibitRule { name?: string; source: string[]; target: string[]; equal?: string[] | null }
export interface TimeInterval { name: string; times?: unknown; active?: boolean }
export interface RoutingReply { route: RouteNode | null; inhibit_rules?: InhibitRule[] | null; time_intervals?: TimeInterval[] | null; told?: boolean }
export interface Integration { kind: string; index: number; to?: string; last?: Delivery | null; failing?: boolean; failing_since?: string; error?: string; send_resolved?: boolean }
export interface Receiver { name: string; integrations: Integration[] | null; people?: (string | Person)[] | null; used?: boolean }
export interface ReceiversReply { receivers: Receiver[] | null; told?: boolean }

// Rules.
export interface RuleAlert { labels: Record<string, string>; annotations?: Record<string, string>; state: string; activeAt?: string; value: string }
export interface Rule {
  type: 'alerting' | 'recording'; name: string; query: string; state?: 'inactive' | 'pending' | 'firing' | 'unknown'; duration?: number; keepFiringFor?: number; labels?: Record<string, string>; annotations?: Record<string, string>;
  alerts?: RuleAlert[] | null; health: 'ok' | 'err' | 'unknown'; lastError?: string; evaluationTime: number; lastEvaluation: string;
}
export interface RuleSet { name: string; source: 'file' | 'document' | 'default'; path: string; language?: 'promql' | 'logql'; yaml?: string; version?: number; by?: string; at?: string; problem?: string; interval: number; rules: Rule[] | null }
export interface Firing { labels: Record<string, string>; annotations?: Record<string, string>; active_at?: string; from: string; to: string | null; value: string }
export interface BacktestReply { fired: number; firings: Firing[] | null; step?: number; series: { resultType: 'matrix'; result: { metric: Record<string, string>; values?: [number, string][] }[] | null }; operator?: string; limit?: string | number; warnings?: string[] | null }
export type NoiseKind = 'flapping' | 'never' | 'always' | 'ignored' | '';
export interface Noise { name: string; fired: number; resolved: number; flapping: number; minutes: number; acted: number; kind: NoiseKind }

// Runbooks.
export interface RunbookHead { id: string; title: string; source: 'default' | 'file' | 'document'; path?: string; match?: string[] | null; steps?: number; version?: number; by?: string; at?: string; /** Deleting it brings back one of the program or of a file. */ hides?: boolean }
export interface StepDone { runbook: string; step: number; text?: string; done: boolean; by?: string; at?: string; comment?: string }
export interface RunbookReply extends RunbookHead { text: string; /** The same with the alert's labels in its queries. */ filled?: string; done?: StepDone[] | null }
export interface StepsReply { steps: StepDone[] | null; log?: StepDone[] | null }

// People.
export interface Contact { name: string; title?: string; zone?: string; methods?: { kind: string; to: string }[] | null; version?: number }
export interface Team { name: string; members?: string[] | null; contacts?: string[] | null; schedule?: string; escalation?: string; version?: number; [more: string]: unknown }
export interface NowOn { contact: string; until?: string; layer?: string; override?: boolean; from?: string }
export interface Schedule { name: string; zone?: string; now?: NowOn[] | null; next?: NowOn[] | null; version?: number; [more: string]: unknown }
export interface Step { after?: string; tell: { contact?: string; schedule?: string; team?: string }[] | null }
export interface Escalation { name: string; steps?: Step[] | null; repeat?: number; version?: number }
export interface ActiveEscalation { id: string; team?: string; escalation?: string; alerts?: (string | { fingerprint: string; name?: string })[] | null; step: number; steps?: number; next_at?: string; acked_by?: string }
export interface OnCallReply { contacts: Contact[] | null; teams: Team[] | null; schedules: Schedule[] | null; escalations: Escalation[] | null; active: ActiveEscalation[] | null }
export interface Shift { from: string; to: string; contact: string; layer?: string; override?: boolean; id?: string; comment?: string }
