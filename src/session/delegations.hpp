#pragma once
// What a person hands on to a program: a credential of its own, for access points alone, that lives and dies
// with his session and can do no more than he can.

#include <string>

#include "policy/scope.hpp"
#include "session/session.hpp"

namespace vestibule::session {

inline constexpr std::size_t kMaxAgentName = 48;
/// Letters, digits, dots, dashes and underscores: policies and stops name agents.
[[nodiscard]] bool good_agent_name(std::string_view name) noexcept;

struct DelegationWish {
  std::string agent;
  Duration ttl{};
  policy::Scope scope;
};
struct Delegated {
  HandleKey id{};
  Secret handle;  ///< vc_...
  WallTime ends{};
};
/// One that lives.
struct Delegation {
  HandleKey id{};
  SessionId session{};
  std::string agent, scope;
  WallTime created{}, ends{};
};

}  // namespace vestibule::session
