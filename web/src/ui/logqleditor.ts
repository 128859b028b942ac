// The editor with LogQL: colours by the page's own tokens, completion from our server.
import { autocompletion, snippetCompletion, type Completion, type CompletionContext, type CompletionResult } from '@codemirror/autocomplete';
import { EditorState, RangeSetBuilder } from '@codemirror/state';
import { Decoration, EditorView, ViewPlugin, type DecorationSet, type ViewUpdate } from '@codemirror/view';
import { placeAt, pipeWords, stageWords, startWords, type Word } from '../lib/logs/complete';
import { parse, quote, tokens, type Token } from '../lib/logs/syntax';
import { createCodeEditor, type Editor, type EditorOptions } from './codeeditor';
import { logCompletion, type Known, type LogCompletion } from './logqlclient';

export type { Editor } from './codeeditor';

const keywords = new Set(['by', 'without', 'on', 'ignoring', 'group_left', 'group_right', 'bool', 'offset', 'and', 'or', 'unless', ...stageWords.map((w) => w.label)]);
const functions = new Set([...startWords.map((w) => w.label), 'any', 'ip', 'duration', 'duration_seconds', 'bytes', 'label_replace', 'vector']);

function styleOf(t: Token, next: Token | undefined): string {
  switch (t.kind) {
    case 'string': return 'tok-string';
    case 'number': return 'tok-number';
    case 'comment': return 'tok-comment';
    case 'flag': return 'tok-keyword';
    case 'op': return 'tok-op';
    case 'bad': return 'tok-string';
    case 'name': return functions.has(t.text) && (next?.text === '(' || next?.text === 'by' || next?.text === 'without') ? 'tok-fn' : keywords.has(t.text) && !/^(=|!=|=~|!~)$/.test(next?.text ?? '') ? 'tok-keyword' : 'tok-label';
  }
}

function colours(view: EditorView): DecorationSet {
  const out = new RangeSetBuilder<Decoration>();
  const list = tokens(view.state.doc.toString());
  list.forEach((t, i) => out.add(t.from, t.to, Decoration.mark({ class: styleOf(t, list[i + 1]) })));
  return out.finish();
}

const highlight = ViewPlugin.fromClass(class {
  decorations: DecorationSet;
  constructor(view: EditorView) { this.decorations = colours(view); }
  update(u: ViewUpdate): void { if (u.docChanged) this.decorations = colours(u.view); }
}, { decorations: (v) => v.decorations });

const theme = EditorView.theme({
  '.tok-keyword': { color: 'var(--syn-keyword)' }, '.tok-fn': { color: 'var(--syn-fn)' }, '.tok-label': { color: 'var(--syn-label)' }, '.tok-string': { color: 'var(--syn-string)' },
  '.tok-number': { color: 'var(--syn-number)' }, '.tok-op': { color: 'var(--syn-op)' }, '.tok-comment': { color: 'var(--fg-faint)', fontStyle: 'italic' },
});

const fromWord = (w: Word): Completion => snippetCompletion(w.insert, { label: w.label, detail: w.detail, ...(w.info ? { info: w.info } : {}) });
const fromKnown = (boost = 0) => (k: Known): Completion => ({ label: k.label, detail: k.detail, boost });

function complete(client: LogCompletion) {
  return async (c: CompletionContext): Promise<CompletionResult | null> => {
    const text = c.state.doc.toString();
    const place = placeAt(text, c.pos);
    const answer = (options: Completion[], from: number, validFor = /^\w*$/): CompletionResult => ({ from, options, validFor });
    switch (place.kind) {
      case 'start': return c.explicit || place.from < c.pos || text === '' ? answer(startWords.map(fromWord), place.from, /^[\w{]*$/) : null;
      case 'label': return answer((await client.labels()).map(fromKnown()), place.from);
      case 'field': return answer([...(await client.labels()).map(fromKnown()), ...(await client.fields(text)).map(fromKnown(1))], place.from);
      case 'stage': return answer([...stageWords.map(fromWord), ...(await client.fields(text)).map(fromKnown(-1))], place.from);
      case 'pipe': return c.explicit ? answer(pipeWords.map(fromWord), place.from) : null;
      case 'labelValue': {
        const others = parse(text).logs.find((l) => l.open < c.pos)?.matchers.filter((m) => m.name !== place.name && (m.op === '=' || m.op === '=~')) ?? [];
        const selector = `{${others.map((m) => `${m.name}${m.op}${quote(m.value)}`).join(', ')}}`;
        return values(await client.labelValues(place.name, selector), place);
      }
      case 'fieldValue': return values(await client.fieldValues(place.name, text.slice(0, text.lastIndexOf('|', c.pos))), place);
      case 'none': return null;
    }
  };
}

/** A value is written with the escapes of the string that it stands in. */
function values(list: readonly Known[], place: { from: number; mark: string }): CompletionResult {
  const inside = (v: string) => (place.mark === '`' ? v : quote(v).startsWith('`') ? JSON.stringify(v).slice(1, -1) : quote(v).slice(1, -1));
  return { from: place.from, options: list.filter((v) => place.mark === '"' || !v.label.includes('`')).map((v) => ({ label: v.label, apply: inside(v.label) })), validFor: /^[^"`]*$/ };
}

export function createEditor(o: EditorOptions): Editor {
  return createCodeEditor(o, [
    autocompletion({ closeOnBlur: true, icons: false, maxRenderedOptions: 100, override: [complete(logCompletion(o.range))] }),
    EditorState.languageData.of(() => [{ closeBrackets: { brackets: ['(', '[', '{', '"', '`'] }, commentTokens: { line: '#' } }]),
    highlight, theme,
  ]);
}
