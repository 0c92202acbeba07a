#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "http/parse.hpp"

namespace vestibule::http {
namespace {

using namespace std::string_literals;

std::string verdict(const std::string& text, Method method, std::size_t cut) {
  ResponseParser p;
  p.reset(method);
  const std::string first = text.substr(0, cut);
  ParseState state = p.feed(first);
  if (state == ParseState::need_more) state = p.feed(text);
  if (state == ParseState::need_more) return "need_more";
  if (state == ParseState::bad) return std::string(info(p.error().reason).code);
  const ResponseHead& h = p.head();
  std::string out = std::to_string(h.status) + "|" +
                    std::to_string(static_cast<int>(h.framing.kind)) + ":" +
                    std::to_string(h.framing.length) + "|" + std::to_string(p.consumed());
  for (const HeaderField& f : h.headers)
    out.append("\n").append(f.name).append("=").append(f.value);
  return out;
}

void expect_verdict(const std::string& text, Method method, const std::string& want) {
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    const std::string got = verdict(text, method, cut);
    ASSERT_EQ(got.substr(0, want.size()), want) << "cut at " << cut;
    ASSERT_EQ(got, verdict(text, method, 0)) << "cut at " << cut;
  }
}

struct Refused {
  std::string name, text;
};
std::string with_fields(const std::string& fields) { return "HTTP/1.1 200 OK\r\n" + fields + "\r\n\r\n"; }

TEST(Response, MalformedIsRefusedHoweverItIsCut) {
  const std::vector<Refused> rows = {
      {"empty line ahead", "\r\nHTTP/1.1 200 OK\r\n\r\n"},
      {"no HTTP", "ICY 200 OK\r\n\r\n"},
      {"HTTP/2", "HTTP/2 200 OK\r\n\r\n"},
      {"HTTP/1.2", "HTTP/1.2 200 OK\r\n\r\n"},
      {"lower case", "http/1.1 200 OK\r\n\r\n"},
      {"no status", "HTTP/1.1 OK\r\n\r\n"},
      {"two digits", "HTTP/1.1 20 OK\r\n\r\n"},
      {"four digits", "HTTP/1.1 2000 OK\r\n\r\n"},
      {"099", "HTTP/1.1 099 OK\r\n\r\n"},
      {"600", "HTTP/1.1 600 OK\r\n\r\n"},
      {"no space after the status", "HTTP/1.1 200\r\n\r\n"},
      {"tab", "HTTP/1.1\t200 OK\r\n\r\n"},
      {"NUL in the reason", "HTTP/1.1 200 O\0K\r\n\r\n"s},
      {"bare LF", "HTTP/1.1 200 OK\nA: b\r\n\r\n"},
      {"bare CR in a value", with_fields("A: b\rc")},
      {"NUL in a value", with_fields("A: b\0c"s)},
      {"folded", with_fields("A: b\r\n c")},
      {"space before the colon", with_fields("A : b")},
      {"two lengths", with_fields("Content-Length: 5\r\nContent-Length: 5")},
      {"length list", with_fields("Content-Length: 5, 5")},
      {"length -1", with_fields("Content-Length: -1")},
      {"both framings", with_fields("Content-Length: 5\r\nTransfer-Encoding: chunked")},
      {"gzip, chunked", with_fields("Transfer-Encoding: gzip, chunked")},
      {"two codings", with_fields("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked")},
      {"chunked on 1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {"204 with a body", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"},
      {"204 chunked", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {"100 with a body", "HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n"},
      {"two Content-Types", with_fields("Content-Type: text/plain\r\nContent-Type: text/event-stream")},
      {"malformed Connection", with_fields("Connection: a b")},
      {"Connection names Content-Type", with_fields("Connection: content-type")},
      {"too many fields", with_fields([] {
         std::string s = "A: b";
         for (int i = 0; i < 100; ++i) s += "\r\nA: b";
         return s;
       }())},
      {"line over the limit", with_fields("A: " + std::string(8200, 'a'))},
  };
  for (const Refused& row : rows) {
    SCOPED_TRACE(row.name);
    expect_verdict(row.text, Method::post, "upstream_malformed");
  }
}

TEST(Response, Framing) {
  struct Case {
    std::string name, text;
    Method method;
    std::string want;
  };
  const std::vector<Case> rows = {
      {"sized", with_fields("Content-Length: 5"), Method::post, "200|1:5|"},
      {"size 0", with_fields("Content-Length: 0"), Method::post, "200|0:0|"},
      {"chunked", with_fields("Transfer-Encoding: chunked"), Method::post, "200|2:0|"},
      {"until close", with_fields("A: b"), Method::get, "200|3:0|"},
      {"1.0 until close", "HTTP/1.0 200 OK\r\n\r\n", Method::get, "200|3:0|"},
      {"no reason", "HTTP/1.1 200 \r\nContent-Length: 1\r\n\r\n", Method::get, "200|1:1|"},
      {"HEAD", with_fields("Content-Length: 5"), Method::head, "200|0:0|"},
      {"HEAD chunked", with_fields("Transfer-Encoding: chunked"), Method::head, "200|0:0|"},
      {"204", "HTTP/1.1 204 No Content\r\n\r\n", Method::post, "204|0:0|"},
      {"304 with a length", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", Method::get,
       "304|0:0|"},
      {"100", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", Method::post, "100|0:0|25"},
      {"obs-text", "HTTP/1.1 200 \xc3\xa9\r\nServer: \xff\r\nContent-Length: 1\r\n\r\n",
       Method::get, "200|1:1|"},
      {"two Set-Cookies", with_fields("Set-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 1"), Method::get,
       "200|1:1|"},
      {"Connection names Transfer-Encoding",
       with_fields("Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked"), Method::get,
       "200|2:0|"},
      {"incomplete", "HTTP/1.1 200 OK\r\nA: b\r\n", Method::get, "need_more"},
  };
  for (const Case& row : rows) {
    SCOPED_TRACE(row.name);
    expect_verdict(row.text, row.method, row.want);
    ResponseParser p;
    p.reset(row.method);
    if (p.feed(row.text) == ParseState::done) {
      EXPECT_EQ(*response_framing(p.head(), row.method), p.head().framing);
    }
  }
}

TEST(Response, KeepAlive) {
  struct Case {
    std::string text;
    bool alive;
  };
  for (const Case& c :
       {Case{with_fields("Content-Length: 5"), true}, Case{with_fields("A: b"), false},
        Case{with_fields("Content-Length: 5\r\nConnection: close"), false},
        Case{"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", false},
        Case{"HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n", true}}) {
    ResponseParser p;
    ASSERT_EQ(p.feed(c.text), ParseState::done);
    EXPECT_EQ(keep_alive(p.head()), c.alive) << c.text;
  }
}

}  // namespace
}  // namespace vestibule::http
