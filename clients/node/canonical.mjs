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

// Beyond 2^53 a number must be one that a double holds as it is spelt.
function numbers(value) {
  if (!Number.isFinite(value)) throw new NotCanonical('number');
  const text = JSON.stringify(value);
  if (Math.abs(value) > Number.MAX_SAFE_INTEGER) {
    const [mantissa, exponent = '0'] = text.replace('-', '').split('e');
    const [whole, fraction = ''] = mantissa.split('.');
    const spelt = BigInt(whole + fraction) * 10n ** BigInt(Number(exponent) - fraction.length);
    if (spelt !== BigInt(Math.abs(value))) throw new NotCanonical('number');
  }
  return text;
}

export function canonicalize(value, depth = 0) {
  if (typeof value === 'string') return texts(value);
  if (typeof value === 'number') return numbers(value);
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value !== 'object' || depth >= DEPTH) throw new NotCanonical('value');
  if (Array.isArray(value)) return `[${value.map((v) => canonicalize(v, depth + 1)).join(',')}]`;
  const keys = Object.keys(value).sort(); // by UTF-16 code units
  return `{${keys.map((k) => `${texts(k)}:${canonicalize(value[k], depth + 1)}`).join(',')}}`;
}

/** The value of a text in canonical form; nothing for any other text. */
export function parseCanonical(text) {
  try {
    const value = JSON.parse(text);
    return canonicalize(value) === text ? value : undefined;
  } catch {
    return undefined;
  }
}
