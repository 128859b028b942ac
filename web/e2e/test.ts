// What every browser test gets: one server for all of them, and a page that is watched. A test fails when the page breaks its security
// policy, asks any other host for anything, or throws.
import { expect, test as base, type Page } from '@playwright/test';
import { startServer, type Server } from './server';

export { expect };
export type { Page };

interface PageFixtures { watched: Watch }
interface WorkerFixtures { server: Server }

export class Watch {
  readonly violations: string[] = [];
  readonly foreign: string[] = [];
  readonly errors: string[] = [];

  static async on(page: Page, origin: () => string): Promise<Watch> {
    const w = new Watch();
    await page.addInitScript(() => {
      addEventListener('securitypolicyviolation', (e) => console.error(`CSP-VIOLATION ${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}:${e.lineNumber}`));
    });
    page.on('console', (m) => { if (m.text().includes('CSP-VIOLATION') || m.text().includes('Content Security Policy')) w.violations.push(m.text()); });
    page.on('pageerror', (e) => w.errors.push(String(e.stack ?? e)));
    // The network ends at our own origin.
    await page.route('**', async (route) => {
      const url = new URL(route.request().url());
      if (url.origin === origin() || url.protocol === 'data:' || url.protocol === 'blob:') return route.continue();
      w.foreign.push(url.href);
      return route.abort();
    });
    return w;
  }

  check(): void {
    expect(this.violations, 'violations of the content security policy').toEqual([]);
    expect(this.foreign, 'requests to other hosts').toEqual([]);
    expect(this.errors, 'errors on the page').toEqual([]);
  }
}

export const test = base.extend<PageFixtures, WorkerFixtures>({
  server: [async ({}, use) => {
    const server = await startServer({ scrape: true });
    await withRates(server);
    await use(server);
    await server.stop();
  }, { scope: 'worker' }],
  baseURL: async ({ server }, use) => use(server.url),
  watched: [async ({ page, server }, use) => {
    const w = await Watch.on(page, () => new URL(server.url).origin);
    await use(w);
    w.check();
  }, { auto: true }],
});

/** Waits until there is enough for a rate: two collections, and a point of the usual grid of 10 s after them. */
async function withRates(server: Server): Promise<void> {
  const query = encodeURIComponent('rate(node_cpu_seconds_total[1m])');
  for (const until = Date.now() + 45_000; Date.now() < until; await new Promise((r) => setTimeout(r, 500))) {
    const time = Math.floor(Date.now() / 10_000) * 10;
    const answer = (await (await fetch(`${server.url}api/v1/query?query=${query}&time=${time}`)).json()) as { data?: { result?: unknown[] } };
    if ((answer.data?.result?.length ?? 0) > 0) return;
  }
  throw new Error('no rate of a host metric within 45 s');
}

/** Opens a path of the application and waits until its page is there. Paths are relative to the base path: no leading slash. */
export async function open(page: Page, path: string, key?: string): Promise<void> {
  await page.goto(path);
  await page.waitForSelector(key ? `body[data-page='${key}']` : 'body[data-page]', { state: 'attached' });
}
