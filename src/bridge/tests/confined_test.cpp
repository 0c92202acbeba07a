// A hosted server that wants out: the chain as the gateway starts it, with a bridge in a process of its own.

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "bridge/tests/world.hpp"
#include "process/child.hpp"

namespace vestibule::bridge {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

// A gateway's place on disk, in miniature; the child's programs lie where another user can read them.
class Hosted {
 public:
  explicit Hosted(std::vector<std::string> command = {}) {
    char name[] = "/tmp/vestibule-hosted-XXXXXX";
    dir = ::mkdtemp(name);
    fs::permissions(dir, fs::perms(0755));
    for (const char* d : {"bin", "tools", "state", "files", "run"}) {
      fs::create_directory(dir / d);
      fs::permissions(dir / d, fs::perms(d == std::string("files") ? 0777 : 0755));
    }
    fs::copy_file(BRIDGE_HOST, dir / "bin" / "vestibule");
    fs::copy_file("src/bridge/tests/server.py", dir / "tools" / "server.py");
    fs::permissions(dir / "tools" / "server.py", fs::perms(0644));
    std::ofstream(dir / "state" / "key") << "top secret";
    fs::permissions(dir / "state" / "key", fs::perms(0644));
    if (command.empty()) command = {"/usr/bin/python3", (dir / "tools" / "server.py").string()};
    process::Options o;
    o.name = "tools";
    o.socket = dir / "run" / "one" / "model.sock";
    o.command = {(dir / "bin" / "vestibule").string(), o.socket.string(), "--"};
    o.command.insert(o.command.end(), command.begin(), command.end());
    o.readable = {dir / "tools"};
    o.writable = {dir / "files"};
    o.hidden = {dir / "state"};
    o.environment = {{"GIVEN", "yes"}};
    socket = o.socket;
    Result<process::Started> s = process::start_confined(o);
    EXPECT_TRUE(s) << s.error().detail;
    if (s) started = *s;
    for (int i = 0; i < 500 && !fs::exists(socket) && ::waitpid(started.pid, nullptr, WNOHANG) == 0; ++i) std::this_thread::sleep_for(10ms);
  }
  ~Hosted() {
    end();
    fs::remove_all(dir);
  }
  // Its exit status, and what it has written.
  std::pair<int, std::string> end() {
    if (started.pid < 0) return {};
    int status = 0;
    std::string out;
    ::kill(started.pid, SIGTERM);
    ::waitpid(started.pid, &status, 0);
    char buffer[4096];
    for (ssize_t n = 0; (n = ::read(started.output, buffer, sizeof buffer)) > 0;) out.append(buffer, static_cast<std::size_t>(n));
    ::close(started.output);
    started.pid = -1;
    return {status, out};
  }
  std::string open() {
    wire::Plug p = plug(socket);
    p.send(text_of({.body = kInitialize}));
    return read_reply(p).session();
  }
  // Runs Python in the tool server; what it puts into `out` comes back as JSON.
  std::string run(const std::string& session, const std::string& code) {
    std::string quoted;
    for (const char c : code) quoted += c == '\n' ? std::string("\\n") : c == '"' ? std::string("\\\"") : std::string(1, c);
    wire::Plug p = plug(socket);
    p.send(text_of({.body = call("1", "run", "{\"code\":\"" + quoted + "\"}"), .session = session}));
    return read_reply(p).body;
  }

  fs::path dir;
  fs::path socket;
  process::Started started;
};

// Each attempt puts its name into out if it succeeds, and why it did not otherwise.
int denied(const std::string& out) {
  int n = 0;
  for (auto at = out.find("PermissionError"); at != std::string::npos; at = out.find("PermissionError", at + 1)) ++n;
  return n;
}

constexpr const char* kTry =
    "def attempt(name, f):\n"
    "  try:\n"
    "    f()\n"
    "    out[name] = 'SUCCEEDED'\n"
    "  except Exception as e:\n"
    "    out[name] = type(e).__name__\n"
    "import os, signal, socket\n";

TEST(Confined, AHostedServerDoesNotGetOut) {
  Hosted h;
  const std::string session = h.open();
  ASSERT_EQ(session.size(), 32U);
  // Another access point's socket, which a gateway that is root gives to the same user.
  fs::create_directory(h.dir / "run" / "two");
  fs::permissions(h.dir / "run" / "two", fs::perms(0777));
  const int other = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un a{};
  a.sun_family = AF_UNIX;
  std::strncpy(a.sun_path, (h.dir / "run" / "two" / "model.sock").c_str(), sizeof a.sun_path - 1);
  ASSERT_EQ(::bind(other, reinterpret_cast<sockaddr*>(&a), sizeof a), 0);
  ASSERT_EQ(::listen(other, 4), 0);
  fs::permissions(h.dir / "run" / "two" / "model.sock", fs::perms(0777));
  const int tcp = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof in;
  ASSERT_EQ(::bind(tcp, reinterpret_cast<sockaddr*>(&in), sizeof in), 0);
  ASSERT_EQ(::listen(tcp, 4), 0);
  ASSERT_EQ(::getsockname(tcp, reinterpret_cast<sockaddr*>(&in), &size), 0);

  const std::string gateway = std::to_string(::getpid());
  const std::string dir = h.dir.string();
  const std::string out = h.run(session, kTry + std::string(
      "attempt('reads the key', lambda: open('" + dir + "/state/key').read())\n"
      "attempt('lists the state', lambda: os.listdir('" + dir + "/state'))\n"
      "attempt('writes into the state', lambda: open('" + dir + "/state/new', 'w'))\n"
      "attempt('reads the gateway environment', lambda: open('/proc/" + gateway + "/environ').read())\n"
      "attempt('reads the gateway memory', lambda: open('/proc/" + gateway + "/mem', 'rb').read(1))\n"
      "attempt('reads the bridge environment', lambda: open('/proc/%d/environ' % os.getppid()).read())\n"
      "attempt('writes the bridge memory', lambda: open('/proc/%d/mem' % os.getppid(), 'r+b'))\n"
      "attempt('signals the gateway', lambda: os.kill(" + gateway + ", 0))\n"
      "attempt('connects by TCP', lambda: socket.create_connection(('127.0.0.1', " + std::to_string(ntohs(in.sin_port)) + "), 2))\n"
      "attempt('sends by UDP', lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9)))\n"
      "attempt('connects to another point', lambda: socket.socket(socket.AF_UNIX).connect('" + dir + "/run/two/model.sock'))\n"
      "attempt('connects to its own point', lambda: socket.socket(socket.AF_UNIX).connect('" + h.socket.string() + "'))\n"
      "attempt('lists another point', lambda: os.listdir('" + dir + "/run/two'))\n"
      "attempt('becomes root', lambda: os.setuid(0) if os.getuid() else os.chown('" + dir + "/files', 1, 1))\n"
      "attempt('reads shadow', lambda: open('/etc/shadow').read())\n"));
  ASSERT_NE(out.find("reads shadow"), std::string::npos) << out;
  EXPECT_EQ(out.find("SUCCEEDED"), std::string::npos) << out;
  EXPECT_EQ(denied(out), 15) << "each was refused for what it is: " << out;
  ::close(other);
  ::close(tcp);
}

TEST(Confined, WhatItMayDoItCan) {
  Hosted h;
  const std::string session = h.open();
  const std::string out = h.run(session, "import os, subprocess, socket\n"
                                         "open('" + h.dir.string() + "/files/a', 'w').write('hi')\n"
                                         "out['file'] = open('" + h.dir.string() + "/files/a').read()\n"
                                         "out['program'] = subprocess.run(['/bin/echo', 'ran'], capture_output=True).stdout.decode()\n"
                                         "out['pair'] = len(socket.socketpair())\n"
                                         "out['given'] = dict(os.environ).get('GIVEN')\n"
                                         "out['descriptors'] = sorted(os.listdir('/proc/self/fd'))[:3]\n"
                                         "out['count'] = len(os.listdir('/proc/self/fd'))\n");
  for (const char* wanted : {R"("file": "hi")", R"("program": "ran\n")", R"("pair": 2)", R"("given": "yes")", R"(["0", "1", "2"])"}) {
    EXPECT_NE(out.find(wanted), std::string::npos) << wanted << ": " << out;
  }
  EXPECT_NE(out.find("\"count\": 4"), std::string::npos) << "its three, and the folder that it lists: " << out;
}

// Servers of two sessions run the same program as the same user, and yet each is on its own.
TEST(Confined, ServersOfTwoSessionsCannotTouchEachOther) {
  Hosted h;
  const std::string one = h.open();
  const std::string two = h.open();
  const std::string said = h.run(two, "import os\nout['pid'] = os.getpid()\n");
  const std::string pid = std::to_string(std::atoi(said.c_str() + said.find("\"pid\": ") + 7));
  const std::string out = h.run(one, kTry + std::string(
      "attempt('reads its environment', lambda: open('/proc/" + pid + "/environ').read())\n"
      "attempt('opens its memory', lambda: open('/proc/" + pid + "/mem', 'r+b'))\n"
      "attempt('takes its input', lambda: open('/proc/" + pid + "/fd/0'))\n"));
  EXPECT_EQ(out.find("SUCCEEDED"), std::string::npos) << out;
  EXPECT_EQ(denied(out), 3) << out;
}

TEST(Confined, EndsWithAllItsServersWhenTold) {
  Hosted h;
  const std::string session = h.open();
  const std::string said = h.run(session, "import os, signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nout['pid'] = os.getpid()\n");
  const pid_t pid = std::atoi(said.c_str() + said.find("\"pid\": ") + 7);
  ASSERT_EQ(::kill(pid, 0), 0) << said;
  const auto since = std::chrono::steady_clock::now();
  const auto [status, out] = h.end();
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status << out;
  EXPECT_LT(std::chrono::steady_clock::now() - since, 5s) << "before the gateway loses patience";
  EXPECT_NE(::kill(pid, 0), 0) << "gone";
}

TEST(Confined, ServersDieWithTheBridge) {
  Hosted h;
  const std::string session = h.open();
  const std::string said = h.run(session, "import os\nout['pid'] = os.getpid()\n");
  const pid_t pid = std::atoi(said.c_str() + said.find("\"pid\": ") + 7);
  ASSERT_EQ(::kill(pid, 0), 0) << said;
  ::kill(h.started.pid, SIGKILL);
  h.end();
  bool gone = false;
  for (int i = 0; i < 200 && !gone; ++i) {
    std::this_thread::sleep_for(10ms);
    std::ifstream status("/proc/" + std::to_string(pid) + "/status");
    std::stringstream text;
    text << status.rdbuf();
    gone = !status || text.str().find("State:\tZ") != std::string::npos;
  }
  EXPECT_TRUE(gone);
}

TEST(Confined, ACommandThatCannotBeRunEndsTheBridgeAndSaysWhy) {
  struct Row {
    std::vector<std::string> command;
    std::string_view says;
  };
  for (const Row& r : {Row{{"/nonexistent/server"}, "cannot run /nonexistent/server: No such file"},
                       Row{{"/usr/bin/env", "no-such-program"}, "ended at once with status 127"},
                       Row{{"/bin/sh", "-c", "exit 3"}, "ended at once with status 3"},
                       Row{{"/bin/sh", "-c", "kill -9 $$"}, "ended at once with status 137"},
                       Row{{"/etc/hostname"}, "cannot run /etc/hostname: Permission denied"}}) {
    Hosted h(r.command);
    const bool here = fs::exists(h.socket);
    EXPECT_FALSE(here) << r.says;
    std::string out;
    char buffer[4096];
    for (ssize_t n = 0; (n = ::read(h.started.output, buffer, sizeof buffer)) > 0;) out.append(buffer, static_cast<std::size_t>(n));
    EXPECT_NE(out.find(r.says), std::string::npos) << out;
    ::close(h.started.output);
    h.started.pid = -1;
  }
}

}  // namespace
}  // namespace vestibule::bridge
