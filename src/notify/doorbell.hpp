#pragma once
// Doorbells that the operator sets up besides Web Push: a webhook, and a server of ntfy. They say that
// something waits, to whom they tell it is the operator's choice: no names of acts, no numbers, no
// secrets. Pure: what would be sent.

#include <optional>
#include <string>

#include "base/clock.hpp"
#include "base/secret.hpp"
#include "notify/message.hpp"
#include "wire/outbound.hpp"

namespace vestibule::notify {

/// POST with a JSON body {"v":1,"event":"prompt"|"notice","kind":...,"user":...,"time":...}; "kind" of
/// notices alone. Vestibule-Signature: t=SECONDS,v1=HEX, where HEX is HMAC-SHA-256 under the key over
/// SECONDS "." body: a receiver refuses what does not verify, or is older than a few minutes.
struct Webhook {
  http::Url url;
  Secret key;
};

/// POST to the topic's URL, https://ntfy.example.org/TOPIC. The text is the same for all.
struct Ntfy {
  http::Url url;
  Secret token;       ///< of ntfy's access control; may be empty
  std::string click;  ///< what a tap opens: the portal's address; may be empty
};

/// What a doorbell may know.
struct Event {
  Bell bell{};
  std::string kind;   ///< of a notice, e.g. "factor_added"
  std::string user;   ///< the name
};

[[nodiscard]] wire::OutboundRequest request(const Webhook& to, const Event& event, WallTime now);
[[nodiscard]] wire::OutboundRequest request(const Ntfy& to, const Event& event);

}  // namespace vestibule::notify
