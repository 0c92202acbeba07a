#include <array>

#include "identity/users.hpp"

namespace vestibule::identity {
namespace {

constexpr std::array kMigrations{
    store::Migration{"identity", 1, R"(
CREATE TABLE account (
  id BYTES PRIMARY KEY NOT NULL,
  name TEXT NOT NULL UNIQUE,
  display TEXT NOT NULL,
  password TEXT,
  disabled BIGINT NOT NULL DEFAULT 0,
  version BIGINT NOT NULL DEFAULT 1,
  created BIGINT NOT NULL,
  created_by BYTES,
  roles_changed BIGINT NOT NULL,
  factors_reset BIGINT NOT NULL DEFAULT 0,
  reset_by BYTES,
  password_changed BIGINT NOT NULL DEFAULT 0
);
CREATE TABLE account_label (
  account BYTES NOT NULL,
  kind BIGINT NOT NULL,
  label TEXT NOT NULL,
  PRIMARY KEY (account, kind, label)
);
CREATE INDEX account_label_by_label ON account_label (kind, label);
CREATE TABLE setup_token (
  hash BYTES PRIMARY KEY NOT NULL,
  expires BIGINT NOT NULL
);
CREATE TABLE enrolment_code (
  hash BYTES PRIMARY KEY NOT NULL,
  account BYTES NOT NULL UNIQUE,
  issued_by BYTES NOT NULL,
  expires BIGINT NOT NULL
);
CREATE TABLE password_guess (
  name BYTES NOT NULL,
  source BYTES NOT NULL,
  failures BIGINT NOT NULL,
  until BIGINT NOT NULL,
  updated BIGINT NOT NULL,
  succeeded BIGINT NOT NULL,
  PRIMARY KEY (name, source)
);
CREATE INDEX password_guess_by_age ON password_guess (updated)
)"},
    store::Migration{"identity", 2, R"(
CREATE TABLE notice (
  id BYTES PRIMARY KEY NOT NULL,
  account BYTES NOT NULL,
  at BIGINT NOT NULL,
  kind TEXT NOT NULL,
  text TEXT NOT NULL,
  seen BIGINT NOT NULL
);
CREATE INDEX notice_by_account ON notice (account, at)
)"},
    // former_administrator: who ceased to be one lately, and when.
    store::Migration{"identity", 3, R"(
CREATE TABLE reset_request (
  id BYTES PRIMARY KEY NOT NULL,
  account BYTES NOT NULL UNIQUE,
  requested_by BYTES NOT NULL,
  at BIGINT NOT NULL,
  expires BIGINT NOT NULL
);
CREATE TABLE former_administrator (
  account BYTES PRIMARY KEY NOT NULL,
  at BIGINT NOT NULL
)
)"},
    store::Migration{"identity", 4, R"(
CREATE TABLE host_recovery (
  account BYTES NOT NULL,
  name TEXT NOT NULL,
  at BIGINT NOT NULL
)
)"},
    // service_part: 1 sponsor, 2 deputy; accepted 0: offered alone. One sponsor at a time has accepted.
    store::Migration{"identity", 5, R"(
CREATE TABLE service (
  account BYTES PRIMARY KEY NOT NULL
);
CREATE TABLE service_part (
  service BYTES NOT NULL,
  person BYTES NOT NULL,
  part BIGINT NOT NULL,
  offered BIGINT NOT NULL,
  accepted BIGINT NOT NULL,
  PRIMARY KEY (service, person, part)
);
CREATE INDEX service_part_by_person ON service_part (person);
CREATE UNIQUE INDEX service_part_one_sponsor ON service_part (service) WHERE part = 1 AND accepted > 0
)"},
};

}  // namespace

std::span<const store::Migration> migrations() { return kMigrations; }

Result<void> void_after_restore(store::Tx& tx) {
  for (const std::string_view sql : {"DELETE FROM enrolment_code", "DELETE FROM setup_token", "DELETE FROM reset_request"}) {
    auto gone = tx.run(sql);
    if (!gone) return std::move(gone).error();
  }
  tx.changed("account", {});
  return {};
}

Result<void> accept_clock(store::Tx& tx, WallTime now) {
  auto codes = void_after_restore(tx);
  if (!codes) return codes;
  for (const std::string_view sql :
       {"UPDATE password_guess SET until = $1 WHERE until > $1", "UPDATE password_guess SET updated = $1 WHERE updated > $1",
        "UPDATE password_guess SET succeeded = $1 WHERE succeeded > $1", "UPDATE account SET created = $1 WHERE created > $1",
        "UPDATE account SET roles_changed = $1 WHERE roles_changed > $1",
        "UPDATE account SET factors_reset = $1 WHERE factors_reset > $1",
        "UPDATE account SET password_changed = $1 WHERE password_changed > $1", "UPDATE notice SET at = $1 WHERE at > $1",
        "UPDATE former_administrator SET at = $1 WHERE at > $1", "UPDATE host_recovery SET at = $1 WHERE at > $1",
        "UPDATE service_part SET offered = $1 WHERE offered > $1", "UPDATE service_part SET accepted = $1 WHERE accepted > $1"}) {
    auto set = tx.run(sql, {now});
    if (!set) return std::move(set).error();
  }
  return {};
}

}  // namespace vestibule::identity
