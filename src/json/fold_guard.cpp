#include "json/fold_guard.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>

namespace vestibule::json {
namespace {

constexpr std::size_t kMaxKnown = 63;

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

// Folds to itself: most keys do. Eight bytes a step.
bool is_folded(std::string_view key) noexcept {
  constexpr std::uint64_t ones = 0x0101010101010101U;
  constexpr std::uint64_t tops = 0x8080808080808080U;
  const auto folded8 = [](std::uint64_t x) {
    // Bytes below 0x80 do not carry: the top bit is set from 'A' on, and from behind 'Z' on.
    const std::uint64_t upper = (x + ones * (0x80 - 'A')) & ~(x + ones * (0x80 - 'Z' - 1));
    return ((x | upper) & tops) == 0;
  };
  const char* const at = key.data();
  const std::size_t size = key.size();
  // Two loads that overlap cover every size between theirs.
  const auto ends = [at, size](auto word) {
    auto last = word;
    std::memcpy(&word, at, sizeof word);
    std::memcpy(&last, at + size - sizeof last, sizeof last);
    return std::pair<std::uint64_t, std::uint64_t>{word, last};
  };
  if (size < 8) {
    if (size == 0) return true;
    const auto [first, last] = size >= 4 ? ends(std::uint32_t{}) : size >= 2 ? ends(std::uint16_t{}) : ends(std::uint8_t{});
    return folded8(first | last << 32U);
  }
  for (std::size_t i = 0; i + 8 <= size; i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, at + i, sizeof word);
    if (!folded8(word)) return false;
  }
  return folded8(ends(std::uint64_t{}).second);
}

// Writes the folded key to out; its length, or kMaxKnown + 1 if it cannot be a known key.
std::size_t fold(std::string_view key, char* out) noexcept {
  std::size_t n = 0;
  for (std::size_t i = 0; i < key.size(); ++i) {
    if (n == kMaxKnown) return kMaxKnown + 1;
    const char c = key[i];
    if (static_cast<unsigned char>(c) < 0x80) {
      out[n++] = lower(c);
    } else if (key.substr(i, 2) == "\xC5\xBF") {  // U+017F
      out[n++] = 's';
      i += 1;
    } else if (key.substr(i, 3) == "\xE2\x84\xAA") {  // U+212A
      out[n++] = 'k';
      i += 2;
    } else {
      return kMaxKnown + 1;
    }
  }
  return n;
}

bool equals_folded(std::string_view folded, std::string_view known) noexcept {
  return folded.size() == known.size() && std::equal(folded.begin(), folded.end(), known.begin(), [](char a, char b) { return a == lower(b); });
}

std::size_t slot_of(std::string_view folded) noexcept {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(folded[i]); };
  return folded.size() * 37 + at(0) * 11U + at(folded.size() / 2) * 5U + at(folded.size() - 1);
}

}  // namespace

bool folds_to(std::string_view key, std::string_view known) noexcept {
  char folded[kMaxKnown];
  const std::size_t n = fold(key, folded);
  return n <= kMaxKnown && key != known && equals_folded({folded, n}, known);
}

FoldGuard::FoldGuard(std::span<const std::string_view> known) : known_(known) {
  if (known.size() > 100) throw std::invalid_argument("too many known keys");
  for (std::size_t index = 0; index < known.size(); ++index) {
    char folded[kMaxKnown];
    const std::string_view key = known[index];
    const bool ascii = std::all_of(key.begin(), key.end(),
                                   [](char c) { return static_cast<unsigned char>(c) < 0x80; });
    const std::size_t n = fold(key, folded);
    if (key.empty() || !ascii || n > kMaxKnown || check(key) >= 0)
      throw std::invalid_argument("not a usable known key: " + std::string(key));
    std::size_t i = slot_of({folded, n});
    while (slots_[i & 255U] != 0) ++i;
    slots_[i & 255U] = static_cast<std::uint8_t>(index + 1);
  }
}

int FoldGuard::check(std::string_view key) const noexcept {
  char buffer[kMaxKnown];
  std::string_view folded = key;
  if (key.size() > kMaxKnown || !is_folded(key)) folded = {buffer, fold(key, buffer)};
  if (folded.empty() || folded.size() > kMaxKnown) return kNone;
  int match = kNone;
  for (std::size_t i = slot_of(folded); slots_[i & 255U] != 0; ++i) {
    const int index = slots_[i & 255U] - 1;
    const std::string_view known = known_[static_cast<std::size_t>(index)];
    if (known == key) return index;
    if (equals_folded(folded, known)) match = kFolded;
  }
  return match;
}

}  // namespace vestibule::json
