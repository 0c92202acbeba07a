#pragma once
// One tool call, as a person confirms it: plain values, the one text that says all of it, and what a factor is
// bound to. Pure.

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/id.hpp"
#include "base/result.hpp"

namespace vestibule::approval {

struct ConfirmationTag { static constexpr std::string_view prefix = "cfm_"; };
using ConfirmationId = Id<ConfirmationTag>;

/// A tool at an access point.
struct ToolPlace {
  std::string access_point, tool;
  bool operator==(const ToolPlace&) const = default;
};

/// What is asked to be let out, by whom, and under which rules.
struct Action {
  ConfirmationId id{};
  std::string access_point, tool;
  std::string arguments;        ///< raw JSON text, the very bytes that are let out
  std::optional<ToolPlace> also;  ///< where it may be called once, with these arguments, after it was let out here
  std::string user, via;        ///< who asks: the person's name, and by what ("key laptop"; empty: his own session)
  UserId account{};
  std::string source, client;   ///< from where, and with which program: words of the caller
  std::string model;            ///< canonical; empty where none is named
  Digest conversation{};        ///< SHA-256 of the request that the call answers
  Digest policy{};              ///< of the policy that asks for the confirmation
  WallTime expires{};           ///< nothing is let out from then on
};

/// RFC 8785 text of all of it: {access_point, account, also ({access_point, tool}; only where there is one),
/// arguments (the value), arguments_sha256 (of the raw bytes), client, conversation_sha256, expires (microseconds, as text), format, id, model, policy, source, tool,
/// user, via}. body_not_json: arguments that are not I-JSON have no one canonical form and cannot be confirmed.
[[nodiscard]] Result<std::string> canonical(const Action& action);
/// SHA-256 of that text.
[[nodiscard]] Digest digest_of(std::string_view canonical_action) noexcept;

/// The operation that a factor is proved for, and its object: one challenge over the actions in their order.
/// The object is the hex of SHA-256("vestibule/tool-calls/v1\n" and for each action its digest in hex and "\n").
inline constexpr std::string_view kConfirm = "tools.confirm";
[[nodiscard]] std::string object_of(std::span<const Digest> actions);
[[nodiscard]] std::string purpose_of(std::span<const Digest> actions);

/// Which calls are the same call, asked again: who asks, with what, from where, where, which model, which tool, which
/// raw arguments, where else it may be called, under which policy, and what that asks for. Another conversation does
/// not matter.
struct Sameness {
  UserId account{};
  Digest credential{};          ///< hash of what the call showed
  std::string_view source_key;
  std::string_view access_point, model, tool, arguments;
  const std::optional<ToolPlace>& also;
  Digest policy{};
  ByteView need;                ///< the requirement, as rows keep it
};
[[nodiscard]] Digest group_of(const Sameness& call) noexcept;

}  // namespace vestibule::approval
