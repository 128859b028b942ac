// Every page: where it lives, how it is called, where it stands in the rail. A page that is not in `load` does not exist: nothing links to it.
import type { Component } from 'svelte';
import type { IconName } from './ui/icons';

export interface Route {
  pattern: string;
  key: string;
  title: string;
  /** The page above it in the breadcrumb, by key. */
  parent?: string;
  /** Its group in the rail; without one it is reached from elsewhere. */
  group?: GroupKey;
  icon?: IconName;
  /** Two keys that jump to it, the first always g. */
  jump?: string;
  /** Words that find it in the palette besides its title. */
  words?: string;
}

export type GroupKey = 'overview' | 'infrastructure' | 'checks' | 'explore' | 'dashboards' | 'alerts' | 'settings';

/** The rail's groups, by what people come to do. A group shows when it has a page. */
export const groups: readonly { key: GroupKey; title: string }[] = [
  { key: 'overview', title: '' },
  { key: 'infrastructure', title: 'Infrastructure' },
  { key: 'checks', title: 'Checks' },
  { key: 'explore', title: 'Explore' },
  { key: 'dashboards', title: 'Dashboards' },
  { key: 'alerts', title: 'Alerts' },
  { key: 'settings', title: 'Settings' },
];

// The most specific pattern first.
export const routes: readonly Route[] = [
  { pattern: '/', key: 'overview', title: 'Overview', group: 'overview', icon: 'overview', jump: 'g o', words: 'home status problems hosts' },
  { pattern: '/hosts', key: 'hosts', title: 'Hosts', group: 'infrastructure', icon: 'host', jump: 'g h', words: 'machines servers nodes' },
  { pattern: '/hosts/:instance', key: 'host', title: 'Host', parent: 'hosts' },
  { pattern: '/services', key: 'services', title: 'Services', group: 'infrastructure', icon: 'box', jump: 'g v', words: 'discovered nginx postgresql redis applications containers' },
  { pattern: '/services/:name', key: 'service', title: 'Service', parent: 'services' },
  { pattern: '/network', key: 'network', title: 'Network', group: 'infrastructure', icon: 'network', jump: 'g n', words: 'snmp switches routers interfaces devices traffic errors neighbours lldp' },
  { pattern: '/network/:name', key: 'device', title: 'Device', parent: 'network' },
  { pattern: '/targets', key: 'targets', title: 'Targets', group: 'infrastructure', icon: 'target', jump: 'g t', words: 'scrape pools exporters health up down' },
  { pattern: '/checks', key: 'checks', title: 'Status', group: 'checks', icon: 'checks', jump: 'g c', words: 'checks problems unhandled nagios services acknowledge' },
  { pattern: '/checks/:host/:name', key: 'check', title: 'Check', parent: 'checks' },
  { pattern: '/downtimes', key: 'downtimes', title: 'Downtimes', group: 'checks', icon: 'pause', jump: 'g d', words: 'maintenance planned silence' },
  { pattern: '/status-pages', key: 'statuspages', title: 'Status pages', group: 'checks', icon: 'eye', words: 'public customers incidents uptime 90 days' },
  // A page without the shell: see wall.html.
  { pattern: '/wall', key: 'wall', title: 'Wall', group: 'checks', icon: 'system', jump: 'g w', words: 'noc big screen television kiosk' },
  { pattern: '/explore/metrics', key: 'metrics', title: 'Metrics', group: 'explore', icon: 'explore', jump: 'g m', words: 'promql query graph prometheus explore' },
  { pattern: '/explore/logs', key: 'logs', title: 'Logs', group: 'explore', icon: 'logs', jump: 'g l', words: 'logql search tail patterns loki errors explore' },
  { pattern: '/traces/file', key: 'tracefile', title: 'Trace file', group: 'explore', icon: 'traces', jump: 'g x', words: 'traces spans open upload otlp opentelemetry jaeger zipkin json waterfall flame graph' },
  { pattern: '/alerts', key: 'alerts', title: 'Alerts', group: 'alerts', icon: 'alerts', jump: 'g a', words: 'firing problems acknowledge silence alertmanager' },
  { pattern: '/alert', key: 'alert', title: 'Alert', parent: 'alerts' },
  { pattern: '/silences', key: 'silences', title: 'Silences', group: 'alerts', icon: 'pause', jump: 'g z', words: 'mute quiet alertmanager' },
  { pattern: '/rules', key: 'rules', title: 'Rules', group: 'alerts', icon: 'order', jump: 'g r', words: 'alerting recording groups backtest thresholds' },
  { pattern: '/receivers', key: 'receivers', title: 'Receivers', group: 'alerts', icon: 'target', jump: 'g e', words: 'routing tree routes notifications integrations deliveries test contact points' },
  { pattern: '/oncall', key: 'oncall', title: 'On-call', group: 'alerts', icon: 'clock', jump: 'g p', words: 'schedules rotation shifts overrides escalations people duty calendar' },
  { pattern: '/runbooks', key: 'runbooks', title: 'Runbooks', group: 'alerts', icon: 'book', jump: 'g b', words: 'procedures steps what to do' },
  { pattern: '/storage', key: 'storage', title: 'Storage', group: 'settings', icon: 'disk', jump: 'g s', words: 'medium backup restore verify cassandra durability nodes journals blobs documents disk' },
  { pattern: '/about', key: 'about', title: 'About', group: 'settings', icon: 'settings', jump: 'g i', words: 'version licences storage runtime flags configuration' },
];

// A map of imports, not a chain of conditions: of those the bundler loses the style sheets.
export const load: Record<string, () => Promise<{ default: Component }>> = {
  overview: () => import('./pages/Overview.svelte'),
  hosts: () => import('./pages/Hosts.svelte'),
  host: () => import('./pages/Host.svelte'),
  services: () => import('./pages/Services.svelte'),
  service: () => import('./pages/Service.svelte'),
  network: () => import('./pages/Network.svelte'),
  device: () => import('./pages/Device.svelte'),
  statuspages: () => import('./pages/StatusPages.svelte'),
  checks: () => import('./pages/Checks.svelte'),
  check: () => import('./pages/Check.svelte'),
  downtimes: () => import('./pages/Downtimes.svelte'),
  targets: () => import('./pages/Targets.svelte'),
  metrics: () => import('./pages/ExploreMetrics.svelte'),
  logs: () => import('./pages/ExploreLogs.svelte'),
  tracefile: () => import('./pages/TraceFile.svelte'),
  alerts: () => import('./pages/Alerts.svelte'),
  alert: () => import('./pages/Alert.svelte'),
  silences: () => import('./pages/Silences.svelte'),
  receivers: () => import('./pages/Receivers.svelte'),
  rules: () => import('./pages/Rules.svelte'),
  runbooks: () => import('./pages/Runbooks.svelte'),
  oncall: () => import('./pages/OnCall.svelte'),
  storage: () => import('./pages/Storage.svelte'),
  about: () => import('./pages/About.svelte'),
};
