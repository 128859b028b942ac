// Data from the server for a component: cancelled on change, kept while new data is on its way (a page never blanks), cached by key.
import { untrack } from 'svelte';
import { ApiError } from './api';

const cacheSize = 50; // pages and panels, not history: enough for going back and forth
const cache = new Map<string, { value: unknown; at: number }>();

export class Resource<T> {
  data = $state.raw<T | undefined>(undefined);
  error = $state.raw<ApiError | undefined>(undefined);
  loading = $state(false);
  /** What `data` shows belongs to an earlier key or an earlier answer than the last one asked for. */
  stale = $state(false);
  /** Unix seconds of the last good answer; 0 before it. */
  at = $state(0);
  #again = $state(0);

  /** Asks again for the same. */
  refresh(): void { this.#again++; }
  /** For the loader below: read so that refresh() makes it run again. */
  get generation(): number { return this.#again; }
}

/**
 * Loads whenever key() or watch() changes; a null key loads nothing. Must be called while a component is set up. `load` gets a signal
 * that fires when its answer is no longer wanted.
 */
export function resource<T>(key: () => string | null, load: (signal: AbortSignal) => Promise<T>, watch?: () => unknown): Resource<T> {
  const r = new Resource<T>();
  let lastKey: string | null = null;
  // Derived, so that an equal key from another part of the URL asks for nothing new.
  const wanted = $derived(key());
  $effect(() => {
    const k = wanted;
    watch?.();
    void r.generation;
    if (k === null) {
      lastKey = null;
      r.data = undefined;
      r.error = undefined;
      r.loading = false;
      return;
    }
    if (k !== lastKey) {
      const known = cache.get(k) as { value: T; at: number } | undefined;
      if (known) {
        r.data = known.value;
        r.at = known.at;
      }
      r.stale = untrack(() => r.data !== undefined); // reading it here must not make its arrival ask again
      lastKey = k;
    }
    const abort = new AbortController();
    r.loading = true;
    // What the loader reads is no reason to ask again: only the key and watch() are.
    untrack(() => load(abort.signal)).then((value) => {
      if (abort.signal.aborted) return;
      r.data = value;
      r.error = undefined;
      r.stale = false;
      r.loading = false;
      r.at = Date.now() / 1000;
      cache.delete(k);
      cache.set(k, { value, at: r.at });
      if (cache.size > cacheSize) cache.delete(cache.keys().next().value!);
    }, (e: unknown) => {
      if (abort.signal.aborted) return;
      r.error = e instanceof ApiError ? e : new ApiError('internal', e instanceof Error ? e.message : String(e));
      r.stale = r.data !== undefined;
      r.loading = false;
    });
    return () => abort.abort();
  });
  return r;
}
