// A server that was upgraded under an open page no longer has the page's chunks. One reload fetches the new page; a second in a row
// would be a loop, so the failure is shown instead.
const key = 'hulotte.reloaded';
const pause = 60_000;

/** Whether an error is the browser's for a module that it could not load. */
export function isChunkError(e: unknown): boolean {
  return e instanceof Error && /dynamically imported module|Importing a module script failed|error loading dynamically|Unable to preload CSS/i.test(e.message);
}

/** Reloads unless it did so within the last minute; says whether it does. */
export function reloadOnce(now = Date.now()): boolean {
  const last = Number(sessionStorage.getItem(key) ?? 0);
  if (now - last < pause) return false;
  sessionStorage.setItem(key, String(now));
  location.reload();
  return true;
}

export function reloadOnceOnSkew(): void {
  window.addEventListener('vite:preloadError', (e) => {
    if (reloadOnce()) e.preventDefault();
  });
}
