#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "http/parse.hpp"

namespace vestibule::http {
namespace {

using namespace std::string_literals;

// State, reason and everything in the head as one comparable text.
std::string verdict(const RequestParser& p, ParseState state) {
  if (state == ParseState::need_more) return "need_more";
  if (state == ParseState::bad) return "bad:"s + std::string(info(p.error().reason).code);
  const RequestHead& h = p.head();
  std::string out = "done:" + std::to_string(p.consumed()) + "|";
  out.append(h.method_text).append("|").append(h.target).append("|").append(h.parts.path);
  out.append("|").append(h.parts.query).append("|").append(h.host).append("|");
  out += std::to_string(static_cast<int>(h.framing.kind)) + ":" + std::to_string(h.framing.length);
  for (const HeaderField& f : h.headers)
    out.append("\n").append(f.name).append("=").append(f.value);
  return out;
}

std::string in_one_piece(const std::string& text, const Limits& limits = {}) {
  RequestParser p(limits);
  return verdict(p, p.feed(text));
}

// Every cut in two, and byte by byte; each feed from an exact-size buffer of its own.
void expect_same_when_cut(const std::string& text, const Limits& limits = {}) {
  const std::string whole = in_one_piece(text, limits);
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    RequestParser p(limits);
    auto first = std::make_unique<std::string>(text.substr(0, cut));
    ParseState state = p.feed(*first);
    if (state == ParseState::need_more) {
      const std::string rest = text;
      first.reset();
      state = p.feed(rest);
      ASSERT_EQ(verdict(p, state), whole) << "cut at " << cut;
    } else {
      ASSERT_EQ(verdict(p, state), whole) << "cut at " << cut;
    }
  }
  RequestParser p(limits);
  auto buffer = std::make_unique<std::string>();
  ParseState state = ParseState::need_more;
  for (std::size_t n = 1; n <= text.size() && state == ParseState::need_more; ++n) {
    buffer = std::make_unique<std::string>(text.substr(0, n));
    state = p.feed(*buffer);
  }
  EXPECT_EQ(verdict(p, state), whole) << "byte by byte";
}

struct RequestRow {
  std::string name, text;
  Reason reason = Reason::request_malformed;
};

// A request with this start line, this further field, this path, this Host.
std::string start(const std::string& line) { return line + "\r\nHost: a\r\n\r\n"; }
std::string with(const std::string& lines) {
  return "POST / HTTP/1.1\r\nHost: a\r\n" + lines + "\r\n\r\n";
}
std::string path(const std::string& target) { return start("GET " + target + " HTTP/1.1"); }
std::string host(const std::string& value) {
  return "GET / HTTP/1.1\r\nHost: " + value + "\r\n\r\n";
}

std::vector<RequestRow> malformed() {
  std::vector<RequestRow> rows = {
      // --- start line
      {"empty line ahead", "\r\n" + start("GET / HTTP/1.1")},
      {"LF ahead", "\n" + start("GET / HTTP/1.1")},
      {"space ahead", start(" GET / HTTP/1.1")},
      {"NUL ahead", "\0"s + start("GET / HTTP/1.1")},
      {"TLS ClientHello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"s},
      {"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
      {"PROXY protocol", start("PROXY TCP4 1.2.3.4 5.6.7.8 1 2")},
      {"lower-case method", start("get / HTTP/1.1")},
      {"mixed-case method", start("Get / HTTP/1.1")},
      {"CONNECT", start("CONNECT / HTTP/1.1")},
      {"CONNECT authority-form", start("CONNECT a:443 HTTP/1.1")},
      {"TRACE", start("TRACE / HTTP/1.1")},
      {"no method", start("/ HTTP/1.1")},
      {"method with a control character", start("GE\x01T / HTTP/1.1")},
      {"method with a colon", start("GE:T / HTTP/1.1")},
      {"method of 25 letters", start(std::string(25, 'A') + " / HTTP/1.1")},
      {"two spaces after the method", start("GET  / HTTP/1.1")},
      {"tab after the method", start("GET\t/ HTTP/1.1")},
      {"two spaces before the version", start("GET /  HTTP/1.1")},
      {"tab before the version", start("GET /\tHTTP/1.1")},
      {"space after the version", start("GET / HTTP/1.1 ")},
      {"no target", start("GET HTTP/1.1")},
      {"empty target", start("GET  HTTP/1.1")},
      {"no version (HTTP/0.9)", start("GET /")},
      {"no version, space", start("GET / ")},
      {"only a method", start("GET")},
      {"only a method, space", start("GET ")},
      {"HTTP/2.0", start("GET / HTTP/2.0")},
      {"HTTP/1.2", start("GET / HTTP/1.2")},
      {"HTTP/0.9", start("GET / HTTP/0.9")},
      {"HTTP/1", start("GET / HTTP/1")},
      {"HTTP/1.", start("GET / HTTP/1.")},
      {"HTTP/1.10", start("GET / HTTP/1.10")},
      {"HTTP/01.1", start("GET / HTTP/01.1")},
      {"http/1.1", start("GET / http/1.1")},
      {"HTTPS/1.1", start("GET / HTTPS/1.1")},
      {"HTTP 1.1", start("GET / HTTP 1.1")},
      {"CR inside the line", start("GET /a\rb HTTP/1.1")},
      {"CR CR LF", "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n"},
      {"bare LF after the start line", "GET / HTTP/1.1\nHost: a\r\n\r\n"},
      {"NUL in the line", start("GET /\0 HTTP/1.1"s)},
      // --- target
      {"absolute-form", path("http://a/")},
      {"authority-form", path("a:80")},
      {"asterisk-form", start("OPTIONS * HTTP/1.1")},
      {"no slash", path("a")},
      {"only a query", path("?a=b")},
      {"two slashes", path("//")},
      {"two slashes and a host", path("//evil/x")},
      {"two slashes inside", path("/a//b")},
      {"two slashes at the end", path("/a//")},
      {"dot", path("/.")},
      {"dot segment", path("/a/./b")},
      {"dots", path("/..")},
      {"dots segment", path("/a/../b")},
      {"dots at the end", path("/a/..")},
      {"dots before a query", path("/a/..?b=c")},
      {"%2e", path("/a/%2e/b")},
      {"%2e%2e", path("/a/%2e%2e/b")},
      {"%2E.", path("/a/%2E./b")},
      {".%2e", path("/a/.%2e")},
      {"%252e", path("/a/%252e%252e/b")},
      {"%2f", path("/a%2fb")},
      {"%2F", path("/a%2Fb")},
      {"%5c", path("/a%5cb")},
      {"%00", path("/a%00")},
      {"%00 in the query", path("/a?b=%00")},
      {"%0a", path("/a%0ab")},
      {"%0d%0a in the query", path("/a?b=%0d%0aX:%20y")},
      {"%7f", path("/a%7f")},
      {"%1f", path("/a%1f")},
      {"C1 control", path("/a%C2%85")},
      {"%61", path("/%61")},
      {"%41", path("/v1/%41")},
      {"%7E", path("/%7Ea")},
      {"%2D", path("/a%2Db")},
      {"%3B", path("/a%3Bb")},
      {"%3F", path("/a%3Fb")},
      {"%23", path("/a%23b")},
      {"broken escape", path("/%")},
      {"half an escape", path("/%2")},
      {"no hexadecimal", path("/%zz")},
      {"%u0041", path("/%u0041")},
      {"broken escape in the query", path("/a?b=%4")},
      {"overlong %c0%af", path("/a%c0%afb")},
      {"overlong %e0%80%af", path("/a%e0%80%af")},
      {"surrogate", path("/a%ed%a0%80")},
      {"lone continuation", path("/a%80")},
      {"truncated UTF-8", path("/a%c3")},
      {"UTF-8 broken by a letter", path("/a%c3a")},
      {"beyond Unicode", path("/a%f4%90%80%80")},
      {"non-UTF-8 in the query", path("/a?b=%ff")},
      {"bare UTF-8", path("/\xc3\xa9")},
      {"bare 0x80", path("/\x80")},
      {"backslash", path("/a\\b")},
      {"backslash at first", path("\\a")},
      {"fragment", path("/a#b")},
      {"fragment after the query", path("/a?b#c")},
      {"parameter", path("/a;b=c")},
      {"parameter inside", path("/a;x/b")},
      {"semicolon in the query", path("/a?b=c;d=e")},
      {"space in the target", path("/a b")},
      {"DEL", path("/a\x7f")},
      {"control character", path("/a\x01")},
      {"tab in the target", path("/a\tb")},
      {"target over the limit", path("/" + std::string(4096, 'a')), Reason::uri_too_long},
      {"start line over the limit", path("/" + std::string(5000, 'a')), Reason::uri_too_long},
      // --- fields
      {"bare LF", "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n"},
      {"bare LF at the end", "GET / HTTP/1.1\r\nHost: a\r\n\n"},
      {"bare CR in a value", with("X: a\rb")},
      {"CR before CRLF", with("X: a\r")},
      {"NUL in a value", with("X: a\0b"s)},
      {"control character in a value", with("X: a\x01")},
      {"escape character in a value", with("X: a\x1b[2J")},
      {"DEL in a value", with("X: a\x7f")},
      {"DEL in a long value", with("X: " + std::string(40, 'a') + "\x7f" + std::string(40, 'a'))},
      {"obs-text", with("X: caf\xc3\xa9")},
      {"0xff in a long value", with("X: " + std::string(21, 'a') + "\xff")},
      {"folded with a space", with("X: a\r\n b")},
      {"folded with a tab", with("X: a\r\n\tb")},
      {"folded first line", "GET / HTTP/1.1\r\n Host: a\r\n\r\n"},
      {"white line", with("X: a\r\n \r\nY: b")},
      {"space before the colon", with("X : a")},
      {"tab before the colon", with("X\t: a")},
      {"space before the colon of Content-Length", with("Content-Length : 5")},
      {"space in a name", with("X Y: a")},
      {"no colon", with("X")},
      {"empty name", with(": a")},
      {"only a colon", with(":")},
      {"NUL in a name", with("X\0: a"s)},
      {"non-ASCII name", with("X\xc3\xa9: a")},
      {"parenthesis in a name", with("X(a): b")},
      {"slash in a name", with("X/Y: b")},
      {"at sign in a name", with("X@Y: b")},
      {"Content_Length", with("Content_Length: 5")},
      {"Content.Length", with("Content.Length: 5")},
      {"Transfer_Encoding", with("Transfer_Encoding: chunked")},
      {"x_api_key", with("x_api_key: k")},
      {"X-Api_Key", with("X-Api_Key: k")},
      {"101 fields", with([] {
         std::string s = "A: b";
         for (int i = 0; i < 99; ++i) s += "\r\nA: b";
         return s;
       }()),
       Reason::head_too_large},
      {"field line over the limit", with("X: " + std::string(8192, 'a')), Reason::head_too_large},
      {"head over the limit",
       with("X: " + std::string(8000, 'a') + "\r\nY: " + std::string(8000, 'a') +
            "\r\nZ: " + std::string(800, 'a')),
       Reason::head_too_large},
      // --- Host
      {"no Host", "GET / HTTP/1.1\r\n\r\n"},
      {"no Host on 1.0", "GET / HTTP/1.0\r\n\r\n"},
      {"two Hosts", with("Host: a")},
      {"two different Hosts", with("Host: b")},
      {"empty Host", host("")},
      {"Host with a path", host("a/b")},
      {"Host with user information", host("u@a")},
      {"Host with a space", host("a b")},
      {"Host list", host("a, b")},
      {"Host with an escape", host("%61")},
      {"Host with a trailing dot", host("a.")},
      {"Host with an empty port", host("a:")},
      {"Host with port 0", host("a:0")},
      {"Host with port 65536", host("a:65536")},
      {"Host with port +80", host("a:+80")},
      {"short address", host("127.1")},
      {"zone", host("[fe80::1%25eth0]")},
      // --- framing
      {"two equal Content-Lengths", with("Content-Length: 5\r\nContent-Length: 5")},
      {"two Content-Lengths", with("Content-Length: 5\r\nContent-Length: 6")},
      {"Content-Length list", with("Content-Length: 5, 5")},
      {"Content-Length 5,5", with("Content-Length: 5,5")},
      {"Content-Length +5", with("Content-Length: +5")},
      {"Content-Length -1", with("Content-Length: -1")},
      {"Content-Length 0x5", with("Content-Length: 0x5")},
      {"Content-Length 5 5", with("Content-Length: 5 5")},
      {"Content-Length empty", with("Content-Length:")},
      {"Content-Length white", with("Content-Length:  ")},
      {"Content-Length 05", with("Content-Length: 05")},
      {"Content-Length 5.0", with("Content-Length: 5.0")},
      {"Content-Length 1e3", with("Content-Length: 1e3")},
      {"Content-Length quoted", with("Content-Length: \"5\"")},
      {"Content-Length 2^63", with("Content-Length: 9223372036854775808")},
      {"Content-Length 2^64", with("Content-Length: 18446744073709551616")},
      {"Content-Length of 30 digits", with("Content-Length: " + std::string(30, '9'))},
      {"both framings", with("Content-Length: 5\r\nTransfer-Encoding: chunked")},
      {"both framings, other order", with("Transfer-Encoding: chunked\r\nContent-Length: 5")},
      {"both framings, length 0", with("Transfer-Encoding: chunked\r\nContent-Length: 0")},
      {"two Transfer-Encodings", with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked")},
      {"gzip, chunked", with("Transfer-Encoding: gzip, chunked")},
      {"chunked, chunked", with("Transfer-Encoding: chunked, chunked")},
      {"chunked, identity", with("Transfer-Encoding: chunked, identity")},
      {"identity", with("Transfer-Encoding: identity")},
      {"xchunked", with("Transfer-Encoding: xchunked")},
      {"chunkedx", with("Transfer-Encoding: chunkedx")},
      {"quoted chunked", with("Transfer-Encoding: \"chunked\"")},
      {"chunked with a parameter", with("Transfer-Encoding: chunked;q=1")},
      {"chunked,", with("Transfer-Encoding: chunked,")},
      {",chunked", with("Transfer-Encoding: ,chunked")},
      {"vertical tab before chunked", with("Transfer-Encoding: \x0b"
                                           "chunked")},
      {"empty Transfer-Encoding", with("Transfer-Encoding:")},
      {"chunked on 1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {"GET with a body", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"},
      {"GET chunked", "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {"HEAD with a body", "HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n"},
      {"OPTIONS with a body", "OPTIONS / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n"},
      // --- other fields
      {"two Content-Types", with("Content-Type: text/plain\r\nContent-Type: application/json")},
      {"two Origins", with("Origin: http://a\r\nOrigin: http://b")},
      {"two Expects", with("Expect: 100-continue\r\nExpect: 100-continue")},
      {"other expectation", with("Expect: 200-ok"), Reason::expectation_failed},
      {"empty expectation", with("Expect:"), Reason::expectation_failed},
      {"empty Connection", with("Connection:")},
      {"Connection with an empty element", with("Connection: close,,x")},
      {"Connection with a comma at the end", with("Connection: close,")},
      {"Connection with a space", with("Connection: close x")},
      {"Connection with a slash", with("Connection: a/b")},
      {"Connection names Host", with("Connection: close, Host")},
      {"Connection names Content-Length", with("Connection: content-length")},
      {"Connection names Transfer-Encoding", with("Connection: Transfer-Encoding")},
      {"Connection names Authorization", with("Connection: authorization")},
      {"Connection names Content-Type", with("Connection: keep-alive, Content-Type")},
      {"malformed Proxy-Connection", with("Proxy-Connection: a b")},
      {"malformed Upgrade", with("Upgrade: a b")},
      {"empty Upgrade", with("Upgrade:")},
  };
  for (const char c : std::string("\"<>^`{|}")) {
    rows.push_back({"in the path: "s + c, path("/a"s + c)});
    rows.push_back({"in the query: "s + c, path("/a?b="s + c)});
    rows.push_back({"in Host: "s + c, host("a"s + c)});
  }
  return rows;
}

TEST(Request, MalformedIsRefusedHoweverItIsCut) {
  const auto rows = malformed();
  EXPECT_GE(rows.size(), 120U);
  std::set<std::string> names;
  for (const RequestRow& row : rows) {
    SCOPED_TRACE(row.name);
    EXPECT_TRUE(names.insert(row.name).second);
    EXPECT_EQ(in_one_piece(row.text), "bad:" + std::string(info(row.reason).code));
    if (row.text.size() < 9000) expect_same_when_cut(row.text);
  }
}

struct Good {
  std::string name, text, method, path, query;
  BodyKind kind;
  std::uint64_t length;
};

TEST(Request, WellFormedIsAcceptedHoweverItIsCut) {
  const std::vector<Good> rows = {
      {"least", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET", "/", "", BodyKind::none, 0},
      {"1.0", "GET / HTTP/1.0\r\nHost: a\r\n\r\n", "GET", "/", "", BodyKind::none, 0},
      {"no space after the colon", "GET / HTTP/1.1\r\nHost:a\r\n\r\n", "GET", "/", "",
       BodyKind::none, 0},
      {"white space around a value", "GET / HTTP/1.1\r\nHost: \t a \t \r\n\r\n", "GET", "/", "",
       BodyKind::none, 0},
      {"tab inside a value", "GET / HTTP/1.1\r\nHost: a\r\nX: a\tb\r\n\r\n", "GET", "/", "",
       BodyKind::none, 0},
      {"query", "GET /a/b?c=d&e HTTP/1.1\r\nHost: a\r\n\r\n", "GET", "/a/b", "c=d&e",
       BodyKind::none, 0},
      {"empty query", "GET /a? HTTP/1.1\r\nHost: a\r\n\r\n", "GET", "/a", "", BodyKind::none, 0},
      {"sized", "POST /v1 HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n{}", "POST", "/v1", "",
       BodyKind::length, 12},
      {"greatest size",
       "POST /v1 HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\n", "POST", "/v1",
       "", BodyKind::length, 9223372036854775807U},
      {"size 0", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "GET", "/", "",
       BodyKind::none, 0},
      {"chunked", "PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n", "PUT", "/x",
       "", BodyKind::chunked, 0},
      {"DELETE with a body", "DELETE /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n", "DELETE",
       "/x", "", BodyKind::length, 1},
      {"another method", "PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n", "PROPFIND", "/", "",
       BodyKind::none, 0},
      {"more behind it", "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\n", "GET", "/", "",
       BodyKind::none, 0},
      {"connection options",
       "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, X-Foo ,TE\r\nUpgrade: "
       "websocket\r\n\r\n",
       "GET", "/", "", BodyKind::none, 0},
      {"IPv6 host", "GET / HTTP/1.1\r\nHost: [::1]:8420\r\n\r\n", "GET", "/", "", BodyKind::none,
       0},
      {"100 fields",
       "GET / HTTP/1.1\r\nHost: a" +
           [] {
             std::string s;
             for (int i = 0; i < 99; ++i) s += "\r\nA: b";
             return s;
           }() +
           "\r\n\r\n",
       "GET", "/", "", BodyKind::none, 0},
  };
  for (const Good& row : rows) {
    SCOPED_TRACE(row.name);
    RequestParser p;
    ASSERT_EQ(p.feed(row.text), ParseState::done) << p.error().why;
    const RequestHead& h = p.head();
    EXPECT_EQ(h.method_text, row.method);
    EXPECT_EQ(h.parts.path, row.path);
    EXPECT_EQ(h.parts.query, row.query);
    EXPECT_EQ(h.framing, (Framing{row.kind, row.length}));
    EXPECT_EQ(*request_framing(h), h.framing);
    EXPECT_EQ(p.consumed(), row.text.find("\r\n\r\n") + 4);
    expect_same_when_cut(row.text);
  }
}

TEST(Request, OneParserReadsMessageAfterMessage) {
  const std::string text =
      "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhiGET /b HTTP/1.0\r\nHost: "
      "b\r\n\r\n";
  RequestParser p;
  ASSERT_EQ(p.feed(text), ParseState::done);
  const std::string_view rest = std::string_view(text).substr(p.consumed() + 2);
  p.reset();
  ASSERT_EQ(p.feed(rest), ParseState::done);
  EXPECT_EQ(p.head().target, "/b");
  EXPECT_EQ(p.head().framing, Framing{});
  EXPECT_TRUE(p.head().http10);
  EXPECT_EQ(p.head().headers.size(), 1U);
}

TEST(Request, ARefusalIsFinal) {
  RequestParser p;
  ASSERT_EQ(p.feed("GET /\n"), ParseState::bad);
  EXPECT_EQ(p.feed("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), ParseState::bad);
  p.reset();
  EXPECT_EQ(p.feed("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), ParseState::done);
}

TEST(Request, LimitsAreExact) {
  const auto state = [](const std::string& text, const Limits& limits) {
    expect_same_when_cut(text, limits);
    return in_one_piece(text, limits).substr(0, 5);
  };
  const std::string text = "GET /abcdef HTTP/1.1\r\nHost: a\r\nX: 1234\r\n\r\n";
  Limits limits;
  limits.max_head = text.size();
  EXPECT_EQ(state(text, limits), "done:");
  limits.max_head = text.size() - 1;
  EXPECT_EQ(state(text, limits), "bad:h");
  limits = {};
  limits.max_target = 7;
  EXPECT_EQ(state(text, limits), "done:");
  limits.max_target = 6;
  EXPECT_EQ(state(text, limits), "bad:u");
  limits = {};
  limits.max_field_line = 7;
  EXPECT_EQ(state(text, limits), "done:");
  limits.max_field_line = 6;
  EXPECT_EQ(state(text, limits), "bad:h");
  limits = {};
  limits.max_fields = 2;
  EXPECT_EQ(state(text, limits), "done:");
  limits.max_fields = 1;
  EXPECT_EQ(state(text, limits), "bad:h");
}

TEST(Request, KeepAliveAndContinue) {
  struct Case {
    const char* version;
    const char* fields;
    bool alive, waits;
  };
  for (const Case& c :
       {Case{"1.1", "", true, false}, Case{"1.1", "Connection: close\r\n", false, false},
        Case{"1.1", "Connection: keep-alive, CLOSE\r\n", false, false},
        Case{"1.0", "Connection: x\r\nConnection: keep-alive\r\n", true, false},
        Case{"1.1", "Connection: x\r\nConnection: close\r\n", false, false},
        Case{"1.0", "", false, false}, Case{"1.0", "Connection: Keep-Alive\r\n", true, false},
        Case{"1.1", "Expect: 100-Continue\r\n", true, true},
        Case{"1.0", "Expect: 100-continue\r\n", false, false}}) {
    RequestParser p;
    const std::string text = "POST / HTTP/"s + c.version + "\r\nHost: a\r\n" + c.fields + "\r\n";
    ASSERT_EQ(p.feed(text), ParseState::done) << text;
    EXPECT_EQ(keep_alive(p.head()), c.alive) << text;
    EXPECT_EQ(expects_continue(p.head()), c.waits) << text;
  }
}

TEST(Request, ConnectionNames) {
  const std::string text =
      "GET / HTTP/1.1\r\nHost: a\r\nConnection: X-Foo , close\r\nConnection: x-bar\r\n\r\n";
  RequestParser p;
  ASSERT_EQ(p.feed(text), ParseState::done);
  std::string all;
  connection_tokens(p.head().headers, [&](std::string_view t) { all.append(t).append(";"); });
  EXPECT_EQ(all, "X-Foo;close;x-bar;");
  EXPECT_TRUE(connection_names(p.head().headers, "x-foo"));
  EXPECT_TRUE(connection_names(p.head().headers, "X-BAR"));
  EXPECT_FALSE(connection_names(p.head().headers, "x-fo"));
}

}  // namespace
}  // namespace vestibule::http
