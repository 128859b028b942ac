import { readFileSync } from 'node:fs';
import { expect, test, vi } from 'vitest';

vi.mock('./router.svelte', () => ({ base: new URL('https://host.example/obs/') }));
const { keyBytes } = await import('./push');

test('keys are base64url without padding', () => {
  expect([...keyBytes('-_8')]).toEqual([251, 255]);
  expect([...keyBytes('AAEC')]).toEqual([0, 1, 2]);
});

/** Runs the service worker's file against a stand-in for its global scope. */
function worker() {
  const on: Record<string, (e: unknown) => void> = {};
  const shown: unknown[][] = [], opened: string[] = [], posted: [string, unknown][] = [];
  const self = {
    addEventListener: (name: string, f: (e: unknown) => void) => { on[name] = f; },
    registration: { scope: 'https://host.example/obs/', showNotification: async (...a: unknown[]) => void shown.push(a), pushManager: { subscribe: async (o: unknown) => ({ endpoint: 'https://push.example/new', o }) } },
    clients: { matchAll: async () => [{ url: 'https://host.example/obs/open', focus: () => opened.push('focus') }], openWindow: async (u: string) => void opened.push(u) },
  };
  const fetched = async (u: URL, init: { body: string }) => void posted.push([u.href, JSON.parse(init.body)]);
  new Function('self', 'fetch', readFileSync(new URL('../../public/push.js', import.meta.url), 'utf8'))(self, fetched);
  const fire = async (name: string, event: object) => { let wait: unknown; on[name]!({ ...event, waitUntil: (p: unknown) => { wait = p; } }); await wait; };
  return { fire, shown, opened, posted };
}

test('a push is shown', async () => {
  const w = worker();
  await w.fire('push', { data: { json: () => ({ title: 'Down', body: 'web1', tag: 'g', status: 'firing', severity: 'critical', url: 'https://host.example/obs/alerts', ack_url: 'https://host.example/obs/ack/x' }) } });
  await w.fire('push', { data: { json: () => { throw new Error('no JSON'); } } });
  expect(w.shown[0]).toEqual(['Down', {
    body: 'web1', tag: 'g', renotify: true, requireInteraction: true, icon: 'favicon.svg',
    data: { url: 'https://host.example/obs/alerts', ack: 'https://host.example/obs/ack/x' }, actions: [{ action: 'ack', title: 'Acknowledge' }],
  }]);
  expect(w.shown[1]![0]).toBe('Hulotte');
});

test('a click leads to the alerts, to the acknowledgement, or to the page that is open', async () => {
  const w = worker();
  const notification = (url: string) => ({ close: () => {}, data: { url, ack: 'ack/x' } });
  await w.fire('notificationclick', { action: '', notification: notification('') });
  await w.fire('notificationclick', { action: 'ack', notification: notification('') });
  await w.fire('notificationclick', { action: '', notification: notification('open') });
  expect(w.opened).toEqual(['https://host.example/obs/alerts', 'https://host.example/obs/ack/x', 'focus']);
});

test('another address is told to the server', async () => {
  const w = worker();
  await w.fire('pushsubscriptionchange', { oldSubscription: { endpoint: 'https://push.example/old', options: { userVisibleOnly: true } } });
  expect(w.posted).toEqual([['https://host.example/obs/api/hulotte/v1/web-push/subscribe', {
    subscription: { endpoint: 'https://push.example/new', o: { userVisibleOnly: true } }, replaces: 'https://push.example/old',
  }]]);
});
