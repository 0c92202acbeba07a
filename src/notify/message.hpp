#pragma once
// What rings, and what is said then: nothing about whom or what. The page that it opens tells.

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace vestibule::notify {

enum class Bell : std::uint8_t {
  enrol,   ///< the first message to a new device, with the code that proves that it arrived
  prompt,  ///< a question waits to be answered
  notice,  ///< something has happened to the account
};

/// "enrol", "prompt" or "notice".
[[nodiscard]] std::string_view name(Bell bell) noexcept;
/// {"v":1,"type":...}, of `enrol` with "code".
[[nodiscard]] std::string payload(Bell bell, std::string_view code = {});

/// How a push service is to treat it (RFC 8030 section 5).
struct Treatment {
  std::chrono::seconds ttl;
  std::string_view urgency;
};
[[nodiscard]] Treatment treatment(Bell bell) noexcept;

}  // namespace vestibule::notify
