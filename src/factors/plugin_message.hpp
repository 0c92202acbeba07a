#pragma once
// What the gateway and a factor plug-in say to each other, version 1 (docs/factor-plugins.md). Pure.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "crypto/hash.hpp"
#include "factors/kind.hpp"

namespace vestibule::factors {

enum class PluginOperation : std::uint8_t { enrol, confirm, begin, verify, remove };
[[nodiscard]] std::string_view name(PluginOperation o) noexcept;

/// A question to a plug-in. Views hold as long as what made them.
struct PluginRequest {
  PluginOperation operation{};
  std::string_view plugin;     ///< its name in the configuration
  FactorId factor{};
  UserId user{};
  std::string_view account;    ///< the user's name; empty where it is known no more (remove)
  ChallengeId question{};      ///< of begin and verify
  Digest binding{};            ///< what the answer is given for; zero for remove
  std::string_view answer;     ///< of confirm and verify: as the person gave it
  WallTime time{};
};

inline constexpr std::size_t kPluginNonceBytes = 32;
inline constexpr std::size_t kMaxPluginAnswer = 1024;
inline constexpr std::size_t kMaxPluginReply = 4096;
inline constexpr std::size_t kMaxPluginText = 1024;

/// The body as it is sent: nonce and time stand in it, so that they cannot contradict the signature.
[[nodiscard]] std::string write_plugin_request(const PluginRequest& request, std::string_view nonce);
/// HMAC-SHA-256 in hex. A reply's is over the request's nonce too: it answers that request and no other.
[[nodiscard]] std::string sign_plugin_request(const crypto::HmacKey& key, std::string_view body);
[[nodiscard]] std::string sign_plugin_reply(const crypto::HmacKey& key, std::string_view nonce, std::string_view body);

struct PluginReply {
  bool yes = false;
  std::string text;            ///< shown to the person: of enrol and begin
};

/// Without a look at its signature. plugin_failed.
Result<PluginReply> parse_plugin_reply(std::string_view body);
/// The signature first: what is not signed for this nonce is not looked at. plugin_failed.
Result<PluginReply> open_plugin_reply(const crypto::HmacKey& key, std::string_view nonce, std::string_view signature,
                                      std::string_view body);

}  // namespace vestibule::factors
