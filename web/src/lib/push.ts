// Being told by this browser, also while no page is open: docs/receivers.md, "Web push".
import { get, send } from './api';
import { base } from './router.svelte';

export interface Browser { id: string; endpoint: string; person: string; agent?: string; at: string }
export interface WebPush { key: string; person: string; browsers: Browser[] }

/** Whether this browser can: only in a secure context (https, or localhost). */
export function pushable(): boolean {
  return isSecureContext && 'serviceWorker' in navigator && 'PushManager' in window && 'Notification' in window;
}

/** The bytes of a key in base64url, as PushManager.subscribe wants them. */
export function keyBytes(key: string): Uint8Array<ArrayBuffer> {
  const text = atob(key.replaceAll('-', '+').replaceAll('_', '/'));
  const out = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) out[i] = text.charCodeAt(i);
  return out;
}

export const webPush = (signal?: AbortSignal) => get<WebPush>('/api/hulotte/v1/web-push', {}, signal);

/** Whether this browser is told. */
export async function pushed(): Promise<boolean> {
  if (!pushable()) return false;
  const worker = await navigator.serviceWorker.getRegistration(base);
  return Boolean(await worker?.pushManager.getSubscription());
}

/** Asks the person, and the browser's maker, and tells the server. person is whom a receiver names (people); empty is whoever is signed in. */
export async function subscribe(person = ''): Promise<void> {
  if (await Notification.requestPermission() !== 'granted') throw new Error('The browser does not allow notifications of this site: allow them in its settings.');
  const { data } = await webPush();
  await navigator.serviceWorker.register(new URL('push.js', base), { scope: base.pathname });
  const worker = await navigator.serviceWorker.ready;
  const before = await worker.pushManager.getSubscription();
  await before?.unsubscribe(); // it may be one for another key
  const subscription = await worker.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: keyBytes(data.key) });
  await send('/api/hulotte/v1/web-push/subscribe', { subscription, ...(before ? { replaces: before.endpoint } : {}), ...(person ? { person } : {}) });
}

export async function unsubscribe(): Promise<void> {
  const worker = await navigator.serviceWorker.getRegistration(base);
  const subscription = await worker?.pushManager.getSubscription();
  if (!subscription) return;
  await send('/api/hulotte/v1/web-push/unsubscribe', { endpoint: subscription.endpoint });
  await subscription.unsubscribe();
}
