#pragma once
// What a call that lacks a proof asks its owner for: plain values.

#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/id.hpp"
#include "domain/act.hpp"

namespace vestibule::approval {

struct ApprovalTag { static constexpr std::string_view prefix = "apr_"; };
using ApprovalId = Id<ApprovalTag>;

/// Numbers stand in rows: frozen.
enum class State : std::uint8_t {
  waiting = 0,
  approved = 1,
  declined = 2,
  not_me = 3,  ///< the owner says that it was somebody else
};

/// What is asked for. Calls that agree in all but the texts for people share one request.
struct Ask {
  UserId user{};                ///< the owner: who may approve it
  Digest credential{};          ///< hash of what the call showed
  std::string credential_name;  ///< for people: "key laptop", "access token"
  std::string source_key;       ///< what an approval is bound to besides the credential
  std::string source, client;   ///< for people
  std::string access_point, operation;
  domain::Requirement need;
};

struct Request {
  ApprovalId id{};
  Ask ask;
  WallTime created{}, expires{};
  State state = State::waiting;
  bool known_source = false;    ///< the owner has approved something from there before
};

/// Which calls share a request.
[[nodiscard]] Digest group_of(const Ask& ask);

/// However old a proof may be, an approval ends after this.
inline constexpr Duration kLongest = std::chrono::hours(12);
/// For how long what was asked for is open once it is approved.
[[nodiscard]] Duration lasts(const Ask& ask) noexcept;

/// Kinds of proofs that count, as a row keeps them, and back.
[[nodiscard]] std::int64_t kinds_number(domain::KindSet kinds) noexcept;
[[nodiscard]] domain::KindSet kinds_from(std::int64_t number) noexcept;

/// The operation that the owner proves a factor for, and its object: the request and the whole of what it
/// says, so that nothing else is approved with the same answer.
inline constexpr std::string_view kApprove = "approvals.approve";
[[nodiscard]] std::string object_of(const Request& request);
[[nodiscard]] std::string purpose_of(const Request& request);

}  // namespace vestibule::approval
