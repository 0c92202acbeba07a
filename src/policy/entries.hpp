#pragma once
// Names and lists of names within the policy file, as rules, flows and quotas have them. Private to
// the room.

#include <map>
#include <string>
#include <vector>

#include "policy/model.hpp"
#include "schema/schema.hpp"

namespace vestibule::policy {

using Taken = std::map<std::string, int, std::less<>>;  ///< names and the lines of their owners

/// The key `name` of a section of this kind ("rule"). Names stand in the log: unique among their like.
void read_name(const schema::Section& s, std::string_view kind, std::size_t most, Taken& taken, std::vector<Problem>& problems);
/// The key `who`; without it anyone.
void read_who(const schema::Section& s, Who& who, std::vector<Problem>& problems);
/// A list of globs; without the key any name. In an allow rule to name the administration says more than "*".
void read_names(const schema::Section& s, std::string_view key, Effect effect, Names& names, std::vector<Problem>& problems);
/// Without control characters: they would write in terminals and logs.
[[nodiscard]] bool printable(std::string_view text) noexcept;
/// `"entry" why`, cut and without control characters.
void complain(const schema::Section& s, std::string_view key, std::string_view entry, std::string_view why,
              std::vector<Problem>& problems);

}  // namespace vestibule::policy
