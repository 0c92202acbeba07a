#pragma once
// Tool calls written into plain text, as the parsers of model servers and agents would find them
// (tool_formats.def). Private to the room.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace vestibule::dialect {

/// One call in text: the bytes [begin, end) of all that was fed. Where it ends parsers see differently unless it can
/// be read whole up to its end: else it ends with the text.
struct TextCall {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::size_t unit = 0;   ///< in which it was recognised
  std::string name;       ///< "unknown" where it cannot be read whole and for sure
  std::string arguments;  ///< then: the text of it as a JSON string
  bool operator==(const TextCall&) const = default;
};

/// Reads one text, cut anywhere. The work is linear in the text.
class TextScan {
 public:
  /// `most`: bytes that one call may have, and that are kept while it is not clear whether they begin one.
  TextScan(std::size_t most, unsigned depth) noexcept : most_(most), depth_(depth) {}

  /// reply_too_large.
  Result<void> feed(std::string_view text, std::size_t unit);
  /// Before anything is fed: so many bytes without a call in them that are not looked at.
  void skip(std::size_t bytes) noexcept { size_ = bytes; }
  /// The text has ended.
  Result<void> finish();
  /// The end of what was fed is part of a call, or may be the beginning of one.
  [[nodiscard]] bool open() const noexcept { return !window_.empty(); }
  [[nodiscard]] const std::vector<TextCall>& calls() const noexcept { return calls_; }
  /// Bytes fed.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  enum class State : std::uint8_t { plain, marked, object, rest };
  enum class Fit : std::uint8_t { none, unclear, mark, object };
  enum class More : std::uint8_t { may_come, none };

  void run(More more);
  bool plain(More more);
  bool marked(More more);
  bool object(More more);
  bool rest(More more);
  Fit fit(std::size_t at, More more);
  Fit mark_at(std::size_t at);
  Fit python_at(std::size_t at) const;
  Fit prompt_at(std::size_t at) const;
  [[nodiscard]] bool stands_before(std::size_t at, std::string_view text) const;
  void drop(std::size_t n);
  void close(std::size_t n, TextCall call);

  std::size_t most_;
  unsigned depth_;
  State state_ = State::plain;
  std::string window_;         // what is not clear yet
  std::size_t window_at_ = 0;  // its place in the text
  std::size_t look_ = 0;       // so far it has been looked through
  std::string before_;         // the last bytes before the window
  std::size_t format_ = 0;     // of a mark: its row
  std::size_t mark_ = 0;       // of a mark: its size
  int depth_open_ = 0;         // of an object: open brackets
  bool quoted_ = false;        // ... within a string
  bool escaped_ = false;       // ... behind a backslash
  std::size_t again_ = 0;      // bytes that had to be judged twice
  std::size_t objects_from_ = 0;  // objects that begin before this place in the text have been judged
  std::size_t size_ = 0;
  std::size_t unit_ = 0;
  std::vector<TextCall> calls_;
};

}  // namespace vestibule::dialect
