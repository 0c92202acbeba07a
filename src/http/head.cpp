#include "http/head.hpp"

#include <cstring>

#include "http/chars.hpp"

namespace vestibule::http {
namespace {

constexpr std::string_view kNames[] = {
#define KNOWN(id, text) text,
#include "http/known.def"
#undef KNOWN
};
constexpr std::size_t kCount = std::size(kNames);
static_assert(kCount <= 62, "Headers keeps one bit a name, and one for other");
constexpr std::size_t kLongest = 32;
constexpr std::size_t kSlots = 512;

// A name and, for each of its bytes, the bit that makes upper case lower: set for letters only, so
// that (input | fold) == name holds for exactly the spellings that differ in case.
struct Pattern {
  std::array<char, kLongest> text{};
  std::array<char, kLongest> fold{};
  std::uint8_t size = 0;
};

constexpr unsigned mix(std::string_view s, unsigned seed) {
  const auto at = [&s](std::size_t i) { return static_cast<unsigned char>(s[i]) | 0x20U; };
  const std::size_t n = s.size();
  const unsigned h = at(0) | at(n / 2) << 8U | at(n * 3 / 4) << 16U | at(n - 1) << 24U;
  return ((h ^ static_cast<unsigned>(n) * 0x9E3779B1U) * seed) >> 23U;
}
static_assert(kSlots == 1U << 9U);

// Found by trying (odd; start 0x01000193, step 0x9E3779B1): no two names meet.
constexpr unsigned kSeed = 0xD6336A43U;
static_assert(
    [] {
      std::array<bool, kSlots> used{};
      for (const std::string_view name : kNames) {
        bool& slot = used[mix(name, kSeed)];
        if (slot) return false;
        slot = true;
      }
      return true;
    }(),
    "two names meet: try further seeds");

constexpr auto kTable = [] {
  std::array<std::uint8_t, kSlots> table{};
  for (auto& v : table) v = static_cast<std::uint8_t>(kCount);
  for (std::size_t i = 0; i < kCount; ++i)
    table[mix(kNames[i], kSeed)] = static_cast<std::uint8_t>(i);
  return table;
}();

constexpr auto kPatterns = [] {
  std::array<Pattern, kCount> patterns{};
  for (std::size_t i = 0; i < kCount; ++i) {
    patterns[i].size = static_cast<std::uint8_t>(kNames[i].size());
    for (std::size_t k = 0; k < kNames[i].size(); ++k) {
      const char c = kNames[i][k];
      patterns[i].text[k] = c;
      patterns[i].fold[k] = c >= 'a' && c <= 'z' ? 0x20 : 0;
    }
  }
  return patterns;
}();

template <class Word>
bool same_word(const char* in, const Pattern& p, std::size_t at) noexcept {
  Word a = 0, fold = 0, want = 0;
  std::memcpy(&a, in + at, sizeof a);
  std::memcpy(&fold, p.fold.data() + at, sizeof fold);
  std::memcpy(&want, p.text.data() + at, sizeof want);
  return (a | fold) == want;
}

bool matches(std::string_view s, const Pattern& p) noexcept {
  const std::size_t n = s.size();
  if (n != p.size) return false;
  if (n >= 8) {
    for (std::size_t i = 0; i + 8 <= n; i += 8) {
      if (!same_word<std::uint64_t>(s.data(), p, i)) return false;
    }
    return same_word<std::uint64_t>(s.data(), p, n - 8);
  }
  if (n >= 4) {
    return same_word<std::uint32_t>(s.data(), p, 0) && same_word<std::uint32_t>(s.data(), p, n - 4);
  }
  for (std::size_t i = 0; i < n; ++i) {
    if (!same_word<std::uint8_t>(s.data(), p, i)) return false;
  }
  return true;
}

}  // namespace

std::string_view to_text(Method method) noexcept {
  switch (method) {
    case Method::get:
      return "GET";
    case Method::head:
      return "HEAD";
    case Method::post:
      return "POST";
    case Method::put:
      return "PUT";
    case Method::patch:
      return "PATCH";
    case Method::delete_:
      return "DELETE";
    case Method::options:
      return "OPTIONS";
    case Method::other:
      break;
  }
  return {};
}

Method method_from(std::string_view text) noexcept {
  for (const Method m : {Method::post, Method::get, Method::head, Method::put, Method::patch,
                         Method::delete_, Method::options}) {
    if (text == to_text(m)) return m;
  }
  return Method::other;
}

Known known_field(std::string_view name) noexcept {
  if (name.empty() || name.size() > kLongest) return Known::other;
  const std::size_t i = kTable[mix(name, kSeed)];
  if (i == kCount || !matches(name, kPatterns[i])) return Known::other;
  return static_cast<Known>(i);
}

std::string_view to_text(Known known) noexcept {
  return known == Known::other ? std::string_view{} : kNames[static_cast<std::size_t>(known)];
}

std::optional<std::string_view> Headers::find(Known known) const noexcept {
  if (!has(known)) return std::nullopt;
  for (std::size_t i = 0; i < size_; ++i) {
    if (slots_[i].known == known) return (*this)[i].value;
  }
  return std::nullopt;
}

std::size_t Headers::count(Known known) const noexcept {
  if (!has(known)) return 0;
  std::size_t n = 0;
  for (std::size_t i = 0; i < size_; ++i) n += slots_[i].known == known ? 1 : 0;
  return n;
}

std::optional<std::string_view> Headers::find(std::string_view name) const noexcept {
  const Known known = known_field(name);
  if (known != Known::other) return find(known);
  for (std::size_t i = 0; i < size_; ++i) {
    const HeaderField f = (*this)[i];
    if (f.name.size() != name.size()) continue;
    std::size_t k = 0;
    while (k < name.size() && chars::lower(f.name[k]) == chars::lower(name[k])) ++k;
    if (k == name.size()) return f.value;
  }
  return std::nullopt;
}

bool Headers::add(const char* base, const HeaderField& field) noexcept {
  if (size_ == kCapacity) return false;
  base_ = base;
  const auto narrow = [](auto n) { return static_cast<std::uint16_t>(n); };
  // An empty value may be a view that points nowhere.
  const char* value = field.value.empty() ? field.name.data() : field.value.data();
  slots_[size_++] = {narrow(field.name.data() - base), narrow(field.name.size()),
                     narrow(value - base), narrow(field.value.size()), field.known};
  seen_ |= std::uint64_t{1} << bit(field.known);
  return true;
}

namespace {
void shift(std::string_view& view, const char* from, const char* to) noexcept {
  if (view.data() != nullptr) view = {to + (view.data() - from), view.size()};
}
}  // namespace

void RequestHead::rebase(const char* base) noexcept {
  for (std::string_view* v : {&method_text, &target, &parts.path, &parts.query, &host}) {
    shift(*v, headers.base(), base);
  }
  headers.rebase(base);
}

void ResponseHead::rebase(const char* base) noexcept {
  shift(reason, headers.base(), base);
  headers.rebase(base);
}

}  // namespace vestibule::http
