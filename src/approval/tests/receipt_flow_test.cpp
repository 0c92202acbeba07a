// A receipt from end to end: a key that is enrolled, a question, an answer, the gateway's own log, and the check.
#include <gtest/gtest.h>

#include "approval/receipt.hpp"
#include "approval/tests/world.hpp"
#include "audit/log.hpp"
#include "crypto/hash.hpp"
#include "domain/act.hpp"
#include "factors/tests/authenticator.hpp"

namespace vestibule::approval {
namespace {

using factors::Given;

class ReceiptFlow : public ::testing::Test, public testing::ApprovalWorld {
 protected:
  void SetUp() override {
    open();
    alice = make_user("alice");
    auto enrolled = database->write_blocking([&](store::Tx& tx) -> Result<void> {
      const identity::Actor by = asking();
      auto begun = factors->begin_enrolment_in(tx, alice, domain::FactorKind::webauthn, "key", factors::Authority::existing_factor, by, clock.now());
      if (!begun) return std::move(begun).error();
      auto confirmed = factors->confirm_in(tx, alice, begun->id, key.create(begun->options), by, clock.now());
      if (!confirmed) return std::move(confirmed).error();
      return {};
    });
    ASSERT_TRUE(enrolled) << enrolled.error().detail;
  }
  void TearDown() override { close(); }

  identity::Actor asking() {
    identity::Actor a = known(alice);
    a.session = *SessionId::from(Bytes(16, 9));
    return a;
  }
  Action action(std::string arguments) {
    Action a;
    a.id = ConfirmationId::make(rng);
    a.access_point = "bank";
    a.tool = "transfer";
    a.arguments = std::move(arguments);
    a.user = "alice";
    a.account = alice;
    a.expires = clock.wall() + std::chrono::minutes(5);
    return a;
  }
  /// One touch over all of them; each has a record of its own.
  Result<Given> confirm(std::span<const Digest> digests) {
    const std::string purpose = purpose_of(digests);
    auto question = database->write_blocking([&](store::Tx& tx) { return factors->begin_in(tx, domain::FactorKind::webauthn, purpose, asking(), clock.now()); });
    if (!question) return std::move(question).error();
    clock.advance(std::chrono::seconds(5));
    return database->write_blocking([&](store::Tx& tx) -> Result<Given> {
      factors::Attempt attempt;
      attempt.kind = domain::FactorKind::webauthn;
      attempt.answer = Secret(key.get(question->options));
      attempt.purpose = purpose;
      attempt.by = asking();
      attempt.challenge = question->id;
      auto charged = factors->charge_in(tx, std::move(attempt), clock.now());
      if (!charged) return std::move(charged).error();
      auto given = factors->prove_in(tx, std::move(*charged), clock.now());
      if (!given) return given;
      for (const Digest& d : digests) {
        const std::string note = confirmation_note(d, *given);
        record(tx, audit::Kind::change, kConfirm, note, {}, {});
      }
      return given;
    });
  }
  void let_out(const Action& a) {
    auto done = database->write_blocking([&](store::Tx& tx) -> Result<void> {
      const std::string note = dispatch_note(digest_of(*canonical(a)));
      record(tx, audit::Kind::admission, domain::kToolCall, note, a.access_point, crypto::sha256(as_bytes(a.arguments)));
      record(tx, audit::Kind::system, "stop", {}, {}, {});  // with a checkpoint
      return {};
    });
    ASSERT_TRUE(done) << done.error().detail;
  }
  void record(store::Tx& tx, audit::Kind kind, std::string_view operation, std::string_view note, std::string_view access_point, const Digest& body) {
    const identity::Actor by = asking();
    audit::Record r;
    r.kind = kind;
    r.at = clock.wall();
    r.now = clock.now();
    r.operation = operation;
    r.access_point = access_point;
    r.reason = Reason::ok;
    r.body_digest = body;
    r.user = by.user;
    r.user_name = by.name.view();
    r.session = by.session;
    r.note = note;
    log->append(tx, r);
  }
  Result<std::string> receipt_of(const Action& a, std::span<const Digest> digests, const factors::Statement& statement) {
    return database->read_blocking([&](store::Tx& tx) -> Result<std::string> {
      const std::string text = *canonical(a);
      const std::string dispatched = dispatch_note(digest_of(text));
      std::vector<audit::Entry> about;
      auto listed = audit::list(tx, {}, [&](const audit::Entry& e) {
        if (e.note.starts_with(dispatched)) about.push_back(e);
        return true;
      });
      if (!listed) return std::move(listed).error();
      Receipt r;
      r.action = text;
      for (const audit::Entry& e : about) {
        auto opened = audit::prove_opened(tx, e.seq);
        if (!opened) return std::move(opened).error();
        if (e.note == dispatched) {
          r.dispatched = *opened;
        } else {
          r.confirmed.push_back({*opened, {digests.begin(), digests.end()}, factors::canonical(statement)});
        }
      }
      return write_receipt(r);
    });
  }
  ReceiptExpectations expected() {
    const auto& k = log->public_key();
    ReceiptExpectations e;
    e.logs.push_back({{}, Bytes(k.begin(), k.end())});
    e.relying_party = "localhost";
    e.origins = {"http://localhost:8422"};
    e.now = clock.wall();
    e.max_age = std::chrono::seconds(60);
    e.dispatched = true;
    return e;
  }

  testing::SoftAuthenticator key;
  UserId alice;
};

TEST_F(ReceiptFlow, WhatWasConfirmedAndLetOutProvesItself) {
  const Action first = action(R"({ "to": "bob", "amount": 250 })");
  const Action second = action(R"({"path":"/srv/old"})");
  const std::vector<Digest> digests = {digest_of(*canonical(first)), digest_of(*canonical(second))};
  const auto given = confirm(digests);
  ASSERT_TRUE(given) << given.error().detail;
  ASSERT_TRUE(given->statement);
  let_out(second);
  const auto receipt = receipt_of(second, digests, *given->statement);
  ASSERT_TRUE(receipt) << receipt.error().detail;
  const auto summary = check_receipt(*receipt, expected());
  ASSERT_TRUE(summary) << summary.error().detail;
  EXPECT_EQ(summary->tool, "transfer");
  EXPECT_EQ(summary->arguments, R"({"path":"/srv/old"})");
  ASSERT_EQ(summary->confirmed.size(), 1U);
  EXPECT_EQ(summary->confirmed[0].user, "alice");
  EXPECT_EQ(summary->confirmed[0].account, alice.text());
  EXPECT_EQ(summary->confirmed[0].credential, base64url(key.id()));
  EXPECT_TRUE(summary->confirmed[0].bound && summary->confirmed[0].user_verified && summary->confirmed[0].device_bound);
  EXPECT_TRUE(summary->dispatched);

  // The other one of the list was confirmed, and not let out.
  const auto waiting = receipt_of(first, digests, *given->statement);
  ASSERT_TRUE(waiting);
  EXPECT_TRUE(check_receipt(*waiting, expected()).error().detail.starts_with("not_dispatched: "));
  ReceiptExpectations open = expected();
  open.dispatched = false;
  const auto other = check_receipt(*waiting, open);
  ASSERT_TRUE(other) << other.error().detail;
  EXPECT_EQ(other->arguments, R"({"amount":250,"to":"bob"})");
}

TEST_F(ReceiptFlow, AnActionThatNobodyConfirmedHasNoRecords) {
  const Action a = action("{}");
  const Action never = action("{}");
  const std::vector<Digest> digests = {digest_of(*canonical(a))};
  const auto given = confirm(digests);
  ASSERT_TRUE(given) << given.error().detail;
  let_out(a);
  const auto empty = receipt_of(never, digests, *given->statement);
  ASSERT_TRUE(empty);
  EXPECT_TRUE(check_receipt(*empty, expected()).error().detail.starts_with("unconfirmed: "));
}

}  // namespace
}  // namespace vestibule::approval
