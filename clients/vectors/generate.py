#!/usr/bin/python3
"""Makes receipts.json: receipts by an implementation that is not the gateway's.

Keys, signatures and authenticator data are python3-fido2's and python3-cryptography's; log, proofs and receipts are
written here anew after docs/receipts.md. Good ones, and the same ones with one thing wrong: clumsily, and as somebody
could do it who holds the log's key too and signs whatever a person's key is not needed for.

    ./generate.py > receipts.json

Keys are made afresh each time: the recorded file is what the tests of the three implementations read.
"""
import base64
import copy
import functools
import hashlib
import hmac
import json
import pathlib
import struct
import sys

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "src/factors/tests/vectors"))
import generate as webauthn  # noqa: E402

RP, ORIGIN = "ai.example.org", "https://portal.ai.example.org"
UP, UV, BE, BS, AT, ED = 1, 4, 8, 16, 64, 128
T0 = 1_795_000_000_000_000  # when it was asked, in microseconds
SECOND = 1_000_000
EXPIRES = T0 + 300 * SECOND


def sha(raw):
    return hashlib.sha256(raw).digest()


def b64(raw):
    return base64.b64encode(raw).decode()


def b64url(raw):
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def jcs(value):
    """RFC 8785 for what stands in here."""
    if isinstance(value, dict):
        keys = sorted(value, key=lambda k: k.encode("utf-16-be"))
        return "{" + ",".join(jcs(k) + ":" + jcs(value[k]) for k in keys) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(jcs, value)) + "]"
    if isinstance(value, float):
        return json.dumps(value).replace("e-07", "e-7")
    return json.dumps(value, ensure_ascii=False)


def ident(prefix, seed):
    raw = sha(seed.encode())[:16]
    return raw, prefix + base64.b32encode(raw).decode().rstrip("=").lower()


# --- the log

def field(tag, raw):
    if not raw:
        return b""
    size = len(raw)
    return bytes([tag, size]) + raw if size < 128 else bytes([tag, size & 127 | 128, size >> 7]) + raw


def number(n):
    return n.to_bytes((n.bit_length() + 7) // 8, "big")


class Log:
    """The records of docs/adr and src/audit/record_codec.hpp, a tree over them, and its signed head."""

    def __init__(self, name="vestibule.local/audit", seed=7):
        self.name, self.key, self.records = name, ed25519.Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32), []
        for i in range(3):
            self.append(7, T0 - 10 * SECOND, "start", note=f"filler {i}")

    def vkey(self):
        raw = self.key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        hashed = sha(self.name.encode() + b"\n\x01" + raw)[:4]
        return self.name + "+" + hashed.hex() + "+" + b64(b"\x01" + raw)

    def append(self, kind, at, operation, reason="ok", access_point="", user=b"", user_name="", session=b"", object="", note="",
               body=None, outcome="allow"):
        seq = len(self.records)
        salt = sha(b"salt %d" % seq)[:16]
        fields = (b"\x01" + field(1, user) + field(2, user_name.encode()) + field(3, session) + field(6, object.encode()) +
                  field(7, note.encode()))
        leaf = b"\x01" + struct.pack(">Q", seq) + field(1, bytes([kind])) + field(2, number(at))
        leaf += field(4, access_point.encode()) + field(5, operation.encode()) + field(7, outcome.encode()) + field(8, reason.encode())
        if body is not None:
            leaf += field(15, hmac.digest(salt, b"body" + body, "sha256"))
        leaf += field(22, hmac.digest(salt, fields, "sha256"))
        self.records.append((leaf, salt, fields))
        return seq

    def root(self, leaves):
        if len(leaves) == 1:
            return sha(b"\x00" + leaves[0])
        k = 1
        while k * 2 < len(leaves):
            k *= 2
        return sha(b"\x01" + self.root(leaves[:k]) + self.root(leaves[k:]))

    def path(self, m, leaves):
        if len(leaves) == 1:
            return []
        k = 1
        while k * 2 < len(leaves):
            k *= 2
        if m < k:
            return self.path(m, leaves[:k]) + [self.root(leaves[k:])]
        return self.path(m - k, leaves[k:]) + [self.root(leaves[:k])]

    def checkpoint(self, leaves, key=None, name=None):
        key, name = key or self.key, name or self.name
        body = f"{name}\n{len(leaves)}\n{b64(self.root(leaves))}\n"
        raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        signature = sha(name.encode() + b"\n\x01" + raw)[:4] + key.sign(body.encode())
        return f"{body}\n\u2014 {name} {b64(signature)}\n"

    def opened(self, seq, **signed):
        leaves = [r[0] for r in self.records]
        leaf, salt, fields = self.records[seq]
        return {"fields": b64(fields), "salt": b64(salt),
                "proof": {"format": "vestibule-audit-proof/v1", "seq": seq, "record": b64(leaf), "leaf_hash": sha(b"\x00" + leaf).hex(),
                          "path": [h.hex() for h in self.path(seq, leaves)], "checkpoint": self.checkpoint(leaves, **signed)}}


# --- people, and what they sign

class Person:
    def __init__(self, name, alg="ES256"):
        self.name, self.key = name, webauthn.Authenticator(alg, credential_id=sha(name.encode() + alg.encode())[:20])
        self.id, self.account = ident("usr_", "user " + name)
        self.session_id, self.session = ident("ses_", "session " + name)
        self.factor = ident("fac_", "factor " + name)[1]
        self.spki = self.key.key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


MARIA, BOB, CAROL, DORA, ERIK = (Person("maria"), Person("bob", "ES384"), Person("carol", "RS256"), Person("dora", "EdDSA"), Person("erik"))
ARGUMENTS = {"amount": 250, "to": "alice"}


def action_of(arguments=None, raw=None, **changed):
    arguments = ARGUMENTS if arguments is None else arguments
    raw = raw if raw is not None else json.dumps(arguments, ensure_ascii=False)
    action = {"format": "vestibule-tool-call/v1", "id": ident("cfm_", "one")[1], "access_point": "bank", "tool": "transfer",
              "arguments": arguments, "arguments_sha256": sha(raw.encode()).hex(), "user": MARIA.name, "account": MARIA.account,
              "via": "key laptop", "source": "192.0.2.7", "client": "agent/1.0", "model": "tiny",
              "conversation_sha256": sha(b"conversation").hex(), "policy": sha(b"policy").hex(), "expires": str(EXPIRES)}
    action.update(changed)
    return action


def object_of(digests):
    return sha(("vestibule/tool-calls/v1\n" + "".join(d + "\n" for d in digests)).encode()).hex()


def statement_of(person, digests, flags=UP | UV, origin=ORIGIN, rp=RP, rp_signed=None, kind="webauthn.get", extra=None, binding=None,
                 challenge=None, key=None, auth=None, expires=T0 + 120 * SECOND, client=None):
    nonce = sha(b"nonce")
    bound = {"expires": expires, "object": object_of(digests), "operation": "tools.confirm", "session": person.session, "user": person.account}
    bound.update(binding or {})
    text = jcs(bound)
    challenge = challenge or sha(b"vestibule/webauthn/v1" + nonce + sha(text.encode()))
    client = client if client is not None else webauthn.client_data(kind, challenge, origin, extra)
    auth = auth if auth is not None else person.key.data(flags, 7, rp_signed or rp)
    signature = webauthn.sign(person.key.alg, key or person.key.key, auth + sha(client))
    return {"algorithm": webauthn.IDS[person.key.alg], "authenticator_data": b64url(auth), "binding": text, "client_data": b64url(client),
            "credential": b64url(person.key.id), "nonce": b64url(nonce), "public_key": b64url(person.spki), "relying_party": rp,
            "signature": b64url(signature)}


# --- receipts

class Case:
    """A receipt that is made step by step; what is to be wrong is said beforehand."""

    def __init__(self, people=(MARIA,), action=None, more=(), sign=None, statement=None, note=None, record=None, bound=True, let_out=True,
                 dispatch=None, dispatch_first=False, at=T0 + 20 * SECOND, log=None, listed=None, **signed):
        self.log = log or Log()
        self.action = action or action_of()
        self.text = jcs(self.action)
        digest = sha(self.text.encode()).hex()
        digests = listed if listed is not None else [*more, digest]
        out = {"format": "vestibule-receipt/v1", "action": self.text, "confirmed": []}
        if dispatch_first:
            dispatched = self.let_out(digest, at, dispatch)
        seqs = []
        for i, person in enumerate(people):
            c, said = {}, f"action {digest} by webauthn {person.factor}"
            if bound:
                s = statement_of(person, sign if sign is not None else digests, **signed)
                if statement is not None:
                    statement(s)
                c = {"actions": digests, "statement": s}
                said += "; statement " + sha(jcs(s).encode()).hex()
            else:
                said = f"action {digest} by totp {person.factor}"
            fields = {"kind": 6, "at": at + i * SECOND, "operation": "tools.confirm", "user": person.id, "user_name": person.name,
                      "session": person.session_id, "object": self.action.get("id", ""), "note": note(said) if note else said}
            fields.update(record or {})
            seqs.append(self.log.append(**fields))
            out["confirmed"].append(c)
        if let_out and not dispatch_first:
            dispatched = self.let_out(digest, at + 5 * SECOND, dispatch)
        self.log.append(7, at + 6 * SECOND, "stop", note="the end")
        for c, seq in zip(out["confirmed"], seqs):
            c["log"] = self.log.opened(seq)
        if let_out:
            out["dispatched"] = self.log.opened(dispatched)
        self.seqs, self.receipt = seqs, out

    def let_out(self, digest, at, changed):
        raw = bytes.fromhex(self.action["arguments_sha256"]) if "arguments_sha256" in self.action else bytes(32)
        fields = {"kind": 1, "at": at, "operation": "tools/call", "access_point": self.action.get("access_point", ""), "user": MARIA.id,
                  "user_name": MARIA.name, "object": self.action.get("id", ""), "note": f"action {digest}", "body": raw}
        fields.update(changed or {})
        return self.log.append(**fields)


VECTORS = []
EXPECT = {"now": (T0 + 30 * SECOND) // SECOND}


def add(name, verdict, case=None, edit=None, text=None, spaces=0, **expected):
    receipt = copy.deepcopy((case or Case()).receipt)
    if edit is not None:
        edit(receipt)
    written = jcs(receipt)
    if text is not None:
        written = text(written)
    vector = {"name": name, "verdict": verdict, "receipt": written, "expect": {**EXPECT, **expected}}
    if spaces:
        vector["spaces"] = spaces  # to be put behind it
    VECTORS.append(vector)


def confirmed(r, i=0):
    return r["confirmed"][i]


def flip_hex(h, at=0):
    return h[:at] + ("0" if h[at] != "0" else "1") + h[at + 1:]


def flip64(t, at=5):
    return t[:at] + ("A" if t[at] != "A" else "B") + t[at + 1:]


def put(where, key, value):
    def edit(r):
        at = r
        for k in where:
            at = at[k]
        at[key] = value(at[key]) if callable(value) else value
    return edit


def good():
    add("good: by a security key", "ok")
    add("good: everything expected is named", "ok", tool="transfer", access_point="bank", arguments={"to": "alice", "amount": 250},
        relying_party=RP, origins=["https://other.example.org", ORIGIN], max_age=60, dispatched=True)
    add("good: not let out yet", "ok", Case(let_out=False))
    add("good: a synced passkey that did not verify its user", "ok", Case(flags=UP | BE | BS))
    add("good: the second of a list of three", "ok", Case(listed=[sha(b"a").hex(), sha(jcs(action_of()).encode()).hex(), sha(b"b").hex()]))
    for p in (BOB, CAROL, DORA):
        add("good: " + p.key.alg, "ok", Case(people=(p,)))
    add("good: two people, with two kinds of key", "ok", Case(people=(BOB, DORA)))
    add("good: an authenticator with extension outputs", "ok", Case(auth=MARIA.key.data(UP | UV | ED, 7, RP, None, {"uvm": True})))
    add("good: a code, where that is enough", "ok", Case(bound=False), unbound=True)
    odd = {"\u20ac": "\u0007\u2028\U0001f600", "a": [True, None, 0.5, 1e21, -3, 9007199254740991, {}], "": "\"\\\n/"}
    add("good: arguments with every kind of JSON", "ok", Case(action=action_of(odd)), arguments=odd)
    # UTF-16 order: the surrogates of U+1F600 come before U+E000. Python's own order is the other one.
    wide = {"\U0001f600": 2, "\ue000": 1}
    far = {"a": 1e300, "b": 1152921504606847000, "c": -1e-7, "d": 123456789012345680000}
    add("good: numbers as ECMAScript prints them", "ok",
        Case(action=action_of(far, '{"a":1e+300,"b":1152921504606847000,"c":-1e-7,"d":123456789012345680000}')), arguments=far)
    add("good: keys in the order of UTF-16", "ok", Case(action=action_of(wide)), arguments=wide)


def forms():
    add("a line break behind it", "malformed", text=lambda t: t + "\n")
    add("not JSON", "malformed", text=lambda t: t[:-1])
    add("nothing", "malformed", text=lambda t: "")
    add("a byte order mark", "malformed", text=lambda t: "\ufeff" + t)
    add("white space", "malformed", text=lambda t: t.replace(":", ": ", 1))
    add("members out of order", "malformed", text=lambda t: json.dumps(dict(reversed(list(json.loads(t).items()))), separators=(",", ":"), ensure_ascii=False))
    add("a key twice", "malformed", text=lambda t: t[:-1] + ',"format":"vestibule-receipt/v1"}')
    add("an unknown member", "malformed", edit=put([], "zeal", True))
    add("another format", "malformed", edit=put([], "format", "vestibule-receipt/v2"))
    add("no action", "malformed", edit=lambda r: r.pop("action"))
    add("the action as an object", "malformed", edit=put([], "action", json.loads))
    add("an array", "malformed", text=lambda t: "[" + t + "]")
    add("confirmed is an object", "malformed", edit=put([], "confirmed", {}))
    add("a confirmation with an unknown member", "malformed", edit=put(["confirmed", 0], "extra", 1))
    add("a confirmation with a list and no statement", "malformed", edit=lambda r: confirmed(r).pop("statement"))
    add("nobody confirmed it", "unconfirmed", edit=put([], "confirmed", []))
    add("too many confirmations", "malformed", edit=put([], "confirmed", lambda c: [{"log": {}}] * 17))
    add("too large", "too_large", spaces=512 * 1024)


def actions():
    def resigned(**changed):
        return Case(action=action_of(**changed))
    add("the amount was changed afterwards", "record", edit=put([], "action", lambda t: t.replace("250", "950")))
    add("the tool was changed afterwards", "record", edit=put([], "action", lambda t: t.replace('"transfer"', '"purge"')))
    add("the action is not canonical", "action", edit=put([], "action", lambda t: t.replace(":", ": ", 1)))
    add("a key twice in the arguments", "action", edit=put([], "action", lambda t: t.replace('"amount":250', '"amount":1,"amount":250')))
    add("arguments that lie too deep", "action", Case(action=action_of(functools.reduce(lambda v, _: [v], range(64), 1))))
    add("the receipt lies too deep", "malformed", edit=put(["confirmed", 0, "actions"], 0, [[[[[[1]]]]]]))
    add("a number beyond what a double holds", "action", edit=put([], "action", lambda t: t.replace("250", "9007199254740993")))
    add("half a surrogate pair in the arguments", "action", edit=put([], "action", lambda t: t.replace('"alice"', '"\\ud800"')))
    add("a noncharacter in the arguments", "malformed", edit=put([], "action", lambda t: t.replace('"alice"', '"\uffff"')))
    add("an unknown member of the action", "action", Case(action={**action_of(), "zeal": "1"}))
    less = action_of()
    del less["model"]
    add("the action lacks a member", "action", Case(action=less))
    add("a member of another type", "action", resigned(model=7))
    add("another format of action", "action", resigned(format="vestibule-tool-call/v2"))
    add("an expiry with a leading zero", "action", resigned(expires="0" + str(EXPIRES)[:15]))
    add("an expiry that is no number", "action", resigned(expires="never"))
    add("a digest in capitals", "action", resigned(policy=sha(b"policy").hex().upper()))
    also = {"access_point": "tools", "tool": "pay"}
    add("good: carried, and expected where it was let out", "ok", Case(action=action_of(also=also)), tool="transfer", access_point="bank")
    add("good: carried, and expected where it is called", "ok", Case(action=action_of(also=also)), tool="pay", access_point="tools",
        arguments={"to": "alice", "amount": 250}, dispatched=True)
    add("carried: the tool of one place at the other", "access_point", Case(action=action_of(also=also)), tool="transfer", access_point="tools")
    add("carried: the other way round", "tool", Case(action=action_of(also=also)), tool="pay", access_point="bank")
    add("carried to another tool", "tool", Case(action=action_of(also=also)), tool="balance")
    add("carried to nowhere", "action", Case(action=action_of(also=None)))
    add("carried: a place with more to it", "action", Case(action=action_of(also={**also, "user": "bob"})))
    add("carried: a place without a tool", "action", Case(action=action_of(also={"access_point": "tools"})))
    add("carried: a tool that is no text", "action", Case(action=action_of(also={"access_point": "tools", "tool": 3})))
    add("carried: a place put in after it was signed", "record", edit=put([], "action", lambda a: jcs({**json.loads(a), "also": also})))
    add("for another tool", "tool", tool="balance")
    add("for another access point", "access_point", access_point="lab")
    add("for other arguments", "arguments", arguments={"to": "alice", "amount": 950})
    add("for more arguments", "arguments", arguments={"to": "alice", "amount": 250, "currency": "EUR"})


def logs():
    where = ["confirmed", 0, "log"]
    add("another record in its place", "record", edit=lambda r: put(["confirmed", 0], "log", Case().log.opened(0))(r))
    add("the record is not the leaf's", "log", edit=put(where + ["proof"], "record", lambda t: flip64(t, 20)))
    add("another leaf hash", "log", edit=put(where + ["proof"], "leaf_hash", flip_hex))
    add("another number", "log", edit=put(where + ["proof"], "seq", 4))
    add("a changed path", "log", edit=put(where + ["proof", "path"], 0, flip_hex))
    add("a path that is too short", "log", edit=put(where + ["proof"], "path", lambda p: p[:-1]))
    add("a path that is too long", "log", edit=put(where + ["proof"], "path", lambda p: p + p[:1]))
    add("the note was changed", "log", edit=put(where, "fields", lambda t: flip64(t, 40)))
    add("another salt", "log", edit=put(where, "salt", flip64))
    add("a salt that is too short", "log", edit=put(where, "salt", b64(bytes(8))))
    add("no opening", "log", edit=lambda r: confirmed(r)["log"].pop("salt"))
    add("the checkpoint's size was changed", "log", edit=put(where + ["proof"], "checkpoint", lambda t: t.replace("\n6\n", "\n7\n")))
    add("the checkpoint's signature was changed", "log", edit=put(where + ["proof"], "checkpoint", lambda t: t[:-20] + flip64(t[-20:])))
    add("no signature", "log", edit=put(where + ["proof"], "checkpoint", lambda t: t.split("\n\n")[0] + "\n\n"))
    add("the log of somebody else", "log", Case(log=Log(seed=9)))
    add("the key under another name", "log", Case(log=Log(name="evil.example/audit")))

    def stranger(r):
        case = Case()
        other = ed25519.Ed25519PrivateKey.from_private_bytes(bytes([9]) * 32)
        r["confirmed"][0]["log"] = case.log.opened(case.seqs[0], key=other)
    add("a checkpoint by another key under this name", "log", edit=stranger)
    add("a record of another operation", "record", Case(record={"operation": "factor.prove"}))
    add("a record of a refusal", "record", Case(record={"reason": "code_wrong"}))
    add("a record that names another action", "record", Case(note=lambda n: n.replace(n[7:15], "00000000")))
    add("a record with more to say", "record", Case(note=lambda n: n + "; or so"))
    add("a record of a kind that is none", "record", Case(note=lambda n: n.replace(" webauthn ", " telepathy ")))
    add("a record without a user", "record", Case(record={"user": b""}))


def signatures():
    def late(name, verdict, key, value):
        """Changed after the log has named it."""
        add(name, verdict, edit=put(["confirmed", 0, "statement"], key, value))

    def named(name, verdict, change, **k):
        """The log names what was changed: by somebody who writes the log."""
        add(name, verdict, Case(statement=change, **k))
    late("another signature than the log names", "statement", "signature", flip64)
    late("another key than the log names", "statement", "public_key", b64url(BOB.spki))
    add("a statement with an unknown member", "statement", edit=lambda r: confirmed(r)["statement"].update(zeal=1))
    late("the algorithm as text", "statement", "algorithm", "ES256")
    late("base64 with padding", "statement", "nonce", lambda t: t + "=")
    add("the statement is left out", "statement", edit=lambda r: r["confirmed"].__setitem__(0, {"log": confirmed(r)["log"]}))
    unsigned = Case(bound=False)
    add("a statement where the log knows of none", "statement", edit=put(["confirmed", 0], "log", unsigned.log.opened(unsigned.seqs[0])))
    add("a code, where only signatures count", "unbound", unsigned)
    named("a signature with a bit turned", "signature", lambda s: s.update(signature=flip64(s["signature"], 20)))
    named("no signature at all", "signature", lambda s: s.update(signature=""))
    named("the key of somebody else", "signature", lambda s: s.update(public_key=b64url(ERIK.spki)))
    named("the algorithm of another key", "signature", lambda s: s.update(algorithm=-35))
    named("an algorithm that nobody offers", "signature", lambda s: s.update(algorithm=-65535))
    named("a byte after the public key", "signature", lambda s: s.update(public_key=b64url(MARIA.spki + b"\0")))
    named("RS256 with the hash of none", "signature", lambda s: s.update(signature=b64url(bytes(256))), people=(CAROL,))
    add("signed by another key", "signature", Case(key=ERIK.key.key))
    named("another counter", "signature", lambda s: s.update(authenticator_data=b64url(MARIA.key.data(UP | UV, 8, RP))))
    named("another nonce", "challenge", lambda s: s.update(nonce=b64url(sha(b"other"))))
    add("signed for another challenge", "challenge", Case(challenge=sha(b"step up")))
    named("a binding that is not canonical", "binding", lambda s: s.update(binding=s["binding"].replace(":", ": ", 1)))
    named("a binding with a member more", "binding", lambda s: s.update(binding=s["binding"][:-1] + ',"zeal":1}'))
    add("signed for another operation", "binding", Case(binding={"operation": "mandate.sign"}))
    add("signed for another list", "binding", Case(sign=[sha(b"other").hex()]))
    add("signed in another order", "binding", Case(more=[sha(b"a").hex()], sign=[sha(jcs(action_of()).encode()).hex(), sha(b"a").hex()]))
    add("signed without a user, as at sign-in", "binding", Case(binding={"user": "", "session": ""}))
    add("signed by another account", "account", Case(binding={"user": BOB.account}))
    add("signed in another session", "account", Case(binding={"session": BOB.session}))
    add("the log says that somebody else did", "account", Case(record={"user": BOB.id, "user_name": "bob"}))
    add("a list without this action", "list", edit=put(["confirmed", 0], "actions", [sha(b"other").hex()]))
    add("an empty list", "list", edit=put(["confirmed", 0], "actions", []))
    mine = sha(jcs(action_of()).encode()).hex()
    add("a list with an action twice", "list", Case(listed=[mine, mine]))
    add("a list with something that is no digest", "list", Case(listed=[mine, "abc"]))
    add("a list that is too long", "list", Case(listed=[mine] + [sha(bytes([i])).hex() for i in range(64)]))
    add("a list with an action more than was signed", "binding", edit=put(["confirmed", 0], "actions", lambda a: a + [sha(b"x").hex()]))
    add("client data that is no JSON", "client_data", Case(client=b"{"))
    add("signed at registration", "type", Case(kind="webauthn.create"))
    add("signed on another site", "origin", Case(origin="https://ai.example.org.evil.test"))
    add("signed on a site that ends like ours", "origin", Case(origin="https://evilai.example.org"))
    add("signed without TLS", "origin", Case(origin="http://portal.ai.example.org"))
    add("signed at an origin that is not expected", "origin", origins=["https://ai.example.org"])
    add("signed in a frame of another site", "cross_origin", Case(extra={"crossOrigin": True}))
    add("signed under another page", "cross_origin", Case(extra={"topOrigin": "https://evil.test"}))
    add("authenticator data cut short", "authenticator_data", Case(auth=MARIA.key.data(UP | UV, 7, RP)[:36]))
    add("authenticator data with a byte left over", "authenticator_data", Case(auth=MARIA.key.data(UP | UV, 7, RP) + b"\0"))
    add("authenticator data of a registration", "authenticator_data", Case(auth=MARIA.key.data(UP | UV | AT, 7, RP, MARIA.key.attested())))
    add("for another relying party", "rp_id", Case(rp_signed="evil.test"))
    add("for another relying party than is expected", "rp_id", relying_party="example.org")
    add("nobody touched the key", "user_presence", Case(flags=UV))
    add("backed up, and cannot be", "backup_state", Case(flags=UP | BS))


def times():
    add("confirmed when it had expired", "expired", Case(at=EXPIRES, expires=EXPIRES + SECOND, let_out=False), now=(EXPIRES - SECOND) // SECOND)
    add("answered after the question had expired", "expired", Case(expires=T0 + 20 * SECOND))
    add("let out when it had expired", "expired", Case(dispatch={"at": EXPIRES}))
    add("shown when it had expired", "expired", now=EXPIRES // SECOND)
    add("confirmed too long ago", "too_old", max_age=9)
    add("confirmed in the future", "not_yet", now=T0 // SECOND - 41)
    add("good: looked at long afterwards, without a clock", "ok", now=None)
    add("one person twice", "twice", Case(people=(MARIA, MARIA)))
    add("one confirmation of two is forged", "signature", Case(people=(BOB, DORA), statement=lambda s: s["algorithm"] == -8 and s.update(signature=flip64(s["signature"], 20))))
    add("not let out, where that is expected", "not_dispatched", Case(let_out=False), dispatched=True)
    add("let out something else", "dispatch", Case(dispatch={"note": "action " + sha(b"x").hex()}))
    add("let out other bytes", "dispatch", Case(dispatch={"body": sha(b"{}")}))
    add("let out elsewhere", "dispatch", Case(dispatch={"access_point": "lab"}))
    add("a refusal instead of an admission", "dispatch", Case(dispatch={"kind": 2, "reason": "tool_denied", "outcome": "deny"}))
    add("another operation let it out", "dispatch", Case(dispatch={"operation": "chat"}))
    add("let out before it was confirmed", "dispatch", Case(dispatch_first=True))
    add("the proof of the letting out is forged", "log", edit=put(["dispatched", "proof"], "leaf_hash", flip_hex))
    add("the letting out is no object", "malformed", edit=put([], "dispatched", True))


for chapter in (good, forms, actions, logs, signatures, times):
    chapter()
print(json.dumps({"log_keys": [Log(name="other.example/audit", seed=3).vkey(), Log(seed=5).vkey(), Log().vkey()], "vectors": VECTORS}, indent=0, ensure_ascii=True))
