#pragma once
// Rings: on the devices of a user by Web Push, and on the operator's doorbells. A bell has no authority:
// one that is not heard costs the way to the inbox, so that nothing here is kept over the process's end.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/id.hpp"
#include "net/task_group.hpp"
#include "notify/doorbell.hpp"
#include "notify/web_push.hpp"

namespace vestibule::notify {

struct BellOptions {
  PushHosts hosts{PushHosts::known()};
  std::string contact;                 ///< mailto: or https:, told to push services
  std::optional<Webhook> webhook;
  std::optional<Ntfy> ntfy;
  net::TlsContext tls;                 ///< net::client_tls()
  std::chrono::milliseconds limit{10'000};   ///< of one request
  std::chrono::milliseconds first_pause{5'000};  ///< after 429 or 5xx without Retry-After; doubles
  int attempts = 3;                    ///< of one message
  std::size_t max_waiting = 256;       ///< messages under way; beyond, bells stay silent and are counted
  std::size_t max_greetings = 16;      ///< first messages under way, beside those
};

/// Owned by app. Works on one core; ring() and greet() may be called on any thread. Stops by stop(), and
/// then join() ends soon.
class Bells {
 public:
  struct Device {
    FactorId id{};
    Subscription to;
  };
  /// What it asks of those who know the users' devices.
  struct Devices {
    std::function<net::Task<Result<std::vector<Device>>>(UserId)> of_user;
    /// The push service says that this subscription is no more.
    std::function<net::Task<>(FactorId)> gone;
  };

  Bells(net::Core& core, const Clock& clock, Rng& rng, crypto::P256Key sender, Devices devices, BellOptions options);
  ~Bells();

  /// On every device of the user and every doorbell.
  void ring(UserId user, Event event);
  /// The first message to a subscription that is not enrolled yet: whoever enrols named the endpoint, which
  /// may be one that hangs. So it is sent once, and takes no bell's place.
  void greet(Subscription to, Secret code);

  [[nodiscard]] const crypto::P256Point& sender() const noexcept { return sender_.public_key(); }
  [[nodiscard]] const PushHosts& hosts() const noexcept { return options_.hosts; }

  /// On the core. Bells that ring break off.
  void stop() noexcept;
  net::Task<> join();

 private:
  enum class Outcome : std::uint8_t { delivered, gone, refused, failed };
  net::Task<> ring_all(UserId user, Event event);
  net::Task<> ring_device(Device device, Bell bell);
  net::Task<> ring_operator(wire::OutboundRequest request);
  net::Task<> greet_one(Subscription to, Secret code);
  net::Task<Outcome> deliver(Subscription to, std::string text, Bell bell, std::string topic, int attempts);
  [[nodiscard]] Result<wire::OutboundRequest> message(const Subscription& to, std::string_view text, Bell bell,
                                                      std::string_view topic);
  void spawn(net::Task<> task);
  void spawn_greeting(net::Task<> task);
  /// False once stopped.
  net::Task<bool> pause(std::chrono::milliseconds time);

  net::Core& core_;
  const Clock& clock_;
  Rng& rng_;
  crypto::P256Key sender_;
  Devices devices_;
  BellOptions options_;
  wire::Outbound push_;      // to push services: the internet alone
  wire::Outbound doorbell_;  // to where the operator says
  net::TaskGroup tasks_;
  net::TaskGroup greetings_;
  std::map<std::string, std::chrono::steady_clock::time_point> paused_;  // by origin: 429 is meant for all
  bool stopped_ = false;
};

}  // namespace vestibule::notify
