// What makes pages about machines ask again: news from the server, or the refresh clock while there is no stream. Paused means neither.
import { untrack } from 'svelte';
import { live } from './live.svelte';
import { view } from './view.svelte';

/** A count that moves when there is something new to show. Must be called while a component is set up. */
export function pulse(): { readonly count: number } {
  let news = $state(0);
  // Listening must not depend on the state of the stream, which listening changes.
  $effect(() => untrack(() => live.on('data', () => { if (view.live) news++; })));
  return { get count() { return live.state === 'open' ? news : view.tick; } };
}

/** The time in Unix seconds, moving once a second, for ages. Must be called while a component is set up. */
export function clock(): { readonly now: number } {
  let now = $state(Date.now() / 1000);
  $effect(() => {
    const t = setInterval(() => { now = Date.now() / 1000; }, 1000);
    return () => clearInterval(t);
  });
  return { get now() { return now; } };
}
