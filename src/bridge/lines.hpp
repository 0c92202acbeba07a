#pragma once
// Lines out of a stream of bytes, however it was cut on the way.

#include <optional>
#include <string>
#include <string_view>

namespace vestibule::bridge {

/// One a stream. A line longer than the limit ends it: nothing of it, and nothing behind it, comes out.
class Lines {
 public:
  explicit Lines(std::size_t max) noexcept : max_(max) {}

  void add(std::string_view bytes);
  /// The next whole line without its end (LF or CR LF).
  std::optional<std::string> next();
  [[nodiscard]] bool too_long() const noexcept { return too_long_; }

 private:
  std::size_t max_;
  std::string held_;
  std::size_t begin_ = 0;   // where the next line begins
  std::size_t looked_ = 0;  // no line ends before this
  bool too_long_ = false;
};

}  // namespace vestibule::bridge
