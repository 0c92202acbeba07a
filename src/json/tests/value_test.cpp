#include "json/value.hpp"

#include <gtest/gtest.h>

namespace vestibule::json {
namespace {

TEST(Value, ParsesAndDumps) {
  for (const std::string_view text :
       {"null", "true", "-5", "0.5", R"("a\n")", "[]", "{}", R"({"b":[1,2,{"c":null}],"a":false})",
        "9223372036854775807", "1e+300"}) {
    const auto value = parse(text);
    ASSERT_TRUE(value) << text << value.error().detail;
    EXPECT_EQ(value->dump(), text);
  }
  for (const std::string_view bad : {"", "{", "[1,]", R"({"a":1,"a":1})", "1 2", "[", R"({"a")",
                                     R"({"a":)", R"({"a":1)", "1e999"})
    EXPECT_FALSE(parse(bad)) << bad;
}

TEST(Value, TypedAccessTellsWhatIsWrong) {
  const auto value =
      parse(R"({"name":"ana","age":7,"ratio":0.5,"on":true,"tags":["a","b"],"none":null})");
  ASSERT_TRUE(value);
  EXPECT_EQ(*value->get_string("name"), "ana");
  EXPECT_EQ(*value->get_int("age"), 7);
  EXPECT_EQ(*value->get_double("age"), 7.0);
  EXPECT_EQ(*value->get_double("ratio"), 0.5);
  EXPECT_TRUE(*value->get_bool("on"));
  EXPECT_EQ(value->find("tags")->items().size(), 2U);
  EXPECT_EQ(value->find("absent"), nullptr);
  EXPECT_TRUE(value->find("none")->is_null());
  EXPECT_EQ(value->get_string("absent").error().detail, "'absent' is missing");
  EXPECT_EQ(value->get_string("age").error().detail, "'age': expected a string, found integer");
  EXPECT_EQ(value->get_int("ratio").error().detail, "'ratio': expected an integer, found number");
  EXPECT_EQ(value->get_bool("none").error().code, Reason::invalid_argument);
  EXPECT_EQ(Value(3).find("x"), nullptr);
  EXPECT_TRUE(Value("s").items().empty());
}

TEST(Value, Builds) {
  Value v;
  v.set("a", 1).set("b", Value().push("x").push(nullptr == nullptr)).set("a", 2.5);
  EXPECT_EQ(v.dump(), R"({"a":2.5,"b":["x",true]})");
  EXPECT_EQ(*parse(v.dump()), v);
  EXPECT_FALSE(*parse(R"({"a":2.5})") == v);
}

}  // namespace
}  // namespace vestibule::json
