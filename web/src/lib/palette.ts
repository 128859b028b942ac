// Finding an entry of the palette by a few letters. Pure.
export interface Entry { id: string; title: string; hint?: string; words?: string; kind: string; run: () => void }

/** How well `text` answers `query`: every word of it must occur; at a word's beginning counts more, early counts more. 0 is no match. */
export function score(text: string, query: string, fuzzy = true): number {
  const hay = text.toLowerCase();
  let total = 1;
  for (const word of query.toLowerCase().split(/\s+/)) {
    if (word === '') continue;
    const at = hay.indexOf(word);
    if (at >= 0) {
      const start = at === 0 || /[^a-z0-9]/.test(hay[at - 1]!);
      total += (start ? 20 : 8) + Math.max(0, 10 - at / 4);
      continue;
    }
    // Letters in order with gaps (nldtot for node_load_total), worth little, and only from the first letter on: else anything fits.
    let i = hay[0] === word[0] ? -1 : hay.length;
    for (const ch of word) {
      i = hay.indexOf(ch, i + 1);
      if (i < 0) return 0;
    }
    if (!fuzzy || word.length < 3) return 0;
    total += 1;
  }
  return total;
}

export function search(entries: readonly Entry[], query: string, most = 40): Entry[] {
  if (query.trim() === '') return entries.slice(0, most);
  return entries.map((e) => ({ e, s: Math.max(score(e.title, query) * 2, score(`${e.title} ${e.words ?? ''}`, query, false)) }))
    .filter((x) => x.s > 0).sort((a, b) => b.s - a.s || a.e.title.length - b.e.title.length).slice(0, most).map((x) => x.e);
}
