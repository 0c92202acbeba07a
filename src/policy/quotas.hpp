#pragma once
// Quotas within the policy file: declared, read, written out, compared. Private to the room.

#include "policy/compare.hpp"
#include "policy/model.hpp"

namespace vestibule::policy {

void declare_quotas(schema::Schema& schema);
/// Sorted by name.
void read_quotas(const schema::Document& document, Compiled& out, std::vector<Problem>& problems);
void append_quotas(std::string& canonical, const Compiled& c);
/// One that goes or gives more loosens.
void compare_quotas(const Compiled& before, const Compiled& after, std::vector<Difference>& out);
/// "members: 60/1m requests, 4 streams for each user"
[[nodiscard]] std::vector<std::string> quota_lines(const Compiled& c, const domain::Act& act, const domain::Subject& subject);

}  // namespace vestibule::policy
