// Service accounts over the control API: who makes them, who answers for them, and what they never reach.
#include <gtest/gtest.h>

#include <algorithm>

#include "portal/call.hpp"
#include "portal/tests/world.hpp"

namespace vestibule::portal {
namespace {

using namespace std::chrono_literals;
using testing::HttpReply;
using testing::PortalWorld;

class ServicesApiTest : public ::testing::Test, public PortalWorld {
 protected:
  void SetUp() override {
    open();
    root = set_up();
    alice = create(root, "alice", "member");
    bob = create(root, "bob", "member");
  }
  static json::Value body(std::initializer_list<std::pair<const char*, std::string>> members) {
    json::Value v{json::Object{}};
    for (const auto& [key, value] : members) v.set(key, value);
    return v;
  }
  HttpReply make(Person& by, const std::string& name, const std::string& sponsor = {}, const std::string& role = {}) {
    json::Value b = body({{"name", name}});
    if (!sponsor.empty()) b.set("sponsor", sponsor);
    if (!role.empty()) {
      json::Value roles;
      roles.push(role);
      b.set("roles", std::move(roles));
    }
    return bound(by, "/v1/services", std::move(b));
  }
  /// As this person's list shows it.
  json::Value seen(const Person& p, const std::string& name = "crawler") {
    const HttpReply list = get("/v1/services", p.handle);
    const json::Value* const all = list.json.find("services");
    if (all != nullptr) {
      for (const json::Value& s : all->items()) {
        if (s.get_string("name").value_or("") == name) return s;
      }
    }
    return json::Value{};
  }
  std::string state() { return seen(alice).get_string("state").value_or("?"); }
  void deputise(Person& p) {
    ASSERT_EQ(bound(alice, "/v1/services/crawler/deputies", body({{"person", p.name}})).code(), "ok");
    ASSERT_EQ(bound(p, "/v1/services/crawler/accept", body({{"part", "deputy"}})).code(), "ok");
  }
  std::string key_of(Person& p, const std::string& name = "nightly", std::string* id = nullptr) {
    HttpReply made = bound(p, "/v1/keys", body({{"name", name}, {"service", "crawler"}}));
    EXPECT_EQ(made.code(), "ok") << made.body;
    if (id != nullptr) *id = made.text("id");
    return made.text("key");
  }
  HttpReply unlock(Person& p, const std::string& id) {
    json::Value wish = body({{"source", "198.51.100.7"}});
    wish.set("lasts_s", std::int64_t{3600});
    return bound(p, "/v1/keys/" + id + "/unlock", std::move(wish));
  }
  session::Identified called(const std::string& key) {
    const auto at = session::Presented::at(*domain::Source::parse("198.51.100.7"), "lab");
    auto who = sessions->identify(key, session::Audience::access, at, clock.now());
    EXPECT_TRUE(who) << (who ? "" : info(who.error().code).code);
    return who ? *who : session::Identified{};
  }
  approval::Requests::Asked ask(const std::string& key) {
    const session::Identified who = called(key);
    approval::Ask a;
    a.user = who.subject.user;
    a.credential = who.credential;
    a.credential_name = who.subject.via.view();
    a.source = "198.51.100.7";
    a.source_key = a.source;
    a.client = "openai/6";
    a.access_point = "lab";
    a.operation = "chat";
    a.need.max_age = 30min;
    auto asked = run(approvals->ask(a, session::actor_of(who, *domain::Source::parse(a.source), a.client, RequestId::make(rng))));
    EXPECT_TRUE(asked);
    return asked ? *asked : approval::Requests::Asked{};
  }

  Person root, alice, bob;
};

TEST_F(ServicesApiTest, APersonMakesOneForHerselfWithinHerRoles) {
  EXPECT_EQ(post("/v1/services", body({{"name", "crawler"}, {"code", "000000"}}).dump(), alice.handle).code(), "code_wrong");
  EXPECT_EQ(make(alice, "crawler", "bob").code(), "role_required");
  EXPECT_EQ(make(alice, "crawler", {}, "administrator").code(), "role_required");
  EXPECT_EQ(make(alice, "crawler", {}, "batch").code(), "role_required") << "a role that she lacks";
  EXPECT_EQ(make(alice, "bob").code(), "user_exists");
  ASSERT_EQ(make(alice, "crawler").code(), "ok");
  EXPECT_EQ(state(), "awake");
  EXPECT_EQ(seen(alice).get_string("sponsor").value_or(""), "alice");
  EXPECT_TRUE(seen(bob).get_string("name").value_or("").empty()) << "nobody else's business";
  EXPECT_EQ(get("/v1/services?all=true", bob.handle).code(), "role_required");
  EXPECT_NE(get("/v1/services?all=true", root.handle).body.find("crawler"), std::string::npos);
  EXPECT_NE(get("/v1/users", root.handle).body.find(R"("service":true)"), std::string::npos);
}

TEST_F(ServicesApiTest, AnAdministratorsSponsorAcceptsWhatHeHasRead) {
  ASSERT_EQ(make(root, "crawler", "alice", "batch").code(), "ok");
  EXPECT_EQ(seen(alice).get_string("state").value_or(""), "asleep");
  const json::Value offer = *seen(alice).find("offered_sponsor");
  EXPECT_NE(offer.get_string("text").value_or("").find("\"crawler\", with the roles: batch"), std::string::npos);
  EXPECT_EQ(bound(bob, "/v1/services/crawler/accept", body({{"part", "sponsor"}})).code(), "not_found");
  EXPECT_EQ(bound(root, "/v1/services/crawler/accept", body({{"part", "sponsor"}})).code(), "not_found");
  EXPECT_EQ(bound(alice, "/v1/services/crawler/accept", body({{"part", "king"}})).code(), "invalid_argument");
  ASSERT_EQ(bound(alice, "/v1/services/crawler/accept", body({{"part", "sponsor"}})).code(), "ok");
  EXPECT_EQ(state(), "awake");
}

TEST_F(ServicesApiTest, ADeputyWhoHasNotAcceptedDoesNothing) {
  ASSERT_EQ(make(alice, "crawler").code(), "ok");
  std::string id;
  const std::string key = key_of(alice, "nightly", &id);
  EXPECT_EQ(bound(bob, "/v1/services/crawler/deputies", body({{"person", "bob"}})).code(), "not_found");
  ASSERT_EQ(bound(alice, "/v1/services/crawler/deputies", body({{"person", "bob"}})).code(), "ok");
  EXPECT_EQ(unlock(bob, id).code(), "not_found");
  EXPECT_EQ(bound(bob, "/v1/keys", body({{"name", "his"}, {"service", "crawler"}})).code(), "not_found");
  EXPECT_EQ(get("/v1/keys?user=crawler", bob.handle).code(), "role_required");
  EXPECT_EQ(post("/v1/keys/" + id + "/revoke", "{}", bob.handle).code(), "role_required");
  EXPECT_EQ(post("/v1/keys/" + id + "/sleep", "{}", bob.handle).code(), "not_found");
  EXPECT_EQ(bound(bob, "/v1/services/crawler/take-over").code(), "not_found");
  EXPECT_EQ(bound(bob, "/v1/services/crawler/remove").code(), "not_found");
  const auto asked = ask(key);
  EXPECT_EQ(bound(bob, "/v1/approvals/" + asked.id.text() + "/approve").code(), "not_found");
  ASSERT_EQ(bound(bob, "/v1/services/crawler/accept", body({{"part", "deputy"}})).code(), "ok");
  EXPECT_EQ(unlock(bob, id).code(), "ok");
  EXPECT_NE(get("/v1/keys?user=crawler", bob.handle).body.find("nightly"), std::string::npos);
}

TEST_F(ServicesApiTest, ItsCallsAskTheSponsorAndTheDeputies) {
  ASSERT_EQ(make(alice, "crawler").code(), "ok");
  deputise(bob);
  const std::string key = key_of(alice);
  const auto asked = ask(key);
  ASSERT_EQ(asked.state, approval::State::waiting);
  for (const Person& p : {alice, bob}) {
    const HttpReply list = get("/v1/approvals", p.handle);
    EXPECT_NE(list.body.find("service crawler, key nightly"), std::string::npos) << p.name << list.body;
  }
  EXPECT_EQ(get("/v1/approvals", root.handle).body.find("crawler"), std::string::npos) << "administrators are not asked";
  EXPECT_EQ(bound(root, "/v1/approvals/" + asked.id.text() + "/approve").code(), "not_found");
  EXPECT_EQ(post("/v1/approvals/" + asked.id.text() + "/decline", "{}", root.handle).code(), "not_found");
  EXPECT_EQ(post("/v1/approvals/" + asked.id.text() + "/not-me", "{}", root.handle).code(), "not_found");
  EXPECT_EQ(domain::level(called(key).evidence, clock.now(), true, 1h), 0);
  ASSERT_EQ(bound(bob, "/v1/approvals/" + asked.id.text() + "/approve").code(), "ok");
  EXPECT_EQ(domain::level(called(key).evidence, clock.now(), true, 1h), 2);
  EXPECT_EQ(bound(alice, "/v1/approvals/" + asked.id.text() + "/approve").code(), "conflict") << "one answer counts";
  const auto elsewhere = session::Presented::at(*domain::Source::parse("203.0.113.66"), "lab");
  EXPECT_TRUE(sessions->identify(key, session::Audience::access, elsewhere, clock.now())->evidence.empty()) << "a thief's source";
}

TEST_F(ServicesApiTest, DisownedByADeputyItIsShutForAll) {
  ASSERT_EQ(make(alice, "crawler").code(), "ok");
  deputise(bob);
  const std::string key = key_of(alice);
  const auto first = ask(key);
  ASSERT_EQ(bound(alice, "/v1/approvals/" + first.id.text() + "/approve").code(), "ok");
  ASSERT_EQ(post("/v1/approvals/" + first.id.text() + "/not-me", "{}", bob.handle).code(), "ok");
  EXPECT_TRUE(called(key).evidence.empty());
  EXPECT_EQ(ask(key).state, approval::State::not_me);
  EXPECT_NE(get("/v1/notices", alice.handle).body.find("not_me"), std::string::npos) << "the sponsor hears of it";
}

TEST_F(ServicesApiTest, ADeputyTakesOverWhenTheSponsorHasLeft) {
  ASSERT_EQ(make(alice, "crawler").code(), "ok");
  deputise(bob);
  std::string id;
  const std::string key = key_of(alice, "nightly", &id);
  ASSERT_EQ(unlock(alice, id).code(), "ok");
  EXPECT_EQ(bound(bob, "/v1/services/crawler/take-over").code(), "conflict");
  ASSERT_EQ(post("/v1/users/alice/disable", "{}", root.handle).code(), "ok");
  const auto who = sessions->identify(key, session::Audience::access, {}, clock.now());
  EXPECT_EQ(who.error().code, Reason::service_asleep);
  EXPECT_EQ(seen(bob).get_string("state").value_or(""), "asleep");
  ASSERT_NE(seen(bob).find("take_over"), nullptr);
  ASSERT_EQ(bound(bob, "/v1/services/crawler/take-over").code(), "ok");
  EXPECT_TRUE(called(key).evidence.empty()) << "awake, and asleep like any key";
  EXPECT_EQ(unlock(bob, id).code(), "ok");
  EXPECT_EQ(seen(bob).get_string("sponsor").value_or(""), "bob");
  const auto taken = entries("services.take_over");
  EXPECT_EQ(std::ranges::count(taken, audit::Kind::change, &audit::Entry::kind), 1);
}

TEST_F(ServicesApiTest, AnAdministratorNamesANewSponsorWhoAccepts) {
  ASSERT_EQ(make(alice, "crawler").code(), "ok");
  EXPECT_EQ(bound(alice, "/v1/services/crawler/sponsor", body({{"person", "bob"}})).code(), "role_required");
  ASSERT_EQ(bound(root, "/v1/services/crawler/sponsor", body({{"person", "bob"}})).code(), "ok");
  EXPECT_EQ(state(), "awake") << "nothing has changed yet";
  ASSERT_EQ(bound(bob, "/v1/services/crawler/accept", body({{"part", "sponsor"}})).code(), "ok");
  EXPECT_EQ(seen(bob).get_string("sponsor").value_or(""), "bob");
  EXPECT_EQ(bound(alice, "/v1/keys", body({{"name", "late"}, {"service", "crawler"}})).code(), "not_found");
}

TEST_F(ServicesApiTest, LeavingAndRemoving) {
  ASSERT_EQ(make(alice, "crawler").code(), "ok");
  deputise(bob);
  const std::string key = key_of(alice);
  EXPECT_EQ(post("/v1/services/crawler/dismiss", body({{"person", "alice"}}).dump(), bob.handle).code(), "not_found") << "a deputy dismisses nobody";
  ASSERT_EQ(post("/v1/services/crawler/dismiss", body({{"person", "bob"}}).dump(), bob.handle).code(), "ok");
  EXPECT_EQ(bound(bob, "/v1/services/crawler/remove").code(), "not_found");
  ASSERT_EQ(bound(alice, "/v1/services/crawler/remove").code(), "ok");
  const auto who = sessions->identify(key, session::Audience::access, {}, clock.now());
  EXPECT_EQ(who.error().code, Reason::credential_unknown);
  EXPECT_EQ(post("/v1/services/nobody/dismiss", body({{"person", "bob"}}).dump(), bob.handle).code(), "not_found");
  ASSERT_EQ(make(alice, "crawler").code(), "ok");
  ASSERT_EQ(bound(root, "/v1/services/crawler/remove").code(), "ok") << "administrators may";
}

TEST_F(ServicesApiTest, ItsCredentialReachesNoRouteOfThePortal) {
  ASSERT_EQ(make(alice, "crawler").code(), "ok");
  std::string id;
  const std::string key = key_of(alice, "nightly", &id);
  ASSERT_EQ(unlock(alice, id).code(), "ok");
  for (const Route& r : routes()) {
    if (r.evidence == Evidence::none) continue;
    std::string path(r.path);
    if (const auto at = path.find('{'); at != std::string::npos) path.replace(at, path.find('}') - at + 1, "crawler");
    const HttpReply reply = call(http::to_text(r.method), path, r.method == http::Method::get ? "" : "{}", key);
    EXPECT_EQ(reply.code(), "credential_audience") << r.path;
  }
}

TEST_F(ServicesApiTest, ItEnrolsNothingAndSignsInNowhere) {
  ASSERT_EQ(make(alice, "crawler").code(), "ok");
  EXPECT_EQ(bound(root, "/v1/users/crawler/enrolment-code").code(), "conflict");
  json::Value roles;
  roles.push("administrator");
  json::Value set{json::Object{}};
  set.set("roles", std::move(roles));
  EXPECT_EQ(bound(root, "/v1/users/crawler/roles", std::move(set)).code(), "conflict");
  EXPECT_EQ(post("/v1/sign-in", body({{"name", "crawler"}, {"password", std::string(testing::kPassword)}}).dump()).code(), "signin_failed");
}

TEST_F(ServicesApiTest, MandatesForItAreItsSponsorsToSign) {
  ASSERT_EQ(make(alice, "crawler").code(), "ok");
  deputise(bob);
  key_of(alice);
  const auto wish = [&] {
    json::Value v = body({{"name", "night"}, {"key", "nightly"}, {"service", "crawler"}, {"starts", rfc3339(clock.wall())},
                          {"ends", rfc3339(clock.wall() + std::chrono::hours(2))}});
    for (const auto& [list, entry] : {std::pair{"access_points", "lab"}, {"operations", "chat"}, {"networks", "198.51.100.0/24"}}) {
      json::Value one;
      one.push(entry);
      v.set(list, std::move(one));
    }
    v.set("calls", std::int64_t{5});
    return v;
  };
  EXPECT_EQ(bound(bob, "/v1/mandates", wish()).code(), "not_found");
  EXPECT_EQ(bound(root, "/v1/mandates", wish()).code(), "not_found");
  HttpReply draft = post("/v1/mandates/draft", wish().dump(), alice.handle);
  EXPECT_NE(draft.text("text").find("For: service crawler, key nightly, and nobody else"), std::string::npos) << draft.body;
  ASSERT_EQ(bound(alice, "/v1/mandates", wish()).code(), "ok");
  EXPECT_NE(get("/v1/mandates", alice.handle).body.find(R"("state":"open")"), std::string::npos);
  // With the hands that it is in ends what was signed.
  ASSERT_EQ(bound(root, "/v1/services/crawler/sponsor", body({{"person", "bob"}})).code(), "ok");
  ASSERT_EQ(bound(bob, "/v1/services/crawler/accept", body({{"part", "sponsor"}})).code(), "ok");
  EXPECT_NE(get("/v1/mandates", alice.handle).body.find(R"("state":"revoked")"), std::string::npos);
}

TEST_F(ServicesApiTest, ExplainSpeaksOfBoth) {
  ASSERT_EQ(make(alice, "crawler").code(), "ok");
  HttpReply why = post("/v1/policy/explain", body({{"user", "crawler"}, {"access_point", "lab"}, {"operation", "chat"}}).dump(), root.handle);
  ASSERT_EQ(why.code(), "ok") << why.body;
  EXPECT_NE(why.text("text").find("Its sponsor must be allowed the same"), std::string::npos);
  EXPECT_NE(why.text("text").find("\"alice\""), std::string::npos);
}

}  // namespace
}  // namespace vestibule::portal
