#include "crypto/jose.hpp"

#include <gtest/gtest.h>

namespace vestibule::crypto {
namespace {

constexpr std::array kBoth = {JwsAlg::es256, JwsAlg::rs256};

// RFC 7638 section 3.1
constexpr std::string_view kThumbprintKey =
    R"({"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"})";
// RFC 7515 appendix A.3
constexpr std::string_view kA3Key =
    R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})";
constexpr std::string_view kA3 =
    "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

std::string encoded(std::string_view text) { return base64url(as_bytes(text)); }

TEST(Jose, TheRfcsVectors) {
  const auto rsa = PublicJwk::parse(kThumbprintKey);
  ASSERT_TRUE(rsa) << rsa.error().detail;
  EXPECT_EQ(base64url(rsa->thumbprint()), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
  EXPECT_EQ(rsa->kid(), "2011-04-29");
  EXPECT_TRUE(rsa->takes(JwsAlg::rs256));
  EXPECT_FALSE(rsa->takes(JwsAlg::ps256)) << "its alg says RS256";
  EXPECT_FALSE(rsa->takes(JwsAlg::es256));
  const auto ec = PublicJwk::parse(kA3Key);
  ASSERT_TRUE(ec) << ec.error().detail;
  const auto jws = UnverifiedJws::parse(kA3);
  ASSERT_TRUE(jws) << jws.error().detail;
  const auto payload = jws->verify(*ec, kBoth);
  ASSERT_TRUE(payload) << payload.error().detail;
  EXPECT_EQ(*payload, "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}");
}

TEST(Jose, SignsAndVerifies) {
  for (const JwsAlg alg : kBoth) {
    const auto key = JwsKey::generate(alg);
    ASSERT_TRUE(key) << key.error().detail;
    const auto open = PublicJwk::parse(key->public_json());
    ASSERT_TRUE(open) << open.error().detail;
    EXPECT_EQ(open->kid(), key->kid());
    EXPECT_EQ(key->public_json().find("\"d\""), std::string::npos);
    const auto text = key->sign("JWT", R"({"sub":"me"})");
    ASSERT_TRUE(text) << text.error().detail;
    const auto jws = UnverifiedJws::parse(*text);
    ASSERT_TRUE(jws);
    EXPECT_EQ(jws->alg(), alg);
    EXPECT_EQ(jws->header().get_string("typ").value_or(""), "JWT");
    EXPECT_EQ(jws->header().get_string("kid").value_or(""), key->kid());
    EXPECT_EQ(jws->verify(*open, kBoth).value_or("?"), R"({"sub":"me"})");
    const JwsAlg other[] = {JwsAlg::ps256};
    EXPECT_FALSE(jws->verify(*open, other)) << "what counts is the caller's to say";

    // The sealed form is the same key.
    auto again = JwsKey::from(alg, key->secret().clone());
    ASSERT_TRUE(again);
    EXPECT_EQ(again->kid(), key->kid());

    // One bit of each part.
    for (std::size_t i = 0; i < text->size(); i += text->size() / 40) {
      std::string changed = *text;
      if (changed[i] == '.') continue;
      changed[i] = changed[i] == 'A' ? 'B' : 'A';
      const auto parsed = UnverifiedJws::parse(changed);
      EXPECT_FALSE(parsed && parsed->verify(*open, kBoth)) << i;
    }
    const auto stranger = JwsKey::generate(alg);
    ASSERT_TRUE(stranger);
    EXPECT_FALSE(jws->verify(*PublicJwk::parse(stranger->public_json()), kBoth));
  }
}

TEST(Jose, AlgorithmGames) {
  const auto ec = PublicJwk::parse(kA3Key);
  ASSERT_TRUE(ec);
  const std::string payload = encoded(R"({"sub":"root"})");
  const std::string mac = base64url(hex(ec->thumbprint()).size() > 0 ? as_bytes("0123456789abcdef0123456789abcdef") : ByteView{});
  for (const std::string_view header :
       {R"({"alg":"none"})", R"({"alg":"None"})", R"({"alg":"HS256"})", R"({"alg":"ES384"})", R"({"alg":"RS1"})", R"({"alg":""})",
        R"({"alg":null})", R"({"alg":["ES256"]})", R"({})", R"({"alg":"ES256","alg":"none"})", R"({"alg":"ES256","crit":["exp"],"exp":1})",
        R"({"alg":"ES256","b64":false})", R"(["ES256"])", R"("ES256")", "\xEF\xBB\xBF{\"alg\":\"ES256\"}"}) {
    EXPECT_FALSE(UnverifiedJws::parse(encoded(header) + "." + payload + "." + mac)) << header;
  }
  // The right name, another key's kind.
  const auto jws = UnverifiedJws::parse(encoded(R"({"alg":"RS256"})") + "." + payload + "." + mac);
  ASSERT_TRUE(jws);
  EXPECT_FALSE(jws->verify(*ec, kJwsAlgs));
  for (const std::string_view text : {"", ".", "..", "a.b", "a.b.c.d", "e30.e30.", "e30..e30=", "e3 0.e30.e30"}) {
    EXPECT_FALSE(UnverifiedJws::parse(text)) << text;
  }
  EXPECT_FALSE(UnverifiedJws::parse(std::string(kMaxJws + 1, 'a')));
}

TEST(Jose, KeysThatAreNone) {
  const std::string x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
  const std::string y = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
  const auto ec = [&](std::string_view a, std::string_view b, std::string_view more = "") {
    return R"({"kty":"EC","crv":"P-256","x":")" + std::string(a) + R"(","y":")" + std::string(b) + "\"" + std::string(more) + "}";
  };
  ASSERT_TRUE(PublicJwk::parse(ec(x, y)));
  const std::vector<std::string> refused = {
      ec(x, x), ec(x, y + "="), ec(x, y, R"(,"d":"AAAA")"), ec(x, y, R"(,"k":"AAAA")"), ec(x, y, R"(,"use":"enc")"),
      ec(x, y, R"(,"alg":"RS256")"), ec(x, y, R"(,"alg":"none")"), ec(x, y, R"(,"kid":7)"), ec(x, y, R"(,"x":"AA")"),
      ec("AA", y), ec("", y), R"({"kty":"oct","k":"AAAA"})", R"({"kty":"EC","crv":"P-384","x":"AA","y":"AA"})", R"({"kty":"RSA","n":"AQAB","e":"AQAB"})",
      R"({"kty":"OKP","crv":"Ed25519","x":"AAAA"})", "{}", "[]", "null", "", R"({"kty":"EC"})"};
  for (const std::string& key : refused) EXPECT_FALSE(PublicJwk::parse(key)) << key;
  EXPECT_FALSE(JwsKey::from(JwsAlg::es256, Secret(kA3Key))) << "a public key signs nothing";
  EXPECT_FALSE(JwsKey::from(JwsAlg::ps256, Secret(kA3Key)));
}

}  // namespace
}  // namespace vestibule::crypto
