import { defineConfig } from '@playwright/test';

// The browser is the system's Chromium: nothing is downloaded. HULOTTE_CHROMIUM names another.
export default defineConfig({
  testDir: 'e2e',
  outputDir: 'test-results',
  workers: 1,
  timeout: 60_000,
  // A test that passes the second time is named at the end of the suite.
  retries: 1,
  expect: { timeout: 10_000 },
  forbidOnly: !!process.env['CI'],
  reporter: process.env['CI'] ? [['line'], ['junit', { outputFile: 'test-results/junit.xml' }]] : 'line',
  use: {
    viewport: { width: 1440, height: 900 },
    trace: 'retain-on-failure',
    launchOptions: {
      executablePath: process.env['HULOTTE_CHROMIUM'] ?? '/usr/bin/chromium',
      args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
    },
  },
});
