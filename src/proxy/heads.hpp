#pragma once
// What of a head goes on, in each direction.

#include <string>
#include <string_view>

#include "access/catalogue.hpp"
#include "domain/act.hpp"
#include "http/head.hpp"
#include "http/write.hpp"

namespace vestibule::proxy {

/// The body goes on as it comes, read by nobody here. A server that answers before it has read it would take the rest for its next
/// request: such a request says Connection: close, and its connection is not used again.
[[nodiscard]] bool unread_body(const dialect::Need& need, const http::RequestHead& head) noexcept;

/// The request's head for the upstream: the same method and target (less the access point's prefix),
/// fields that are neither of the connection nor about identity, credentials or cookies, the
/// upstream's own Host and credential, and the framing of the body. Nor does one go on that makes a server keep an object by a name of
/// the client's (unless the access point allows those), or asks for a part of a reply that is looked into. `session`: of MCP, the upstream's own name of
/// it; `receipt`: of MCP, the value of Vestibule-Receipt. False if it cannot be written.
[[nodiscard]] bool write_request_head(std::string& out, const http::RequestHead& head, const access::AccessPoint& point,
                                      const dialect::Need& need, std::string_view authority,
                                      std::string_view credential_line, RequestId request, std::size_t body_bytes,
                                      std::string_view session = {}, std::string_view receipt = {});

/// Adds the fields of an upstream's reply that may reach the client: nothing of the connection, no
/// cookies (they would be set for the gateway's own origin), no challenges of the upstream's.
/// `replaced`: the content is, so what describes its bytes goes too. `but`: a field that is not copied.
void copy_reply_fields(http::HeadWriter& out, const http::ResponseHead& head, bool replaced, http::Known but = http::Known::host);

/// The gateway's own fields: request id, seconds until the proof lapses.
void add_own_fields(http::HeadWriter& out, const domain::Decision& decision, RequestId request);

}  // namespace vestibule::proxy
