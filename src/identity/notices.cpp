#include "identity/notices.hpp"

#include <array>

#include "identity/rows.hpp"
#include "identity/tending.hpp"
#include "identity/users.hpp"

namespace vestibule::identity {
namespace {

constexpr std::array kKinds = {
    NoticeKind::factor_added,     NoticeKind::factor_removed,   NoticeKind::factor_locked,
    NoticeKind::factor_disabled,  NoticeKind::recovery_used,    NoticeKind::recovery_few,
    NoticeKind::recovery_renewed, NoticeKind::password_changed, NoticeKind::roles_changed,
    NoticeKind::reset_requested,  NoticeKind::reset_declined,   NoticeKind::reset_done,
    NoticeKind::host_recovery,    NoticeKind::not_me,           NoticeKind::key_created,
    NoticeKind::key_found,        NoticeKind::service_offered,  NoticeKind::service_changed,
    NoticeKind::service_asleep,   NoticeKind::tool_changed};

constexpr std::string_view kSelect = "SELECT id, account, at, kind, text, seen FROM notice";

// At most so many bytes, and no character cut in two.
std::string_view cut(std::string_view text) {
  if (text.size() <= kMaxNoticeText) return text;
  std::size_t end = kMaxNoticeText;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80U) --end;
  return text.substr(0, end);
}

// Nothing for a kind that this binary does not know.
std::optional<Notice> notice_from(const store::Row& row) {
  const auto kind = notice_kind_from(row.text(3));
  if (!kind) return std::nullopt;
  return Notice{row.id<NoticeId>(0), row.id<UserId>(1), row.time(2), *kind, std::string(row.text(4)), row.integer(5) != 0};
}

Result<void> make_room(store::Tx& tx, UserId account) {
  std::int64_t count = 0;
  auto counted = tx.one("SELECT COUNT(*) FROM notice WHERE account = $1", {account},
                        [&](const store::Row& row) { count = row.integer(0); });
  if (!counted) return std::move(counted).error();
  const auto most = static_cast<std::int64_t>(kMaxNotices);
  if (count < most) return {};
  auto gone = tx.run(
      // What somebody could cause in masses goes before what tells of another's hand on the account.
      "DELETE FROM notice WHERE id IN (SELECT id FROM notice WHERE account = $1 ORDER BY seen DESC, CASE WHEN kind IN "
      "('reset_requested', 'reset_done', 'host_recovery', 'factor_added', 'password_changed', 'not_me', 'key_found') THEN 1 ELSE 0 END, "
      "at, id LIMIT $2)",
      {account, count - most + 1});
  if (!gone) return std::move(gone).error();
  return {};
}

Result<void> notify_one(store::Tx& tx, Rng& rng, UserId account, NoticeKind kind, std::string_view text, WallTime now) {
  if (kind == NoticeKind::factor_locked || kind == NoticeKind::tool_changed) {
    auto again = tx.run("UPDATE notice SET at = $3, text = $4 WHERE account = $1 AND kind = $2 AND seen = 0",
                        {account, name(kind), now, cut(text)});
    if (!again) return std::move(again).error();
    if (*again > 0) return {};
  }
  auto room = make_room(tx, account);
  if (!room) return room;
  const NoticeId id = NoticeId::make(rng);
  auto put = tx.run("INSERT INTO notice (id, account, at, kind, text, seen) VALUES ($1, $2, $3, $4, $5, 0)",
                    {id, account, now, name(kind), cut(text)});
  if (!put) return std::move(put).error();
  tx.changed(kNoticeTopic, id.bytes);
  return {};
}

}  // namespace

std::string_view name(NoticeKind kind) noexcept {
  switch (kind) {
    case NoticeKind::factor_added: return "factor_added";
    case NoticeKind::factor_removed: return "factor_removed";
    case NoticeKind::factor_locked: return "factor_locked";
    case NoticeKind::factor_disabled: return "factor_disabled";
    case NoticeKind::recovery_used: return "recovery_used";
    case NoticeKind::recovery_few: return "recovery_few";
    case NoticeKind::recovery_renewed: return "recovery_renewed";
    case NoticeKind::password_changed: return "password_changed";
    case NoticeKind::roles_changed: return "roles_changed";
    case NoticeKind::reset_requested: return "reset_requested";
    case NoticeKind::reset_declined: return "reset_declined";
    case NoticeKind::reset_done: return "reset_done";
    case NoticeKind::host_recovery: return "host_recovery";
    case NoticeKind::not_me: return "not_me";
    case NoticeKind::key_created: return "key_created";
    case NoticeKind::key_found: return "key_found";
    case NoticeKind::service_offered: return "service_offered";
    case NoticeKind::service_changed: return "service_changed";
    case NoticeKind::service_asleep: return "service_asleep";
    case NoticeKind::tool_changed: return "tool_changed";
  }
  return "";
}

std::optional<NoticeKind> notice_kind_from(std::string_view text) noexcept {
  for (const NoticeKind k : kKinds) {
    if (name(k) == text) return k;
  }
  return std::nullopt;
}

Result<void> notify_in(store::Tx& tx, Rng& rng, UserId account, NoticeKind kind, std::string_view text, WallTime now) {
  auto people = tenders_in(tx, account);
  if (!people) return std::move(people).error();
  for (const UserId person : *people) {
    auto told = notify_one(tx, rng, person, kind, text, now);
    if (!told) return told;
  }
  return {};
}

Result<std::vector<Notice>> notices_in(store::Tx& tx, UserId account) {
  std::vector<Notice> out;
  auto listed = tx.query(std::string(kSelect) + " WHERE account = $1 ORDER BY at DESC, id", {account},
                         [&](const store::Row& row) {
                           if (auto n = notice_from(row)) out.push_back(std::move(*n));
                           return true;
                         });
  if (!listed) return std::move(listed).error();
  return out;
}

Result<std::optional<Notice>> notice_in(store::Tx& tx, NoticeId id) {
  std::optional<Notice> out;
  auto found = tx.one(std::string(kSelect) + " WHERE id = $1", {id}, [&](const store::Row& row) { out = notice_from(row); });
  if (!found) return std::move(found).error();
  return out;
}

Result<std::vector<NoticeId>> mark_seen_in(store::Tx& tx, UserId account, const std::vector<NoticeId>& ids) {
  std::vector<NoticeId> fresh;
  for (const NoticeId& id : ids) {
    auto seen = tx.run("UPDATE notice SET seen = 1 WHERE id = $1 AND account = $2 AND seen = 0", {id, account});
    if (!seen) return std::move(seen).error();
    if (*seen == 1) fresh.push_back(id);
  }
  return fresh;
}

// --- as the other rooms call them

Result<void> Users::notify_in(store::Tx& tx, UserId account, NoticeKind kind, std::string_view text, WallTime now) {
  return identity::notify_in(tx, rng_, account, kind, text, now);
}

Result<void> Users::notify_administrators_in(store::Tx& tx, UserId but, NoticeKind kind, std::string_view text,
                                             WallTime now) {
  auto all = read_administrators(tx);
  if (!all) return std::move(all).error();
  for (const User& one : *all) {
    if (one.id == but || one.disabled) continue;
    auto told = notify_in(tx, one.id, kind, text, now);
    if (!told) return told;
  }
  return {};
}

net::Task<Result<std::vector<Notice>>> Users::notices(UserId account) const {
  auto job = [account](store::Tx& tx) { return notices_in(tx, account); };
  auto out = co_await database_.read(std::move(job));
  co_return out;
}

net::Task<Result<void>> Users::mark_seen(Actor by, std::vector<NoticeId> ids) {
  auto job = [this, b = std::move(by), i = std::move(ids)](store::Tx& tx) -> Result<void> {
    auto fresh = mark_seen_in(tx, b.user, i);
    if (!fresh) return std::move(fresh).error();
    const Instant now = clock_.now();
    for (const NoticeId& id : *fresh) {
      const std::string notice = id.text();  // a record refers to its texts
      log_.append(tx, change_record("notices.seen", b, notice, {}, now));
    }
    return {};
  };
  auto done = co_await database_.write(std::move(job));
  co_return done;
}

}  // namespace vestibule::identity
