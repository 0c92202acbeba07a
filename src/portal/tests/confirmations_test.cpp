// Tool calls confirmed over the control API: what a touch is good for, and what confirms nothing.
#include <gtest/gtest.h>

#include <mutex>

#include "factors/tests/authenticator.hpp"
#include "portal/tests/world.hpp"

namespace vestibule::portal {
namespace {

using namespace std::chrono_literals;
using approval::ConfirmationId;
using testing::HttpReply;
using testing::SoftAuthenticator;

class ConfirmationsApiTest : public testing::PortalWorld, public ::testing::Test {
 protected:
  using Ids = std::vector<ConfirmationId>;

  ~ConfirmationsApiTest() override { close(); }
  void SetUp() override {
    file = folder / "confirmations.db";
    open();
    root = set_up();
    alice = create(root, "alice", "member");
    bob = create(root, "bob", "member");
    enrol(alice, hers);
    enrol(bob, his);
  }
  void open_rooms_above() override {
    PortalWorld::open_rooms_above();
    auto opened = approval::Confirmations::open(*database, *keys, *users, *factors, *log, clock, rng, {});
    ASSERT_TRUE(opened) << opened.error().detail;
    confirmations = std::move(*opened);
  }
  void close_rooms_above() override {
    confirmations.reset();
    PortalWorld::close_rooms_above();
  }
  wire::Handler& handler(net::Core&) override {
    const std::lock_guard lock(opening);
    if (!confirming) {
      Services s = services();
      s.confirmations = confirmations.get();
      confirming = std::make_unique<Portal>(std::move(s));
    }
    return *confirming;
  }
  void close() override {
    PortalWorld::close();
    confirming.reset();
  }
  void enrol(Person& p, SoftAuthenticator& key) {
    HttpReply begun = bound(p, "/v1/factors/webauthn");
    ASSERT_EQ(begun.code(), "ok") << begun.body;
    json::Value answer;
    answer.set("code", key.create(begun.text("options")));
    HttpReply done = post("/v1/factors/" + begun.text("id") + "/confirm", answer.dump(), p.handle);
    ASSERT_EQ(done.code(), "ok") << done.body;
  }
  ConfirmationId ask(const Person& p, std::string arguments, bool only_signed = true) {
    const UserId id = *users->find(p.name);
    approval::Wanted w;
    w.action.access_point = "lab";
    w.action.tool = "transfer";
    w.action.arguments = std::move(arguments);
    w.action.user = p.name;
    w.action.account = id;
    w.action.source = "198.51.100.7";
    w.source_key = "198.51.100.7";
    w.credential[0] = 1;
    w.need.confirmation = domain::Confirmation::self;
    w.need.bound = only_signed;
    auto asked = run(confirmations->ask({std::move(w)}, known(id)));
    EXPECT_TRUE(asked) << (asked ? "" : asked.error().detail);
    return asked ? asked->front().id : ConfirmationId{};
  }
  static json::Value body_of(const Ids& ids) {
    json::Value list{json::Array{}};
    for (const ConfirmationId id : ids) list.push(id.text());
    json::Value v;
    v.set("ids", std::move(list));
    return v;
  }
  /// With a touch of the key's for these calls in this order.
  json::Value touched(const Person& p, SoftAuthenticator& key, const Ids& ids, const Ids& sent) {
    std::vector<Digest> digests;
    for (const ConfirmationId id : ids) {
      for (const Person* owner : {&alice, &bob}) {
        const auto c = run(confirmations->look(*users->find(owner->name), id));
        if (c) digests.push_back(c->digest);
      }
    }
    EXPECT_EQ(digests.size(), ids.size());
    json::Value question;
    question.set("kind", "webauthn").set("operation", approval::kConfirm).set("object", approval::object_of(digests));
    HttpReply asked = post("/v1/challenges", question.dump(), p.handle);
    EXPECT_EQ(asked.code(), "ok") << asked.body;
    json::Value out = body_of(sent);
    out.set("kind", "webauthn").set("challenge", asked.text("challenge")).set("code", key.get(asked.text("options")));
    return out;
  }
  std::string confirm(const Person& p, const json::Value& body) { return post("/v1/confirmations/confirm", body.dump(), p.handle).code(); }
  std::size_t waiting(const Person& p) {
    HttpReply list = get("/v1/confirmations", p.handle);
    EXPECT_EQ(list.code(), "ok") << list.body;
    std::size_t n = 0;
    for (const json::Value& c : list.json.find("confirmations")->items()) {
      EXPECT_TRUE(c.find("signatures")->items().empty()) << list.body;
      ++n;
    }
    return n;
  }
  std::string stage(const Person& p, ConfirmationId id) { return get("/v1/confirmations/" + id.text(), p.handle).text("stage"); }

  Person root, alice, bob;
  SoftAuthenticator hers, his;
  std::unique_ptr<approval::Confirmations> confirmations;
  std::unique_ptr<Portal> confirming;
  std::mutex opening;
};

TEST_F(ConfirmationsApiTest, ATouchIsForTheseCallsInThisOrder) {
  const ConfirmationId a = ask(alice, R"({"amount":1})");
  const ConfirmationId b = ask(alice, R"({"amount":1000})");
  struct Row {
    const char* name;
    Ids touched, sent;
  };
  for (const Row& row : {Row{"for another call", {a}, {b}}, Row{"for one more", {a}, {a, b}}, Row{"in another order", {a, b}, {b, a}},
                         Row{"for less", {a, b}, {a}}}) {
    EXPECT_EQ(confirm(alice, touched(alice, hers, row.touched, row.sent)), "code_wrong") << row.name;
    EXPECT_EQ(waiting(alice), 2U) << row.name;
  }
  const json::Value good = touched(alice, hers, {a, b}, {a, b});
  EXPECT_EQ(confirm(alice, good), "ok");
  EXPECT_EQ(stage(alice, a), "confirmed");
  EXPECT_EQ(stage(alice, b), "confirmed");
  EXPECT_EQ(confirm(alice, good), "conflict") << "sent again";
  const ConfirmationId c = ask(alice, R"({"amount":2})");
  json::Value again = good;
  again.set("ids", *body_of({c}).find("ids"));
  EXPECT_EQ(confirm(alice, again), "code_wrong") << "nor for another one";
  EXPECT_EQ(waiting(alice), 1U);
}

TEST_F(ConfirmationsApiTest, NothingOfSomebodyElsesAndNothingThatHasExpired) {
  const ConfirmationId a = ask(alice, R"({"amount":1})");
  const ConfirmationId b = ask(bob, R"({"amount":1})");
  EXPECT_EQ(confirm(bob, touched(bob, his, {a}, {a})), "not_found");
  EXPECT_EQ(confirm(bob, touched(bob, his, {b, a}, {b, a})), "not_found") << "one of them is hers";
  EXPECT_EQ(confirm(bob, touched(bob, his, {b}, {a})), "not_found");
  EXPECT_EQ(confirm(bob, touched(alice, hers, {b}, {b})), "code_wrong") << "another's touch";
  EXPECT_EQ(get("/v1/confirmations/" + a.text(), bob.handle).code(), "not_found");
  EXPECT_EQ(waiting(alice), 1U);
  EXPECT_EQ(waiting(bob), 1U);
  EXPECT_EQ(confirm(bob, touched(bob, his, {b}, {b})), "ok");
  clock.advance(5min);
  EXPECT_EQ(confirm(alice, touched(alice, hers, {a}, {a})), "confirmation_expired");
  const ConfirmationId anew = ask(alice, R"({"amount":1})");
  EXPECT_NE(anew, a);
  EXPECT_EQ(confirm(alice, touched(alice, hers, {anew}, {anew})), "ok");
}

TEST_F(ConfirmationsApiTest, ACodeConfirmsNothingThatIsToBeSigned) {
  const ConfirmationId id = ask(alice, R"({"amount":1})");
  const ConfirmationId loose = ask(alice, R"({"amount":2})", /*only_signed=*/false);
  json::Value body = body_of({id});
  body.set("code", fresh(alice));
  EXPECT_EQ(confirm(alice, body), "mfa_required");
  body.set("ids", *body_of({loose, id}).find("ids"));
  EXPECT_EQ(confirm(alice, body), "mfa_required") << "in a list neither";
  EXPECT_EQ(waiting(alice), 2U);
  body.set("ids", *body_of({loose}).find("ids"));
  EXPECT_EQ(confirm(alice, body), "ok") << "where a code will do; and it was not spent";
  EXPECT_EQ(confirm(alice, touched(alice, hers, {id}, {id})), "ok");
}

}  // namespace
}  // namespace vestibule::portal
