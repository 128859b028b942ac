// Paths to pages. Pure: a route's pattern is a path with :parameters, the most specific route stands first in the list.

export interface RouteDef { pattern: string; key: string }

export interface Match<R extends RouteDef> { route: R; params: Record<string, string> }

export function matchRoute<R extends RouteDef>(routes: readonly R[], path: string): Match<R> | null {
  const wanted = segments(path);
  for (const route of routes) {
    const have = segments(route.pattern);
    if (have.length !== wanted.length) continue;
    const params: Record<string, string> = {};
    const fits = have.every((seg, i) => {
      if (!seg.startsWith(':')) return seg === wanted[i];
      params[seg.slice(1)] = decode(wanted[i]!);
      return true;
    });
    if (fits) return { route, params };
  }
  return null;
}

function segments(path: string): string[] {
  return path.split('/').filter((s) => s !== '');
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a lone % in a hand-made link
  }
}

/** The application's path of a URL under the base path: /obs/hosts/a under /obs/ is /hosts/a; null when it lies outside. */
export function appPath(pathname: string, basePath: string): string | null {
  const base = basePath.endsWith('/') ? basePath : `${basePath}/`;
  if (`${pathname}/` === base) return '/';
  return pathname.startsWith(base) ? `/${pathname.slice(base.length)}` : null;
}

/** The wall and the public status pages are documents of their own: the browser goes there, the router does not. */
export function isOutside(path: string): boolean {
  return /^\/(wall|status)(\/|\?|$)/.test(path);
}
