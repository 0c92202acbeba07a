#pragma once
// People with push devices at the control API.

#include "factors/tests/device.hpp"
#include "portal/tests/world.hpp"

namespace vestibule::testing {

inline const std::string kSubscription =
    R"({"endpoint":"https://fcm.googleapis.com/fcm/send/x","keys":{"p256dh":"BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4","auth":"BTBZMqHH6r4Tts7J_aSIgg"}})";

class DeviceWorld : public PortalWorld {
 protected:
  static json::Value body(std::initializer_list<std::pair<const char*, std::string>> members) {
    json::Value v{json::Object{}};
    for (const auto& [key, value] : members) v.set(key, value);
    return v;
  }
  void enrol_device(Person& p, Device& device, const std::string& subscription = {}) {
    json::Value wish = body({{"label", "phone"}, {"public_key", device.public_key()}});
    if (!subscription.empty()) wish.set("subscription", subscription);
    HttpReply begun = bound(p, "/v1/factors/push", wish);
    ASSERT_EQ(begun.code(), "ok") << begun.body;
    EXPECT_EQ(begun.text("kind"), "push");
    EXPECT_EQ(begun.json.get_bool("pushed").value_or(subscription.empty()), !subscription.empty());
    device.id = *FactorId::parse(begun.text("id"));
    std::string code;
    if (!subscription.empty()) {
      ASSERT_FALSE(greeted.empty());
      code = greeted.back();
      EXPECT_EQ(begun.body.find(code), std::string::npos) << "the code goes by push alone";
    }
    HttpReply done = post("/v1/factors/" + begun.text("id") + "/confirm",
                          body({{"code", device.confirmation(begun.text("nonce"), code)}}).dump(), p.handle);
    ASSERT_EQ(done.code(), "ok") << done.body;
  }
  struct Asked {
    HttpReply reply;
    std::string id, digits;
  };
  Asked ask(const std::string& handle, const std::string& operation = "prove", const std::string& object = {}, const std::string& kind = "push") {
    json::Value what = body({{"kind", kind}, {"operation", operation}});
    if (!object.empty()) what.set("object", object);
    Asked out;
    out.reply = post("/v1/challenges", what.dump(), handle);
    out.id = out.reply.text("challenge");
    if (const auto options = json::parse(out.reply.text("options"))) out.digits = options->get_string("digits").value_or("?");
    return out;
  }
  HttpReply answer(const Device& device, const Asked& asked, factors::Verdict verdict, const std::string& digits = {}) {
    const auto prompt = factors::ChallengeId::parse(asked.id);
    if (!prompt) return {};
    const factors::DeviceAnswer a = device.answer(*prompt, verdict, digits, clock.wall());
    json::Value v = body({{"device", device.id.text()}, {"prompt", asked.id}, {"verdict", std::string(factors::name(verdict))},
                          {"signature", base64url(a.call.signature)}});
    if (!digits.empty()) v.set("digits", digits);
    v.set("time", a.call.time);
    return post("/v1/devices/answer", v.dump());
  }
  HttpReply inbox(const Device& device, const std::string& version = {}) {
    const factors::DeviceCall call = device.inbox(clock.wall());
    json::Value v = body({{"device", device.id.text()}, {"signature", base64url(call.signature)}});
    v.set("time", call.time);
    if (!version.empty()) v.set("version", version);
    return post("/v1/devices/inbox", v.dump());
  }
  HttpReply prove(const std::string& handle, const Asked& asked, const std::string& kind = "push") {
    return post("/v1/prove", body({{"kind", kind}, {"challenge", asked.id}, {"answer", ""}}).dump(), handle);
  }
  HttpReply wait(const std::string& handle, const Asked& asked) { return post("/v1/challenges/" + asked.id + "/wait", "{}", handle); }
};

}  // namespace vestibule::testing
