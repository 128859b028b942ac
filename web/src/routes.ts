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
  { pattern: '/targets', key: 'targets', title: 'Targets', group: 'infrastructure', icon: 'target', jump: 'g t', words: 'scrape pools exporters health up down' },
  { pattern: '/explore/metrics', key: 'metrics', title: 'Metrics', group: 'explore', icon: 'explore', jump: 'g m', words: 'promql query graph prometheus explore' },
  { pattern: '/explore/logs', key: 'logs', title: 'Logs', group: 'explore', icon: 'logs', jump: 'g l', words: 'logql search tail patterns loki errors explore' },
  { pattern: '/storage', key: 'storage', title: 'Storage', group: 'settings', icon: 'disk', jump: 'g s', words: 'medium backup restore verify cassandra durability nodes journals blobs documents disk' },
  { pattern: '/about', key: 'about', title: 'About', group: 'settings', icon: 'settings', jump: 'g a', words: 'version licences storage runtime flags configuration' },
];

// A map of imports, not a chain of conditions: of those the bundler loses the style sheets.
export const load: Record<string, () => Promise<{ default: Component }>> = {
  overview: () => import('./pages/Overview.svelte'),
  hosts: () => import('./pages/Hosts.svelte'),
  host: () => import('./pages/Host.svelte'),
  targets: () => import('./pages/Targets.svelte'),
  metrics: () => import('./pages/ExploreMetrics.svelte'),
  logs: () => import('./pages/ExploreLogs.svelte'),
  storage: () => import('./pages/Storage.svelte'),
  about: () => import('./pages/About.svelte'),
};
