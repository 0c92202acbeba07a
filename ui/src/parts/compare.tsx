// One side of two JSON values that are compared: shown whole, with what the other lacks marked.
import { canonical, common, isObject, middle, type Json, type JsonObject } from '../compare';
import { t } from '../strings';
import { Marked, Plain, Value, type Side } from './plain';

const kind = (of: Json) => (of === null ? 'null' : Array.isArray(of) ? 'array' : typeof of);
const empty = (of: Json) => (Array.isArray(of) ? of.length === 0 : isObject(of) && Object.keys(of).length === 0);

/// The names of both, those first that differ, each group in the order of `first` and then of the alphabet.
export function namesOf(was: JsonObject, now: JsonObject, first: string[] = []): { name: string; differs: boolean }[] {
  const all = [...new Set([...Object.keys(was), ...Object.keys(now)])].sort();
  const rank = (name: string) => (first.includes(name) ? first.indexOf(name) : first.length);
  return all
    .map((name) => ({ name, differs: !Object.hasOwn(was, name) || !Object.hasOwn(now, name) || canonical(was[name]!) !== canonical(now[name]!) }))
    .sort((a, b) => Number(b.differs) - Number(a.differs) || rank(a.name) - rank(b.name));
}

export function Compared({ of, other, side }: { of: Json; other: Json; side: Side }) {
  if (canonical(of) === canonical(other)) return <Value of={of} />;
  if (typeof of === 'string' && typeof other === 'string') {
    const [was, now] = side === 'was' ? [of, other] : [other, of];
    const where = middle(was, now);
    const alike = was.slice(where.from, where.was).normalize('NFKC') === now.slice(where.from, where.now).normalize('NFKC');
    return <><Plain text={of} part={{ from: where.from, to: where[side], side }} />{alike && <p class="hint">{t.tools.composed}</p>}</>;
  }
  if (Array.isArray(of) && Array.isArray(other) && !empty(of)) {
    const { head, tail } = common(of.map(canonical), other.map(canonical));
    return (
      <ol class="value" start={0}>
        {of.map((one, n) => (
          <li key={n}>
            {n < head || n >= of.length - tail ? <Value of={one} />
              : n < other.length - tail ? <Compared of={one} other={other[n]!} side={side} />
              : <Marked side={side} block><Value of={one} /></Marked>}
          </li>
        ))}
      </ol>
    );
  }
  if (isObject(of) && isObject(other) && !empty(of)) {
    return (
      <dl class="value">
        {namesOf(of, other).filter(({ name }) => Object.hasOwn(of, name)).map(({ name }) => (Object.hasOwn(other, name) ? (
          <div key={name}><dt><Plain text={name} name /></dt><dd><Compared of={of[name]!} other={other[name]!} side={side} /></dd></div>
        ) : (
          <div key={name}><dt><Marked side={side}><Plain text={name} name /></Marked></dt><dd><Marked side={side} block><Value of={of[name]!} /></Marked></dd></div>
        )))}
      </dl>
    );
  }
  // Of different kinds, which may look the same: the text "1" and the number 1.
  return <Marked side={side} block><Value of={of} />{kind(of) !== kind(other) && <> <span class="hint">({t.tools.kinds[kind(of)]})</span></>}</Marked>;
}
