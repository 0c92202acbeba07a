// RFC 8785, for checking that a text is in that form: it is read and written again.

const DEPTH = 64;

export class NotCanonical extends Error {}

function texts(value) {
  for (const c of value) {
    const n = c.codePointAt(0);
    // Halves of surrogate pairs and noncharacters are no I-JSON (RFC 7493 section 2.1).
    if ((n >= 0xd800 && n <= 0xdfff) || (n >= 0xfdd0 && n <= 0xfdef) || (n & 0xfffe) === 0xfffe) throw new NotCanonical('text');
  }
  return JSON.stringify(value);
}

/** The text of a value; throws for what JSON lacks, and beyond `depth` open containers. */
export function canonicalize(value, depth = DEPTH) {
  if (typeof value === 'string') return texts(value);
  if (Number.isFinite(value)) return JSON.stringify(value); // ECMAScript's own spelling is RFC 8785's
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value !== 'object' || depth === 0) throw new NotCanonical('value');
  if (Array.isArray(value)) return `[${value.map((v) => canonicalize(v, depth - 1)).join(',')}]`;
  const keys = Object.keys(value).sort(); // by UTF-16 code units
  return `{${keys.map((k) => `${texts(k)}:${canonicalize(value[k], depth - 1)}`).join(',')}}`;
}

/** The value of a text in canonical form; nothing for any other text. */
export function parseCanonical(text, depth = DEPTH) {
  try {
    const value = JSON.parse(text);
    return canonicalize(value, depth) === text ? value : undefined;
  } catch {
    return undefined;
  }
}
