#pragma once
// What a person signs ahead for a workload that nobody attends: plain values, and the text that is signed.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/id.hpp"
#include "base/result.hpp"
#include "domain/act.hpp"
#include "policy/scope.hpp"

namespace vestibule::approval {

struct MandateTag { static constexpr std::string_view prefix = "mdt_"; };
using MandateId = Id<MandateTag>;

inline constexpr Duration kLongestWindow = std::chrono::hours(24);
inline constexpr Duration kFarthestStart = std::chrono::hours(24 * 7);
inline constexpr std::int64_t kMostCalls = 100'000;
inline constexpr std::int64_t kMostTokens = 1'000'000'000;
inline constexpr std::size_t kMaxMandateName = 38;  ///< bytes; "mandate:NAME" stands in records as the rule

struct MandateForm {
  std::string name;
  Digest credential{};          ///< the API key that it is bound to
  std::string credential_name;  ///< "key nightly", "service crawler, key nightly"
  UserId service{};             ///< whose credential it is; nil: the signer's own
  policy::ScopeForm scope;      ///< access points, operations and networks are needed; no hours: there is a window
  std::int64_t max_body = 0;    ///< bytes of one call; 0: as many as the access point takes
  std::int64_t calls = 0;       ///< 1 to kMostCalls
  std::int64_t tokens = 0;      ///< of all calls together, in and out; 0: not counted
  WallTime starts{}, ends{};    ///< kLongestWindow at most, once
};

/// A form that can be signed. Only check() makes one.
class MandateTerms {
 public:
  /// invalid_argument; the detail names what is wrong with which part. `now`: the window must not be over
  /// and begins within kFarthestStart.
  [[nodiscard]] static Result<MandateTerms> check(MandateForm form, WallTime now);
  [[nodiscard]] const MandateForm& form() const noexcept { return form_; }
  [[nodiscard]] const policy::Scope& scope() const noexcept { return scope_; }
  /// All of it, one line each, for `owner` to read. What is signed is the hash of this text.
  [[nodiscard]] std::string text(std::string_view owner) const;
  /// "mandates.sign " and that hash: the act that the factor is bound to.
  [[nodiscard]] std::string purpose(std::string_view owner) const;

 private:
  friend class Mandates;
  MandateForm form_;
  policy::Scope scope_;
};

/// Why an act is outside the terms, in a few words; empty if it is inside. Does not count calls.
[[nodiscard]] std::string outside(const MandateTerms& terms, const domain::Act& act, const domain::Source& source, WallTime now,
                                  policy::Known known);

}  // namespace vestibule::approval
