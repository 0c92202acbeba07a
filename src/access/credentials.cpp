#include "access/credentials.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

namespace vestibule::access {
namespace {

constexpr std::array kMigrations{store::Migration{"access", 1, R"(
CREATE TABLE access_credential (
  access_point TEXT PRIMARY KEY,
  sealed BYTES NOT NULL,
  changed BIGINT NOT NULL))"}};

crypto::Place place(std::string_view point) noexcept { return {"access_credential", "sealed", point}; }

}  // namespace

std::span<const store::Migration> migrations() { return kMigrations; }

Result<void> put_credential(store::Tx& tx, const crypto::KeyRing& keys, std::string_view point, const Secret& value,
                            WallTime now) {
  const std::string_view text = value.reveal_text();
  const bool visible = std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  if (text.empty() || text.size() > 4096 || !visible) {
    return fail(Reason::invalid_argument, "a credential has 1 to 4096 visible ASCII characters");
  }
  auto done = tx.run(
      "INSERT INTO access_credential (access_point, sealed, changed) VALUES ($1, $2, $3) "
      "ON CONFLICT (access_point) DO UPDATE SET sealed = $2, changed = $3",
      {point, keys.seal(value.reveal(), place(point)), now});
  if (!done) return std::move(done).error();
  return {};
}

Result<void> remove_credential(store::Tx& tx, std::string_view point) {
  auto done = tx.run("DELETE FROM access_credential WHERE access_point = $1", {point});
  if (!done) return std::move(done).error();
  return {};
}

Result<std::optional<Secret>> load_credential(store::Tx& tx, const crypto::KeyRing& keys, std::string_view point) {
  Bytes sealed;
  Result<bool> found = tx.one("SELECT sealed FROM access_credential WHERE access_point = $1", {point},
                              [&](const store::Row& row) { sealed.assign(row.blob(0).begin(), row.blob(0).end()); });
  if (!found) return std::move(found).error();
  if (!*found) return std::optional<Secret>{};
  Result<Secret> opened = keys.open(sealed, place(point));
  if (!opened) return std::move(opened).error();
  return std::optional<Secret>(std::move(*opened));
}

Result<std::int64_t> reseal_credentials(store::Tx& tx, const crypto::KeyRing& keys) {
  std::vector<std::pair<std::string, Bytes>> stale;
  auto read = tx.query("SELECT access_point, sealed FROM access_credential", {}, [&](const store::Row& row) {
    const ByteView blob = row.blob(1);
    if (!keys.is_current(blob)) stale.emplace_back(row.text(0), Bytes(blob.begin(), blob.end()));
    return true;
  });
  if (!read) return std::move(read).error();
  for (const auto& [point, blob] : stale) {
    Result<Bytes> fresh = keys.reseal(blob, place(point));
    if (!fresh) return fail(fresh.error().code, "credential of " + point + ": " + fresh.error().detail);
    auto put = tx.run("UPDATE access_credential SET sealed = $1 WHERE access_point = $2", {*fresh, point});
    if (!put) return std::move(put).error();
  }
  return static_cast<std::int64_t>(stale.size());
}

Result<std::int64_t> credentials_sealed_by(store::Tx& tx, std::uint32_t key) {
  std::int64_t n = 0;
  auto read = tx.query("SELECT sealed FROM access_credential", {}, [&](const store::Row& row) {
    if (crypto::KeyRing::sealed_by(row.blob(0)).value_or(key) == key) ++n;
    return true;
  });
  if (!read) return std::move(read).error();
  return n;
}

}  // namespace vestibule::access
