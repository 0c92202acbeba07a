#!/usr/bin/python3
"""Makes webauthn.json: WebAuthn ceremonies by an implementation that is not ours.

Keys, CBOR, COSE and authenticator data are python3-fido2's and python3-cryptography's; every ceremony
that must pass is verified by fido2's own server and attestation code before it is written. The others
are the same ceremonies with one thing wrong, signed anew wherever a thief with the key could do so.

    ./generate.py > webauthn.json

Keys are made afresh each time: the recorded file is what the tests read.
"""
import base64
import datetime
import hashlib
import json
import struct
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import NameOID, ObjectIdentifier
from fido2 import cbor
from fido2.attestation import PackedAttestation, FidoU2FAttestation
from fido2.client import ClientData
from fido2.cose import CoseKey
from fido2.ctap2 import AttestationObject, AuthenticatorData
from fido2.server import Fido2Server

RP = "localhost"
ORIGIN = "http://localhost:8422"
NOW = datetime.datetime(2026, 11, 1)
CHALLENGE = hashlib.sha256(b"the challenge of the vectors").digest()
AAGUID = bytes.fromhex("0011223344556677889900aabbccddee")
USER = bytes(range(16))
UP, UV, BE, BS, AT, ED = 1, 4, 8, 16, 64, 128


def b64(raw):
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def sha(raw):
    return hashlib.sha256(raw).digest()


# --- keys

def make_key(alg):
    if alg == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    if alg == "ES384":
        return ec.generate_private_key(ec.SECP384R1())
    if alg == "ES512":
        return ec.generate_private_key(ec.SECP521R1())
    if alg == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(65537, 2048)


IDS = {"ES256": -7, "ES384": -35, "ES512": -36, "EdDSA": -8, "RS256": -257}


def cose(alg, key):
    """COSE_Key with its labels in canonical order."""
    public = key.public_key()
    if alg in ("ES256", "ES384", "ES512"):
        n = public.public_numbers()
        size, curve = {"ES256": (32, 1), "ES384": (48, 2), "ES512": (66, 3)}[alg]
        return {1: 2, 3: IDS[alg], -1: curve, -2: n.x.to_bytes(size, "big"), -3: n.y.to_bytes(size, "big")}
    if alg == "EdDSA":
        raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return {1: 1, 3: -8, -1: 6, -2: raw}
    n = public.public_numbers()
    return {1: 3, 3: -257, -1: n.n.to_bytes(256, "big"), -2: b"\x01\x00\x01"}


def sign(alg, key, message):
    if alg == "ES256":
        return key.sign(message, ec.ECDSA(hashes.SHA256()))
    if alg == "ES384":
        return key.sign(message, ec.ECDSA(hashes.SHA384()))
    if alg == "ES512":
        return key.sign(message, ec.ECDSA(hashes.SHA512()))
    if alg == "EdDSA":
        return key.sign(message)
    return key.sign(message, padding.PKCS1v15(), hashes.SHA256())


# --- certificates

def name(*pairs):
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in pairs])


def authority(common):
    key = make_key("ES256")
    subject = name((NameOID.COMMON_NAME, common))
    cert = (x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
            .serial_number(1).not_valid_before(datetime.datetime(2020, 1, 1))
            .not_valid_after(datetime.datetime(2050, 1, 1))
            .add_extension(x509.BasicConstraints(True, None), True).sign(key, hashes.SHA256()))
    return key, cert


ROOT_KEY, ROOT = authority("Vectors Root")
OTHER_KEY, OTHER = authority("Another Root")


def leaf(key, issuer_key=ROOT_KEY, issuer=ROOT, unit="Authenticator Attestation", ca=False, aaguid=AAGUID,
         until=2045, subject=None, more=()):
    if subject is None:
        subject = name((NameOID.COUNTRY_NAME, "DE"), (NameOID.ORGANIZATION_NAME, "Vectors"),
                       (NameOID.ORGANIZATIONAL_UNIT_NAME, unit), (NameOID.COMMON_NAME, "Vectors Key"))
    builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer.subject)
               .public_key(key.public_key()).serial_number(7).not_valid_before(datetime.datetime(2020, 1, 1))
               .not_valid_after(datetime.datetime(until, 1, 1))
               .add_extension(x509.BasicConstraints(ca, None), True))
    if aaguid is not None:
        builder = builder.add_extension(
            x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.45724.1.1.4"), b"\x04\x10" + aaguid), False)
    for extension, critical in more:
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer_key, hashes.SHA256())


def der(cert):
    return cert.public_bytes(serialization.Encoding.DER)


# --- the authenticator

def client_data(kind, challenge=CHALLENGE, origin=ORIGIN, extra=None):
    data = {"type": kind, "challenge": b64(challenge), "origin": origin, "crossOrigin": False}
    data.update(extra or {})
    return json.dumps(data, separators=(",", ":")).encode()


class Authenticator:
    def __init__(self, alg="ES256", credential_id=None, aaguid=AAGUID):
        self.alg, self.key, self.aaguid = alg, make_key(alg), aaguid
        self.id = credential_id or sha(repr((alg, id(self))).encode())
        self.cose = cose(alg, self.key)

    def data(self, flags, count, rp=RP, attested=None, extensions=None):
        out = sha(rp.encode()) + struct.pack(">BI", flags, count)
        if attested is not None:
            out += attested
        if extensions is not None:
            out += cbor.encode(extensions)
        return out

    def attested(self, key=None, length=None):
        return (self.aaguid + struct.pack(">H", len(self.id) if length is None else length) + self.id +
                cbor.encode(key or self.cose))

    def register(self, fmt="self", client=None, flags=UP | UV | AT, count=1, rp=RP, attested=None, extensions=None,
                 auth=None, statement=None, cert=None, cert_key=None, response=None, obj=None, outer_id=None,
                 transports=("usb",), json_text=None, unsorted=False):
        client = client if client is not None else client_data("webauthn.create")
        if auth is None:
            auth = self.data(flags, count, rp, attested if attested is not None else self.attested(), extensions)
        signed = auth + sha(client)
        if fmt == "none":
            name_, made = "none", {}
        elif fmt == "self":
            name_, made = "packed", {"alg": IDS[self.alg], "sig": sign(self.alg, self.key, signed)}
        elif fmt == "packed":
            cert_key = cert_key or make_key("ES256")
            cert = cert or leaf(cert_key)
            name_, made = "packed", {"alg": -7, "sig": sign("ES256", cert_key, signed), "x5c": [der(cert)]}
        elif fmt == "u2f":
            cert_key = cert_key or make_key("ES256")
            cert = cert or leaf(cert_key, aaguid=None)
            point = b"\x04" + self.cose[-2] + self.cose[-3]
            message = b"\0" + sha(rp.encode()) + sha(client) + self.id + point
            name_, made = "fido-u2f", {"sig": sign("ES256", cert_key, message), "x5c": [der(cert)]}
        elif fmt == "apple":
            extension = x509.UnrecognizedExtension(ObjectIdentifier("1.2.840.113635.100.8.2"),
                                                   b"\x30\x24\xa1\x22\x04\x20" + sha(signed))
            cert = cert or leaf(self.key, aaguid=None, more=[(extension, False)])
            name_, made = "apple", {"x5c": [der(cert)]}
        elif fmt == "tpm":
            name_, made = "tpm", tpm_statement(self, signed)
        else:
            name_, made = fmt, {"alg": IDS[self.alg], "sig": b"\1" * 64}
        if statement is not None:
            made = statement(made)
        if unsorted:
            e = cbor.encode
            obj = (b"\xa3" + e("authData") + e(auth) + e("attStmt") + b"\xa3" + e("x5c") + e(made["x5c"]) + e("sig") +
                   e(made["sig"]) + e("alg") + e(made["alg"]) + e("fmt") + e(name_))
        if obj is None:
            obj = cbor.encode({"fmt": name_, "attStmt": made, "authData": auth})
        out = {"id": b64(outer_id or self.id), "rawId": b64(outer_id or self.id), "type": "public-key",
               "response": {"clientDataJSON": b64(client), "attestationObject": b64(obj), "transports": list(transports)},
               "clientExtensionResults": {"credProps": {"rk": True}}, "authenticatorAttachment": "cross-platform"}
        if response is not None:
            response(out)
        return json.dumps(out) if json_text is None else json_text

    def get(self, client=None, flags=UP | UV, count=2, rp=RP, extensions=None, auth=None, after=None, sig=None, key=None,
            response=None, user=USER):
        client = client if client is not None else client_data("webauthn.get")
        auth = auth if auth is not None else self.data(flags, count, rp, None, extensions)
        signature = sign(self.alg, key or self.key, auth + sha(client))
        if after is not None:
            client, auth = after(client, auth)
        if sig is not None:
            signature = sig(signature)
        out = {"id": b64(self.id), "rawId": b64(self.id), "type": "public-key",
               "response": {"clientDataJSON": b64(client), "authenticatorData": b64(auth), "signature": b64(signature),
                            "userHandle": b64(user)},
               "clientExtensionResults": {}, "authenticatorAttachment": "platform"}
        if response is not None:
            response(out)
        return json.dumps(out)


def tpm_statement(authenticator, signed):
    """What Windows sends: RS1 over TPMS_ATTEST (TPM 2.0 part 2, section 10.12)."""
    n = authenticator.key.public_key().public_numbers().n.to_bytes(256, "big")
    attributes = 0x00040000 | 0x00000040 | 0x00000020 | 0x00000010 | 0x00000002
    pub_area = struct.pack(">HHIH", 1, 0x0B, attributes, 32) + bytes(32) + struct.pack(">HHHI", 0x10, 0x10, 2048, 0)
    pub_area += struct.pack(">H", len(n)) + n
    named = struct.pack(">H", 0x0B) + sha(pub_area)
    extra = hashlib.sha1(signed).digest()
    info = struct.pack(">IH", 0xFF544347, 0x8017) + struct.pack(">H", 34) + struct.pack(">H", 0x0B) + bytes(32)
    info += struct.pack(">H", len(extra)) + extra + struct.pack(">QIIB", 1, 2, 3, 1) + struct.pack(">Q", 4)
    info += struct.pack(">H", len(named)) + named + struct.pack(">H", 34) + struct.pack(">H", 0x0B) + bytes(32)
    aik = make_key("RS256")
    cert = leaf(aik, subject=x509.Name([]), more=[
        (x509.ExtendedKeyUsage([ObjectIdentifier("2.23.133.8.3")]), False),
        (x509.SubjectAlternativeName([x509.DirectoryName(name((NameOID.COMMON_NAME, "id:FFFFF1D0")))]), True)])
    return {"alg": -65535, "sig": aik.sign(info, padding.PKCS1v15(), hashes.SHA1()), "ver": "2.0", "x5c": [der(cert)],
            "pubArea": pub_area, "certInfo": info}


# --- the cases

cases = []


def case(ceremony, title, response, expect="ok", **more):
    cases.append({"name": title, "ceremony": ceremony, "response": response, "expect": expect, **more})


def registration(title, response, expect="ok", **more):
    case("registration", title, response, expect, **more)


def authentication(title, of, response, expect="ok", **more):
    case("authentication", title, response, expect, of=of, **more)


def independent(registered, asserted, uv=True):
    """fido2's own server accepts both."""
    server = Fido2Server({"id": RP, "name": RP}, attestation="none", verify_origin=lambda o: o == ORIGIN)
    raw = lambda text, key: base64.urlsafe_b64decode(json.loads(text)["response"][key] + "==")
    state = {"challenge": b64(CHALLENGE), "user_verification": "required" if uv else "discouraged"}
    data = server.register_complete(state, ClientData(raw(registered, "clientDataJSON")),
                                    AttestationObject(raw(registered, "attestationObject")))
    server.authenticate_complete(state, [data.credential_data], base64.urlsafe_b64decode(json.loads(asserted)["rawId"] + "=="),
                                 ClientData(raw(asserted, "clientDataJSON")),
                                 AuthenticatorData(raw(asserted, "authenticatorData")), raw(asserted, "signature"))


def attestation_ok(kind, text):
    obj = AttestationObject(base64.urlsafe_b64decode(json.loads(text)["response"]["attestationObject"] + "=="))
    raw = base64.urlsafe_b64decode(json.loads(text)["response"]["clientDataJSON"] + "==")
    kind().verify(obj.att_statement, obj.auth_data, sha(raw))


def good():
    for alg in ("ES256", "EdDSA", "RS256"):
        for fmt in ("none", "self", "packed"):
            a = Authenticator(alg)
            registered, asserted = a.register(fmt), a.get()
            independent(registered, asserted)
            if fmt != "none":
                attestation_ok(PackedAttestation, registered)
            title = f"{alg} {fmt}"
            trust = {"none": 0, "self": 1, "packed": 3}[fmt]
            registration(title, registered, trust=trust, algorithm=IDS[alg], count=1, uv=True, transports="usb")
            authentication(f"{title}: used", title, asserted, uv=True, count=2)
    u2f = Authenticator("ES256", aaguid=bytes(16))
    registered = u2f.register("u2f", flags=UP | AT, count=0)
    asserted = u2f.get(flags=UP, count=7)
    independent(registered, asserted, uv=False)
    attestation_ok(FidoU2FAttestation, registered)
    registration("ES256 fido-u2f", registered, trust=3, algorithm=-7, count=0, uv=False)
    authentication("ES256 fido-u2f: used", "ES256 fido-u2f", asserted, uv=False, count=7)
    wide = Authenticator("ES384")
    registration("ES384 self", wide.register("none"), trust=0, algorithm=-35)
    authentication("ES384 self: used", "ES384 self", wide.get(), uv=True)
    tpm = Authenticator("RS256")
    registration("RS256 tpm", tpm.register("tpm"), trust=3, algorithm=-257)
    authentication("RS256 tpm: used", "RS256 tpm", tpm.get(), uv=True)
    apple = Authenticator("ES256", aaguid=bytes(16))
    registration("ES256 apple", apple.register("apple", flags=UP | UV | BE | BS | AT), trust=3, synced=True)
    authentication("ES256 apple: used", "ES256 apple", apple.get(flags=UP | UV | BE), uv=True)
    plain = Authenticator()
    registration("counts nothing", plain.register(count=0), count=0)
    authentication("counts nothing: used", "counts nothing", plain.get(count=0), stuck=False)
    ext = Authenticator()
    registration("unsolicited extensions", ext.register("packed", flags=UP | UV | AT | ED,
                                                        extensions={"credProtect": 2, "hmac-secret": True}), trust=3)
    authentication("unsolicited extensions: used", "unsolicited extensions", ext.get())
    odd = Authenticator()
    registration("statement in another order", odd.register("packed", unsorted=True), trust=3)
    registration("an unknown format where any is taken", Authenticator().register("android-safetynet"), trust=0)
    registration("client data with a member of its own", Authenticator().register(
        client=client_data("webauthn.create", extra={"other_keys_can_be_added_here": "yes"})))
    registration("the second origin", Authenticator().register(
        client=client_data("webauthn.create", origin="https://portal.localhost")))
    registration("a credential id of 1023 bytes", Authenticator(credential_id=b"\7" * 1023).register())
    registration("hardware, attested", Authenticator().register("packed"), party="hardware", trust=3)
    registration("listed, attested", Authenticator().register("packed"), party="listed", trust=3)
    registration("another root where any is taken", Authenticator().register(
        "packed", cert_key=(k := make_key("ES256")), cert=leaf(k, OTHER_KEY, OTHER)), trust=2)


def without(key):
    def change(out):
        del out["response"][key]
    return change


def put(path, value):
    def change(out):
        at = out
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = value
    return change


def bad_client_data(kind, make):
    """The same defects of client data in both ceremonies."""
    other = "webauthn.get" if kind == "webauthn.create" else "webauthn.create"
    plain = client_data(kind)
    make("another type", client_data(other), "type")
    make("a type in capitals", client_data(kind.upper()), "type")
    make("another challenge", client_data(kind, challenge=sha(b"other")), "challenge")
    make("a challenge cut short", client_data(kind, challenge=CHALLENGE[:31]), "challenge")
    make("an empty challenge", client_data(kind, challenge=b""), "challenge")
    make("another origin", client_data(kind, origin="https://evil.example"), "origin")
    make("another port", client_data(kind, origin="http://localhost:8420"), "origin")
    make("another scheme", client_data(kind, origin="https://localhost:8422"), "origin")
    make("an origin with a slash", client_data(kind, origin=ORIGIN + "/"), "origin")
    make("an origin in capitals", client_data(kind, origin="http://LOCALHOST:8422"), "origin")
    make("ours as a prefix", client_data(kind, origin=ORIGIN + ".evil.example"), "origin")
    make("ours as a suffix", client_data(kind, origin="http://evil-localhost:8422"), "origin")
    make("a null origin", client_data(kind, origin="null"), "origin")
    make("in a frame of another origin", client_data(kind, extra={"crossOrigin": True}), "cross_origin")
    make("with a top origin", client_data(kind, extra={"topOrigin": "https://evil.example"}), "cross_origin")
    make("crossOrigin is a word", client_data(kind, extra={"crossOrigin": "false"}), "client_data")
    make("no JSON", b"type=webauthn", "client_data")
    make("a byte order mark", b"\xef\xbb\xbf" + plain, "client_data")
    make("a member twice", plain[:-1] + b',"origin":"' + ORIGIN.encode() + b'"}', "client_data")
    make("bytes behind the object", plain + b" x", "client_data")
    make("a padded challenge", plain.replace(b64(CHALLENGE).encode(), b64(CHALLENGE).encode() + b"="), "client_data")
    make("no origin", plain.replace(b'"origin"', b'"origins"'), "client_data")
    make("not UTF-8", plain[:-1] + b',"x":"\xff"}', "client_data")
    make("an array", b"[]", "client_data")


def bad_registrations():
    bad_client_data("webauthn.create",
                    lambda title, client, flaw: registration(f"registration: {title}", Authenticator().register(client=client), flaw))

    def bad(title, flaw, party="any", authenticator=None, **how):
        a = authenticator or Authenticator()
        registration(f"registration: {title}", a.register(**how), flaw, party=party)

    bad("another relying party", "rp_id", rp="evil.example")
    bad("nobody present", "user_presence", flags=UV | AT)
    bad("not verified where it must be", "user_verification", party="uv", flags=UP | AT)
    bad("backed up but not eligible", "backup_state", flags=UP | UV | BS | AT)
    bad("an algorithm that was not offered", "algorithm", authenticator=Authenticator("ES512"), fmt="none")
    a = Authenticator()
    bad("an algorithm that is not its key's", "public_key", authenticator=a, fmt="none", attested=a.attested({**a.cose, 3: -257}))
    bad("a point off the curve", "public_key", authenticator=a, fmt="none",
        attested=a.attested({**a.cose, -3: bytes(31) + b"\1"}))
    bad("a key without its y", "public_key", authenticator=a, fmt="none", attested=a.attested({1: 2, 3: -7, -1: 1, -2: bytes(32)}))
    bad("a key without algorithm", "authenticator_data", authenticator=a, fmt="none", attested=a.attested({1: 2, -1: 1}))
    bad("a credential id of 1024 bytes", "credential_id", authenticator=Authenticator(credential_id=b"\7" * 1024))
    bad("another id outside", "credential_id", outer_id=bytes(32))
    bad("an empty credential id", "authenticator_data", authenticator=a, attested=AAGUID + b"\0\0" + cbor.encode(a.cose))
    bad("a length beyond the end", "authenticator_data", authenticator=a, attested=a.attested(length=60000))
    bad("no attested data", "authenticator_data", authenticator=a, auth=a.data(UP | UV, 1))
    bad("authenticator data cut short", "authenticator_data", authenticator=a, auth=a.data(UP | UV | AT, 1, attested=a.attested())[:-1])
    bad("a byte too many", "authenticator_data", authenticator=a, auth=a.data(UP | UV | AT, 1, attested=a.attested()) + b"\0")
    bad("extensions that are not there", "authenticator_data", flags=UP | UV | AT | ED)
    bad("extensions without their flag", "authenticator_data", extensions={"credProtect": 2})
    bad("no authenticator data at all", "authenticator_data", auth=b"")
    bad("an object that is no CBOR", "authenticator_data", obj=b"\xff\xff")
    bad("an object of indefinite length", "authenticator_data", obj=b"\xbf\xff")
    bad("an array a thousand million long", "authenticator_data", obj=b"\x9a\x40\x00\x00\x00")
    bad("nesting without end", "authenticator_data", obj=b"\x81" * 4000 + b"\x00")
    full = {"fmt": "none", "attStmt": {}, "authData": a.data(UP | UV | AT, 1, attested=a.attested())}
    bad("bytes behind the attestation object", "authenticator_data", authenticator=a, obj=cbor.encode(full) + b"\0")
    bad("an object without a statement", "authenticator_data", authenticator=a, obj=cbor.encode({k: full[k] for k in ("fmt", "authData")}))
    twice = cbor.encode(full)
    bad("a key twice in the object", "authenticator_data", authenticator=a,
        obj=b"\xa4" + twice[1:] + cbor.encode("fmt") + cbor.encode("none"))
    bad("none, but with a statement", "attestation", fmt="none", statement=lambda s: {"sig": b"\1"})
    bad("self: another signature", "attestation", statement=lambda s: {**s, "sig": s["sig"][:-1] + bytes([s["sig"][-1] ^ 1])})
    bad("self: another algorithm", "attestation", statement=lambda s: {**s, "alg": -257})
    bad("self: no signature", "attestation", statement=lambda s: {"alg": -7})
    bad("self: a member of its own", "attestation", statement=lambda s: {**s, "ecdaaKeyId": b"\1"})
    bad("self: signed by another key", "attestation", statement=lambda s: {**s, "sig": sign("ES256", make_key("ES256"), b"x")})
    key = make_key("ES256")
    bad("packed: signed by another key", "attestation", fmt="packed", cert_key=make_key("ES256"), cert=leaf(key))
    bad("packed: another model in the certificate", "attestation", fmt="packed", cert_key=key, cert=leaf(key, aaguid=bytes(16)))
    bad("packed: the certificate of an authority", "attestation", fmt="packed", cert_key=key, cert=leaf(key, ca=True))
    bad("packed: another unit", "attestation", fmt="packed", cert_key=key, cert=leaf(key, unit="Sales"))
    bad("packed: no subject", "attestation", fmt="packed", cert_key=key, cert=leaf(key, subject=x509.Name([])))
    bad("packed: no certificate", "attestation", fmt="packed", statement=lambda s: {**s, "x5c": [b"\x30\x00"]})
    bad("packed: bytes behind the certificate", "attestation", fmt="packed", statement=lambda s: {**s, "x5c": [s["x5c"][0] + b"\0"]})
    bad("packed: an empty chain", "authenticator_data", fmt="packed", statement=lambda s: {**s, "x5c": []})
    old = Authenticator(aaguid=bytes(16))
    bad("u2f: signed by another key", "attestation", authenticator=old, fmt="u2f", cert_key=make_key("ES256"), cert=leaf(key, aaguid=None))
    bad("u2f: names a model", "attestation", fmt="u2f")
    bad("u2f: two certificates", "attestation", authenticator=old, fmt="u2f", statement=lambda s: {**s, "x5c": s["x5c"] * 2})
    wide = make_key("ES384")
    bad("u2f: a certificate of another curve", "attestation", authenticator=old, fmt="u2f", cert_key=key, cert=leaf(wide, aaguid=None))
    bad("tpm: another signature", "attestation", authenticator=Authenticator("RS256"), fmt="tpm",
        statement=lambda s: {**s, "sig": bytes(256)})
    bad("tpm: another key area", "attestation", authenticator=Authenticator("RS256"), fmt="tpm",
        statement=lambda s: {**s, "pubArea": s["pubArea"][:-1] + bytes([s["pubArea"][-1] ^ 1])})
    bad("tpm: an ordinary certificate", "attestation", authenticator=Authenticator("RS256"), fmt="tpm",
        statement=lambda s: {**s, "x5c": [der(leaf(key))]})
    bad("apple: another nonce", "attestation", authenticator=old, fmt="apple", cert=leaf(old.key, aaguid=None, more=[
        (x509.UnrecognizedExtension(ObjectIdentifier("1.2.840.113635.100.8.2"), b"\x30\x24\xa1\x22\x04\x20" + bytes(32)), False)]))
    bad("apple: no nonce", "attestation", authenticator=old, fmt="apple", cert=leaf(old.key, aaguid=None))
    moved = old.data(UP | UV | AT, 1, attested=old.attested())
    bad("apple: another key in the certificate", "attestation", authenticator=old, fmt="apple", auth=moved, cert=leaf(key, aaguid=None, more=[
        (x509.UnrecognizedExtension(ObjectIdentifier("1.2.840.113635.100.8.2"),
                                    b"\x30\x24\xa1\x22\x04\x20" + sha(moved + sha(client_data("webauthn.create")))), False)]))
    bad("a format that nobody knows, where hardware is asked for", "attestation_format", party="hardware", fmt="android-safetynet")
    bad("a synced key where hardware is asked for", "synced_key", party="hardware", fmt="packed", flags=UP | UV | BE | BS | AT)
    bad("hardware that nobody attests", "trust", party="hardware", fmt="self")
    bad("listed, but by itself only", "trust", party="listed", fmt="self")
    bad("listed, without attestation", "trust", party="listed", fmt="none")
    bad("listed, under another root", "trust", party="listed", fmt="packed", cert_key=key, cert=leaf(key, OTHER_KEY, OTHER))
    bad("listed, the certificate expired", "trust", party="listed", fmt="packed", cert_key=key, cert=leaf(key, until=2025))
    bad("a model that is not listed", "aaguid", party="listed", fmt="packed", authenticator=Authenticator(aaguid=b"\1" * 16),
        cert_key=key, cert=leaf(key, aaguid=b"\1" * 16))
    bad("a response that is no JSON", "response", json_text="{")
    bad("rawId differs", "response", response=put(["rawId"], b64(bytes(32))))
    bad("another credential type", "response", response=put(["type"], "password"))
    bad("no client data", "response", response=without("clientDataJSON"))
    bad("no attestation object", "response", response=without("attestationObject"))
    bad("a padded object", "response", response=put(["response", "attestationObject"], "AAA="))
    bad("client data without end", "response", response=put(["response", "clientDataJSON"], "A" * 8192))
    bad("a number for the id", "response", response=put(["id"], 7))


def bad_authentications():
    a = Authenticator()
    registration("tampered", a.register(count=5))
    synced = Authenticator()
    registration("tampered synced", synced.register(flags=UP | UV | BE | BS | AT))
    ed = Authenticator("EdDSA")
    registration("tampered EdDSA", ed.register())
    rs = Authenticator("RS256")
    registration("tampered RS256", rs.register())
    bad_client_data("webauthn.get", lambda title, client, flaw: authentication(
        f"authentication: {title}", "tampered", a.get(client=client, count=6), flaw))

    def bad(title, flaw, party="any", of="tampered", authenticator=a, **how):
        how.setdefault("count", 6)
        authentication(f"authentication: {title}", of, authenticator.get(**how), flaw, party=party)

    bad("another relying party", "rp_id", rp="evil.example")
    bad("nobody present", "user_presence", flags=UV)
    bad("not verified where it must be", "user_verification", party="uv", flags=UP)
    bad("backed up but not eligible", "backup_state", flags=UP | UV | BS)
    bad("eligible all of a sudden", "backup_state", flags=UP | UV | BE)
    bad("eligible no more", "backup_state", of="tampered synced", authenticator=synced, flags=UP | UV)
    bad("another signature", "signature", sig=lambda s: s[:-1] + bytes([s[-1] ^ 1]))
    bad("a signature cut short", "signature", sig=lambda s: s[:-1])
    bad("bytes behind the signature", "signature", sig=lambda s: s + b"\0")
    bad("no signature", "signature", sig=lambda s: b"")
    bad("the signature of another key", "signature", key=make_key("ES256"))
    bad("a signature of zeros", "signature", sig=lambda s: bytes.fromhex("3006020100020100"))
    bad("client data changed afterwards", "signature", after=lambda c, d: (c.replace(b'{', b'{"x":1,'), d))
    bad("the counter raised afterwards", "signature", after=lambda c, d: (c, d[:33] + b"\0\0\1\0"))
    bad("verification claimed afterwards", "signature", flags=UP, after=lambda c, d: (c, d[:32] + bytes([UP | UV]) + d[33:]))
    bad("EdDSA: halves swapped", "signature", of="tampered EdDSA", authenticator=ed, sig=lambda s: s[32:] + s[:32])
    bad("EdDSA: the order added to S", "signature", of="tampered EdDSA", authenticator=ed,
        sig=lambda s: s[:32] + ((int.from_bytes(s[32:], "little") + 2**252 + 27742317777372353535851937790883648493) %
                                2**256).to_bytes(32, "little"))
    bad("RS256: another signature", "signature", of="tampered RS256", authenticator=rs, sig=lambda s: bytes([s[0] ^ 1]) + s[1:])
    bad("attested data in it", "authenticator_data", auth=a.data(UP | UV | AT, 6, attested=a.attested()))
    bad("authenticator data cut short", "authenticator_data", auth=a.data(UP | UV, 6)[:-1])
    bad("a byte too many", "authenticator_data", auth=a.data(UP | UV, 6) + b"\0")
    bad("extensions that are not there", "authenticator_data", flags=UP | UV | ED)
    authentication("authentication: the counter stands still", "tampered", a.get(count=5), stuck=True)
    authentication("authentication: the counter went back", "tampered", a.get(count=4), stuck=True)
    authentication("authentication: the counter is gone", "tampered", a.get(count=0), stuck=True)
    bad("no authenticator data", "response", response=without("authenticatorData"))
    bad("no signature member", "response", response=without("signature"))
    bad("a user handle that is a number", "response", response=put(["response", "userHandle"], 7))
    bad("a user handle with padding", "response", response=put(["response", "userHandle"], "AAA="))
    bad("rawId differs", "response", response=put(["rawId"], b64(bytes(32))))



def main():
    good()
    bad_registrations()
    bad_authentications()
    titles = [c["name"] for c in cases]
    assert len(titles) == len(set(titles)), "a name stands for one case"
    json.dump({"rp_id": RP, "challenge": b64(CHALLENGE), "aaguid": AAGUID.hex(), "now": int(NOW.timestamp()),
               "anchors": ROOT.public_bytes(serialization.Encoding.PEM).decode(), "cases": cases},
              sys.stdout, indent=0, ensure_ascii=True)
    sys.stdout.write("\n")
    print(f"{len(cases)} cases, {sum(c['expect'] != 'ok' for c in cases)} to be refused", file=sys.stderr)


if __name__ == "__main__":
    main()
