#include "json/canonical.hpp"

#include <gtest/gtest.h>

namespace vestibule::json {
namespace {

TEST(Canonical, Accepts) {
  struct Row {
    const char* name;
    std::string_view text, canonical;
  };
  for (const Row& r : {
           Row{"RFC 8785 section 3.2.2 and 3.2.3",
               R"({
  "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
  "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
  "literals": [null, true, false]
})",
               "{\"literals\":[null,true,false],"
               "\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],"
               "\"string\":\"\xE2\x82\xAC$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}"},
           Row{"RFC 8785 section 3.2.3, sorting",
               R"({
  "\u20ac": "Euro Sign",
  "\r": "Carriage Return",
  "\ufb33": "Hebrew Letter Dalet With Dagesh",
  "1": "One",
  "\ud83d\ude00": "Emoji: Grinning Face",
  "\u0080": "Control",
  "\u00f6": "Latin Small Letter O With Diaeresis"
})",
               "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\xC2\x80\":\"Control\","
               "\"\xC3\xB6\":\"Latin Small Letter O With Diaeresis\",\"\xE2\x82\xAC\":\"Euro "
               "Sign\","
               "\"\xF0\x9F\x98\x80\":\"Emoji: Grinning Face\","
               "\"\xEF\xAC\xB3\":\"Hebrew Letter Dalet With Dagesh\"}"},
           Row{"empty", " { } ", "{}"},
           Row{"array keeps its order", "[ 3 , 1 , [ ] , { } , 2 ]", "[3,1,[],{},2]"},
           Row{"nested objects", R"({"b":{"y":[{"d":1,"c":2}],"x":{}},"a":"z","aa":0,"":1})",
               R"({"":1,"a":"z","aa":0,"b":{"x":{},"y":[{"c":2,"d":1}]}})"},
           Row{"scalar", " -0.0 ", "0"},
           Row{"minus zero", "[-0,-0e5,1e-999]", "[0,0,0]"},
           Row{"largest safe", "9007199254740991", "9007199254740991"},
           Row{"beyond, exact", "[9007199254740992,9007199254740994,-9007199254740992]",
               "[9007199254740992,9007199254740994,-9007199254740992]"},
           Row{"beyond, several spellings", "[1e20,100000000000000000000.000,0.1E21,1e21,10e20]",
               "[100000000000000000000,100000000000000000000,100000000000000000000,1e+21,1e+21]"},
           Row{"string with escapes", R"("\u0061\/\u007f")", "\"a/\x7F\""},
       }) {
    const auto once = canonicalize(r.text);
    ASSERT_TRUE(once) << r.name << ": " << once.error().detail;
    EXPECT_EQ(*once, r.canonical) << r.name;
    const auto twice = canonicalize(*once);
    ASSERT_TRUE(twice) << r.name;
    EXPECT_EQ(*twice, *once) << r.name;
  }
}

TEST(Canonical, Refuses) {
  struct Row {
    const char* name;
    std::string_view text;
  };
  for (const Row& r :
       {Row{"duplicate key", R"({"a":1,"\u0061":2})"}, Row{"lone surrogate", R"("\uDEAD")"},
        Row{"2^53 + 1", "9007199254740993"}, Row{"2^53 + 1 with a fraction", "9007199254740993.0"},
        Row{"2^53 + 1 with an exponent", "900719925474099.3e1"},
        Row{"2^64 - 1", "[18446744073709551615]"}, Row{"-2^53 - 1", "-9007199254740993"},
        Row{"not what 2^68 prints as", "295147905179352825856"}, Row{"1e999", "1e999"},
        Row{"NaN", "NaN"}, Row{"noncharacter U+FFFE", R"("\uFFFE")"},
        Row{"noncharacter U+FDD0 in a key", R"({"\uFDD0":1})"},
        Row{"noncharacter U+1FFFF", R"("\uD83F\uDFFF")"},
        Row{"noncharacter U+10FFFE", "\"\xF4\x8F\xBF\xBE\""}, Row{"trailing bytes", "{}x"},
        Row{"nothing", ""}}) {
    const auto result = canonicalize(r.text);
    ASSERT_FALSE(result) << r.name;
    EXPECT_EQ(result.error().code, Reason::body_not_json) << r.name;
  }
}

TEST(Canonical, NeighboursOfNoncharactersPass) {
  for (const std::string_view text :
       {R"("\uFFFD\uFDCF\uFDF0")", R"("\uD83F\uDFFD")", "\"\xF0\x9F\xBE\xBF\""})
    EXPECT_TRUE(canonicalize(text)) << text;
}

TEST(Canonical, KeyOrderAroundTheSurrogates) {
  // UTF-16 puts U+10000 (D800 DC00) before U+E000, bytes of UTF-8 put it behind U+FFFD.
  const auto result = canonicalize(
      R"({"x\uE000":1,"x\uD800\uDC00":2,"x\uD7FF":3,"x\uFB00":4,"x":5,"x\uDBFF\uDFFD":6})");
  ASSERT_TRUE(result);
  std::string order;
  for (const char c : *result) {
    if (c >= '1' && c <= '6') order.push_back(c);
  }
  EXPECT_EQ(order, "532614");
}

}  // namespace
}  // namespace vestibule::json
