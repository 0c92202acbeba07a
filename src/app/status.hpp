#pragma once
// The status listener: Prometheus metrics and health, on loopback, without sign-in and without
// anything that names a person.

#include <functional>
#include <string>

#include "wire/exchange.hpp"

namespace vestibule::app {

/// What /health tells.
struct HealthReport {
  bool ok = true;
  std::string json;
};

class StatusHandler final : public wire::Handler {
 public:
  explicit StatusHandler(std::function<HealthReport()> health) : health_(std::move(health)) {}
  net::Task<> serve(wire::Exchange& exchange) override;
  void refused(const net::Peer&, Reason) noexcept override {}

 private:
  std::function<HealthReport()> health_;
};

}  // namespace vestibule::app
