#pragma once
// A secret cannot be copied by accident or printed, and is wiped when it goes.

#include <string>
#include <string_view>

#include "base/bytes.hpp"

namespace vestibule {

class Secret {
 public:
  Secret() = default;
  explicit Secret(Bytes bytes) noexcept : bytes_(std::move(bytes)) {}
  /// Copies the text; the caller wipes its own (see wipe()).
  explicit Secret(std::string_view text) : bytes_(text.begin(), text.end()) {}
  Secret(Secret&& other) noexcept : bytes_(std::move(other.bytes_)) { other.bytes_.clear(); }
  Secret& operator=(Secret&& other) noexcept;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret();

  [[nodiscard]] Secret clone() const { return Secret(bytes_); }
  [[nodiscard]] bool empty() const noexcept { return bytes_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }
  /// The bytes, named so that a reader of the calling code sees the moment of exposure.
  [[nodiscard]] ByteView reveal() const noexcept { return bytes_; }
  [[nodiscard]] std::string_view reveal_text() const noexcept { return as_text(bytes_); }
  [[nodiscard]] bool equals(ByteView other) const noexcept {
    return equal_constant_time(bytes_, other);
  }

 private:
  Bytes bytes_;
};

/// Overwrites memory in a way that the compiler does not remove.
void wipe(void* data, std::size_t size) noexcept;
inline void wipe(std::string& text) noexcept {
  wipe(text.data(), text.size());
  text.clear();
}

}  // namespace vestibule
