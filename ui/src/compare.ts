// What two JSON values have in common, and where they part. Pure: nothing is shown here.

export type Json = null | boolean | number | string | Json[] | JsonObject;
export interface JsonObject { [name: string]: Json }

export const isObject = (of: Json): of is JsonObject => of !== null && typeof of === 'object' && !Array.isArray(of);

/// RFC 8785: the same text for the same value. Its numbers and strings are those of JSON.stringify, its order that
/// of sort().
export function canonical(of: Json): string {
  if (Array.isArray(of)) return `[${of.map(canonical).join(',')}]`;
  if (!isObject(of)) return JSON.stringify(of);
  return `{${Object.keys(of).sort().map((name) => `${JSON.stringify(name)}:${canonical(of[name]!)}`).join(',')}}`;
}

/// How many of them are the same from the start on, and how many of the others from the end on.
export function common(was: readonly string[], now: readonly string[]): { head: number; tail: number } {
  const most = Math.min(was.length, now.length);
  let head = 0;
  while (head < most && was[head] === now[head]) ++head;
  let tail = 0;
  while (tail < most - head && was[was.length - 1 - tail] === now[now.length - 1 - tail]) ++tail;
  return { head, tail };
}

// What people take for one character is not cut in two: neither surrogates, nor a letter and its accent, nor what
// is joined. In a browser that does not know them, surrogates at least.
const segmenter = typeof Intl.Segmenter === 'function' ? new Intl.Segmenter('en', { granularity: 'grapheme' }) : null;

/// The character of `text` that `at` falls into the middle of; null: a character begins there, or the text ends.
function cut(text: string, at: number): { begin: number; end: number } | null {
  if (at <= 0 || at >= text.length) return null;
  if (!segmenter) return text.codePointAt(at - 1)! > 0xffff ? { begin: at - 1, end: at + 1 } : null;
  const { index, segment } = segmenter.segment(text).containing(at)!;
  return index < at ? { begin: index, end: index + segment.length } : null;
}

/// Where two texts differ: both from `from` on, to `was` in the one and to `now` in the other (as slice() counts).
export function middle(was: string, now: string): { from: number; was: number; now: number } {
  const most = Math.min(was.length, now.length);
  let from = 0;
  while (from < most && was[from] === now[from]) ++from;
  // What follows decides too where a character ends: it must begin here in both.
  for (let inside; (inside = cut(was, from) ?? cut(now, from));) from = inside.begin;
  let tail = 0;
  while (tail < most - from && was[was.length - 1 - tail] === now[now.length - 1 - tail]) ++tail;
  for (;;) {
    const [w, n] = [was.length - tail, now.length - tail];
    const [a, b] = [cut(was, w), cut(now, n)];
    if (!a && !b) return { from, was: w, now: n };
    tail -= a ? a.end - w : b!.end - n;
  }
}
