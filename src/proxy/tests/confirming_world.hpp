#pragma once
// The proxy with people who confirm tool calls.

#include "approval/confirmations.hpp"
#include "proxy/tests/holding_world.hpp"

namespace vestibule::testing {

class ConfirmingWorld : public HoldingWorld {
 public:
  ~ConfirmingWorld() override { close(); }

  std::unique_ptr<approval::Confirmations> confirmations;

  std::vector<approval::Confirmation> waiting_for(const Person& p) {
    auto list = run(confirmations->list(p.id));
    EXPECT_TRUE(list);
    return list ? std::move(*list) : std::vector<approval::Confirmation>();
  }
  bool asked(const Person& p, std::size_t n = 1) {
    return soon([&] { return waiting_for(p).size() == n; }, std::chrono::seconds(3));
  }
  /// As a security key of hers would: that it is one the factors room has found out.
  Reason sign(const Person& p, std::vector<approval::ConfirmationId> ids) {
    auto of = run(factors->list(p.id));
    EXPECT_TRUE(of && !of->empty());
    factors::Given given;
    given.proof = {domain::FactorKind::webauthn, domain::traits_of(domain::FactorKind::webauthn), of->front().id, clock.wall(), clock.boot()};
    given.proof.traits.user_verified = true;
    given.proof.traits.device_bound = true;
    given.statement.emplace();
    given.statement->binding = "{}";
    auto done = database->write_blocking([&](store::Tx& tx) -> Result<void> {
      auto list = confirmations->waiting_in(tx, p.id, ids, clock.now());
      if (!list) return std::move(list).error();
      return confirmations->sign_in(tx, *list, known(p.id), given, {}, clock.now());
    });
    return done ? Reason::ok : done.error().code;
  }
  Reason sign_all(const Person& p) {
    std::vector<approval::ConfirmationId> ids;
    for (const approval::Confirmation& c : waiting_for(p)) ids.push_back(c.id);
    return sign(p, ids);
  }

 protected:
  void open_what_is_waited_for() override {
    auto opened = approval::Confirmations::open(*database, *keys, *users, *factors, *log, clock, rng, {});
    ASSERT_TRUE(opened) << opened.error().detail;
    confirmations = std::move(*opened);
  }
  void open_rooms_above() override {
    HoldingWorld::open_rooms_above();
    holding->confirmations = confirmations.get();
    holding->confirm_page = "https://portal.example/confirm";
    options_gate.confirmations = confirmations.get();
  }
  void close_rooms_above() override {
    // The gate goes first.
    HoldingWorld::close_rooms_above();
    confirmations.reset();
  }
  void change(access::AccessPoint& point) override {
    HoldingWorld::change(point);
    point.rules.gated_tools = true;
  }
};

}  // namespace vestibule::testing
