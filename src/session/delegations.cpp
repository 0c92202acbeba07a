#include "session/delegations.hpp"

#include <algorithm>

#include "session/flow.hpp"
#include "session/rows.hpp"
#include "session/sessions.hpp"

namespace vestibule::session {
namespace {

constexpr std::string_view kAgent = "agent ";

}  // namespace

bool good_agent_name(std::string_view name) noexcept {
  const auto good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
  };
  return !name.empty() && name.size() <= kMaxAgentName && std::ranges::all_of(name, good);
}

net::Task<Result<Delegated>> Sessions::delegate(Identified who, DelegationWish wish, Actor by) {
  if (wish.ttl <= Duration::zero()) co_return fail(Reason::invalid_argument, "a lifetime is positive");
  if (!good_agent_name(wish.agent)) {
    co_return fail(Reason::invalid_argument, "agent: 1 to 48 letters, digits, dots, dashes and underscores");
  }
  auto job = [this, who, w = std::move(wish), by](store::Tx& tx) -> Result<Delegated> {
    const Instant now = clock_.now();
    // An access-point token, and so a program that has one, is refused here: it hands on nothing.
    auto session = standing_in(tx, who, now);
    if (!session) return std::move(session).error();
    if (session->flags.pending) return fail(Reason::mfa_required, "sign-in is not finished");
    std::int64_t living = 0;
    auto counted = tx.one("SELECT COUNT(*) FROM session_handle WHERE session = $1 AND via <> '' AND ends > $2",
                          {who.subject.session, now.wall}, [&](const store::Row& row) { living = row.integer(0); });
    if (!counted) return std::move(counted).error();
    // Not the oldest gives way: it is at work.
    if (living >= static_cast<std::int64_t>(options_.max_tokens)) {
      return fail(Reason::conflict, "too many agents of this session are at work: revoke one");
    }
    const std::string via = std::string(kAgent) + w.agent;
    crypto::Handle handle = mint_.make(crypto::kChildToken, rng_);
    const WallTime ends = std::min(now.wall + std::min(w.ttl, options_.token_ttl), session->ends);
    auto put = tx.run(
        "INSERT INTO session_handle (hash, session, audience, created, created_boot, boot_id, ends, via, scope) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        {handle.hash, who.subject.session, Audience::access, now.wall, now.boot.time_since_epoch().count(),
         options_.boot_id, ends, std::string_view(via), std::string_view(w.scope.text())});
    if (!put) return std::move(put).error();
    tx.changed(kHandleTopic, handle.hash);
    tx.changed(kListTopic, who.subject.user.bytes);
    records_.record(tx, audit::Kind::sign_in, "delegation.make", Reason::ok, as(who, by, session->evidence), via,
           "handle " + hex(ByteView(handle.hash).first(8)) + ", " + w.scope.text(), now);
    return Delegated{handle.hash, std::move(handle.text), ends};
  };
  Result<Delegated> made = co_await database_.write(std::move(job));
  co_return made;
}

Result<std::vector<std::string>> Records::agents_in(store::Tx& tx, SessionId session) const {
  std::vector<std::string> out;
  auto rows = tx.query("SELECT DISTINCT via FROM session_handle WHERE session = $1 AND via <> '' AND ends > $2 ORDER BY via",
                       {session, clock_.wall()}, [&](const store::Row& row) {
                         const std::string_view via = row.text(0);
                         if (via.starts_with(kAgent)) out.emplace_back(via.substr(kAgent.size()));
                         return true;
                       });
  if (!rows) return std::move(rows).error();
  return out;
}

net::Task<Result<std::vector<Delegation>>> Sessions::delegations(UserId user) const {
  auto job = [this, user](store::Tx& tx) -> Result<std::vector<Delegation>> {
    std::vector<Delegation> out;
    auto rows = tx.query(
        "SELECT h.hash, h.session, h.via, h.scope, h.created, h.ends FROM session_handle h JOIN session s ON s.id = h.session "
        "WHERE s.account = $1 AND h.audience = $2 AND h.ends > $3 ORDER BY h.created",
        {user, Audience::access, clock_.wall()}, [&](const store::Row& row) {
          const auto id = digest_of(row.blob(0));
          const std::string_view via = row.text(2);
          if (id && via.starts_with(kAgent)) {
            out.push_back({*id, row.id<SessionId>(1), std::string(via.substr(kAgent.size())), std::string(row.text(3)),
                           row.time(4), row.time(5)});
          }
          return true;
        });
    if (!rows) return std::move(rows).error();
    return out;
  };
  Result<std::vector<Delegation>> found = co_await database_.read(std::move(job));
  co_return found;
}

}  // namespace vestibule::session
