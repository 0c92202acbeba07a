#pragma once
// What a credential may be used for at most: the limits of an API key, or of a token that was handed on.
// A scope only narrows: what it permits, the policy must allow as well.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "domain/act.hpp"
#include "policy/glob.hpp"
#include "policy/hours.hpp"
#include "policy/network.hpp"

namespace vestibule::policy {

/// A scope as people write it. An empty list is no limit. Patterns are those of policy rules.
struct ScopeForm {
  std::vector<std::string> access_points, operations, models;  ///< patterns
  std::vector<std::string> networks;                           ///< "10.0.0.0/8", "::1", "unix"
  std::vector<std::string> hours;                              ///< "Mon-Fri 08:00-18:00", in `zone`
  std::string zone;                                            ///< IANA name; needed with hours
};

inline constexpr std::size_t kMaxScopeText = std::size_t{16} << 10U;

/// How much of an act is known: its path alone, or all of it.
enum class Known : std::uint8_t { path, whole };

/// An immutable compiled scope. compile() and parse() read time zones from the system's zone database;
/// permits() touches no file and allocates nothing. Const members are thread-safe.
class Scope {
 public:
  Scope() = default;  ///< no limit at all
  /// invalid_argument; the detail names the list and the entry.
  [[nodiscard]] static Result<Scope> compile(const ScopeForm& form);
  /// Of text(), or a JSON object with the members of a ScopeForm. Other members, lists without an entry
  /// (no limit is said by leaving it out) and whatever else is not understood are refused.
  [[nodiscard]] static Result<Scope> parse(std::string_view text);
  /// One spelling: two scopes that say the same have the same text; "{}" has no limit.
  [[nodiscard]] const std::string& text() const noexcept { return text_; }
  [[nodiscard]] ScopeForm form() const;
  [[nodiscard]] bool anything() const noexcept { return text_ == kAnything; }

  /// `now`: nothing while the clock is not trusted; then hours permit nothing. An act that names no model
  /// is outside a scope that names models, but for lists, which are filtered, and while only the path is
  /// known.
  [[nodiscard]] bool permits(const domain::Act& act, const domain::Source& source, std::optional<WallTime> now,
                             Known known) const noexcept;
  /// True only if this one permits whatever the other does: what is handed on may only narrow.
  [[nodiscard]] bool covers(const Scope& other) const noexcept;
  bool operator==(const Scope& o) const noexcept { return text_ == o.text_; }

 private:
  static constexpr std::string_view kAnything = "{}";
  void write_text();

  std::vector<Glob> access_points_, operations_, models_;  // empty: all
  Networks networks_;
  Hours hours_;
  std::optional<Zone> zone_;
  std::string text_{kAnything};
};

}  // namespace vestibule::policy
