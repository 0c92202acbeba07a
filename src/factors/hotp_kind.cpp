#include "factors/hotp_kind.hpp"

#include "factors/kinds.hpp"
#include "factors/sealed_rows.hpp"

namespace vestibule::factors {
namespace {

Code code_at(const Secret& secret, std::int64_t counter, const TotpParameters& p) {
  return hotp(secret.reveal(), static_cast<std::uint64_t>(counter), p);
}

}  // namespace

KindInfo HotpKind::describe() const noexcept {
  return {FactorKind::hotp, domain::traits_of(FactorKind::hotp), true, false, true};
}

Result<EnrolmentOffer> HotpKind::enrol(store::Tx& tx, const EnrolmentRequest& request) {
  EnrolmentOffer offer;
  Bytes sealed;
  auto taken = tx.one(
      "UPDATE hardware_token SET pending = $1 WHERE serial = $2 AND factor IS NULL RETURNING sealed, digits, counter",
      {request.id, request.wish.serial}, [&](const store::Row& row) {
        const ByteView blob = row.blob(0);
        sealed.assign(blob.begin(), blob.end());
        offer.parameters = encode(TotpParameters{crypto::HashAlg::sha1, static_cast<int>(row.integer(1))});
        offer.last_step = row.integer(2) - 1;
      });
  if (!taken) return std::move(taken).error();
  if (!*taken) return fail(Reason::not_found, "no such token is in stock");
  Result<Secret> secret = keys_.open(sealed, token_place(request.wish.serial));
  if (!secret) return std::move(secret).error();
  offer.sealed = keys_.seal(secret->reveal(), factor_place(request.id));
  return offer;
}

Result<Proved> HotpKind::prove(store::Tx& tx, const Enrolled& enrolment, const Digest&, std::string_view answer,
                               Instant now) {
  auto proved = verify(tx, enrolment, {}, answer, now);
  if (!proved) return proved;
  auto given = tx.run("UPDATE hardware_token SET factor = $1, pending = NULL, sealed = NULL WHERE pending = $1 AND factor IS NULL",
                      {enrolment.id});
  if (!given) return std::move(given).error();
  if (*given != 1) return fail(Reason::conflict, "somebody else has begun with this token");
  return proved;
}

Result<Proved> HotpKind::verify(store::Tx& tx, const Enrolled& factor, const Asked&, std::string_view answer, Instant now) {
  const TotpParameters parameters = decode_totp(factor.parameters);
  const std::size_t comma = answer.find(',');
  const std::optional<Code> first = canonical_code(answer.substr(0, comma), parameters.digits);
  std::optional<Code> second;
  if (comma != std::string_view::npos) second = canonical_code(answer.substr(comma + 1), parameters.digits);
  if (!first || (comma != std::string_view::npos && !second)) return fail(Reason::code_wrong);
  Result<Secret> secret = keys_.open(factor.sealed, factor_place(factor.id));
  if (!secret) return std::move(secret).error();
  // Every counter of the window is looked at, whichever fits: the time tells nothing.
  std::optional<std::int64_t> fits;
  const std::int64_t last = factor.last_step + (second ? resynchronise_ : look_ahead_);
  for (std::int64_t c = factor.last_step + 1; c <= last; ++c) {
    if (code_at(*secret, c, parameters) != *first) continue;
    if (second && code_at(*secret, c + 1, parameters) != *second) continue;
    if (!fits) fits = second ? c + 1 : c;
  }
  if (!fits) {
    const bool replayed = factor.last_step >= 0 && code_at(*secret, factor.last_step, parameters) == (second ? *second : *first);
    return fail(replayed ? Reason::code_used : Reason::code_wrong);
  }
  auto used = tx.run("UPDATE factor SET last_step = $2, last_used = $3 WHERE id = $1 AND last_step < $2",
                     {factor.id, *fits, now.wall});
  if (!used) return std::move(used).error();
  if (*used != 1) return fail(Reason::code_used);
  return Proved{describe().traits, second ? "resynchronised" : ""};
}

}  // namespace vestibule::factors
