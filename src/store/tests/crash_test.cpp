// Kills a process that journals and commits, and looks whether everything it was told to be durable
// is there.

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <set>
#include <thread>

#include "store/tests/support.hpp"

namespace vestibule::store {
namespace {

using namespace std::chrono_literals;
using net::Core;
using net::Task;

constexpr int kAckDescriptor = 9;

// An acknowledgement is 8 bytes: below the pipe's atomic size.
void acknowledge(std::uint64_t what) {
  [[maybe_unused]] const auto n = ::write(kAckDescriptor, &what, sizeof what);
}

Task<> journal_for_ever(Database& db, Core& core) {
  for (std::uint64_t i = 0;; ++i) {
    const std::uint64_t what = i * 2 + core.index();
    auto t = db.journal(as_bytes(std::to_string(what)), Urgency::now);
    if (!t) continue;
    Result<void> r = co_await db.durable(*t, 5s);
    if (r) acknowledge(what);
  }
}

// The child: started anew by the test below, so that no thread of the parent was forked.
TEST(Crash, DISABLED_Child) {
  const char* file = ::getenv("VESTIBULE_STORE_CRASH");
  if (file == nullptr) GTEST_SKIP() << "run by KilledProcessLosesNothing";
  Database::Options options;
  options.file = file;
  options.cores = 2;
  RecordingHook hook;
  auto db = Database::open(options, test_migrations());
  ASSERT_TRUE(db) << db.error().detail;
  (*db)->set_hook(hook);
  (*db)->start();
  net::Cores cores(2);
  cores.start();
  std::thread other([&] { run_task(cores.at(1), journal_for_ever(**db, cores.at(1))); });
  run_task(cores.at(0), journal_for_ever(**db, cores.at(0)));
}

TEST(Crash, KilledProcessLosesNothing) {
  TempDir dir;
  const std::string file = (dir.path / "store.db").string();
  std::set<std::uint64_t> acknowledged;
  for (int round = 0; round < 3; ++round) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::dup2(ends[1], kAckDescriptor);
      ::setenv("VESTIBULE_STORE_CRASH", file.c_str(), 1);
      ::execl("/proc/self/exe", "store_test", "--gtest_also_run_disabled_tests",
              "--gtest_filter=Crash.DISABLED_Child", "--gtest_brief=1", nullptr);
      ::_exit(127);
    }
    ::close(ends[1]);
    std::uint64_t what = 0;
    std::size_t seen = 0;
    while (seen < 200 + static_cast<std::size_t>(round) * 77 && ::read(ends[0], &what, sizeof what) == sizeof what) {
      acknowledged.insert(what);
      ++seen;
    }
    EXPECT_GE(seen, 200U);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    while (::read(ends[0], &what, sizeof what) == sizeof what) acknowledged.insert(what);
    ::close(ends[0]);
    Database::Options options;
    options.file = file;
    auto db = Database::open(options, test_migrations());
    ASSERT_TRUE(db) << db.error().detail;
    std::set<std::uint64_t> there;
    for (const std::string& e : log_entries(**db)) there.insert(std::stoull(e));
    for (const std::uint64_t a : acknowledged) ASSERT_TRUE(there.contains(a)) << a;
  }
}

}  // namespace
}  // namespace vestibule::store
