// CodeMirror for a query language, in a shadow root: there it uses constructed style sheets, which the policy `style-src 'self'` allows,
// where in a document it would add a <style>. A chunk of its own, loaded when a page with an editor is open.
import { closeBrackets, closeBracketsKeymap, completionKeymap, completionStatus } from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap, insertNewlineAndIndent } from '@codemirror/commands';
import { bracketMatching, HighlightStyle, syntaxHighlighting } from '@codemirror/language';
import { setDiagnostics, lintKeymap, type Diagnostic } from '@codemirror/lint';
import { EditorState, Prec, type Extension } from '@codemirror/state';
import { drawSelection, EditorView, keymap, placeholder } from '@codemirror/view';
import { tags as t } from '@lezer/highlight';

export interface Editor {
  get: () => string;
  set: (text: string) => void;
  focus: () => void;
  insert: (text: string) => void;
  /** Marks places with messages of the server. */
  marks: (list: { from: number; message: string; severity: 'error' | 'warning' | 'info' }[]) => void;
  goTo: (offset: number) => void;
  destroy: () => void;
}

const highlight = HighlightStyle.define([
  { tag: [t.keyword, t.operatorKeyword, t.modifier], color: 'var(--syn-keyword)' },
  { tag: t.function(t.variableName), color: 'var(--syn-fn)' },
  { tag: t.labelName, color: 'var(--syn-label)' },
  { tag: t.string, color: 'var(--syn-string)' },
  { tag: [t.number, t.bool], color: 'var(--syn-number)' },
  { tag: [t.operator, t.punctuation], color: 'var(--syn-op)' },
  { tag: t.comment, color: 'var(--fg-faint)', fontStyle: 'italic' },
  { tag: t.invalid, color: 'var(--crit-text)' },
]);

const theme = EditorView.theme({
  '&': { fontSize: '13px', color: 'var(--fg)', background: 'transparent' },
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': { fontFamily: 'var(--mono)', lineHeight: '20px', fontVariantLigatures: 'none' },
  '.cm-content': { padding: '7px 4px', caretColor: 'var(--accent)' },
  '.cm-cursor': { borderLeftColor: 'var(--accent)', borderLeftWidth: '2px' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': { background: 'var(--selected)' },
  '.cm-placeholder': { color: 'var(--fg-faint)' },
  '.cm-matchingBracket, &.cm-focused .cm-matchingBracket': { background: 'var(--selected)', outline: 'none' },
  '.cm-tooltip': { background: 'var(--panel)', border: '1px solid var(--line-strong)', color: 'var(--fg)', borderRadius: '4px', boxShadow: 'var(--shadow)', zIndex: '70' },
  '.cm-tooltip-autocomplete > ul': { fontFamily: 'var(--mono)', fontSize: '12px', maxHeight: '18em', minWidth: '280px' },
  '.cm-tooltip.cm-tooltip-autocomplete > ul > li': { padding: '3px 8px', lineHeight: '18px', display: 'flex', gap: '8px' },
  '.cm-tooltip-autocomplete > ul > li[aria-selected]': { background: 'var(--selected)', color: 'var(--fg)' },
  '.cm-completionLabel': { flex: '1' },
  '.cm-completionDetail': { color: 'var(--fg-dim)', fontStyle: 'normal', fontFamily: 'var(--font)', fontSize: '11px' },
  '.cm-completionMatchedText': { textDecoration: 'none', color: 'var(--accent)', fontWeight: '650' },
  '.cm-completionIcon': { display: 'none' },
  '.cm-completionInfo': { fontFamily: 'var(--font)', fontSize: '12px', lineHeight: '17px', padding: '6px 10px', maxWidth: '360px' },
  '.cm-diagnostic': { fontFamily: 'var(--font)', fontSize: '12px', padding: '5px 10px', borderLeft: '3px solid var(--crit)' },
  '.cm-diagnostic-warning': { borderLeftColor: 'var(--warn)' },
  '.cm-diagnostic-info': { borderLeftColor: 'var(--accent)' },
  '.cm-lintRange-error': { backgroundImage: 'none', textDecoration: 'underline wavy var(--crit) 1px', textUnderlineOffset: '3px' },
  '.cm-lintRange-warning, .cm-lintRange-info': { backgroundImage: 'none', textDecoration: 'underline wavy var(--warn) 1px', textUnderlineOffset: '3px' },
  '.cm-lintPoint:after': { borderBottomColor: 'var(--crit)' },
});

export interface EditorOptions {
  parent: HTMLElement;
  text: string;
  label: string;
  placeholder: string;
  /** The range that completion looks for names in, Unix seconds. */
  range: () => { start: number; end: number };
  onchange: (text: string) => void;
  onrun: () => void;
  /** Earlier expressions: -1 is the one before. Null leaves what is there. */
  onhistory: (step: 1 | -1) => string | null;
}

/** `language` is what one query language adds: its colours, completion and checks. */
export function createCodeEditor(o: EditorOptions, language: Extension, ondestroy: () => void = () => {}): Editor {
  const root = o.parent.shadowRoot ?? o.parent.attachShadow({ mode: 'open' });
  const parent = document.createElement('div');
  root.replaceChildren(parent);
  const recall = (step: 1 | -1) => (view: EditorView) => {
    const text = o.onhistory(step);
    if (text === null) return false;
    replaceAll(view, text);
    return true;
  };
  const view = new EditorView({
    parent,
    root,
    state: EditorState.create({
      doc: o.text,
      extensions: [
        history(), drawSelection(), bracketMatching(), closeBrackets(), EditorView.lineWrapping,
        placeholder(o.placeholder),
        EditorView.contentAttributes.of({ 'aria-label': o.label, spellcheck: 'false', autocapitalize: 'off' }),
        syntaxHighlighting(highlight), theme,
        language,
        // Enter takes a suggestion when one is offered, else it runs.
        Prec.high(keymap.of([
          { key: 'Enter', run: (v) => { if (completionStatus(v.state) === 'active') return false; o.onrun(); return true; } },
          { key: 'Mod-Enter', run: () => { o.onrun(); return true; } },
          { key: 'Shift-Enter', run: insertNewlineAndIndent },
          { key: 'Mod-ArrowUp', run: recall(-1) },
          { key: 'Mod-ArrowDown', run: recall(1) },
          // Out of the field, so that the page's keys work again (and Tab is never caught).
          { key: 'Escape', run: (v) => { if (completionStatus(v.state) !== null) return false; v.contentDOM.blur(); return true; } },
        ])),
        keymap.of([...closeBracketsKeymap, ...completionKeymap, ...historyKeymap, ...lintKeymap, ...defaultKeymap]),
        EditorView.updateListener.of((u) => { if (u.docChanged) o.onchange(u.state.doc.toString()); }),
      ],
    }),
  });
  return {
    get: () => view.state.doc.toString(),
    set: (text) => { if (text !== view.state.doc.toString()) replaceAll(view, text); },
    focus: () => view.focus(),
    insert: (text) => {
      view.dispatch(view.state.replaceSelection(text));
      view.focus();
    },
    marks: (list) => {
      const length = view.state.doc.length;
      const diagnostics = list.map((m): Diagnostic => {
        const from = Math.min(m.from, length);
        const word = view.state.wordAt(from);
        return { from, to: Math.min(length, Math.max(from, word?.to ?? from + 1)), message: m.message, severity: m.severity };
      });
      view.dispatch(setDiagnostics(view.state, diagnostics));
    },
    goTo: (offset) => {
      view.dispatch({ selection: { anchor: Math.min(offset, view.state.doc.length) }, scrollIntoView: true });
      view.focus();
    },
    destroy: () => {
      ondestroy();
      view.destroy();
    },
  };
}

function replaceAll(view: EditorView, text: string): void {
  view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text }, selection: { anchor: text.length } });
}
