#include "policy/glob.hpp"

#include <algorithm>

namespace vestibule::policy {
namespace {

// Bytes of the code point at the front of a text that is not empty; 1 for what is not UTF-8.
std::size_t code_point(std::string_view text) noexcept {
  const auto lead = static_cast<unsigned char>(text[0]);
  const std::size_t n = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
  if (n > text.size()) return 1;
  for (std::size_t i = 1; i < n; ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xc0) != 0x80) return 1;
  }
  return n;
}

enum class Subject { name, pattern };

// One pass with a return to the latest star only: an earlier star never needs to give way, since
// the latest can take up whatever it would have taken. In a normalised pattern `?` never follows
// `*`, so the search resumes at literals and thereby at code point borders.
bool run(std::string_view pattern, std::string_view text, Subject subject) noexcept {
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t star = std::string_view::npos;
  std::size_t resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && pattern[p] == '?' &&
               (subject == Subject::name || text[t] != '*')) {
      ++p;
      t += code_point(text.substr(t));
    } else if (p < pattern.size() && pattern[p] != '?' && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

std::string normal(std::string_view pattern) {
  std::string out;
  for (std::size_t i = 0; i < pattern.size();) {
    if (pattern[i] != '*' && pattern[i] != '?') {
      out.push_back(pattern[i++]);
      continue;
    }
    bool star = false;
    for (; i < pattern.size() && (pattern[i] == '*' || pattern[i] == '?'); ++i) {
      if (pattern[i] == '?') out.push_back('?');
      star |= pattern[i] == '*';
    }
    if (star) out.push_back('*');
  }
  return out;
}

}  // namespace

Glob::Glob(std::string_view pattern) : pattern_(normal(pattern)) {
  const std::size_t meta = pattern_.find_first_of("*?");
  fixed_ = static_cast<std::uint32_t>(meta == std::string::npos ? pattern_.size() : meta);
  if (meta == std::string::npos) {
    kind_ = Kind::literal;
  } else if (pattern_ == "*") {
    kind_ = Kind::any;
  } else if (pattern_[meta] == '*' && meta + 1 == pattern_.size()) {
    kind_ = Kind::prefix;
  }
  const std::size_t n = std::min<std::size_t>(fixed_, 8);
  if (n > 0) {
    static constexpr char ones[] = "\xff\xff\xff\xff\xff\xff\xff\xff";
    std::memcpy(&word_, pattern_.data(), n);
    std::memcpy(&mask_, ones, n);
  }
}

std::uint64_t Glob::gates() const noexcept {
  if (literal() && fixed_ > 0) return Fact(pattern_).gate;
  return fixed_ >= 2 ? Fact::gate_of(pattern_[0], pattern_[1]) : ~std::uint64_t{0};
}

bool Glob::search(std::string_view text) const noexcept {
  if (text.size() < fixed_ || text.substr(0, fixed_) != std::string_view(pattern_).substr(0, fixed_)) {
    return false;
  }
  return run(std::string_view(pattern_).substr(fixed_), text.substr(fixed_), Subject::name);
}

// The other pattern is read as a name in which `*` and `?` are characters of their own: a star here
// takes up anything, a `?` here takes a `?` or a literal but no star, a literal only itself.
bool Glob::covers(const Glob& other) const noexcept {
  return any() || run(pattern_, other.pattern_, Subject::pattern);
}

}  // namespace vestibule::policy
