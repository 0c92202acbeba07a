#pragma once
// Deadlines within the policy file: declared, read, written out, compared. Private to the room.

#include "policy/compare.hpp"
#include "policy/model.hpp"

namespace vestibule::policy {

void declare_deadlines(schema::Schema& schema);
/// Sorted by role and kind.
void read_deadlines(const schema::Document& document, domain::KindSet here, Compiled& out, std::vector<Problem>& problems);
void append_deadlines(std::string& canonical, const Compiled& c);
/// One that goes, or comes later, loosens.
void compare_deadlines(const Compiled& before, const Compiled& after, std::vector<Difference>& out);

}  // namespace vestibule::policy
