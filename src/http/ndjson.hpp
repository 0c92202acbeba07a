#pragma once
// Observes a stream of newline-delimited JSON as it is relayed.

#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

namespace vestibule::http {

/// Cuts a stream into lines, however it was cut on the way. A line ends in LF; one CR before it is
/// not part of the line. Not thread-safe; one a stream.
class NdjsonSplitter {
 public:
  explicit NdjsonSplitter(std::size_t max_line = std::size_t{1} << 20) noexcept : max_(max_line) {}

  /// Calls on_line(raw, line) for each line that ends in these bytes; both are views that hold
  /// during the call; raws in sequence are the stream. False for good once a line exceeds the
  /// limit.
  template <class F>
  [[nodiscard]] bool feed(std::string_view bytes, F&& on_line) {
    std::string_view raw;
    while (take(bytes, raw)) {
      on_line(raw, strip(raw));
      held_.clear();
    }
    return !too_large_;
  }
  /// At the end of the stream: a last line without LF.
  template <class F>
  void finish(F&& on_line) {
    if (too_large_ || held_.empty()) return;
    on_line(std::string_view(held_), strip(held_));
    held_.clear();
  }
  [[nodiscard]] std::string_view rest() const noexcept { return held_; }

 private:
  bool take(std::string_view& bytes, std::string_view& raw);
  static std::string_view strip(std::string_view raw) noexcept;

  std::size_t max_;
  std::string held_;
  bool too_large_ = false;
};

}  // namespace vestibule::http
