// A trace that was opened from a file: it never leaves the browser, and is gone when the page is.
import { router } from '../router.svelte';
import { toasts } from '../toast.svelte';
import type { RawTrace } from './model';
import { readTraces } from './read';

class Opened {
  traces = $state.raw<readonly RawTrace[]>([]);
  name = $state('');
}
export const opened = new Opened();

/** Reads a file and goes to the page that shows it; what cannot be read is said. */
export async function openFile(file: File): Promise<void> {
  try {
    opened.traces = readTraces(await file.text());
    opened.name = file.name;
    router.go('/traces/file');
  } catch (e) {
    toasts.show(`${file.name}: ${e instanceof Error ? e.message : String(e)}`, 'crit');
  }
}
