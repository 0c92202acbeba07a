#include "session/unlocks.hpp"

#include <algorithm>

#include "identity/tending.hpp"
#include "session/flow.hpp"
#include "session/rows.hpp"
#include "session/sessions.hpp"

namespace vestibule::session {
namespace {

using factors::Settled;

Result<void> tell(store::Tx& tx, std::string_view sql, std::initializer_list<store::Param> params) {
  std::vector<HandleKey> touched;
  auto gone = tx.query(sql, params, [&](const store::Row& row) {
    if (const auto key = digest_of(row.blob(0))) touched.push_back(*key);
    return true;
  });
  if (!gone) return gone;
  for (const HandleKey& key : touched) tx.changed(kHandleTopic, key);
  return {};
}

// The newest thing that the person said he knows: with it the act's proof is two kinds of factor.
const domain::Proof* knowledge(const domain::Evidence& evidence) noexcept {
  const domain::Proof* out = nullptr;
  for (const domain::Proof& p : evidence) {
    if (p.traits.knowledge && (out == nullptr || p.wall > out->wall)) out = &p;
  }
  return out;
}

}  // namespace

Result<void> lock_account_in(store::Tx& tx, UserId account) {
  return tell(tx, "DELETE FROM credential_unlock WHERE account = $1 OR credential IN (SELECT hash FROM api_key WHERE "
                  "api_key.account = $1) RETURNING credential", {account});
}

Result<void> lock_credential_in(store::Tx& tx, const HandleKey& credential) {
  return tell(tx, "DELETE FROM credential_unlock WHERE credential = $1 RETURNING credential", {credential});
}

Result<void> lock_in(store::Tx& tx, const HandleKey& credential, const SourceKey& source) {
  const std::string at = source.text();
  return tell(tx, "DELETE FROM credential_unlock WHERE credential = $1 AND source = $2 RETURNING credential", {credential, at});
}

Result<void> lock_by_factor_in(store::Tx& tx, FactorId factor) {
  return tell(tx, "DELETE FROM credential_unlock WHERE factor = $1 OR known_factor = $1 RETURNING credential", {factor});
}

Result<void> sweep_unlocks_in(store::Tx& tx, WallTime now) {
  return tell(tx, "DELETE FROM credential_unlock WHERE ends < $1 RETURNING credential", {now});
}

Result<std::vector<Unlock>> Records::read_unlocks(store::Tx& tx, const HandleKey& key) const {
  std::vector<Unlock> out;
  auto rows = tx.query(
      "SELECT source, access_point, made, made_boot, boot_id, ends, factor, kind, traits, wall, boot, known_factor, "
      "known_kind, known_traits, known_wall, known_boot FROM credential_unlock WHERE credential = $1",
      {key}, [&](const store::Row& row) {
        const bool same_boot = row.text(4) == options_.boot_id;
        const auto boot = [&](int column) { return same_boot ? BootTime(Duration(row.integer(column))) : domain::Proof::no_boot; };
        const auto source = SourceKey::parse(row.text(0));
        if (!source) return true;  // written by nobody here: it opens nothing
        Unlock u;
        u.source = *source;
        u.access_point = row.text(1);
        u.made = row.time(2);
        u.made_boot = boot(3);
        u.ends = row.time(5);
        const auto proof = [&](int from) {
          return domain::Proof{static_cast<domain::FactorKind>(row.integer(from + 1)), decode_traits(row.integer(from + 2)),
                               row.id<FactorId>(from), row.time(from + 3), boot(from + 4)};
        };
        u.proofs[u.count++] = proof(6);
        if (!row.null(11)) u.proofs[u.count++] = proof(11);
        out.push_back(std::move(u));
        return true;
      });
  if (!rows) return std::move(rows).error();
  return out;
}

std::optional<Owned> Sessions::owner(const HandleKey& credential) const {
  std::optional<Owned> out;
  SessionId session;
  memory_.handles().read(credential, [&](const HandleEntry& h) {
    out.emplace(Owned{h.owner, {}});
    session = h.session;
    if (h.grant) out->via = h.grant->via.view();
  });
  if (!out || session.is_nil()) return out;
  if (!memory_.sessions().read(session, [&](const SessionEntry& s) { out->user = s.user; })) return std::nullopt;
  return out;
}

Result<WallTime> Sessions::unlock_in(store::Tx& tx, const UnlockWish& wish, const Actor& by, const domain::Proof& proof,
                                     Instant now) {
  if (wish.source.nowhere()) return fail(Reason::invalid_argument, "source: none");
  if (wish.lasts <= Duration::zero() || wish.lasts > kLongestUnlock) {
    return fail(Reason::invalid_argument, "an unlock lasts at most twelve hours");
  }
  auto handle = records_.read_handle(tx, wish.credential);
  if (!handle) return std::move(handle).error();
  if (!*handle || (*handle)->audience != Audience::access || (*handle)->over(now)) return fail(Reason::not_found);
  const HandleEntry& h = **handle;
  UserId owner = h.owner;
  if (!h.is_key()) {
    auto session = records_.read_session(tx, h.session);
    if (!session) return std::move(session).error();
    if (!*session) return fail(Reason::not_found);
    owner = (*session)->user;
  }
  // Whoever it belongs to, or acts for its service, and nobody else, administrators included.
  auto tends = identity::tends_in(tx, by.user, owner);
  if (!tends) return std::move(tends).error();
  if (!*tends || denied_.covers(h.session, owner, wish.credential)) return fail(Reason::not_found);
  if (!proof.traits.possession) return fail(Reason::mfa_required, "an unlock takes a second factor");
  if (!domain::KindSet::ordinary().has(proof.kind)) return fail(Reason::push_digits);

  const WallTime ends = std::min(now.wall + wish.lasts, h.ends);
  auto room = tx.run("DELETE FROM credential_unlock WHERE credential = $1 AND (source, access_point) IN (SELECT source, "
                     "access_point FROM credential_unlock WHERE credential = $1 AND NOT (source = $2 AND access_point = $3) "
                     "ORDER BY ends DESC LIMIT 1000 OFFSET $4)",
                     {wish.credential, wish.source.text(), wish.access_point, kMaxUnlocks - 1});
  if (!room) return std::move(room).error();
  auto gone = tx.run("DELETE FROM credential_unlock WHERE credential = $1 AND source = $2 AND access_point = $3",
                     {wish.credential, wish.source.text(), wish.access_point});
  if (!gone) return std::move(gone).error();
  const domain::Proof* known = proof.traits.knowledge ? nullptr : knowledge(by.evidence);
  const auto boot = [](const domain::Proof& p) { return p.boot.time_since_epoch().count(); };
  auto put = tx.run(
      "INSERT INTO credential_unlock (credential, source, access_point, account, session, purpose, made, made_boot, boot_id, "
      "ends, factor, kind, traits, wall, boot) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
      {wish.credential, wish.source.text(), wish.access_point, by.user, by.session, wish.purpose, now.wall,
       now.boot.time_since_epoch().count(), options_.boot_id, ends, proof.factor, proof.kind, encode(proof.traits), proof.wall,
       boot(proof)});
  if (!put) return std::move(put).error();
  if (known != nullptr) {
    auto with = tx.run("UPDATE credential_unlock SET known_factor = $4, known_kind = $5, known_traits = $6, known_wall = $7, "
                       "known_boot = $8 WHERE credential = $1 AND source = $2 AND access_point = $3",
                       {wish.credential, wish.source.text(), wish.access_point, known->factor, known->kind,
                        encode(known->traits), known->wall, boot(*known)});
    if (!with) return std::move(with).error();
  }
  auto marked = records_.raise_mark_in(tx, now);
  if (!marked) return std::move(marked).error();
  tx.changed(kHandleTopic, wish.credential);
  auto heard = h.is_key() ? identity::changed_for_in(tx, kKeysTopic, owner) : Result<void>{};
  if (!heard) return std::move(heard).error();
  Actor self = by;
  self.evidence.add(proof);
  std::string object = h.grant ? std::string(h.grant->via.view()) : std::string();
  if (object.empty()) object = "handle " + hex(ByteView(wish.credential).first(8));
  object = records_.named(owner, by.user, std::move(object));
  const std::string note = "from " + wish.source.text() + ", for " +
                           (wish.access_point.empty() ? "every access point" : wish.access_point) + ", " +
                           std::to_string(std::chrono::duration_cast<std::chrono::seconds>(ends - now.wall).count()) + " s";
  records_.record(tx, audit::Kind::sign_in, "credential.unlock", Reason::ok, self, object, note, now);
  if (wish.also) {
    auto also = wish.also(tx);
    if (!also) return std::move(also).error();
  }
  return ends;
}

net::Task<Result<WallTime>> Sessions::unlock(Identified who, UnlockWish wish, Answer answer, Actor by) {
  std::string purpose = wish.purpose;
  WallTime ends{};
  Act job = [this, &wish, &ends](store::Tx& tx, const Actor& self, const factors::Given& given, Instant now) -> Result<void> {
    auto unlocked = unlock_in(tx, wish, self, given.proof, now);
    if (!unlocked) return std::move(unlocked).error();
    ends = *unlocked;
    return {};
  };
  Result<void> done = co_await act(std::move(who), std::move(purpose), std::move(answer), std::move(by), std::move(job));
  if (!done) co_return std::move(done).error();
  co_return ends;
}

}  // namespace vestibule::session
