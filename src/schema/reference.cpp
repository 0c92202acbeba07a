#include <algorithm>

#include "schema/schema.hpp"

namespace vestibule::schema {
namespace {

std::string_view type_name(Type type) {
  switch (type) {
    case Type::string:
      return "string";
    case Type::integer:
      return "integer";
    case Type::boolean:
      return "boolean";
    case Type::duration:
      return "duration";
    case Type::size:
      return "size";
    case Type::list:
      return "list of strings";
    case Type::choice:
      return "one of";
    case Type::path:
      return "path";
    case Type::string_table:
      return "table of strings";
  }
  return "";
}

// As TOML: in quotes if the type is written so.
std::string spelt(const Option& option, const std::string& value) {
  switch (option.type) {
    case Type::integer:
    case Type::boolean:
    case Type::list:
    case Type::string_table:
      return value;
    case Type::string:
    case Type::duration:
    case Type::size:
    case Type::choice:
    case Type::path:
      break;
  }
  std::string out = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  return out + "\"";
}

// Within a cell of a table.
std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out.push_back('\\');
    out.push_back(c == '\n' ? ' ' : c);
  }
  return out;
}

std::string describe_type(const Option& o) {
  std::string out(type_name(o.type));
  for (std::size_t i = 0; i < o.choices.size(); ++i)
    out += (i != 0 ? ", `" : o.type == Type::choice ? " `" : ": `") + o.choices[i] + "`";
  const bool length = o.type == Type::string || o.type == Type::path;
  const std::string unit = length                                                 ? " bytes"
                           : o.type == Type::list || o.type == Type::string_table ? " entries"
                                                                                  : "";
  if (!o.min.empty() && !o.max.empty()) {
    out += ", " + o.min + " to " + o.max + unit;
  } else if (!o.min.empty()) {
    out += ", at least " + o.min + unit;
  } else if (!o.max.empty()) {
    out += ", at most " + o.max + unit;
  }
  return out;
}

// "access_point.*.kind" -> "access_point.*" and "kind".
std::pair<std::string, std::string> split(const std::string& name) {
  const std::size_t dot = name.rfind('.');
  if (dot == std::string::npos) return {"", name};
  return {name.substr(0, dot), name.substr(dot + 1)};
}

// "access_point.*" -> "[access_point.NAME]", "rule[]" -> "[[rule]]".
std::string header(std::string table) {
  if (const std::size_t star = table.find(".*"); star != std::string::npos)
    table.replace(star + 1, 1, "NAME");
  if (table.ends_with("[]")) return "[[" + table.substr(0, table.size() - 2) + "]]";
  return "[" + table + "]";
}

}  // namespace

std::string Schema::reference_markdown() const {
  struct Chapter {
    std::string name, help;
    std::vector<const Option*> options;
  };
  std::vector<Chapter> chapters;
  const auto chapter = [&](const std::string& name) -> Chapter& {
    const auto it = std::find_if(chapters.begin(), chapters.end(),
                                 [&](const Chapter& c) { return c.name == name; });
    return it != chapters.end() ? *it : chapters.emplace_back(Chapter{name, "", {}});
  };
  for (const Table& t : tables_) chapter(t.name).help = t.help;
  for (const Option& o : options_) chapter(split(o.name).first).options.push_back(&o);

  std::string out;
  for (const Chapter& c : chapters) {
    if (!out.empty()) out += "\n";
    out += c.name.empty() ? "## Top level\n" : "## `" + header(c.name) + "`\n";
    if (!c.help.empty()) out += "\n" + c.help + "\n";
    if (c.options.empty()) continue;
    out += "\n| option | type | default | what it does |\n| --- | --- | --- | --- |\n";
    std::string example;
    for (const Option* o : c.options) {
      const std::string key = split(o->name).second;
      std::string notes;
      if (o->reloadable) notes += " Takes effect on reload.";
      if (o->sensitive) notes += " Sensitive: never logged or shown.";
      out += "| `" + key + "` | " + cell(describe_type(*o)) + " | " +
             (o->required   ? "required"
              : o->fallback ? cell("`" + spelt(*o, *o->fallback) + "`")
                            : "none") +
             " | " + cell(o->help) + notes + " |\n";
      if (!o->example.empty()) example += key + " = " + spelt(*o, o->example) + "\n";
    }
    if (!example.empty())
      out += "\n```toml\n" + (c.name.empty() ? "" : header(c.name) + "\n") + example + "```\n";
  }
  return out;
}

}  // namespace vestibule::schema
