import { readFileSync } from 'node:fs';
import path from 'node:path';
import { over } from '../tools/budget.mjs';
import { expect, open, test } from './test';

test('the build keeps to its byte budget', () => {
  const sizes = JSON.parse(readFileSync(path.resolve(import.meta.dirname, '../.sizes.json'), 'utf8')) as Parameters<typeof over>[0];
  expect(over(sizes)).toEqual([]);
});

test('a first visit: bytes on the wire, fonts and data included', async ({ page }) => {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('Network.enable');
  const urls = new Map<string, string>();
  const bytes = new Map<string, number>();
  cdp.on('Network.requestWillBeSent', (e) => { urls.set(e.requestId, new URL(e.request.url).pathname); });
  cdp.on('Network.loadingFinished', (e) => { bytes.set(urls.get(e.requestId) ?? e.requestId, e.encodedDataLength); });
  const total = () => [...bytes.values()].reduce((a, b) => a + b, 0);
  await open(page, '', 'overview');
  const shown = total();
  await page.waitForTimeout(2000);
  console.log(`first visit: ${shown} bytes until the page stands, ${total()} when all has come\n${[...bytes].sort(([, a], [, b]) => b - a).slice(0, 8).map(([u, n]) => `  ${n} ${u}`).join('\n')}`);
  expect(shown).toBeGreaterThan(20_000);
  expect(shown).toBeLessThan(150_000);
  // The charts of a lone host follow once the page stands.
  expect(total()).toBeLessThan(200_000);
});
