#pragma once
// Why a decision came out as it did, for people (text) and programs (JSON).

#include <string>
#include <vector>

#include "domain/act.hpp"

namespace vestibule::policy {

/// Rules stand in order of their names: their order in the file means nothing.
struct Explanation {
  struct RuleLine {
    std::string name;
    bool allow = false;
    bool matched = false;
    int line = 0;                       ///< in the policy file
    std::vector<std::string> why_not;   ///< one for each matcher that does not fit; empty if matched
    /// Conditions on the arguments that cannot be told. A deny rule matches all the same; an allow rule does not,
    /// but what it asks for counts.
    std::vector<std::string> undecided;
  };
  struct Part {
    std::string what;                   ///< "level", "max_age", "confirm", "with", "approvers", "factors"
    std::string value;                  ///< "3", "15min", "self", "webauthn, totp"
    std::vector<std::string> from;      ///< "sensitivity high", "rule \"night shift\"": all that ask for this much
  };
  struct ProofLine {
    std::string kind;                   ///< "totp"
    Duration age{};
    bool counts = false;
    std::string why;                    ///< why it counts, or why it does not
  };

  domain::Decision decision;
  std::string act;                      ///< one line: who, what, where, whence, when
  std::vector<std::string> signals;     ///< that are up: "new_source: the network is new for this person"
  std::vector<RuleLine> rules;
  std::vector<Part> parts;              ///< empty if denied
  std::vector<ProofLine> proofs;
  int level = 0;                        ///< reached within the requirement's max_age
  std::vector<std::string> quotas;      ///< that count this act: "members: 60/1m requests for each user"
  std::vector<std::string> remedies;    ///< what would satisfy; empty if allowed

  /// Which rules the text lists: all, or only those that match (all if none does).
  enum class Rules { all, matching };
  /// Several lines, each ending in a newline.
  [[nodiscard]] std::string text(Rules which = Rules::all) const;
  /// One object; ages in seconds.
  [[nodiscard]] std::string json() const;
};

}  // namespace vestibule::policy
