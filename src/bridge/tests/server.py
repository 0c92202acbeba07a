# A tool server for tests: one JSON-RPC message a line, and every bad habit on request.
import json, os, sys, time

def say(m):
    sys.stdout.write(json.dumps(m) + "\n")
    sys.stdout.flush()

def answer(id, value):
    say({"jsonrpc": "2.0", "id": id, "result": value})

held = []
asked = None
cancelled = []
for line in sys.stdin:
    m = json.loads(line)
    id, method, params = m.get("id"), m.get("method"), m.get("params", {})
    if method is None:
        if asked is not None:
            answer(asked, {"got": m})
            asked = None
        continue
    if method == "notifications/cancelled":
        cancelled.append(params["requestId"])
    if id is None:
        continue
    if method == "initialize":
        if params.get("fail"):
            say({"jsonrpc": "2.0", "id": id, "error": {"code": -32602, "message": "no"}})
        else:
            answer(id, {"protocolVersion": "2025-11-25", "pid": os.getpid()})
        continue
    tool = params.get("name")
    if tool == "echo":
        answer(id, {"line": line, "pid": os.getpid()})
    elif tool == "note":
        say({"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": params["arguments"]}})
        answer(id, {"noted": True})
    elif tool == "later":
        answer(id, {"soon": True})
        time.sleep(0.3)
        say({"jsonrpc": "2.0", "method": "notifications/resources/list_changed"})
    elif tool == "ask":
        asked = id
        say({"jsonrpc": "2.0", "id": "s1", "method": "sampling/createMessage", "params": {}})
    elif tool == "pair":
        held.append((id, params["arguments"]))
        if len(held) == 2:
            for i, a in reversed(held):
                answer(i, {"pair": a})
            held = []
    elif tool == "hold":
        pass
    elif tool == "cancelled":
        answer(id, {"cancelled": cancelled})
    elif tool == "progress":
        token = params["_meta"]["progressToken"]
        say({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": token, "progress": 1}})
        say({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": token + 1, "progress": 666}})
        answer(id, {"token": token})
    elif tool == "huge":
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": id, "result": "x" * (9 << 20)}) + "\n")
        sys.stdout.flush()
        answer(id, {"after": True})
    elif tool == "large":
        answer(id, {"text": "y" * (7 << 20)})
    elif tool == "flood":
        n = 0
        while n < 64:
            say({"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": "z" * (1 << 20)}})
            n += 1
            with open(params["arguments"], "w") as f:
                f.write(str(n))
        answer(id, {"flooded": n})
    elif tool == "junk":
        for junk in ["hello", "[]", "{", '{"jsonrpc":"2.0","id":999,"result":"nobody asked"}', '{"jsonrpc":"2.0","id":%d,"id":%d,"result":1}' % (id, id), ""]:
            print(junk, flush=True)
        answer(id, {"done": True})
    elif tool == "guess":
        # answers what others may have asked
        for i in range(1, 40):
            if i != id:
                answer(i, {"forged": True})
        answer(id, {"guessed": True})
    elif tool == "spread":
        sys.stdout.write('{"jsonrpc":"2.0",\r "id":%d,\r"result":"a\\u2028b"}\r\n' % id)
        sys.stdout.flush()
    elif tool == "fail":
        say({"jsonrpc": "2.0", "id": id, "error": {"code": -32601, "message": "unknown"}})
    elif tool == "die":
        os._exit(3)
    elif tool == "fork":
        if os.fork() == 0:
            time.sleep(60)
        os._exit(0)
    elif tool == "run":
        out = {}
        exec(params["arguments"]["code"], {"out": out})
        answer(id, out)
