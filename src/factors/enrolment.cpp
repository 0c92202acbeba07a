// From the wish for a factor to one that counts, and the recovery codes that come with the first.
#include "factors/binding.hpp"
#include "factors/external_kind.hpp"
#include "factors/factors.hpp"
#include "factors/kinds.hpp"
#include "factors/rows.hpp"

namespace vestibule::factors {
namespace {

using identity::NoticeKind;

constexpr std::size_t kRecoveryCodes = 10;
constexpr std::size_t kMaxFactorLabel = 64;
constexpr std::int64_t kEnrolmentTries = 10;

bool good_label(std::string_view label) { return label.size() <= kMaxFactorLabel && is_utf8(label); }

}  // namespace

Result<std::int64_t> Factors::count_strong(store::Tx& tx, UserId user, Count which) const {
  std::int64_t n = 0;
  auto counted = tx.query("SELECT kind, disabled, plugin FROM factor WHERE account = $1 AND confirmed = 1", {user},
                          [&](const store::Row& row) {
                            const bool orphan = !row.null(2) && external_->find(row.text(2)) == nullptr;
                            if (which == Count::working && (row.integer(1) != 0 || orphan)) return true;
                            const Kind* const k = kind_of(static_cast<FactorKind>(row.integer(0)));
                            if (k != nullptr && k->describe().strong) ++n;
                            return true;
                          });
  if (!counted) return moved(counted);
  return n;
}

Result<PendingEnrolment> Factors::begin_enrolment_in(store::Tx& tx, UserId user, FactorKind kind,
                                                     std::string_view label, Authority authority, const Actor& by,
                                                     Instant now, const EnrolmentWish& wish) {
  Kind* const k = kind_of(kind);
  if (k == nullptr || !k->describe().enrollable) return fail(Reason::invalid_argument, "this kind is not enrolled");
  if (!good_label(label)) return fail(Reason::invalid_argument, "label: at most 64 bytes of UTF-8");
  auto strong = count_strong(tx, user, Count::all);
  if (!strong) return moved(strong);
  if (authority == Authority::enrol_grant && *strong != 0) return fail(Reason::factor_exists);
  if (*strong >= static_cast<std::int64_t>(options_.max_factors)) {
    return fail(Reason::invalid_argument, "remove a factor first: the number is limited");
  }
  std::string account;
  if (!users_.read(user, [&](const identity::User& u) { account = u.name.view(); })) return fail(Reason::user_unknown);
  auto gone = tx.run("DELETE FROM factor WHERE account = $1 AND confirmed = 0", {user});
  if (!gone) return moved(gone);
  const FactorId id = FactorId::make(rng_);
  const WallTime expires = now.wall + (k->describe().signs() ? options_.challenge_ttl : options_.enrolment_ttl);
  const std::string purpose = enrolment_purpose(id);
  const Digest binding = digest(Binding{user, by.session, purpose, expires});
  auto offer = k->enrol(tx, {id, user, account, binding, wish});
  if (!offer) return moved(offer);
  PendingEnrolment out{id, kind, std::move(offer->secret), std::move(offer->uri), decode_totp(offer->parameters),
                       std::move(offer->options), {}, expires};
  auto put = tx.run(
      "INSERT INTO factor (id, account, kind, label, sealed, parameters, last_step, created, confirmed, authority, "
      "expires) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9, $10)",
      {id, user, kind, label, offer->sealed, offer->parameters, offer->last_step, now.wall, authority, out.expires});
  if (!put) return moved(put);
  std::string note(domain::name(kind));
  if (kind == FactorKind::external) {
    auto noted = note_enrolment_in(tx, id, by, out.expires, now);
    if (!noted) return moved(noted);
    auto named = tx.run("UPDATE factor SET plugin = $2 WHERE id = $1", {id, wish.plugin});
    if (!named) return moved(named);
    out.call = PluginCall{wish.plugin, id, user, account, {}, binding};
    note += " " + wish.plugin;
  }
  record(tx, audit::Kind::change, "factor.begin", Reason::ok, by, id.text(), note, now);
  return out;
}

Result<Authority> Factors::charge_enrolment_in(store::Tx& tx, UserId user, FactorId pending, Instant now) {
  if (!clock_.trusted()) return fail(Reason::clock_untrusted);
  Authority authority{};
  FactorKind kind{};
  auto found = tx.one("SELECT kind FROM factor WHERE id = $1 AND account = $2 AND confirmed = 0", {pending, user},
                      [&](const store::Row& row) { kind = static_cast<FactorKind>(row.integer(0)); });
  if (!found) return moved(found);
  const Kind* const k = kind_of(kind);
  const std::int64_t tries = k != nullptr && k->describe().signs() ? 1 : kEnrolmentTries;
  auto counted = tx.one(
      "UPDATE factor SET failures = failures + 1 WHERE id = $1 AND account = $2 AND confirmed = 0 AND expires >= $3 "
      "AND failures < $4 RETURNING authority",
      {pending, user, now.wall, tries},
      [&](const store::Row& row) { authority = static_cast<Authority>(row.integer(0)); });
  if (!counted) return moved(counted);
  if (!*counted) return fail(Reason::not_found, "no such enrolment, or it has expired");
  return authority;
}

Result<Confirmed> Factors::confirm_in(store::Tx& tx, UserId user, FactorId pending, std::string_view answer,
                                      const Actor& by, Instant now, const std::optional<Consulted>& said) {
  Enrolled e;
  FactorKind kind{};
  WallTime expires{};
  Confirmed out;
  Authority& authority = out.authority;
  auto found = tx.one(
      "SELECT id, account, parameters, last_step, drift, sealed, kind, label, authority, expires FROM factor WHERE id = $1 AND "
      "account = $2 AND confirmed = 0 AND expires >= $3",
      {pending, user, now.wall}, [&](const store::Row& row) {
        e = enrolled_from(row);
        kind = static_cast<FactorKind>(row.integer(6));
        out.factor.label = row.text(7);
        authority = static_cast<Authority>(row.integer(8));
        expires = row.time(9);
      });
  if (!found) return moved(found);
  if (!*found) return fail(Reason::not_found, "no such enrolment, or it has expired");
  Kind* const k = kind_of(kind);
  if (k == nullptr) return fail(Reason::internal, "a factor of unknown kind");
  auto strong = count_strong(tx, user, Count::all);
  if (!strong) return moved(strong);
  if (authority == Authority::enrol_grant && *strong != 0) return fail(Reason::factor_exists);
  const std::string purpose = enrolment_purpose(pending);
  if (kind == FactorKind::external) {
    auto good = check_consulted(said, by, purpose, now);
    if (!good) return moved(good);
  }
  auto proved = said ? said_in(tx, *said, pending, now)
                     : k->prove(tx, e, digest(Binding{user, by.session, purpose, expires}), answer, now);
  std::string note(domain::name(kind));
  if (!proved) {
    if (!proved.error().detail.empty()) note.append("; ").append(proved.error().detail);
    record(tx, audit::Kind::sign_in, "factor.confirm", proved.error().code, by, pending.text(), note, now);
    return moved(proved);
  }
  if (!proved->note.empty()) note.append("; ").append(proved->note);
  auto counts = tx.run("UPDATE factor SET confirmed = 1, failures = 0, created = $2 WHERE id = $1 AND confirmed = 0",
                       {pending, now.wall});
  if (!counts) return moved(counts);
  if (*counts != 1) return fail(Reason::conflict);
  // The plug-in's question of this enrolment was answered.
  auto answered = tx.run("DELETE FROM factor_challenge WHERE account = $1 AND purpose = $2", {user, crypto::sha256(as_bytes(purpose))});
  if (!answered) return moved(answered);
  tx.changed(kFactorTopic, user.bytes);
  out.factor.id = pending;
  out.factor.kind = kind;
  out.factor.created = now.wall;
  out.factor.last_used = now.wall;
  out.proof = domain::Proof{kind, proved->traits, pending, now.wall, now.boot};
  Actor self = by;
  self.evidence.add(out.proof);
  record(tx, audit::Kind::change, "factor.add", Reason::ok, self, pending.text(), note, now);
  auto told = users_.notify_in(tx, user, NoticeKind::factor_added,
                               "A factor was added: " + described(kind, out.factor.label) + ", from " + by.source.text() + ".",
                               now.wall);
  if (!told) return moved(told);
  auto noted = tell(tx, self, Event::proved, now);
  if (!noted) return moved(noted);
  auto has_codes = tx.one("SELECT 1 FROM factor WHERE account = $1 AND kind = $2", {user, FactorKind::recovery_code},
                          [](const store::Row&) {});
  if (!has_codes) return moved(has_codes);
  if (!*has_codes || authority == Authority::recovery) {
    auto codes = make_recovery_codes(tx, user, now);
    if (!codes) return moved(codes);
    out.recovery_codes = std::move(*codes);
    record(tx, audit::Kind::change, "factor.recovery_codes", Reason::ok, self, {}, {}, now);
  }
  return out;
}

Result<std::vector<Secret>> Factors::new_recovery_codes_in(store::Tx& tx, UserId user, const domain::Proof& proof,
                                                           const Actor& by, Instant now) {
  auto proved = check_proof(tx, user, proof);
  if (!proved) return moved(proved);
  auto codes = make_recovery_codes(tx, user, now);
  if (!codes) return moved(codes);
  Actor self = by;
  self.evidence.add(proof);
  record(tx, audit::Kind::change, "factor.recovery_codes", Reason::ok, self, {}, {}, now);
  auto told = users_.notify_in(tx, user, NoticeKind::recovery_renewed,
                               "New recovery codes were made, from " + by.source.text() + ". The older ones are void.",
                               now.wall);
  if (!told) return moved(told);
  return codes;
}

Result<std::vector<Secret>> Factors::make_recovery_codes(store::Tx& tx, UserId user, Instant now) {
  for (const std::string_view sql :
       {"DELETE FROM recovery_code WHERE factor IN (SELECT id FROM factor WHERE account = $1)",
        "DELETE FROM factor WHERE account = $1 AND kind = 3"}) {
    auto gone = tx.run(sql, {user});
    if (!gone) return moved(gone);
  }
  const FactorId id = FactorId::make(rng_);
  auto put = tx.run("INSERT INTO factor (id, account, kind, label, created, confirmed) VALUES ($1, $2, $3, '', $4, 1)",
                    {id, user, FactorKind::recovery_code, now.wall});
  if (!put) return moved(put);
  std::vector<Secret> codes;
  for (std::size_t i = 0; i < kRecoveryCodes; ++i) {
    RecoveryBits bits = rng_.take<10>();
    auto kept = tx.run("INSERT INTO recovery_code (hash, factor) VALUES ($1, $2)", {recovery_->hash(id, bits), id});
    if (!kept) return moved(kept);
    std::string text = format_recovery_code(bits);
    codes.emplace_back(std::string_view(text));
    wipe(text);
    wipe(bits.data(), bits.size());
  }
  return codes;
}

}  // namespace vestibule::factors
