#include "http/target.hpp"

#include "base/bytes.hpp"
#include "http/chars.hpp"

namespace vestibule::http {
namespace {

// The byte of the escape at t[i], or -1.
int escape_at(std::string_view t, std::size_t i) noexcept {
  if (t.size() - i < 3 || t[i] != '%') return -1;
  const int high = chars::hex_value(t[i + 1]);
  const int low = chars::hex_value(t[i + 2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

enum class Part { path, query };

// Length of the escape or escapes of one character at t[i]; 0 if it is refused.
std::size_t escape_size(std::string_view t, std::size_t i, Part part) noexcept {
  const int first = escape_at(t, i);
  if (first < 0x20 || first == 0x7F) return 0;
  if (first < 0x80) {
    if (part == Part::query) return 3;
    const char c = static_cast<char>(first);
    // A second spelling, or a character that changes the structure if it is decoded too early.
    if ((chars::of(c) & chars::kUnreserved) != 0) return 0;
    constexpr std::string_view structure = "/\\%?#;";
    return structure.find(c) == std::string_view::npos ? 3 : 0;
  }
  const std::size_t count = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  std::array<char, 4> bytes{};
  for (std::size_t k = 0; k < count; ++k) {
    const int b = i + 3 * k < t.size() ? escape_at(t, i + 3 * k) : -1;
    if (b < 0) return 0;
    bytes[k] = static_cast<char>(b);
  }
  if (!is_utf8({bytes.data(), count})) return 0;
  if (first == 0xC2 && static_cast<unsigned char>(bytes[1]) < 0xA0) return 0;  // C1 controls
  return 3 * count;
}

bool is_dots(std::string_view segment) noexcept { return segment == "." || segment == ".."; }

}  // namespace

const char* scan_target(std::string_view t, Target& out) noexcept {
  if (t.empty() || t[0] != '/') return "the target is not in origin-form";
  const std::size_t n = t.size();
  std::size_t i = 1;
  std::size_t segment = 1;
  bool escaped = false;
  for (;;) {
    if (i == n || t[i] == '?') {
      if (is_dots(t.substr(segment, i - segment))) return "dot segment in the path";
      break;
    }
    const char c = t[i];
    if ((chars::of(c) & chars::kPath) != 0) {
      ++i;
    } else if (c == '/') {
      if (i == segment) return "empty segment in the path";
      if (is_dots(t.substr(segment, i - segment))) return "dot segment in the path";
      segment = ++i;
    } else if (c == '%') {
      const std::size_t used = escape_size(t, i, Part::path);
      if (used == 0) return "escape in the path that is malformed or hides something";
      escaped = true;
      i += used;
    } else {
      return "character in the path that may not stand there";
    }
  }
  out.path = t.substr(0, i);
  out.escaped = escaped;
  out.has_query = i < n;
  out.query = out.has_query ? t.substr(i + 1) : std::string_view{};
  if (!out.has_query) return nullptr;
  for (++i; i < n;) {
    if ((chars::of(t[i]) & chars::kQuery) != 0) {
      ++i;
      continue;
    }
    const std::size_t used = t[i] == '%' ? escape_size(t, i, Part::query) : 0;
    if (used == 0) return "character or escape in the query that may not stand there";
    i += used;
  }
  return nullptr;
}

Result<Target> parse_target(std::string_view text, std::size_t max_size) {
  if (text.size() > max_size) return fail(Reason::uri_too_long);
  Target target;
  if (const char* why = scan_target(text, target)) return fail(Reason::request_malformed, why);
  return target;
}

std::string_view decode_path(const Target& target, std::span<char> buffer) noexcept {
  if (!target.escaped) return target.path;
  std::size_t out = 0;
  for (std::size_t i = 0; i < target.path.size(); ++i) {
    char c = target.path[i];
    if (c == '%') {
      const int byte = escape_at(target.path, i);
      if (byte < 0) return {};
      c = static_cast<char>(byte);
      i += 2;
    }
    if (out == buffer.size()) return {};
    buffer[out++] = c;
  }
  return {buffer.data(), out};
}

QueryReader::Step QueryReader::next(QueryParam& out) noexcept {
  if (!more_) return Step::end;
  const std::size_t end = rest_.find('&');
  const std::string_view part = rest_.substr(0, end);
  const std::size_t equals = part.find('=');
  if (equals == std::string_view::npos || equals == 0) return Step::bad;
  out = {part.substr(0, equals), part.substr(equals + 1)};
  more_ = end != std::string_view::npos;
  rest_.remove_prefix(more_ ? end + 1 : rest_.size());
  return Step::param;
}

bool decode_query(std::string_view encoded, std::string& out) {
  out.clear();
  for (std::size_t i = 0; i < encoded.size(); ++i) {
    char c = encoded[i];
    if (c == '+') {
      c = ' ';
    } else if (c == '%') {
      const int byte = escape_at(encoded, i);
      if (byte < 0) return false;
      c = static_cast<char>(byte);
      i += 2;
    }
    out.push_back(c);
  }
  return true;
}

Result<std::string> query_value(std::string_view query, std::string_view name) {
  QueryReader reader(query);
  QueryParam param;
  std::string decoded;
  std::string value;
  bool found = false;
  for (;;) {
    const auto step = reader.next(param);
    if (step == QueryReader::Step::end) break;
    if (step == QueryReader::Step::bad || !decode_query(param.name, decoded)) {
      return fail(Reason::request_malformed, "malformed query");
    }
    if (decoded != name) continue;
    if (found) return fail(Reason::request_malformed, "query parameter given twice");
    if (!decode_query(param.value, value)) {
      return fail(Reason::request_malformed, "malformed query");
    }
    found = true;
  }
  if (!found) return fail(Reason::not_found, "no such query parameter");
  return value;
}

}  // namespace vestibule::http
