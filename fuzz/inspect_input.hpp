#pragma once
// A reply of a model server out of fuzz data, and what holds of every one: whatever is fed and however it is cut,
// what goes out and what is held is what came; and where all calls are refused, what is left asks for none.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "dialect/inspect.hpp"
#include "require.hpp"

namespace vestibule::dialect {

struct Outcome {
  bool ok = true;
  std::string at_once, rest;
  std::vector<ToolCall> calls;
};

inline InspectLimits narrow_limits() {
  InspectLimits limits;
  limits.held = std::size_t{1} << 16U;
  limits.event = std::size_t{1} << 14U;
  limits.arguments = std::size_t{1} << 12U;
  limits.calls = 8;
  limits.depth = 16;
  return limits;
}

enum class Rule : std::uint8_t { release, refuse };

inline Outcome outcome(ReplyShape shape, ReplyForm form, std::string_view bytes, std::size_t piece, Rule rule) {
  const auto inspector = inspect(shape, form, narrow_limits());
  Outcome out;
  for (std::size_t at = 0; at < bytes.size() && out.ok; at += piece) {
    out.ok = inspector->feed(std::string(bytes.substr(at, piece)), out.at_once).has_value();
  }
  out.ok = out.ok && inspector->finish(out.rest).has_value();
  out.calls.assign(inspector->calls().begin(), inspector->calls().end());
  if (!out.ok) {
    require(out.calls.empty() && !inspector->holding());
    return out;
  }
  require(out.calls.empty() || out.rest.empty());
  for (const ToolCall& call : out.calls) require(!call.name.empty() && !call.arguments.empty());
  const std::vector<Ruling> rulings(out.calls.size(), Ruling{rule == Rule::release, "Refused."});
  const bool resolved = inspector->resolve(rulings, out.rest).has_value();
  require(resolved || rule == Rule::refuse);
  if (!resolved) out.rest.clear();
  require(!inspector->holding());
  return out;
}

inline void judge_reply(ReplyShape shape, ReplyForm form, std::string_view bytes) {
  const Outcome whole = outcome(shape, form, bytes, bytes.size() + 1, Rule::release);
  if (whole.ok) require(whole.at_once + whole.rest == bytes);
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}}) {
    const Outcome cut = outcome(shape, form, bytes, piece, Rule::release);
    require(cut.ok == whole.ok && cut.calls.size() == whole.calls.size());
    require(cut.at_once == whole.at_once && cut.rest == whole.rest);
  }
  if (whole.calls.empty()) return;
  const Outcome refused = outcome(shape, form, bytes, bytes.size() + 1, Rule::refuse);
  require(refused.at_once == whole.at_once);
  const std::string left = refused.at_once + refused.rest;
  if (refused.rest.empty()) return;
  const Outcome again = outcome(shape, form, left, left.size() + 1, Rule::release);
  require(!again.ok || again.calls.empty());
}

}  // namespace vestibule::dialect
