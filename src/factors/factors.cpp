#include "factors/factors.hpp"

#include <algorithm>

#include "factors/external_kind.hpp"
#include "factors/hotp_kind.hpp"
#include "factors/kinds.hpp"
#include "factors/push_kind.hpp"
#include "factors/webauthn_kind.hpp"

namespace vestibule::factors {
namespace {

constexpr int kMostFailures = 100;  // SP 800-63B-4 section 3.2.2

}  // namespace

Factors::Factors(store::Database& database, const crypto::KeyRing& keys, identity::Users& users, audit::Log& log,
                 const Clock& clock, Rng& rng, Options options, std::unique_ptr<RelyingParty> party)
    : database_(database),
      keys_(keys),
      users_(users),
      log_(log),
      clock_(clock),
      rng_(rng),
      options_(std::move(options)),
      prompts_(database, keys, users, log, clock, rng, options_.push),
      tokens_(database, keys, log),
      passkey_key_(keys.derive("passkey-question/v1")),
      passkey_looks_(std::max(options_.passkey_looks, 1)) {
  options_.challenge_ttl = std::clamp(options_.challenge_ttl, std::chrono::minutes(1), kLongestChallenge);
  options_.max_challenges = std::max(options_.max_challenges, std::size_t{1});
  options_.disable_after = std::clamp(options_.disable_after, 1, kMostFailures);
  options_.failures_per_back_off = std::max(options_.failures_per_back_off, 1);
  kinds_.push_back(std::make_unique<TotpKind>(keys, rng, options_.issuer, options_.totp));
  auto recovery = std::make_unique<RecoveryKind>(keys.derive("recovery-codes/v1"));
  recovery_ = recovery.get();
  kinds_.push_back(std::move(recovery));
  auto webauthn = std::make_unique<WebAuthnKind>(keys, rng, options_.issuer, std::move(party), options_.challenge_ttl);
  webauthn_ = webauthn.get();
  kinds_.push_back(std::move(webauthn));
  kinds_.push_back(std::make_unique<HotpKind>(keys, std::clamp(options_.hotp_look_ahead, 1, 50),
                                              std::clamp(options_.hotp_resynchronise, 1, 1000)));
  kinds_.push_back(std::make_unique<PushKind>(keys, rng, prompts_));
  kinds_.push_back(std::make_unique<ChoiceKind>(keys, rng, prompts_));
  auto external = std::make_unique<ExternalKind>(options_.plugins);
  external_ = external.get();
  kinds_.push_back(std::move(external));
}

Factors::~Factors() = default;

Result<std::unique_ptr<Factors>> Factors::open(store::Database& database, const crypto::KeyRing& keys,
                                               identity::Users& users, audit::Log& log, const Clock& clock, Rng& rng,
                                               Options options) {
  if (options.totp.digits != 6 && options.totp.digits != 8) {
    return fail(Reason::config_invalid, "codes have 6 or 8 digits");
  }
  auto party = RelyingParty::make(options.webauthn);
  if (!party) return moved(party);
  std::unique_ptr<Factors> factors(
      new Factors(database, keys, users, log, clock, rng, std::move(options), std::move(*party)));
  users.on_remove([](store::Tx& tx, UserId user) { return delete_rows(tx, user); });
  auto loaded = database.read_blocking([&](store::Tx& tx) -> Result<void> {
    auto working = factors->load_working(tx, UserId{});
    if (!working) return working;
    return factors->prompts_.devices().load(tx, UserId{});
  });
  if (!loaded) return moved(loaded);
  database.listen([f = factors.get()](store::Tx& tx, std::span<const store::Change> changes) { f->on_changes(tx, changes); });
  return factors;
}

Kind* Factors::kind_of(FactorKind wanted) const noexcept {
  for (const auto& k : kinds_) {
    if (k->describe().kind == wanted) return k.get();
  }
  return nullptr;
}

std::vector<KindInfo> Factors::kinds() const {
  std::vector<KindInfo> out;
  for (const auto& k : kinds_) out.push_back(k->describe());
  return out;
}

void Factors::record(store::Tx& tx, audit::Kind kind, std::string_view operation, Reason reason, const Actor& by,
                     std::string_view object, std::string_view note, Instant now) const {
  audit::Record r = identity::change_record(operation, by, object, note, now);
  r.kind = kind;
  r.outcome = reason == Reason::ok ? domain::Outcome::allow : domain::Outcome::deny;
  r.reason = reason;
  log_.append(tx, r);
  if (kind == audit::Kind::change && operation != "factor.begin") tx.changed(kFactorTopic, by.user.bytes);
}

// --- looking up

Result<std::vector<FactorInfo>> Factors::list_in(store::Tx& tx, UserId user) const {
  std::vector<FactorInfo> out;
  auto rows = tx.query(
      "SELECT id, kind, label, created, last_used, failures, locked_until, disabled, "
      "(SELECT COUNT(*) FROM recovery_code WHERE recovery_code.factor = factor.id), backup_eligible, backed_up, aaguid, "
      "transports, plugin, (SELECT COUNT(*) FROM push_device WHERE push_device.factor = factor.id AND subscription IS NOT NULL) "
      "FROM factor LEFT JOIN webauthn_credential ON webauthn_credential.factor = factor.id "
      "WHERE account = $1 AND confirmed = 1 ORDER BY kind, created, id",
      {user}, [&](const store::Row& row) {
        FactorInfo f;
        f.id = row.id<FactorId>(0);
        f.kind = static_cast<FactorKind>(row.integer(1));
        f.label = row.text(2);
        f.created = row.time(3);
        f.last_used = row.time(4);
        f.failures = static_cast<int>(row.integer(5));
        f.locked_until = row.time(6);
        f.disabled = row.integer(7) != 0;
        f.codes_left = static_cast<int>(row.integer(8));
        if (!row.null(9)) {
          KeyDetails& key = f.key.emplace();
          key.backup_eligible = row.integer(9) != 0;
          key.backed_up = row.integer(10) != 0;
          const ByteView aaguid = row.blob(11);
          if (aaguid.size() == key.aaguid.size()) std::ranges::copy(aaguid, key.aaguid.begin());
          key.transports = row.text(12);
        }
        if (!row.null(13)) f.plugin = row.text(13);
        if (f.kind == FactorKind::push) f.rings = row.integer(14) > 0;
        out.push_back(std::move(f));
        return true;
      });
  if (!rows) return moved(rows);
  return out;
}

net::Task<Result<std::vector<FactorInfo>>> Factors::list(UserId user) const {
  auto job = [this, user](store::Tx& tx) { return list_in(tx, user); };
  auto out = co_await database_.read(std::move(job));
  co_return out;
}

}  // namespace vestibule::factors
