#pragma once
// Keys that are not a known key but that a lenient server would take for one.
//
// Go's encoding/json (Ollama) matches field names without regard to case, Unicode simple folding
// included: "Model", "MODEL" and "me\u017F\u017Fages" reach the fields model and messages. A
// gateway that reads "model" only would classify one thing and forward another. Such keys are
// refused.

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace vestibule::json {

/// True if key differs from known in bytes and yet folds onto it. `known` is ASCII (the only other
/// characters that fold onto ASCII are U+017F, long s, and U+212A, the Kelvin sign).
[[nodiscard]] bool folds_to(std::string_view key, std::string_view known) noexcept;

/// Which known key a decoded key is. Built once for a static list; then read-only and thread-safe.
class FoldGuard {
 public:
  static constexpr int kNone = -1;    ///< unrelated to every known key
  static constexpr int kFolded = -2;  ///< refuse the body: body_not_json

  /// At most 100 keys, ASCII, none empty or longer than 63 bytes, each once (std::invalid_argument
  /// otherwise: a defect at start-up). The list must outlive the guard.
  explicit FoldGuard(std::span<const std::string_view> known);

  /// The index in the list if equal byte for byte, else kNone or kFolded. Constant time in the
  /// number of known keys.
  [[nodiscard]] int check(std::string_view key) const noexcept;

 private:
  std::span<const std::string_view> known_;
  std::array<std::uint8_t, 256> slots_{};  // index + 1, open addressing
};

}  // namespace vestibule::json
