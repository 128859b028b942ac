// The shared view (time range, zone, refresh, scope) as reactive state over the URL, and the clock that refreshes pages.
import { prefs } from './prefs.svelte';
import { router } from './router.svelte';
import { parseDuration, type Zone } from './time';
import { decodeView, defaultFrom, defaultRefresh, defaultTo, encodeView, endsNow, resolveRange, shiftRange, zoomOut, type ScopeLabel, type View } from './urlstate';

class ViewState {
  /** Unix seconds that relative ranges are resolved against; moves on every refresh, not between. */
  now = $state(Date.now() / 1000);
  /** Counts refreshes. A page's loads depend on it. */
  tick = $state(0);
  #beforeZoom = $state.raw<{ from: string; to: string } | undefined>(undefined);
  #timer: ReturnType<typeof setInterval> | undefined;

  #state = $derived(decodeView(router.query));
  #zone = $derived<Zone>(this.#state.tz || prefs.tz);
  #range = $derived(resolveRange(this.#state, this.now, this.#zone));

  get state(): View { return this.#state; }
  get from(): string { return this.#state.from; }
  get to(): string { return this.#state.to; }
  get zone(): Zone { return this.#zone; }
  get scope(): ScopeLabel[] { return this.#state.scope; }
  /** Start and end in Unix seconds. */
  get range(): { start: number; end: number } { return this.#range; }
  /** Seconds between refreshes; 0 when paused or when the range does not reach now. */
  get every(): number {
    if (!endsNow(this.#state)) return 0;
    const r = this.#state.refresh || defaultRefresh;
    return r === 'off' ? 0 : (parseDuration(r) ?? 0);
  }
  get live(): boolean { return this.every > 0; }

  set(patch: Partial<View>, opts: { replace?: boolean } = {}): void {
    this.now = Date.now() / 1000;
    if (patch.from !== undefined) this.#beforeZoom = undefined; // chosen by hand: nothing to go back to
    router.setQuery(encodeView({ ...this.#state, ...patch }, router.query), opts);
  }
  refresh(): void {
    this.now = Date.now() / 1000;
    this.tick++;
  }
  pause(): void { this.set({ refresh: 'off' }); }
  resume(): void {
    const back = endsNow(this.#state) ? {} : { from: defaultFrom, to: defaultTo };
    this.set({ ...back, refresh: '' });
    this.refresh();
  }
  shift(by: number): void { this.set(shiftRange(this.#state, by, Date.now() / 1000, this.#zone)); }
  zoomOut(): void { this.set(zoomOut(this.#state, Date.now() / 1000, this.#zone)); }
  /** Brushing a chart: from and to in Unix seconds. */
  zoomTo(start: number, end: number): void {
    const before = this.#beforeZoom ?? { from: this.from, to: this.to };
    const iso = (t: number) => (end - start < 5 ? String(Math.round(t * 1000)) : new Date(Math.round(t) * 1000).toISOString().replace('.000', ''));
    this.set({ from: iso(start), to: iso(end) });
    this.#beforeZoom = before;
  }
  /** Whether resetZoom has somewhere to go back to. */
  get zoomed(): boolean { return this.#beforeZoom !== undefined; }
  /** Back to the range before the first of the zooms in a row. */
  resetZoom(): void {
    const back = this.#beforeZoom ?? { from: defaultFrom, to: defaultTo };
    this.#beforeZoom = undefined;
    if (back.from !== this.from || back.to !== this.to) this.set(back);
  }
  addScope(name: string, value: string): void {
    const scope = this.scope.filter((s) => s.name !== name);
    const had = this.scope.find((s) => s.name === name)?.values ?? [];
    this.set({ scope: [...scope, { name, values: [...new Set([...had, value])].sort() }] });
  }
  removeScope(name: string, value?: string): void {
    this.set({
      scope: this.scope.flatMap((s) => {
        if (s.name !== name) return [s];
        const values = s.values.filter((v) => value !== undefined && v !== value);
        return values.length > 0 ? [{ name, values }] : [];
      }),
    });
  }

  /** Runs the refresh clock; a hidden tab does not tick, and catches up when it is seen again. Called once by the shell. */
  run(): () => void {
    const stop = $effect.root(() => {
      $effect(() => {
        const every = this.every;
        if (every === 0) return;
        this.#timer = setInterval(() => { if (!document.hidden) this.refresh(); }, every * 1000);
        return () => clearInterval(this.#timer);
      });
    });
    const seen = () => { if (!document.hidden && this.live && Date.now() / 1000 - this.now > this.every) this.refresh(); };
    document.addEventListener('visibilitychange', seen);
    return () => {
      stop();
      document.removeEventListener('visibilitychange', seen);
    };
  }
}

export const view = new ViewState();
