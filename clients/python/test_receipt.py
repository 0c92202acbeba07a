#!/usr/bin/python3
"""Holds vestibule_receipt.py to the vectors that the gateway and the library for Node are held to."""
import json
import pathlib
import sys
import unittest

here = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(here))
import vestibule_receipt as receipts  # noqa: E402

ALL = json.loads((here.parent / "vectors/receipts.json").read_text())


def check(v, **more):
    e = v["expect"]
    names = {"tool": "tool", "access_point": "access_point", "arguments": "arguments", "relying_party": "relying_party_id", "origins": "origins",
             "max_age": "max_age", "now": "now", "unbound": "allow_unbound"}
    want = {names[k]: value for k, value in e.items() if k != "dispatched"} | {"allow_undispatched": not e.get("dispatched", False)} | more
    return receipts.verify_receipt(v["receipt"] + " " * v.get("spaces", 0), log_keys=ALL["log_keys"], **want)


def code(v, **more):
    try:
        check(v, **more)
    except receipts.ReceiptError as e:
        return e.code
    return "ok"


def named(name):
    return next(v for v in ALL["vectors"] if v["name"] == name)


class Receipts(unittest.TestCase):
    def test_every_vector_has_its_verdict(self):
        self.assertGreaterEqual(sum(v["verdict"] != "ok" for v in ALL["vectors"]), 60)
        for v in ALL["vectors"]:
            with self.subTest(v["name"]):
                self.assertEqual(code(v), v["verdict"])

    def test_says_who_confirmed(self):
        r = check(named("good: two people, with two kinds of key"))
        self.assertEqual([c.user for c in r.confirmed], ["bob", "dora"])
        self.assertTrue(all(c.bound and c.user_verified and c.device_bound for c in r.confirmed))
        self.assertEqual((r.tool, r.arguments), ("transfer", {"amount": 250, "to": "alice"}))
        self.assertGreater(r.dispatched.record, r.confirmed[1].record)

    def test_is_used_once(self):
        v, seen = named("good: by a security key"), set()
        self.assertEqual(code(v, seen=seen, tool="balance"), "tool")
        self.assertEqual(code(v, seen=seen), "ok")
        self.assertEqual(code(v, seen=seen), "replayed")
        claimed = []
        self.assertEqual(code(v, seen=lambda name, expires: claimed.append(name) or len(claimed) == 1), "ok")
        self.assertEqual(code(v, seen=lambda name, expires: claimed.append(name) or len(claimed) == 1), "replayed")

    def test_is_let_out_where_nothing_else_is_said(self):
        self.assertEqual(code(named("good: not let out yet"), allow_undispatched=False), "not_dispatched")

    def test_raw_arguments_are_the_very_bytes(self):
        v = named("good: by a security key")
        self.assertEqual(code(v, arguments='{"amount": 250, "to": "alice"}'), "ok")
        self.assertEqual(code(v, arguments=b'{"amount":250,"to":"alice"}'), "arguments")

    def test_numbers_that_would_be_others_are_refused(self):
        for number in (9007199254740993, 2**60, 10**400, float("inf"), float("nan")):
            with self.assertRaises((ValueError, OverflowError)):
                receipts._canonical(number)
        for number, text in ((9007199254740992, "9007199254740992"), (1e21, "1e+21"), (1e-7, "1e-7"), (0.000001, "0.000001"), (-0.0, "0"),
                             (123456789012345680000.0, "123456789012345680000"), (5e-324, "5e-324"), (0.1, "0.1"), (-1.5e300, "-1.5e+300")):
            self.assertEqual(receipts._canonical(number), text)

    def test_the_clock_is_looked_at(self):
        v = named("good: by a security key")
        self.assertEqual(code(v, now=1), "not_yet")
        self.assertEqual(code({**v, "expect": {}}, now=4e9), "expired")

    def test_travels_in_a_header(self):
        v = named("good: not let out yet")
        self.assertEqual(receipts.from_header(receipts._b64url(v["receipt"].encode())), v["receipt"])
        for bad, wanted in (("a=", "malformed"), ("A" * 20000, "too_large"), ("_w", "malformed"), (None, "malformed")):
            with self.assertRaises(receipts.ReceiptError) as e:
                receipts.from_header(bad)
            self.assertEqual(e.exception.code, wanted)

    def test_a_log_key_that_was_mistyped(self):
        key = ALL["log_keys"][2]
        for bad in (key[:-4], key.replace("vestibule", "vestibula"), "x", ""):
            with self.assertRaises(ValueError):
                receipts.verify_receipt("{}", log_keys=[bad])


if __name__ == "__main__":
    unittest.main()
