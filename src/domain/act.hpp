#pragma once
// The unit of admission and what is said of it. Plain values; views live as long as the exchange.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/id.hpp"
#include "base/result.hpp"
#include "domain/approvers.hpp"
#include "domain/evidence.hpp"
#include "domain/inline_text.hpp"
#include "domain/subject.hpp"

namespace vestibule::domain {

/// How harmful misuse of an access point is; the policy's table says what each asks for.
enum class Sensitivity : std::uint8_t { low, moderate, high, critical };
[[nodiscard]] std::string_view name(Sensitivity s) noexcept;
[[nodiscard]] std::optional<Sensitivity> sensitivity_from(std::string_view name) noexcept;

/// An IPv6 address, or an IPv4 one mapped (RFC 4291 section 2.5.5.2). A Unix-socket peer is ::1
/// with `local` set.
struct Source {
  std::array<std::uint8_t, 16> address{};
  bool local = false;
  /// Dotted or RFC 5952 text; "unix" for a Unix-socket peer.
  [[nodiscard]] std::string text() const;
  [[nodiscard]] static std::optional<Source> parse(std::string_view text);
  bool operator==(const Source&) const = default;
};

/// One thing that somebody wants done: admitted or refused as a whole.
struct Act {
  std::string_view access_point;                    ///< name in the catalogue
  Sensitivity sensitivity = Sensitivity::moderate;
  std::string_view operation;                       ///< "chat", "embed", "models.list", ...
  std::string_view model;                           ///< canonical; empty where none is named
  std::uint64_t body_bytes = 0;
  Digest body_digest{};                             ///< SHA-256 of the raw bytes; zero if no body
  std::uint16_t tools = 0;                          ///< tools offered to the model
  bool stream = false;
  std::string_view tool;                            ///< of a tool call: what it calls; empty for every other act
  /// Of a tool call: its arguments as JSON text, the very bytes that the caller would be given; one value
  /// that json::Reader accepts.
  std::string_view arguments;
  /// Of a tool: no call, but the question whether it is one that the caller may call at all, with whatever
  /// arguments. Only ever considered, never admitted.
  bool listed = false;
};

/// The operation of every tool call, whether it stands in a model's reply or in a request.
inline constexpr std::string_view kToolCall = "tools/call";
[[nodiscard]] inline bool is_tool_call(const Act& act) noexcept { return !act.tool.empty() || act.operation == kToolCall; }

enum class Confirmation : std::uint8_t { none, self, people };

/// What must be proved. Ordered by stricter().
struct Requirement {
  int level = 2;
  Duration max_age = std::chrono::hours(1);
  Confirmation confirmation = Confirmation::none;
  std::uint8_t people = 0;        ///< for Confirmation::people
  bool justification = false;
  bool bound = false;             ///< of a confirmation: only a factor that signs the act itself counts
  /// Of a confirmation: what signs stands apart from the machine that asks, as an authenticator bound to its
  /// device or on another device does. No synced passkey on the same machine, and no code.
  bool apart = false;
  KindSet kinds = KindSet::ordinary();  ///< proofs of other kinds do not count
  Approvers approvers{};          ///< for Confirmation::people: who of those that are eligible may sign
  bool operator==(const Requirement&) const = default;
};
/// The least requirement that satisfies both.
[[nodiscard]] Requirement stricter(const Requirement& a, const Requirement& b) noexcept;

enum class Outcome : std::uint8_t { allow, step_up, confirm, deny };
[[nodiscard]] std::string_view name(Outcome o) noexcept;  ///< frozen: stands in audit records

struct Decision {
  Outcome outcome = Outcome::deny;
  Reason reason = Reason::policy_no_rule;
  Requirement need{};
  Digest policy{};            ///< digest of the policy that decided
  InlineText<48> rule;        ///< name of the rule that decided, or "default"
  Duration time_left{};       ///< until the evidence no longer satisfies `need`
  bool mandatable = false;    ///< may be done under a mandate whose signature reached need.level
};

/// What a caller is told; a dialect renders it in the caller's shape.
struct Refusal {
  Reason reason = Reason::internal;
  Requirement need{};
  RequestId request{};
  int retry_after_s = 0;       ///< 0: no Retry-After
  std::string_view access_point;
  std::string hint;            ///< more to say in public, e.g. the name of a wrong field; may be empty
};

/// Value for WWW-Authenticate (RFC 6750, RFC 9470), or empty if the reason is no matter of
/// credentials. acr values are "urn:vestibule:level:N".
[[nodiscard]] std::string www_authenticate(const Refusal& refusal);
[[nodiscard]] std::string acr(int level);

}  // namespace vestibule::domain
