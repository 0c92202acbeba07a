#pragma once
// Names and encodings of this room's rows. Private to the room.

#include <cstring>
#include <optional>
#include <string_view>

#include "base/bytes.hpp"
#include "domain/evidence.hpp"
#include "session/session.hpp"

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

/// A key's thumbprint as it is; a certificate's digest behind a byte, so that what does not know certificates takes it for
/// a key that nobody has.
inline constexpr std::uint8_t kCertificate = 1;
[[nodiscard]] inline Bytes packed(const Holder& holder) {
  Bytes out;
  if (holder.kind == Holder::Kind::certificate) out.push_back(kCertificate);
  out.insert(out.end(), holder.digest.begin(), holder.digest.end());
  return out;
}
/// What cannot be read is a key that nobody has.
[[nodiscard]] inline Holder holder_of(ByteView raw) noexcept {
  Holder out;
  if (raw.size() == std::tuple_size_v<Digest> + 1 && raw.front() == kCertificate) {
    out.kind = Holder::Kind::certificate;
    raw = raw.subspan(1);
  }
  out.digest = digest_of(raw).value_or(Digest{});
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
