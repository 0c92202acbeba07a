// One's own factors: what there is, adding, confirming and removing one, recovery codes.

#include "portal/call.hpp"
#include "portal/render.hpp"

namespace vestibule::portal {
namespace {

std::string_view algorithm_name(crypto::HashAlg algorithm) {
  switch (algorithm) {
    case crypto::HashAlg::sha1: return "SHA1";
    case crypto::HashAlg::sha256: return "SHA256";
    case crypto::HashAlg::sha512: return "SHA512";
  }
  return "SHA1";
}

}  // namespace

net::Task<Result<Reply>> Portal::list_factors(Call& call) {
  Result<std::vector<factors::FactorInfo>> factors = co_await services_.factors.list(call.caller.who.subject.user);
  if (!factors) co_return std::move(factors).error();
  json::Writer w = writer();
  w.begin_object().key("factors").begin_array();
  for (const factors::FactorInfo& f : *factors) value_factor(w, f);
  w.end_array().key("plugins").begin_array();
  for (const auto& p : services_.factors.plugins()) {
    w.begin_object().member("name", p->name).member("label", p->label).end_object();
  }
  w.end_array().end_object();
  co_return body(w);
}

// What entitles, where the session alone does not, is the answer in `code`.
net::Task<Result<factors::PendingEnrolment>> Portal::begin_enrolment(Call& call, session::FactorKind kind,
                                                                     factors::EnrolmentWish wish) {
  std::optional<session::Answer> existing;
  if (call.body.has("code")) {
    Result<session::Answer> answer = answer_of(call, "code");
    if (!answer) co_return std::move(answer).error();
    existing = std::move(*answer);
  }
  std::string label(call.body.text("label"));
  Result<factors::PendingEnrolment> begun = co_await services_.sessions.begin_enrolment(
      call.caller.who, kind, std::move(label), std::move(existing), call.actor(), std::move(wish));
  co_return begun;
}

net::Task<Result<Reply>> Portal::add_totp(Call& call) {
  factors::EnrolmentWish wish;
  Result<factors::PendingEnrolment> begun = co_await begin_enrolment(call, session::FactorKind::totp, std::move(wish));
  if (!begun) co_return std::move(begun).error();
  json::Writer w = writer();
  w.begin_object().member("id", begun->id.text());
  w.member("secret", begun->secret.reveal_text()).member("uri", begun->uri.reveal_text());
  w.member("digits", begun->parameters.digits).member("period_s", factors::kTotpPeriod);
  w.member("algorithm", algorithm_name(begun->parameters.algorithm));
  member_time(w, "expires", begun->expires);
  w.end_object();
  co_return body(w);
}

net::Task<Result<Reply>> Portal::add_webauthn(Call& call) {
  factors::EnrolmentWish wish;
  if (call.body.has("resident")) {
    const auto wanted = factors::resident_key_from(call.body.text("resident"));
    if (!wanted) co_return fail(Reason::invalid_argument, "resident: required, preferred or discouraged");
    wish.resident = *wanted;
  }
  Result<factors::PendingEnrolment> begun = co_await begin_enrolment(call, session::FactorKind::webauthn, std::move(wish));
  if (!begun) co_return std::move(begun).error();
  json::Writer w = writer();
  w.begin_object().member("id", begun->id.text()).member("options", begun->options);
  member_time(w, "expires", begun->expires);
  w.end_object();
  co_return body(w);
}

net::Task<Result<Reply>> Portal::add_hotp(Call& call) {
  factors::EnrolmentWish wish;
  wish.serial = call.body.text("serial");
  Result<factors::PendingEnrolment> begun = co_await begin_enrolment(call, session::FactorKind::hotp, std::move(wish));
  if (!begun) co_return std::move(begun).error();
  json::Writer w = writer();
  w.begin_object().member("id", begun->id.text()).member("digits", begun->parameters.digits);
  member_time(w, "expires", begun->expires);
  w.end_object();
  co_return body(w);
}

net::Task<Result<Reply>> Portal::add_external(Call& call) {
  factors::EnrolmentWish wish;
  wish.plugin = call.body.text("plugin");
  Result<factors::PendingEnrolment> begun = co_await begin_enrolment(call, session::FactorKind::external, std::move(wish));
  if (!begun) co_return std::move(begun).error();
  json::Writer w = writer();
  w.begin_object().member("id", begun->id.text()).member("text", begun->text);
  member_time(w, "expires", begun->expires);
  w.end_object();
  co_return body(w);
}

net::Task<Result<Reply>> Portal::confirm_factor(Call& call) {
  const auto id = FactorId::parse(call.param);
  if (!id) co_return fail(Reason::not_found, "no such enrolment");
  Secret code = call.body.secret("code");
  Result<factors::Confirmed> done =
      co_await services_.sessions.confirm_enrolment(call.caller.who, *id, std::move(code), call.actor());
  if (!done) co_return std::move(done).error();
  json::Writer w = writer();
  w.begin_object().key("factor");
  value_factor(w, done->factor);
  member_codes(w, done->recovery_codes);
  w.end_object();
  co_return body(w);
}

net::Task<Result<Reply>> Portal::remove_factor(Call& call) {
  Result<session::Answer> answer = answer_of(call, "code");
  if (!answer) co_return std::move(answer).error();
  const auto id = FactorId::parse(call.param);
  if (!id) co_return fail(Reason::factor_missing);
  Result<void> done = co_await services_.sessions.remove_factor(call.caller.who, *id, std::move(*answer), call.actor());
  if (!done) co_return std::move(done).error();
  co_return Reply{};
}

net::Task<Result<Reply>> Portal::recovery_codes(Call& call) {
  Result<session::Answer> answer = answer_of(call, "code");
  if (!answer) co_return std::move(answer).error();
  Result<std::vector<Secret>> codes =
      co_await services_.sessions.new_recovery_codes(call.caller.who, std::move(*answer), call.actor());
  if (!codes) co_return std::move(codes).error();
  json::Writer w = writer();
  w.begin_object();
  member_codes(w, *codes);
  w.end_object();
  co_return body(w);
}

}  // namespace vestibule::portal
