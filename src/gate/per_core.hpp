#pragma once
// What the gate keeps for each core, and who answers for whoever asks. Private to the room.

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "base/counters.hpp"
#include "gate/completions.hpp"
#include "gate/gate.hpp"
#include "net/signal.hpp"
#include "session/sessions.hpp"

namespace vestibule::gate {

inline constexpr std::size_t kNewClients = 16;  // written down in one round
inline Counter g_live("vestibule_admissions_live", "Admissions under way.");

/// Who is judged: whoever asks, and for a service account who answers for it, as he is at this moment.
class Asking {
 public:
  Asking(const session::Sessions& sessions, const domain::Subject& who) noexcept : who_(who) {
    if (!domain::is_service(who)) return;
    alone_ = !sessions.sponsor(who, sponsor_.emplace());
  }
  Asking(const Asking&) = delete;
  Asking& operator=(const Asking&) = delete;
  [[nodiscard]] const domain::Subject* sponsor() const noexcept { return sponsor_ ? &*sponsor_ : nullptr; }
  /// Of whom factors can be asked for.
  [[nodiscard]] const domain::Subject& person() const noexcept { return sponsor_ ? *sponsor_ : who_; }
  /// A service that nobody answers for.
  [[nodiscard]] bool alone() const noexcept { return alone_; }
  [[nodiscard]] bool stopped(const Stops& stops, const domain::Act& act) const noexcept {
    return stops.covers(act, who_) || (sponsor_ && stops.covers(act, *sponsor_));
  }

 private:
  const domain::Subject& who_;
  std::optional<domain::Subject> sponsor_;
  bool alone_ = false;
};

/// What one core has of the gate. Only that core touches it.
struct Gate::PerCore {
  PerCore(net::Core& core, quota::Quotas& all) : quotas(all), many_sent(core) {}
  quota::Share quotas;
  std::shared_ptr<const Stops> stops = std::make_shared<const Stops>();
  std::shared_ptr<const PolicySet> policies;
  std::uint64_t generation = 0;                 // of policies
  Admission::State* first = nullptr;            // live admissions
  std::vector<std::unique_ptr<Admission::State>> spare;
  Completions sent, settling, left;  // journaled, and perhaps not durable yet
  Completions overdue;               // to be journaled again
  net::Signal many_sent;
  std::vector<NewClient> new_clients;  // until the sweep
  std::array<std::uint8_t, 4096> random{};
  std::size_t random_left = 0;
  bool sweeping = true;
};

}  // namespace vestibule::gate
