#include "json/writer.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "json/reader.hpp"

namespace vestibule::json {
namespace {

TEST(Writer, CommasAndTypes) {
  Writer w;
  w.begin_object()
      .member("s", "text")
      .member("b", true)
      .member("i", -7)
      .member("u", std::numeric_limits<std::uint64_t>::max())
      .member("l", std::numeric_limits<std::int64_t>::min())
      .member("d", 0.1)
      .member("string", std::string("x"))
      .key("n")
      .null()
      .key("r")
      .raw("[1, 2]")
      .key("a")
      .begin_array()
      .value(1)
      .begin_array()
      .end_array()
      .begin_object()
      .end_object()
      .value("z")
      .end_array()
      .end_object();
  EXPECT_EQ(w.text(),
            R"({"s":"text","b":true,"i":-7,"u":18446744073709551615,"l":-9223372036854775808,)"
            R"("d":0.1,"string":"x","n":null,"r":[1, 2],"a":[1,[],{},"z"]})");
  EXPECT_FALSE(w.take().empty());
  w.begin_array().end_array();
  EXPECT_EQ(w.take(), "[]");
  EXPECT_EQ(Writer("data: ").value(false).take(), "data: false");
}

TEST(Writer, Strings) {
  using namespace std::string_view_literals;
  struct Row {
    std::string_view text, json;
  };
  for (const Row& r :
       {Row{"", R"("")"}, Row{"a\"b\\c/d", R"("a\"b\\c/d")"}, Row{"\b\t\n\f\r", R"("\b\t\n\f\r")"},
        Row{"\0\x01\x1F\x7F"sv, "\"\\u0000\\u0001\\u001f\x7F\""},
        Row{"\xE2\x82\xAC", "\"\xE2\x82\xAC\""}, Row{"\xF0\x9F\x98\x80", "\"\xF0\x9F\x98\x80\""},
        Row{"a\xFFz", "\"a\xEF\xBF\xBDz\""}, Row{"\xE2\x82", "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},
        Row{"\xC0\xAF", "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},
        Row{"\xED\xA0\x80!", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD!\""},
        Row{"x\xF0\x9F\"", "\"x\xEF\xBF\xBD\xEF\xBF\xBD\\\"\""}}) {
    std::string out;
    append_string(out, r.text);
    EXPECT_EQ(out, r.json);
    Reader reader(out);
    EXPECT_EQ(reader.next(), Token::string);
  }
}

// RFC 8785, appendix B.
TEST(Writer, NumbersOfRfc8785) {
  struct Row {
    std::uint64_t bits;
    std::string_view json;
  };
  for (const Row& r : {Row{0x0000000000000000, "0"},
                       Row{0x8000000000000000, "0"},
                       Row{0x0000000000000001, "5e-324"},
                       Row{0x8000000000000001, "-5e-324"},
                       Row{0x7fefffffffffffff, "1.7976931348623157e+308"},
                       Row{0xffefffffffffffff, "-1.7976931348623157e+308"},
                       Row{0x4340000000000000, "9007199254740992"},
                       Row{0xc340000000000000, "-9007199254740992"},
                       Row{0x4430000000000000, "295147905179352830000"},
                       Row{0x7fffffffffffffff, "null"},
                       Row{0x7ff0000000000000, "null"},
                       Row{0x44b52d02c7e14af5, "9.999999999999997e+22"},
                       Row{0x44b52d02c7e14af6, "1e+23"},
                       Row{0x44b52d02c7e14af7, "1.0000000000000001e+23"},
                       Row{0x444b1ae4d6e2ef4e, "999999999999999700000"},
                       Row{0x444b1ae4d6e2ef4f, "999999999999999900000"},
                       Row{0x444b1ae4d6e2ef50, "1e+21"},
                       Row{0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"},
                       Row{0x3eb0c6f7a0b5ed8d, "0.000001"},
                       Row{0x41b3de4355555553, "333333333.3333332"},
                       Row{0x41b3de4355555554, "333333333.33333325"},
                       Row{0x41b3de4355555555, "333333333.3333333"},
                       Row{0x41b3de4355555556, "333333333.3333334"},
                       Row{0x41b3de4355555557, "333333333.33333343"},
                       Row{0xbecbf647612f3696, "-0.0000033333333333333333"},
                       Row{0x43143ff3c1cb0959, "1424953923781206.2"}}) {
    std::string out;
    append_number(out, std::bit_cast<double>(r.bits));
    EXPECT_EQ(out, r.json);
  }
}

}  // namespace
}  // namespace vestibule::json
