#pragma once
// Rules on tools, drafted from the tool calls that the log has seen. A draft and no more: a person reads it,
// takes what he wants into the policy file, and what loosens waits for an approval as ever.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "json/value.hpp"

namespace vestibule::policy {

/// What became of one call.
struct SeenCall {
  enum class End : std::uint8_t {
    released,   ///< let out by a rule
    confirmed,  ///< let out since somebody signed
    declined,   ///< somebody said no
    refused,    ///< denied, expired, or void
  };
  std::string access_point, tool, user;
  End end{};
};

/// Of a record of the log as JSON (GET /v1/audit): an admission or refusal of the operation tools/call, whose
/// object is the tool. Nothing for every other record, and for a call that only asks to be confirmed: its end is
/// a record of its own.
[[nodiscard]] std::optional<SeenCall> seen_call(const json::Value& record);

/// Arguments are not in the log, so it goes by names alone. What is drafted only ever asks for a signature:
/// to ask for nothing stands there as a comment, with the numbers, and only where nobody ever declined.
class Suggestions {
 public:
  static constexpr std::size_t kMost = 500;   ///< pairs of access point and tool; more are counted and left out
  static constexpr std::uint64_t kOften = 20; ///< confirmed so often, and always: a person may want to be asked no more

  void add(const SeenCall& call);
  /// TOML that policy::Policy::parse() accepts, whatever the names are; comments alone where nothing was seen.
  [[nodiscard]] std::string toml() const;

 private:
  struct Seen {
    std::uint64_t released = 0, confirmed = 0, declined = 0, refused = 0;
    std::set<std::string> users;
  };
  std::map<std::pair<std::string, std::string>, Seen> seen_;  // by access point and tool
  std::uint64_t left_out_ = 0;
};

}  // namespace vestibule::policy
