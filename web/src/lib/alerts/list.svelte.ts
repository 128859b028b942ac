// The list of alerts as it is now: asked for at each piece of news, never twice at once.
import { untrack } from 'svelte';
import { ApiError, get, type Params } from '../api';
import { live } from '../live.svelte';
import { view } from '../view.svelte';
import { alertAct } from './act.svelte';
import { decode, news, order, unique, type Alert } from './alerts';
import type { AlertsReply, Counts } from './types';

const path = 'api/hulotte/v1/alerts';
/** What the server is asked for at most. */
export const mostAlerts = 20_000;
/** Between two requests, at least: a storm of changes is shown a few times a second, not at each of them. */
const restLeast = 250; // ms

export class AlertList {
  rows = $state.raw<readonly Alert[] | undefined>(undefined);
  counts = $state.raw<Counts | undefined>(undefined);
  /** Whether any receiver tells anybody. */
  told = $state(true);
  error = $state.raw<ApiError | undefined>(undefined);
  /** Unix seconds of the last good answer, by this browser's clock. */
  at = $state(0);
  fresh = $state.raw<readonly { id: string; seen: number }[]>([]);
  /** For those who do not see the list: what came. */
  announcement = $state('');

  #params: Params = {};
  #busy = false;
  #dirty = false;
  #restUntil = 0;
  #abort = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;

  start(params: Params): () => void {
    this.#params = params;
    this.#abort.abort();
    this.#abort = new AbortController();
    this.#busy = false;
    this.#restUntil = 0;
    this.ask();
    return () => { this.#abort.abort(); clearTimeout(this.#timer); };
  }

  /** Asks soon: now, or after the request that is on its way. */
  ask(): void {
    if (this.#busy) { this.#dirty = true; return; }
    clearTimeout(this.#timer);
    const rest = this.#restUntil - performance.now();
    if (rest > 0) this.#timer = setTimeout(() => void this.#load(), rest);
    else void this.#load();
  }

  async #load(): Promise<void> {
    const signal = this.#abort.signal;
    this.#busy = true;
    this.#dirty = false;
    const started = performance.now();
    try {
      const { data } = await get<AlertsReply>(path, { limit: mostAlerts, ...this.#params }, signal);
      if (signal.aborted) return;
      const old = this.rows;
      const next = unique((data.alerts ?? []).map(decode)).sort(order);
      if (old) this.#tell(news(old, next));
      this.rows = next;
      this.counts = data.counts;
      this.told = data.told !== false;
      this.error = undefined;
      this.at = Date.now() / 1000;
    } catch (e) {
      if (signal.aborted) return;
      this.error = e instanceof ApiError ? e : new ApiError('internal', e instanceof Error ? e.message : String(e));
    } finally {
      if (!signal.aborted) {
        this.#busy = false;
        this.#restUntil = performance.now() + Math.max(restLeast, 2 * (performance.now() - started));
        if (this.#dirty) this.ask();
      }
    }
  }

  #tell(list: readonly Alert[]): void {
    if (list.length === 0) return;
    const seen = Date.now() / 1000;
    this.fresh = [...list.map((a) => ({ id: a.id, seen })), ...this.fresh.filter((f) => seen - f.seen < 60)].slice(0, 200);
    const first = list[0]!;
    this.announcement = `New alert: ${first.name} ${first.subject}, ${first.word}${list.length > 1 ? `; and ${list.length - 1} more` : ''}`;
  }
}

/** A list for a component, asked for again at each change while the page is live. Must be called while a component is set up. */
export function alertList(params: () => Params | null): AlertList {
  const list = new AlertList();
  const key = $derived(JSON.stringify(params()));
  $effect(() => {
    const wanted = JSON.parse(key) as Params | null;
    if (wanted === null) return;
    return untrack(() => list.start(wanted));
  });
  const beat = alertBeat();
  let first = true;
  $effect(() => {
    void beat.count;
    if (first) { first = false; return; }
    untrack(() => { if (params() !== null) list.ask(); });
  });
  return list;
}

/** A count that moves when an alert changed, someone acted here, or, without a stream, the refresh clock ticks. Must be called while a component is set up. */
export function alertBeat(): { readonly count: number } {
  let news = $state(0);
  $effect(() => untrack(() => live.on('alerts', () => { if (view.live) news++; })));
  // What the stream missed while it was lost is asked for when it is back.
  $effect(() => { if (live.state === 'open') untrack(() => { news++; }); });
  $effect(() => {
    void view.tick;
    untrack(() => { if (view.live && (live.state !== 'open' || view.tick % 3 === 0)) news++; });
  });
  return { get count() { return news + alertAct.done; } };
}
