// What the owner of factors hears of answers that others may have given.
#include "factors/factors.hpp"

namespace vestibule::factors {
namespace {

using identity::NoticeKind;

constexpr std::int64_t kFewRecoveryCodes = 3;  // so many left: time for new ones

}  // namespace

// Of answers that were refused: that a factor waits, or is of no use any more.
Result<void> Factors::tell_of_misses(store::Tx& tx, const Charged& charged, Instant now) {
  const Actor& by = charged.attempt().by;
  bool waits = false;
  for (const FactorId id : charged.factors_) {
    bool disabled = false;
    auto found = tx.one("SELECT disabled, locked_until FROM factor WHERE id = $1", {id}, [&](const store::Row& row) {
      disabled = row.integer(0) != 0;
      waits = waits || row.time(1) > now.wall;
    });
    if (!found) return std::move(found).error();
    if (!disabled) continue;
    record(tx, audit::Kind::change, "factor.disable", Reason::factor_locked, by, id.text(), "too many wrong answers", now);
    auto told = users_.notify_in(tx, by.user, NoticeKind::factor_disabled,
                                 "A factor (" + std::string(domain::name(charged.attempt().kind)) +
                                     ") was disabled by too many wrong answers, the last from " + by.source.text() +
                                     ". Somebody who gives them knows your password.", now.wall);
    if (!told) return told;
  }
  if (!waits) return {};
  return users_.notify_in(tx, by.user, NoticeKind::factor_locked,
                          "Wrong answers were given for a factor (" + std::string(domain::name(charged.attempt().kind)) +
                              "), the last from " + by.source.text() +
                              ". If that was not you, change your password: somebody knows it.", now.wall);
}

Result<void> Factors::tell_of_recovery(store::Tx& tx, const Actor& by, FactorId factor, Instant now) {
  std::int64_t left = 0;
  auto counted = tx.one("SELECT COUNT(*) FROM recovery_code WHERE factor = $1", {factor},
                        [&](const store::Row& row) { left = row.integer(0); });
  if (!counted) return std::move(counted).error();
  auto told = users_.notify_in(tx, by.user, NoticeKind::recovery_used,
                               "A recovery code was used, from " + by.source.text() + ". " + std::to_string(left) +
                                   " are left.", now.wall);
  if (!told || left > kFewRecoveryCodes) return told;
  return users_.notify_in(tx, by.user, NoticeKind::recovery_few,
                          left == 0 ? "No recovery code is left. Make new ones."
                                    : "Only " + std::to_string(left) + " recovery codes are left. Make new ones.",
                          now.wall);
}

}  // namespace vestibule::factors
