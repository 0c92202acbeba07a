#include <array>

#include "approval/confirmations.hpp"
#include "approval/mandates.hpp"
#include "approval/requests.hpp"

namespace vestibule::approval {
namespace {

constexpr std::array kMigrations{
    store::Migration{"approval", 1, R"(
CREATE TABLE approval_request (
  id BYTES PRIMARY KEY NOT NULL,
  code BYTES NOT NULL,
  call_group BYTES NOT NULL,
  account BYTES NOT NULL,
  credential BYTES NOT NULL,
  credential_name TEXT NOT NULL,
  source_key TEXT NOT NULL,
  source TEXT NOT NULL,
  client TEXT NOT NULL,
  access_point TEXT NOT NULL,
  operation TEXT NOT NULL,
  level BIGINT NOT NULL,
  max_age BIGINT NOT NULL,
  kinds BIGINT NOT NULL,
  created BIGINT NOT NULL,
  expires BIGINT NOT NULL,
  known_source BIGINT NOT NULL,
  rung BIGINT NOT NULL,
  state BIGINT NOT NULL
);
CREATE UNIQUE INDEX approval_request_by_code ON approval_request (code);
CREATE INDEX approval_request_by_account ON approval_request (account);
CREATE TABLE approval_source (
  account BYTES NOT NULL,
  source_key TEXT NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (account, source_key)
);
CREATE TABLE approval_refusal (
  account BYTES NOT NULL,
  credential BYTES NOT NULL,
  source_key TEXT NOT NULL,
  until BIGINT NOT NULL,
  PRIMARY KEY (account, credential, source_key)
);
CREATE TABLE approval_guess (
  account BYTES PRIMARY KEY NOT NULL,
  wrong BIGINT NOT NULL,
  since BIGINT NOT NULL
)
)"},
    store::Migration{"approval", 2, R"(
CREATE TABLE mandate (
  id BYTES PRIMARY KEY NOT NULL,
  account BYTES NOT NULL,
  name TEXT NOT NULL,
  credential BYTES NOT NULL,
  credential_name TEXT NOT NULL,
  scope TEXT NOT NULL,
  max_body BIGINT NOT NULL,
  calls BIGINT NOT NULL,
  tokens BIGINT NOT NULL,
  calls_left BIGINT NOT NULL,
  tokens_left BIGINT NOT NULL,
  starts BIGINT NOT NULL,
  ends BIGINT NOT NULL,
  made BIGINT NOT NULL,
  revoked BIGINT NOT NULL,
  factor BYTES NOT NULL,
  proofs BYTES NOT NULL
);
CREATE INDEX mandate_by_account ON mandate (account)
)"},
    // Whose credential it is for, where it is a service's.
    store::Migration{"approval", 3, "ALTER TABLE mandate ADD COLUMN service BYTES"},
    // A tool call that a person confirms, and who has. What it says lies sealed.
    store::Migration{"approval", 4, R"(
CREATE TABLE confirmation (
  id BYTES PRIMARY KEY NOT NULL,
  account BYTES NOT NULL,
  call_group BYTES NOT NULL,
  credential BYTES NOT NULL,
  source_key TEXT NOT NULL,
  access_point TEXT NOT NULL,
  tool TEXT NOT NULL,
  digest BYTES NOT NULL,
  raw BYTES NOT NULL,
  policy BYTES NOT NULL,
  need BYTES NOT NULL,
  people BIGINT NOT NULL,
  created BIGINT NOT NULL,
  expires BIGINT NOT NULL,
  rung BIGINT NOT NULL,
  stage BIGINT NOT NULL,
  settled BIGINT NOT NULL,
  justification TEXT NOT NULL,
  content BYTES NOT NULL
);
CREATE INDEX confirmation_by_account ON confirmation (account, expires);
CREATE INDEX confirmation_by_group ON confirmation (call_group);
CREATE INDEX confirmation_by_expiry ON confirmation (expires);
CREATE TABLE confirmation_signature (
  confirmation BYTES NOT NULL,
  account BYTES NOT NULL,
  factor BYTES NOT NULL,
  proofs BYTES NOT NULL,
  at BIGINT NOT NULL,
  note TEXT NOT NULL,
  statement TEXT NOT NULL,
  signed_list BYTES NOT NULL,
  PRIMARY KEY (confirmation, account)
)
)"},
    store::Migration{"approval", 5, R"(
CREATE TABLE tool_definition (
  access_point TEXT NOT NULL,
  tool TEXT NOT NULL,
  accepted BYTES NOT NULL,
  accepted_text TEXT NOT NULL,
  since BIGINT NOT NULL,
  by_name TEXT NOT NULL,
  shown BYTES NOT NULL,
  shown_text TEXT NOT NULL,
  changed BIGINT NOT NULL,
  bytes BIGINT NOT NULL,
  revision BIGINT NOT NULL,
  PRIMARY KEY (access_point, tool)
)
)"},
    // Where a confirmed call may be made once more, and when it was; when those were rung again who have not signed.
    store::Migration{"approval", 6, R"(
ALTER TABLE confirmation ADD COLUMN also TEXT NOT NULL DEFAULT '';
ALTER TABLE confirmation ADD COLUMN carried BIGINT NOT NULL DEFAULT 0;
ALTER TABLE confirmation ADD COLUMN reminded BIGINT NOT NULL DEFAULT 0
)"},
};

}  // namespace

std::span<const store::Migration> migrations() { return kMigrations; }

// What nobody could answer any more, or was answered in another life of the database.
Result<void> void_after_restore(store::Tx& tx) {
  for (const std::string_view sql : {"DELETE FROM approval_request", "DELETE FROM approval_guess", "DELETE FROM mandate",
                                     // Receipts stay: what was used is used.
                                     "DELETE FROM confirmation_signature WHERE confirmation IN (SELECT id FROM confirmation WHERE stage <> 2)",
                                     "DELETE FROM confirmation WHERE stage <> 2",
                                     // As kNeverCarried: whether it was, this life of the database cannot know.
                                     "UPDATE confirmation SET carried = 1 WHERE carried IN (0, 2) AND also <> ''"}) {
    auto gone = tx.run(sql);
    if (!gone) return std::move(gone).error();
  }
  tx.changed(kApprovalTopic, {});
  tx.changed(kMandateTopic, {});
  tx.changed(kConfirmationTopic, {});
  return {};
}

Result<void> accept_clock(store::Tx& tx, WallTime now) {
  auto voided = void_after_restore(tx);
  if (!voided) return voided;
  // What the owner disowned stays so, for as long as it would have from now on.
  auto kept = tx.run("UPDATE approval_refusal SET until = $1 WHERE until > $1", {now + Options().refuses});
  if (!kept) return std::move(kept).error();
  return {};
}

}  // namespace vestibule::approval
