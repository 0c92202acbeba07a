#include "portal/browser.hpp"

#include <gtest/gtest.h>

#include "http/parse.hpp"

namespace vestibule::portal {
namespace {

/// A request's head out of lines, kept alive with its text.
class Request {
 public:
  explicit Request(std::string_view fields, std::string_view line = "POST /v1/prove HTTP/1.1") {
    text_.append(line).append("\r\nHost: localhost:8422\r\n").append(fields).append("\r\n");
    http::RequestParser parser;
    EXPECT_EQ(parser.feed(text_), http::ParseState::done) << fields;
    head_ = parser.head();
  }
  [[nodiscard]] const http::RequestHead& head() const noexcept { return head_; }

 private:
  std::string text_;
  http::RequestHead head_;
};

TEST(Cookie, OneOfOursAmongThoseOfOthers) {
  struct Row {
    const char* fields;
    const char* expected;  // "-": none; "!": malformed
  };
  const Row rows[] = {
      {"", "-"},
      {"Cookie: __Host-vestibule=vs_abc-DEF_123\r\n", "vs_abc-DEF_123"},
      {"Cookie: a=1; __Host-vestibule=vs_x; b=2\r\n", "vs_x"},
      {"Cookie: a={\"odd\": [1,2]}; =; ;; x; __Host-vestibule=vs_x\r\n", "vs_x"},
      {"Cookie: a=1\r\nCookie: __Host-vestibule=vs_x\r\n", "vs_x"},
      {"Cookie: vestibule=vs_x\r\n", "-"},
      {"Cookie: __host-vestibule=vs_x\r\n", "-"},
      {"Cookie: x__Host-vestibule=vs_x\r\n", "-"},
      {"Cookie: a=__Host-vestibule=vs_x\r\n", "-"},
      {"Cookie: __Host-vestibule\r\n", "-"},
      {"Cookie: __Host-vestibule=\r\n", "!"},
      {"Cookie: __Host-vestibule=\"vs_x\"\r\n", "!"},
      {"Cookie: __Host-vestibule=vs x\r\n", "!"},
      {"Cookie: __Host-vestibule=vs_x,y\r\n", "!"},
      {"Cookie: __Host-vestibule=vs_x=\r\n", "!"},
      {"Cookie: __Host-vestibule=vs_x; __Host-vestibule=vs_x\r\n", "!"},
      {"Cookie: __Host-vestibule=vs_x; __Host-vestibule=vs_y\r\n", "!"},
      {"Cookie: __Host-vestibule=vs_x\r\nCookie: __Host-vestibule=vs_y\r\n", "!"},
      {"Cookie: __Host-vestibule=; __Host-vestibule=vs_y\r\n", "!"},
  };
  for (const Row& row : rows) {
    const Request request(row.fields);
    const auto found = session_cookie(request.head().headers);
    const std::string expected = row.expected;
    if (expected == "!") {
      ASSERT_FALSE(found) << row.fields;
      EXPECT_EQ(found.error().code, Reason::credential_malformed) << row.fields;
      continue;
    }
    ASSERT_TRUE(found) << row.fields;
    EXPECT_EQ(found->value_or("-"), expected) << row.fields;
  }
  const Request longest("Cookie: __Host-vestibule=" + std::string(129, 'a') + "\r\n");
  EXPECT_FALSE(session_cookie(longest.head().headers));
}

TEST(Cookie, IsForThisHostAloneAndNoScript) {
  const std::string line = cookie_line(Secret(std::string_view("vs_abc")));
  EXPECT_EQ(line, "__Host-vestibule=vs_abc; Path=/; Secure; HttpOnly; SameSite=Strict");
  EXPECT_EQ(line.find("Domain"), std::string::npos);
  EXPECT_EQ(cookie_end(), "__Host-vestibule=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0");
}

TEST(Origin, OnlyScriptsOfThePortalsOwnPage) {
  const std::vector<std::string> origins = {"http://localhost:8422", "https://portal.example.org"};
  constexpr std::string_view kJson = "Content-Type: application/json\r\n";
  struct Row {
    const char* name;
    std::string fields;
    Reason expected;
  };
  const std::string json(kJson);
  const Row posts[] = {
      {"own page", "Sec-Fetch-Site: same-origin\r\n" + json, Reason::ok},
      {"own page, charset", "Sec-Fetch-Site: same-origin\r\nContent-Type: Application/JSON; charset=utf-8\r\n", Reason::ok},
      {"own page, origin besides", "Sec-Fetch-Site: same-origin\r\nOrigin: http://127.0.0.1:8422\r\n" + json, Reason::ok},
      {"own page by fetch", "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Dest: empty\r\n" + json, Reason::ok},
      {"old browser, own origin", "Origin: http://localhost:8422\r\n" + json, Reason::ok},
      {"old browser, the other origin", "Origin: https://portal.example.org\r\n" + json, Reason::ok},
      {"another site", "Sec-Fetch-Site: cross-site\r\n" + json, Reason::cross_site},
      {"another site with our origin", "Sec-Fetch-Site: cross-site\r\nOrigin: http://localhost:8422\r\n" + json, Reason::cross_site},
      {"another port of this host", "Sec-Fetch-Site: same-site\r\nOrigin: http://localhost:8420\r\n" + json, Reason::cross_site},
      {"typed into the address bar", "Sec-Fetch-Site: none\r\n" + json, Reason::cross_site},
      {"an unknown word", "Sec-Fetch-Site: same-origin, same-origin\r\n" + json, Reason::cross_site},
      {"in other letters", "Sec-Fetch-Site: Same-Origin\r\n" + json, Reason::cross_site},
      {"twice", "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Site: cross-site\r\n" + json, Reason::cross_site},
      {"neither", json, Reason::cross_site},
      {"origin null", "Origin: null\r\n" + json, Reason::cross_site},
      {"another port", "Origin: http://localhost:8420\r\n" + json, Reason::cross_site},
      {"another scheme", "Origin: https://localhost:8422\r\n" + json, Reason::cross_site},
      {"a longer name", "Origin: http://localhost:8422.evil.example\r\n" + json, Reason::cross_site},
      {"a form", "Sec-Fetch-Site: same-origin\r\nContent-Type: application/x-www-form-urlencoded\r\n", Reason::cross_site},
      {"plain text", "Sec-Fetch-Site: same-origin\r\nContent-Type: text/plain; application/json\r\n", Reason::cross_site},
      {"no type", "Sec-Fetch-Site: same-origin\r\n", Reason::cross_site},
      {"a navigation", "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Dest: document\r\n" + json, Reason::cross_site},
  };
  for (const Row& row : posts) {
    const Request request(row.fields);
    EXPECT_EQ(check_origin(request.head(), origins), row.expected) << row.name;
  }
  const Row gets[] = {
      {"own page", "Sec-Fetch-Site: same-origin\r\n", Reason::ok},
      {"no browser", "", Reason::ok},
      {"another site", "Sec-Fetch-Site: cross-site\r\n", Reason::cross_site},
      {"another site's script", "Origin: http://evil.example\r\n", Reason::cross_site},
      {"a frame", "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Dest: iframe\r\n", Reason::cross_site},
      {"a script", "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Dest: script\r\n", Reason::cross_site},
      {"opened as a page", "Sec-Fetch-Site: none\r\nSec-Fetch-Dest: document\r\n", Reason::cross_site},
  };
  for (const Row& row : gets) {
    const Request request(row.fields, "GET /v1/me HTTP/1.1");
    EXPECT_EQ(check_origin(request.head(), origins), row.expected) << row.name;
  }
  for (const char* line : {"PUT /v1/me HTTP/1.1", "DELETE /v1/me HTTP/1.1", "OPTIONS /v1/me HTTP/1.1", "PATCH /v1/me HTTP/1.1"}) {
    const Request request("", line);
    EXPECT_EQ(check_origin(request.head(), origins), Reason::cross_site) << line;
  }
}

TEST(Origin, HasOneSpelling) {
  for (const char* good : {"http://localhost:8422", "https://portal.example.org", "http://127.0.0.1", "https://[::1]:8422"}) {
    EXPECT_TRUE(is_origin(good)) << good;
  }
  for (const char* bad : {"", "localhost:8422", "http://", "http://localhost:8422/", "HTTP://localhost", "http://Localhost", "http://localhost:80",
                          "https://localhost:443", "https://user@localhost", "ftp://localhost", "http://localhost:8422?x", "http://*"}) {
    EXPECT_FALSE(is_origin(bad)) << bad;
  }
}

TEST(Coding, AsTheBrowserAccepts) {
  const auto accepts = [](std::string_view value, std::string_view coding) {
    const Request request("Accept-Encoding: " + std::string(value) + "\r\n");
    return accepts_coding(request.head().headers, coding);
  };
  EXPECT_TRUE(accepts("gzip, deflate, br, zstd", "br"));
  EXPECT_TRUE(accepts("gzip;q=0.5,BR ; q=1.0", "br"));
  EXPECT_FALSE(accepts("gzip, br;q=0", "br"));
  EXPECT_FALSE(accepts("br;q=0.000", "br"));
  EXPECT_TRUE(accepts("br;q=0.001", "br"));
  EXPECT_FALSE(accepts("brotli, xbr, *", "br"));
  EXPECT_FALSE(accepts_coding(Request("").head().headers, "gzip"));
}

TEST(Tag, MatchesWeakly) {
  const auto matches = [](std::string_view value) {
    const Request request("If-None-Match: " + std::string(value) + "\r\n", "GET / HTTP/1.1");
    return matches_tag(request.head().headers, "\"abc\"");
  };
  EXPECT_TRUE(matches("\"abc\""));
  EXPECT_TRUE(matches("\"x\", W/\"abc\""));
  EXPECT_TRUE(matches("*"));
  EXPECT_FALSE(matches("abc"));
  EXPECT_FALSE(matches("\"abcd\""));
  EXPECT_FALSE(matches_tag(Request("").head().headers, "\"abc\""));
}

TEST(Safety, FieldsOfEveryReply) {
  const auto value = [](Content content, Transport transport, std::string_view name) -> std::string_view {
    for (const SafetyField& f : safety_fields(content, transport)) {
      if (f.name == name) return f.value;
    }
    return {};
  };
  for (const Content content : {Content::page, Content::data}) {
    for (const Transport transport : {Transport::plain, Transport::tls}) {
      const std::string_view policy = value(content, transport, "Content-Security-Policy");
      EXPECT_TRUE(policy.starts_with("default-src 'none';"));
      EXPECT_NE(policy.find("frame-ancestors 'none'"), std::string_view::npos);
      EXPECT_EQ(policy.find("unsafe"), std::string_view::npos);
      EXPECT_EQ(policy.find('*'), std::string_view::npos);
      EXPECT_EQ(value(content, transport, "X-Frame-Options"), "DENY");
      EXPECT_EQ(value(content, transport, "X-Content-Type-Options"), "nosniff");
      EXPECT_EQ(value(content, transport, "Cross-Origin-Resource-Policy"), "same-origin");
      EXPECT_EQ(value(content, transport, "Strict-Transport-Security").empty(), transport == Transport::plain);
    }
  }
  // What is not a page of ours runs nothing, even when it is opened as one.
  const std::string_view data = value(Content::data, Transport::plain, "Content-Security-Policy");
  EXPECT_NE(data.find("sandbox"), std::string_view::npos);
  EXPECT_EQ(data.find("script-src"), std::string_view::npos);
}

}  // namespace
}  // namespace vestibule::portal
