import { readFileSync } from 'node:fs';
import path from 'node:path';
import { over } from '../tools/budget.mjs';
import { expect, open, test } from './test';

test('the build keeps to its byte budget', () => {
  const sizes = JSON.parse(readFileSync(path.resolve(import.meta.dirname, '../.sizes.json'), 'utf8')) as Parameters<typeof over>[0];
  expect(over(sizes)).toEqual([]);
});

test('a first visit costs no more than 150 KB on the wire, fonts included', async ({ page }) => {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('Network.enable');
  let bytes = 0;
  cdp.on('Network.loadingFinished', (e) => { bytes += e.encodedDataLength; });
  await open(page, '', 'overview');
  await page.waitForTimeout(1000);
  console.log(`first visit: ${bytes} bytes`);
  expect(bytes).toBeGreaterThan(20_000);
  expect(bytes).toBeLessThan(150_000);
});
