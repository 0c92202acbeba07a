#pragma once
// What the gate's tests ask for, on memory alone or on a file that survives a restart.

#include <gtest/gtest.h>

#include "gate/tests/world.hpp"

namespace vestibule::testing {

class GateTest : public ::testing::Test, public GateWorld {
 protected:
  void SetUp() override { open(); }

  Reason identified(const std::string& fields, session::Audience audience = session::Audience::access) {
    const std::string text = "GET / HTTP/1.1\r\nHost: localhost\r\n" + fields + "\r\n";
    http::RequestParser parser;
    EXPECT_EQ(parser.feed(text), http::ParseState::done) << fields;
    const auto r = gate->identify(parser.head(), audience, {}, {});
    return r ? Reason::ok : r.error().code;
  }
  Result<void> stop(gate::StopScope scope, const std::string& target, const Person& by, unsigned core = 0) {
    return run(gate->stop({scope, target, clock.wall(), "root", "drill"}, actor(by)), core);
  }
  Result<bool> lift(gate::StopScope scope, const std::string& target, const Person& by) {
    return run(gate->lift(scope, target, actor(by)));
  }
  Result<gate::Staged> reload(const std::string& text, const Person& by, unsigned core = 0) {
    return run(gate->reload_policy(text, "policy.toml", actor(by)), core);
  }
  Reason approve(const Digest& digest, const Person& by, const std::string& code) {
    const auto r = run(gate->approve_policy(digest, attempt(by, code)));
    return r ? Reason::ok : r.error().code;
  }
};

class GateRestart : public GateTest {
 protected:
  void SetUp() override {
    file = folder / "vestibule.db";
    open();
  }
};

}  // namespace vestibule::testing
