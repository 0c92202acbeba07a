// Hardware tokens over the control API: import, enrolment, use.
#include <gtest/gtest.h>

#include "portal/tests/world.hpp"

namespace vestibule::portal {
namespace {

using testing::HttpReply;
using testing::PortalWorld;

constexpr const char* kSeed = "3132333435363738393031323334353637383930";  // RFC 4226 appendix D
constexpr const char* kCodes[] = {"755224", "287082", "359152", "969429"};

class TokensApiTest : public ::testing::Test, public PortalWorld {
 protected:
  void SetUp() override { open(); }
  static json::Value body(std::initializer_list<std::pair<const char*, std::string>> members) {
    json::Value v{json::Object{}};
    for (const auto& [key, value] : members) v.set(key, value);
    return v;
  }
};

TEST_F(TokensApiTest, FromImportToStepUp) {
  Person root = set_up();
  Person alice = create(root, "alice", "member");
  const std::string csv = std::string("serial,secret,digits,counter\nHT-1,") + kSeed + ",6,0\nHT-2," + kSeed + ",6,0\n";
  EXPECT_EQ(post("/v1/hardware-tokens", body({{"csv", csv}, {"code", "x"}}).dump(), alice.handle).code(), "role_required");
  HttpReply imported = bound(root, "/v1/hardware-tokens", body({{"csv", csv}}));
  ASSERT_EQ(imported.code(), "ok") << imported.body;
  EXPECT_EQ(imported.json.get_int("imported").value_or(0), 2);
  HttpReply bad = bound(root, "/v1/hardware-tokens", body({{"csv", "HT-3,nothing"}}));
  EXPECT_EQ(bad.code(), "invalid_argument");
  EXPECT_EQ(bad.detail(), "csv: line 1: the secret: 16 to 64 bytes in hex");
  EXPECT_EQ(bound(root, "/v1/hardware-tokens", body({{"csv", csv}})).code(), "conflict");

  EXPECT_EQ(post("/v1/factors/hotp", body({{"serial", "HT-1"}}).dump(), alice.handle).code(), "factor_exists");
  HttpReply begun = bound(alice, "/v1/factors/hotp", body({{"serial", "HT-1"}, {"label", "token"}}));
  ASSERT_EQ(begun.code(), "ok") << begun.body;
  EXPECT_EQ(begun.json.get_int("digits").value_or(0), 6);
  EXPECT_EQ(begun.body.find(kSeed), std::string::npos);
  HttpReply done = post("/v1/factors/" + begun.text("id") + "/confirm", body({{"code", kCodes[0]}}).dump(), alice.handle);
  ASSERT_EQ(done.code(), "ok") << done.body;
  const std::string pending = started("alice");
  EXPECT_EQ(post("/v1/prove", body({{"kind", "hotp"}, {"answer", kCodes[0]}}).dump(), pending).code(), "code_used");
  EXPECT_EQ(post("/v1/prove", body({{"kind", "hotp"}, {"answer", std::string(kCodes[2]) + "," + kCodes[3]}}).dump(), pending).code(), "ok");
  EXPECT_EQ(get("/v1/me", pending).json.get_int("level").value_or(0), 2);

  HttpReply list = get("/v1/hardware-tokens", root.handle);
  ASSERT_EQ(list.json.find("tokens")->items().size(), 2U) << list.body;
  EXPECT_EQ(list.json.find("tokens")->items()[0].get_string("holder").value_or(""), "alice");
  EXPECT_TRUE(list.json.find("tokens")->items()[1].find("holder")->is_null());
  EXPECT_EQ(list.body.find(kSeed), std::string::npos);
  EXPECT_EQ(bound(root, "/v1/hardware-tokens/HT-1/remove").code(), "conflict");
  EXPECT_EQ(bound(root, "/v1/hardware-tokens/HT-2/remove").code(), "ok");
  EXPECT_EQ(get("/v1/hardware-tokens", root.handle).json.find("tokens")->items().size(), 1U);
  for (const audit::Entry& e : entries("factor.prove")) EXPECT_EQ(e.note.find(kSeed), std::string::npos);
}

}  // namespace
}  // namespace vestibule::portal
