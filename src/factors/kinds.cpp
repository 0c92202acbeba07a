#include "factors/kinds.hpp"

#include "factors/sealed_rows.hpp"

namespace vestibule::factors {
namespace {

Secret into_secret(std::string text) {
  Secret out{std::string_view(text)};
  wipe(text);
  return out;
}

}  // namespace

std::int64_t encode(const TotpParameters& p) noexcept {
  return static_cast<std::int64_t>(p.algorithm) * 256 + p.digits;
}

TotpParameters decode_totp(std::int64_t stored) noexcept {
  return {static_cast<crypto::HashAlg>(stored / 256), static_cast<int>(stored % 256)};
}

KindInfo TotpKind::describe() const noexcept {
  return {FactorKind::totp, domain::traits_of(FactorKind::totp), true, false, true};
}

Result<EnrolmentOffer> TotpKind::enrol(store::Tx&, const EnrolmentRequest& request) {
  Bytes raw(kTotpSecretBytes);
  rng_.fill(raw);
  const Secret secret(std::move(raw));
  EnrolmentOffer offer;
  offer.sealed = keys_.seal(secret.reveal(), factor_place(request.id));
  offer.parameters = encode(parameters_);
  offer.secret = into_secret(base32(secret.reveal()));
  offer.uri = into_secret(otpauth_uri(secret.reveal(), issuer_, request.account, parameters_));
  return offer;
}

Result<Proved> TotpKind::prove(store::Tx& tx, const Enrolled& enrolment, const Digest&, std::string_view answer,
                               Instant now) {
  return verify(tx, enrolment, {}, answer, now);
}

Result<Proved> TotpKind::verify(store::Tx& tx, const Enrolled& factor, const Asked&, std::string_view answer,
                                Instant now) {
  const TotpParameters parameters = decode_totp(factor.parameters);
  const std::optional<Code> code = canonical_code(answer, parameters.digits);
  if (!code) return fail(Reason::code_wrong);
  Result<Secret> secret = keys_.open(factor.sealed, factor_place(factor.id));
  if (!secret) return std::move(secret).error();
  const std::int64_t present = totp_step(now.wall);
  // All three are computed whichever fits; of several that fit the latest is used up.
  std::optional<std::int64_t> step;
  for (std::int64_t s = present - 1; s <= present + 1; ++s) {
    if (hotp(secret->reveal(), static_cast<std::uint64_t>(s), parameters) == *code) step = s;
  }
  if (!step) return fail(Reason::code_wrong);
  auto used = tx.run("UPDATE factor SET last_step = $2, drift = $3, last_used = $4 WHERE id = $1 AND last_step < $2",
                     {factor.id, *step, *step - present, now.wall});
  if (!used) return std::move(used).error();
  if (*used != 1) return fail(Reason::code_used);
  return Proved{describe().traits, {}};
}

KindInfo RecoveryKind::describe() const noexcept {
  return {FactorKind::recovery_code, domain::traits_of(FactorKind::recovery_code), false, false, false};
}

Result<Proved> RecoveryKind::verify(store::Tx& tx, const Enrolled& factor, const Asked&, std::string_view answer,
                                    Instant now) {
  const std::optional<RecoveryBits> bits = canonical_recovery_code(answer);
  if (!bits) return fail(Reason::code_wrong);
  auto used = tx.run("DELETE FROM recovery_code WHERE hash = $1 AND factor = $2", {hash(factor.id, *bits), factor.id});
  if (!used) return std::move(used).error();
  if (*used != 1) return fail(Reason::code_wrong);
  auto noted = tx.run("UPDATE factor SET last_used = $2 WHERE id = $1", {factor.id, now.wall});
  if (!noted) return std::move(noted).error();
  return Proved{describe().traits, {}};
}

Digest RecoveryKind::hash(FactorId factor, const RecoveryBits& bits) const noexcept {
  return key_.mac({ByteView(factor.bytes), ByteView(bits)});
}

}  // namespace vestibule::factors
