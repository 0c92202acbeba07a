#pragma once
// People with a password, a factor and a session, for the tests of this room.

#include "session/tests/world.hpp"

namespace vestibule::testing {

using namespace std::chrono_literals;
using factors::Confirmed;
using session::Audience;
using session::FactorKind;
using session::Identified;
using session::SignedIn;
using session::actor_of;

class PeopleWorld : public SessionWorld {
 public:
  PeopleWorld() {
    options_session.raise_mark = [this](WallTime t) { mark = std::max(mark, t); };
  }
  ~PeopleWorld() override { close(); }

  domain::Source source = *domain::Source::parse("198.51.100.7");
  WallTime mark{};

  /// A user with a password, a factor and a session in which both were proved.
  struct Person {
    UserId id;
    App app;
    std::string handle;
    Identified who;
    std::vector<Secret> recovery;
  };

  Result<Identified> identify(std::string_view handle, Audience audience = Audience::control) {
    return sessions->identify(handle, audience, {}, clock.now());
  }
  Reason verdict(std::string_view handle, Audience audience = Audience::control) {
    const auto r = identify(handle, audience);
    return r ? Reason::ok : r.error().code;
  }
  Identified who(std::string_view handle) {
    auto r = identify(handle);
    EXPECT_TRUE(r) << info(r.error().code).code;
    return r ? *r : Identified{};
  }
  int level(std::string_view handle, Duration max_age = 1h) {
    const auto r = identify(handle);
    return r ? domain::level(r->evidence, clock.now(), clock.trusted(), max_age) : -1;
  }
  Result<SignedIn> start(std::string_view name, std::string_view password = kPassword) {
    return run(sessions->start(std::string(name), Secret(password), source, "test"));
  }
  std::string started(std::string_view name) {
    auto s = start(name);
    EXPECT_TRUE(s) << (s ? "" : s.error().detail);
    return s ? std::string(s->handle.reveal_text()) : std::string();
  }
  Reason prove(std::string_view handle, std::string_view code, FactorKind kind = FactorKind::totp) {
    auto i = identify(handle);
    if (!i) return i.error().code;
    auto r = run(sessions->prove(*i, kind, Secret(code), actor_of(*i, source, "test", {})));
    return r ? Reason::ok : r.error().code;
  }
  Result<Confirmed> enrol(std::string_view handle, App& app, std::optional<std::string> code = {}) {
    const Identified i = who(handle);
    std::optional<Secret> existing;
    if (code) existing.emplace(*code);
    auto pending = run(sessions->begin_enrolment(i, FactorKind::totp, "phone", std::move(existing), {}));
    if (!pending) return std::move(pending).error();
    app = App(pending->secret.reveal_text(), pending->parameters);
    return run(sessions->confirm_enrolment(i, pending->id, Secret(app.code(clock.wall())), {}));
  }
  /// Enrols by an administrator's code, as a new user does.
  Person person(const std::string& name, std::vector<std::string> roles = {"member"}) {
    Person p;
    p.id = make_user(name, std::move(roles));
    auto code = run(users->create_enrolment_code(p.id, administrator()));
    EXPECT_TRUE(code);
    auto signed_in = run(sessions->with_enrolment_code(std::move(*code), Secret(kPassword), source, "test"));
    EXPECT_TRUE(signed_in) << (signed_in ? "" : signed_in.error().detail);
    p.handle = signed_in->handle.reveal_text();
    auto confirmed = enrol(p.handle, p.app);
    EXPECT_TRUE(confirmed) << (confirmed ? "" : confirmed.error().detail);
    p.recovery = std::move(confirmed->recovery_codes);
    p.who = who(p.handle);
    return p;
  }
  std::string token(std::string_view handle, Duration ttl = 24h) {
    auto t = run(sessions->issue_token(who(handle), ttl, {}));
    EXPECT_TRUE(t) << (t ? "" : info(t.error().code).code);
    return t ? std::string(t->handle.reveal_text()) : std::string();
  }
};

}  // namespace vestibule::testing
