// What the shell shows about the page it holds: the breadcrumb and the window's title.
export interface Crumb { title: string; path?: string }

class Page {
  title = $state('');
  crumbs = $state.raw<readonly Crumb[]>([]);
  /** A page with a name of its own (a host) says so; the route's title stands until then. */
  set(title: string, crumbs: readonly Crumb[] = []): void {
    this.title = title;
    this.crumbs = crumbs;
    document.title = `${title} · Hulotte`;
  }
}

export const page = new Page();
