#include "app/cli/git_credential.hpp"

#include <gtest/gtest.h>

#include "app/cli/handing_on.hpp"

namespace vestibule::app::cli {
namespace {

TEST(GitCredential, WhatGitAsks) {
  const auto r = parse_git_request("capability[]=authtype\nprotocol=http\nhost=localhost:8420\npath=lab/repo.git\nwwwauth[]=Bearer\n\nignored");
  ASSERT_TRUE(r);
  EXPECT_EQ(r->protocol, "http");
  EXPECT_EQ(r->host, "localhost:8420");
  EXPECT_EQ(r->path, "lab/repo.git");
  EXPECT_TRUE(r->knows_bearer);
  EXPECT_TRUE(parse_git_request(""));
  EXPECT_TRUE(parse_git_request("protocol=https\nhost=a=b"));
}

TEST(GitCredential, WhatARepositoryWouldSmuggleInIsRefused) {
  for (const std::string& text :
       {std::string("protocol=http\rhost=localhost\n"), std::string("host=localhost\nhost=evil.example\n"),
        std::string("protocol=http\nprotocol=https\n"), std::string("path=a\npath=b\n"), std::string("url=http://localhost:8420\n"),
        std::string("host\n"), std::string("=x\n"), std::string("host=local\0host\n", 15), std::string("host=a\x7f\n"),
        std::string(kMaxGitRequest + 1, 'a')}) {
    const auto r = parse_git_request(text);
    ASSERT_FALSE(r) << text.substr(0, 40);
    EXPECT_EQ(r.error().code, Reason::request_malformed);
  }
}

TEST(GitCredential, ATokenIsToldToThisGatewayAlone) {
  struct Row {
    const char *protocol, *host, *url;
    bool meant;
  };
  for (const Row& r : {Row{"http", "localhost:8420", "http://localhost:8420", true}, Row{"HTTP", "LocalHost:8420", "http://localhost:8420", true},
                       Row{"https", "ai.example", "https://ai.example:443", true}, Row{"https", "ai.example:443", "https://ai.example", true},
                       Row{"https", "localhost:8420", "http://localhost:8420", false}, Row{"http", "localhost", "http://localhost:8420", false},
                       Row{"http", "localhost:8421", "http://localhost:8420", false}, Row{"https", "ai.example.evil", "https://ai.example", false},
                       Row{"https", "evil@ai.example", "https://ai.example", false}, Row{"https", "ai.example/x", "https://ai.example", false},
                       Row{"http", "", "http://localhost:8420", false}, Row{"", "localhost:8420", "http://localhost:8420", false},
                       Row{"http", ":80", "http://:80", true}, Row{"http", "localhost:8420", "localhost:8420", false},
                       Row{"http", "localhost:8420:80", "http://localhost:8420", false}, Row{"http", "localhost:80:80", "http://localhost", false},
                       Row{"https", "localhost:8420:443", "https://localhost:8420", false}, Row{"http", "[::1]:80", "http://[::1]", true},
                       Row{"http", "[::1]:8420:80", "http://[::1]:8420", false}}) {
    const GitRequest request{r.protocol, r.host, {}, false};
    EXPECT_EQ(meant_for(request, r.url), r.meant) << r.protocol << " " << r.host << " " << r.url;
  }
}

TEST(GitCredential, TheAnswerIsWhatGitUnderstands) {
  GitRequest request;
  EXPECT_EQ(git_answer(request, "vt_x", 12), "username=vestibule\npassword=vt_x\npassword_expiry_utc=12\n");
  request.knows_bearer = true;
  EXPECT_EQ(git_answer(request, "vt_x", 0), "capability[]=authtype\nauthtype=Bearer\ncredential=vt_x\n");
}

TEST(HandingOn, TimesAreRead) {
  EXPECT_EQ(seconds_of("1970-01-02T00:00:01Z"), 86'401);
  EXPECT_EQ(seconds_of("2026-11-23T03:02:36Z"), 1'795'402'956);
  EXPECT_EQ(seconds_of("2026-11-23T03:02:36.5Z"), 1'795'402'956);
  for (const char* wrong : {"", "2026-11-23", "2026-13-23T03:02:36Z", "2026-11-23 03:02:36Z", "x026-11-23T03:02:36Z", "2026-11-23T03:02:36"}) {
    EXPECT_EQ(seconds_of(wrong), 0) << wrong;
  }
}

}  // namespace
}  // namespace vestibule::app::cli
