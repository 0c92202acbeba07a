#include <array>

#include "oauth/rows.hpp"

namespace vestibule::oauth {
namespace {

constexpr std::array kMigrations{
    store::Migration{"oauth", 1, R"(
CREATE TABLE oauth_client (
  id TEXT PRIMARY KEY NOT NULL,
  origin BIGINT NOT NULL,
  metadata TEXT NOT NULL,
  secret BYTES,
  created BIGINT NOT NULL,
  last_used BIGINT NOT NULL,
  by_name TEXT NOT NULL
);
CREATE TABLE oauth_code (
  hash BYTES PRIMARY KEY NOT NULL,
  client TEXT NOT NULL,
  client_name TEXT NOT NULL,
  redirect TEXT NOT NULL,
  challenge TEXT NOT NULL,
  nonce TEXT NOT NULL,
  scope TEXT NOT NULL,
  access_point TEXT NOT NULL,
  key BYTES,
  parent BYTES NOT NULL,
  account BYTES NOT NULL,
  ends BIGINT NOT NULL,
  used BIGINT NOT NULL DEFAULT 0,
  family BYTES
);
CREATE TABLE oauth_family (
  session BYTES PRIMARY KEY NOT NULL,
  account BYTES NOT NULL,
  client TEXT NOT NULL,
  scope TEXT NOT NULL,
  access_point TEXT NOT NULL,
  key BYTES,
  ends BIGINT NOT NULL
);
CREATE INDEX oauth_family_by_client ON oauth_family (client);
CREATE TABLE oauth_refresh (
  hash BYTES PRIMARY KEY NOT NULL,
  family BYTES NOT NULL,
  used BIGINT NOT NULL DEFAULT 0,
  ends BIGINT NOT NULL
);
CREATE INDEX oauth_refresh_by_family ON oauth_refresh (family);
CREATE TABLE oauth_device (
  hash BYTES PRIMARY KEY NOT NULL,
  user_code TEXT NOT NULL UNIQUE,
  client TEXT NOT NULL,
  client_name TEXT NOT NULL,
  scope TEXT NOT NULL,
  access_point TEXT NOT NULL,
  level BIGINT NOT NULL,
  max_age BIGINT NOT NULL,
  source TEXT NOT NULL,
  program TEXT NOT NULL,
  created BIGINT NOT NULL,
  ends BIGINT NOT NULL,
  polled BIGINT NOT NULL,
  pause BIGINT NOT NULL,
  state BIGINT NOT NULL DEFAULT 0,
  parent BYTES,
  account BYTES
);
CREATE TABLE oauth_key (
  kid TEXT PRIMARY KEY NOT NULL,
  alg BIGINT NOT NULL,
  state BIGINT NOT NULL,
  since BIGINT NOT NULL,
  open TEXT NOT NULL,
  sealed BYTES NOT NULL
)
)"},
    // What has ended is looked for every minute.
    store::Migration{"oauth", 2, R"(
CREATE INDEX oauth_family_by_end ON oauth_family (ends);
CREATE INDEX oauth_refresh_by_end ON oauth_refresh (ends)
)"},
};

}  // namespace

std::span<const store::Migration> migrations() { return kMigrations; }

Result<void> void_after_restore(store::Tx& tx) {
  for (const std::string_view sql : {"DELETE FROM oauth_code", "DELETE FROM oauth_device", "DELETE FROM oauth_refresh", "DELETE FROM oauth_family"}) {
    auto gone = tx.run(sql);
    if (!gone) return std::move(gone).error();
  }
  return {};
}

}  // namespace vestibule::oauth
