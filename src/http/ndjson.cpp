#include "http/ndjson.hpp"

namespace vestibule::http {

bool NdjsonSplitter::take(std::string_view& bytes, std::string_view& raw) {
  if (too_large_ || bytes.empty()) return false;
  const void* lf = std::memchr(bytes.data(), '\n', bytes.size());
  const std::size_t used =
      lf == nullptr ? bytes.size()
                    : static_cast<std::size_t>(static_cast<const char*>(lf) - bytes.data()) + 1;
  if (held_.size() + used > max_) {
    too_large_ = true;
    return false;
  }
  if (lf != nullptr && held_.empty()) {
    raw = bytes.substr(0, used);
  } else {
    held_.append(bytes.data(), used);
    raw = held_;
  }
  bytes.remove_prefix(used);
  return lf != nullptr;
}

std::string_view NdjsonSplitter::strip(std::string_view raw) noexcept {
  if (raw.empty() || raw.back() != '\n') return raw;
  raw.remove_suffix(1);
  if (!raw.empty() && raw.back() == '\r') raw.remove_suffix(1);
  return raw;
}

}  // namespace vestibule::http
