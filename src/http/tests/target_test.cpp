#include "http/target.hpp"

#include <gtest/gtest.h>

#include <array>

namespace vestibule::http {
namespace {

// What is refused stands in request_test.cpp, as whole requests.
TEST(Target, AcceptedAndTakenApart) {
  struct Row {
    const char *text, *path, *query;
    bool has_query, escaped;
    const char* decoded;
  };
  for (const Row& r :
       {Row{"/", "/", "", false, false, "/"}, Row{"/a/b/", "/a/b/", "", false, false, "/a/b/"},
        Row{"/a?", "/a", "", true, false, "/a"}, Row{"/?a=b?c/d", "/", "a=b?c/d", true, false, "/"},
        Row{"/...", "/...", "", false, false, "/..."},
        Row{"/.well-known/x", "/.well-known/x", "", false, false, "/.well-known/x"},
        Row{"/a..b/.c", "/a..b/.c", "", false, false, "/a..b/.c"},
        Row{"/m/llama3:8b@x!$&'()*+,=~_-", "/m/llama3:8b@x!$&'()*+,=~_-", "", false, false,
            "/m/llama3:8b@x!$&'()*+,=~_-"},
        Row{"/a%20b", "/a%20b", "", false, true, "/a b"},
        Row{"/a%3Ab%3ac", "/a%3Ab%3ac", "", false, true, "/a:b:c"},
        Row{"/%C3%A9", "/%C3%A9", "", false, true, "/\xc3\xa9"},
        Row{"/%E2%82%AC%F0%9F%98%80", "/%E2%82%AC%F0%9F%98%80", "", false, true,
            "/\xe2\x82\xac\xf0\x9f\x98\x80"},
        Row{"/a?u=http%3A%2F%2Fb%2e%61&i[]=%25%5B", "/a", "u=http%3A%2F%2Fb%2e%61&i[]=%25%5B", true,
            false, "/a"}}) {
    SCOPED_TRACE(r.text);
    const auto t = parse_target(r.text);
    ASSERT_TRUE(t) << t.error().detail;
    EXPECT_EQ(t->path, r.path);
    EXPECT_EQ(t->query, r.query);
    EXPECT_EQ(t->has_query, r.has_query);
    EXPECT_EQ(t->escaped, r.escaped);
    std::array<char, 100> buffer;
    EXPECT_EQ(decode_path(*t, buffer), r.decoded);
    std::array<char, 1> small;
    if (t->escaped) {
      EXPECT_EQ(decode_path(*t, small), "");
    }
  }
}

TEST(Target, Refused) {
  for (const char* text :
       {"", "a", "*", "http://a/", "//", "/../", "/a/.", "/%2e", "/%2F", "/a;b", "/%"}) {
    const auto t = parse_target(text);
    ASSERT_FALSE(t) << text;
    EXPECT_EQ(t.error().code, Reason::request_malformed);
  }
  const auto t = parse_target("/abc", 3);
  ASSERT_FALSE(t);
  EXPECT_EQ(t.error().code, Reason::uri_too_long);
}

TEST(Query, Read) {
  QueryReader reader("a=1&b=&c==x");
  QueryParam p;
  std::string all;
  while (reader.next(p) == QueryReader::Step::param)
    all.append(p.name).append(">").append(p.value).append(";");
  EXPECT_EQ(all, "a>1;b>;c>=x;");
  EXPECT_EQ(reader.next(p), QueryReader::Step::end);
  EXPECT_EQ(QueryReader("").next(p), QueryReader::Step::end);
}

TEST(Query, StrictValues) {
  const std::string_view query = "a=1&b=x+y%26z&%61b=2&e=";
  EXPECT_EQ(*query_value(query, "a"), "1");
  EXPECT_EQ(*query_value(query, "b"), "x y&z");
  EXPECT_EQ(*query_value(query, "ab"), "2");
  EXPECT_EQ(*query_value(query, "e"), "");
  EXPECT_EQ(query_value(query, "c").error().code, Reason::not_found);
  for (const char* bad :
       {"a=1&a=2", "a=1&%61=2", "a=1&", "&a=1", "a=1&&b=2", "a", "=1", "a=1&b", "a=%4", "a=%zz"}) {
    const auto v = query_value(bad, "a");
    ASSERT_FALSE(v) << bad;
    EXPECT_EQ(v.error().code, Reason::request_malformed) << bad;
  }
}

}  // namespace
}  // namespace vestibule::http
