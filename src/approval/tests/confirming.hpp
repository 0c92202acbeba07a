#pragma once
// Confirmations over the rooms below them, with people who sign as they like.

#include <gtest/gtest.h>

#include "approval/confirmations.hpp"
#include "approval/tests/world.hpp"
#include "crypto/hash.hpp"

namespace vestibule::approval::testing {

using namespace std::chrono_literals;
using domain::Confirmation;
using domain::FactorKind;
using vestibule::testing::App;
using vestibule::testing::ApprovalWorld;

class ConfirmationWorld : public ApprovalWorld {
 public:
  ~ConfirmationWorld() override { close(); }
  std::unique_ptr<Confirmations> confirmations;
  ConfirmationOptions options_confirmations;
  std::vector<std::string> shut;

 protected:
  void open_rooms_above() override {
    ApprovalWorld::open_rooms_above();
    options_confirmations.shut_in = [this](store::Tx&, const Digest&, std::string_view source) -> Result<void> {
      shut.emplace_back(source);
      return {};
    };
    auto opened = Confirmations::open(*database, *keys, *users, *factors, *log, clock, rng, options_confirmations);
    ASSERT_TRUE(opened) << opened.error().detail;
    confirmations = std::move(*opened);
  }
  void close_rooms_above() override {
    confirmations.reset();
    ApprovalWorld::close_rooms_above();
  }
};

class Confirming : public ConfirmationWorld, public ::testing::Test {
 protected:
  ~Confirming() override { close(); }
  void SetUp() override {
    file = folder / "confirmations.db";
    open();
    alice = make_user("alice");
    key_of[alice] = enrol(alice);
  }
  FactorId enrol(UserId user) {
    auto confirmed = database->write_blocking([&](store::Tx& tx) -> Result<factors::Confirmed> {
      auto pending = factors->begin_enrolment_in(tx, user, FactorKind::totp, "phone", factors::Authority::enrol_grant, known(user), clock.now());
      if (!pending) return std::move(pending).error();
      const App app(pending->secret.reveal_text(), pending->parameters);
      return factors->confirm_in(tx, user, pending->id, app.code(clock.wall()), known(user), clock.now());
    });
    EXPECT_TRUE(confirmed) << (confirmed ? "" : confirmed.error().detail);
    return confirmed ? confirmed->factor.id : FactorId{};
  }
  UserId grown_up(const std::string& name, std::vector<std::string> roles = {"member"}) {
    const UserId id = make_user(name, std::move(roles));
    key_of[id] = enrol(id);
    auto able = database->write_blocking([&](store::Tx& tx) -> Result<void> {
      auto done = tx.run("UPDATE account SET password = $2 WHERE id = $1", {id, as_bytes("whatever it is")});
      return done ? Result<void>() : Result<void>(std::move(done).error());
    });
    EXPECT_TRUE(able);
    return id;
  }
  /// What a security key would have shown; whether it is right the factors room has found out.
  factors::Given given(UserId user, FactorKind kind = FactorKind::webauthn) {
    factors::Given g;
    g.proof = {kind, domain::traits_of(kind), key_of[user], clock.wall(), clock.boot()};
    if (kind == FactorKind::webauthn) {
      g.proof.traits.user_verified = true;
      g.proof.traits.device_bound = true;
      g.statement.emplace();
      g.statement->binding = "{}";
    }
    return g;
  }
  Wanted wanted(std::string arguments = R"({"amount": 250, "to": "alice"})", std::string tool = "transfer") {
    Wanted w;
    w.action.access_point = "demo";
    w.action.tool = std::move(tool);
    w.action.arguments = std::move(arguments);
    w.action.user = "alice";
    w.action.account = alice;
    w.action.source = "198.51.100.7";
    w.action.client = "openai/6";
    w.action.policy[0] = 5;
    w.credential[0] = 1;
    w.source_key = "198.51.100.7";
    w.need.level = 2;
    w.need.confirmation = Confirmation::self;
    w.need.bound = true;
    return w;
  }
  Result<std::vector<Confirmations::Asked>> ask_all(std::vector<Wanted> calls) { return run(confirmations->ask(std::move(calls), known(alice))); }
  ConfirmationId ask(Wanted w) {
    auto asked = ask_all({std::move(w)});
    EXPECT_TRUE(asked) << (asked ? "" : asked.error().detail);
    return asked ? asked->front().id : ConfirmationId{};
  }
  ConfirmationId ask() { return ask(wanted()); }
  Reason refused(Wanted w) {
    auto asked = ask_all({std::move(w)});
    return asked ? Reason::ok : asked.error().code;
  }
  Reason sign(UserId by, std::vector<ConfirmationId> ids, const factors::Given& g, std::string_view why = {}) {
    auto done = database->write_blocking([&](store::Tx& tx) -> Result<void> {
      auto list = confirmations->waiting_in(tx, by, ids, clock.now());
      if (!list) return std::move(list).error();
      return confirmations->sign_in(tx, *list, known(by), g, why, clock.now());
    });
    return done ? Reason::ok : done.error().code;
  }
  Reason sign(UserId by, ConfirmationId id) { return sign(by, {id}, given(by)); }
  Reason use(ConfirmationId id, std::string_view arguments = R"({"amount": 250, "to": "alice"})", std::uint8_t policy = 5,
             std::optional<domain::Requirement> present = std::nullopt) {
    Digest p{};
    p[0] = policy;
    domain::Requirement least;
    least.level = 0;
    least.max_age = Duration::max();
    auto done = database->write_blocking([&](store::Tx& tx) -> Result<Confirmations::Used> {
      return confirmations->use_in(tx, id, crypto::sha256(as_bytes(arguments)), p, present.value_or(least), clock.now());
    });
    return done ? Reason::ok : done.error().code;
  }
  Reason refuse(ConfirmationId id, Confirmations::Refusal how, UserId by) {
    auto done = run(confirmations->refuse(id, how, known(by)));
    return done ? Reason::ok : done.error().code;
  }
  std::optional<Stage> stage(ConfirmationId id) {
    auto empty = database->write_blocking([](store::Tx&) -> Result<void> { return {}; });  // the feed has run
    EXPECT_TRUE(empty);
    return confirmations->stage(id);
  }
  std::size_t waiting(UserId person) {
    auto list = run(confirmations->list(person));
    EXPECT_TRUE(list);
    return list ? list->size() : 0;
  }
  UserId alice;
  std::unordered_map<UserId, FactorId> key_of;
};

}  // namespace vestibule::approval::testing
