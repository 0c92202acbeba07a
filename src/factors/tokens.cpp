// Hardware tokens in stock: what administrators do with them.
#include "factors/factors.hpp"
#include "factors/hotp_kind.hpp"

namespace vestibule::factors {

Result<std::int64_t> Factors::import_tokens_in(store::Tx& tx, std::string_view csv, const Actor& by, Instant now) {
  auto tokens = parse_token_csv(csv);
  if (!tokens) return std::move(tokens).error();
  auto put = hotp_->import_in(tx, *tokens, now);
  if (!put) return std::move(put).error();
  const auto count = static_cast<std::int64_t>(tokens->size());
  const std::string object = tokens->front().serial + (count > 1 ? " to " + tokens->back().serial : "");
  record(tx, audit::Kind::change, "hardware_token.import", Reason::ok, by, object, std::to_string(count) + " tokens", now);
  return count;
}

Result<void> Factors::remove_token_in(store::Tx& tx, std::string_view serial, const Actor& by, Instant now) {
  auto gone = tx.run("DELETE FROM hardware_token WHERE serial = $1 AND factor IS NULL", {serial});
  if (!gone) return std::move(gone).error();
  if (*gone != 1) {
    auto there = tx.one("SELECT 1 FROM hardware_token WHERE serial = $1", {serial}, [](const store::Row&) {});
    if (!there) return std::move(there).error();
    if (*there) return fail(Reason::conflict, "this token is somebody's factor");
    return fail(Reason::not_found, "no such token");
  }
  record(tx, audit::Kind::change, "hardware_token.remove", Reason::ok, by, serial, {}, now);
  return {};
}

net::Task<Result<std::vector<Factors::TokenInfo>>> Factors::tokens() const {
  auto job = [](store::Tx& tx) -> Result<std::vector<TokenInfo>> {
    std::vector<TokenInfo> out;
    auto rows = tx.query(
        "SELECT serial, digits, imported, account FROM hardware_token LEFT JOIN factor ON factor.id = "
        "hardware_token.factor ORDER BY serial",
        {}, [&](const store::Row& row) {
          TokenInfo& t = out.emplace_back();
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
