#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <future>
#include <sstream>
#include <thread>

#include "process/child.hpp"

namespace vestibule::process {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

// A folder that a child of another uid can pass through, and a script as its program.
struct World {
  fs::path dir;
  World() {
    char name[] = "/tmp/vestibule-process-XXXXXX";
    dir = ::mkdtemp(name);
    fs::permissions(dir, fs::perms(0755));
    fs::create_directory(dir / "bin");
    fs::permissions(dir / "bin", fs::perms(0755));
  }
  ~World() { fs::remove_all(dir); }
  std::string script(const std::string& body) {
    const fs::path file = dir / "bin" / "program";
    std::ofstream(file) << "#!/bin/sh\n" << body;
    fs::permissions(file, fs::perms(0755));
    return file.string();
  }
  Options options(const std::string& body) {
    Options o;
    o.name = "test";
    o.command = {script(body)};
    o.socket = dir / "run" / "m.sock";
    o.ready = 3s;
    o.first_wait = 200ms;
    return o;
  }
};

std::string run_and_read(const Options& o) {
  Result<Started> s = start_confined(o);
  EXPECT_TRUE(s) << s.error().detail;
  if (!s) return {};
  std::string out;
  char buffer[1024];
  ssize_t n = 0;
  while ((n = ::read(s->output, buffer, sizeof buffer)) > 0) out.append(buffer, static_cast<std::size_t>(n));
  ::close(s->output);
  ::waitpid(s->pid, nullptr, 0);
  return out;
}

TEST(Start, TheEnvironmentIsWhatIsListed) {
  World w;
  ::setenv("VESTIBULE_SECRET_OF_TEST", "x", 1);
  Options o = w.options("env | grep -v '^\\(PWD\\|_\\|SHLVL\\|OLDPWD\\)='\n");
  o.environment = {{"MODEL", "tiny"}};
  EXPECT_EQ(run_and_read(o), "MODEL=tiny\n");
}

TEST(Start, NoDescriptorIsInherited) {
  World w;
  const int leaks[] = {::dup(1), ::dup(1), ::dup(1), ::dup(1)};  // without close-on-exec
  const std::string out = run_and_read(w.options("for f in /proc/self/fd/*; do echo ${f##*/}; done\n"));
  for (const int fd : leaks) ::close(fd);
  // 0, 1, 2, and those of the shell itself for the script (10 in dash) and the folder that it lists
  std::istringstream in(out);
  int count = 0;
  for (std::string line; std::getline(in, line);) ++count;
  EXPECT_GE(count, 3) << out;
  EXPECT_LE(count, 5) << out;
}

TEST(Start, TheGatewaysFilesCannotBeRead) {
  World w;
  const fs::path secret = w.dir / "state";
  fs::create_directory(secret);
  std::ofstream(secret / "key") << "top secret";
  fs::permissions(secret / "key", fs::perms(0644));  // even if the operator was careless
  Options o = w.options("cat " + (secret / "key").string() + " && echo READ\necho done\n");
  o.hidden = {secret};
  const std::string out = run_and_read(o);
  Result<Started> again = start_confined(o);
  ASSERT_TRUE(again);
  ::close(again->output);
  ::waitpid(again->pid, nullptr, 0);
  EXPECT_EQ(out.find("top secret"), std::string::npos);
  EXPECT_NE(out.find("done"), std::string::npos);
}

TEST(Start, AReadableFolderAboveTheSecretIsRefused) {
  World w;
  Options o = w.options("true\n");
  o.hidden = {w.dir / "state"};
  o.readable = {w.dir};
  const Result<Started> s = start_confined(o);
  ASSERT_FALSE(s);
  EXPECT_NE(s.error().detail.find("may not be readable"), std::string::npos);
}

TEST(Start, WhatIsWritableIsWritableAndNoMore) {
  World w;
  const fs::path files = w.dir / "files";
  fs::create_directory(files);
  fs::permissions(files, fs::perms(0777));
  const std::string f = files.string();
  Options o = w.options("cd " + f + " && echo one > a && mkdir d && mv a d/b && echo two > d/b && cat d/b && rm -r d && echo removed\n"
                        "echo '#!/bin/sh' > run; echo 'echo RAN' >> run; chmod 755 run; ./run\n"
                        "ln -s " + w.dir.string() + " link && echo LINKED\n"
                        "echo x > " + (w.dir / "beside").string() + " && echo ESCAPED\ntrue\n");
  o.writable = {files};
  const std::string out = run_and_read(o);
  EXPECT_NE(out.find("two\nremoved\n"), std::string::npos) << out;
  for (const char* never : {"RAN", "LINKED", "ESCAPED"}) EXPECT_EQ(out.find(never), std::string::npos) << out;
  EXPECT_FALSE(fs::exists(w.dir / "beside"));
}

TEST(Start, AWritableFolderNearTheSecretIsRefused) {
  World w;
  fs::create_directories(w.dir / "state" / "deep");
  fs::create_directory_symlink(w.dir / "state", w.dir / "link");
  for (const fs::path& path : {w.dir, w.dir / "state", w.dir / "state" / "deep", w.dir / "link", w.dir / "link" / "deep"}) {
    Options o = w.options("true\n");
    fs::permissions(w.dir, fs::perms(0777));
    fs::permissions(w.dir / "state", fs::perms(0777));
    fs::permissions(w.dir / "state" / "deep", fs::perms(0777));
    o.hidden = {w.dir / "state"};
    o.writable = {path};
    const Result<Started> s = start_confined(o);
    ASSERT_FALSE(s) << path;
    EXPECT_NE(s.error().detail.find("may not be writable"), std::string::npos) << s.error().detail;
  }
}

TEST(Start, AFolderThatTheOtherUserCannotWriteInIsToldOf) {
  if (::geteuid() != 0) return;  // the child is the same user then
  World w;
  fs::create_directory(w.dir / "files");
  fs::permissions(w.dir / "files", fs::perms(0755));
  Options o = w.options("true\n");
  o.writable = {w.dir / "files"};
  const Result<Started> s = start_confined(o);
  ASSERT_FALSE(s);
  EXPECT_NE(s.error().detail.find("must be writable for nobody"), std::string::npos) << s.error().detail;
}

TEST(Start, NoPrivilegesAreLeft) {
  World w;
  const std::string out = run_and_read(w.options("grep -E '^(CapEff|CapPrm|NoNewPrivs)' /proc/self/status\n"));
  EXPECT_NE(out.find("NoNewPrivs:\t1"), std::string::npos) << out;
  EXPECT_NE(out.find("CapEff:\t0000000000000000"), std::string::npos) << out;
  EXPECT_NE(out.find("CapPrm:\t0000000000000000"), std::string::npos) << out;
}

TEST(Start, ACommandThatIsNotThereIsAnError) {
  World w;
  Options o = w.options("");
  o.command = {"/nonexistent/program"};
  EXPECT_FALSE(start_confined(o));
}

// Runs a child on a core for a story of the test's own thread.
struct Running {
  net::Cores cores{1};
  Child child;
  std::promise<void> ended;
  explicit Running(Options o) : child(cores.at(0), std::move(o)) {
    cores.start();
    cores.at(0).post([this] {
      net::asio::co_spawn(cores.at(0).executor(), child.run(), [this](std::exception_ptr) { ended.set_value(); });
    });
  }
  bool reaches(State s, std::chrono::milliseconds limit = 8s) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (std::chrono::steady_clock::now() < end) {
      if (child.state() == s) return true;
      std::this_thread::sleep_for(10ms);
    }
    return false;
  }
  void stop() {
    std::promise<void> done;
    cores.at(0).post([&] {
      net::asio::co_spawn(cores.at(0).executor(), child.stop(), [&](std::exception_ptr) { done.set_value(); });
    });
    done.get_future().wait();
    ended.get_future().wait();
    cores.stop();
  }
};

constexpr const char* kListen =
    "exec /usr/bin/python3 -c \"\n"
    "import socket,time\n"
    "s=socket.socket(socket.AF_UNIX); s.bind('m.sock'); s.listen(); time.sleep(60)\"\n";

TEST(Child, IsReadyWhenItAcceptsAndStopsOnRequest) {
  if (::access("/usr/bin/python3", X_OK) != 0) GTEST_FAIL() << "needs python3";
  World w;
  Running r(w.options(kListen));
  EXPECT_TRUE(r.reaches(State::ready));
  const pid_t pid = r.child.pid();
  EXPECT_EQ(::kill(pid, 0), 0);
  r.stop();
  EXPECT_NE(::kill(pid, 0), 0) << "gone";
  EXPECT_EQ(r.child.state(), State::stopped);
}

TEST(Child, IsRestartedWhenItDies) {
  World w;
  Running r(w.options(kListen));
  ASSERT_TRUE(r.reaches(State::ready));
  const pid_t first = r.child.pid();
  ::kill(first, SIGKILL);
  EXPECT_TRUE(r.reaches(State::waiting) || r.child.starts() > 1);
  ASSERT_TRUE(r.reaches(State::ready));
  EXPECT_NE(r.child.pid(), first);
  EXPECT_GE(r.child.starts(), 2);
  r.stop();
}

TEST(Child, ThatIgnoresTheRequestToStopIsKilled) {
  World w;
  Options o = w.options("trap '' TERM\necho up\nwhile :; do sleep 1; done\n");
  o.grace = 300ms;
  Running r(std::move(o));
  ASSERT_TRUE(r.reaches(State::starting));
  std::this_thread::sleep_for(300ms);
  const pid_t pid = r.child.pid();
  ASSERT_GT(pid, 0);
  r.stop();
  EXPECT_NE(::kill(pid, 0), 0);
}

// A grandchild inherits the pipe of the output: were it left, the restart would wait for it.
TEST(Child, ItsOwnChildrenDoNotHoldUpTheRestart) {
  World w;
  Running r(w.options("sleep 300 &\nexit 3\n"));
  const auto end = std::chrono::steady_clock::now() + 8s;
  while (r.child.starts() < 2 && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(10ms);
  EXPECT_GE(r.child.starts(), 2);
  r.stop();
}

TEST(Child, WaitsLongerBeforeEachRestart) {
  World w;
  Running r(w.options("exit 1\n"));  // 0.2 s, 0.4 s, 0.8 s, ... and a little to notice
  std::this_thread::sleep_for(2500ms);
  EXPECT_GE(r.child.starts(), 2);
  EXPECT_LE(r.child.starts(), 4);
  r.stop();
}

TEST(Child, DiesWithTheGateway) {
  World w;
  Options o = w.options("echo $$ > pid; exec sleep 60\n");
  int pipe_fds[2];
  ASSERT_EQ(::pipe(pipe_fds), 0);
  const pid_t gateway = ::fork();
  if (gateway == 0) {
    Result<Started> s = start_confined(o);
    const pid_t pid = s ? s->pid : -1;
    [[maybe_unused]] const ssize_t n = ::write(pipe_fds[1], &pid, sizeof pid);
    ::pause();
    ::_exit(0);
  }
  pid_t child = -1;
  ASSERT_EQ(::read(pipe_fds[0], &child, sizeof child), static_cast<ssize_t>(sizeof child));
  ASSERT_GT(child, 0);
  std::this_thread::sleep_for(200ms);
  ::kill(gateway, SIGKILL);
  ::waitpid(gateway, nullptr, 0);
  bool gone = false;
  for (int i = 0; i < 100 && !gone; ++i) {
    std::this_thread::sleep_for(20ms);
    std::ifstream status("/proc/" + std::to_string(child) + "/status");
    std::stringstream text;
    text << status.rdbuf();
    gone = !status || text.str().find("State:\tZ") != std::string::npos;
  }
  EXPECT_TRUE(gone);
}

}  // namespace
}  // namespace vestibule::process
