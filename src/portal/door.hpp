#pragma once
// The ways into the control API.

#include <cstdint>

#include "portal/browser.hpp"

namespace vestibule::portal {

/// By which listener requests come, and so how they say who is asking.
struct Door {
  enum class Kind : std::uint8_t {
    bearer,   ///< the control socket: Authorization: Bearer
    browser,  ///< the portal's listener: a cookie, behind the checks of Web and never without them
  };
  Kind kind = Kind::bearer;
  Transport transport = Transport::plain;
};

}  // namespace vestibule::portal
