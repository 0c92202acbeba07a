#pragma once
// Who a browser's request comes from. Private to the room.

#include "http/head.hpp"
#include "session/session.hpp"

namespace vestibule::session {
class Sessions;
}

namespace vestibule::portal {

/// The session of the request's cookie. credential_missing without one; credential_malformed if it cannot
/// be one or stands beside another credential: the two never work together.
[[nodiscard]] Result<session::Identified> identify_cookie(const http::RequestHead& head, const session::Sessions& sessions,
                                                          const Clock& clock);

}  // namespace vestibule::portal
