// The browser's location as reactive state, and the only place that writes history.
import { appPath, isOutside } from './routing';
import { isViewKey, queryText } from './urlstate';

/** Where the application lives: document.baseURI without its last segment, "https://host/obs/". */
export const base = new URL('.', document.baseURI);

class Router {
  /** The path below the base path, with a leading slash. */
  path = $state('/');
  query = $state.raw(new URLSearchParams());
  /** Counts navigations, so that a page can tell a new visit from a change of its query. */
  visits = $state(0);

  constructor() {
    this.#read();
    window.addEventListener('popstate', () => {
      this.#read();
      this.visits++;
    });
    document.addEventListener('click', (e) => this.#click(e));
  }

  #read(): void {
    this.path = appPath(location.pathname, base.pathname) ?? '/';
    this.query = new URLSearchParams(location.search);
  }

  /** Goes to a path of the application, which may carry a query. Choosing pushes history, typing replaces. */
  go(to: string, opts: { replace?: boolean } = {}): void {
    const url = new URL(to.replace(/^\//, ''), base);
    if (url.href === location.href) return;
    if (isOutside(`/${url.pathname.slice(base.pathname.length)}`)) {
      location.assign(url);
      return;
    }
    const samePath = url.pathname === location.pathname;
    history[opts.replace ? 'replaceState' : 'pushState'](null, '', url);
    this.#read();
    this.visits++;
    if (!samePath) {
      window.scrollTo(0, 0);
      document.getElementById('main')?.focus({ preventScroll: true });
    }
  }

  /** Changes parameters of the query: null or '' removes one, an array repeats it. */
  set(patch: Record<string, string | string[] | null>, opts: { replace?: boolean } = {}): void {
    const next = new URLSearchParams(this.query);
    for (const [k, v] of Object.entries(patch)) {
      next.delete(k);
      if (v === null || v === '') continue;
      for (const one of Array.isArray(v) ? v : [v]) next.append(k, one);
    }
    this.setQuery(next, opts);
  }

  setQuery(query: URLSearchParams, opts: { replace?: boolean } = {}): void {
    const text = queryText(query);
    this.go(this.path + (text ? `?${text}` : ''), opts);
  }

  /** A link to another page that keeps the shared view (time, zone, refresh, scope). */
  href(path: string, params: Record<string, string> = {}): string {
    const keep = new URLSearchParams();
    for (const [k, v] of this.query) if (isViewKey(k)) keep.append(k, v);
    for (const [k, v] of Object.entries(params)) keep.set(k, v);
    const text = queryText(keep);
    return base.pathname + path.replace(/^\//, '') + (text ? `?${text}` : '');
  }

  #click(e: MouseEvent): void {
    if (e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
    const link = (e.composedPath()[0] as Element | undefined)?.closest?.('a') ?? null;
    if (!link?.href || link.target || link.hasAttribute('download') || link.dataset['native'] !== undefined) return;
    const url = new URL(link.href);
    const path = url.origin === location.origin ? appPath(url.pathname, base.pathname) : null;
    if (path === null || /^\/(api|loki|-|metrics|federate)(\/|$)/.test(path) || isOutside(path)) return;
    e.preventDefault();
    this.go(path + url.search);
  }
}

export const router = new Router();

/** A link to a page that keeps the shared view; shorthand for templates. */
export const href = (path: string, params?: Record<string, string>): string => router.href(path, params);
