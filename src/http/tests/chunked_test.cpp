#include "http/chunked.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "http/parse.hpp"

namespace vestibule::http {
namespace {

using namespace std::string_literals;
using Step = ChunkedDecoder::Step;

struct Outcome {
  Step last = Step::more;
  std::string body, trailers;
  std::size_t consumed = 0;
  bool operator==(const Outcome&) const = default;
};

// Feeds pieces of `piece` bytes.
Outcome decode(const std::string& text, std::size_t piece,
               const ChunkedDecoder::Options& options = {}) {
  ChunkedDecoder d(options);
  Outcome out;
  for (std::size_t at = 0; at < text.size();) {
    const std::string in = text.substr(at, piece);
    std::string_view rest = in;
    for (;;) {
      std::string_view data;
      std::size_t used = 0;
      out.last = d.step(rest, data, used);
      EXPECT_LE(used, rest.size());
      EXPECT_EQ(out.last == Step::data, !data.empty());
      out.body.append(data);
      out.consumed += used;
      rest.remove_prefix(used);
      if (out.last != Step::data) break;
    }
    if (out.last != Step::more) break;
    EXPECT_TRUE(rest.empty());
    at += in.size();
  }
  if (out.last == Step::bad) return {Step::bad, "", "", 0};
  EXPECT_EQ(d.total(), out.body.size());
  for (const HeaderField& f : d.trailers())
    out.trailers.append(f.name).append("=").append(f.value).append(";");
  return out;
}

Outcome decode_every_way(const std::string& text, const ChunkedDecoder::Options& options = {}) {
  const Outcome whole = decode(text, text.size() + 1, options);
  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    EXPECT_EQ(decode(text, piece, options), whole) << "pieces of " << piece;
  }
  return whole;
}

TEST(Chunked, WellFormed) {
  struct Row {
    std::string name, text, body, trailers;
    std::size_t left;
  };
  for (const Row& r : std::vector<Row>{
           {"empty", "0\r\n\r\n", "", "", 0},
           {"one", "5\r\nhello\r\n0\r\n\r\n", "hello", "", 0},
           {"two", "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world", "", 0},
           {"upper and lower case", "A\r\n0123456789\r\nb\r\n0123456789a\r\n0\r\n\r\n",
            "01234567890123456789a", "", 0},
           {"leading zeros", "0000000000000005\r\nhello\r\n0000\r\n\r\n", "hello", "", 0},
           {"CRLF as data", "4\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n", "", 0},
           {"the next message behind", "1\r\nx\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n", "x", "", 17},
           {"trailers", "1\r\nx\r\n0\r\nX-Sum: 1\r\ngrpc-status:0 \r\n\r\nrest", "x",
            "X-Sum=1;grpc-status=0;", 4}}) {
    SCOPED_TRACE(r.name);
    const Outcome o = decode_every_way(r.text);
    EXPECT_EQ(o.last, Step::done);
    EXPECT_EQ(o.body, r.body);
    EXPECT_EQ(o.trailers, r.trailers);
    EXPECT_EQ(o.consumed, r.text.size() - r.left);
  }
}

TEST(Chunked, MalformedIsRefusedHoweverItIsCut) {
  struct Row {
    std::string name, text;
  };
  std::vector<Row> rows = {
      {"no size", "\r\n"},
      {"no digit", "g\r\n"},
      {"minus", "-1\r\n"},
      {"plus", "+1\r\nx\r\n"},
      {"0x", "0x1\r\nx\r\n"},
      {"space ahead", " 1\r\nx\r\n"},
      {"space behind", "1 \r\nx\r\n"},
      {"tab behind", "1\t\r\nx\r\n"},
      {"extension", "1;a=b\r\nx\r\n"},
      {"empty extension", "1;\r\nx\r\n"},
      {"extension with LF", "2;\nxx\r\n"},
      {"extension on the last", "0;a\r\n\r\n"},
      {"bare LF after the size", "1\nx\r\n"},
      {"CR without LF", "1\rx\r\n"},
      {"17 digits", "00000000000000001\r\nx\r\n"},
      {"17 digits overflow", "10000000000000001\r\nx\r\n"},
      {"2^64-1", "ffffffffffffffff\r\nx\r\n"},
      {"data too long", "1\r\nxy\r\n"},
      {"bare LF after the data", "1\r\nx\n0\r\n\r\n"},
      {"CR only after the data", "1\r\nx\r0\r\n\r\n"},
      {"no CRLF after the data", "1\r\nx0\r\n\r\n"},
      {"empty line between chunks", "1\r\nx\r\n\r\n0\r\n\r\n"},
      {"bare LF at the end", "0\r\n\n"},
      {"bare LF after 0", "0\n\n"},
      {"CR CR LF", "0\r\n\r\r\n"},
      {"trailer without a colon", "0\r\nabc\r\n\r\n"},
      {"trailer bare LF", "0\r\nA: b\n\r\n"},
      {"trailer bare CR", "0\r\nA: b\rc\r\n\r\n"},
      {"trailer folded", "0\r\nA: b\r\n c\r\n\r\n"},
      {"trailer space before the colon", "0\r\nA : b\r\n\r\n"},
      {"trailer NUL", "0\r\nA: \0\r\n\r\n"s},
      {"a request as trailers", "0\r\nGET / HTTP/1.1\r\n\r\n"},
      {"trailers over 4 KiB", "0\r\nA: " + std::string(4096, 'a') + "\r\n\r\n"},
      {"17 trailers", "0\r\n" +
                          [] {
                            std::string s;
                            for (int i = 0; i < 17; ++i) s += "A: b\r\n";
                            return s;
                          }() +
                          "\r\n"},
  };
  for (const char* name : {"Content-Length",
                           "transfer-encoding",
                           "HOST",
                           "Connection",
                           "Authorization",
                           "X-Api-Key",
                           "Cookie",
                           "Set-Cookie",
                           "Content-Type",
                           "Content-Encoding",
                           "TE",
                           "Trailer",
                           "Upgrade",
                           "Expect",
                           "X-Forwarded-For",
                           "Remote-User",
                           "Content_Length",
                           "X_Forwarded_User",
                           "Cache-Control",
                           "Proxy-Authorization"}) {
    rows.push_back({"trailer "s + name, "1\r\nx\r\n0\r\n"s + name + ": 1\r\n\r\n"});
  }
  for (const Row& r : rows) {
    SCOPED_TRACE(r.name);
    EXPECT_EQ(decode_every_way(r.text).last, Step::bad);
  }
}

TEST(Chunked, IncompleteIsNeverDone) {
  const std::string text = "5\r\nhello\r\n0\r\nA: b\r\n\r\n";
  for (std::size_t n = 0; n < text.size(); ++n) {
    const Step last = decode(text.substr(0, n), 1).last;
    EXPECT_EQ(last, Step::more) << n;
  }
}

TEST(Chunked, LimitOnTheBody) {
  ChunkedDecoder::Options options;
  options.max_body = 10;
  EXPECT_EQ(decode_every_way("5\r\nhello\r\n5\r\nhello\r\n0\r\n\r\n", options).last, Step::done);
  EXPECT_EQ(decode_every_way("5\r\nhello\r\n6\r\nhello!\r\n0\r\n\r\n", options).last, Step::bad);
  EXPECT_EQ(decode_every_way("b\r\n", options).last, Step::bad);
}

TEST(Chunked, EmptyDataWritesNothing) {
  std::array<char, kChunkHeadMax> head;
  EXPECT_EQ(write_chunk_head(0, head), 0U);
  std::string out;
  append_chunk(out, "");
  append_chunk(out, {"x", 0});
  EXPECT_EQ(out, "");
}

TEST(Chunked, WhatIsWrittenIsRead) {
  for (const std::size_t size : {1UL, 15UL, 16UL, 255UL, 256UL, 4096UL, 65537UL}) {
    std::string out;
    append_chunk(out, std::string(size, 'a'));
    append_chunk(out, "");
    append_chunk(out, std::string(size, 'b'));
    out += kLastChunk;
    const Outcome o = decode(out, 1000);
    EXPECT_EQ(o.last, Step::done);
    EXPECT_EQ(o.body, std::string(size, 'a') + std::string(size, 'b'));
    EXPECT_EQ(o.consumed, out.size());
  }
  std::array<char, kChunkHeadMax> head;
  EXPECT_EQ(std::string(head.data(), write_chunk_head(~std::uint64_t{0}, head)),
            "ffffffffffffffff\r\n");
}

TEST(Chunked, Trailers) {
  const std::string good = "GET / HTTP/1.1\r\nX-Sum: 1\r\nY:\r\n";
  Headers trailers;
  const char* base = good.data();
  trailers.add(base, {{base + 16, 5}, {base + 23, 1}, Known::other});
  std::string out;
  ASSERT_TRUE(append_last_chunk(out, trailers));
  EXPECT_EQ(out, "0\r\nX-Sum: 1\r\n\r\n");
  EXPECT_EQ(decode(out, 3).trailers, "X-Sum=1;");
  trailers.add(base, {{base + 16, 5}, {base + 23, 3}, Known::other});  // "1\r\n"
  out.clear();
  EXPECT_FALSE(append_last_chunk(out, trailers));
  EXPECT_EQ(out, "");
}

TEST(Chunked, ResetStartsAnew) {
  ChunkedDecoder d;
  std::string_view data;
  std::size_t used = 0;
  EXPECT_EQ(d.step("x", data, used), Step::bad);
  EXPECT_EQ(d.step("0\r\n\r\n", data, used), Step::bad);
  d.reset();
  EXPECT_EQ(d.step("0\r\nA: b\r\n\r\n", data, used), Step::done);
  EXPECT_EQ(d.step("more", data, used), Step::done);
  EXPECT_EQ(used, 0U);
  d.reset();
  EXPECT_EQ(d.step("0\r\n\r\n", data, used), Step::done);
  EXPECT_TRUE(d.trailers().empty());
}

}  // namespace
}  // namespace vestibule::http
