#include "notify/web_push.hpp"

#include <gtest/gtest.h>

#include "json/value.hpp"
#include "notify/message.hpp"
#include "notify/vapid.hpp"

namespace vestibule::notify {
namespace {

constexpr std::string_view kEndpoint = "https://push.example.net/push/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV";

crypto::P256Key key_of(std::string_view scalar) {
  Result<crypto::P256Key> key = crypto::P256Key::from_scalar(Secret(*unbase64url(scalar)));
  EXPECT_TRUE(key);
  return std::move(*key);
}

Subscription subscription(std::string_view p256dh, std::string_view auth) {
  std::string json = R"({"endpoint":")" + std::string(kEndpoint) + R"(","expirationTime":null,"keys":{"p256dh":")" +
                     std::string(p256dh) + R"(","auth":")" + std::string(auth) + R"("}})";
  const auto s = parse_subscription(json);
  EXPECT_TRUE(s);
  return *s;
}

constexpr std::string_view kBrowserKey = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
constexpr std::string_view kAuth = "BTBZMqHH6r4Tts7J_aSIgg";

// RFC 8291 section 5 and appendix A.
TEST(WebPush, TheRfcsOwnMessage) {
  const crypto::P256Key sender = key_of("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw");
  EXPECT_EQ(base64url(sender.public_key()),
            "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8");
  const Bytes salt = *unbase64url("DGv6ra1nlYgDCS1FRnbzlw");
  Salt s;
  std::copy(salt.begin(), salt.end(), s.begin());
  const Result<Bytes> out = encrypt(as_bytes("When I grow up, I want to be a watermelon"), subscription(kBrowserKey, kAuth), sender, s);
  ASSERT_TRUE(out);
  EXPECT_EQ(base64url(*out),
            "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_"
            "yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN");
}

TEST(WebPush, AllMessagesOfOursAreAsLong) {
  SystemRng rng;
  const Subscription to = subscription(kBrowserKey, kAuth);
  std::size_t size = 0;
  for (const std::string& text : {payload(Bell::enrol, "ABCD-EFGH-JKLM"), payload(Bell::prompt), payload(Bell::notice)}) {
    const Result<Bytes> out = encrypt(as_bytes(text), to, crypto::P256Key::generate(rng), rng.take<16>(), 96);
    ASSERT_TRUE(out);
    if (size == 0) size = out->size();
    EXPECT_EQ(out->size(), size);
    EXPECT_EQ(out->size(), 16U + 4 + 1 + 65 + 96 + 1 + 16);
  }
}

TEST(WebPush, AMessageHasABound) {
  SystemRng rng;
  const Subscription to = subscription(kBrowserKey, kAuth);
  const crypto::P256Key sender = crypto::P256Key::generate(rng);
  const Salt salt = rng.take<16>();
  EXPECT_TRUE(encrypt(Bytes(kMaxMessage, 'x'), to, sender, salt));
  EXPECT_FALSE(encrypt(Bytes(kMaxMessage + 1, 'x'), to, sender, salt));
}

TEST(Vapid, TheTokenNamesServiceContactAndEndAndVerifies) {
  const crypto::P256Key key = sender_key(Secret("a secret of this installation"));
  EXPECT_EQ(key.public_key(), sender_key(Secret("a secret of this installation")).public_key());
  EXPECT_NE(key.public_key(), sender_key(Secret("another")).public_key());
  const WallTime now(std::chrono::seconds(1'800'000'000));
  const std::string value = vapid(key, "https://push.example.net", "mailto:ops@example.org", now);
  ASSERT_TRUE(value.starts_with("vapid t="));
  const std::size_t comma = value.find(", k=");
  ASSERT_NE(comma, std::string::npos);
  const std::string token = value.substr(8, comma - 8);
  EXPECT_EQ(value.substr(comma + 4), base64url(key.public_key()));
  const std::size_t first = token.find('.');
  const std::size_t last = token.rfind('.');
  const auto claims = json::parse(as_text(*unbase64url(token.substr(first + 1, last - first - 1))));
  ASSERT_TRUE(claims);
  EXPECT_EQ(*claims->get_string("aud"), "https://push.example.net");
  EXPECT_EQ(*claims->get_string("sub"), "mailto:ops@example.org");
  EXPECT_GT(*claims->get_int("exp"), 1'800'000'000);
  EXPECT_LE(*claims->get_int("exp"), 1'800'000'000 + 12 * 3600);
  EXPECT_TRUE(crypto::verify_p256(key.public_key(), as_bytes(token.substr(0, last)), *unbase64url(token.substr(last + 1))));
}

}  // namespace
}  // namespace vestibule::notify
