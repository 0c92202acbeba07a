#include "domain/subject.hpp"

#include <algorithm>
#include <deque>
#include <mutex>
#include <string>
#include <unordered_map>

namespace vestibule::domain {
namespace {

struct Interner {
  std::mutex mutex;
  std::deque<std::string> names;  // addresses stay valid as it grows
  std::unordered_map<std::string_view, NameId> ids;
};
Interner& interner() {
  static Interner i;
  return i;
}

}  // namespace

NameId intern(std::string_view name) {
  Interner& in = interner();
  const std::lock_guard lock(in.mutex);
  if (const auto it = in.ids.find(name); it != in.ids.end()) return it->second;
  const auto id = static_cast<NameId>(in.names.size());
  in.ids.emplace(in.names.emplace_back(name), id);
  return id;
}

std::string_view interned(NameId id) {
  Interner& in = interner();
  const std::lock_guard lock(in.mutex);
  return id < in.names.size() ? std::string_view(in.names[id]) : std::string_view();
}

bool has(const NameSet& set, NameId id) noexcept {
  return std::find(set.begin(), set.end(), id) != set.end();
}

}  // namespace vestibule::domain
