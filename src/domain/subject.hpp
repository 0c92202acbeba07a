#pragma once
// Who asks. A Subject is a plain copy of what the decision needs; it is copied out of the session
// table for each request and allocates nothing.

#include <boost/container/small_vector.hpp>
#include <string_view>

#include "base/id.hpp"
#include "domain/inline_text.hpp"

namespace vestibule::domain {

/// A role or group by number: names are interned once, compared as integers ever after.
using NameId = std::uint32_t;
/// The number of a name, given out for ever. Thread-safe; takes a lock: not for the hot path.
[[nodiscard]] NameId intern(std::string_view name);
/// The name of a number that intern() gave out. Thread-safe.
[[nodiscard]] std::string_view interned(NameId id);

using NameSet = boost::container::small_vector<NameId, 8>;

inline constexpr std::size_t kMaxUserName = 96;  ///< bytes
using UserName = InlineText<kMaxUserName>;

/// By what a person asks, where it is not his own session: "key nightly", "client IDE", "agent build",
/// "service crawler, key nightly".
using Via = InlineText<128>;

/// Who answers for a service account.
struct Sponsor {
  UserId user{};  ///< nil: a person asks
  UserName name;
};

struct Subject {
  UserId user{};
  UserName name;
  NameSet roles;
  NameSet groups;
  SessionId session{};  ///< nil where no session stands behind the credential
  Via via{};
  Sponsor sponsor{};    ///< of a service account: it may do what both may
};

/// A service account asks, and no person.
[[nodiscard]] inline bool is_service(const Subject& subject) noexcept { return !subject.sponsor.user.is_nil(); }

/// The name of the agent that asks in the person's name; empty: no agent does.
[[nodiscard]] inline std::string_view agent_of(const Subject& subject) noexcept {
  constexpr std::string_view kAgent = "agent ";
  const std::string_view via = subject.via.view();
  return via.starts_with(kAgent) ? via.substr(kAgent.size()) : std::string_view();
}

/// Built-in roles. Operators add their own.
namespace role {
inline constexpr std::string_view administrator = "administrator";
inline constexpr std::string_view auditor = "auditor";
inline constexpr std::string_view member = "member";
}  // namespace role

[[nodiscard]] bool has(const NameSet& set, NameId id) noexcept;

}  // namespace vestibule::domain
