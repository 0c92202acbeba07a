#pragma once
// An account: a person's, or a service's. Plain values.

#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/id.hpp"
#include "domain/subject.hpp"

namespace vestibule::identity {

inline constexpr std::size_t kMaxName = 64;          ///< bytes, of users
inline constexpr std::size_t kMaxLabel = 32;         ///< bytes, of roles and groups
inline constexpr std::size_t kMaxDisplay = 256;      ///< bytes
inline constexpr std::size_t kMaxRoles = 8;          ///< more would allocate on the hot path
inline constexpr std::size_t kMaxGroups = 64;        ///< beyond 8 they do

/// 1 to 64 bytes of lower-case ASCII letters, digits and . _ - @ +. One name has one spelling, so
/// that nothing is folded or trimmed anywhere (lessons: name and e-mail counted apart).
[[nodiscard]] bool valid_name(std::string_view name) noexcept;
/// A role or group: 1 to 32 bytes of [a-z0-9_-].
[[nodiscard]] bool valid_label(std::string_view label) noexcept;

struct User {
  UserId id{};
  domain::UserName name;
  std::string display;           ///< free text, for people; never compared
  domain::NameSet roles;
  domain::NameSet groups;
  bool disabled = false;
  bool has_password = false;
  std::int64_t version = 0;      ///< grows with each change
  WallTime created{};
  UserId created_by{};           ///< nil: by set-up
  WallTime roles_changed{};      ///< promise 5: not eligible for 72 h after each of these
  WallTime factors_reset{};      ///< zero: never
  UserId reset_by{};             ///< who issued the last enrolment code that was used
  WallTime password_changed{};
  bool service = false;          ///< no password, no factor, no session, ever
  UserId sponsor{};              ///< of a service: who answers for it; nil: nobody, and so it sleeps
};

/// The FactorId under which a user's password stands in Evidence: one a user, for ever.
[[nodiscard]] inline FactorId password_factor(UserId user) noexcept { return FactorId{user.bytes}; }

}  // namespace vestibule::identity
