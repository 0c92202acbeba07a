"""The receipt of a tool call that a person confirmed at a Vestibule gateway: checked with public keys alone.

    summary = verify_receipt(receipt, log_keys=[KEY], tool="transfer", arguments=arguments, seen=seen)

The checks and their order are those of docs/receipts.md; the same vectors hold the gateway's own. Needs
`cryptography` (Debian: python3-cryptography) and Python 3.11.
"""
import base64
import binascii
import datetime
import decimal
import hashlib
import hmac
import json
import math
import re
import time
from dataclasses import dataclass, field
from typing import Any, Callable, Iterable, MutableSet

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding

__all__ = ["verify_receipt", "from_header", "ReceiptError", "Receipt", "Confirmation", "Dispatch"]

MAX_RECEIPT = 512 * 1024
MAX_HEADER = 12 * 1024
_DEPTH = 64
_SKEW = 60_000_000  # microseconds
_HEX = re.compile(r"[0-9a-f]{64}")
_TEXTS = {"access_point", "account", "arguments_sha256", "client", "conversation_sha256", "expires", "format", "id", "model", "policy",
          "source", "tool", "user", "via"}
_NOTE = re.compile(r"action ([0-9a-f]{64}) by ([a-z_]{1,32}) (fac_[a-z2-7]{26})(?:; statement ([0-9a-f]{64}))?")
_KINDS = {"password", "totp", "hotp", "webauthn", "push", "push_choice", "recovery_code", "external"}
_ORIGIN = re.compile(r"(https?)://([a-z0-9.-]+)(?::([0-9]{1,5}))?")
# Everything before the numbers of a key, as DER writes it, and the length of the whole.
_FORMS = {-7: ("3059301306072a8648ce3d020106082a8648ce3d03010703420004", 91),
          -35: ("3076301006072a8648ce3d020106052b8104002203620004", 120),
          -8: ("302a300506032b6570032100", 44),
          -257: ("30820122300d06092a864886f70d01010105000382010f003082010a0282010100", 294)}


class ReceiptError(Exception):
    """The receipt does not hold; `code` is a code of docs/receipts.md."""

    def __init__(self, code: str, words: str):
        super().__init__(f"{code}: {words}")
        self.code = code


@dataclass(frozen=True)
class Confirmation:
    user: str
    account: str
    time: datetime.datetime
    kind: str
    factor: str
    record: int
    log: str
    bound: bool = False  # the factor signed this very call; the rest only where it did
    credential: str = ""
    public_key: str = ""
    relying_party: str = ""
    origin: str = ""
    user_verified: bool = False
    device_bound: bool = False


@dataclass(frozen=True)
class Dispatch:
    time: datetime.datetime
    record: int


@dataclass(frozen=True)
class Receipt:
    id: str
    access_point: str
    tool: str
    arguments: Any
    user: str
    via: str
    source: str
    client: str
    model: str
    expires: datetime.datetime
    confirmed: list[Confirmation] = field(default_factory=list)
    dispatched: Dispatch | None = None
    also: tuple[str, str] | None = None  # access point and tool: where the call may be made once more


def _must(good: Any, code: str, words: str) -> None:
    if not good:
        raise ReceiptError(code, words)


def _sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def _hash(text: str | bytes) -> str:
    return _sha256(text.encode() if isinstance(text, str) else text).hex()


def _time(microseconds: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(0, datetime.timezone.utc) + datetime.timedelta(microseconds=microseconds)


# --- JSON in canonical form (RFC 8785)

def _number(value: float) -> str:
    """As ECMAScript prints it. A whole number that it would print as another has no spelling."""
    if isinstance(value, int):
        text = str(value) if abs(value) < 2**53 else _number(float(value))
        if decimal.Decimal(text) != value:
            raise ValueError("number")
        return text
    double = value
    if not math.isfinite(double):
        raise ValueError("number")
    if double == 0:
        return "0"
    sign, digits, exponent = decimal.Decimal(repr(double)).normalize().as_tuple()
    text, point = "".join(map(str, digits)), len(digits) + exponent
    if 0 < point <= 21:
        out = text[:point].ljust(point, "0") + ("." + text[point:] if len(text) > point else "")
    elif -6 < point <= 0:
        out = "0." + "0" * -point + text
    else:
        out = text[0] + ("." + text[1:] if len(text) > 1 else "") + ("e+" if point > 0 else "e-") + str(abs(point - 1))
    return "-" * sign + out


def _text(value: str) -> str:
    for c in map(ord, value):
        # Halves of surrogate pairs and noncharacters are no I-JSON (RFC 7493 section 2.1).
        if 0xD800 <= c <= 0xDFFF or 0xFDD0 <= c <= 0xFDEF or c & 0xFFFE == 0xFFFE:
            raise ValueError("text")
    return json.dumps(value, ensure_ascii=False)


def _canonical(value: Any, depth: int = _DEPTH) -> str:
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, (int, float)):
        return _number(value)
    if depth == 0:
        raise ValueError("depth")
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(_canonical(v, depth - 1) for v in value) + "]"
    if isinstance(value, dict):
        keys = sorted(value, key=lambda k: k.encode("utf-16-be"))
        return "{" + ",".join(_text(k) + ":" + _canonical(value[k], depth - 1) for k in keys) + "}"
    raise ValueError("value")


def _parse_canonical(text: str, depth: int = _DEPTH) -> Any:
    """The value of a text in canonical form; None for any other text, and for null."""
    try:
        value = json.loads(text)
        return value if _canonical(value, depth) == text else None
    except (ValueError, RecursionError, OverflowError):
        return None


def _bytes(text: Any, form: str) -> bytes | None:
    """Strict: one spelling of each value."""
    if not isinstance(text, str) or not text.isascii():
        return None
    try:
        if form == "hex":
            raw = bytes.fromhex(text)
            return raw if raw.hex() == text else None
        if form == "base64":
            raw = base64.b64decode(text, validate=True)
            return raw if base64.b64encode(raw).decode() == text else None
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        return raw if _b64url(raw) == text else None
    except (ValueError, binascii.Error):
        return None


def _b64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _ident(prefix: str, raw: bytes | None) -> str:
    return prefix + base64.b32encode(raw or b"").decode().rstrip("=").lower()


# --- the log

@dataclass(frozen=True)
class _LogKey:
    name: str
    hash: bytes
    key: ed25519.Ed25519PublicKey


def _log_key(text: str) -> _LogKey:
    parts = text.strip().split("+", 2)
    raw = _bytes(parts[2], "base64") if len(parts) == 3 else None
    if raw is None or len(raw) != 33 or raw[0] != 1 or not parts[0]:
        raise ValueError("a log key has the form NAME+HASH+KEY")
    hashed = _sha256(parts[0].encode(), b"\n", raw)[:4]
    if hashed.hex() != parts[1]:
        raise ValueError("a log key does not fit its own hash")
    return _LogKey(parts[0], hashed, ed25519.Ed25519PublicKey.from_public_bytes(raw[1:]))


def _checkpoint(text: Any, keys: Iterable[_LogKey]) -> tuple[str, int, bytes]:
    _must(isinstance(text, str) and text.endswith("\n") and text.rfind("\n\n") > 0, "log", "not a checkpoint")
    end = text.rfind("\n\n")
    body = text[:end + 1]
    lines = body.split("\n")
    root = _bytes(lines[2], "base64") if len(lines) > 3 else None
    _must(root is not None and len(root) == 32 and re.fullmatch(r"0|[1-9][0-9]{0,15}", lines[1], re.ASCII), "log", "not a checkpoint")
    known = {k.hash: k.key for k in keys if k.name == lines[0]}  # several, where the log's key was changed
    _must(known, "log", "no key is known of this log")
    for line in text[end + 2:-1].split("\n"):
        parts = line.split(" ")
        if len(parts) != 3 or parts[0] != "\u2014" or parts[1] != lines[0]:
            continue
        raw = _bytes(parts[2], "base64")
        if raw is None or len(raw) != 68 or raw[:4] not in known:
            continue
        try:
            known[raw[:4]].verify(raw[4:], body.encode())
            return lines[0], int(lines[1]), root
        except InvalidSignature:
            continue
    raise ReceiptError("log", "the checkpoint is not signed by the key of its log")


def _root_from(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """RFC 9162 section 2.1.3.2."""
    _must(index < size, "log", "the record lies behind the checkpoint")
    fn, sn, at = index, size - 1, leaf
    for step in path:
        _must(sn != 0, "log", "the path is too long")
        if fn & 1 or fn == sn:
            at = _sha256(b"\x01", step, at)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            at = _sha256(b"\x01", at, step)
        fn, sn = fn >> 1, sn >> 1
    _must(sn == 0, "log", "the path is too short")
    return at


def _fields(raw: bytes, start: int, last: int) -> dict[int, bytes]:
    out: dict[int, bytes] = {}
    at, before = start, 0
    while at < len(raw):
        head = raw[at:at + 3]
        _must(len(head) == 3, "log", "a record is malformed")
        tag, size = head[0], head[1]
        at += 2
        if size >= 128:
            size, at = size & 127 | head[2] << 7, at + 1
        _must(before < tag <= last and 0 < size <= len(raw) - at, "log", "a record is malformed")
        out[tag] = raw[at:at + size]
        at, before = at + size, tag
    return out


@dataclass(frozen=True)
class _Record:
    seq: int
    log: str
    leaf: dict[int, bytes]
    about: dict[int, bytes]
    salt: bytes

    def number(self, tag: int) -> int:
        return int.from_bytes(self.leaf.get(tag, b""), "big")

    def text(self, tag: int) -> str:
        return self.leaf.get(tag, b"").decode(errors="replace")

    def said(self, tag: int) -> str:
        return self.about.get(tag, b"").decode(errors="replace")


def _members(value: Any, names: set[str]) -> bool:
    return isinstance(value, dict) and set(value) == names


def _open_record(opened: Any, keys: list[_LogKey]) -> _Record:
    _must(_members(opened, {"fields", "proof", "salt"}), "log", "not an opened record")
    proof = opened["proof"]
    _must(_members(proof, {"checkpoint", "format", "leaf_hash", "path", "record", "seq"}) and proof["format"] == "vestibule-audit-proof/v1" and
          isinstance(proof["path"], list) and type(proof["seq"]) is int and proof["seq"] >= 0, "log", "not an inclusion proof")
    record = _bytes(proof["record"], "base64")
    _must(record and len(record) > 9 and record[0] == 1 and int.from_bytes(record[1:9], "big") == proof["seq"], "log", "another record than the proof is of")
    leaf = _fields(record, 9, 22)
    hashed = _sha256(b"\x00", record)
    _must(proof["leaf_hash"] == hashed.hex(), "log", "leaf_hash is not the record's")
    path = [_bytes(h, "hex") for h in proof["path"]]
    _must(all(h is not None and len(h) == 32 for h in path), "log", "the path holds something that is no hash")
    name, size, root = _checkpoint(proof["checkpoint"], keys)
    _must(_root_from(hashed, proof["seq"], size, path) == root, "log", "the path does not lead to the checkpoint's root")
    salt, about = _bytes(opened["salt"], "base64"), _bytes(opened["fields"], "base64")
    _must(salt is not None and len(salt) == 16 and about and about[0] == 1 and hmac.digest(salt, about, "sha256") == leaf.get(22),
          "log", "what is said of the record is not what it commits to")
    return _Record(proof["seq"], name, leaf, _fields(about, 1, 7), salt)


# --- the receipt

def from_header(value: str | None) -> str:
    """The receipt in the value of the header Vestibule-Receipt (base64url)."""
    _must(isinstance(value, str), "malformed", "there is none")
    _must(len(value) <= MAX_HEADER, "too_large", "a receipt in a header has at most 12 KiB")
    raw = _bytes(value, "base64url")
    _must(raw is not None, "malformed", "not base64url")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise ReceiptError("malformed", "not UTF-8") from None


def _form(text: str) -> dict[str, Any]:
    _must(len(text.encode(errors="surrogatepass")) <= MAX_RECEIPT, "too_large", "a receipt has at most 512 KiB")
    r = _parse_canonical(text, 8)
    _must(isinstance(r, dict), "malformed", "not JSON in canonical form (RFC 8785)")
    _must(set(r) - {"dispatched"} == {"action", "confirmed", "format"} and isinstance(r["action"], str) and isinstance(r["confirmed"], list) and
          r["format"] == "vestibule-receipt/v1" and isinstance(r.get("dispatched", {}), dict), "malformed", "not a vestibule-receipt/v1")
    for c in r["confirmed"]:
        bound = _members(c, {"actions", "log", "statement"}) and isinstance(c["actions"], list) and isinstance(c["statement"], dict)
        _must((bound or _members(c, {"log"})) and isinstance(c["log"], dict), "malformed", "a confirmation of no known form")
    _must(r["confirmed"], "unconfirmed", "nobody has confirmed it")
    _must(len(r["confirmed"]) <= 16, "malformed", "more than 16 confirmations")
    return r


def _action(text: str) -> dict[str, Any]:
    a = _parse_canonical(text)
    _must(isinstance(a, dict) and set(a) - {"also"} == _TEXTS | {"arguments"} and _is_place(a.get("also", {"access_point": "", "tool": ""})) and all(isinstance(a[k], str) for k in _TEXTS) and
          a["format"] == "vestibule-tool-call/v1" and a["id"] and
          all(_HEX.fullmatch(a[k]) for k in ("arguments_sha256", "conversation_sha256", "policy")) and
          re.fullmatch(r"[1-9][0-9]{0,15}", a["expires"], re.ASCII), "action", "not the canonical text of a tool call")
    return a


def _is_place(also: Any) -> bool:
    return _members(also, {"access_point", "tool"}) and all(isinstance(v, str) for v in also.values())


def _check_place(action: dict[str, Any], tool: str | None, access_point: str | None) -> None:
    """What is expected of the place that the action names, or of the other one where it may be called besides."""
    def other(place: dict[str, Any]) -> str:
        if tool is not None and tool != place["tool"]:
            return "tool"
        return "access_point" if access_point is not None and access_point != place["access_point"] else ""
    what = other(action)
    _must(not what or ("also" in action and not other(action["also"])), what, f"it is for {action['tool']} at {action['access_point']}")


def _same_arguments(action: dict[str, Any], wanted: Any) -> bool:
    if isinstance(wanted, (str, bytes)):
        return _hash(wanted) == action["arguments_sha256"]
    try:
        return _canonical(wanted) == _canonical(action["arguments"])
    except (ValueError, RecursionError, OverflowError, AttributeError):
        return False


def _verifies(s: dict[str, Any], message: bytes) -> bool:
    form = _FORMS.get(s["algorithm"])
    if form is None or len(s["public_key"]) != form[1] or not s["public_key"].hex().startswith(form[0]):
        return False
    try:
        key = serialization.load_der_public_key(s["public_key"])
        if s["algorithm"] == -8:
            key.verify(s["signature"], message)
        elif s["algorithm"] == -257:
            key.verify(s["signature"], message, padding.PKCS1v15(), hashes.SHA256())
        else:
            key.verify(s["signature"], message, ec.ECDSA(hashes.SHA256() if s["algorithm"] == -7 else hashes.SHA384()))
        return True
    except (InvalidSignature, ValueError):
        return False


def _is_origin_of(origin: str, relying_party: str) -> bool:
    m = _ORIGIN.fullmatch(origin)
    if not m or m[3] == ("443" if m[1] == "https" else "80"):
        return False
    if m[1] == "http" and m[2] != "localhost" and not m[2].endswith(".localhost"):
        return False
    return m[2] == relying_party or m[2].endswith("." + relying_party)


def _statement(value: dict[str, Any]) -> dict[str, Any] | None:
    binary = {"authenticator_data", "client_data", "credential", "nonce", "public_key", "signature"}
    if set(value) != binary | {"algorithm", "binding", "relying_party"} or type(value["algorithm"]) is not int or \
            not isinstance(value["binding"], str) or not isinstance(value["relying_party"], str):
        return None
    out = {k: _bytes(v, "base64url") if k in binary else v for k, v in value.items()}
    return None if any(out[k] is None for k in binary) else out


def _check_statement(s: dict[str, Any]) -> dict[str, Any]:
    """What the authenticator signed, held against itself."""
    b = _parse_canonical(s["binding"])
    _must(_members(b, {"expires", "object", "operation", "session", "user"}) and type(b["expires"]) is int and 0 <= b["expires"] < 2**53 and
          all(isinstance(b[k], str) for k in ("object", "operation", "session", "user")) and
          re.fullmatch(r"usr_[a-z2-7]{26}", b["user"]) and re.fullmatch(r"ses_[a-z2-7]{26}", b["session"]), "binding", "not the canonical text of a binding")
    try:
        client = json.loads(s["client_data"].decode())
    except (ValueError, RecursionError):
        client = None
    _must(isinstance(client, dict) and all(isinstance(client.get(k), str) for k in ("type", "challenge", "origin")) and
          _bytes(client["challenge"], "base64url") is not None and isinstance(client.get("crossOrigin", False), bool), "client_data", "malformed")
    _must(client["type"] == "webauthn.get", "type", "not an assertion")
    _must(_bytes(client["challenge"], "base64url") == _sha256(b"vestibule/webauthn/v1", s["nonce"], _sha256(s["binding"].encode())),
          "challenge", "signed for another challenge")
    _must(_is_origin_of(client["origin"], s["relying_party"]), "origin", "signed at " + client["origin"])
    _must(not client.get("crossOrigin") and "topOrigin" not in client, "cross_origin", "signed within another site")
    data = s["authenticator_data"]
    _must(len(data) >= 37 and not data[32] & 0x40 and bool(data[32] & 0x80) == (len(data) > 37), "authenticator_data", "malformed")
    _must(data[:32] == _sha256(s["relying_party"].encode()), "rp_id", "signed for another relying party")
    _must(data[32] & 1, "user_presence", "nobody touched the key")
    _must(not data[32] & 16 or data[32] & 8, "backup_state", "backed up without being able to")
    _must(_verifies(s, data + _sha256(s["client_data"])), "signature", "does not verify")
    return {**b, "origin": client["origin"], "user_verified": bool(data[32] & 4), "device_bound": not data[32] & 8}


class _Check:
    def __init__(self, action: dict[str, Any], digest: str, keys: list[_LogKey], want: dict[str, Any]):
        self.action, self.digest, self.keys, self.want = action, digest, keys, want
        self.expires = int(action["expires"])

    def confirmation(self, c: dict[str, Any]) -> tuple[int, Confirmation]:
        record = _open_record(c["log"], self.keys)
        note = _NOTE.fullmatch(record.said(7))
        _must(record.text(5) == "tools.confirm" and record.text(8) == "ok" and note and note[1] == self.digest and note[2] in _KINDS and
              len(record.about.get(1, b"")) == 16, "record", "the log's record is not of a confirmation of this call")
        at = record.number(2)
        by = {"user": record.said(2), "account": _ident("usr_", record.about[1]), "time": _time(at), "kind": note[2], "factor": note[3],
              "record": record.seq, "log": record.log}
        _must((note[4] is not None) == ("statement" in c), "statement", "the log says otherwise whether anything was signed")
        if "statement" in c:
            by |= self.signature(c, note[4], record, by["account"], at)
        else:
            _must(self.want["allow_unbound"], "unbound", by["user"] + " confirmed it with a factor that signs nothing")
        _must(at < self.expires, "expired", "it was confirmed too late")
        return at, Confirmation(**by)

    def signature(self, c: dict[str, Any], named: str, record: _Record, account: str, at: int) -> dict[str, Any]:
        s = _statement(c["statement"])
        _must(s is not None and _hash(_canonical(c["statement"])) == named, "statement", "not the one that the log names")
        actions = c["actions"]
        _must(all(isinstance(d, str) and _HEX.fullmatch(d) for d in actions) and len(set(actions)) == len(actions), "list", "the signed list is malformed")
        _must(len(actions) <= 64 and self.digest in actions, "list", "the signed list does not hold this call")
        said = _check_statement(s)
        listed = _hash("vestibule/tool-calls/v1\n" + "".join(d + "\n" for d in actions))
        _must(said["operation"] == "tools.confirm" and said["object"] == listed, "binding", "it was signed for something else")
        _must(said["user"] == account and said["session"] == _ident("ses_", record.about.get(3)), "account",
              "it was signed for another account or session than the log says")
        party, origins = self.want["relying_party_id"], self.want["origins"]
        _must(party is None or party == s["relying_party"], "rp_id", "signed for " + s["relying_party"])
        _must(not origins or said["origin"] in origins, "origin", "signed at " + said["origin"])
        _must(at < said["expires"], "expired", "the question was answered too late")
        return {"bound": True, "credential": c["statement"]["credential"], "public_key": c["statement"]["public_key"], "relying_party": s["relying_party"],
                "origin": said["origin"], "user_verified": said["user_verified"], "device_bound": said["device_bound"]}

    def dispatch(self, log: dict[str, Any], confirmed: list[Confirmation]) -> Dispatch:
        record = _open_record(log, self.keys)
        body = hmac.digest(record.salt, b"body" + bytes.fromhex(self.action["arguments_sha256"]), "sha256")
        _must(record.number(1) == 1 and record.text(5) == "tools/call" and record.text(8) == "ok" and record.text(4) == self.action["access_point"] and
              record.said(7) == "action " + self.digest and record.leaf.get(15) == body, "dispatch", "the log's record is not of this call")
        _must(all(c.log != record.log or c.record < record.seq for c in confirmed), "dispatch", "it was let out before it was confirmed")
        _must(record.number(2) < self.expires, "expired", "it was let out too late")
        return Dispatch(_time(record.number(2)), record.seq)


_UNSET: Any = object()


def verify_receipt(receipt: str | bytes, *, log_keys: Iterable[str], tool: str | None = None, access_point: str | None = None,
                   arguments: Any = _UNSET, max_age: float | None = None, relying_party_id: str | None = None, origins: Iterable[str] = (),
                   now: float | None = _UNSET, allow_unbound: bool = False, allow_undispatched: bool = False,
                   seen: MutableSet[str] | Callable[[str, datetime.datetime], bool] | None = None) -> Receipt:
    """Gives who confirmed what, when and with which key, or raises ReceiptError.

    tool, access_point: as the action has it, or as it says that the call may be made besides (also).
    arguments: a value, compared in canonical form; str or bytes are compared with the very bytes that were confirmed.
    now: seconds since 1970 (default: the clock); None looks at no clock, for receipts kept as evidence.
    allow_undispatched: take one that the gateway has not let out; too few may have confirmed it, or taken it back.
    seen: a set, or a callable(name, expires) that claims a name atomically and says whether it was free.
    """
    keys = [_log_key(k) for k in log_keys]
    if isinstance(receipt, bytes):
        try:
            receipt = receipt.decode()
        except UnicodeDecodeError:
            raise ReceiptError("malformed", "not UTF-8") from None
    _must(isinstance(receipt, str), "malformed", "not a text")
    r = _form(receipt)
    action = _action(r["action"])
    _check_place(action, tool, access_point)
    _must(arguments is _UNSET or _same_arguments(action, arguments), "arguments", "other arguments were confirmed")
    want = {"allow_unbound": allow_unbound, "relying_party_id": relying_party_id, "origins": list(origins)}
    check = _Check(action, _hash(r["action"]), keys, want)
    confirmed: list[Confirmation] = []
    times: list[int] = []
    for c in r["confirmed"]:
        at, by = check.confirmation(c)
        _must(all(other.account != by.account for other in confirmed), "twice", by.user + " counts once")
        confirmed.append(by)
        times.append(at)
    _must("dispatched" in r or allow_undispatched, "not_dispatched", "it was not let out")
    dispatched = check.dispatch(r["dispatched"], confirmed) if "dispatched" in r else None
    if now is not None:
        at = int((time.time() if now is _UNSET else now) * 1_000_000)
        _must(max(times) <= at + _SKEW, "not_yet", "it was confirmed in the future")
        _must(at < check.expires, "expired", "it has expired")
        _must(max_age is None or at - min(times) <= max_age * 1_000_000, "too_old", "it was confirmed too long ago")
    if seen is not None:  # last, so that a receipt that is refused is not used up
        name = f"{confirmed[0].log} {action['id']}"
        if callable(seen):
            _must(seen(name, _time(check.expires)), "replayed", "this call has been made already")
        else:
            _must(name not in seen, "replayed", "this call has been made already")
            seen.add(name)
    return Receipt(action["id"], action["access_point"], action["tool"], action["arguments"], action["user"], action["via"], action["source"],
                   action["client"], action["model"], _time(check.expires), confirmed, dispatched,
                   (action["also"]["access_point"], action["also"]["tool"]) if "also" in action else None)
