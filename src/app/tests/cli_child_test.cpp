#include "app/cli/child.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace vestibule::app::cli {
namespace {

int run(const std::vector<std::string>& command, const Changes& changes = {}) {
  const Result<int> child = start_child(command, environment_with(changes));
  return child ? wait_for(*child) : -1;
}

// In a process of its own: signals are held for good.
int in_fork(int (*f)()) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    hold_signals();
    ::_exit(f());
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(CliChild, ItsExitStatusIsOurs) {
  EXPECT_EQ(in_fork([] { return run({"true"}); }), 0);
  EXPECT_EQ(in_fork([] { return run({"sh", "-c", "exit 7"}); }), 7);
  EXPECT_EQ(in_fork([] { return run({"sh", "-c", "kill -KILL $$"}); }), 128 + SIGKILL);
}

TEST(CliChild, SignalsThatOthersSendReachIt) {
  // The child signals its parent, which passes it on.
  EXPECT_EQ(in_fork([] { return run({"sh", "-c", "trap 'exit 9' TERM; kill -TERM $PPID; while :; do sleep 0.05; done"}); }), 9);
  EXPECT_EQ(in_fork([] { return run({"sh", "-c", "kill -INT $PPID; exec sleep 5"}); }), 128 + SIGINT);
}

TEST(CliChild, WhatCameBeforeItIsPassedOnToo) {
  EXPECT_EQ(in_fork([] {
              ::kill(::getpid(), SIGTERM);
              return run({"sleep", "5"});
            }),
            128 + SIGTERM);
}

TEST(CliChild, NoSuchProgram) {
  const Result<int> child = start_child({"/no/such/program"}, {});
  ASSERT_FALSE(child);
  EXPECT_EQ(child.error().code, Reason::not_found);
}

TEST(CliChild, TheEnvironmentIsOursWithTheChanges) {
  ::setenv("VESTIBULE_TEST_A", "old", 1);
  ::setenv("VESTIBULE_TEST_B", "gone", 1);
  ::setenv("VESTIBULE_TEST_AB", "stays", 1);
  const auto env = environment_with({{{"VESTIBULE_TEST_A", "new"}}, {"VESTIBULE_TEST_B"}});
  const auto has = [&](std::string_view e) { return std::ranges::count(env, e) == 1; };
  EXPECT_TRUE(has("VESTIBULE_TEST_A=new"));
  EXPECT_TRUE(has("VESTIBULE_TEST_AB=stays"));
  EXPECT_FALSE(has("VESTIBULE_TEST_A=old"));
  EXPECT_FALSE(has("VESTIBULE_TEST_B=gone"));
}

}  // namespace
}  // namespace vestibule::app::cli
