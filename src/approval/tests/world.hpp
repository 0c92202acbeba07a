#pragma once
// The rooms below approvals, and approvals.

#include "approval/holds.hpp"
#include "approval/requests.hpp"
#include "factors/tests/world.hpp"

namespace vestibule::testing {

class ApprovalWorld : public FactorWorld {
 public:
  ~ApprovalWorld() override { close(); }

  approval::Options options_approval;
  approval::HoldOptions options_holds;
  std::unique_ptr<approval::Requests> requests;
  std::unique_ptr<approval::Holds> holds;

  approval::Ask ask_of(UserId user, std::string source = "198.51.100.7") {
    approval::Ask a;
    a.user = user;
    a.credential[0] = 1;
    a.credential_name = "access token";
    a.source_key = source;
    a.source = std::move(source);
    a.client = "openai/6";
    a.access_point = "lab";
    a.operation = "chat";
    a.need.level = 2;
    a.need.max_age = std::chrono::hours(1);
    return a;
  }
  Result<approval::Requests::Asked> ask(approval::Ask a) {
    identity::Actor by = known(a.user);
    return run(requests->ask(std::move(a), by));
  }
  Reason approve(UserId user, approval::ApprovalId id) {
    auto done = database->write_blocking([&](store::Tx& tx) -> Result<void> {
      auto request = requests->waiting_in(tx, user, id, clock.now());
      if (!request) return std::move(request).error();
      return requests->approve_in(tx, *request, known(user), clock.now());
    });
    return done ? Reason::ok : done.error().code;
  }

 protected:
  std::vector<store::Migration> all_migrations() override {
    auto out = FactorWorld::all_migrations();
    out.insert(out.end(), approval::migrations().begin(), approval::migrations().end());
    return out;
  }
  void open_rooms_above() override {
    FactorWorld::open_rooms_above();
    auto opened = approval::Requests::open(*database, *keys, *users, *log, clock, rng, options_approval);
    ASSERT_TRUE(opened) << opened.error().detail;
    requests = std::move(*opened);
    holds = std::make_unique<approval::Holds>(*database, options_holds);
    database->listen([this](store::Tx&, std::span<const store::Change> changes) {
      for (const store::Change& c : changes) bells += c.topic == factors::kBellTopic ? 1 : 0;
    });
  }
  void close_rooms_above() override {
    holds.reset();
    requests.reset();
    FactorWorld::close_rooms_above();
  }

 public:
  std::atomic<int> bells{0};
};

}  // namespace vestibule::testing
