// Any bytes: a document or problems, never a crash or an exception.
#include <cstdlib>

#include "base/bytes.hpp"
#include "schema/schema.hpp"

namespace schema = vestibule::schema;

namespace {

schema::Schema make() {
  using schema::Type;
  schema::Schema s;
  s.option({.name = "server.listen", .help = "x", .fallback = "127.0.0.1:8420"})
      .option({.name = "server.workers",
               .type = Type::integer,
               .help = "x",
               .fallback = "0",
               .min = "0",
               .max = "64"})
      .option({.name = "server.names", .type = Type::list, .help = "x", .min = "1"})
      .option({.name = "server.body",
               .type = Type::size,
               .help = "x",
               .fallback = "1MiB",
               .max = "1GiB"})
      .option({.name = "server.wait", .type = Type::duration, .help = "x", .min = "1ms"})
      .option({.name = "tls.on", .type = Type::boolean, .help = "x"})
      .option({.name = "tls.key", .type = Type::path, .help = "x", .sensitive = true})
      .table("point.*", "x")
      .option({.name = "point.*.kind",
               .type = Type::choice,
               .help = "x",
               .choices = {"a", "b"},
               .required = true})
      .option({.name = "point.*.env", .type = Type::string_table, .help = "x"})
      .table("rule[]", "x")
      .option({.name = "rule[].effect",
               .type = Type::choice,
               .help = "x",
               .choices = {"allow", "deny"}});
  return s;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const schema::Schema kSchema = make();
  std::vector<schema::Problem> problems;
  const auto document = kSchema.parse(vestibule::as_text({data, size}), "f", &problems);
  if (document.has_value() != problems.empty()) std::abort();
  if (!document) {
    if (document.error().detail.empty()) std::abort();
    return 0;
  }
  if (document->get_integer("server.workers") > 64 ||
      document->get_string("server.listen").find('\0') != std::string::npos)
    std::abort();
  for (const auto& point : document->sections("point")) {
    if (point.name().empty() || !point.has("kind")) std::abort();
  }
  for (const auto& rule : document->sections("rule")) {
    if (rule.line_of() == 0) std::abort();
  }
  return 0;
}
