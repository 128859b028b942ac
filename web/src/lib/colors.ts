// Colours of series: the same labels always get the same colour, on every page and after every reload. Pure.

/** How many distinct hues there are; beyond them, hovering tells lines apart, not more hues (CSS: --series-0 … --series-7). */
export const hues = 8;

/** FNV-1a over UTF-16 code units: stable between browsers, which a colour that people remember needs. */
export function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    h ^= text.charCodeAt(i);
    h = Math.imul(h, 0x01000193);
  }
  // FNV's low bits are weak for short texts: mix them.
  h ^= h >>> 15;
  h = Math.imul(h, 0x2c1b3c6d);
  h ^= h >>> 12;
  return h >>> 0;
}

/**
 * Gives each key a hue. A key's wish comes from its own hash; where wishes collide while hues are free, the later key in
 * sorted order takes the next free one, so that up to eight series always differ and the order of the answer does not matter.
 */
export function assignHues(keys: readonly string[]): Map<string, number> {
  const out = new Map<string, number>();
  let taken = new Set<number>();
  for (const key of [...new Set(keys)].sort()) {
    if (taken.size === hues) taken = new Set();
    let hue = hash(key) % hues;
    while (taken.has(hue)) hue = (hue + 1) % hues;
    taken.add(hue);
    out.set(key, hue);
  }
  return out;
}
