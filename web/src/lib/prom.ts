// The shapes of Prometheus' HTTP API, as far as pages read them (prometheus.io/docs/prometheus/latest/querying/api).
import type { Labels } from './labels';

/** [Unix seconds, value as text]: JSON has no NaN and no infinities. */
export type Point = [number, string];

export interface Bucket { 0: number; 1: string; 2: string; 3: string }
export interface HistogramValue { count: string; sum: string; buckets?: Bucket[] }

export interface Sample { metric: Labels; value?: Point; histogram?: [number, HistogramValue] }
export interface Series { metric: Labels; values?: Point[]; histograms?: [number, HistogramValue][] }

export type QueryData =
  | { resultType: 'vector'; result: Sample[] }
  | { resultType: 'matrix'; result: Series[] }
  | { resultType: 'scalar'; result: Point }
  | { resultType: 'string'; result: Point };

export interface MetricMetadata { type: string; help: string; unit: string }

export interface ActiveTarget {
  discoveredLabels: Labels;
  labels: Labels;
  scrapePool: string;
  scrapeUrl: string;
  globalUrl: string;
  lastError: string;
  lastScrape: string;
  lastScrapeDuration: number;
  health: 'up' | 'down' | 'unknown';
  scrapeInterval?: string;
  scrapeTimeout?: string;
}

export interface DroppedTarget { discoveredLabels: Labels; scrapePool?: string }

/** What ours tells beyond Prometheus', of the last scrape; -1 where it is not known. */
export interface Target extends ActiveTarget { samples: number; samplesKept: number; seriesAdded: number; bodyBytes: number }

/** The answer of /api/hulotte/v1/targets. */
export interface TargetsData { active: Target[]; dropped: DroppedTarget[]; droppedCounts: Record<string, number> | null; pools: string[] }

export function parsePromNumber(text: string): number {
  if (text === '+Inf' || text === 'Inf') return Infinity;
  if (text === '-Inf') return -Infinity;
  return Number(text);
}
