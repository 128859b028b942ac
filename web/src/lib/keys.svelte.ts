import { untrack } from 'svelte';

// Keyboard shortcuts: one list, which is also what the help shows. Keys never act while someone types in a field.
export interface Shortcut { keys: string; text: string; run: () => void; group: string; anywhere?: boolean }

class Keys {
  list = $state.raw<readonly Shortcut[]>([]);
  #pending = '';
  #since = 0;

  /** Adds shortcuts until the returned function is called. "g h" is two keys in a row, "mod+k" is Ctrl or ⌘. */
  add(...more: Shortcut[]): () => void {
    // Added from effects: reading the list must not make them depend on it.
    untrack(() => { this.list = [...this.list, ...more]; });
    return () => untrack(() => { this.list = this.list.filter((s) => !more.includes(s)); });
  }

  start(): () => void {
    const down = (e: KeyboardEvent) => this.#down(e);
    window.addEventListener('keydown', down);
    return () => window.removeEventListener('keydown', down);
  }

  #down(e: KeyboardEvent): void {
    if (e.defaultPrevented || e.isComposing || ['Shift', 'Control', 'Alt', 'Meta'].includes(e.key)) return;
    const mod = e.ctrlKey || e.metaKey;
    const stroke = mod ? `mod+${e.key.toLowerCase()}` : e.altKey ? `alt+${e.key.toLowerCase()}` : e.key;
    const typing = inField(e.composedPath()[0]);
    const recent = Date.now() - this.#since < 1200;
    const chord = recent && this.#pending ? `${this.#pending} ${stroke}` : '';
    const find = (k: string) => this.list.findLast((s) => s.keys === k && (s.anywhere || (!typing && !document.querySelector('dialog[open]'))));
    const hit = (chord && find(chord)) || find(stroke);
    this.#pending = hit || typing ? '' : stroke;
    this.#since = Date.now();
    if (!hit) return;
    e.preventDefault();
    hit.run();
  }
}

function inField(target: EventTarget | undefined): boolean {
  const el = target as HTMLElement | undefined;
  return !!el && (el.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(el.tagName ?? ''));
}

export const keys = new Keys();

export const modKey = /Mac|iPhone|iPad/.test(navigator.platform) ? '⌘' : 'Ctrl ';
