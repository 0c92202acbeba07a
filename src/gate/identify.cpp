// Who asks: the credential that a request shows, and the key that it has to show with it.
#include "gate/gate.hpp"
#include "gate/shown.hpp"
#include "session/sessions.hpp"

namespace vestibule::gate {

using session::Holder;

Result<session::Identified> Gate::identify(const http::RequestHead& head, session::Audience audience,
                                           const domain::Source& source, std::string_view access_point) const noexcept {
  const Result<Shown> shown = shown_by(head.headers);
  if (!shown) return shown.error();
  Result<session::Identified> who = sessions_.identify(shown->token, audience, session::Presented::at(source, access_point), clock_.now());
  // RFC 9449 section 7.2: a token that is bound to a key is no bearer token, and the other way round.
  if (who && (who->bound.holder && who->bound.holder->kind == Holder::Kind::key) != shown->proves) return fail(Reason::credential_malformed);
  return who;
}

bool Gate::knows_all() const noexcept { return sessions_.whole(); }

net::Task<Result<void>> Gate::recall(const http::RequestHead& head) {
  const Result<Shown> shown = shown_by(head.headers);
  if (!shown) co_return Result<void>{};  // identify() says so
  Result<void> done = co_await sessions_.recall(Secret(shown->token));
  co_return done;
}

Result<void> Gate::show_possession(Caller& caller, const http::RequestHead& head, const Channel& channel) {
  const std::optional<Holder>& holder = caller.who.bound.holder;
  if (!holder) return {};
  if (holder->kind == Holder::Kind::certificate) {
    if (channel.certificate == nullptr) return fail(Reason::credential_malformed, "the token is bound to a certificate: show it in the handshake, where certificates are asked for");
    if (channel.certificate->sha256 != holder->digest) return fail(Reason::credential_malformed, "the token is bound to another certificate");
    caller.possession = true;
    return {};
  }
  const Result<std::string_view> proof = Dpop::field(head.headers);
  if (!proof) return proof.error();
  const Result<Shown> shown = shown_by(head.headers);
  if (!shown || !shown->proves) return fail(Reason::credential_malformed);
  const Result<Digest> by = dpop_.check(*proof, {http::to_text(head.method), head.host, head.parts.path, channel.tls, shown->token});
  if (!by) return by.error();
  if (*by != holder->digest) return fail(Reason::credential_malformed, "the DPoP proof is of another key");
  caller.possession = true;
  return {};
}

}  // namespace vestibule::gate
