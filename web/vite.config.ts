import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

// HULOTTE_API is the server that `npm run dev` takes data from: a running hulotte, or any Prometheus for the pages that only need its API.
const api = process.env['HULOTTE_API'] ?? 'http://127.0.0.1:9070';

export default defineConfig({
  // Assets are addressed relative to <base href>, so that one build serves any path prefix.
  base: './',
  plugins: [svelte()],
  build: {
    outDir: '.out',
    target: 'es2022',
    modulePreload: { polyfill: false },
    // The icon is the only small file, and data: URLs would escape the cache.
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    // The chart library changes less often than our pages: a chunk of its own stays cached through upgrades.
    // The wall and the public status page are pages of their own, without the shell.
    rolldownOptions: { input: ['index.html', 'wall.html', 'status.html'], output: { codeSplitting: { groups: [{ name: 'uplot', test: /node_modules[\\/]uplot/ }] } } },
    // For the byte budget: which chunk pulls in which.
    manifest: 'manifest.json',
  },
  server: { proxy: { '/api': api, '/loki': { target: api, ws: true }, '/-': api, '/metrics': api } },
  test: { include: ['src/**/*.test.ts'], environment: 'node' },
  resolve: process.env['VITEST'] ? { conditions: ['browser'] } : {},
});
