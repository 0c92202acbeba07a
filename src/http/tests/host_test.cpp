#include "http/host.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace vestibule::http {
namespace {

TEST(Host, Accepted) {
  struct Row {
    std::string text, name;
    int port;
  };
  for (const Row& r :
       std::vector<Row>{{"a", "a", 0},
                        {"LocalHost:8420", "localhost", 8420},
                        {"a-b.C_d.example", "a-b.c_d.example", 0},
                        {"1.2.3.4", "1.2.3.4", 0},
                        {"127.0.0.1:1", "127.0.0.1", 1},
                        {"1a.2b", "1a.2b", 0},
                        {"3com.com:65535", "3com.com", 65535},
                        {"1.2.3.4.example", "1.2.3.4.example", 0},
                        {"[::1]", "[::1]", 0},
                        {"[::1]:80", "[::1]", 80},
                        {"[2001:DB8:0:0:0:0:0:1]", "[2001:db8::1]", 0},
                        {"[0:0:0:0:0:0:0:1]:8", "[::1]", 8},
                        {std::string(63, 'a') + ".b", std::string(63, 'a') + ".b", 0}}) {
    SCOPED_TRACE(r.text);
    const auto h = parse_host(r.text);
    ASSERT_TRUE(h);
    EXPECT_EQ(h->name, r.name);
    EXPECT_EQ(h->port, r.port);
    EXPECT_TRUE(is_valid_host(r.text));
  }
}

TEST(Host, Refused) {
  const std::string longest = [] {
    std::string s;
    for (int i = 0; i < 127; ++i) s += "a.";
    return s;
  }();
  for (const std::string& text : std::vector<std::string>{"",
                                                          " ",
                                                          ".",
                                                          "a.",
                                                          ".a",
                                                          "a..b",
                                                          "-a",
                                                          "a-",
                                                          "a.-b",
                                                          "a b",
                                                          "a,b",
                                                          "a/b",
                                                          "a@b",
                                                          "a%2e",
                                                          "a\\b",
                                                          "a#",
                                                          "a?b",
                                                          "\xc3\xa9",
                                                          std::string("a\0b", 3),
                                                          "*",
                                                          "*.a",
                                                          "a:",
                                                          "a:0",
                                                          "a:00080",
                                                          "a:080",
                                                          "a:65536",
                                                          "a:99999",
                                                          "a:1:2",
                                                          "a:b",
                                                          "a:+1",
                                                          "a: 1",
                                                          ":80",
                                                          "127.1",
                                                          "1",
                                                          "2130706433",
                                                          "0x7f000001",
                                                          "0x7f.1",
                                                          "a.0x1",
                                                          "a.1",
                                                          "1.2.3",
                                                          "1.2.3.4.5",
                                                          "1.2.3.256",
                                                          "01.2.3.4",
                                                          "1.2.3.04",
                                                          "0x",
                                                          "::1",
                                                          "[]",
                                                          "[::1",
                                                          "::1]",
                                                          "[::1]x",
                                                          "[::1]80",
                                                          "[::1]:",
                                                          "[::g]",
                                                          "[::1%eth0]",
                                                          "[::1%25eth0]",
                                                          "[1.2.3.4]",
                                                          "[:::]",
                                                          "[1:2:3:4:5:6:7]",
                                                          "[12345::]",
                                                          "[v1.a]",
                                                          "[[::1]]",
                                                          std::string(64, 'a'),
                                                          longest}) {
    SCOPED_TRACE(text);
    EXPECT_FALSE(is_valid_host(text));
    const auto h = parse_host(text);
    ASSERT_FALSE(h);
    EXPECT_EQ(h.error().code, Reason::request_malformed);
  }
}

}  // namespace
}  // namespace vestibule::http
