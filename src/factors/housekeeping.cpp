// What is done now and then: rows that have expired go, and a rotated master key seals anew.
#include "factors/factors.hpp"
#include "factors/sealed_rows.hpp"

namespace vestibule::factors {
namespace {

Result<std::int64_t> reseal_in(store::Tx& tx, const crypto::KeyRing& keys, const SealedColumn& column) {
  const bool text = column.key == SealedColumn::Key::text;
  std::vector<std::pair<Bytes, Bytes>> stale;
  auto rows = tx.query(column.select, {}, [&](const store::Row& row) {
    const ByteView key = text ? as_bytes(row.text(0)) : row.blob(0);
    const ByteView blob = row.blob(1);
    if (!keys.is_current(blob)) stale.emplace_back(Bytes(key.begin(), key.end()), Bytes(blob.begin(), blob.end()));
    return true;
  });
  if (!rows) return moved(rows);
  for (const auto& [key, blob] : stale) {
    auto fresh = keys.reseal(blob, {column.table, column.field, as_text(key)});
    if (!fresh) return moved(fresh);
    auto put = tx.run(column.update, {text ? store::Param(as_text(key)) : store::Param(key), *fresh});
    if (!put) return moved(put);
  }
  return static_cast<std::int64_t>(stale.size());
}

}  // namespace

net::Task<Result<void>> Factors::maintain() {
  auto job = [this](store::Tx& tx) -> Result<void> {
    for (const std::string_view sql :
         {"DELETE FROM factor WHERE confirmed = 0 AND expires < $1", "DELETE FROM factor_challenge WHERE expires < $1"}) {
      auto gone = tx.run(sql, {clock_.wall()});
      if (!gone) return moved(gone);
    }
    // Kept longer than their questions live: a clock that is set back a little must not open one again.
    auto gone = tx.run("DELETE FROM passkey_used WHERE expires < $1", {clock_.wall() - std::chrono::hours(1)});
    if (!gone) return moved(gone);
    return Prompts::forget_in(tx, clock_.wall());
  };
  auto done = co_await database_.write(std::move(job));
  co_return done;
}

net::Task<Result<std::int64_t>> Factors::reseal() {
  auto job = [this](store::Tx& tx) -> Result<std::int64_t> {
    std::int64_t all = 0;
    for (const SealedColumn& column : kSealedColumns) {
      auto done = reseal_in(tx, keys_, column);
      if (!done) return done;
      all += *done;
    }
    return all;
  };
  auto done = co_await database_.write(std::move(job));
  co_return done;
}

Result<std::int64_t> Factors::sealed_by(store::Tx& tx, std::uint32_t key) const {
  std::int64_t n = 0;
  for (const SealedColumn& column : kSealedColumns) {
    auto rows = tx.query(column.select, {}, [&](const store::Row& row) {
      if (crypto::KeyRing::sealed_by(row.blob(1)).value_or(key) == key) ++n;
      return true;
    });
    if (!rows) return moved(rows);
  }
  return n;
}

}  // namespace vestibule::factors
