#!/usr/bin/env python3
"""A factor plug-in for Vestibule in one file: one-time codes, "sent" by printing them to the console.

    python3 console_codes.py KEY_FILE [PORT]

Put an SMS gateway, a pager or a voice call in the place of deliver(), and a database in the place of the
two dictionaries. The protocol is in docs/factor-plugins.md.
"""
import hashlib
import hmac
import json
import secrets
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock

REQUEST = b"vestibule/factor-plugin/request/v1\n"
REPLY = b"vestibule/factor-plugin/reply/v1\n"
CLOCK_MAY_BE_OFF = 60  # seconds
CODE_LIVES = 300
TRIES = 3


def same(a, b):
    return hmac.compare_digest(a.encode(), b.encode())


class Codes:
    """Codes that were sent and wait for an answer. Each is good once, for a while, for a few tries."""

    def __init__(self):
        self.lock = Lock()
        self.open = {}        # factor + question -> [code, binding, expires, tries left]
        self.enrolled = set()  # factors that were confirmed

    def send(self, key, binding, who):
        code = f"{secrets.randbelow(10**6):06}"
        with self.lock:
            now = time.time()
            self.open = {k: v for k, v in self.open.items() if v[2] > now}
            self.open[key] = [code, binding, now + CODE_LIVES, TRIES]
        deliver(who, code)

    def check(self, key, binding, answer):
        with self.lock:
            entry = self.open.get(key)
            if entry is None or entry[2] < time.time():
                return False
            entry[3] -= 1
            # What the code was sent for must be what it is given for.
            right = same(entry[0], answer) and same(entry[1], binding)
            if right or entry[3] <= 0:
                del self.open[key]
            return right


def deliver(who, code):
    print(f"code for {who}: {code}", flush=True)


class Plugin:
    def __init__(self, key):
        self.key = key
        self.codes = Codes()
        self.nonces = {}  # of requests that were taken: a replayed one is refused
        self.lock = Lock()

    def sign(self, label, data):
        return hmac.new(self.key, label + data, hashlib.sha256).hexdigest()

    def genuine(self, body, signature):
        """The request as a dictionary, or None: not from the gateway, too old, or seen before."""
        if not same(self.sign(REQUEST, body), signature):
            return None
        request = json.loads(body)
        now = time.time()
        if request["version"] != 1 or abs(now - request["time"]) > CLOCK_MAY_BE_OFF:
            return None
        with self.lock:
            self.nonces = {n: t for n, t in self.nonces.items() if t > now - 2 * CLOCK_MAY_BE_OFF}
            if request["nonce"] in self.nonces:
                return None
            self.nonces[request["nonce"]] = now
        return request

    def answer(self, request):
        """Verdict, and a text for the person where there is something to say."""
        factor, operation = request["factor"], request["operation"]
        if operation == "enrol":
            self.codes.send((factor, "enrol"), request["binding"], request["name"])
            return "yes", "A code is on its way to you."
        if operation == "confirm":
            right = self.codes.check((factor, "enrol"), request["binding"], request["answer"])
            if right:
                self.codes.enrolled.add(factor)
            return ("yes" if right else "no"), None
        if operation == "remove":
            self.codes.enrolled.discard(factor)
            return "yes", None
        if factor not in self.codes.enrolled:
            return "no", None
        if operation == "begin":
            self.codes.send((factor, request["question"]), request["binding"], request["name"])
            return "yes", "A code is on its way to you."
        if operation == "verify":
            right = self.codes.check((factor, request["question"]), request["binding"], request["answer"])
            return ("yes" if right else "no"), None
        return "no", None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        length = int(self.headers.get("Content-Length", "0"))
        if not 0 < length <= 16384:
            return self.refuse(413)
        body = self.rfile.read(length)
        request = self.server.plugin.genuine(body, self.headers.get("Vestibule-Signature", ""))
        if request is None:
            return self.refuse(403)
        verdict, text = self.server.plugin.answer(request)
        reply = {"version": 1, "verdict": verdict}
        if text:
            reply["text"] = text
        data = json.dumps(reply).encode()
        # The reply is good for this request alone: its nonce is part of what is signed.
        signature = self.server.plugin.sign(REPLY, request["nonce"].encode() + b"\n" + data)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Vestibule-Signature", signature)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def refuse(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True

    def log_message(self, *_):
        pass


def main():
    if not 2 <= len(sys.argv) <= 3:
        sys.exit(__doc__)
    with open(sys.argv[1], "rb") as file:
        key = file.read().strip()
    if len(key) < 32:
        sys.exit("the key is too short: openssl rand -hex 32")
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2]) if len(sys.argv) == 3 else 8425), Handler)
    server.plugin = Plugin(key)
    print(f"console codes on http://127.0.0.1:{server.server_address[1]}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
