"""What the bench scripts share: peers and gateway on loopback, pinned to cores, CPU read from /proc.

Everything is bounded in time and ends by itself; nothing but loopback is touched."""
import atexit
import json
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = pathlib.Path(os.environ.get("VESTIBULE", ROOT / "build/release/src/app/vestibule"))
PROXY_CORE, LOAD_CORE = "0", "1"
_children = []


def need(*programs):
    missing = [p for p in programs if not shutil.which(p)]
    if missing:
        sys.exit(f"bench: please install {' '.join(missing)} (scripts/packages lists the packages, group bench)")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def spawn(args, core=None, **kw):
    if core is not None:
        args = ["taskset", "-c", core, *map(str, args)]
    p = subprocess.Popen(list(map(str, args)), start_new_session=True, **kw)
    _children.append(p)
    return p


def stop(p):
    if p.poll() is None:
        os.killpg(p.pid, signal.SIGTERM)
        try:
            p.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(p.pid, signal.SIGKILL)


@atexit.register
def _cleanup():
    for p in _children:
        try:
            stop(p)
        except ProcessLookupError:
            pass


# Also of a bench that is told to end.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def folder():
    """A new one, which goes when the bench does."""
    path = tempfile.mkdtemp(prefix="vestibule-bench-")
    atexit.register(shutil.rmtree, path, True)
    return pathlib.Path(path)


def wait_port(port, seconds=20):
    end = time.time() + seconds
    while time.time() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    sys.exit(f"bench: nothing listens on port {port}")


def tree(pid):
    """The process and its descendants."""
    out = [pid]
    for p in out:
        try:
            kids = pathlib.Path(f"/proc/{p}/task/{p}/children").read_text().split()
        except OSError:
            continue
        out += [int(k) for k in kids]
    return out


def threads(pid):
    """CPU seconds of each thread that runs, by the scheduler's clock: /proc's other one counts in hundredths."""
    out = {}
    for stat in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            out[stat.parent.name] = int(stat.read_text().split()[0]) / 1e9
        except OSError:
            pass
    return out


def cpu_seconds(pid):
    return sum(sum(threads(p).values()) for p in tree(pid))


def busiest_since(pid, before):
    """CPU seconds of the thread that has used the most since `before` (threads()): of a gateway with one core, that core.
    (Over all its life it may be the one that hashed a password.)"""
    return max(used - before.get(thread, 0) for thread, used in threads(pid).items())


def resident_mb(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def fdatasync_us(directory, n=200):
    """What the disk takes to keep 4 KB, at the median."""
    with tempfile.NamedTemporaryFile(dir=directory) as f:
        times = []
        for _ in range(n):
            f.write(b"x" * 4096)
            f.flush()
            begin = time.perf_counter()
            os.fdatasync(f.fileno())
            times.append((time.perf_counter() - begin) * 1e6)
    return median(times)


def median(values):
    return statistics.median(values)


class Nginx:
    """One worker on one core; `server` blocks as given."""

    def __init__(self, core, http):
        self.dir = folder()
        conf = self.dir / "nginx.conf"
        conf.write_text(f"""
daemon off; worker_processes 1; pid {self.dir}/pid; error_log {self.dir}/error.log crit;
user {"root" if os.geteuid() == 0 else "nobody"};
events {{ worker_connections 16384; }}
http {{ access_log off; keepalive_requests 100000000; client_body_temp_path {self.dir}; proxy_temp_path {self.dir};
fastcgi_temp_path {self.dir}; uwsgi_temp_path {self.dir}; scgi_temp_path {self.dir}; {http} }}
""")
        self.process = spawn(["nginx", "-p", self.dir, "-c", conf], core, stderr=subprocess.DEVNULL)


class Gateway:
    """A gateway with one administrator and a token; one access point `bench` in front of `upstream`."""

    def __init__(self, upstream, core=PROXY_CORE, cores=1, await_admission=True, extra="", kind="openai", tools="open", rules="", binary=BINARY):
        self.dir, self.binary = folder(), binary
        self.port, self.status = free_port(), free_port()
        (self.dir / "vestibule.toml").write_text(f"""
[server]
listen = ["127.0.0.1:{self.port}"]
status_listen = "127.0.0.1:{self.status}"
cores = {cores}
log_level = "error"
[portal]
listen = []
[audit]
await_admission = {"true" if await_admission else "false"}
[policy]
trust = "file"
[session]
idle = "24h"
[access_point.bench]
kind = "{kind}"
upstreams = ["{upstream}"]
sensitivity = "low"
tools = "{tools}"
{extra}
""")
        default = subprocess.run([self.binary, "policy", "default"], capture_output=True, text=True, check=True).stdout
        (self.dir / "policy.toml").write_text(default + rules)
        self.core = core
        self.start()
        self.token = self._sign_in()

    def start(self):
        self.started = time.monotonic()
        self.process = spawn([self.binary, "serve", "--config", self.dir / "vestibule.toml"], self.core,
                             stdout=subprocess.DEVNULL)
        wait_port(self.port, 120)
        self.first_connection_ms = (time.monotonic() - self.started) * 1000

    def stop(self):
        stop(self.process)

    def cli(self, *args, stdin=""):
        env = dict(os.environ, VESTIBULE_STATE=str(self.dir / "state"),
                   VESTIBULE_SOCKET=str(self.dir / "data/control.sock"))
        p = subprocess.run([self.binary, *map(str, args)], input=stdin, capture_output=True, text=True, env=env, timeout=60)
        if p.returncode != 0:
            sys.exit(f"bench: vestibule {args[0]} failed: {p.stderr}{p.stdout}")
        return p.stdout

    def _sign_in(self):
        for _ in range(100):
            if (self.dir / "data/setup-token").exists():
                break
            time.sleep(0.1)
        out = json.loads(self.cli("setup", "--name", "bench", "--password-stdin", "--json",
                                  stdin="correct horse battery staple 42\n"))
        code = subprocess.run(["oathtool", "--totp", "-b", out["secret"]], capture_output=True, text=True).stdout.strip()
        self.cli("factor", "confirm", out["id"], code)
        return self.cli("token").strip()
