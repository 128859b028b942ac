// Which rows of a list are chosen, and where the cursor stands. Both hang on ids: a list that is sorted anew keeps them.
import { SvelteSet } from 'svelte/reactivity';

export class Selection {
  chosen = new SvelteSet<string>();
  /** The row that keys act on. */
  active = $state('');
  #anchor = '';

  /** Moves the cursor by rows; extend chooses what it passes. Returns the new index, -1 in an empty list. */
  move(ids: readonly string[], by: number, extend = false): number {
    if (ids.length === 0) return -1;
    const from = ids.indexOf(this.active);
    const to = from < 0 ? (by < 0 && by !== -Infinity ? ids.length - 1 : by === Infinity ? ids.length - 1 : 0) : Math.max(0, Math.min(ids.length - 1, from + by));
    if (extend) {
      if (from >= 0) this.chosen.add(ids[from]!);
      this.chosen.add(ids[to]!);
    }
    this.active = ids[to]!;
    return to;
  }

  /** Chooses a row or lets it go; the next range begins at it. */
  toggle(id: string): void {
    if (!this.chosen.delete(id)) this.chosen.add(id);
    this.#anchor = id;
    this.active = id;
  }

  /** Chooses everything from the row chosen last to this one. */
  range(ids: readonly string[], id: string): void {
    const to = ids.indexOf(id);
    const from = ids.indexOf(this.#anchor);
    if (to < 0) return;
    if (from < 0) { this.toggle(id); return; }
    for (let i = Math.min(from, to); i <= Math.max(from, to); i++) this.chosen.add(ids[i]!);
    this.active = id;
  }

  all(ids: readonly string[]): void { for (const id of ids) this.chosen.add(id); }
  clear(): void { this.chosen.clear(); this.#anchor = ''; }
  /** Lets go of what the list no longer has. */
  keep(ids: ReadonlySet<string>): void { for (const id of this.chosen) if (!ids.has(id)) this.chosen.delete(id); }
}
