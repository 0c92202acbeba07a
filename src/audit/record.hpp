#pragma once
// What the audit log says of one event. The encoding is frozen: version 1 of the record bytes is
// read for ever; a change is a new version.

#include <cstdint>
#include <string_view>
#include <vector>

#include "domain/act.hpp"

namespace vestibule::audit {

/// Numeric values are frozen.
enum class Kind : std::uint8_t {
  admission = 1,   ///< allowed; durable before the first byte goes upstream
  refusal = 2,     ///< refused, the subject being known
  completion = 3,  ///< how an admitted act ended
  refusals = 4,    ///< unauthenticated refusals of one source and minute, added up
  sign_in = 5,     ///< a factor proved or not; sign-in, step-up, enrolment
  change = 6,      ///< administration: users, roles, factors, sessions, policy, stops, keys
  system = 7,      ///< start, stop, restore, recovery, clock
};
[[nodiscard]] std::string_view name(Kind kind) noexcept;

/// One event. Views need to live only while encode() runs. Fields that do not apply stay empty.
struct Record {
  // --- in the tree, for ever: nothing here names a person
  Kind kind{};
  WallTime at{};
  RequestId request{};                 ///< ties admission and completion together
  std::string_view access_point;
  std::string_view operation;          ///< also the name of a change, e.g. "user.create"
  std::string_view model;
  domain::Outcome outcome{};
  Reason reason{};
  std::string_view rule;               ///< policy rule that decided
  Digest policy{};                     ///< digest of the policy that decided
  int level = 0;                       ///< level reached
  domain::Evidence evidence;           ///< encoded as (kind, age in seconds) at `at`
  Instant now{};                       ///< for those ages
  std::uint64_t body_bytes = 0;
  std::uint64_t reply_bytes = 0;
  Digest body_digest{};                ///< encoded salted: HMAC-SHA256(salt, digest)
  std::uint16_t status = 0;
  std::uint32_t input_tokens = 0;
  std::uint32_t output_tokens = 0;
  std::uint32_t count = 0;             ///< for Kind::refusals
  std::chrono::microseconds waited{};  ///< admission: decided to durable; completion: to first upstream byte
  std::chrono::microseconds total{};
  // --- private: outside the tree, under a per-record salt; the tree holds only an HMAC of it, so
  //     destroying salt and text erases the person and breaks no proof (GDPR 17)
  UserId user{};
  std::string_view user_name;
  SessionId session{};
  domain::Source source{};
  std::string_view client;             ///< User-Agent, cut to 128 bytes
  std::string_view object;             ///< whom or what a change is about, e.g. a user name
  std::string_view note;               ///< free text, cut to 512 bytes
};

}  // namespace vestibule::audit
