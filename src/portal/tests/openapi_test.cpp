// docs/openapi.json says what the route table says: nothing more, nothing less, nothing else.
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

#include "json/value.hpp"
#include "portal/call.hpp"

namespace vestibule::portal {
namespace {

std::string_view name(Pending p) {
  switch (p) {
    case Pending::refused: return "refused";
    case Pending::allowed: return "allowed";
    case Pending::enrolling: return "enrolling";
  }
  return "";
}

std::string_view name_of_roles(Roles r) {
  switch (r) {
    case anyone: return "anyone";
    case administrators: return "administrators";
    case readers: return "readers";
  }
  return "";
}

std::string_view type(Field::Type t) {
  switch (t) {
    case Field::Type::text: return "string";
    case Field::Type::integer: return "integer";
    case Field::Type::list: return "array";
  }
  return "";
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

std::set<std::string> names(const json::Value* list) {
  std::set<std::string> out;
  if (list == nullptr) return out;
  for (const json::Value& v : list->items()) out.insert(v.as_string().value_or("?"));
  return out;
}

TEST(OpenApi, IsTheRouteTable) {
  std::ifstream in("docs/openapi.json");
  std::ostringstream text;
  text << in.rdbuf();
  const Result<json::Value> document = json::parse(text.str());
  ASSERT_TRUE(document) << document.error().detail;
  EXPECT_EQ(document->get_string("openapi").value_or(""), "3.1.0");
  const json::Value* const paths = document->find("paths");
  ASSERT_NE(paths, nullptr);

  std::size_t described = 0;
  for (const json::Member& path : paths->members()) described += path.value.members().size();
  EXPECT_EQ(described, routes().size()) << "a route of the file that the table does not have";

  std::set<std::string> ids;
  for (const Route& r : routes()) {
    SCOPED_TRACE(std::string(http::to_text(r.method)) + " " + std::string(r.path));
    const json::Value* const path = paths->find(r.path);
    const json::Value* const entry = path == nullptr ? nullptr : path->find(lower(http::to_text(r.method)));
    ASSERT_NE(entry, nullptr) << "docs/openapi.json lacks it";
    EXPECT_TRUE(ids.insert(entry->get_string("operationId").value_or("")).second) << "an operationId twice";
    EXPECT_FALSE(entry->get_string("summary").value_or("").empty());
    EXPECT_EQ(entry->get_string("x-operation").value_or(""), r.operation);
    EXPECT_EQ(entry->get_string("x-evidence").value_or(""), portal::name(r.evidence));
    EXPECT_EQ(entry->get_string("x-pending").value_or(""), name(r.pending));
    EXPECT_EQ(entry->get_string("x-roles").value_or(""), name_of_roles(r.roles));
    EXPECT_EQ(entry->get_string("x-elevated").value_or(""), name_of_roles(r.elevated));
    EXPECT_EQ(entry->get_string("x-reach").value_or(""), r.reach == Reach::host ? "host" : "anywhere");
    const json::Value* const security = entry->find("security");
    ASSERT_NE(security, nullptr);
    EXPECT_EQ(security->items().empty(), r.evidence == Evidence::none);

    // Parameters of path and query.
    std::set<std::string> in_query;
    std::set<std::string> in_path;
    if (const json::Value* const parameters = entry->find("parameters")) {
      for (const json::Value& p : parameters->items()) {
        (p.get_string("in").value_or("") == "path" ? in_path : in_query).insert(p.get_string("name").value_or("?"));
      }
    }
    EXPECT_EQ(in_query, std::set<std::string>(r.query.begin(), r.query.end()));
    std::set<std::string> named;
    if (const auto open = r.path.find('{'); open != std::string_view::npos) {
      named.emplace(r.path.substr(open + 1, r.path.find('}') - open - 1));
    }
    EXPECT_EQ(in_path, named);

    // Members of the body.
    const json::Value* schema = entry->find("requestBody");
    if (r.method == http::Method::get) {
      EXPECT_EQ(schema, nullptr);
      continue;
    }
    for (const char* step : {"content", "application/json", "schema"}) {
      ASSERT_NE(schema, nullptr);
      schema = schema->find(step);
    }
    ASSERT_NE(schema, nullptr);
    EXPECT_FALSE(schema->get_bool("additionalProperties").value_or(true));
    const json::Value* const properties = schema->find("properties");
    ASSERT_NE(properties, nullptr);
    std::set<std::string> required;
    std::size_t members = 0;
    for (const Field& f : r.fields) {
      ++members;
      const json::Value* const property = properties->find(f.name);
      ASSERT_NE(property, nullptr) << f.name;
      EXPECT_EQ(property->get_string("type").value_or(""), type(f.type)) << f.name;
      if (f.required) required.emplace(f.name);
    }
    EXPECT_EQ(properties->members().size(), members) << "a member that the route does not take";
    EXPECT_EQ(names(schema->find("required")), required);
  }
}

}  // namespace
}  // namespace vestibule::portal
