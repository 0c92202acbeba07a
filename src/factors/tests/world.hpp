#pragma once
// The installation of identity's tests with the factors room on top.

#include "factors/factors.hpp"
#include "factors/schema.hpp"
#include "identity/tests/world.hpp"

namespace vestibule::testing {

/// What an authenticator app shows.
class App {
 public:
  App() = default;
  explicit App(std::string_view base32_secret, factors::TotpParameters p = {})
      : secret_(unbase32(base32_secret).value()), parameters_(p) {}
  [[nodiscard]] std::string code(WallTime at, int steps_off = 0) const {
    const auto step = static_cast<std::uint64_t>(factors::totp_step(at) + steps_off);
    return padded(factors::hotp(secret_, step, parameters_).value);
  }
  /// A code that is wrong at this time, within the whole window.
  [[nodiscard]] std::string wrong(WallTime at) const {
    for (std::uint32_t i = 0;; ++i) {
      std::string candidate = padded(i);
      if (candidate != code(at, -1) && candidate != code(at) && candidate != code(at, 1)) return candidate;
    }
  }

 private:
  [[nodiscard]] std::string padded(std::uint32_t value) const {
    std::string text = std::to_string(value);
    text.insert(0, static_cast<std::size_t>(parameters_.digits) - text.size(), '0');
    return text;
  }
  Bytes secret_;
  factors::TotpParameters parameters_;
};

class FactorWorld : public World {
 public:
  ~FactorWorld() override { close(); }

  std::unique_ptr<factors::Factors> factors;
  factors::Options options_factors;

  UserId make_user(const std::string& name, std::vector<std::string> roles = {"member"}) {
    identity::Users::Create what;
    what.name = name;
    what.roles = std::move(roles);
    auto id = run(users->create(what, administrator()));
    EXPECT_TRUE(id) << (id ? "" : id.error().detail);
    return *id;
  }
  /// An actor who has given the password.
  identity::Actor known(UserId user) {
    identity::Actor a;
    a.user = user;
    users->read(user, [&](const identity::User& u) { a.name = u.name; });
    a.source = *domain::Source::parse("198.51.100.7");
    a.evidence.add({domain::FactorKind::password, domain::traits_of(domain::FactorKind::password),
                    identity::password_factor(user), clock.wall(), clock.boot()});
    return a;
  }

 protected:
  std::vector<store::Migration> all_migrations() override {
    auto out = World::all_migrations();
    out.insert(out.end(), factors::migrations().begin(), factors::migrations().end());
    return out;
  }
  void open_rooms_above() override {
    auto opened = factors::Factors::open(*database, *keys, *users, *log, clock, rng, options_factors);
    ASSERT_TRUE(opened) << opened.error().detail;
    factors = std::move(*opened);
  }
  void close_rooms_above() override { factors.reset(); }
};

}  // namespace vestibule::testing
