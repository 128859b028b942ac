// The list of checks as it is now: asked for at each piece of news, never twice at once, and a large one brought up to date by its problems.
import { untrack } from 'svelte';
import { ApiError, get, type Params } from '../api';
import { live } from '../live.svelte';
import { view } from '../view.svelte';
import { act } from './act.svelte';
import { at, decode, merge, newProblems, order, type Check } from './checks';
import type { ListReply, Summary } from './types';

const path = 'api/hulotte/v1/checks';
/** What the server is asked for at most. */
export const mostChecks = 100_000;
/** From here on news bring the problems alone, and the whole list comes again after `wholeEvery`. */
const large = 3000;
const wholeEvery = 60_000; // ms
/** Between two requests, at least: a storm of changes is shown a few times a second, not at each of them. */
const restLeast = 250; // ms

export class CheckList {
  rows = $state.raw<readonly Check[] | undefined>(undefined);
  summary = $state.raw<Summary | undefined>(undefined);
  error = $state.raw<ApiError | undefined>(undefined);
  loading = $state(false);
  /** Unix seconds of the last good answer, by this browser's clock. */
  at = $state(0);
  /** Problems that nobody handles and that came since the page was opened, the newest first, with when they were seen. */
  fresh = $state.raw<readonly { id: string; seen: number }[]>([]);
  /** For those who do not see the list: what came. */
  announcement = $state('');

  #params: Params = {};
  #busy = false;
  #dirty = false;
  #wholeAt = 0;
  #restUntil = 0;
  #whole = false;
  #abort = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Begins to ask for a list; a change of what is asked for shows the old list until the new one is there. */
  start(params: Params): () => void {
    this.#params = params;
    this.#whole = params['problem'] === undefined;
    this.#wholeAt = 0;
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
    this.loading = true;
    const started = performance.now();
    const old = this.rows;
    const part = this.#whole && old !== undefined && old.length > large && this.#wholeAt > 0 && Date.now() - this.#wholeAt < wholeEvery;
    try {
      const { data } = await get<ListReply>(path, { limit: mostChecks, ...this.#params, ...(part ? { problem: 1 } : {}) }, signal);
      if (signal.aborted) return;
      const got = (data.checks ?? []).map(decode).sort(order);
      if (!part) this.#wholeAt = Date.now();
      const next = part ? merge(old, got, at(data.at) || Date.now() / 1000) : got;
      if (old) this.#tell(newProblems(old, next));
      this.rows = next;
      this.summary = data.summary;
      this.error = undefined;
      this.at = Date.now() / 1000;
    } catch (e) {
      if (signal.aborted) return;
      this.error = e instanceof ApiError ? e : new ApiError('internal', e instanceof Error ? e.message : String(e));
    } finally {
      if (!signal.aborted) {
        this.#busy = false;
        this.loading = false;
        this.#restUntil = performance.now() + Math.max(restLeast, performance.now() - started);
        if (this.#dirty) this.ask();
      }
    }
  }

  #tell(news: readonly Check[]): void {
    if (news.length === 0) return;
    const seen = Date.now() / 1000;
    this.fresh = [...news.map((c) => ({ id: c.id, seen })), ...this.fresh.filter((f) => seen - f.seen < 60)].slice(0, 200);
    const first = news[0]!;
    this.announcement = `New problem: ${first.id} ${first.word}, ${first.output}${news.length > 1 ? `; and ${news.length - 1} more` : ''}`;
  }
}

/** A list for a component, asked for again at each change of a check while the page is live. Must be called while a component is set up. */
export function checkList(params: () => Params | null): CheckList {
  const list = new CheckList();
  const key = $derived(JSON.stringify(params()));
  $effect(() => {
    const wanted = JSON.parse(key) as Params | null;
    if (wanted === null) return;
    return untrack(() => list.start(wanted));
  });
  const beat = checkBeat();
  let first = true;
  $effect(() => {
    void beat.count;
    if (first) { first = false; return; }
    untrack(() => { if (params() !== null) list.ask(); });
  });
  return list;
}

/** A count that moves when a check changed, someone acted here, or, without a stream, the refresh clock ticks. Must be called while a component is set up. */
export function checkBeat(): { readonly count: number } {
  let news = $state(0);
  $effect(() => untrack(() => live.on('checks', () => { if (view.live) news++; })));
  // What the stream missed while it was lost is asked for when it is back.
  $effect(() => { if (live.state === 'open') untrack(() => { news++; }); });
  // Ages of results and next checks move without a change of state: a slow look keeps them right.
  $effect(() => {
    void view.tick;
    untrack(() => { if (view.live && (live.state !== 'open' || view.tick % 3 === 0)) news++; });
  });
  return { get count() { return news + act.done; } };
}
