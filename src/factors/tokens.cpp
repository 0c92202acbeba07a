#include "factors/tokens.hpp"

#include "factors/sealed_rows.hpp"
#include "factors/token_csv.hpp"

namespace vestibule::factors {

Result<std::int64_t> TokenStock::import_in(store::Tx& tx, std::string_view csv, const identity::Actor& by, Instant now) {
  auto tokens = parse_token_csv(csv);
  if (!tokens) return std::move(tokens).error();
  for (const TokenSeed& t : *tokens) {
    auto put = tx.run(
        "INSERT INTO hardware_token (serial, sealed, digits, counter, imported) VALUES ($1, $2, $3, $4, $5) "
        "ON CONFLICT (serial) DO NOTHING",
        {t.serial, keys_.seal(t.secret.reveal(), token_place(t.serial)), t.digits, t.counter, now.wall});
    if (!put) return std::move(put).error();
    if (*put != 1) return fail(Reason::conflict, "token " + t.serial + " is known already");
  }
  const auto count = static_cast<std::int64_t>(tokens->size());
  const std::string object = tokens->front().serial + (count > 1 ? " to " + tokens->back().serial : "");
  const std::string note = std::to_string(count) + " tokens";  // a record refers to its texts
  log_.append(tx, identity::change_record("hardware_token.import", by, object, note, now));
  return count;
}

Result<void> TokenStock::remove_in(store::Tx& tx, std::string_view serial, const identity::Actor& by, Instant now) {
  auto gone = tx.run("DELETE FROM hardware_token WHERE serial = $1 AND factor IS NULL", {serial});
  if (!gone) return std::move(gone).error();
  if (*gone != 1) {
    auto there = tx.one("SELECT 1 FROM hardware_token WHERE serial = $1", {serial}, [](const store::Row&) {});
    if (!there) return std::move(there).error();
    if (*there) return fail(Reason::conflict, "this token is somebody's factor");
    return fail(Reason::not_found, "no such token");
  }
  log_.append(tx, identity::change_record("hardware_token.remove", by, serial, {}, now));
  return {};
}

net::Task<Result<std::vector<TokenStock::Token>>> TokenStock::list() const {
  auto job = [](store::Tx& tx) -> Result<std::vector<Token>> {
    std::vector<Token> out;
    auto rows = tx.query(
        "SELECT serial, digits, imported, account FROM hardware_token LEFT JOIN factor ON factor.id = "
        "hardware_token.factor ORDER BY serial",
        {}, [&](const store::Row& row) {
          Token& t = out.emplace_back();
          t.serial = row.text(0);
          t.digits = static_cast<int>(row.integer(1));
          t.imported = row.time(2);
          if (!row.null(3)) t.holder = row.id<UserId>(3);
          return true;
        });
    if (!rows) return std::move(rows).error();
    return out;
  };
  auto found = co_await database_.read(std::move(job));
  co_return found;
}

}  // namespace vestibule::factors
