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
  await open(page, '', 'overview');
  await page.waitForTimeout(3000); // the charts of a lone host follow once the page stands
  const sum = (wanted: (path: string) => boolean) => [...bytes].filter(([path]) => wanted(path)).reduce((n, [, b]) => n + b, 0);
  const isData = (path: string) => path.includes('/api/');
  const files = sum((p) => !isData(p));
  const data = sum(isData);
  console.log(`first visit: ${files} bytes of files, ${data} bytes of data\n${[...bytes].sort(([, a], [, b]) => b - a).slice(0, 8).map(([u, n]) => `  ${n} ${u}`).join('\n')}`);
  expect(files).toBeGreaterThan(20_000);
  expect(files).toBeLessThan(170 * 1024); // the shell, the landing page with its charts, one font, and the headers of some 45 answers
  expect(data).toBeGreaterThan(0);
  expect(data).toBeLessThan(30 * 1024);
});
