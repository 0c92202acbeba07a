#pragma once
// What rules say of tool calls, within the policy file: declared, read, written out. Private to the room.

#include <string>
#include <vector>

#include "policy/model.hpp"
#include "schema/schema.hpp"

namespace vestibule::policy {

inline constexpr std::int64_t kMaxPeople = 5;

void declare_tools(schema::Schema& schema);
/// The table that holds for every tool.
void declare_unruled(schema::Schema& schema);
void read_unruled(const schema::Document& document, Compiled& out);
void append_unruled(std::string& canonical, const Compiled& c);
/// Everything of a rule that has to do with tools, and how an act is confirmed.
void read_tools(const schema::Section& s, Rule& r, std::vector<Problem>& problems);
void append_confirmation(std::string& canonical, const Rule& r);
[[nodiscard]] std::vector<std::string> texts_of(const std::vector<Condition>& conditions);

/// "self", or "2 people".
[[nodiscard]] std::string confirm_text(const domain::Requirement& need);

}  // namespace vestibule::policy
