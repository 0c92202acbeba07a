// Guessing passwords. Three durable counters, each charged before the password is looked at:
//   (name, source)  5 guesses, then 30 s doubling to 1 h. A stranger elsewhere has a row of his own,
//                   so he cannot lock the owner out.
//   (name, *)       guesses from sources that never succeeded for this name: after 20, one in 5 s,
//                   however many sources. It slows and never locks; sources known to be good skip it.
//   (*, source)     all names from one source (spraying): after 30, 30 s doubling to 15 min; one is
//                   forgiven a minute.
// Names stand as keyed hashes and unknown ones count just like known ones: the table tells nobody
// who exists. IPv6 sources count by /64.
#include <algorithm>

#include "identity/guess.hpp"

namespace vestibule::identity {
namespace {

constexpr Digest kAny{};
constexpr Duration kForgiveOne = std::chrono::minutes(1);
constexpr Duration kForgetName = std::chrono::hours(1);
constexpr Duration kKnownGood = std::chrono::hours(24 * 30);
constexpr Duration kMostForSource = std::chrono::minutes(15);

Duration doubled(Duration first, std::int64_t times, Duration most) {
  Duration wait = first;
  for (std::int64_t i = 0; i < times && wait < most; ++i) wait *= 2;
  return std::min(wait, most);
}

struct Counted {
  std::int64_t failures = 0;
  WallTime succeeded{};
};

/// One more failure, unless the row is within its back-off: the statement decides.
Result<Counted> count(store::Tx& tx, std::string_view sql, const Digest& name, const Digest& source, WallTime now,
                      Duration forget) {
  Counted out;
  auto found = tx.one(sql, {name, source, now, forget}, [&](const store::Row& row) {
    out.failures = row.integer(0);
    out.succeeded = row.time(1);
  });
  if (!found) return std::move(found).error();
  if (!*found) return fail(Reason::password_locked, "guesses are slowed");
  return out;
}

Result<void> lock_until(store::Tx& tx, const Digest& name, const Digest& source, WallTime until) {
  auto done = tx.run("UPDATE password_guess SET until = $3 WHERE name = $1 AND source = $2", {name, source, until});
  if (!done) return std::move(done).error();
  return {};
}

constexpr std::string_view kPlain =
    "INSERT INTO password_guess (name, source, failures, until, updated, succeeded) VALUES ($1, $2, 1, 0, $3, 0) "
    "ON CONFLICT (name, source) DO UPDATE SET "
    "failures = CASE WHEN $3 - password_guess.updated > $4 THEN 1 ELSE password_guess.failures + 1 END, "
    "updated = $3 WHERE password_guess.until <= $3 RETURNING failures, succeeded";
constexpr std::string_view kForgiving =
    "INSERT INTO password_guess (name, source, failures, until, updated, succeeded) VALUES ($1, $2, 1, 0, $3, 0) "
    "ON CONFLICT (name, source) DO UPDATE SET failures = CASE "
    "WHEN $3 <= password_guess.updated THEN password_guess.failures + 1 "
    "WHEN password_guess.failures > ($3 - password_guess.updated) / $4 "
    "THEN password_guess.failures - ($3 - password_guess.updated) / $4 + 1 ELSE 1 END, "
    "updated = $3 WHERE password_guess.until <= $3 RETURNING failures, succeeded";

}  // namespace

Result<bool> charge_guess(store::Tx& tx, const GuessLimits& limits, const Digest& name, const Digest& source,
                          WallTime now) {
  const Result<Counted> pair = count(tx, kPlain, name, source, now, std::chrono::hours(24));
  if (!pair) return pair.error();
  if (pair->failures >= limits.free) {
    auto locked = lock_until(
        tx, name, source, now + doubled(limits.first_back_off, pair->failures - limits.free, limits.most_back_off));
    if (!locked) return std::move(locked).error();
  }
  const Result<Counted> from = count(tx, kForgiving, kAny, source, now, kForgiveOne);
  if (!from) return from.error();
  if (from->failures >= limits.free_source) {
    const Duration most = std::min(limits.most_back_off, kMostForSource);
    auto locked =
        lock_until(tx, kAny, source, now + doubled(limits.first_back_off, from->failures - limits.free_source, most));
    if (!locked) return std::move(locked).error();
  }
  const bool known_good = pair->succeeded > WallTime{} && now - pair->succeeded <= kKnownGood;
  if (known_good) return false;
  const Result<Counted> all = count(tx, kPlain, name, kAny, now, kForgetName);
  if (!all) return all.error();
  if (all->failures >= limits.free_name) {
    auto locked = lock_until(tx, name, kAny, now + limits.name_interval);
    if (!locked) return std::move(locked).error();
  }
  return true;
}

Result<void> refund_guess(store::Tx& tx, const Digest& name, const Digest& source, bool charged_name,
                          std::optional<WallTime> succeeded) {
  constexpr std::string_view one_back =
      "UPDATE password_guess SET failures = failures - 1, until = 0 WHERE name = $1 AND source = $2 AND failures > 0";
  auto pair = succeeded ? tx.run("UPDATE password_guess SET failures = 0, until = 0, succeeded = $3 "
                                 "WHERE name = $1 AND source = $2",
                                 {name, source, *succeeded})
                        : tx.run(one_back, {name, source});
  if (!pair) return std::move(pair).error();
  auto from = tx.run(one_back, {kAny, source});
  if (!from) return std::move(from).error();
  if (charged_name) {
    auto all = tx.run(one_back, {name, kAny});
    if (!all) return std::move(all).error();
  }
  return {};
}

Result<void> forget_guesses(store::Tx& tx, WallTime now) {
  auto gone = tx.run("DELETE FROM password_guess WHERE updated < $1 AND succeeded < $2 AND until < $3",
                     {now - std::chrono::hours(24), now - kKnownGood, now});
  if (!gone) return std::move(gone).error();
  return {};
}

}  // namespace vestibule::identity
