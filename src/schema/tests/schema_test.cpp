#include "schema/schema.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

namespace vestibule::schema {
namespace {

using namespace std::chrono_literals;

Schema sample() {
  Schema s;
  s.table("server", "Where the gateway listens.")
      .option({.name = "server.listen",
               .help = "Address and port.",
               .fallback = "127.0.0.1:8420",
               .example = "0.0.0.0:443"})
      .option({.name = "server.workers",
               .type = Type::integer,
               .help = "Cores; 0 is all.",
               .fallback = "0",
               .min = "0",
               .max = "64"})
      .option({.name = "server.names",
               .type = Type::list,
               .help = "Host names.",
               .fallback = R"(["localhost"])",
               .min = "1"})
      .option({.name = "server.body.max",
               .type = Type::size,
               .help = "Largest body.",
               .fallback = "10MiB",
               .min = "1KiB",
               .max = "1GiB",
               .reloadable = true})
      .option({.name = "tls.key", .type = Type::path, .help = "Private key.", .sensitive = true})
      .option({.name = "tls.required",
               .type = Type::boolean,
               .help = "Refuse plain HTTP.",
               .fallback = "false"})
      .option({.name = "audit.flush",
               .type = Type::duration,
               .help = "Longest wait for a commit.",
               .fallback = "5ms",
               .min = "1ms",
               .max = "1s"})
      .option({.name = "audit.secret", .help = "Shared secret.", .min = "8", .sensitive = true})
      .table("access_point.*", "A guarded resource.")
      .option({.name = "access_point.*.kind",
               .type = Type::choice,
               .help = "Dialect.",
               .example = "openai",
               .choices = {"openai", "ollama"},
               .required = true})
      .option({.name = "access_point.*.upstream", .help = "URL | socket.", .required = true})
      .option({.name = "access_point.*.env", .type = Type::string_table, .help = "Environment."})
      .option({.name = "access_point.*.limits.stream",
               .type = Type::duration,
               .help = "Longest answer.",
               .fallback = "10m"})
      .table("rule[]", "Tried in order.")
      .option({.name = "rule[].effect",
               .type = Type::choice,
               .help = "What happens.",
               .choices = {"allow", "deny"},
               .required = true})
      .option({.name = "rule[].operations",
               .type = Type::list,
               .help = "Which.",
               .choices = {"chat", "embed"}});
  return s;
}

std::string problems(std::string_view text) {
  const auto result = sample().parse(text, "v.toml");
  if (result) return "none";
  EXPECT_EQ(result.error().code, Reason::config_invalid);
  return result.error().detail;
}

TEST(Schema, TypedAccess) {
  const auto doc = sample().parse(R"([server]
listen = "0.0.0.0:443"
workers = 4
names = ["a.example", "b.example"]
body.max = "64KiB"

[audit]
flush = "250ms"

[access_point.zeta]
kind = "openai"
upstream = "http://127.0.0.1:8080"
env = { HOME = "/x", LANG = "C" }

[access_point.alpha]
kind = "ollama"
upstream = "unix:/run/o.sock"
limits.stream = "1h"

[[rule]]
effect = "allow"
operations = ["chat"]
[[rule]]
effect = "deny"
)",
                                  "v.toml");
  ASSERT_TRUE(doc) << doc.error().detail;
  EXPECT_EQ(doc->get_string("server.listen"), "0.0.0.0:443");
  EXPECT_EQ(doc->get_integer("server.workers"), 4);
  EXPECT_EQ(doc->get_list("server.names"), (std::vector<std::string>{"a.example", "b.example"}));
  EXPECT_EQ(doc->get_size("server.body.max"), 65536U);
  EXPECT_EQ(doc->get_duration("audit.flush"), Duration(250ms));
  EXPECT_FALSE(doc->get_boolean("tls.required"));
  EXPECT_TRUE(doc->has("tls.required"));
  EXPECT_FALSE(doc->present("tls.required"));
  EXPECT_FALSE(doc->has("tls.key"));
  EXPECT_EQ(doc->get_string("tls.key"), "");
  EXPECT_TRUE(doc->present("server.workers"));
  EXPECT_EQ(doc->line_of("server.workers"), 3U);
  EXPECT_EQ(doc->line_of("tls.key"), 0U);

  const auto& points = doc->sections("access_point");
  ASSERT_EQ(points.size(), 2U);
  EXPECT_EQ(points[0].name(), "zeta") << "in the order of the file";
  EXPECT_EQ(points[0].get_table("env").at("HOME"), "/x");
  EXPECT_EQ(points[0].get_duration("limits.stream"), Duration(10min));
  EXPECT_EQ(points[1].name(), "alpha");
  EXPECT_EQ(points[1].get_string("kind"), "ollama");
  EXPECT_EQ(points[1].get_duration("limits.stream"), Duration(1h));
  EXPECT_EQ(points[1].line_of("kind"), 16U);
  EXPECT_EQ(points[1].line_of("env"), 15U) << "absent: the table's own line";
  EXPECT_EQ(points[1].problem("kind", "no such server").text(),
            "v.toml:16:8: access_point.alpha.kind: no such server");
  EXPECT_EQ(points[1].problem("", "unused").key, "access_point.alpha");

  const auto& rules = doc->sections("rule");
  ASSERT_EQ(rules.size(), 2U);
  EXPECT_EQ(rules[0].get_list("operations"), std::vector<std::string>{"chat"});
  EXPECT_EQ(rules[1].get_string("effect"), "deny");
  EXPECT_EQ(rules[1].problem("effect", "x").key, "rule[2].effect");
}

TEST(Schema, EmptyFileIsAllDefaults) {
  const auto doc = sample().parse("", "v.toml");
  ASSERT_TRUE(doc);
  EXPECT_EQ(doc->get_string("server.listen"), "127.0.0.1:8420");
  EXPECT_EQ(doc->get_size("server.body.max"), 10U << 20U);
  EXPECT_TRUE(doc->sections("access_point").empty());
  EXPECT_TRUE(doc->sections("rule").empty());
}

TEST(Schema, CallersDefectsThrow) {
  const auto doc = sample().parse("", "v.toml");
  ASSERT_TRUE(doc);
  EXPECT_THROW((void)doc->get_string("server.nothing"), std::logic_error);
  EXPECT_THROW((void)doc->get_integer("server.listen"), std::logic_error);
  EXPECT_THROW((void)doc->sections("server"), std::logic_error);
}

TEST(Schema, AllProblemsAtOnceInTheOrderOfTheFile) {
  std::vector<Problem> list;
  const auto doc = sample().parse(R"([server]
lisen = "x"
workers = 65
names = []

[access_point.a]
kind = "opnai"

[[rule]]
effect = 1
)",
                                  "v.toml", &list);
  ASSERT_FALSE(doc);
  EXPECT_EQ(doc.error().detail,
            "v.toml:2:1: server.lisen: unknown key; did you mean 'listen'?\n"
            "v.toml:3:11: server.workers: must be at most 64\n"
            "v.toml:4:9: server.names: the number of its entries must be at least 1\n"
            "v.toml:6:15: access_point.a.upstream: is required and missing\n"
            "v.toml:7:8: access_point.a.kind: 'opnai' is not one of: openai, ollama\n"
            "v.toml:10:10: rule[1].effect: expected a string, found an integer");
  EXPECT_EQ(list.size(), 6U);
}

TEST(Schema, Problems) {
  struct Row {
    const char* name;
    std::string_view text, says;
  };
  for (const Row& r : {
           Row{"syntax", "a = = 1", "v.toml:1:"},
           Row{"same key twice", "[server]\nworkers = 1\nworkers = 2", "v.toml:3:"},
           Row{"invalid UTF-8", "a = \"\xFF\"", "v.toml:1:"},
           Row{"typographic quotes", "[tls]\nkey = \xE2\x80\x9C/k\xE2\x80\x9D",
               "v.toml:2: only strings and comments may"},
           Row{"control character", "[tls]\n[\x04", "v.toml:2: contains a control character"},
           Row{"unknown table", "[sever]\nx = 1",
               "v.toml:1:2: sever: unknown key; did you mean 'server'?"},
           Row{"unknown, nothing near", "[server]\nzzzzzz = 1",
               "v.toml:2:1: server.zzzzzz: unknown key"},
           Row{"swapped letters", "[server]\nnmaes = []", "did you mean 'names'?"},
           Row{"unknown in wildcard table",
               "[access_point.x]\nkind='openai'\nupstream='u'\nupsteam='u'",
               "v.toml:4:1: access_point.x.upsteam: unknown key; did you mean 'upstream'?"},
           Row{"control characters stay out", "\"a\\u001b[2J\" = 1",
               "v.toml:1:1: a?[2J: unknown key"},
           Row{"string for integer", "[server]\nworkers = \"4\"",
               "expected an integer, found a string"},
           Row{"fraction for integer", "[server]\nworkers = 4.0",
               "expected an integer, found a number with a fraction"},
           Row{"below", "[server]\nworkers = -1", "must be at least 0"},
           Row{"integer for duration", "[audit]\nflush = 5",
               "expected a duration such as \"45s\", \"15m\" or \"12h\", found an integer"},
           Row{"duration without unit", "[audit]\nflush = \"5\"", "found '5'"},
           Row{"duration with space", "[audit]\nflush = \"5 ms\"", "found '5 ms'"},
           Row{"duration with fraction", "[audit]\nflush = \"0.5s\"", "found '0.5s'"},
           Row{"negative duration", "[audit]\nflush = \"-5ms\"", "found '-5ms'"},
           Row{"duration too long", "[audit]\nflush = \"2s\"", "audit.flush: must be at most 1s"},
           Row{"duration overflows", "[audit]\nflush = \"9223372036854775807d\"",
               "expected a duration"},
           Row{"size in decimal units", "[server]\nbody.max = \"64KB\"", "expected a size such as"},
           Row{"size too large", "[server]\nbody.max = \"2GiB\"",
               "server.body.max: must be at most 1GiB"},
           Row{"boolean", "[tls]\nrequired = 1", "expected true or false, found an integer"},
           Row{"empty path", "[tls]\nkey = \"\"", "tls.key: must not be empty"},
           Row{"NUL", "[tls]\nkey = \"a\\u0000\"", "contains a NUL"},
           Row{"list of integers", "[server]\nnames = [\"a\", 1]",
               "v.toml:2:15: server.names: expected a string in the list, found an integer"},
           Row{"string for list", "[server]\nnames = \"a\"",
               "expected a list of strings, found a string"},
           Row{"list choice", "[[rule]]\neffect='deny'\noperations=['chat','train']",
               "'train' is not one of: chat, embed"},
           Row{"table of strings", "[access_point.x]\nkind='openai'\nupstream='u'\nenv.A=1",
               "access_point.x.env.A: expected a string, found an integer"},
           Row{"table expected", "server = 1", "server: expected a table, found an integer"},
           Row{"named tables expected", "access_point = 1",
               "expected tables [access_point.NAME], found an integer"},
           Row{"value for named table", "[access_point]\nx = 1",
               "access_point.x: expected a table [access_point.NAME], found an integer"},
           Row{"bad name", "[access_point.\"a b\"]", "'a b' is not a name"},
           Row{"array expected", "[rule]\neffect = \"deny\"",
               "expected tables [[rule]], found a table"},
           Row{"array of others", "rule = [1]",
               "rule[1]: expected a table [[rule]], found an integer"},
           Row{"required in a list", "[[rule]]\n[[rule]]\neffect='deny'",
               "v.toml:1:1: rule[1].effect: is required and missing"},
       }) {
    const std::string said = problems(r.text);
    EXPECT_NE(said.find(r.says), std::string::npos) << r.name << ": " << said;
  }
}

TEST(Schema, SensitiveValuesStayOutOfMessages) {
  EXPECT_EQ(problems("[audit]\nsecret = \"hunter2\""),
            "v.toml:2:10: audit.secret: its length must be at least 8");
  EXPECT_EQ(problems("[audit]\nsecret = 1234"),
            "v.toml:2:10: audit.secret: expected a string, found an integer");
}

TEST(Schema, BoundsOnTheTextItself) {
  EXPECT_NE(problems(std::string((1U << 20U) + 1, '\n')).find("larger than 1 MiB"),
            std::string::npos);
  std::string deep = "a";
  for (int i = 0; i < 100000; ++i) deep += ".a";
  EXPECT_NE(problems(deep + " = 1").find("too many parts"), std::string::npos);
  EXPECT_NE(problems("\n[" + deep + "]").find("v.toml:2: a key has too many parts"),
            std::string::npos);
  EXPECT_NE(problems("x = " + std::string(100000, '[')), "none");
  // Dots in values, comments and quoted keys are none of its business.
  const std::string dots(1000, '.');
  EXPECT_EQ(problems("# " + dots + "\n[server]\nlisten = \"\\\"" + dots + "\"\nnames = ['" + dots +
                     "', \"\"\"" + dots + "\n\"" + dots + "\"\"\"]"),
            "none");
}

TEST(Schema, RequiredInAPlainTable) {
  Schema s;
  s.option({.name = "model.name", .help = "x", .required = true});
  EXPECT_EQ(s.parse("", "f").error().detail, "f: model.name: is required and missing");
  EXPECT_EQ(s.parse("\n[model]", "f").error().detail, "f:2:1: model.name: is required and missing");
  EXPECT_TRUE(s.parse("model.name = 'x'", "f"));
}

TEST(Schema, DeclarationsThatContradictThemselvesThrow) {
  const Option good[] = {{.name = "a.b", .help = "x"}};
  for (const Option& bad : std::vector<Option>{
           {.name = "", .help = "x"},
           {.name = "a.b", .help = "x"},
           {.name = "a.b.c", .help = "x"},
           {.name = "a", .help = "x"},
           {.name = "a..c", .help = "x"},
           {.name = "*.c", .help = "x"},
           {.name = "c"},
           {.name = "c", .type = Type::choice, .help = "x"},
           {.name = "c", .type = Type::integer, .help = "x", .fallback = "one"},
           {.name = "c", .type = Type::integer, .help = "x", .fallback = "11", .max = "10"},
           {.name = "c", .type = Type::integer, .help = "x", .min = "2", .max = "1"},
           {.name = "c", .type = Type::duration, .help = "x", .max = "10"},
           {.name = "c", .type = Type::size, .help = "x", .example = "10MB"},
           {.name = "c", .help = "x", .fallback = "x", .required = true}}) {
    Schema s;
    s.option(good[0]);
    EXPECT_THROW(s.option(bad), std::logic_error) << bad.name;
  }
  Schema s;
  s.table("t.*", "x");
  EXPECT_THROW(s.option({.name = "t.x", .help = "x"}), std::logic_error);
  EXPECT_THROW(s.option({.name = "t", .help = "x"}), std::logic_error);
  EXPECT_THROW(s.option({.name = "t[].x", .help = "x"}), std::logic_error);
}

TEST(Schema, Reference) {
  const std::string page = sample().reference_markdown();
  for (const std::string_view part :
       {"## `[server]`\n\nWhere the gateway listens.\n\n| option | type | default | what it does "
        "|\n",
        "| `listen` | string | `\"127.0.0.1:8420\"` | Address and port. |\n",
        "| `workers` | integer, 0 to 64 | `0` | Cores; 0 is all. |\n",
        "| `names` | list of strings, at least 1 entries | `[\"localhost\"]` | Host names. |\n",
        "```toml\n[server]\nlisten = \"0.0.0.0:443\"\n```\n", "## `[server.body]`\n",
        "| `max` | size, 1KiB to 1GiB | `\"10MiB\"` | Largest body. Takes effect on reload. |\n",
        "| `key` | path | none | Private key. Sensitive: never logged or shown. |\n",
        "## `[access_point.NAME]`\n\nA guarded resource.\n",
        "| `kind` | one of `openai`, `ollama` | required | Dialect. |\n",
        "| `upstream` | string | required | URL \\| socket. |\n",
        "[access_point.NAME]\nkind = \"openai\"\n", "## `[access_point.NAME.limits]`\n",
        "## `[[rule]]`\n\nTried in order.\n",
        "| `operations` | list of strings: `chat`, `embed` | none | Which. |\n"})
    EXPECT_NE(page.find(part), std::string::npos) << part << "\n---\n" << page;
}

}  // namespace
}  // namespace vestibule::schema
