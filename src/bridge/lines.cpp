#include "bridge/lines.hpp"

namespace vestibule::bridge {

void Lines::add(std::string_view bytes) {
  if (too_long_) return;
  if (begin_ > 0) {
    held_.erase(0, begin_);
    looked_ -= begin_;
    begin_ = 0;
  }
  held_.append(bytes);
}

std::optional<std::string> Lines::next() {
  if (too_long_) return std::nullopt;
  const std::size_t end = held_.find('\n', looked_);
  looked_ = end == std::string::npos ? held_.size() : end + 1;
  std::size_t size = (end == std::string::npos ? held_.size() : end) - begin_;
  if (size > max_) {
    too_long_ = true;
    std::string().swap(held_);
    return std::nullopt;
  }
  if (end == std::string::npos) return std::nullopt;
  if (size > 0 && held_[begin_ + size - 1] == '\r') --size;
  std::string line = held_.substr(begin_, size);
  begin_ = looked_;
  return line;
}

}  // namespace vestibule::bridge
