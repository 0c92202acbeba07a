#include "factors/push_kind.hpp"

#include <algorithm>

#include "base/packed.hpp"
#include "factors/sealed_rows.hpp"

namespace vestibule::factors {
namespace {

constexpr std::size_t kNonceBytes = 32;
constexpr std::size_t kCodeBytes = 10;  // 16 characters; nobody types them

Error wrong(std::string_view what) { return fail(Reason::code_wrong, std::string(what)); }

Result<Question> open_prompt(store::Tx& tx, Prompts& prompts, const Ask& ask, Match match, Instant now) {
  auto digits = prompts.open_in(tx, ask, match, now);
  if (!digits) return std::move(digits).error();
  return Question{Bytes(ask.id.bytes.begin(), ask.id.bytes.end()), R"({"digits":")" + *digits + R"("})"};
}

}  // namespace

KindInfo PushKind::describe() const noexcept {
  KindInfo out{FactorKind::push, domain::traits_of(FactorKind::push), true, true, true};
  out.lives = prompts_.options().lives;
  return out;
}

Result<EnrolmentOffer> PushKind::enrol(store::Tx&, const EnrolmentRequest& request) {
  const std::optional<PushWish>& wish = request.wish.push;
  if (!wish) return fail(Reason::invalid_argument, "public_key: missing");
  if (wish->subscription && !prompts_.options().hosts.allow(wish->subscription->endpoint)) {
    return fail(Reason::invalid_argument, "subscription: its endpoint is no push service that is open here");
  }
  EnrolmentOffer offer;
  offer.options = base64url(rng_.take<kNonceBytes>());
  if (wish->subscription) {
    std::string code = base32(rng_.take<kCodeBytes>());
    offer.secret = Secret(std::string_view(code));
    wipe(code);
  }
  Packer kept;
  kept.text(offer.options).bytes(wish->key).text(offer.secret.reveal_text());
  kept.text(wish->subscription ? notify::write(*wish->subscription) : std::string());
  const Secret packed(kept.take());
  offer.sealed = keys_.seal(packed.reveal(), factor_place(request.id));
  return offer;
}

Result<Proved> PushKind::prove(store::Tx& tx, const Enrolled& enrolment, const Digest&, std::string_view answer, Instant) {
  const Result<Secret> kept = keys_.open(enrolment.sealed, factor_place(enrolment.id));
  if (!kept) return kept.error();
  Unpacker in(kept->reveal());
  const std::string_view nonce = in.text();
  const ByteView key = in.bytes();
  const std::string_view code = in.text();
  const std::string_view subscription = in.text();
  if (!in.done()) return fail(Reason::sealed_unreadable);
  const auto confirmation = parse_confirmation(answer);
  if (!confirmation) return wrong("response");
  if (!equal_constant_time(as_bytes(confirmation->push_code), as_bytes(code))) return wrong("push_code");
  if (!crypto::verify_p256(key, as_bytes(enrolment_text(enrolment.id, nonce, code)), confirmation->signature)) {
    return wrong("signature");
  }
  auto put = prompts_.add_device_in(tx, enrolment.id, key, subscription);
  if (!put) return std::move(put).error();
  return Proved{describe().traits, subscription.empty() ? "by its inbox alone" : "with push"};
}

Result<Question> PushKind::begin(store::Tx& tx, const Ask& ask, Instant now) {
  return open_prompt(tx, prompts_, ask, Match::type, now);
}

Result<Proved> PushKind::verify(store::Tx& tx, const Enrolled& factor, const Asked& asked, std::string_view answer, Instant now) {
  const auto prompt = ChallengeId::from(asked.payload);
  if (!prompt || !answer.empty()) return wrong("response");
  auto spent = prompts_.spend_in(tx, *prompt, factor.user, factor.id, now);
  if (!spent) return std::move(spent).error();
  if (!*spent) return wrong("not approved");
  auto used = tx.run("UPDATE factor SET last_used = $2 WHERE id = $1", {factor.id, now.wall});
  if (!used) return std::move(used).error();
  return Proved{describe().traits, prompt->text()};
}

KindInfo ChoiceKind::describe() const noexcept {
  KindInfo out{FactorKind::push_choice, domain::traits_of(FactorKind::push_choice), false, true, false};
  out.lives = prompts().options().lives;
  out.step_up_only = true;
  return out;
}

Result<Question> ChoiceKind::begin(store::Tx& tx, const Ask& ask, Instant now) {
  return open_prompt(tx, prompts(), ask, Match::choose, now);
}

}  // namespace vestibule::factors
