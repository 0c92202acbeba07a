#pragma once
// Request targets (RFC 9112 section 3.2, RFC 3986), origin-form only.
//
// A path has one spelling here: the upstream must not be able to read another path than the one
// that policy saw. Refused: empty and dot segments, ';' parameters, backslashes, escapes of
// unreserved characters, of '/', '\', '%', '?', '#', ';', of control characters and of anything
// that is not UTF-8; in path and query alike fragments, bare non-ASCII and the characters that
// RFC 3986 leaves out. The only liberty: '[' and ']' may stand bare in a query.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace vestibule::http {

/// Views into the text that was parsed.
struct Target {
  std::string_view path;   ///< as received, begins with '/'; equals the decoded path unless escaped
  std::string_view query;  ///< without '?', still encoded
  bool has_query = false;
  bool escaped = false;  ///< the path holds escapes: compare decode_path(), not path
};

/// request_malformed or uri_too_long.
[[nodiscard]] Result<Target> parse_target(std::string_view text, std::size_t max_size = 4096);

/// The same without a detail to allocate: why it was refused, or nullptr and `out` is set.
[[nodiscard]] const char* scan_target(std::string_view text, Target& out) noexcept;

/// The path with its escapes decoded: the path itself where there are none, else written into
/// `buffer`, which needs at most path.size() bytes. An empty view if the buffer is too small. As
/// '/' and '?' are never escaped, segments stay segments.
[[nodiscard]] std::string_view decode_path(const Target& target, std::span<char> buffer) noexcept;

/// One `name=value` of a query, both still encoded.
struct QueryParam {
  std::string_view name, value;
};

/// Walks a query. Strict: each part is `name=value` with a name, no part is empty.
class QueryReader {
 public:
  enum class Step { param, end, bad };
  explicit QueryReader(std::string_view query) noexcept : rest_(query), more_(!query.empty()) {}
  [[nodiscard]] Step next(QueryParam& out) noexcept;

 private:
  std::string_view rest_;
  bool more_;
};

/// Decodes a name or value of a query that parse_target() accepted; '+' is a space
/// (application/x-www-form-urlencoded). False on a broken escape.
[[nodiscard]] bool decode_query(std::string_view encoded, std::string& out);

/// The decoded value of `name`; not_found if absent; request_malformed if the query is malformed
/// or the name occurs twice, in whatever encoding.
[[nodiscard]] Result<std::string> query_value(std::string_view query, std::string_view name);

}  // namespace vestibule::http
