#include "dialect/inspect_pattern.hpp"

#include <algorithm>
#include <array>
#include <functional>

#include "base/bytes.hpp"

namespace vestibule::dialect {
namespace {

// Members of a unit that are there for nobody to read: padding against those who count bytes, the time. As long as they hold
// these characters alone they say nothing to a client either.
constexpr std::array<std::string_view, 2> kSpare{"obfuscation", "created_at"};

bool spare(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '/' || c == '=' || c == '_' || c == '.' ||
         c == ':';
}

std::optional<char> unescaped(char c) noexcept {
  switch (c) {
    case '"':
    case '\\':
    case '/': return c;
    case 'n': return '\n';
    case 't': return '\t';
    case 'r': return '\r';
    default: return std::nullopt;
  }
}

}  // namespace

void Pattern::set(std::string_view raw, std::string_view data, const Tree& tree, Tree::At text) {
  clear();
  const std::less_equal<> before;
  // A byte order mark is one at the stream's very beginning alone.
  if (raw.starts_with("\xEF\xBB\xBF")) return;
  if (raw.empty() || raw.back() != '\n' || !before(raw.data(), data.data()) || !before(data.data() + data.size(), raw.data() + raw.size())) return;
  const auto from = static_cast<std::size_t>(data.data() - raw.data());
  struct Range {
    std::size_t begin, end;
    Hole hole;
  };
  std::vector<Range> holes{{from + tree.begin(text) + 1, from + tree.end(text) - 1, Hole::text}};
  for (const std::string_view key : kSpare) {
    const Tree::At at = tree.find(0, key);
    if (at == text || !tree.is_string(at)) continue;
    const Range range{from + tree.begin(at) + 1, from + tree.end(at) - 1, Hole::spare};
    const std::string_view said = raw.substr(range.begin, range.end - range.begin);
    if (std::all_of(said.begin(), said.end(), spare)) holes.push_back(range);
  }
  std::sort(holes.begin(), holes.end(), [](const Range& a, const Range& b) { return a.begin < b.begin; });
  before_ = raw.substr(0, holes.front().begin);
  for (std::size_t i = 0; i < holes.size(); ++i) {
    const std::size_t end = i + 1 < holes.size() ? holes[i + 1].begin : raw.size();
    parts_.push_back({holes[i].hole, std::string(raw.substr(holes[i].end, end - holes[i].end))});
  }
}

std::optional<Pattern::Match> Pattern::begins(std::string_view bytes) {
  if (parts_.empty() || !bytes.starts_with(before_)) return std::nullopt;
  Match out;
  std::size_t at = before_.size();
  for (const Part& part : parts_) {
    if (part.hole == Hole::text) {
      if (!text(bytes, at, out)) return std::nullopt;
    } else {
      while (at < bytes.size() && spare(bytes[at])) ++at;
    }
    if (!bytes.substr(at).starts_with(part.behind)) return std::nullopt;
    at += part.behind.size();
  }
  out.size = at;
  return out;
}

// Escapes that are rare, and what is no text, the reader of JSON judges.
bool Pattern::text(std::string_view bytes, std::size_t& at, Match& out) {
  const std::size_t begin = at;
  bool copied = false;
  unsigned char all = 0;
  for (; at < bytes.size(); ++at) {
    char c = bytes[at];
    if (c == '"') {
      out.text = copied ? std::string_view(decoded_) : bytes.substr(begin, at - begin);
      out.ascii = all < 0x80;
      return out.ascii || is_utf8(out.text);
    }
    if (static_cast<unsigned char>(c) < 0x20) return false;
    if (c == '\\') {
      if (!copied) decoded_.assign(bytes, begin, at - begin);
      copied = true;
      if (++at == bytes.size()) return false;
      const std::optional<char> meant = unescaped(bytes[at]);
      if (!meant) return false;
      c = *meant;
    }
    all |= static_cast<unsigned char>(c);
    if (copied) decoded_.push_back(c);
  }
  return false;
}

}  // namespace vestibule::dialect
