#include "notify/subscription.hpp"

#include <gtest/gtest.h>

namespace vestibule::notify {
namespace {

const std::string kKey = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
const std::string kSecret = "BTBZMqHH6r4Tts7J_aSIgg";

std::string json(const std::string& endpoint, const std::string& key = kKey, const std::string& auth = kSecret) {
  return R"({"endpoint":")" + endpoint + R"(","expirationTime":null,"keys":{"p256dh":")" + key + R"(","auth":")" + auth + R"("}})";
}

TEST(Subscription, ReadsWhatBrowsersWriteAndWritesWhatItReads) {
  const auto s = parse_subscription(json("https://fcm.googleapis.com/fcm/send/abc:APA91b"));
  ASSERT_TRUE(s);
  EXPECT_EQ(s->endpoint.origin(), "https://fcm.googleapis.com");
  const auto again = parse_subscription(write(*s));
  ASSERT_TRUE(again);
  EXPECT_EQ(*again, *s);
  EXPECT_TRUE(parse_subscription(json("https://a.example/x", kKey + "=", kSecret + "==")));
}

TEST(Subscription, WhatIsNoneIsRefused) {
  std::string off_curve = kKey;
  off_curve[80] = off_curve[80] == 'A' ? 'B' : 'A';
  for (const std::string& text :
       {std::string(), std::string("{}"), std::string("[]"), std::string("null"), json("ftp://a.example/"), json("https://user@a.example/"),
        json("https://a.example/x", ""), json("https://a.example/x", off_curve), json("https://a.example/x", kKey.substr(4)),
        json("https://a.example/x", kKey, ""), json("https://a.example/x", kKey, kSecret + "AA"), json("https://a.example/x", kKey, "!!!"),
        std::string(R"({"endpoint":"https://a.example/"})"), std::string(R"({"endpoint":"https://a.example/","keys":[]})"),
        std::string(R"({"endpoint":"https://a.example/","endpoint":"https://b.example/","keys":{}})"),
        json("https://a.example/" + std::string(5000, 'x'))}) {
    EXPECT_FALSE(parse_subscription(text)) << text;
  }
}

TEST(PushHosts, OnlyPushServicesAndOnlyByHttps) {
  const PushHosts hosts(PushHosts::known());
  const auto allowed = [&](const char* text) {
    const auto url = http::parse_url(text);
    EXPECT_TRUE(url) << text;
    return hosts.allow(*url);
  };
  for (const char* text : {"https://fcm.googleapis.com/fcm/send/x", "https://updates.push.services.mozilla.com/wpush/v2/x",
                           "https://wns2-par02p.notify.windows.com/w/?token=x", "https://web.push.apple.com/x"}) {
    EXPECT_TRUE(allowed(text)) << text;
  }
  for (const char* text :
       {"http://fcm.googleapis.com/x", "https://fcm.googleapis.com:8443/x", "https://evil.example/fcm.googleapis.com",
        "https://fcm.googleapis.com.evil.example/x", "https://notify.windows.com/x", "https://evilnotify.windows.com/x",
        "https://127.0.0.1/x", "http://127.0.0.1:9/x", "https://localhost/x", "https://[::1]/x", "https://169.254.169.254/x"}) {
    EXPECT_FALSE(allowed(text)) << text;
  }
}

TEST(PushHosts, PlainLoopbackMustBeAskedFor) {
  const PushHosts hosts({}, PushHosts::Loopback::plain);
  EXPECT_TRUE(hosts.allow(*http::parse_url("http://127.0.0.1:9999/x")));
  EXPECT_TRUE(hosts.allow(*http::parse_url("http://localhost:9999/x")));
  EXPECT_FALSE(hosts.allow(*http::parse_url("http://127.evil.example/x")));
  EXPECT_FALSE(hosts.allow(*http::parse_url("http://10.0.0.1:9999/x")));
  EXPECT_FALSE(hosts.allow(*http::parse_url("https://fcm.googleapis.com/x"))) << "the list is empty";
}

TEST(PushHosts, PatternsAreNames) {
  for (const char* text : {"push.example.org", "*.push.example.org", "*.example.org", "localhost"}) {
    EXPECT_TRUE(PushHosts::is_pattern(text)) << text;
  }
  for (const char* text : {"", "*", "*.", "*.org", "*.*.org", "https://a.example", "a.example:443", "A.example", "a.*.example", "[::1]"}) {
    EXPECT_FALSE(PushHosts::is_pattern(text)) << text;
  }
}

}  // namespace
}  // namespace vestibule::notify
