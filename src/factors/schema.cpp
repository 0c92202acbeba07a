#include <array>

#include "factors/passkeys.hpp"
#include "factors/schema.hpp"

namespace vestibule::factors {
namespace {

constexpr std::int64_t kSkippedByRestore = 50;

// A pending enrolment is a row with confirmed = 0: it counts for nothing, and its failures are those
// of its confirmation. authority: 0 enrol_grant, 1 existing_factor, 2 recovery.
constexpr std::array kMigrations{
    store::Migration{"factors", 1, R"(
CREATE TABLE factor (
  id BYTES PRIMARY KEY NOT NULL,
  account BYTES NOT NULL,
  kind BIGINT NOT NULL,
  label TEXT NOT NULL,
  sealed BYTES,
  parameters BIGINT NOT NULL DEFAULT 0,
  last_step BIGINT NOT NULL DEFAULT 0,
  drift BIGINT NOT NULL DEFAULT 0,
  created BIGINT NOT NULL,
  last_used BIGINT NOT NULL DEFAULT 0,
  failures BIGINT NOT NULL DEFAULT 0,
  locked_until BIGINT NOT NULL DEFAULT 0,
  disabled BIGINT NOT NULL DEFAULT 0,
  confirmed BIGINT NOT NULL,
  authority BIGINT NOT NULL DEFAULT 0,
  expires BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX factor_by_account ON factor (account);
CREATE TABLE factor_challenge (
  id BYTES PRIMARY KEY NOT NULL,
  account BYTES NOT NULL,
  kind BIGINT NOT NULL,
  purpose BYTES NOT NULL,
  payload BYTES NOT NULL,
  expires BIGINT NOT NULL
);
CREATE TABLE recovery_code (
  hash BYTES PRIMARY KEY NOT NULL,
  factor BYTES NOT NULL
);
CREATE INDEX recovery_code_by_factor ON recovery_code (factor)
)"},
    // Questions belong to a session now (there was no kind that asked any). passkey_used: questions to
    // nobody in particular that were answered, until they have long expired.
    store::Migration{"factors", 2, R"(
DROP TABLE factor_challenge;
CREATE TABLE factor_challenge (
  id BYTES PRIMARY KEY NOT NULL,
  account BYTES NOT NULL,
  session BYTES NOT NULL,
  kind BIGINT NOT NULL,
  purpose BYTES NOT NULL,
  payload BYTES NOT NULL,
  expires BIGINT NOT NULL
);
CREATE INDEX factor_challenge_by_account ON factor_challenge (account);
CREATE TABLE webauthn_credential (
  factor BYTES PRIMARY KEY NOT NULL,
  credential BYTES NOT NULL,
  algorithm BIGINT NOT NULL,
  public_key BYTES NOT NULL,
  sign_count BIGINT NOT NULL,
  aaguid BYTES NOT NULL,
  backup_eligible BIGINT NOT NULL,
  backed_up BIGINT NOT NULL,
  transports TEXT NOT NULL,
  format TEXT NOT NULL,
  trust BIGINT NOT NULL
);
CREATE UNIQUE INDEX webauthn_credential_by_id ON webauthn_credential (credential);
CREATE TABLE passkey_used (
  nonce BYTES PRIMARY KEY NOT NULL,
  expires BIGINT NOT NULL
)
)"},
    // A token whose factor is not null is given out: its seed stands in the factor's row.
    store::Migration{"factors", 3, R"(
CREATE TABLE hardware_token (
  serial TEXT PRIMARY KEY NOT NULL,
  sealed BYTES,
  digits BIGINT NOT NULL,
  counter BIGINT NOT NULL,
  imported BIGINT NOT NULL,
  pending BYTES,
  factor BYTES
);
CREATE INDEX hardware_token_by_factor ON hardware_token (factor);
CREATE INDEX hardware_token_by_pending ON hardware_token (pending)
)"},
    // The digits of a prompt stand as a keyed hash. Prompts are kept for hours after their end: how many
    // there were, and how many were said to be somebody else's, decides whether there may be more.
    store::Migration{"factors", 4, R"(
CREATE TABLE push_device (
  factor BYTES PRIMARY KEY NOT NULL,
  public_key BYTES NOT NULL,
  subscription BYTES
);
CREATE UNIQUE INDEX push_device_by_key ON push_device (public_key);
CREATE TABLE push_prompt (
  id BYTES PRIMARY KEY NOT NULL,
  account BYTES NOT NULL,
  session BYTES NOT NULL,
  source TEXT NOT NULL,
  client TEXT NOT NULL,
  operation TEXT NOT NULL,
  object TEXT NOT NULL,
  digits BYTES NOT NULL,
  created BIGINT NOT NULL,
  expires BIGINT NOT NULL,
  state BIGINT NOT NULL,
  answered BIGINT NOT NULL DEFAULT 0,
  answered_by BYTES
);
CREATE INDEX push_prompt_by_account ON push_prompt (account);
CREATE INDEX push_prompt_by_session ON push_prompt (session);
CREATE TABLE push_sleeper (
  account BYTES NOT NULL,
  source TEXT NOT NULL,
  until BIGINT NOT NULL,
  PRIMARY KEY (account, source)
)
)"},
    // plugin: of kind 7 alone. plugin_removal: what plug-ins have not been told yet.
    store::Migration{"factors", 5, R"(
ALTER TABLE factor ADD COLUMN plugin TEXT;
CREATE TABLE plugin_removal (
  factor BYTES PRIMARY KEY NOT NULL,
  account BYTES NOT NULL,
  plugin TEXT NOT NULL
)
)"},
    // The numbers among which one picks, with commas; none where digits are typed. Which of them is right,
    // only the keyed hash knows.
    store::Migration{"factors", 6, R"(
ALTER TABLE push_prompt ADD COLUMN choices TEXT
)"},
};

}  // namespace

std::span<const store::Migration> migrations() { return kMigrations; }

Result<void> void_after_restore(store::Tx& tx, WallTime now) {
  for (const std::string_view sql : {"DELETE FROM factor WHERE confirmed = 0", "DELETE FROM factor_challenge",
                                     "DELETE FROM push_prompt", "DELETE FROM recovery_code", "UPDATE factor SET failures = 0 WHERE kind = 3"}) {
    auto gone = tx.run(sql);
    if (!gone) return std::move(gone).error();
  }
  // An authenticator that runs fast may have used the step after the present one.
  auto raised = tx.run("UPDATE factor SET last_step = $1 WHERE kind = 2 AND last_step < $1", {totp_step(now) + 1});
  if (!raised) return std::move(raised).error();
  // How often a token was used since the backup, nobody knows either: so many codes are skipped.
  auto skipped = tx.run("UPDATE factor SET last_step = last_step + $1 WHERE kind = 5", {kSkippedByRestore});
  if (!skipped) return std::move(skipped).error();
  // Which questions to passkeys had been answered since the backup, nobody knows: those that may still
  // be open count as answered.
  auto closed = tx.run("INSERT INTO passkey_used (nonce, expires) VALUES ($1, $2) ON CONFLICT (nonce) DO UPDATE SET expires = $2",
                       {as_bytes(kPasskeysRestored), now + kLongestChallenge});
  if (!closed) return std::move(closed).error();
  return {};
}

Result<void> accept_clock(store::Tx& tx, WallTime now) {
  for (const std::string_view sql : {"DELETE FROM factor WHERE confirmed = 0", "DELETE FROM factor_challenge",
                                     "DELETE FROM push_prompt", "DELETE FROM push_sleeper"}) {
    auto gone = tx.run(sql);
    if (!gone) return std::move(gone).error();
  }
  // Authenticators show codes by their own clocks: those of steps ahead were hardly ever given, and
  // with them taken for used nobody could sign in until the real time has caught up.
  auto steps = tx.run("UPDATE factor SET last_step = $1 WHERE kind = 2", {totp_step(now) + 1});
  if (!steps) return std::move(steps).error();
  for (const std::string_view sql : {"UPDATE factor SET locked_until = $1 WHERE locked_until > $1",
                                     "UPDATE factor SET last_used = $1 WHERE last_used > $1"}) {
    auto set = tx.run(sql, {now});
    if (!set) return std::move(set).error();
  }
  // A restore under that clock would keep passkeys out until the real time has caught up.
  auto closed = tx.run("UPDATE passkey_used SET expires = $2 WHERE nonce = $1 AND expires > $2",
                       {as_bytes(kPasskeysRestored), now + kLongestChallenge});
  if (!closed) return std::move(closed).error();
  return {};
}

}  // namespace vestibule::factors
