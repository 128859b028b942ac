// The service worker that shows what web push brings (notify/web_push.go), also while no page is open. It caches nothing.
self.addEventListener('push', (event) => {
  let m = {};
  try { m = event.data.json(); } catch (e) { m = { title: 'Hulotte', body: 'An alert that cannot be read: open the page of alerts.' }; }
  const firing = m.status === 'firing';
  event.waitUntil(self.registration.showNotification(m.title || 'Hulotte', {
    body: m.body || '', tag: m.tag || '', renotify: firing && !!m.tag, requireInteraction: firing && m.severity === 'critical', icon: 'favicon.svg',
    data: { url: m.url || '', ack: m.ack_url || '' }, actions: m.ack_url ? [{ action: 'ack', title: 'Acknowledge' }] : [],
  }));
});

self.addEventListener('notificationclick', (event) => {
  event.notification.close();
  const { url, ack } = event.notification.data;
  const to = new URL(event.action === 'ack' ? ack : url || 'alerts', self.registration.scope).href;
  event.waitUntil((async () => {
    for (const page of await self.clients.matchAll({ type: 'window' })) if (page.url === to) return page.focus();
    return self.clients.openWindow(to);
  })());
});

// The push service gives this browser another address: the server hears of it.
self.addEventListener('pushsubscriptionchange', (event) => {
  event.waitUntil((async () => {
    const post = (path, body) => fetch(new URL(`api/hulotte/v1/web-push/${path}`, self.registration.scope), {
      method: 'POST', credentials: 'same-origin', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body),
    });
    const old = event.oldSubscription;
    const next = event.newSubscription || await self.registration.pushManager.subscribe(old.options);
    await post('subscribe', { subscription: next, ...(old ? { replaces: old.endpoint } : {}) });
  })());
});
