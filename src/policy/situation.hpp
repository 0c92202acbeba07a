#pragma once
// One act, its subject, place and time, and which rules and flows speak of it. Private to the room.

#include <limits>

#include "policy/model.hpp"

namespace vestibule::policy {

/// What is known of one act when rules are matched against it.
class Situation {
 public:
  Situation(const Compiled& c, const domain::Act& act, const domain::Subject& subject,
            const domain::Source& source, const Instant& now, bool trusted) noexcept
      : compiled(c), act_(act), subject_(subject), source_(source), now_(now), trusted_(trusted),
        access_point(act.access_point), operation(act.operation), model(act.model), tool(act.tool),
        administration(act.access_point == kAdministration), tool_call(domain::is_tool_call(act)) {}

  /// unknown: everything fits but the hour is not known. undecided: everything fits but the arguments, of which
  /// that cannot be told.
  enum class Match { no, yes, unknown, undecided };
  [[nodiscard]] Match match(const Rule& r) noexcept {
    if (!r.speaks_of(tool_call)) return Match::no;
    if ((r.model.gates & model.gate) == 0 || (r.operation.gates & operation.gate) == 0) return Match::no;
    if (!r.who.matches(subject_) || !r.matches_access_point(access_point, administration) ||
        !r.operation.matches(operation) || !r.tool.matches(tool) || !r.model.matches(model) || !r.network.matches(source_)) {
      return Match::no;
    }
    const Match at = hour(r);
    if (at == Match::no || r.argument.empty()) return at;
    // Some arguments may get past what denies by them, and some may be allowed.
    if (act_.listed) return r.effect == Effect::deny ? Match::no : at;
    switch (judge(r.argument, act_.arguments)) {  // last: it reads them all
      case Truth::no: return Match::no;
      case Truth::unknown: return at == Match::yes ? Match::undecided : at;
      case Truth::yes: return at;
    }
    return Match::undecided;
  }
  [[nodiscard]] bool covered(const Flow& f, int level) const noexcept {
    return f.level <= level && f.who.matches(subject_) && f.access_point.matches(access_point);
  }
  [[nodiscard]] Match hour(const Rule& r) noexcept {
    if (r.hours.always()) return Match::yes;
    if (!trusted_) return Match::unknown;
    return r.hours.contains(minute(r)) ? Match::yes : Match::no;
  }
  [[nodiscard]] int minute(const Rule& r) noexcept {
    if (zone_ != r.zone) {
      zone_ = r.zone;
      minute_ = compiled.zones[r.zone].minute(now_.wall);
    }
    return minute_;
  }
  /// Signed in, and no fact so long that it cannot be a name. A tool call names its tool and its operation says
  /// what it is; the administration has no tools.
  [[nodiscard]] bool sane() const noexcept {
    const bool named = !tool.text.empty() && operation.text == domain::kToolCall && tool.text.size() <= kMaxFact && !administration;
    return !subject_.user.is_nil() && (!tool_call || named) && access_point.text.size() <= kMaxFact &&
           operation.text.size() <= kMaxFact && model.text.size() <= kMaxFact;
  }
  [[nodiscard]] const domain::Act& act() const noexcept { return act_; }

 private:
  const Compiled& compiled;
  const domain::Act& act_;
  const domain::Subject& subject_;
  const domain::Source& source_;
  const Instant& now_;
  bool trusted_;
  std::size_t zone_ = std::numeric_limits<std::size_t>::max();
  int minute_ = 0;

 public:
  const Fact access_point, operation, model, tool;
  const bool administration, tool_call;
};

/// Lets only those kinds count that every flow which covers the act lets count. Gives the flow whose
/// order holds; none if no flow covers it.
const Flow* narrow(const Compiled& c, const Situation& at, domain::Requirement& need) noexcept;
}  // namespace vestibule::policy
