#include "portal/web.hpp"

#include <algorithm>
#include <array>

#include "base/counters.hpp"
#include "gate/source.hpp"
#include "http/host.hpp"
#include "json/writer.hpp"
#include "oauth/server.hpp"
#include "portal/cookie_session.hpp"

namespace vestibule::portal {
namespace {

using gate::source_of;

Counter g_portal_requests("vestibule_portal_requests_total", "Requests to the portal's listener.");

// Pages of their own for approvals and tool calls, so that their addresses are none of the portal's: the same scripts.
constexpr std::array<std::string_view, 2> kPages = {"/approve", "/confirm"};

bool other_credential(const http::Headers& headers) noexcept {
  using http::Known;
  return headers.has(Known::authorization) || headers.has(Known::x_api_key) || headers.has(Known::api_key) ||
         headers.has(Known::proxy_authorization);
}

std::string_view cache_control(Asset::Keep keep) noexcept {
  switch (keep) {
    case Asset::Keep::never: return "no-store";
    case Asset::Keep::checked: return "no-cache";
    case Asset::Keep::forever: return "public, max-age=31536000, immutable";
  }
  return "no-store";
}

}  // namespace

Result<session::Identified> identify_cookie(const http::RequestHead& head, const session::Sessions& sessions,
                                            const Clock& clock) {
  if (other_credential(head.headers)) return fail(Reason::credential_malformed, "another credential beside the cookie");
  const Result<std::optional<std::string_view>> handle = session_cookie(head.headers);
  if (!handle) return handle.error();
  if (!*handle) return fail(Reason::credential_missing);
  return sessions.identify(**handle, session::Audience::control, {}, clock.now());
}

net::Task<Result<void>> recall_cookie(const http::RequestHead& head, session::Sessions& sessions) {
  const Result<std::optional<std::string_view>> handle = session_cookie(head.headers);
  if (!handle || !*handle) co_return Result<void>{};  // identify_cookie() says so
  Result<void> done = co_await sessions.recall(Secret(**handle));
  co_return done;
}

Result<session::Identified> who_asks(const http::RequestHead& head, const session::Sessions& sessions,
                                     const Clock& clock) {
  Result<session::Identified> who = identify_cookie(head, sessions, clock);
  if (who && who->flags.pending) return fail(Reason::mfa_required, "sign-in is not finished: prove a second factor");
  return who;
}

Web::Web(Services services, WebOptions options)
    : gate_(services.gate), options_(std::move(options)),
      api_(std::move(services), Door{Door::Kind::browser, options_.transport}) {}
Web::~Web() = default;

void Web::refused(const net::Peer& peer, Reason reason) noexcept {
  gate_.refuse_unknown(source_of(peer), reason, policy::kAdministration);
}

net::Task<> Web::serve(wire::Exchange& exchange) {
  g_portal_requests.add();
  const http::RequestHead& head = exchange.head();
  const Result<http::Host> host = http::parse_host(head.host);
  if (!host || !options_.known_host(host->name)) {
    co_await refuse(exchange, Reason::host_unknown);
    co_return;
  }
  // Compared as sent: what needs escapes is no path of ours.
  const std::string_view path = head.parts.path;
  if (options_.oauth != nullptr && oauth::Server::serves(path)) {
    co_await options_.oauth->serve(exchange);
    co_return;
  }
  const bool api = path.starts_with("/v1/");
  const bool chat = path.starts_with("/chat/");
  if (!api && !chat) {
    co_await serve_file(exchange, path);
    co_return;
  }
  Reason own = check_origin(head, options_.origins);
  // A model's answer is only ever given to a script that says so: with browsers that do not tell a
  // navigation from a fetch, somebody else's text could become a page of this origin.
  if (own == Reason::ok && chat && !head.headers.has(http::Known::sec_fetch_dest)) own = Reason::cross_site;
  if (own == Reason::ok && other_credential(head.headers)) own = Reason::credential_malformed;
  if (own != Reason::ok) {
    co_await refuse(exchange, own);
    co_return;
  }
  if (chat && options_.models != nullptr) {
    co_await options_.models->serve(exchange);
    co_return;
  }
  co_await api_.serve(exchange);
}

net::Task<> Web::refuse(wire::Exchange& exchange, Reason reason) {
  gate_.refuse_unknown(source_of(exchange.peer()), reason, policy::kAdministration);
  const ReasonInfo& i = info(reason);
  json::Writer w;
  w.begin_object().key("error").begin_object().member("code", i.code).member("message", i.text);
  w.end_object().end_object();
  http::HeadWriter out = exchange.start();
  out.status(i.status);
  out.field("Content-Type", "application/json");
  out.field("Cache-Control", "no-store");
  out.field("Vestibule-Reason", i.code);
  add_safety_fields(out, Content::data, options_.transport);
  if (reason == Reason::method_not_allowed) out.field("Allow", "GET, HEAD");
  const Result<void> sent = co_await exchange.reply(out, w.text());
  static_cast<void>(sent);
}

net::Task<> Web::serve_file(wire::Exchange& exchange, std::string_view path) {
  const http::RequestHead& head = exchange.head();
  if (std::ranges::find(kPages, path) != kPages.end()) path = "/";
  const auto file = std::find_if(options_.assets.begin(), options_.assets.end(), [&](const Asset& a) { return a.path == path; });
  if (file == options_.assets.end()) {
    co_await refuse(exchange, Reason::not_found);
    co_return;
  }
  if (head.method != http::Method::get && head.method != http::Method::head) {
    co_await refuse(exchange, Reason::method_not_allowed);
    co_return;
  }
  http::HeadWriter out = exchange.start();
  const bool kept = file->keep != Asset::Keep::never && matches_tag(head.headers, file->tag);
  out.status(kept ? 304 : 200);
  out.field("Cache-Control", cache_control(file->keep));
  out.field("Vary", "Accept-Encoding");
  if (file->keep != Asset::Keep::never) out.field("ETag", "W/" + std::string(file->tag));  // weak: one for all codings
  add_safety_fields(out, Content::page, options_.transport);
  if (kept) {
    const Result<void> sent = co_await exchange.begin(out, {http::BodyKind::none, 0});
    static_cast<void>(sent);
    co_return;
  }
  out.field("Content-Type", file->type);
  std::string_view body = file->plain;
  if (!file->brotli.empty() && accepts_coding(head.headers, "br")) {
    body = file->brotli;
    out.field("Content-Encoding", "br");
  } else if (!file->gzip.empty() && accepts_coding(head.headers, "gzip")) {
    body = file->gzip;
    out.field("Content-Encoding", "gzip");
  }
  const Result<void> sent = co_await exchange.reply(out, body);
  static_cast<void>(sent);
}

}  // namespace vestibule::portal
