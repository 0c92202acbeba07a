#include "app/meta.hpp"

#include "access/credentials.hpp"
#include "approval/requests.hpp"
#include "factors/schema.hpp"
#include "gate/gate.hpp"
#include "oauth/rows.hpp"
#include "risk/history.hpp"
#include "session/schema.hpp"

namespace vestibule::app {
namespace {

constexpr std::string_view kMetaMigration = R"(
CREATE TABLE meta (
  name TEXT PRIMARY KEY,
  value BYTES NOT NULL))";

}  // namespace

std::vector<store::Migration> all_migrations() {
  std::vector<store::Migration> all{{"app", 1, kMetaMigration}};
  for (const auto room : {audit::migrations(), access::migrations(), identity::migrations(), factors::migrations(),
                          session::migrations(), risk::migrations(), approval::migrations(), gate::Gate::migrations(), oauth::migrations()}) {
    all.insert(all.end(), room.begin(), room.end());
  }
  return all;
}

Result<std::optional<Bytes>> derivation_root(store::Tx& tx) {
  std::optional<Bytes> root;
  auto found = tx.one("SELECT value FROM meta WHERE name = $1", {"derivation_root"},
                      [&](const store::Row& row) { root.emplace(row.blob(0).begin(), row.blob(0).end()); });
  if (!found) return std::move(found).error();
  return root;
}

Result<void> put_key_check_in(store::Tx& tx, const crypto::KeyRing& keys) {
  const Result<crypto::KeyCheck> check = keys.key_check(keys.active_id());
  if (!check) return check.error();
  auto put = tx.run("INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
                    {"key_check_" + std::to_string(keys.active_id()), ByteView(*check)});
  if (!put) return std::move(put).error();
  return {};
}

audit::Record system_record(std::string_view who, std::string_view operation, std::string_view note, Instant now) {
  audit::Record r;
  r.kind = audit::Kind::system;
  r.at = now.wall;
  r.now = now;
  r.access_point = "vestibule";
  r.operation = operation;
  r.outcome = domain::Outcome::allow;
  r.reason = Reason::ok;
  r.user_name = who;
  r.source.address[15] = 1;
  r.source.local = true;
  r.note = note;
  return r;
}

}  // namespace vestibule::app
