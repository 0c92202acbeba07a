#pragma once
// One JSON-RPC message of MCP, read without building it: what it is, and where in its text stand the
// numbers that two sides must not mix up.

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace vestibule::bridge {

inline constexpr std::size_t kMaxMessage = std::size_t{8} << 20U;
inline constexpr std::size_t kMaxId = 1024;  ///< as it stands in the text

/// [begin, end) of a text. Empty: it is not there.
struct Place {
  std::size_t begin = 0;
  std::size_t end = 0;
  [[nodiscard]] bool empty() const noexcept { return begin == end; }
  [[nodiscard]] std::string_view in(std::string_view text) const noexcept { return text.substr(begin, end - begin); }
};

struct Message {
  enum class Kind : std::uint8_t { request, notification, response };
  Kind kind = Kind::notification;
  std::string method;     ///< decoded; of a request or notification
  Place id;               ///< of a request or response
  Place progress;         ///< token: of a request in params._meta, of notifications/progress in params
  Place cancels;          ///< of notifications/cancelled: the id that it names
  Place subscription;     ///< of a notification: the id of the request that asked for it (2026-07-28)
  bool failed = false;    ///< a response that is an error
  std::int64_t code = 0;  ///< its code
};

/// body_not_json for what is no strict JSON (duplicate keys, invalid UTF-8, ...), body_shape for what is
/// no message: an array, an id that is neither string nor integer, a key that a lenient server would take
/// for another ("ID"), a result and a method at once.
Result<Message> read_message(std::string_view text);

/// A string or an integer, as an id must be; nothing else around it.
[[nodiscard]] bool is_id(std::string_view raw);

struct Change {
  Place place;
  std::string_view text;
};
/// The text with these places (apart from each other; empty ones are passed over) replaced.
std::string changed(std::string_view text, std::initializer_list<Change> changes);

/// The same JSON without any character that some program takes for the end of a line: line feeds and
/// carriage returns, which stand between tokens only, become spaces; U+0085, U+2028 and U+2029, which
/// stand within strings only, become escapes. So nobody smuggles a second message into one.
std::string one_line(std::string json);

}  // namespace vestibule::bridge
