#include <gtest/gtest.h>

#include "access/catalogue.hpp"
#include "access/credentials.hpp"

namespace vestibule::access {
namespace {

AccessPoint point(std::string name, std::string prefix, std::string host = "") {
  AccessPoint p;
  p.name = std::move(name);
  p.prefix = std::move(prefix);
  p.host = std::move(host);
  p.upstreams = {"http://127.0.0.1:1"};
  return p;
}

TEST(Catalogue, TheLongestPrefixOnSegmentBoundariesWins) {
  const auto c = Catalogue::build({point("root", ""), point("lab", "/lab"), point("deep", "/lab/deep"),
                                   point("hosted", "", "lab.example"), point("both", "/lab", "lab.example")},
                                  {"localhost", "lab.example"});
  ASSERT_TRUE(c) << c.error().detail;
  struct Row { const char *host, *path, *name, *rest; };
  for (const Row& r : {Row{"localhost", "/v1/models", "root", "/v1/models"}, Row{"localhost", "/lab", "lab", "/"},
                       Row{"localhost", "/lab/v1/x", "lab", "/v1/x"}, Row{"localhost", "/labor", "root", "/labor"},
                       Row{"localhost", "/lab/deep/y", "deep", "/y"}, Row{"lab.example", "/v1", "hosted", "/v1"},
                       Row{"lab.example", "/lab/v1", "both", "/v1"}, Row{"lab.example", "/lab/deep/z", "both", "/deep/z"}}) {
    const auto route = (*c)->route(r.host, r.path);
    ASSERT_TRUE(route) << r.path;
    EXPECT_EQ(route->point->name, r.name) << r.host << r.path;
    EXPECT_EQ(route->path, r.rest);
    EXPECT_EQ((*c)->points()[route->index].name, r.name);
  }
  EXPECT_TRUE((*c)->known_host("localhost"));
  EXPECT_FALSE((*c)->known_host("evil.example"));
  EXPECT_EQ((*c)->find("lab")->prefix, "/lab");
  EXPECT_EQ((*c)->find("none"), nullptr);
}

TEST(Catalogue, NothingMatchesWithoutARoot) {
  const auto c = Catalogue::build({point("lab", "/lab")}, {"localhost"});
  ASSERT_TRUE(c);
  EXPECT_FALSE((*c)->route("localhost", "/v1"));
}

TEST(Catalogue, AllProblemsAtOnce) {
  AccessPoint empty = point("empty", "/e");
  empty.upstreams.clear();
  AccessPoint header = point("header", "/h");
  header.credential_header = "X: y\r\n";
  const auto c = Catalogue::build({point("a", ""), point("a", ""), point("b", "lab"), point("c", "/x/"), point("d", "/a//b"),
                                   point("e", "/%41"), point("f", "/f", "other.example"), empty, header},
                                  {"localhost"});
  ASSERT_FALSE(c);
  for (const char* want : {"used twice", "same host and prefix", "access_point.b", "access_point.c", "access_point.d",
                           "access_point.e", "not among server.hosts", "give upstreams or spawn", "not a header name"}) {
    EXPECT_NE(c.error().detail.find(want), std::string::npos) << want;
  }
}

TEST(Catalogue, RulesThatMeanNothingAreProblems) {
  const auto detail = [](AccessPoint p) {
    const auto c = Catalogue::build({std::move(p)}, {"localhost"});
    return c ? std::string() : c.error().detail;
  };
  AccessPoint p = point("a", "");
  p.kind = dialect::Kind::ollama;
  p.rules.operations = {"model.pull", "body.chat_template"};
  p.rules.models = {"llama3*"};
  EXPECT_EQ(detail(p), "");
  p.rules.operations = {"model.pul"};
  EXPECT_NE(detail(p).find("\"model.pul\" is nothing that the kind ollama has"), std::string::npos);
  p = point("a", "");
  p.kind = dialect::Kind::http;
  EXPECT_EQ(detail(p), "");
  p.rules.models = {"llama3*"};
  EXPECT_NE(detail(p).find("models: the kind http"), std::string::npos);
  for (const char* field : {"Host", "content-length", "Transfer-Encoding", "Connection"}) {
    p = point("a", "");
    p.credential_header = field;
    EXPECT_NE(detail(p).find("another meaning"), std::string::npos) << field;
  }
}

TEST(Catalogue, CallsAreCarriedToOnePlace) {
  AccessPoint model = point("lab", "");
  model.rules.gated_tools = true;
  AccessPoint bank = point("bank", "/bank");
  bank.kind = dialect::Kind::mcp;
  bank.carries = {{"lab", "transfer", "pay"}, {"lab", "balance", ""}};
  AccessPoint files = point("files", "/files");
  files.kind = dialect::Kind::mcp;
  const auto build = [&] { return Catalogue::build({model, bank, files}, {"localhost"}); };
  const auto c = build();
  ASSERT_TRUE(c) << c.error().detail;
  const auto pay = (*c)->carried("lab", "transfer");
  ASSERT_TRUE(pay);
  EXPECT_EQ(pay->point->name, "bank");
  EXPECT_EQ(pay->tool, "pay");
  EXPECT_EQ((*c)->carried("lab", "balance")->tool, "balance");
  EXPECT_FALSE((*c)->carried("lab", "delete"));
  EXPECT_FALSE((*c)->carried("bank", "transfer"));
  const auto refused = [&](std::string_view why) {
    const auto made = build();
    EXPECT_FALSE(made);
    return !made && made.error().detail.find(why) != std::string::npos;
  };
  files.carries = {{"lab", "*", ""}};
  EXPECT_TRUE(refused("is carried by access_point.bank already"));
  files.carries = {{"bank", "pay", ""}};
  EXPECT_TRUE(refused("no tool call is confirmed")) << "what it lets out is a call already";
  files.carries.clear();
  model.rules.gated_tools = false;
  EXPECT_TRUE(refused("no tool call is confirmed"));
  model.rules.gated_tools = true;
  model.carries = {{"lab", "x", ""}};
  EXPECT_TRUE(refused("only of the kind mcp"));
}

TEST(AccessPoint, BypassableUnlessTheGatewayHoldsTheOnlyWay) {
  AccessPoint p = point("a", "");
  EXPECT_FALSE(p.closed(false));
  EXPECT_TRUE(p.closed(true)) << "the gateway holds the credential";
  p.upstreams = {"unix:/run/m.sock"};
  EXPECT_TRUE(p.closed(false));
  p.upstreams.push_back("http://127.0.0.1:1");
  EXPECT_FALSE(p.closed(false)) << "one open way is enough";
}

TEST(Credentials, SealedUnderTheirPlaceAndRotated) {
  CountingRng rng;
  crypto::MasterKeys keys;
  keys.push_back({1, Secret(Bytes(32, 7))});
  crypto::KeyRing ring(keys, rng);
  auto db = store::Database::open({}, migrations());
  ASSERT_TRUE(db) << db.error().detail;
  (*db)->start();
  const auto done = (*db)->write_blocking([&](store::Tx& tx) -> Result<void> {
    EXPECT_TRUE(put_credential(tx, ring, "lab", Secret(std::string_view("sk-upstream")), WallTime{}));
    EXPECT_FALSE(put_credential(tx, ring, "lab", Secret(std::string_view("a\r\nb")), WallTime{}));
    EXPECT_FALSE(put_credential(tx, ring, "lab", Secret(), WallTime{}));
    auto got = load_credential(tx, ring, "lab");
    EXPECT_TRUE(got && *got);
    if (got && *got) { EXPECT_EQ((*got)->reveal_text(), "sk-upstream"); }
    auto none = load_credential(tx, ring, "other");
    EXPECT_TRUE(none && !*none);
    EXPECT_TRUE(ring.adopt({2, Secret(Bytes(32, 9))}));
    EXPECT_EQ(reseal_credentials(tx, ring).value_or(-1), 1);
    EXPECT_EQ(reseal_credentials(tx, ring).value_or(-1), 0);
    got = load_credential(tx, ring, "lab");
    EXPECT_TRUE(got && *got);
    // A row moved to another access point does not open.
    auto moved = tx.run("UPDATE access_credential SET access_point = $1", {"other"});
    EXPECT_TRUE(moved);
    EXPECT_FALSE(load_credential(tx, ring, "other"));
    return remove_credential(tx, "other");
  });
  EXPECT_TRUE(done);
  (*db)->stop();
}

}  // namespace
}  // namespace vestibule::access
