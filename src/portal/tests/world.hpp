#pragma once
// People before the portal: requests, and accounts with a factor.

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "portal/tests/house.hpp"
#include "portal/tests/http_client.hpp"

namespace vestibule::testing {

/// {"key": "value", ...}
inline json::Value object(std::initializer_list<std::pair<const char*, std::string>> members) {
  json::Value v{json::Object{}};
  for (const auto& [key, value] : members) v.set(key, value);
  return v;
}

class PortalWorld : public PortalHouse {
 public:
  struct Person {
    std::string name;
    App app;
    std::string handle;
    std::vector<std::string> recovery;
  };

  /// One request on a connection of its own; the cores take turns.
  HttpReply send(const std::string& raw) { return HttpReply::of(sent(socket_of_turn(), raw)); }
  HttpReply call(std::string_view method, std::string_view target, std::string_view body = {}, std::string_view handle = {},
                 std::string_view more = {}) {
    return send(request_text(method, target, body, handle, more));
  }
  /// A GET whose reply goes on.
  std::unique_ptr<Follower> opened(std::string_view target, std::string_view handle) {
    return std::make_unique<Follower>(sent(socket_of_turn(), request_text("GET", target, {}, handle, {})));
  }
  HttpReply get(std::string_view target, std::string_view handle = {}) { return call("GET", target, {}, handle); }
  HttpReply post(std::string_view target, std::string_view body = {}, std::string_view handle = {}) {
    return call("POST", target, body, handle);
  }
  /// Like post(), with a fresh code of the person's own put into the body.
  HttpReply bound(Person& p, std::string_view target, json::Value body = json::Value(json::Object{})) {
    body.set("code", fresh(p));
    return post(target, body.dump(), p.handle);
  }

  /// A code that was not used yet: 30 s later.
  std::string fresh(const Person& p) {
    clock.advance(30s);
    return p.app.code(clock.wall());
  }
  void enrol_totp(Person& p) {
    HttpReply begun = post("/v1/factors/totp", R"({"label":"phone"})", p.handle);
    ASSERT_EQ(begun.code(), "ok") << begun.body;
    p.app = App(begun.text("secret"));
    json::Value code;
    code.set("code", p.app.code(clock.wall()));
    HttpReply done = post("/v1/factors/" + begun.text("id") + "/confirm", code.dump(), p.handle);
    ASSERT_EQ(done.code(), "ok") << done.body;
    for (const json::Value& c : done.json.find("recovery_codes")->items()) p.recovery.push_back(*c.as_string());
  }
  Person set_up(const std::string& name = "root") {
    Person p;
    p.name = name;
    auto token = users->create_setup_token();
    EXPECT_TRUE(token && *token);
    json::Value body;
    body.set("token", (*token)->reveal_text()).set("name", name).set("password", kPassword);
    HttpReply in = post("/v1/setup", body.dump());
    EXPECT_EQ(in.code(), "ok") << in.body;
    p.handle = in.text("handle");
    enrol_totp(p);
    return p;
  }
  /// Created by `by`, signed in by the enrolment code, with a factor.
  Person create(Person& by, const std::string& name, const std::string& role) {
    Person p;
    p.name = name;
    json::Value body;
    json::Value roles;
    roles.push(role);
    body.set("name", name).set("roles", std::move(roles));
    HttpReply made = bound(by, "/v1/users", std::move(body));
    EXPECT_EQ(made.code(), "ok") << made.body;
    json::Value enrol;
    enrol.set("code", made.text("enrolment_code")).set("password", kPassword);
    HttpReply in = post("/v1/enrol", enrol.dump());
    EXPECT_EQ(in.code(), "ok") << in.body;
    p.handle = in.text("handle");
    enrol_totp(p);
    return p;
  }
  /// Admissions of a request; operation "": any.
  std::vector<audit::Entry> admissions(std::string_view operation, const std::string& request) {
    EXPECT_TRUE(database->write_blocking([](store::Tx&) -> Result<void> { return {}; }));  // what the cores have journaled
    auto all = entries(operation);
    std::erase_if(all, [&](const audit::Entry& e) { return e.kind != audit::Kind::admission || e.request != request; });
    return all;
  }
  /// Name and password only: a pending session.
  std::string started(std::string_view name) {
    json::Value body;
    body.set("name", name).set("password", kPassword);
    HttpReply in = post("/v1/sign-in", body.dump());
    EXPECT_EQ(in.code(), "ok") << in.body;
    return in.text("handle");
  }
};

}  // namespace vestibule::testing
