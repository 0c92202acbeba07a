#pragma once
// A record as it is read back, for people and exporters.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "audit/record_codec.hpp"

namespace vestibule::audit {

/// `erased` means that the private part was destroyed on purpose.
struct Entry {
  std::uint64_t seq = 0;  ///< index of the leaf, from 0
  Kind kind{};
  WallTime at{};
  std::string request, access_point, operation, model, outcome, reason, rule, policy;
  int level = 0;
  std::vector<std::pair<std::string, std::int64_t>> evidence;  ///< factor, age in seconds
  std::uint64_t body_bytes = 0, reply_bytes = 0;
  std::string body_digest;  ///< hex, salted
  int status = 0;
  std::uint32_t input_tokens = 0, output_tokens = 0, count = 0;
  std::int64_t waited_us = 0, total_us = 0;
  bool erased = false;
  std::string user, user_name, session, source, client, object, note;
};

[[nodiscard]] Entry make_entry(const LeafView& leaf, const PrivateView* fields);
/// One JSON object on one line, without a newline. Always there: seq, kind, at (RFC 3339 with
/// microseconds), outcome, reason; the rest where it is not empty. Broken UTF-8 becomes U+FFFD.
[[nodiscard]] std::string to_json(const Entry& entry);
[[nodiscard]] std::optional<Kind> kind_from(std::string_view name) noexcept;

}  // namespace vestibule::audit
