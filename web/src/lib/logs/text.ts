// A line cut into pieces to draw: what the search marked, and the colours that a program wrote for a terminal. Pure.

export interface Piece { text: string; mark: boolean; style: string }

export interface Mark { text: string; anyCase: boolean }

/** Colours of a terminal by SGR code (ECMA-48): classes, whose colours the theme decides. */
const sgr: Record<number, string> = { 1: 'bold', 2: 'faint', 3: 'italic', 4: 'under', 30: 'c0', 31: 'c1', 32: 'c2', 33: 'c3', 34: 'c4', 35: 'c5', 36: 'c6', 37: 'c7', 90: 'c0', 91: 'c1', 92: 'c2', 93: 'c3', 94: 'c4', 95: 'c5', 96: 'c6', 97: 'c7' };
// Sequences of control: CSI … final byte, OSC … BEL or ST, and two-byte escapes.
// eslint-disable-next-line no-control-regex
const escapes = /\x1b(?:\[([0-9;:]*)([ -/]*[@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])/g;

/** The text without its escape sequences, and which style holds from which place on. */
export function ansi(line: string): { text: string; styles: { at: number; style: string }[] } {
  if (!line.includes('\x1b')) return { text: line, styles: [] };
  let text = '';
  let last = 0;
  let on = new Set<string>();
  const styles: { at: number; style: string }[] = [];
  for (const m of line.matchAll(escapes)) {
    text += line.slice(last, m.index);
    last = m.index + m[0].length;
    if (m[2] !== 'm') continue;
    on = applySGR(on, m[1]!);
    styles.push({ at: text.length, style: [...on].join(' ') });
  }
  return { text: text + line.slice(last), styles };
}

function applySGR(before: ReadonlySet<string>, codes: string): Set<string> {
  let on = new Set(before);
  const list = codes.split(/[;:]/).map(Number);
  for (let i = 0; i < list.length; i++) {
    const code = list[i]!;
    if (code === 0) on = new Set();
    else if (code === 22) { on.delete('bold'); on.delete('faint'); }
    else if (code === 23) on.delete('italic');
    else if (code === 24) on.delete('under');
    else if (code === 38 || code === 48) i += list[i + 1] === 5 ? 2 : 4; // a colour by number or by its parts: left in the text's own
    else if (code === 39) clearColour(on);
    else if (sgr[code]) {
      if (code >= 30) clearColour(on);
      on.add(sgr[code]);
    }
  }
  return on;
}

function clearColour(on: Set<string>): void { for (const s of on) if (/^c\d$/.test(s)) on.delete(s); }

const mostMarks = 200; // of one line: more are noise

/** Cuts a line for drawing. Newlines and tabs stay; other control characters are shown as their pictures. */
export function pieces(line: string, marks: readonly Mark[]): Piece[] {
  const { text, styles } = ansi(line);
  const spans = markSpans(text, marks);
  if (styles.length === 0 && spans.length === 0) return [{ text: visible(text), mark: false, style: '' }];
  const cuts = [...new Set([0, ...styles.map((s) => s.at), ...spans.flat(), text.length])].sort((a, b) => a - b);
  const out: Piece[] = [];
  let style = '';
  let next = 0;
  let span = 0;
  for (let i = 0; i + 1 < cuts.length; i++) {
    const [from, to] = [cuts[i]!, cuts[i + 1]!];
    while (next < styles.length && styles[next]!.at <= from) style = styles[next++]!.style;
    while (span < spans.length && spans[span]![1] <= from) span++;
    out.push({ text: visible(text.slice(from, to)), mark: span < spans.length && spans[span]![0] <= from, style });
  }
  return out;
}

/** Where the marks are, in order, none over another. */
function markSpans(text: string, marks: readonly Mark[]): [number, number][] {
  const found: [number, number][] = [];
  const lower = marks.some((m) => m.anyCase) ? text.toLowerCase() : '';
  for (const m of marks) {
    if (m.text === '') continue;
    // Lower case may change a text's length (İ): then its places mean nothing here.
    const fold = m.anyCase && lower.length === text.length;
    const where = fold ? lower : text;
    const what = fold ? m.text.toLowerCase() : m.text;
    for (let at = where.indexOf(what); at >= 0 && found.length < mostMarks; at = where.indexOf(what, at + what.length)) found.push([at, at + what.length]);
  }
  found.sort((a, b) => a[0] - b[0] || b[1] - a[1]);
  const out: [number, number][] = [];
  for (const f of found) if (f[0] >= (out.at(-1)?.[1] ?? 0)) out.push(f);
  return out;
}

// eslint-disable-next-line no-control-regex
const controls = /[\x00-\x08\x0b-\x1f\x7f]/g;
function visible(text: string): string {
  return text.replace(controls, (c) => (c === '\x7f' ? '␡' : String.fromCharCode(0x2400 + c.charCodeAt(0))));
}

/** Where a pattern has its <_>, for drawing. */
export function patternPieces(pattern: string): { text: string; wild: boolean }[] {
  return pattern.split(/(<_>)/).filter((p) => p !== '').map((text) => ({ text, wild: text === '<_>' }));
}
