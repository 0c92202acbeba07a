#pragma once
// How far the people of each role have come with second factors, as gauges: what `GET /v1/coverage` says of
// deadlines, for whoever watches by Prometheus, and without names.

#include <atomic>
#include <map>
#include <memory>
#include <string>

#include "base/counters.hpp"
#include "factors/factors.hpp"
#include "identity/users.hpp"
#include "net/core.hpp"

namespace vestibule::portal {

/// Owned by app. Works on one core, off the path of requests: it looks at all users once a minute.
class Coverage {
 public:
  Coverage(const identity::Users& users, const factors::Factors& factors) : users_(users), factors_(factors) {}

  net::Task<Result<void>> measure();
  /// Until stop().
  net::Task<> run(net::Core& core);
  void stop() noexcept { stopping_.store(true); }

 private:
  struct Role {
    explicit Role(const std::string& name);
    Counter users, covered;
  };

  const identity::Users& users_;
  const factors::Factors& factors_;
  std::map<std::string, std::unique_ptr<Role>, std::less<>> roles_;
  std::atomic<bool> stopping_{false};
};

}  // namespace vestibule::portal
