#include "policy/suggest.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "domain/act.hpp"
#include "policy/entries.hpp"

namespace vestibule::policy {
namespace {

constexpr std::size_t kMostUsers = 64;  // kept for one tool
constexpr std::size_t kShownUsers = 5;

// Names come from models: in a comment none may end the line or write in a terminal.
std::string commented(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 100)) {
    const auto u = static_cast<unsigned char>(c);
    out.push_back(u < 0x20 || u >= 0x7f ? '?' : c);
  }
  return out + (text.size() > 100 ? "..." : "");
}

// A rule can say this name and means no other by it.
bool nameable(std::string_view name) {
  return !name.empty() && name.size() <= kMaxEntry && printable(name) && is_utf8(name) && name.find_first_of(" *?") == std::string_view::npos;
}

std::string people(const std::set<std::string>& users) {
  std::string out;
  std::size_t n = 0;
  for (const std::string& u : users) {
    if (n++ == kShownUsers) break;
    out.append(out.empty() ? "" : ", ").append(commented(u));
  }
  if (users.size() > kShownUsers) out += fmt::format(" and {} more", users.size() - kShownUsers);
  return out.empty() ? "nobody known" : out;
}

std::string in_quotes(std::string_view text) {
  std::string out;
  append_quoted(out, text);
  return out;
}

}  // namespace

std::optional<SeenCall> seen_call(const json::Value& record) {
  const auto text = [&](std::string_view key) { return record.get_string(key).value_or(""); };
  const std::string kind = text("kind");
  const std::string reason = text("reason");
  if (text("operation") != domain::kToolCall || (kind != "admission" && kind != "refusal")) return std::nullopt;
  SeenCall out{text("access_point"), text("object"), text("user_name"), SeenCall::End::refused};
  if (out.tool.empty() || out.access_point.empty()) return std::nullopt;
  if (kind == "admission") {
    // The record of a call that was signed names what was signed.
    out.end = text("note").starts_with("action ") ? SeenCall::End::confirmed : SeenCall::End::released;
  } else if (reason == info(Reason::confirmation_declined).code) {
    out.end = SeenCall::End::declined;
  } else if (reason == info(Reason::confirmation_required).code) {
    return std::nullopt;
  }
  return out;
}

void Suggestions::add(const SeenCall& call) {
  const auto key = std::pair(call.access_point, call.tool);
  if (seen_.size() == kMost && !seen_.contains(key)) {
    ++left_out_;
    return;
  }
  Seen& s = seen_[key];
  switch (call.end) {
    case SeenCall::End::released: ++s.released; break;
    case SeenCall::End::confirmed: ++s.confirmed; break;
    case SeenCall::End::declined: ++s.declined; break;
    case SeenCall::End::refused: ++s.refused; break;
  }
  if (!call.user.empty() && s.users.size() < kMostUsers) s.users.insert(call.user);
}

std::string Suggestions::toml() const {
  std::string out =
      "# Drafted from the tool calls in the log. Argument values are not in it, so this goes by names alone: add\n"
      "# `argument` where it matters what a tool is called with (docs/policy.md).\n";
  if (seen_.empty()) out += "# No tool calls were seen.\n";
  std::size_t n = 0;
  for (const auto& [key, s] : seen_) {
    const auto& [point, tool] = key;
    out += fmt::format("\n# {} at {}: {} asked for by {}; {} confirmed, {} let out by a rule, {} declined, {} refused.\n", commented(tool),
                       commented(point), s.confirmed + s.released + s.declined + s.refused, people(s.users), s.confirmed, s.released, s.declined, s.refused);
    if (!nameable(tool) || !nameable(point)) {
      out += "# No rule can name it alone: without a rule the person signs each call.\n";
      continue;
    }
    const std::string name = fmt::format("{}: {}", ++n, commented(tool));
    out += fmt::format("[[rule]]\nname = {}\neffect = \"allow\"\naccess_point = [{}]\ntool = [{}]\n", in_quotes(name.substr(0, kMaxRuleName)), in_quotes(point),
                       in_quotes(tool));
    out += "confirm = \"self\"\n";
    if (s.declined == 0 && s.refused == 0 && s.confirmed >= kOften) {
      out += fmt::format("# confirm = \"none\"                   # all {} were confirmed: nobody would be asked any more\n", s.confirmed);
    } else if (s.declined > 0) {
      out += fmt::format("# Somebody declined {} of them: should others sign, or nobody? confirm = \"people\", or a deny rule.\n", s.declined);
    }
  }
  if (left_out_ > 0) out += fmt::format("\n# {} calls of further tools are left out: at most {} are listed.\n", left_out_, kMost);
  return out;
}

}  // namespace vestibule::policy
