#include "session/schema.hpp"

#include <array>

#include "factors/schema.hpp"
#include "identity/users.hpp"

namespace vestibule::session {
namespace {

// Boot times mean something only together with the boot id that they were read under.
constexpr std::array kMigrations{
    store::Migration{"session", 1, R"(
CREATE TABLE session (
  id BYTES PRIMARY KEY NOT NULL,
  account BYTES NOT NULL,
  source TEXT NOT NULL,
  client TEXT NOT NULL,
  created BIGINT NOT NULL,
  created_boot BIGINT NOT NULL,
  boot_id TEXT NOT NULL,
  ends BIGINT NOT NULL,
  last_seen BIGINT NOT NULL,
  seen_boot BIGINT NOT NULL,
  seen_boot_id TEXT NOT NULL,
  enrol_grant BIGINT NOT NULL DEFAULT 0,
  factor_management BIGINT NOT NULL DEFAULT 0,
  pending BIGINT NOT NULL DEFAULT 1
);
CREATE INDEX session_by_account ON session (account);
CREATE TABLE session_proof (
  session BYTES NOT NULL,
  factor BYTES NOT NULL,
  kind BIGINT NOT NULL,
  traits BIGINT NOT NULL,
  wall BIGINT NOT NULL,
  boot BIGINT NOT NULL,
  boot_id TEXT NOT NULL,
  PRIMARY KEY (session, factor)
);
CREATE INDEX session_proof_by_factor ON session_proof (factor);
CREATE TABLE session_handle (
  hash BYTES PRIMARY KEY NOT NULL,
  session BYTES NOT NULL,
  audience BIGINT NOT NULL,
  created BIGINT NOT NULL,
  created_boot BIGINT NOT NULL,
  boot_id TEXT NOT NULL,
  ends BIGINT NOT NULL
);
CREATE INDEX session_handle_by_session ON session_handle (session);
CREATE TABLE clock_mark (
  id BIGINT PRIMARY KEY NOT NULL,
  wall BIGINT NOT NULL
)
)"},
    store::Migration{"session", 2, R"(
CREATE TABLE factor_preference (
  account BYTES PRIMARY KEY NOT NULL,
  kind BIGINT NOT NULL
)
)"},
    // One proof of a factor and kind: a choice of numbers must not displace the digits of the same device.
    store::Migration{"session", 3, R"(
CREATE TABLE session_proof_by_kind (
  session BYTES NOT NULL,
  factor BYTES NOT NULL,
  kind BIGINT NOT NULL,
  traits BIGINT NOT NULL,
  wall BIGINT NOT NULL,
  boot BIGINT NOT NULL,
  boot_id TEXT NOT NULL,
  PRIMARY KEY (session, factor, kind)
);
INSERT INTO session_proof_by_kind SELECT session, factor, kind, traits, wall, boot, boot_id FROM session_proof;
DROP TABLE session_proof;
ALTER TABLE session_proof_by_kind RENAME TO session_proof;
CREATE INDEX session_proof_by_factor ON session_proof (factor)
)"},
    // Credentials beyond a session's own names: an account where no session stands behind it, by what the
    // person asks, and a scope. API keys, and unlocks of whichever credential.
    store::Migration{"session", 4, R"(
ALTER TABLE session_handle ADD COLUMN account BYTES;
ALTER TABLE session_handle ADD COLUMN via TEXT NOT NULL DEFAULT '';
ALTER TABLE session_handle ADD COLUMN scope TEXT NOT NULL DEFAULT '';
CREATE TABLE api_key (
  id BYTES PRIMARY KEY NOT NULL,
  account BYTES NOT NULL,
  name TEXT NOT NULL,
  hash BYTES NOT NULL UNIQUE,
  last_use BIGINT NOT NULL DEFAULT 0,
  last_source TEXT NOT NULL DEFAULT '',
  UNIQUE (account, name)
);
CREATE TABLE credential_unlock (
  credential BYTES NOT NULL,
  source TEXT NOT NULL,
  access_point TEXT NOT NULL,
  account BYTES NOT NULL,
  session BYTES NOT NULL,
  purpose TEXT NOT NULL,
  made BIGINT NOT NULL,
  made_boot BIGINT NOT NULL,
  boot_id TEXT NOT NULL,
  ends BIGINT NOT NULL,
  factor BYTES NOT NULL,
  kind BIGINT NOT NULL,
  traits BIGINT NOT NULL,
  wall BIGINT NOT NULL,
  boot BIGINT NOT NULL,
  known_factor BYTES,
  known_kind BIGINT,
  known_traits BIGINT,
  known_wall BIGINT,
  known_boot BIGINT,
  PRIMARY KEY (credential, source, access_point)
);
CREATE INDEX credential_unlock_by_account ON credential_unlock (account)
)"},
    // What services show: public keys among API keys, and tokens got with one (parent), each for one access point.
    store::Migration{"session", 5, R"(
ALTER TABLE api_key ADD COLUMN jwk TEXT NOT NULL DEFAULT '';
ALTER TABLE session_handle ADD COLUMN access_point TEXT NOT NULL DEFAULT '';
ALTER TABLE session_handle ADD COLUMN key BYTES;
ALTER TABLE session_handle ADD COLUMN parent BYTES;
CREATE INDEX session_handle_by_parent ON session_handle (parent) WHERE parent IS NOT NULL
)"},
    // What has expired is looked for every ten seconds: among a million, without reading them.
    store::Migration{"session", 6, R"(
CREATE INDEX session_by_end ON session (ends);
CREATE INDEX session_by_last_seen ON session (last_seen);
CREATE INDEX session_handle_by_end ON session_handle (ends);
CREATE INDEX credential_unlock_by_end ON credential_unlock (ends)
)"},
    // Keys of one who is disabled are found without reading everybody's.
    store::Migration{"session", 7, R"(
CREATE INDEX session_handle_by_account ON session_handle (account) WHERE account IS NOT NULL
)"},
    // Beside the session's row, which most have alone.
    store::Migration{"session_family", 1, R"(
CREATE TABLE session_family (
  session BYTES PRIMARY KEY NOT NULL,
  parent BYTES NOT NULL,
  access_point TEXT NOT NULL,
  key BYTES
);
CREATE INDEX session_family_by_parent ON session_family (parent)
)"},
    // Why what is no more has ended, by a session's id or a handle's hash.
    store::Migration{"session_end", 1, R"(
CREATE TABLE session_end (
  key BYTES PRIMARY KEY NOT NULL,
  reason TEXT NOT NULL,
  told_until BIGINT NOT NULL
);
CREATE INDEX session_end_by_time ON session_end (told_until)
)"},
};

}  // namespace

std::span<const store::Migration> migrations() { return kMigrations; }

namespace {

Result<void> end_all(store::Tx& tx) {
  for (const std::string_view sql :
       {"DELETE FROM session_handle WHERE account IS NULL OR parent IS NOT NULL", "DELETE FROM credential_unlock", "DELETE FROM session_proof",
        "DELETE FROM session_family", "DELETE FROM session"}) {
    auto gone = tx.run(sql);
    if (!gone) return std::move(gone).error();
  }
  tx.changed("session", {});
  return {};
}

}  // namespace

Result<void> void_after_restore(store::Tx& tx, WallTime now) {
  auto ended = end_all(tx);
  if (!ended) return ended;
  auto identity = identity::void_after_restore(tx);
  if (!identity) return identity;
  return factors::void_after_restore(tx, now);
}

Result<WallTime> clock_mark(store::Tx& tx) {
  WallTime mark{};
  auto found = tx.one("SELECT wall FROM clock_mark WHERE id = 1", {}, [&](const store::Row& row) { mark = row.time(0); });
  if (!found) return std::move(found).error();
  return mark;
}

Result<void> accept_clock(store::Tx& tx, WallTime now) {
  auto lowered = tx.run("UPDATE clock_mark SET wall = $1 WHERE id = 1 AND wall > $1", {now});
  if (!lowered) return std::move(lowered).error();
  if (*lowered != 1) return fail(Reason::conflict, "the clock is not behind anything that was stored: there is nothing to accept");
  auto ended = end_all(tx);
  if (!ended) return ended;
  auto identity = identity::accept_clock(tx, now);
  if (!identity) return identity;
  return factors::accept_clock(tx, now);
}

}  // namespace vestibule::session
