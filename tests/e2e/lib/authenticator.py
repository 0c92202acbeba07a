#!/usr/bin/python3
"""A security key for the end-to-end tests: one line of JSON in, one out.

    {"do": "create", "algorithm": "ES256", "format": "self", "options": "..."} -> RegistrationResponseJSON
    {"do": "get", "options": "..."}                                            -> AuthenticationResponseJSON

Keys and signatures are those of the vectors' generator: python3-fido2 and python3-cryptography.
"""
import base64
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "src/factors/tests/vectors"))
import generate as vectors  # noqa: E402


def raw(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


key, user, count = None, b"", 0
for line in sys.stdin:
    asked = json.loads(line)
    options = json.loads(asked["options"])
    origin = asked.get("origin", vectors.ORIGIN)
    count += asked.get("steps", 1)
    if asked["do"] == "create":
        assert vectors.IDS[asked["algorithm"]] in [p["alg"] for p in options["pubKeyCredParams"]]
        key = vectors.Authenticator(asked["algorithm"], credential_id=vectors.sha(line.encode())[:20])
        user = raw(options["user"]["id"])
        answer = key.register(asked["format"], client=vectors.client_data("webauthn.create", raw(options["challenge"]), origin),
                              count=count, rp=options["rp"]["id"])
    else:
        answer = key.get(client=vectors.client_data("webauthn.get", raw(options["challenge"]), origin), count=count,
                         rp=options["rpId"], user=user)
    print(answer, flush=True)
