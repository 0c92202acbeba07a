#pragma once
// Who may do what, with how fresh a proof: one TOML file, read once, asked before every act. The
// language is taught in docs/policy.md.
//
// A deny rule that matches wins; else an allow rule must match, but for a tool call, which a person signs then. What must be proved is the
// strictest of the sensitivity's row, of every allow rule that matches and of every signal that is up.
// Flows say which kinds of factors count toward it. The order of rules, flows and keys in the file
// means nothing.

#include <boost/container/small_vector.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "domain/act.hpp"
#include "domain/quota.hpp"
#include "domain/signals.hpp"
#include "schema/schema.hpp"

namespace vestibule::policy {

struct Deadline;     // deadline.hpp
struct Compiled;     // the parsed rules: model.hpp, private to the room
struct Explanation;  // explanation.hpp

/// One thing that is wrong with a policy file: file, line, column, key ("rule[2].hours"), message.
using Problem = schema::Problem;

struct ParseResult;

/// A policy file may have so many rules, entries in one list, bytes in a rule's name, in an entry,
/// and in the whole. Facts of an act longer than kMaxFact are denied unread.
inline constexpr std::size_t kMaxRules = 1000;
inline constexpr std::size_t kMaxEntries = 100;
inline constexpr std::size_t kMaxRuleName = 48;
inline constexpr std::size_t kMaxFlows = 100;
inline constexpr std::size_t kMaxFlowName = 40;
inline constexpr std::size_t kMaxQuotas = 100;
inline constexpr std::size_t kMaxQuotaName = 40;
inline constexpr std::size_t kMaxEntry = 128;
inline constexpr std::size_t kMaxPolicyText = std::size_t{1} << 20U;
inline constexpr std::size_t kMaxFact = 1024;

/// Access point of the gateway's own administration: an allow rule reaches it only by naming it,
/// never by a wildcard or by leaving access_point out.
inline constexpr std::string_view kAdministration = "vestibule";

/// Those that concern an act. They live as long as their policy.
using Quotas = boost::container::small_vector<const domain::Quota*, 8>;

/// An immutable parsed policy. Copying it copies a pointer. All const members are thread-safe.
/// decide() and decide_both() touch no file, take no lock, allocate nothing and write nothing that
/// cores share; parse() reads time zones from the system's zone database.
class Policy {
 public:
  /// Either a policy or the problems, in order of lines: first all of form (unknown keys, types,
  /// bounds), then, once the form is right, all of meaning. `file` is for the messages only. `enrollable`:
  /// kinds that somebody can enrol here; a deadline for another one would shut people out for good.
  [[nodiscard]] static ParseResult parse(std::string_view text, std::string_view file,
                                         domain::KindSet enrollable = domain::KindSet::every());

  /// clock_trusted false (Clock::trusted): proofs count as lapsed; an allow rule with hours does
  /// not match, a deny rule with hours matches, since the hour is not known. So it is with a tool call's
  /// arguments of which a condition cannot be told; but what such an allow rule asks for is asked for. A subject
  /// without a user matches nothing. Decision::rule is the deny rule that matched, or of the allow rules the
  /// last (by name) that raised the requirement, or the first that matched, or "default"; or
  /// "signal:NAME" where a signal raised it further, or "flow:NAME" where proofs would do but for a flow.
  [[nodiscard]] domain::Decision decide(const domain::Act& act, const domain::Subject& subject,
                                        const domain::Evidence& evidence,
                                        const domain::Source& source, const Instant& now,
                                        bool clock_trusted, domain::Signals signals = {}) const noexcept;

  /// The same decision with its grounds: every rule and why it does not match, each part of the
  /// requirement and who asked for it, each proof with its age, what would satisfy. Slow; for
  /// people. Include policy/explanation.hpp.
  [[nodiscard]] Explanation explain(const domain::Act& act, const domain::Subject& subject,
                                    const domain::Evidence& evidence, const domain::Source& source,
                                    const Instant& now, bool clock_trusted,
                                    domain::Signals signals = {}) const;

  /// Kinds that can reach `need` (a decision's) at this access point, in the order in which they are
  /// to be offered: a flow's where one covers it, else the phishing-resistant ones first.
  [[nodiscard]] std::vector<domain::FactorKind> offer(std::string_view access_point, const domain::Subject& subject,
                                                      const domain::Requirement& need) const;
  /// All second factors, since each finishes a sign-in: first those that a flow of every access point
  /// lists, in its order.
  [[nodiscard]] std::vector<domain::FactorKind> sign_in_order(const domain::Subject& subject) const;

  /// SHA-256 of canonical(): two files that say the same have the same digest, whatever their
  /// comments, key order and rule order. Zones are named, not spelled out: a new release of the
  /// zone database does not change it.
  [[nodiscard]] const Digest& digest() const noexcept;
  /// TOML that parses back to a policy of the same digest.
  [[nodiscard]] const std::string& canonical() const noexcept;

  [[nodiscard]] std::size_t rule_count() const noexcept;
  /// What an access point of this sensitivity asks for before any rule raises it.
  [[nodiscard]] const domain::Requirement& baseline(domain::Sensitivity s) const noexcept;
  /// Whether a push device may be asked to pick a number: what that proves counts at sensitivity low alone.
  [[nodiscard]] bool allows_choice() const noexcept;
  /// Deadlines of enrolment. decide() knows nothing of them: it is the gate that knows who has which
  /// factors, and denies who is overdue (deadline.hpp).
  [[nodiscard]] const std::vector<Deadline>& deadlines() const noexcept;
  /// Adds the quotas that concern this act, none twice; the administration has none. decide() knows nothing
  /// of them: what is left of one is no matter of a file.
  void quotas(const domain::Act& act, const domain::Subject& subject, Quotas& out) const;
  /// Roles, groups and users that some rule names ("role:member"), sorted, each once: for a warning
  /// about names that nobody has.
  [[nodiscard]] std::vector<std::string> principals() const;

  /// For the room's own functions.
  [[nodiscard]] const Compiled& compiled() const noexcept { return *compiled_; }
  explicit Policy(std::shared_ptr<const Compiled> compiled) noexcept : compiled_(std::move(compiled)) {}

 private:
  std::shared_ptr<const Compiled> compiled_;
};

struct ParseResult {
  std::optional<Policy> policy;   ///< present if and only if there are no problems
  std::vector<Problem> problems;
  explicit operator bool() const noexcept { return policy.has_value(); }
  /// All problems, one a line.
  [[nodiscard]] std::string text() const;
};

/// While a loosening change awaits approval: both policies must allow, and the requirement is the
/// stricter of both. `staged` may be null. The digest reported is the active one's.
[[nodiscard]] domain::Decision decide_both(const Policy& active, const Policy* staged,
                                           const domain::Act& act, const domain::Subject& subject,
                                           const domain::Evidence& evidence,
                                           const domain::Source& source, const Instant& now,
                                           bool clock_trusted, domain::Signals signals = {}) noexcept;

/// The same where a service account asks: whoever answers for it (null: nobody does) must be allowed the act
/// as well, and the requirement is the strictest of all.
[[nodiscard]] domain::Decision decide_all(const Policy& active, const Policy* staged, const domain::Act& act,
                                          const domain::Subject& subject, const domain::Subject* sponsor,
                                          const domain::Evidence& evidence, const domain::Source& source,
                                          const Instant& now, bool clock_trusted, domain::Signals signals = {}) noexcept;

/// Why a refusal asks for what it asks, in a few words for the person: which signal or flow it was.
/// Empty if it was a rule.
[[nodiscard]] std::string why(const domain::Decision& decision);

/// What `vestibule setup` writes: members chat, administrators administrate; its comments teach.
[[nodiscard]] std::string_view default_policy_text() noexcept;
/// The generated reference of every key (docs/reference).
[[nodiscard]] std::string reference_markdown();

}  // namespace vestibule::policy
