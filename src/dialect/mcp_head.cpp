// What the headers repeat of a message.
#include <algorithm>

#include "base/bytes.hpp"
#include "dialect/mcp_parts.hpp"

namespace vestibule::dialect::mcp {
namespace {

char folded(char c) noexcept { return c == '_' ? '-' : c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

// The name in its folded form begins with this; CGI-like servers read '_' as '-'.
bool begins_folded(std::string_view name, std::string_view with) noexcept {
  return name.size() >= with.size() && std::equal(with.begin(), with.end(), name.begin(), [](char a, char b) { return a == folded(b); });
}

// "=?base64?...?=" stands for bytes that a field cannot hold; everything else for itself.
std::optional<std::string> decoded(std::string_view value) {
  constexpr std::string_view kBegin = "=?base64?";
  constexpr std::string_view kEnd = "?=";
  if (!value.starts_with(kBegin) || !value.ends_with(kEnd) || value.size() < kBegin.size() + kEnd.size()) return std::string(value);
  const auto bytes = unbase64(value.substr(kBegin.size(), value.size() - kBegin.size() - kEnd.size()));
  if (!bytes) return std::nullopt;
  return std::string(bytes->begin(), bytes->end());
}

}  // namespace

Result<Head> read_head(const http::Headers& headers) {
  const auto wrong = [](std::string_view name, std::string_view why) {
    return fail(Reason::mcp_header_mismatch, std::string(name).append(": ").append(why));
  };
  Head out;
  for (const http::HeaderField& f : headers) {
    if (!begins_folded(f.name, "mcp-")) continue;
    if (f.name.find('_') != std::string_view::npos) return wrong(f.name, "spelt with '_'");
    const bool name = begins_folded(f.name, "mcp-name") && f.name.size() == 8;
    const bool method = begins_folded(f.name, "mcp-method") && f.name.size() == 10;
    if (f.known == http::Known::mcp_protocol_version) {
      if (out.version) return wrong(f.name, "sent twice");
      out.version = f.value;
    } else if (name || method || begins_folded(f.name, "mcp-param-")) {
      std::optional<std::string> value = decoded(f.value);
      if (!value) return wrong(f.name, "not base64");
      if (!name && !method) {
        out.parameters.push_back(std::move(*value));
        continue;
      }
      std::optional<std::string>& place = name ? out.name : out.method;
      if (place) return wrong(f.name, "sent twice");
      place = std::move(*value);
    }
  }
  return out;
}

}  // namespace vestibule::dialect::mcp
