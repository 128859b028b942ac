// Label sets: their canonical text, and short names for the lines of a chart. Pure.

export type Labels = Record<string, string>;

/** The series as PromQL writes it, labels sorted: node_load1{instance="a",job="node"}. */
export function seriesText(labels: Labels): string {
  const name = labels['__name__'] ?? '';
  const rest = Object.keys(labels).filter((k) => k !== '__name__').sort().map((k) => `${labelName(k)}=${quote(labels[k]!)}`);
  if (name !== '' && !/^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(name)) return `{${[quote(name), ...rest].join(', ')}}`;
  return rest.length > 0 ? `${name}{${rest.join(', ')}}` : name || '{}';
}

/** A label's name, quoted where it is not a plain one (UTF-8 names). */
export function labelName(name: string): string {
  return /^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name) ? name : quote(name);
}

/** A string literal of PromQL. */
export function quote(text: string): string {
  return `"${text.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n')}"`;
}

/**
 * Names for series that stand together: only what tells them apart, so that a legend of one metric on one host reads "mode=idle" and
 * not forty equal characters. What all share is returned once.
 */
export function shortNames(sets: readonly Labels[]): { names: string[]; common: Labels } {
  const common: Labels = {};
  const first = sets[0];
  if (!first) return { names: [], common };
  for (const [k, v] of Object.entries(first)) {
    if (sets.every((s) => s[k] === v)) common[k] = v;
  }
  if (sets.length === 1) return { names: [seriesText(first)], common };
  const names = sets.map((s) => {
    const own = Object.keys(s).filter((k) => !(k in common)).sort();
    const name = own.includes('__name__') ? s['__name__']! : '';
    const rest = own.filter((k) => k !== '__name__');
    if (rest.length === 0) return name || '(no other labels)';
    // One distinguishing label needs no name at all: its value says it.
    const text = rest.length === 1 && s[rest[0]!] ? s[rest[0]!]! : rest.map((k) => `${k}=${s[k]}`).join(' ');
    return name ? `${name} ${text}` : text;
  });
  return { names, common };
}
