// What the reader prefers, kept in this browser alone.
import type { Zone } from './time';

export type Theme = 'system' | 'dark' | 'light';

interface Stored { theme: Theme; tz: Zone; railCollapsed: boolean; density: 'compact' | 'comfortable' }

const key = 'hulotte.prefs'; // theme.js reads it too, before the first paint
const defaults: Stored = { theme: 'system', tz: 'local', railCollapsed: false, density: 'compact' };

function load(): Stored {
  try {
    return { ...defaults, ...(JSON.parse(localStorage.getItem(key) ?? '{}') as Partial<Stored>) };
  } catch {
    return { ...defaults };
  }
}

class Prefs {
  #stored = $state.raw<Stored>(load());
  #systemLight = $state(matchMedia('(prefers-color-scheme: light)').matches);

  constructor() {
    matchMedia('(prefers-color-scheme: light)').addEventListener('change', (e) => {
      this.#systemLight = e.matches;
      this.#apply();
    });
    this.#apply();
  }

  get theme(): Theme { return this.#stored.theme; }
  get tz(): Zone { return this.#stored.tz; }
  get railCollapsed(): boolean { return this.#stored.railCollapsed; }
  get density(): Stored['density'] { return this.#stored.density; }
  /** The theme on screen; charts depend on it to redraw. */
  get effectiveTheme(): 'dark' | 'light' {
    return this.theme === 'system' ? (this.#systemLight ? 'light' : 'dark') : this.theme;
  }

  set(patch: Partial<Stored>): void {
    this.#stored = { ...this.#stored, ...patch };
    try {
      localStorage.setItem(key, JSON.stringify(this.#stored));
    } catch { /* storage is full or forbidden: the choice lasts until reload */ }
    this.#apply();
  }

  #apply(): void {
    document.documentElement.dataset['theme'] = this.effectiveTheme;
    document.documentElement.dataset['density'] = this.density;
    const colour = this.effectiveTheme === 'dark' ? '#0e1116' : '#f6f7f9';
    document.querySelector('meta[name=theme-color]')?.setAttribute('content', colour);
  }
}

export const prefs = new Prefs();
