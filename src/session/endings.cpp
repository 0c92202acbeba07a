#include "session/endings.hpp"

#include "session/sessions.hpp"

namespace vestibule::session {

Result<void> note_end_in(store::Tx& tx, SessionId id, Reason why, WallTime now) {
  const std::string_view code = info(why).code;
  for (const std::string_view sql :
       {"INSERT INTO session_end (key, reason, told_until) SELECT id, $2, $3 FROM session WHERE id = $1 AND pending = 0 "
        "ON CONFLICT (key) DO NOTHING",
        "INSERT INTO session_end (key, reason, told_until) SELECT h.hash, $2, $3 FROM session_handle h JOIN session s ON s.id = h.session "
        "WHERE h.session = $1 AND h.account IS NULL AND s.pending = 0 ON CONFLICT (key) DO NOTHING"}) {
    auto noted = tx.run(sql, {id, code, now + kTellWhy});
    if (!noted) return std::move(noted).error();
  }
  return {};
}

Result<void> note_end_in(store::Tx& tx, const Digest& handle, Reason why, WallTime now) {
  const std::string_view code = info(why).code;
  auto noted = tx.run(
      "INSERT INTO session_end (key, reason, told_until) SELECT hash, $2, $3 FROM session_handle WHERE hash = $1 AND account IS NULL "
      "ON CONFLICT (key) DO NOTHING",
      {handle, code, now + kTellWhy});
  if (!noted) return std::move(noted).error();
  return {};
}

Result<void> sweep_ends_in(store::Tx& tx, WallTime now) {
  auto gone = tx.run("DELETE FROM session_end WHERE told_until < $1", {now});
  if (!gone) return std::move(gone).error();
  return {};
}

Result<std::optional<Reason>> Sessions::why_ended_in(store::Tx& tx, ByteView key) {
  std::optional<Reason> why;
  auto found = tx.one("SELECT reason FROM session_end WHERE key = $1", {key}, [&](const store::Row& row) { why = reason_from(row.text(0)); });
  if (!found) return std::move(found).error();
  return why;
}

net::Task<std::optional<Reason>> Sessions::why_ended(Secret token) const {
  Reason refused = Reason::ok;
  std::optional<HandleKey> key = check_token(token.reveal_text(), Audience::control, refused);
  if (!key) key = check_token(token.reveal_text(), Audience::access, refused);
  if (!key) co_return std::nullopt;
  auto job = [k = *key](store::Tx& tx) { return why_ended_in(tx, k); };
  Result<std::optional<Reason>> found = co_await database_.read(std::move(job));
  if (!found) co_return std::nullopt;
  co_return *found;
}

}  // namespace vestibule::session
