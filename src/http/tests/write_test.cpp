#include "http/write.hpp"

#include <gtest/gtest.h>

#include "http/parse.hpp"

namespace vestibule::http {
namespace {

using namespace std::string_literals;

TEST(Write, ReplyAndRequest) {
  std::string out = "before";
  EXPECT_TRUE(HeadWriter(out)
                  .status(200)
                  .field("Content-Type", "text/plain")
                  .framing({BodyKind::length, 5})
                  .finish());
  EXPECT_EQ(out, "beforeHTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\n");
  out.clear();
  EXPECT_TRUE(HeadWriter(out)
                  .request("POST", "/v1?a=b")
                  .field("Host", "a")
                  .framing({BodyKind::chunked, 0})
                  .field("N", 0)
                  .finish());
  EXPECT_EQ(out, "POST /v1?a=b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nN: 0\r\n\r\n");
  RequestParser p;
  EXPECT_EQ(p.feed(out), ParseState::done);
  out.clear();
  EXPECT_TRUE(HeadWriter(out).status(599).finish());
  ResponseParser q;
  EXPECT_EQ(q.feed(out), ParseState::done);
}

TEST(Write, NothingThatSplitsGetsThrough) {
  const auto refused = [](auto&& build) {
    std::string out = "kept";
    HeadWriter w(out);
    build(w);
    EXPECT_FALSE(w.field("After", "x").finish());
    EXPECT_EQ(out, "kept");
  };
  for (const std::string& value :
       {"a\r\nX: y"s, "a\nb"s, "a\rb"s, "a\0b"s, "\x7f"s, "\x01"s, "12345678\n"s}) {
    refused([&](HeadWriter& w) { w.status(200).field("A", value); });
    refused([&](HeadWriter& w) { w.status(200).field(value, "b"); });
    refused([&](HeadWriter& w) { w.status(200, value); });
    refused([&](HeadWriter& w) { w.request(value, "/"); });
    refused([&](HeadWriter& w) { w.request("GET", value); });
  }
  for (const std::string_view name : {"", "A B", "A:", "A ", "\xc3\xa9"}) {
    refused([&](HeadWriter& w) { w.status(200).field(name, "b"); });
  }
  refused([](HeadWriter& w) { w.status(99); });
  refused([](HeadWriter& w) { w.status(600); });
  refused([](HeadWriter& w) { w.status(200).status(200); });
  refused([](HeadWriter& w) { w.field("A", "b"); });
  refused([](HeadWriter& w) { w.request("GET", "//x"); });
  std::string out;
  HeadWriter w(out);
  EXPECT_TRUE(w.status(200).finish());
  EXPECT_FALSE(w.finish());
  EXPECT_EQ(out, "HTTP/1.1 200 OK\r\n\r\n");
}

TEST(Write, Dates) {
  const auto text = [](std::int64_t seconds) {
    const auto d = http_date(WallTime(std::chrono::seconds(seconds)));
    return std::string(d.data(), d.size());
  };
  EXPECT_EQ(text(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(text(0), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(text(951782400), "Tue, 29 Feb 2000 00:00:00 GMT");
  EXPECT_EQ(text(1798761599), "Thu, 31 Dec 2026 23:59:59 GMT");
  DateCache cache;
  EXPECT_EQ(cache.at(WallTime(std::chrono::milliseconds(784111777999))),
            "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(cache.at(WallTime(std::chrono::milliseconds(784111778000))),
            "Sun, 06 Nov 1994 08:49:38 GMT");
}

}  // namespace
}  // namespace vestibule::http
