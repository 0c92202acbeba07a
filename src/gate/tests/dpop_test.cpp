#include "gate/dpop.hpp"

#include <gtest/gtest.h>

#include "crypto/hash.hpp"
#include "crypto/jose.hpp"
#include "crypto/p256.hpp"
#include "json/writer.hpp"

namespace vestibule::gate {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kToken = "vt_token";

class DpopTest : public ::testing::Test {
 protected:
  struct Claims {
    std::string htm = "POST", htu = "https://models.example.org/lab/v1/chat", jti = "one", ath{}, typ = "dpop+jwt", header{}, payload{};
    std::int64_t late = 0;
  };
  /// A compact JWS with this header, signed with the P-256 key by the library's own hand.
  std::string proof(const Claims& c) const {
    json::Writer w;
    if (c.payload.empty()) {
      w.begin_object().member("jti", c.jti).member("htm", c.htm).member("htu", c.htu);
      w.member("iat", std::chrono::duration_cast<std::chrono::seconds>(clock.wall().time_since_epoch()).count() - c.late);
      w.member("ath", c.ath.empty() ? base64url(crypto::sha256(as_bytes(kToken))) : c.ath).end_object();
    }
    const std::string claims = c.payload.empty() ? w.text() : c.payload;
    std::string header = c.header;
    if (header.empty()) header = R"({"typ":")" + c.typ + R"(","alg":"ES256","jwk":)" + key.public_json() + "}";
    return sign(header, claims);
  }
  std::string sign(const std::string& header, const std::string& claims) const {
    // JwsKey writes its own header: what a client sends is made by hand.
    const std::string input = base64url(as_bytes(header)) + "." + base64url(as_bytes(claims));
    const auto raw = json::parse(key.secret().reveal_text());
    const auto scalar = crypto::P256Key::from_scalar(Secret(*unbase64url(*raw->get_string("d"))));
    return input + "." + base64url(scalar->sign(as_bytes(input)));
  }
  Reason check(const std::string& text, DpopWanted wanted) {
    const auto r = dpop.check(text, wanted);
    if (r) {
      EXPECT_EQ(*r, crypto::PublicJwk::parse(key.public_json())->thumbprint());
    }
    return r ? Reason::ok : r.error().code;
  }
  Reason check(const Claims& c) { return check(proof(c), wanted()); }
  static DpopWanted wanted() { return {"POST", "models.example.org", "/lab/v1/chat", true, kToken}; }

  ManualClock clock;
  Dpop dpop{clock};
  crypto::JwsKey key = std::move(*crypto::JwsKey::generate(crypto::JwsAlg::es256));
};

TEST_F(DpopTest, OnceAndThenNeverAgain) {
  const std::string text = proof({});
  EXPECT_EQ(check(text, wanted()), Reason::ok);
  for (const auto later : {0s, 1s, 60s, 59s}) {
    clock.advance(later);
    EXPECT_EQ(check(text, wanted()), Reason::credential_malformed);
  }
  clock.advance(300s);
  EXPECT_EQ(check(text, wanted()), Reason::credential_malformed) << "too old by now";
  EXPECT_EQ(check({}), Reason::ok) << "the same jti of another time";
}

TEST_F(DpopTest, WhatItSpeaksOf) {
  struct Row {
    const char* name;
    Claims claims;
  };
  const std::vector<Row> refused = {
      {"another method", {.htm = "GET"}},
      {"a method in lower case", {.htm = "post"}},
      {"another path", {.htu = "https://models.example.org/lab/v1/chats"}},
      {"no path", {.htu = "https://models.example.org"}},
      {"another host", {.htu = "https://evil.example.org/lab/v1/chat"}},
      {"another port", {.htu = "https://models.example.org:8443/lab/v1/chat"}},
      {"plain where TLS is spoken", {.htu = "http://models.example.org/lab/v1/chat"}},
      {"user information", {.htu = "https://models.example.org@evil.org/lab/v1/chat"}},
      {"a path that resolves", {.htu = "https://models.example.org/x/../lab/v1/chat"}},
      {"no URL", {.htu = "/lab/v1/chat"}},
      {"another token", {.ath = base64url(crypto::sha256(as_bytes("vt_other")))}},
      {"an empty id", {.jti = ""}},
      {"an endless id", {.jti = std::string(257, 'x')}},
      {"too old", {.late = 121}},
      {"of tomorrow", {.late = -11}},
      {"another type", {.typ = "JWT"}},
      {"no type", {.header = R"({"alg":"ES256"})"}},
      {"no key", {.header = R"({"alg":"ES256","typ":"dpop+jwt"})"}},
      {"no algorithm", {.header = R"({"alg":"none","typ":"dpop+jwt","jwk":)" + key.public_json() + "}"}},
      {"a MAC", {.header = R"({"alg":"HS256","typ":"dpop+jwt","jwk":{"kty":"oct","k":"AAAA"}})"}},
      {"a private key", {.header = R"({"alg":"ES256","typ":"dpop+jwt","jwk":)" + std::string(key.secret().reveal_text()) + "}"}},
      {"another's key", {.header = R"({"alg":"ES256","typ":"dpop+jwt","jwk":)" + crypto::JwsKey::generate(crypto::JwsAlg::es256)->public_json() + "}"}},
      {"no claims", {.payload = "[]"}},
      {"a claim twice", {.payload = R"({"jti":"a","jti":"b","htm":"POST","htu":"https://models.example.org/lab/v1/chat","iat":1})"}},
      {"a time that is text", {.payload = R"({"jti":"a","htm":"POST","htu":"https://models.example.org/lab/v1/chat","iat":"1"})"}},
  };
  clock.advance(10min);
  for (const Row& row : refused) EXPECT_EQ(check(row.claims), Reason::credential_malformed) << row.name;
  EXPECT_EQ(check({.htu = "https://models.example.org/lab/v1/chat?x=1"}), Reason::ok) << "its query is passed over";
  EXPECT_EQ(check({.htu = "https://MODELS.example.org:443/lab/v1/chat", .jti = "two"}), Reason::ok);
  for (const std::string& text : {std::string(), std::string("a.b.c"), std::string(5000, 'a'), proof({.jti = "x"}) + "."}) {
    EXPECT_EQ(check(text, wanted()), Reason::credential_malformed);
  }
  // Behind a proxy that speaks TLS.
  DpopWanted plain = wanted();
  plain.tls = false;
  EXPECT_EQ(check(proof({.jti = "three"}), plain), Reason::ok);
  plain.authority = "models.example.org:8420";
  EXPECT_EQ(check(proof({.htu = "http://models.example.org:8420/lab/v1/chat", .jti = "four"}), plain), Reason::ok);
}

TEST_F(DpopTest, WhatIsOlderThanTheProcessIsNotKnown) {
  EXPECT_EQ(check({.late = 1}), Reason::credential_malformed);
  clock.advance(1min);
  EXPECT_EQ(check({.late = 59}), Reason::ok);
}

TEST(SingleUse, IsBoundedAndForgetsNothingTooEarly) {
  SingleUse seen(60s, 2);
  const WallTime t0(1000s);
  const auto id = [](std::uint8_t n) { return Digest{n}; };
  EXPECT_EQ(seen.use(id(1), t0), SingleUse::Seen::first);
  EXPECT_EQ(seen.use(id(2), t0), SingleUse::Seen::first);
  EXPECT_EQ(seen.use(id(3), t0), SingleUse::Seen::full) << "nothing old is forgotten for it";
  EXPECT_EQ(seen.use(id(1), t0 + 60s), SingleUse::Seen::before);
  EXPECT_EQ(seen.use(id(1), t0 + 61s), SingleUse::Seen::before) << "the older generation counts";
  EXPECT_EQ(seen.use(id(3), t0 + 61s), SingleUse::Seen::first);
  EXPECT_EQ(seen.use(id(1), t0 + 50s), SingleUse::Seen::before) << "a clock set back brings nothing back";
  EXPECT_EQ(seen.use(id(1), t0 + 300s), SingleUse::Seen::first);
}

}  // namespace
}  // namespace vestibule::gate
