#pragma once
// Two lists in order of names, compared name by name. Private to the room.

#include <string>
#include <type_traits>

namespace vestibule::policy {

/// Calls gone(x) for what only `before` has, come(y) for what only `after` has, both(x, y) for the rest.
template <class List, class Gone, class Come, class Both>
void pair_up(const List& before, const List& after, Gone gone, Come come, Both both) {
  auto i = before.begin();
  auto j = after.begin();
  const auto name_of = [](const auto& x) -> const std::string& {
    if constexpr (std::is_pointer_v<std::decay_t<decltype(x)>>) {
      return x->name;
    } else {
      return x.name;
    }
  };
  while (i != before.end() || j != after.end()) {
    if (j == after.end() || (i != before.end() && name_of(*i) < name_of(*j))) {
      gone(*i++);
    } else if (i == before.end() || name_of(*j) < name_of(*i)) {
      come(*j++);
    } else {
      both(*i++, *j++);
    }
  }
}

}  // namespace vestibule::policy
