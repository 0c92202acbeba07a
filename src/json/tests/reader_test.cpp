#include "json/reader.hpp"

#include <gtest/gtest.h>

#include "base/bytes.hpp"

namespace vestibule::json {
namespace {

// Reads to the end; the tokens as a line of letters, with texts, or "error".
std::string walk(std::string_view text, const Limits& limits = {}) {
  Reader r(text, limits);
  std::string out;
  for (;;) {
    switch (r.next()) {
      case Token::object_begin:
        out += "{";
        break;
      case Token::object_end:
        out += "}";
        break;
      case Token::array_begin:
        out += "[";
        break;
      case Token::array_end:
        out += "]";
        break;
      case Token::key:
        out += "<" + std::string(r.text()) + ">";
        break;
      case Token::string:
        out += "'" + std::string(r.text()) + "'";
        break;
      case Token::number:
        out += "#" + std::string(r.text());
        break;
      case Token::boolean_true:
        out += "T";
        break;
      case Token::boolean_false:
        out += "F";
        break;
      case Token::null:
        out += "N";
        break;
      case Token::end:
        return out;
      case Token::error:
        EXPECT_EQ(r.error().code, Reason::body_not_json);
        EXPECT_EQ(r.next(), Token::error) << "an error stays";
        return "error";
    }
  }
}

std::string repeat(std::string_view part, std::size_t n) {
  std::string out;
  while (n-- > 0) out += part;
  return out;
}

TEST(Reader, Accepts) {
  struct Row {
    std::string_view text, tokens;
  };
  using namespace std::string_view_literals;
  for (const Row& r : {
           Row{"{}", "{}"},
           Row{" \t\r\n[ ] \n", "[]"},
           Row{"null", "N"},
           Row{"\"top\"", "'top'"},
           Row{"-0", "#-0"},
           Row{R"({"model":"a","stream":true,"n":[1,2.5e-3,false,null,{}]})",
               "{<model>'a'<stream>T<n>[#1#2.5e-3FN{}]}"},
           Row{R"({"m\u006fdel":"\u00e9\n\/\"\\\b\f\r\t"})", "{<model>'\xC3\xA9\n/\"\\\b\f\r\t'}"},
           Row{R"("\ud83d\ude00")", "'\xF0\x9F\x98\x80'"},
           Row{R"("\uFFFF\uD7FF\uE000")", "'\xEF\xBF\xBF\xED\x9F\xBF\xEE\x80\x80'"},
           Row{"\"\xF4\x8F\xBF\xBF \xC2\x80 \xE0\xA0\x80 \x7F\"",
               "'\xF4\x8F\xBF\xBF \xC2\x80 \xE0\xA0\x80 \x7F'"},
           Row{R"({"":{"a":1},"a":{"a":2}})", "{<>{<a>#1}<a>{<a>#2}}"},
           Row{R"({"model":"a","Model":"b"})", "{<model>'a'<Model>'b'}"},  // FoldGuard's business
           Row{"1e-999", "#1e-999"},
           Row{"0e999", "#0e999"},
           Row{"[0.0,10,-1E+2,1e308]", "[#0.0#10#-1E+2#1e308]"},
           Row{R"(["a","a"])", "['a''a']"},
           Row{R"("a\u0000b")", "'a\0b'"sv},
       })
    EXPECT_EQ(walk(r.text), r.tokens) << r.text;
}

TEST(Reader, Refuses) {
  struct Row {
    const char* name;
    std::string text;
  };
  for (const Row& r : {
           Row{"nothing", ""},
           Row{"only space", "  "},
           Row{"byte order mark", "\xEF\xBB\xBF{}"},
           Row{"UTF-16", std::string("{\0}\0", 4)},
           Row{"trailing bytes", "{} x"},
           Row{"two values", "{}{}"},
           Row{"trailing NUL", std::string("{}\0", 3)},
           Row{"form feed is no space", "\f{}"},
           Row{"no-break space is no space", "\xC2\xA0{}"},
           Row{"duplicate key", R"({"a":1,"a":2})"},
           Row{"duplicate key by escape", R"({"model":1,"\u006dodel":2})"},
           Row{"duplicate key by two escapes", R"({"\u006dodel":1,"mode\u006c":2})"},
           Row{"duplicate key by surrogates", "{\"\\ud83d\\ude00\":1,\"\xF0\x9F\x98\x80\":2}"},
           Row{"duplicate empty key", R"({"":1,"":2})"},
           Row{"duplicate around a nested object", R"({"a":{"b":1,"c":2},"d":0,"a":2})"},
           Row{"NaN", "NaN"},
           Row{"Infinity", "[Infinity]"},
           Row{"minus Infinity", "[-Infinity]"},
           Row{"1e999", "1e999"},
           Row{"-1e999", "[-1e999]"},
           Row{"overflow by digits and exponent", "100000000000e300"},
           Row{"leading zero", "01"},
           Row{"minus leading zero", "-01"},
           Row{"plus", "+1"},
           Row{"bare minus", "-"},
           Row{"bare point", ".5"},
           Row{"no fraction", "1."},
           Row{"no exponent", "1e"},
           Row{"signed nothing", "1e+"},
           Row{"hexadecimal", "0x10"},
           Row{"number runs into text", "[1a]"},
           Row{"huge number", repeat("9", 129)},
           Row{"single quotes", "{'a':1}"},
           Row{"bare key", "{a:1}"},
           Row{"line comment", "{} // x"},
           Row{"block comment", "{/* x */}"},
           Row{"trailing comma in object", R"({"a":1,})"},
           Row{"trailing comma in array", "[1,]"},
           Row{"leading comma", "[,1]"},
           Row{"double comma", "[1,,2]"},
           Row{"missing comma", "[1 2]"},
           Row{"missing colon", R"({"a" 1})"},
           Row{"double colon", R"({"a"::1})"},
           Row{"missing value", R"({"a":})"},
           Row{"key that is a number", "{1:1}"},
           Row{"key only", R"({"a"})"},
           Row{"wrong bracket", "[}"},
           Row{"wrong bracket in object", R"({"a":1])"},
           Row{"unclosed array", "[1"},
           Row{"unclosed object", R"({"a":1)"},
           Row{"closed only", "]"},
           Row{"word in capitals", "True"},
           Row{"word cut off", "tru"},
           Row{"word too long", "[nulls]"},
           Row{"unclosed string", "\"abc"},
           Row{"unclosed long string", "\"" + repeat("x", 100)},
           Row{"string ends in backslash", "\"abc\\"},
           Row{"string ends in escaped quote", "\"abc\\\""},
           Row{"unknown escape", R"("\x41")"},
           Row{"capital U escape", R"("\U0041")"},
           Row{"short escape", R"("\u12")"},
           Row{"bad escape digit", R"("\u12g4")"},
           Row{"lone high surrogate", R"("\ud800")"},
           Row{"lone low surrogate", R"("\udc00")"},
           Row{"high surrogate and text", R"("\ud800abcdefgh")"},
           Row{"two high surrogates", R"("\ud800\ud800")"},
           Row{"surrogates in the wrong order", R"("\ude00\ud83d")"},
           Row{"lone surrogate in a key", R"({"\ud800":1})"},
           Row{"raw newline", "\"a\nb\""},
           Row{"raw NUL", std::string("\"a\0b\"", 5)},
           Row{"raw control in a long string",
               "\"" + repeat("x", 20) + "\x1F" + repeat("x", 20) + "\""},
           Row{"overlong slash", "\"\xC0\xAF\""},
           Row{"overlong, three bytes", "\"\xE0\x80\xAF\""},
           Row{"overlong, four bytes", "\"\xF0\x80\x80\xAF\""},
           Row{"surrogate in UTF-8", "\"\xED\xA0\x80\""},
           Row{"beyond U+10FFFF", "\"\xF4\x90\x80\x80\""},
           Row{"lead byte F5", "\"\xF5\x80\x80\x80\""},
           Row{"stray tail byte", "\"\x80\""},
           Row{"cut off character", "\"\xE2\x82\""},
           Row{"cut off at the end", "\"\xE2\x82"},
           Row{"Latin-1", "\"caf\xE9\""},
           Row{"invalid UTF-8 in a key", "{\"\xFF\":1}"},
           Row{"too deep", repeat("[", 65) + repeat("]", 65)},
           Row{"far too deep", repeat("{\"a\":", 100000)},
           Row{"key too long", "{\"" + repeat("k", 1025) + "\":1}"},
       })
    EXPECT_EQ(walk(r.text), "error") << r.name;
}

TEST(Reader, EveryPrefixOfADocumentIsRefused) {
  const std::string_view text =
      "{\"a\":[1,-2.5e3,true,false,null,\"\\ud83d\\ude00 \xE2\x82\xAC\"],\"b\":{\"c\":{}}}";
  EXPECT_NE(walk(text), "error");
  for (std::size_t n = 0; n < text.size(); ++n)
    EXPECT_EQ(walk(std::string(text.substr(0, n))), "error") << n;
}

TEST(Reader, FindsSpecialBytesAtEveryPlaceOfAString) {
  for (std::size_t before = 0; before < 40; ++before) {
    for (const std::size_t after : {0U, 1U, 7U, 8U, 15U, 16U, 40U}) {
      const std::string a(before, 'x');
      const std::string b(after, 'y');
      EXPECT_EQ(walk("\"" + a + "\\n" + b + "\""), "'" + a + "\n" + b + "'");
      EXPECT_EQ(walk("\"" + a + "\xE2\x82\xAC" + b + "\""), "'" + a + "\xE2\x82\xAC" + b + "'");
      EXPECT_EQ(walk("\"" + a + "\x01" + b + "\""), "error");
      EXPECT_EQ(walk("\"" + a + "\xFF" + b + "\""), "error");
      EXPECT_EQ(walk("\"" + a + "\"" + b), after == 0 ? "'" + a + "'" : "error");
    }
  }
}

TEST(Reader, AgreesWithBaseOnEveryPairAndTripleOfBytes) {
  std::string text = "\"???\"";
  for (int a = 0x80; a < 0x100; ++a) {
    for (int b = 0x70; b < 0x100; ++b) {
      for (const int c : {0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF}) {
        text[1] = static_cast<char>(a);
        text[2] = static_cast<char>(b);
        text[3] = static_cast<char>(c);
        const bool valid = is_utf8(text);
        ASSERT_EQ(walk(text) != "error", valid) << a << ' ' << b << ' ' << c;
      }
    }
  }
}

TEST(Reader, DuplicateKeysInObjectsOfAnySize) {
  for (const std::size_t n : {2U, 16U, 17U, 18U, 40U, 64U, 65U, 66U, 500U, 5000U}) {
    const auto object = [&](std::size_t twin_of_last) {
      std::string text = "{\"outer\":1,\"inner\":{";
      for (std::size_t i = 0; i < n; ++i) {
        const std::size_t id = i + 1 == n ? twin_of_last : i;
        text += (i == 0 ? "\"a-rather-long-key-" : ",\"a-rather-long-key-") + std::to_string(id) +
                "\":[]";
      }
      return text + "},\"k\":2}";
    };
    EXPECT_NE(walk(object(n)), "error") << n;
    EXPECT_EQ(walk(object(0)), "error") << n;
    EXPECT_EQ(walk(object(n - 2)), "error") << n;
    EXPECT_EQ(walk(object(n / 2 - (n == 2 ? 1 : 0))), "error") << n;
  }
}

TEST(Reader, KeysThatDifferInOneByteAreNoDuplicates) {
  std::string text = "{";
  for (const std::string_view key : {"a",
                                     "b",
                                     "ab",
                                     "ba",
                                     "aa",
                                     "aaa",
                                     "aba",
                                     "abc",
                                     "abcd",
                                     "abce",
                                     "abcde",
                                     "abXde",
                                     "abcdefg",
                                     "abcXefg",
                                     "abcdefgh",
                                     "abcdefgX",
                                     "abcdefghi",
                                     "abcdefghX",
                                     "\\u0000",
                                     "",
                                     "\\u0000\\u0000",
                                     "\\u0000\\u0000\\u0000"})
    text += (text.size() == 1 ? "\"" : ",\"") + std::string(key) + "\":0";
  EXPECT_NE(walk(text + "}"), "error");
}

TEST(Reader, LimitsHoldExactly) {
  EXPECT_NE(walk(repeat("[", 64) + repeat("]", 64)), "error");
  EXPECT_NE(walk("[[1]]", {.depth = 2}), "error");
  EXPECT_EQ(walk("[[1]]", {.depth = 1}), "error");
  EXPECT_EQ(walk(repeat("[", 129) + repeat("]", 129), {.depth = 1000}), "error");
  EXPECT_NE(walk(repeat("[", 128) + repeat("]", 128), {.depth = 1000}), "error");
  EXPECT_NE(walk("[1,2]", {.tokens = 4}), "error");
  EXPECT_EQ(walk("[1,2]", {.tokens = 3}), "error");
  EXPECT_NE(walk("[1,2]", {.bytes = 5}), "error");
  EXPECT_EQ(walk("[1,2]", {.bytes = 4}), "error");
  EXPECT_NE(walk(R"({"abc":1})", {.key_bytes = 3}), "error");
  EXPECT_EQ(walk(R"({"abc":1})", {.key_bytes = 2}), "error");
  EXPECT_NE(walk("12.5", {.number_bytes = 4}), "error");
  EXPECT_EQ(walk("12.5", {.number_bytes = 3}), "error");
  EXPECT_EQ(walk(repeat("9", 400), {.number_bytes = 1000}), "error");
}

TEST(Reader, OffsetsSpanTheValue) {
  const std::string_view text = R"( {"a" : [1, {"b":2}] , "c":"x\ny" } )";
  Reader r(text);
  EXPECT_EQ(r.next(), Token::object_begin);
  EXPECT_EQ(r.depth(), 1U);
  EXPECT_EQ(r.next(), Token::key);
  EXPECT_EQ(r.raw(), "\"a\"");
  EXPECT_EQ(r.next(), Token::array_begin);
  EXPECT_EQ(r.raw(), "[");
  EXPECT_EQ(r.depth(), 2U);
  ASSERT_TRUE(r.skip());
  EXPECT_EQ(r.token(), Token::array_end);
  EXPECT_EQ(r.raw(), R"([1, {"b":2}])");
  EXPECT_EQ(r.slice(r.begin_offset(), r.end_offset()), r.raw());
  EXPECT_EQ(r.next(), Token::key);
  ASSERT_TRUE(r.skip());
  EXPECT_EQ(r.token(), Token::string);
  EXPECT_TRUE(r.escaped());
  EXPECT_EQ(r.raw(), R"("x\ny")");
  EXPECT_EQ(r.text(), "x\ny");
  EXPECT_EQ(r.next(), Token::object_end);
  EXPECT_EQ(r.raw(), text.substr(1, text.size() - 2));
  EXPECT_EQ(r.depth(), 0U);
  EXPECT_EQ(r.next(), Token::end);
  EXPECT_EQ(r.next(), Token::end);
  EXPECT_EQ(r.slice(5, 4), "");
  EXPECT_EQ(r.slice(0, text.size() + 1), "");
}

TEST(Reader, SkipValidates) {
  for (const std::string_view text :
       {R"({"a":{"x":1,"x":2}})", R"({"a":[1,})", R"({"a":"\ud800"})"}) {
    Reader r(text);
    r.next();
    r.next();
    EXPECT_FALSE(r.skip()) << text;
    EXPECT_EQ(r.token(), Token::error);
  }
}

TEST(Reader, Numbers) {
  struct Row {
    std::string_view text;
    std::optional<std::int64_t> whole;
    std::optional<double> number;
  };
  for (const Row& row :
       {Row{"0", 0, 0.0}, Row{"-0", 0, -0.0}, Row{"42", 42, 42.0}, Row{"1.0", {}, 1.0},
        Row{"1e2", {}, 100.0}, Row{"9223372036854775807", INT64_MAX, 9223372036854775807.0},
        Row{"-9223372036854775808", INT64_MIN, -9223372036854775808.0},
        Row{"9223372036854775808", {}, 9223372036854775808.0}, Row{"1e-400", {}, 0.0},
        Row{"-0.000000001e-400", {}, -0.0}, Row{"0.0001e311", {}, 1e307}, Row{"5e-324", {}, 5e-324},
        Row{"1.7976931348623157e308", {}, 1.7976931348623157e308}}) {
    Reader r(row.text);
    ASSERT_EQ(r.next(), Token::number) << row.text;
    EXPECT_EQ(r.int64(), row.whole) << row.text;
    EXPECT_EQ(r.number(), row.number) << row.text;
  }
  Reader r("\"1\"");
  r.next();
  EXPECT_FALSE(r.int64());
  EXPECT_FALSE(r.number());
}

TEST(Reader, ErrorsNameTheOffsetAndNeverTheContent) {
  Reader r(R"({"secret":1,"secret":2})");
  while (r.next() != Token::error) {
  }
  EXPECT_EQ(r.error().detail, "json: offset 12: duplicate key");
}

TEST(Reader, FlagsNul) {
  Reader plain(R"({"a":"b\u0001"})");
  EXPECT_TRUE((plain.next(), plain.skip()));
  EXPECT_FALSE(plain.saw_nul());
  Reader nul(R"({"a":"b\u0000"})");
  EXPECT_TRUE((nul.next(), nul.skip()));
  EXPECT_TRUE(nul.saw_nul());
}

}  // namespace
}  // namespace vestibule::json
