#pragma once
// Patterns over names: `*` is any run of characters, also none; `?` is one character (one UTF-8
// code point). No escapes: names of access points, operations and models contain neither.

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace vestibule::policy {

/// A name with its first eight bytes as a number, so that most comparisons end at the first word.
struct Fact {
  std::string_view text;
  std::uint64_t word = 0;
  std::uint64_t gate = 1;  ///< one bit, chosen by the first two bytes
  Fact(std::string_view t) noexcept : text(t) {
    if (t.empty()) return;
    std::memcpy(&word, t.data(), t.size() < 8 ? t.size() : 8);
    gate = gate_of(t[0], t.size() > 1 ? t[1] : '\0');
  }
  [[nodiscard]] static std::uint64_t gate_of(char a, char b) noexcept {
    return std::uint64_t{1} << ((static_cast<unsigned char>(a) * 31U + static_cast<unsigned char>(b)) % 64U);
  }
};

/// A compiled pattern. Immutable after construction.
class Glob {
 public:
  /// `pattern` is UTF-8 (a policy file is).
  explicit Glob(std::string_view pattern);
  /// Time at most pattern size times text size; no recursion, no allocation.
  [[nodiscard]] bool matches(const Fact& name) const noexcept {
    switch (kind_) {
      case Kind::any: return true;
      case Kind::literal:
        return name.word == word_ && name.text.size() == fixed_ &&
               (fixed_ <= 8 || name.text == pattern_);
      case Kind::prefix:
        return (name.word & mask_) == word_ && name.text.size() >= fixed_ &&
               (fixed_ <= 8 || std::memcmp(name.text.data(), pattern_.data(), fixed_) == 0);
      case Kind::general: return (name.word & mask_) == word_ && search(name.text);
    }
    return false;
  }
  /// The pattern with each run of `*` and `?` in its one spelling ("?*?" is "??*").
  [[nodiscard]] const std::string& text() const noexcept { return pattern_; }
  /// Names that match have their gate bit among these.
  [[nodiscard]] std::uint64_t gates() const noexcept;
  [[nodiscard]] bool any() const noexcept { return kind_ == Kind::any; }
  [[nodiscard]] bool literal() const noexcept { return kind_ == Kind::literal; }
  /// True only if every name that `other` matches is matched by this one too. May say false where
  /// a cleverer proof exists.
  [[nodiscard]] bool covers(const Glob& other) const noexcept;
  bool operator==(const Glob& o) const noexcept { return pattern_ == o.pattern_; }
  bool operator<(const Glob& o) const noexcept { return pattern_ < o.pattern_; }

 private:
  enum class Kind : std::uint8_t { any, literal, prefix, general };
  [[nodiscard]] bool search(std::string_view text) const noexcept;

  std::uint64_t word_ = 0;   // first eight bytes of what the pattern begins with
  std::uint64_t mask_ = 0;   // which of them count
  std::uint32_t fixed_ = 0;  // bytes of the literal or prefix
  Kind kind_ = Kind::general;
  std::string pattern_;
};

}  // namespace vestibule::policy
