#pragma once
// 128-bit identifiers with a type: a UserId cannot be passed for a SessionId.

#include <compare>
#include <cstring>
#include <functional>

#include "base/bytes.hpp"
#include "base/clock.hpp"

namespace vestibule {

/// Text form: prefix_ + 26 lower-case base32 characters, e.g. "usr_ab2c...".
template <class Tag>
struct Id {
  std::array<std::uint8_t, 16> bytes{};

  auto operator<=>(const Id&) const = default;
  [[nodiscard]] bool is_nil() const noexcept { return *this == Id{}; }
  [[nodiscard]] static Id make(Rng& rng) { return Id{rng.take<16>()}; }
  [[nodiscard]] std::string text() const { return std::string(chars().view()); }
  /// The same, for the path of every request: takes no memory.
  struct Chars {
    std::array<char, Tag::prefix.size() + 26> all;
    [[nodiscard]] std::string_view view() const noexcept { return {all.data(), all.size()}; }
  };
  [[nodiscard]] Chars chars() const noexcept {
    Chars out;
    const auto digits = base32_lower(bytes);
    std::memcpy(out.all.data(), Tag::prefix.data(), Tag::prefix.size());
    std::memcpy(out.all.data() + Tag::prefix.size(), digits.data(), digits.size());
    return out;
  }
  [[nodiscard]] static std::optional<Id> parse(std::string_view text) {
    if (!text.starts_with(Tag::prefix)) return std::nullopt;
    const auto raw = unbase32(text.substr(Tag::prefix.size()));
    if (!raw || raw->size() != 16) return std::nullopt;
    return from(*raw);
  }
  /// From the 16 bytes of a database column; nothing if the size differs.
  [[nodiscard]] static std::optional<Id> from(ByteView raw) {
    if (raw.size() != 16) return std::nullopt;
    Id id;
    std::memcpy(id.bytes.data(), raw.data(), 16);
    return id;
  }
};

struct UserTag { static constexpr std::string_view prefix = "usr_"; };
struct SessionTag { static constexpr std::string_view prefix = "ses_"; };
struct FactorTag { static constexpr std::string_view prefix = "fac_"; };
struct RequestTag { static constexpr std::string_view prefix = "req_"; };
using UserId = Id<UserTag>;
using SessionId = Id<SessionTag>;
using FactorId = Id<FactorTag>;     ///< one enrolled factor of one user
using RequestId = Id<RequestTag>;

}  // namespace vestibule

template <class Tag>
struct std::hash<vestibule::Id<Tag>> {
  std::size_t operator()(const vestibule::Id<Tag>& id) const noexcept {
    std::size_t h = 0;
    std::memcpy(&h, id.bytes.data(), sizeof h);
    return h;
  }
};
