// The receipt of a tool call that a person confirmed at a Vestibule gateway: checked with public keys alone. The checks
// and their order are those of docs/receipts.md; the same vectors hold the gateway's own.
import { createPublicKey, verify } from 'node:crypto';
import { canonicalize, parseCanonical } from './canonical.mjs';
import { bytes, openRecord, parseLogKey, sha256 } from './log.mjs';

const MAX_RECEIPT = 512 * 1024;
const MAX_HEADER = 12 * 1024;
const SKEW = 60_000_000; // microseconds
const HEX = /^[0-9a-f]{64}$/;
const TEXTS = ['access_point', 'account', 'arguments_sha256', 'client', 'conversation_sha256', 'expires', 'format', 'id', 'model', 'policy', 'source', 'tool', 'user', 'via'];
const BINDING = 'expires,object,operation,session,user';
const STATEMENT = 'algorithm,authenticator_data,binding,client_data,credential,nonce,public_key,relying_party,signature';
const NOTE = /^action ([0-9a-f]{64}) by ([a-z_]{1,32}) (fac_[a-z2-7]{26})(?:; statement ([0-9a-f]{64}))?$/;
const KINDS = new Set(['password', 'totp', 'hotp', 'webauthn', 'push', 'push_choice', 'recovery_code', 'external']);
// Everything before the numbers of a key, as DER writes it.
const PREFIX = {
  '-7': ['3059301306072a8648ce3d020106082a8648ce3d03010703420004', 91, 'sha256'],
  '-35': ['3076301006072a8648ce3d020106052b8104002203620004', 120, 'sha384'],
  '-8': ['302a300506032b6570032100', 44, null],
  '-257': ['30820122300d06092a864886f70d01010105000382010f003082010a0282010100', 294, 'sha256'],
};

export class ReceiptError extends Error {
  constructor(code, words) {
    super(`${code}: ${words}`);
    this.name = 'ReceiptError';
    this.code = code;
  }
}
function must(good, code, words) {
  if (!good) throw new ReceiptError(code, words);
}

const isObject = (v) => v !== null && typeof v === 'object' && !Array.isArray(v);
const keysOf = (v) => Object.keys(v).sort().join();
const hash = (text) => sha256(text).toString('hex');

/** The receipt in a header's value (base64url). */
export function fromHeader(value) {
  must(typeof value === 'string', 'malformed', 'there is none');
  must(value.length <= MAX_HEADER, 'too_large', 'a receipt in a header has at most 12 KiB');
  const raw = bytes(value, 'base64url');
  must(raw, 'malformed', 'not base64url');
  return raw.toString('utf8');
}

function form(text) {
  must(typeof text === 'string', 'malformed', 'not a text');
  must(Buffer.byteLength(text) <= MAX_RECEIPT, 'too_large', 'a receipt has at most 512 KiB');
  const r = parseCanonical(text, 8);
  must(isObject(r), 'malformed', 'not JSON in canonical form (RFC 8785)');
  const known = keysOf(r) === (r.dispatched === undefined ? 'action,confirmed,format' : 'action,confirmed,dispatched,format');
  must(known && typeof r.action === 'string' && Array.isArray(r.confirmed) && r.format === 'vestibule-receipt/v1' &&
    (r.dispatched === undefined || isObject(r.dispatched)), 'malformed', 'not a vestibule-receipt/v1');
  for (const c of r.confirmed) {
    const bound = isObject(c) && keysOf(c) === 'actions,log,statement' && Array.isArray(c.actions) && isObject(c.statement);
    must(isObject(c) && isObject(c.log) && (bound || keysOf(c) === 'log'), 'malformed', 'a confirmation of no known form');
  }
  must(r.confirmed.length > 0, 'unconfirmed', 'nobody has confirmed it');
  must(r.confirmed.length <= 16, 'malformed', 'more than 16 confirmations');
  return r;
}

function actionOf(text) {
  const a = parseCanonical(text);
  const members = [...TEXTS, 'arguments', ...(a?.also === undefined ? [] : ['also'])];
  const good = isObject(a) && keysOf(a) === members.sort().join() && TEXTS.every((k) => typeof a[k] === 'string') &&
    a.format === 'vestibule-tool-call/v1' && a.id !== '' && HEX.test(a.arguments_sha256) && HEX.test(a.conversation_sha256) && HEX.test(a.policy) &&
    /^[1-9][0-9]{0,15}$/.test(a.expires) && (a.also === undefined || (isObject(a.also) && keysOf(a.also) === 'access_point,tool' &&
      typeof a.also.access_point === 'string' && typeof a.also.tool === 'string'));
  must(good, 'action', 'not the canonical text of a tool call');
  return a;
}

// What is expected of the place that the action names, or of the other one where it may be called besides.
function checkPlace(action, want) {
  const other = (place) => {
    if (want.tool !== undefined && want.tool !== place.tool) return 'tool';
    return want.accessPoint !== undefined && want.accessPoint !== place.access_point ? 'access_point' : undefined;
  };
  const what = other(action);
  must(!what || (action.also && !other(action.also)), what, `it is for ${action.tool} at ${action.access_point}`);
}

function sameArguments(action, wanted) {
  if (typeof wanted === 'string' || wanted instanceof Uint8Array) return hash(wanted) === action.arguments_sha256;
  try {
    return canonicalize(wanted) === canonicalize(action.arguments);
  } catch {
    return false;
  }
}

// What the authenticator signed, held against itself.
function checkStatement(s) {
  const b = parseCanonical(s.binding);
  must(isObject(b) && keysOf(b) === BINDING && Number.isSafeInteger(b.expires) && b.expires >= 0 && ['object', 'operation'].every((k) => typeof b[k] === 'string') &&
    /^usr_[a-z2-7]{26}$/.test(b.user) && /^ses_[a-z2-7]{26}$/.test(b.session), 'binding', 'not the canonical text of a binding');
  let client;
  try {
    client = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(s.client_data));
  } catch { /* told below */ }
  must(isObject(client) && ['type', 'challenge', 'origin'].every((k) => typeof client[k] === 'string') && bytes(client.challenge, 'base64url') &&
    ['undefined', 'boolean'].includes(typeof client.crossOrigin), 'client_data', 'malformed');
  must(client.type === 'webauthn.get', 'type', `${client.type} instead of an assertion`);
  const challenge = sha256('vestibule/webauthn/v1', s.nonce, sha256(s.binding));
  must(client.challenge === challenge.toString('base64url'), 'challenge', 'signed for another challenge');
  must(isOriginOf(client.origin, s.relying_party), 'origin', `signed at ${client.origin}`);
  must(client.crossOrigin !== true && client.topOrigin === undefined, 'cross_origin', 'signed within another site');
  const data = s.authenticator_data;
  const flags = data[32] ?? 0;
  must(data.length >= 37 && (flags & 0x40) === 0 && ((flags & 0x80) !== 0) === (data.length > 37), 'authenticator_data', 'malformed');
  must(data.subarray(0, 32).equals(sha256(s.relying_party)), 'rp_id', 'signed for another relying party');
  must(flags & 1, 'user_presence', 'nobody touched the key');
  must(!(flags & 16) || flags & 8, 'backup_state', 'backed up without being able to');
  must(verifies(s, Buffer.concat([data, sha256(s.client_data)])), 'signature', 'does not verify');
  return { ...b, origin: client.origin, userVerified: (flags & 4) !== 0, deviceBound: (flags & 8) === 0 };
}

function verifies(s, message) {
  const [prefix, length, algorithm] = PREFIX[s.algorithm] ?? [];
  if (!prefix || s.public_key.length !== length || !s.public_key.toString('hex').startsWith(prefix)) return false;
  try {
    return verify(algorithm, message, createPublicKey({ key: s.public_key, format: 'der', type: 'spki' }), s.signature);
  } catch {
    return false;
  }
}

function isOriginOf(origin, relyingParty) {
  const m = /^(https?):\/\/([a-z0-9.-]+)(?::([0-9]{1,5}))?$/.exec(origin);
  if (!m || m[3] === (m[1] === 'https' ? '443' : '80')) return false;
  const host = m[2];
  if (m[1] === 'http' && host !== 'localhost' && !host.endsWith('.localhost')) return false;
  return host === relyingParty || host.endsWith(`.${relyingParty}`);
}

function statementOf(value) {
  const binary = ['authenticator_data', 'client_data', 'credential', 'nonce', 'public_key', 'signature'];
  if (keysOf(value) !== STATEMENT || !Number.isSafeInteger(value.algorithm) || typeof value.binding !== 'string' || typeof value.relying_party !== 'string') return undefined;
  const s = { ...value };
  for (const k of binary) s[k] = bytes(value[k], 'base64url');
  return binary.every((k) => s[k]) ? s : undefined;
}

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';
function ident(prefix, raw) {
  let out = '', bits = 0, held = 0;
  for (const b of raw ?? []) {
    held = (held << 8) | b;
    for (bits += 8; bits >= 5; bits -= 5) out += BASE32[(held >> (bits - 5)) & 31];
    held &= (1 << bits) - 1;
  }
  return prefix + (bits ? out + BASE32[(held << (5 - bits)) & 31] : out);
}

function open(log, keys) {
  try {
    return openRecord(log, keys);
  } catch (e) {
    throw new ReceiptError('log', e.message);
  }
}

function confirmation(c, context) {
  const { action, digest, keys, want } = context;
  const record = open(c.log, keys);
  const note = NOTE.exec(record.note);
  must(record.operation === 'tools.confirm' && record.reason === 'ok' && note && note[1] === digest && KINDS.has(note[2]) && record.user?.length === 16,
    'record', 'the log\'s record is not of a confirmation of this call');
  const by = { user: record.userName, account: ident('usr_', record.user), time: record.at, kind: note[2], factor: note[3], record: record.seq, log: record.log, bound: false };
  must((note[4] !== undefined) === (c.statement !== undefined), 'statement', 'the log says otherwise whether anything was signed');
  if (c.statement) {
    const s = statementOf(c.statement);
    must(s && hash(canonicalize(c.statement)) === note[4], 'statement', 'not the one that the log names');
    must(c.actions.every((d) => typeof d === 'string' && HEX.test(d)) && new Set(c.actions).size === c.actions.length, 'list', 'the signed list is malformed');
    must(c.actions.length <= 64 && c.actions.includes(digest), 'list', 'the signed list does not hold this call');
    const said = checkStatement(s);
    const object = hash(`vestibule/tool-calls/v1\n${c.actions.map((d) => `${d}\n`).join('')}`);
    must(said.operation === 'tools.confirm' && said.object === object, 'binding', 'it was signed for something else');
    must(said.user === by.account && said.session === ident('ses_', record.session), 'account', 'it was signed for another account or session than the log says');
    must(want.relyingPartyId === undefined || want.relyingPartyId === s.relying_party, 'rp_id', `signed for ${s.relying_party}`);
    must(!want.origins?.length || want.origins.includes(said.origin), 'origin', `signed at ${said.origin}`);
    must(by.time < said.expires, 'expired', 'the question was answered too late');
    Object.assign(by, { bound: true, credential: c.statement.credential, publicKey: c.statement.public_key, relyingPartyId: s.relying_party, origin: said.origin, userVerified: said.userVerified, deviceBound: said.deviceBound });
  } else {
    must(want.allowUnbound, 'unbound', `${by.user} confirmed it with a factor that signs nothing`);
  }
  must(by.time < Number(action.expires), 'expired', 'it was confirmed too late');
  return by;
}

function dispatch(log, context, confirmed) {
  const { action, digest, keys } = context;
  const record = open(log, keys);
  must(record.kind === 1 && record.operation === 'tools/call' && record.reason === 'ok' && record.accessPoint === action.access_point &&
    record.note === `action ${digest}` && record.body?.equals(record.commits(Buffer.from(action.arguments_sha256, 'hex'))), 'dispatch', 'the log\'s record is not of this call');
  must(confirmed.every((c) => c.log !== record.log || c.record < record.seq), 'dispatch', 'it was let out before it was confirmed');
  must(record.at < Number(action.expires), 'expired', 'it was let out too late');
  return { time: record.at, record: record.seq };
}

const milliseconds = (microseconds) => new Date(Math.floor(microseconds / 1000));

/**
 * Gives who confirmed what, when and with which key, or throws a ReceiptError whose `code` says what is wrong.
 * See receipt.d.ts and docs/receipts.md.
 */
export async function verifyReceipt(receipt, want) {
  const keys = want.logKeys.map((k) => parseLogKey(k));
  const text = receipt instanceof Uint8Array ? Buffer.from(receipt).toString('utf8') : receipt;
  const r = form(text);
  const action = actionOf(r.action);
  checkPlace(action, want);
  must(want.arguments === undefined || sameArguments(action, want.arguments), 'arguments', 'other arguments were confirmed');
  const context = { action, digest: hash(r.action), keys, want };
  const confirmed = [];
  for (const c of r.confirmed) {
    const by = confirmation(c, context);
    must(confirmed.every((other) => other.account !== by.account), 'twice', `${by.user} counts once`);
    confirmed.push(by);
  }
  must(r.dispatched !== undefined || want.allowUndispatched, 'not_dispatched', 'it was not let out');
  const dispatched = r.dispatched && dispatch(r.dispatched, context, confirmed);
  if (want.now !== null) {
    const now = Number(want.now ?? Date.now()) * 1000;
    const times = confirmed.map((c) => c.time);
    must(Math.max(...times) <= now + SKEW, 'not_yet', 'it was confirmed in the future');
    must(now < Number(action.expires), 'expired', 'it has expired');
    must(want.maxAge === undefined || now - Math.min(...times) <= want.maxAge * 1_000_000, 'too_old', 'it was confirmed too long ago');
  }
  // Last, so that a receipt that is refused is not used up.
  if (want.seen) {
    const name = `${confirmed[0].log} ${action.id}`;
    if (want.seen instanceof Set) {
      must(!want.seen.has(name), 'replayed', 'this call has been made already');
      want.seen.add(name);
    } else {
      must(await want.seen.claim(name, milliseconds(Number(action.expires))), 'replayed', 'this call has been made already');
    }
  }
  return {
    id: action.id, accessPoint: action.access_point, tool: action.tool, arguments: action.arguments, user: action.user, via: action.via, source: action.source,
    client: action.client, model: action.model, expires: milliseconds(Number(action.expires)),
    ...(action.also && { also: { accessPoint: action.also.access_point, tool: action.also.tool } }),
    confirmed: confirmed.map((c) => ({ ...c, time: milliseconds(c.time) })),
    ...(dispatched && { dispatched: { ...dispatched, time: milliseconds(dispatched.time) } }),
  };
}
