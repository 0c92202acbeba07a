// Who asks: the credential that a request shows, and the key that it has to show with it.
#include "gate/gate.hpp"
#include "http/head.hpp"
#include "session/sessions.hpp"

namespace vestibule::gate {
namespace {

/// What stands behind the scheme ("bearer ", in lower case), or nothing.
std::string_view behind(std::string_view value, std::string_view scheme) noexcept {
  if (value.size() <= scheme.size()) return {};
  for (std::size_t i = 0; i < scheme.size(); ++i) {
    const char c = value[i];
    if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c) != scheme[i]) return {};
  }
  return value.substr(scheme.size());
}

/// The one credential that a request shows.
struct Shown {
  std::string_view token;
  bool proves = false;  ///< it comes with a proof of possession
};
Result<Shown> shown_by(const http::RequestHead& head) noexcept {
  const http::Headers& h = head.headers;
  const bool bearer = h.has(http::Known::authorization);
  const bool key = h.has(http::Known::x_api_key);
  if (!bearer && !key) return fail(Reason::credential_missing);
  if ((bearer && key) || h.count(http::Known::authorization) > 1 || h.count(http::Known::x_api_key) > 1) {
    return fail(Reason::credential_malformed);
  }
  Shown out;
  if (!bearer) {
    out.token = *h.find(http::Known::x_api_key);
    return out;
  }
  const std::string_view value = *h.find(http::Known::authorization);
  out.token = behind(value, "bearer ");
  if (out.token.empty()) {
    out.token = behind(value, "dpop ");
    out.proves = true;
  }
  if (out.token.empty()) return fail(Reason::credential_malformed);
  return out;
}

}  // namespace

Result<session::Identified> Gate::identify(const http::RequestHead& head, session::Audience audience,
                                           const domain::Source& source, std::string_view access_point) const noexcept {
  const Result<Shown> shown = shown_by(head);
  if (!shown) return shown.error();
  Result<session::Identified> who = sessions_.identify(shown->token, audience, session::Presented::at(source, access_point), clock_.now());
  // RFC 9449 section 7.2: a bound token is no bearer token, and the other way round.
  if (who && who->bound.key.has_value() != shown->proves) return fail(Reason::credential_malformed);
  return who;
}

bool Gate::knows_all() const noexcept { return sessions_.whole(); }

net::Task<Result<void>> Gate::recall(const http::RequestHead& head) {
  const Result<Shown> shown = shown_by(head);
  if (!shown) co_return Result<void>{};  // identify() says so
  Result<void> done = co_await sessions_.recall(Secret(shown->token));
  co_return done;
}

Result<void> Gate::show_possession(Caller& caller, const http::RequestHead& head, bool tls) {
  const std::optional<Digest>& key = caller.who.bound.key;
  if (!key) return {};
  const Result<std::string_view> proof = Dpop::field(head.headers);
  if (!proof) return proof.error();
  const std::string_view token = behind(head.headers.find(http::Known::authorization).value_or(std::string_view{}), "dpop ");
  if (token.empty()) return fail(Reason::credential_malformed);
  const Result<Digest> shown = dpop_.check(*proof, {http::to_text(head.method), head.host, head.parts.path, tls, token});
  if (!shown) return shown.error();
  if (*shown != *key) return fail(Reason::credential_malformed, "the DPoP proof is of another key");
  caller.possession = true;
  return {};
}

}  // namespace vestibule::gate
