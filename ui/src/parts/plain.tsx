// Text and JSON of strangers, shown so that nothing in it hides or passes for something else: every character
// that has no shape of its own, or turns the direction, by its number; letters of another alphabet among Latin
// ones marked.
import type { ComponentChildren } from 'preact';
import { t } from '../strings';

// Without a shape, or with that of a space: controls, formats, private and unassigned ones, separators, fillers.
const hidden = /[\p{C}\p{Zl}\p{Zp}\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\uffa0\ufe00-\ufe0f\u{e0100}-\u{e01ef}]|(?! )\p{Zs}/u;
// Letters of alphabets that share shapes with Latin ones, and signs that pass for others.
const other = /[\p{Script=Cyrillic}\p{Script=Greek}\p{Script=Armenian}\p{Script=Cherokee}\p{Script=Coptic}\p{Script=Lisu}\uff01-\uff5e\u{1d400}-\u{1d7ff}]/u;
const passes = /[\u2024\u2044\u2215\u2010\u2011\u2212\u2236\ua789\u0334-\u0338\u20d2-\u20e5]/u;
// Those of them that look just like a Latin letter.
const twins = /^[асеорхуіјѕһԁԛԝвкмнтгбАВЕКМНОРСТУХІЈЅԌԛԜΑΒΕΖΗΙΚΜΝΟΡΤΥΧοιανρυκτωϲј\uff01-\uff5e\u{1d400}-\u{1d7ff}]+$/u;
const number = (c: string) => `U+${c.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}`;

/// In a word with letters of two alphabets, or all of whose letters pass for Latin ones, the others are marked; in a
/// name, which is ASCII as a rule, always.
const marked = (word: string, name: boolean) => other.test(word) && (name || /[A-Za-z]/.test(word) || twins.test([...word].filter((c) => other.test(c)).join('')));

/// Which of two that are compared: what was, or what is now.
export type Side = 'was' | 'now';
/// The part of a text, from one place to another as slice() counts, that is on this side only.
export interface Part { from: number; to: number; side: Side }

/// What is on one side only: seen by more than its colour, and said to those who hear it.
export function Marked({ side, block, children }: { side: Side; block?: boolean; children: ComponentChildren }) {
  const inner = <><span class="unseen">{t.tools.only[side]}</span>{children}<span class="unseen">{t.tools.onlyEnd}</span></>;
  const look = block ? 'marked block' : 'marked';
  return side === 'was' ? <del class={look}>{inner}</del> : <ins class={look}>{inner}</ins>;
}

/// `part`: is marked. Whether a letter passes for another is judged by the whole word all the same.
export function Plain({ text, name, part }: { text: string; name?: boolean; part?: Part }) {
  const pieces: [ComponentChildren[], ComponentChildren[], ComponentChildren[]] = [[], [], []];  // before the part, it, after it
  let out = pieces[0];
  let run = '';
  let at = 0;
  const flush = () => { if (run) out.push(run); run = ''; };
  const each = (c: string, marks: boolean) => {
    const here = pieces[!part || at < part.from ? 0 : at < part.to ? 1 : 2];
    if (here !== out) {
      flush();
      out = here;
    }
    at += c.length;
    if (c === '\n' && !name) {
      flush();
      out.push(<span class="odd" title={t.confirm.newline}>↵</span>, '\n');
    } else if (hidden.test(c)) {
      flush();
      out.push(<span class="odd" title={t.confirm.hidden}>{number(c)}</span>);
    } else if (passes.test(c) || (marks && other.test(c))) {
      flush();
      out.push(<span class="odd alike" title={`${t.confirm.alike} ${number(c)}`}>{c}<small>{number(c)}</small></span>);
    } else run += c;
  };
  for (const word of text.split(/(?<![\p{L}\p{M}\p{N}])(?=[\p{L}\p{N}])|(?<=[\p{L}\p{M}\p{N}])(?![\p{L}\p{M}\p{N}])/u)) {
    const marks = marked(word, !!name);
    for (const c of word) each(c, marks);
  }
  flush();
  const drawn = pieces.map((list) => list.map((piece, n) => <bdi key={n}>{piece}</bdi>));
  return (
    <span class="plain" dir="ltr">
      {drawn[0]}
      {part && (part.from < part.to ? <Marked side={part.side}>{drawn[1]}</Marked> : <span class="gap"><span class="unseen"> ({t.tools.gap}) </span></span>)}
      {drawn[2]}
    </span>
  );
}

/// A JSON value, whole: nothing is cut, folded or formatted away.
export function Value({ of }: { of: unknown }) {
  if (typeof of === 'string') return of === '' ? <span class="hint">{t.confirm.empty}</span> : <Plain text={of} />;
  if (Array.isArray(of)) {
    if (of.length === 0) return <span class="hint">[ ]</span>;
    return <ol class="value" start={0}>{of.map((one, n) => <li key={n}><Value of={one} /></li>)}</ol>;
  }
  if (of !== null && typeof of === 'object') {
    const members = Object.entries(of);
    if (members.length === 0) return <span class="hint">{'{ }'}</span>;
    return <dl class="value">{members.map(([key, one]) => <div key={key}><dt><Plain text={key} name /></dt><dd><Value of={one} /></dd></div>)}</dl>;
  }
  return <code>{JSON.stringify(of)}</code>;
}
