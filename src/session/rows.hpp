#pragma once
// Names and encodings of this room's rows. Private to the room.

#include <cstring>
#include <optional>
#include <string_view>

#include "base/bytes.hpp"
#include "domain/evidence.hpp"

namespace vestibule::session {

inline constexpr std::string_view kSessionTopic = "session";
inline constexpr std::string_view kHandleTopic = "session_handle";
/// Nothing has changed: memory is to read on.
inline constexpr std::string_view kFillTopic = "session.fill";
/// By the user: the list of his sessions is another.
inline constexpr std::string_view kListTopic = "account_sessions";
/// The same of his API keys.
inline constexpr std::string_view kKeysTopic = "account_keys";

[[nodiscard]] inline std::optional<Digest> digest_of(ByteView raw) noexcept {
  if (raw.size() != std::tuple_size_v<Digest>) return std::nullopt;
  Digest out;
  std::memcpy(out.data(), raw.data(), raw.size());
  return out;
}

[[nodiscard]] inline std::int64_t encode(const domain::Traits& t) noexcept {
  return (t.knowledge ? 1 : 0) | (t.possession ? 2 : 0) | (t.user_verified ? 4 : 0) | (t.phishing_resistant ? 8 : 0) |
         (t.device_bound ? 16 : 0);
}
[[nodiscard]] inline domain::Traits decode_traits(std::int64_t v) noexcept {
  domain::Traits t;
  t.knowledge = (v & 1) != 0;
  t.possession = (v & 2) != 0;
  t.user_verified = (v & 4) != 0;
  t.phishing_resistant = (v & 8) != 0;
  t.device_bound = (v & 16) != 0;
  return t;
}

}  // namespace vestibule::session
