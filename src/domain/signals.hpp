#pragma once
// What about a request or its person is out of the ordinary. A signal can only raise what has to be
// proved; by how much, the policy says.

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace vestibule::domain {

enum class Signal : std::uint8_t {
  new_source,     ///< a network that this person has not long been known by
  new_client,     ///< the same of the program that asks
  prompt_flood,   ///< questions to this person's authenticators that nobody answers
  many_refusals,  ///< this person was refused often lately, or gave wrong codes
  destructive_tool,  ///< of a tool call: its server says that it destroys (MCP's destructiveHint)
};
inline constexpr std::array kSignals = {Signal::new_source, Signal::new_client, Signal::prompt_flood, Signal::many_refusals,
                                       Signal::destructive_tool};

[[nodiscard]] std::string_view name(Signal s) noexcept;
[[nodiscard]] std::optional<Signal> signal_from(std::string_view name) noexcept;
/// For people: "the network is new for this person".
[[nodiscard]] std::string_view meaning(Signal s) noexcept;

/// A set of signals. A plain value.
class Signals {
 public:
  constexpr Signals& raise(Signal s) noexcept {
    bits_ = static_cast<std::uint8_t>(bits_ | (1U << static_cast<unsigned>(s)));
    return *this;
  }
  [[nodiscard]] constexpr bool has(Signal s) const noexcept { return ((bits_ >> static_cast<unsigned>(s)) & 1U) != 0; }
  [[nodiscard]] constexpr bool none() const noexcept { return bits_ == 0; }
  bool operator==(const Signals&) const = default;

 private:
  std::uint8_t bits_ = 0;
};

}  // namespace vestibule::domain
