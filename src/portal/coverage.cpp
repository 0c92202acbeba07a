#include "portal/coverage.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "net/signal.hpp"

namespace vestibule::portal {
namespace {

constexpr std::chrono::milliseconds kTick{500};
constexpr int kTicksBetweenLooks = 120;
constexpr std::size_t kUsersAtOnce = 1000;  // then others have their turn on the core
constexpr std::size_t kMaxRoles = 100;  // each is two lines of the status page

void set(Counter& gauge, std::int64_t n) noexcept { gauge.add(n - gauge.total()); }

}  // namespace

// Names of roles are letters a-z, digits, _ and -: nothing to escape.
Coverage::Role::Role(const std::string& name)
    : users("vestibule_role_users", "People of a role who may sign in.", "role=\"" + name + "\""),
      covered("vestibule_role_users_covered", "Those of them who have a second factor that works.", "role=\"" + name + "\"") {}

net::Task<Result<void>> Coverage::measure() {
  Result<std::vector<identity::User>> users = co_await users_.list();
  if (!users) co_return std::move(users).error();
  struct Count {
    std::int64_t users = 0, covered = 0;
  };
  std::map<std::string, Count, std::less<>> counts;
  const std::vector<domain::FactorKind> kinds = domain::second_factors();
  std::size_t seen = 0;
  for (const identity::User& u : *users) {
    if (++seen % kUsersAtOnce == 0) co_await net::sleep_for(*net::Core::current(), std::chrono::milliseconds(0));
    if (u.service || users_.standing(u.id) != identity::Users::Standing::good) continue;
    const bool covered = std::ranges::any_of(kinds, [&](domain::FactorKind kind) { return factors_.works(u.id, kind); });
    for (const domain::NameId role : u.roles) {
      Count& c = counts[std::string(domain::interned(role))];
      ++c.users;
      c.covered += covered ? 1 : 0;
    }
  }
  std::erase_if(roles_, [&](const auto& role) { return !counts.contains(role.first); });
  for (const auto& [name, count] : counts) {
    auto at = roles_.find(name);
    if (at == roles_.end()) {
      if (roles_.size() >= kMaxRoles) continue;
      at = roles_.emplace(name, std::make_unique<Role>(name)).first;
    }
    set(at->second->users, count.users);
    set(at->second->covered, count.covered);
  }
  co_return Result<void>{};
}

net::Task<> Coverage::run(net::Core& core) {
  for (int tick = 0; !stopping_.load(); ++tick) {
    if (tick % kTicksBetweenLooks == 0) {
      const Result<void> measured = co_await measure();
      if (!measured) log::warn("coverage could not be measured", {{"detail", measured.error().detail}});
    }
    co_await net::sleep_for(core, kTick);
  }
}

}  // namespace vestibule::portal
