#include "proxy/heads.hpp"

#include <algorithm>
#include <array>

#include "http/hop.hpp"
#include "http/parse.hpp"

namespace vestibule::proxy {

using http::Known;

namespace {

// Vestibule-Anything, X-Vestibule-Anything, in whatever spelling: only the gateway says such things.
bool own_field(std::string_view name) noexcept {
  static constexpr std::string_view kOwn = "vestibule";
  if (name.size() > 2 && (name[0] == 'x' || name[0] == 'X') && (name[1] == '-' || name[1] == '_')) name.remove_prefix(2);
  if (name.size() < kOwn.size()) return false;
  for (std::size_t i = 0; i < kOwn.size(); ++i) {
    const char c = name[i];
    if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c) != kOwn[i]) return false;
  }
  return true;
}

// With '_' as '-': CGI-like upstreams fold them.
bool same_field(std::string_view a, std::string_view b) noexcept {
  const auto fold = [](char c) { return c == '_' ? '-' : c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return fold(x) == fold(y); });
}

// What makes a server keep state under a name of the client's choosing, as `conversation` in a body does. llama.cpp's streams that
// can be taken up again: the reply is kept, a second request by that name ends the first, and none ends with its connection.
// With them the fields of its tools and of its relay to other hosts.
bool object_field(std::string_view name) noexcept {
  static constexpr std::array<std::string_view, 3> kNames{"x-conversation-id", "x-tool-cwd", "x-tool-runtime"};
  static constexpr std::string_view kRelay = "x-llama-server-proxy-";
  return std::any_of(kNames.begin(), kNames.end(), [&](std::string_view n) { return same_field(name, n); }) ||
         same_field(name.substr(0, kRelay.size()), kRelay);
}

}  // namespace

bool unread_body(const dialect::Need& need, const http::RequestHead& head) noexcept {
  return need.body == dialect::BodyRule::stream && head.framing.kind != http::BodyKind::none;
}

bool write_request_head(std::string& out, const http::RequestHead& head, const access::AccessPoint& point,
                        const dialect::Need& need, std::string_view authority, std::string_view credential_line,
                        RequestId request, std::size_t body_bytes, std::string_view session,
                        std::string_view receipt) {
  // The prefix has no escapes, so it is the same in the raw target as in the path that was matched.
  std::string_view target = head.target.substr(point.prefix.size());
  std::string joined;
  if (target.empty() || target.front() == '?') {
    joined = "/" + std::string(target);
    target = joined;
  }
  const bool mcp = point.kind == dialect::Kind::mcp;
  if (mcp) {
    target = point.upstream_prefix.empty() ? std::string_view("/") : std::string_view(point.upstream_prefix);  // one endpoint, no path below it
  } else if (!point.upstream_prefix.empty()) {
    joined = point.upstream_prefix + std::string(target);
    target = joined;
  }
  http::HeadWriter w(out);
  w.request(head.method_text, target);
  w.field("Host", authority);
  const bool named = head.headers.has(Known::connection);
  const bool legible = need.reply != dialect::ReplyRule::opaque;  // the reply is looked into
  const bool objects = point.kind == dialect::Kind::http || mcp || point.rules.server_objects;
  for (const http::HeaderField& f : head.headers) {
    switch (f.known) {
      case Known::host:
      case Known::content_length:
      case Known::transfer_encoding:
      case Known::expect:
      case Known::cookie:
      case Known::accept_encoding:
      case Known::x_request_id:
        continue;
      case Known::range:
      case Known::if_match:
      case Known::if_none_match:
      case Known::if_modified_since:
        // A part of a reply, or none, cannot be looked into.
        if (legible) continue;
        break;
      case Known::mcp_session_id:
        if (mcp) continue;
        break;
      case Known::accept_language:
        // Tools that speak each caller's language would be other tools.
        if (mcp) continue;
        break;
      case Known::last_event_id:
        // Only within a session of one's own; whose events a server gives out by an id is its affair.
        if (mcp && session.empty()) continue;
        break;
      default: break;
    }
    if (http::hop_by_hop(f.known) || http::identity_header(f.name) || own_field(f.name)) continue;
    if (named && http::connection_names(head.headers, f.name)) continue;
    if (!objects && object_field(f.name)) continue;
    // The upstream's own credential is the gateway's to give, whatever its field is called.
    if (!point.credential_header.empty() && same_field(f.name, point.credential_header)) continue;
    w.copy(f);
  }
  // Replies that are looked into must be legible; the rest may be what the client asked for.
  if (legible) {
    w.field("Accept-Encoding", "identity");
  } else if (const auto accepts = head.headers.find(Known::accept_encoding)) {
    w.field("Accept-Encoding", *accepts);
  }
  w.field("X-Request-Id", request.chars().view());
  if (!session.empty()) w.field("Mcp-Session-Id", session);
  if (!receipt.empty()) w.field("Vestibule-Receipt", receipt);
  if (unread_body(need, head)) w.field("Connection", "close");
  if (need.body == dialect::BodyRule::stream) {
    w.framing(head.framing);
    if (head.framing.kind == http::BodyKind::none && head.method != http::Method::get && head.method != http::Method::head) {
      w.field("Content-Length", std::uint64_t{0});
    }
  } else if (body_bytes > 0 || need.body == dialect::BodyRule::whole) {
    w.framing({http::BodyKind::length, body_bytes});
  }
  if (!w.finish()) return false;
  if (!credential_line.empty()) out.insert(out.size() - 2, credential_line);
  return true;
}

void copy_reply_fields(http::HeadWriter& out, const http::ResponseHead& head, bool replaced, Known but) {
  const bool named = head.headers.has(Known::connection);
  for (const http::HeaderField& f : head.headers) {
    switch (f.known) {
      case Known::content_length:
      case Known::transfer_encoding:
      case Known::set_cookie:
      case Known::www_authenticate:
      case Known::proxy_authenticate:
      case Known::date:
      case Known::server:
      case Known::x_request_id:
        continue;
      case Known::content_encoding:
      case Known::etag:
        if (replaced) continue;
        break;
      default: break;
    }
    if (http::hop_by_hop(f.known) || f.known == but) continue;
    // The gateway's own names, and the browser permissions that only the operator gives.
    if (own_field(f.name)) continue;
    if (f.name.size() > 15 && (f.name[0] == 'A' || f.name[0] == 'a') && f.name[6] == '-' && f.name[14] == '-') continue;
    if (named && http::connection_names(head.headers, f.name)) continue;
    out.copy(f);
  }
}

void add_own_fields(http::HeadWriter& out, const domain::Decision& decision, RequestId request) {
  out.field("X-Request-Id", request.chars().view());
  if (decision.time_left < std::chrono::hours(24 * 365)) {
    out.field("Vestibule-Expires-In",
              static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(decision.time_left).count()));
  }
}

}  // namespace vestibule::proxy
