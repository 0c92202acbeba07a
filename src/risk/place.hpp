#pragma once
// Whence and with what somebody comes, coarse enough that tomorrow looks like today. Pure.

#include <cstdint>
#include <string_view>

#include "domain/act.hpp"

namespace vestibule::risk {

/// The /24 of an IPv4 address, the /48 of an IPv6 one, or the gateway's own machine: its socket and
/// both loopbacks are one place. Never zero.
[[nodiscard]] std::int64_t network_of(const domain::Source& source) noexcept;

inline constexpr std::size_t kMaxFamily = 32;  ///< bytes
/// What kind of program a User-Agent names, without its version: the browser's name for browsers,
/// else what stands before the first "/" or space. A view into it, at most kMaxFamily bytes; "-" if
/// there is nothing. Anybody can write anything there: no proof of anything.
[[nodiscard]] std::string_view family_of(std::string_view user_agent) noexcept;

}  // namespace vestibule::risk
