#pragma once
// A browser's push subscription (Push API, PushSubscriptionJSON): where its messages go and how they
// are encrypted. It comes from users, and the gateway will send requests to it: hosts that are no push
// service are refused.

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/p256.hpp"
#include "http/url.hpp"

namespace vestibule::notify {

struct Subscription {
  http::Url endpoint;
  crypto::P256Point key{};               ///< p256dh
  std::array<std::uint8_t, 16> auth{};
  bool operator==(const Subscription&) const = default;
};

inline constexpr std::size_t kMaxSubscription = 4096;  ///< bytes of JSON

/// {"endpoint":...,"keys":{"p256dh":...,"auth":...}}; other members are passed over. Nothing for what
/// is none. Whether the endpoint is a push service, PushHosts says.
[[nodiscard]] std::optional<Subscription> parse_subscription(std::string_view json);
/// As parse_subscription() reads it.
[[nodiscard]] std::string write(const Subscription& subscription);

/// Endpoints that a message may be sent to.
class PushHosts {
 public:
  /// Endpoints on this machine without TLS: for tests alone.
  enum class Loopback : std::uint8_t { refused, plain };
  /// Host names in lower case; "*.example.org" is every name below it. See known().
  explicit PushHosts(std::vector<std::string> patterns, Loopback loopback = Loopback::refused)
      : patterns_(std::move(patterns)), loopback_(loopback) {}
  /// The push services of the browsers.
  [[nodiscard]] static std::vector<std::string> known();
  /// A name, or "*." and a name of two labels at least.
  [[nodiscard]] static bool is_pattern(std::string_view text) noexcept;
  /// https, and a host of the list on the usual port.
  [[nodiscard]] bool allow(const http::Url& endpoint) const noexcept;
  [[nodiscard]] Loopback loopback() const noexcept { return loopback_; }

 private:
  std::vector<std::string> patterns_;
  Loopback loopback_;
};

}  // namespace vestibule::notify
