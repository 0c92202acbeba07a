#include "policy/scope.hpp"

#include "policy/tests/world.hpp"

namespace vestibule::policy {
namespace {

using namespace test;

constexpr std::string_view kNight = "2026-11-23T03:00:00Z";  // a Monday
constexpr std::string_view kNoon = "2026-11-23T12:00:00Z";

Scope scope(std::string_view text) {
  auto s = Scope::parse(text);
  EXPECT_TRUE(s) << text << ": " << (s ? "" : s.error().detail);
  return s ? *s : Scope{};
}

struct Use {
  std::string point = "lab", operation = "chat", model = "tiny-1", source = "10.1.2.3";
  std::string when{kNoon};
  bool trusted = true;
  Known known = Known::whole;
};
bool permits(const Scope& s, const Use& u) {
  domain::Act act;
  act.access_point = u.point;
  act.operation = u.operation;
  act.model = u.model;
  std::optional<WallTime> now;
  if (u.trusted) now = at(u.when);
  return s.permits(act, *domain::Source::parse(u.source), now, u.known);
}

TEST(Scope, Table) {
  struct Row {
    const char* name;
    const char* scope;
    Use use;
    bool may;
  };
  const std::string night(kNight);
  const Row rows[] = {
      {"no limit", "{}", {}, true},
      {"its access point", R"({"access_points":["lab"]})", {}, true},
      {"another access point", R"({"access_points":["lab"]})", {.point = "prod"}, false},
      {"no access point", R"({"access_points":["lab"]})", {.point = ""}, false},
      {"a pattern of access points", R"({"access_points":["l*"]})", {}, true},
      {"case is not folded", R"({"access_points":["lab"]})", {.point = "LAB"}, false},
      {"its operation", R"({"operations":["embed","chat"]})", {}, true},
      {"another operation", R"({"operations":["embed"]})", {}, false},
      {"its model", R"({"models":["tiny*"]})", {}, true},
      {"another model", R"({"models":["tiny*"]})", {.model = "big"}, false},
      {"no model named", R"({"models":["tiny*"]})", {.model = ""}, false},
      {"no model known yet", R"({"models":["tiny*"]})", {.model = "", .known = Known::path}, true},
      {"a list is filtered instead", R"({"models":["tiny*"]})", {.operation = "models.list", .model = ""}, true},
      {"a list of another operation's scope", R"({"operations":["chat"]})", {.operation = "models.list", .model = ""}, false},
      {"its network", R"({"networks":["10.0.0.0/8"]})", {}, true},
      {"another network", R"({"networks":["10.0.0.0/8"]})", {.source = "192.0.2.1"}, false},
      {"families are apart", R"({"networks":["::/0"]})", {}, false},
      {"mapped is IPv4", R"({"networks":["10.0.0.0/8"]})", {.source = "::ffff:10.1.2.3"}, true},
      {"its hours", R"({"hours":["Mon-Fri 08:00-18:00"],"zone":"UTC"})", {}, true},
      {"other hours", R"({"hours":["Mon-Fri 08:00-18:00"],"zone":"UTC"})", {.when = night}, false},
      {"hours of an untrusted clock", R"({"hours":["Mon-Fri 08:00-18:00"],"zone":"UTC"})", {.trusted = false}, false},
      {"the hour of another zone", R"({"hours":["Mon-Fri 12:30-18:00"],"zone":"Europe/Berlin"})", {}, true},
      {"all at once", R"({"access_points":["lab"],"operations":["chat"],"models":["tiny-1"],"networks":["10.1.2.3"]})", {}, true},
  };
  for (const Row& r : rows) EXPECT_EQ(permits(scope(r.scope), r.use), r.may) << r.name;
}

TEST(Scope, OneSpelling) {
  struct Row { const char* text; const char* canonical; };
  const Row rows[] = {
      {"{}", "{}"},
      {R"({"models":["b","a","b"]})", R"({"models":["a","b"]})"},
      {R"({"models":["a","*"]})", "{}"},
      {R"({"operations":["chat"],"access_points":["lab"]})", R"({"access_points":["lab"],"operations":["chat"]})"},
      {R"({"networks":["10.1.0.0/16","10.0.0.0/8"]})", R"({"networks":["10.0.0.0/8"]})"},
      {R"({"zone":"UTC","hours":["Mon-Sun 00:00-24:00"]})", "{}"},
  };
  for (const Row& r : rows) {
    const Scope s = scope(r.text);
    EXPECT_EQ(s.text(), r.canonical);
    EXPECT_EQ(scope(s.text()), s) << "what it writes, it reads";
    EXPECT_EQ(s.anything(), s.text() == "{}");
  }
}

TEST(Scope, Refused) {
  const std::string many = R"({"models":[)" + [] {
    std::string out;
    for (int i = 0; i <= 100; ++i) out += (i > 0 ? ",\"m" : "\"m") + std::to_string(i) + "\"";
    return out;
  }() + "]}";
  const std::string long_entry = R"({"models":[")" + std::string(129, 'a') + "\"]}";
  const std::string long_text = "{" + std::string(kMaxScopeText, ' ') + "}";
  for (const std::string& text :
       {std::string(), std::string("[]"), std::string("null"), std::string("{"), std::string("{}x"), many, long_entry, long_text,
        std::string(R"({"models":[]})"), std::string(R"({"models":"tiny"})"), std::string(R"({"models":[1]})"),
        std::string(R"({"models":[""]})"), std::string("{\"models\":[\"a\\n\"]}"), std::string(R"({"model":["a"]})"),
        std::string(R"({"models":["a"],"models":["b"]})"), std::string(R"({"networks":["10.0.0.1/8"]})"),
        std::string(R"({"networks":["everywhere"]})"), std::string(R"({"hours":["Mon 08:00-18:00"]})"),
        std::string(R"({"zone":"UTC"})"), std::string(R"({"hours":["Mon 08:00-18:00"],"zone":"Mars/Base"})"),
        std::string(R"({"hours":["Mon 08:00-18:00"],"zone":"../../etc/passwd"})"), std::string(R"({"hours":["often"],"zone":"UTC"})")}) {
    EXPECT_FALSE(Scope::parse(text)) << text.substr(0, 80);
  }
}

TEST(Scope, WhatIsHandedOnMayOnlyNarrow) {
  struct Row { const char* outer; const char* inner; bool covers; };
  const Row rows[] = {
      {"{}", R"({"models":["a"]})", true},
      {R"({"models":["a"]})", "{}", false},
      {R"({"models":["a*"]})", R"({"models":["ab","ac*"]})", true},
      {R"({"models":["a*"]})", R"({"models":["ab","b"]})", false},
      {R"({"access_points":["lab"],"models":["a"]})", R"({"access_points":["lab"]})", false},
      {R"({"networks":["10.0.0.0/8"]})", R"({"networks":["10.1.0.0/16"]})", true},
      {R"({"networks":["10.1.0.0/16"]})", R"({"networks":["10.0.0.0/8"]})", false},
      {R"({"networks":["10.1.0.0/16"]})", "{}", false},
      {R"({"hours":["Mon-Fri 08:00-18:00"],"zone":"UTC"})", R"({"hours":["Mon 09:00-10:00"],"zone":"UTC"})", true},
      {R"({"hours":["Mon-Fri 08:00-18:00"],"zone":"UTC"})", R"({"hours":["Mon 09:00-10:00"],"zone":"Europe/Berlin"})", false},
      {R"({"hours":["Mon-Fri 08:00-18:00"],"zone":"UTC"})", "{}", false},
      {R"({"operations":["chat"]})", R"({"operations":["chat"],"models":["x"]})", true},
  };
  for (const Row& r : rows) EXPECT_EQ(scope(r.outer).covers(scope(r.inner)), r.covers) << r.outer << " " << r.inner;
}

}  // namespace
}  // namespace vestibule::policy
