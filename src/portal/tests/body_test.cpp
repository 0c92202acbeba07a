#include "portal/body.hpp"

#include <gtest/gtest.h>

#include "portal/call.hpp"
#include "portal/render.hpp"

namespace vestibule::portal {
namespace {

constexpr Fields kFields{{"name"}, {"count", Field::Type::integer, false}, {"roles", Field::Type::list, false}};

TEST(Body, StrictMembers) {
  struct Row {
    const char* name;
    std::string text;
    Reason reason;
    const char* detail;
  };
  const Row rows[] = {
      {"all", R"({"name":"a","count":3,"roles":["x","y"]})", Reason::ok, ""},
      {"least", R"({"name":""})", Reason::ok, ""},
      {"escapes", R"({"name":"\u0061"})", Reason::ok, ""},
      {"missing", R"({"count":3})", Reason::invalid_argument, "name: missing"},
      {"unknown", R"({"name":"a","nmae":"b"})", Reason::invalid_argument, "nmae: unknown member"},
      {"unknown, nested", R"({"x":{"name":[1,2]},"name":"a"})", Reason::invalid_argument, "x: unknown member"},
      {"unknown, unprintable", R"({"\u0001":1,"name":"a"})", Reason::invalid_argument, "an unprintable name: unknown member"},
      {"case matters", R"({"Name":"a"})", Reason::invalid_argument, "Name: unknown member"},
      {"number for text", R"({"name":1})", Reason::invalid_argument, "name: a string is expected"},
      {"null for text", R"({"name":null})", Reason::invalid_argument, "name: a string is expected"},
      {"object for text", R"({"name":{"a":[1]},"count":1})", Reason::invalid_argument, "name: a string is expected"},
      {"text for number", R"({"name":"a","count":"3"})", Reason::invalid_argument, "count: a whole number is expected"},
      {"fraction", R"({"name":"a","count":3.0})", Reason::invalid_argument, "count: a whole number is expected"},
      {"text for list", R"({"name":"a","roles":"x"})", Reason::invalid_argument, "roles: a list of strings is expected"},
      {"object for list", R"({"name":"a","roles":{"x":1}})", Reason::invalid_argument, "roles: a list of strings is expected"},
      {"numbers in list", R"({"roles":["x",1,["y"]],"name":"a"})", Reason::invalid_argument, "roles: a list of strings is expected"},
      {"list in list", R"({"roles":[["x"],"z"],"name":"a","count":2})", Reason::invalid_argument, "roles: a list of strings is expected"},
      {"NUL", R"({"name":"a\u0000b"})", Reason::invalid_argument, "no member may hold a NUL"},
      {"duplicate", R"({"name":"a","name":"b"})", Reason::body_not_json, nullptr},
      {"duplicate, escaped", R"({"name":"a","n\u0061me":"b"})", Reason::body_not_json, nullptr},
      {"duplicate beyond an error", R"({"x":1,"name":"a","name":"b"})", Reason::body_not_json, nullptr},
      {"trailing", R"({"name":"a"} x)", Reason::body_not_json, nullptr},
      {"cut", R"({"name":"a")", Reason::body_not_json, nullptr},
      {"cut in list", R"({"roles":["a")", Reason::body_not_json, nullptr},
      {"array", R"(["name"])", Reason::body_not_json, nullptr},
      {"empty", "", Reason::body_not_json, nullptr},
      {"deep", R"({"x":[[[[[[1]]]]]],"name":"a"})", Reason::body_not_json, nullptr},
      {"byte order mark", "\xef\xbb\xbf{\"name\":\"a\"}", Reason::body_not_json, nullptr},
  };
  for (const Row& row : rows) {
    const auto body = Body::parse(row.text, kFields);
    EXPECT_EQ(body ? Reason::ok : body.error().code, row.reason) << row.name;
    if (!body && row.detail != nullptr) {
      EXPECT_EQ(body.error().detail, row.detail) << row.name;
    }
  }
}

TEST(Body, GivesWhatIsThere) {
  const auto body = Body::parse(R"({"name":"\u00fc","count":-7,"roles":["x","y"]})", kFields);
  ASSERT_TRUE(body);
  EXPECT_EQ(body->text("name"), "\xc3\xbc");
  EXPECT_EQ(body->integer("count"), -7);
  EXPECT_EQ(body->list("roles"), (std::vector<std::string>{"x", "y"}));
  const auto least = Body::parse(R"({"name":"a"})", kFields);
  ASSERT_TRUE(least);
  EXPECT_FALSE(least->has("count"));
  EXPECT_EQ(least->integer("count"), std::nullopt);
  EXPECT_FALSE(least->optional_secret("roles"));
  EXPECT_TRUE(least->list("roles").empty());
}

TEST(Body, ListsAreBounded) {
  std::string text = R"({"name":"a","roles":[)";
  for (std::size_t i = 0; i <= kMaxList; ++i) text.append(i == 0 ? "" : ",").append("\"r\"");
  const auto body = Body::parse(text + "]}", kFields);
  ASSERT_FALSE(body);
  EXPECT_EQ(body.error().detail, "roles: too many entries");
}

TEST(Routes, Match) {
  struct Row {
    http::Method method;
    const char* path;
    const char* operation;  // empty: none
    const char* param;
    const char* allow;
  };
  using M = http::Method;
  const Row rows[] = {
      {M::get, "/v1/health", "health", "", ""},
      {M::post, "/v1/users/al.ice@x/roles", "users.roles", "al.ice@x", ""},
      {M::post, "/v1/factors/fac_x/confirm", "factors.confirm", "fac_x", ""},
      {M::post, "/v1/factors/totp", "factors.add", "", ""},
      {M::get, "/v1/audit/prove", "audit.read", "", ""},
      {M::delete_, "/v1/users", "", "", "GET, POST"},
      {M::head, "/v1/health", "", "", "GET"},
      {M::get, "/v1/users/a/roles", "", "", "POST"},
      {M::get, "/", "", "", ""},
      {M::get, "/v1", "", "", ""},
      {M::get, "/v1/health/", "", "", ""},
      {M::get, "/V1/health", "", "", ""},
      {M::post, "/v1/users//roles", "", "", ""},
      {M::post, "/v1/users/a/b/roles", "", "", ""},
      {M::post, "/v1/users/roles", "", "", ""},
      {M::get, "/v2/health", "", "", ""},
  };
  for (const Row& row : rows) {
    const Match m = match(row.method, row.path);
    EXPECT_EQ(m.route == nullptr ? "" : m.route->operation, row.operation) << row.path;
    EXPECT_EQ(m.param, row.param) << row.path;
    EXPECT_EQ(m.allow, row.allow) << row.path;
  }
}

TEST(Render, Times) {
  const auto same = [](std::string_view text) {
    const auto t = parse_time(text);
    return t ? rfc3339(*t) : std::string("none");
  };
  EXPECT_EQ(same("2026-11-23T03:02:36Z"), "2026-11-23T03:02:36Z");
  EXPECT_EQ(same("2024-02-29T23:59:59Z"), "2024-02-29T23:59:59Z");
  EXPECT_EQ(parse_time("1970-01-01T00:00:01.5Z"), WallTime(Duration(1'500'000)));
  EXPECT_EQ(parse_time("1970-01-01T00:00:00.000001Z"), WallTime(Duration(1)));
  for (const char* bad : {"", "Z", "2026-11-23", "2026-11-23T03:02:36", "2026-11-23 03:02:36Z", "2026-02-29T00:00:00Z",
                          "2026-11-23T24:00:00Z", "2026-11-23T03:02:36.Z", "2026-11-23T03:02:36.1234567Z",
                          "2026-11-23T03:02:36+01:00", "2026-11-23T03:02:36.12xZ", "26-11-23T03:02:36Z"}) {
    EXPECT_FALSE(parse_time(bad)) << bad;
  }
}

}  // namespace
}  // namespace vestibule::portal
