#include "notify/doorbell.hpp"

#include "crypto/hash.hpp"
#include "json/writer.hpp"

namespace vestibule::notify {

wire::OutboundRequest request(const Webhook& to, const Event& event, WallTime now) {
  wire::OutboundRequest r;
  r.url = to.url;
  json::Writer w;
  w.begin_object().member("v", 1).member("event", name(event.bell));
  if (!event.kind.empty()) w.member("kind", event.kind);
  w.member("user", event.user).member("time", rfc3339(now)).end_object();
  r.body = w.take();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
  const std::string time = std::to_string(seconds);
  const Digest mac = crypto::HmacKey(to.key).mac({as_bytes(time), as_bytes("."), as_bytes(r.body)});
  r.fields = {{"Content-Type", "application/json"}, {"Vestibule-Signature", "t=" + time + ",v1=" + hex(mac)}};
  return r;
}

wire::OutboundRequest request(const Ntfy& to, const Event& event) {
  wire::OutboundRequest r;
  r.url = to.url;
  const bool asks = event.bell == Bell::prompt;
  r.body = asks ? "Something waits for your answer." : "Something has happened to an account.";
  r.fields = {{"Content-Type", "text/plain; charset=utf-8"}, {"Title", "Vestibule"}, {"Priority", asks ? "high" : "default"}};
  if (!to.click.empty()) r.fields.emplace_back("Click", to.click);
  if (!to.token.empty()) r.fields.emplace_back("Authorization", "Bearer " + std::string(to.token.reveal_text()));
  return r;
}

}  // namespace vestibule::notify
