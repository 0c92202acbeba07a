#pragma once
// The rooms below sessions, and sessions.

#include "factors/tests/world.hpp"
#include "session/schema.hpp"
#include "session/sessions.hpp"

namespace vestibule::testing {

class SessionWorld : public FactorWorld {
 public:
  SessionWorld() { options_session.boot_id = "boot-1"; }
  ~SessionWorld() override { close(); }

  static constexpr std::string_view kDesk = "203.0.113.7";   ///< where a person works
  static constexpr std::string_view kThief = "203.0.113.8";  ///< and where a thief sits

  session::Options options_session;
  std::unique_ptr<session::Sessions> sessions;

 protected:
  std::vector<store::Migration> all_migrations() override {
    auto out = FactorWorld::all_migrations();
    out.insert(out.end(), session::migrations().begin(), session::migrations().end());
    return out;
  }
  void open_rooms_above() override {
    FactorWorld::open_rooms_above();
    options_session.denials = denials.get();
    auto opened = session::Sessions::open(*database, *mint, *users, *factors, *log, clock, rng, options_session);
    ASSERT_TRUE(opened) << opened.error().detail;
    sessions = std::move(*opened);
  }
  void close_rooms_above() override {
    sessions.reset();
    FactorWorld::close_rooms_above();
  }
};

}  // namespace vestibule::testing
