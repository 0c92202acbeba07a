#include "http/head.hpp"

#include <gtest/gtest.h>

#include <cctype>
#include <string>

#include "http/chars.hpp"
#include "http/field.hpp"
#include "http/parse.hpp"

namespace vestibule::http {
namespace {

// It looks at many bytes at once: none may be overlooked wherever it stands.
TEST(FieldText, EveryByteAtEveryPlace) {
  for (std::size_t size = 1; size <= 50; ++size) {
    std::string text(size, 'a');
    EXPECT_TRUE(chars::is_field_text(text.data(), size, chars::ObsText::refuse));
    for (char& at : text) {
      for (int c = 0; c < 256; ++c) {
        at = static_cast<char>(c);
        const bool plain = c == '\t' || (c >= 0x20 && c < 0x7F);
        ASSERT_EQ(chars::is_field_text(text.data(), size, chars::ObsText::refuse), plain) << size << ' ' << c;
        ASSERT_EQ(chars::is_field_text(text.data(), size, chars::ObsText::allow), plain || c >= 0x80) << size << ' ' << c;
      }
      at = 'a';
    }
  }
  EXPECT_TRUE(chars::is_field_text("", 0, chars::ObsText::refuse));
}

TEST(FieldName, EveryByteAtEveryPlace) {
  for (std::size_t size = 1; size <= 40; ++size) {
    std::string line = std::string(size, 'a') + ": value";
    for (std::size_t at = 0; at < size; ++at) {
      for (int c = 0; c < 256; ++c) {
        line[at] = static_cast<char>(c);
        HeaderField field;
        const char* const why = parse_field(line, chars::ObsText::refuse, field);
        // A colon ends the name early; a name of one letter and what follows is no second spelling of anything.
        const bool good = (chars::of(line[at]) & chars::kToken) != 0 || (c == ':' && at > 0);
        ASSERT_EQ(why == nullptr, good) << size << ' ' << at << ' ' << c;
        if (good) {
          ASSERT_EQ(field.name, line.substr(0, c == ':' ? at : size));
        }
      }
      line[at] = 'a';
    }
  }
}

TEST(KnownField, EveryNameInEveryCase) {
  for (int i = 0; i < static_cast<int>(Known::other); ++i) {
    const auto known = static_cast<Known>(i);
    const std::string name(to_text(known));
    std::string upper = name;
    for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    EXPECT_EQ(known_field(name), known) << name;
    EXPECT_EQ(known_field(upper), known) << name;
    EXPECT_EQ(known_field(name + "x"), Known::other) << name;
  }
  EXPECT_EQ(to_text(Known::other), "");
  EXPECT_EQ(known_field(""), Known::other);
  EXPECT_EQ(known_field(std::string(300, 'a')), Known::other);
}

// The fold that makes letters equal must not make anything else equal.
TEST(KnownField, EveryOtherByteIsAnotherName) {
  for (int i = 0; i < static_cast<int>(Known::other); ++i) {
    const std::string name(to_text(static_cast<Known>(i)));
    for (std::size_t at = 0; at < name.size(); ++at) {
      for (int b = 0; b < 256; ++b) {
        std::string other = name;
        other[at] = static_cast<char>(b);
        const bool same = b < 128 && std::tolower(b) == name[at];
        EXPECT_EQ(known_field(other) == static_cast<Known>(i), same)
            << name << ' ' << at << ' ' << b;
      }
    }
  }
}

TEST(Headers, FindCountIterate) {
  const std::string text =
      "GET / HTTP/1.1\r\nHost: a\r\nAccept: x\r\nX-Thing: one\r\naccept: y\r\nx-thing: "
      "two\r\nEmpty:\r\n\r\n";
  RequestParser p;
  ASSERT_EQ(p.feed(text), ParseState::done);
  const Headers& h = p.head().headers;
  EXPECT_EQ(h.size(), 6U);
  EXPECT_EQ(h.find(Known::accept), "x");
  EXPECT_EQ(h.count(Known::accept), 2U);
  EXPECT_EQ(h.count(Known::host), 1U);
  EXPECT_EQ(h.count(Known::cookie), 0U);
  EXPECT_FALSE(h.find(Known::cookie));
  EXPECT_EQ(h.find("X-THING"), "one");
  EXPECT_EQ(h.find("ACCEPT"), "x");
  EXPECT_FALSE(h.find("x-thin"));
  EXPECT_EQ(h.find("empty"), "");
  std::string names;
  for (const HeaderField& f : h) names.append(f.name).append(",");
  EXPECT_EQ(names, "Host,Accept,X-Thing,accept,x-thing,Empty,");
}

TEST(Headers, AHeadFollowsItsBytes) {
  std::string text = "POST /a?b=c HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n";
  RequestParser p;
  ASSERT_EQ(p.feed(text), ParseState::done);
  RequestHead head = p.head();
  const std::string moved = text;
  head.rebase(moved.data());
  text.assign(text.size(), '#');
  EXPECT_EQ(head.method_text, "POST");
  EXPECT_EQ(head.target, "/a?b=c");
  EXPECT_EQ(head.parts.path, "/a");
  EXPECT_EQ(head.parts.query, "b=c");
  EXPECT_EQ(head.host, "h");
  EXPECT_EQ(head.headers.find(Known::content_length), "3");
}

TEST(Methods, Texts) {
  for (const char* name : {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}) {
    EXPECT_EQ(to_text(method_from(name)), name);
  }
  for (const char* name : {"get", "Get", "PROPFIND", "GET ", ""}) {
    EXPECT_EQ(method_from(name), Method::other) << name;
  }
}

}  // namespace
}  // namespace vestibule::http
