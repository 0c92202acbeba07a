#include "schema/schema.hpp"

#include <algorithm>
#include <stdexcept>

namespace vestibule::schema {

std::string Problem::text() const {
  std::string out = file;
  if (line != 0) out += ":" + std::to_string(line);
  if (column != 0) out += ":" + std::to_string(column);
  out += ": ";
  if (!key.empty()) out += key + ": ";
  return out + message;
}

Error to_error(const std::vector<Problem>& problems) {
  std::string detail;
  for (const Problem& p : problems) detail += (detail.empty() ? "" : "\n") + p.text();
  return fail(Reason::config_invalid, std::move(detail));
}

const Section::Entry& Section::entry(std::string_view key) const {
  const auto it = entries_.find(key);
  if (it == entries_.end())
    throw std::logic_error("no such option was declared: " + path_ + std::string(key));
  return it->second;
}

bool Section::has(std::string_view key) const { return entry(key).value.index() != 0; }
bool Section::present(std::string_view key) const { return entry(key).line != 0; }

template <class T>
const T& Section::get(std::string_view key, std::initializer_list<Type> types) const {
  static const T kEmpty{};
  const Entry& e = entry(key);
  if (std::find(types.begin(), types.end(), e.type) == types.end())
    throw std::logic_error("the option is of another type: " + path_ + std::string(key));
  const T* value = std::get_if<T>(&e.value);
  return value == nullptr ? kEmpty : *value;
}

const std::string& Section::get_string(std::string_view key) const {
  return get<std::string>(key, {Type::string, Type::choice, Type::path});
}
std::int64_t Section::get_integer(std::string_view key) const {
  return get<std::int64_t>(key, {Type::integer});
}
bool Section::get_boolean(std::string_view key) const { return get<bool>(key, {Type::boolean}); }
Duration Section::get_duration(std::string_view key) const {
  return get<Duration>(key, {Type::duration});
}
std::uint64_t Section::get_size(std::string_view key) const {
  return get<Size>(key, {Type::size}).bytes;
}
const std::vector<std::string>& Section::get_list(std::string_view key) const {
  return get<std::vector<std::string>>(key, {Type::list});
}
const std::map<std::string, std::string>& Section::get_table(std::string_view key) const {
  return get<std::map<std::string, std::string>>(key, {Type::string_table});
}

const std::vector<Section>& Section::sections(std::string_view table) const {
  const auto it = sections_.find(table);
  if (it == sections_.end())
    throw std::logic_error("no such table of many was declared: " + path_ + std::string(table));
  return it->second;
}

unsigned Section::line_of(std::string_view key) const {
  const auto it = entries_.find(key);
  return it != entries_.end() && it->second.line != 0 ? it->second.line : line_;
}

Problem Section::problem(std::string_view key, std::string message) const {
  const auto it = entries_.find(key);
  const bool here = it != entries_.end() && it->second.line != 0;
  std::string full = path_ + std::string(key);
  if (key.empty() && full.ends_with('.')) full.pop_back();
  return {file_, here ? it->second.line : line_, here ? it->second.column : column_,
          std::move(full), std::move(message)};
}

}  // namespace vestibule::schema
