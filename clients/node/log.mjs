// Records of a Vestibule audit log: their place under a signed checkpoint, and what opens them.
import { createHash, createHmac, createPublicKey, verify } from 'node:crypto';

export const sha256 = (...parts) => {
  const hash = createHash('sha256');
  for (const p of parts) hash.update(p);
  return hash.digest();
};
const hmac = (key, ...parts) => {
  const mac = createHmac('sha256', key);
  for (const p of parts) mac.update(p);
  return mac.digest();
};
const ZERO = Buffer.of(0), ONE = Buffer.of(1);
const ED25519 = Buffer.from('302a300506032b6570032100', 'hex');

class Broken extends Error {}
function must(good, why) {
  if (!good) throw new Broken(why);
}

/** Strict: one spelling of each value. */
export function bytes(text, encoding) {
  if (typeof text !== 'string') return undefined;
  const raw = Buffer.from(text, encoding);
  return raw.toString(encoding) === text ? raw : undefined;
}

/** "<name>+<hash>+<key>", C2SP's form of a verifier key. */
export function parseLogKey(text) {
  const line = String(text).trim(); // of a file, often
  const first = line.indexOf('+');
  const second = line.indexOf('+', first + 1);
  const name = line.slice(0, first);
  const hash = line.slice(first + 1, second);
  const raw = bytes(line.slice(second + 1), 'base64');
  if (first < 1 || second < 0 || raw?.length !== 33 || raw[0] !== 1) throw new TypeError('a log key has the form NAME+HASH+KEY');
  if (sha256(name, '\n', raw).subarray(0, 4).toString('hex') !== hash) throw new TypeError('a log key does not fit its own hash');
  return { name, hash, key: createPublicKey({ key: Buffer.concat([ED25519, raw.subarray(1)]), format: 'der', type: 'spki' }) };
}

// --- checkpoints (C2SP tlog-checkpoint, signed-note)

function openCheckpoint(text, keys) {
  must(typeof text === 'string', 'no checkpoint');
  const end = text.lastIndexOf('\n\n');
  must(end > 0 && text.endsWith('\n'), 'not a checkpoint');
  const body = text.slice(0, end + 1);
  const [name, size, root] = body.split('\n');
  const digest = bytes(root, 'base64');
  must(/^(0|[1-9][0-9]{0,15})$/.test(size ?? '') && digest?.length === 32, 'not a checkpoint');
  const known = keys.filter((k) => k.name === name); // several, where the log's key was changed
  must(known.length > 0, 'no key is known of this log');
  const signed = text.slice(end + 2, -1).split('\n').some((line) => {
    const [dash, signer, signature, more] = line.split(' ');
    const raw = bytes(signature, 'base64');
    const key = raw?.length === 68 && known.find((k) => k.hash === raw.subarray(0, 4).toString('hex'));
    return dash === '\u2014' && signer === name && more === undefined && key && verify(null, Buffer.from(body), key.key, raw.subarray(4));
  });
  must(signed, 'the checkpoint is not signed by the key of its log');
  return { name, size: Number(size), root: digest };
}

// RFC 9162 section 2.1.3.2.
function rootFrom(leaf, index, size, path) {
  must(index < size, 'the record lies behind the checkpoint');
  let fn = index, sn = size - 1, at = leaf;
  for (const step of path) {
    must(sn !== 0, 'the path is too long');
    if (fn % 2 === 1 || fn === sn) {
      at = sha256(ONE, step, at);
      while (fn % 2 === 0 && fn !== 0) {
        fn = Math.floor(fn / 2);
        sn = Math.floor(sn / 2);
      }
    } else {
      at = sha256(ONE, at, step);
    }
    fn = Math.floor(fn / 2);
    sn = Math.floor(sn / 2);
  }
  must(sn === 0, 'the path is too short');
  return at;
}

// --- record bytes, version 1

function fields(raw, from, last) {
  const out = new Map();
  let at = from, before = 0;
  while (at < raw.length) {
    const tag = raw[at++];
    let size = raw[at++];
    if (size >= 128) size = (size & 127) | (raw[at++] << 7);
    must(tag > before && tag <= last && size > 0 && at + size <= raw.length, 'a record is malformed');
    out.set(tag, raw.subarray(at, at + size));
    at += size;
    before = tag;
  }
  return out;
}
const number = (raw) => (raw ? Number(BigInt(`0x${raw.toString('hex')}`)) : 0);
const text = (raw) => (raw ? raw.toString('utf8') : '');

/**
 * {fields, proof, salt} of a receipt, once all of it holds under one of the keys. Throws.
 */
export function openRecord(opened, keys) {
  const members = (o, names) => o !== null && typeof o === 'object' && !Array.isArray(o) && Object.keys(o).sort().join() === names;
  must(members(opened, 'fields,proof,salt'), 'not an opened record');
  const { proof } = opened;
  must(members(proof, 'checkpoint,format,leaf_hash,path,record,seq') && proof.format === 'vestibule-audit-proof/v1' && Array.isArray(proof.path), 'not an inclusion proof');
  const record = bytes(proof.record, 'base64');
  must(record && record.length > 9 && record[0] === 1 && Number(record.readBigUInt64BE(1)) === proof.seq, 'another record than the proof is of');
  const leaf = fields(record, 9, 22);
  const hash = sha256(ZERO, record);
  must(proof.leaf_hash === hash.toString('hex'), 'leaf_hash is not the record\'s');
  const path = proof.path.map((h) => {
    const step = bytes(h, 'hex');
    must(step?.length === 32, 'the path holds something that is no hash');
    return step;
  });
  const checkpoint = openCheckpoint(proof.checkpoint, keys);
  must(rootFrom(hash, proof.seq, checkpoint.size, path).equals(checkpoint.root), 'the path does not lead to the checkpoint\'s root');
  const salt = bytes(opened.salt, 'base64');
  const about = bytes(opened.fields, 'base64');
  must(salt?.length === 16 && about?.[0] === 1 && leaf.get(22)?.equals(hmac(salt, about)), 'what is said of the record is not what it commits to');
  const said = fields(about, 1, 7);
  return {
    seq: proof.seq, log: checkpoint.name, kind: number(leaf.get(1)), at: number(leaf.get(2)), accessPoint: text(leaf.get(4)), operation: text(leaf.get(5)),
    reason: text(leaf.get(8)), body: leaf.get(15), user: said.get(1), userName: text(said.get(2)), session: said.get(3), note: text(said.get(7)),
    commits: (digest) => hmac(salt, 'body', digest),
  };
}
