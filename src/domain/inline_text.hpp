#pragma once
// Text of bounded length kept in place, so that copying a Subject off the hot path allocates nothing.

#include <cstdint>
#include <cstring>
#include <string_view>

namespace vestibule::domain {

template <std::size_t N>
class InlineText {
 public:
  static constexpr std::size_t capacity = N;
  InlineText() = default;
  /// Text beyond N bytes is cut: owners check lengths where names are made.
  explicit InlineText(std::string_view text) noexcept {
    size_ = static_cast<std::uint16_t>(text.size() < N ? text.size() : N);
    if (size_ > 0) std::memcpy(bytes_, text.data(), size_);  // a null view is empty text
  }
  InlineText(const InlineText& o) noexcept : size_(o.size_) { std::memcpy(bytes_, o.bytes_, size_); }
  InlineText& operator=(const InlineText& o) noexcept {
    if (this != &o) {
      size_ = o.size_;
      std::memcpy(bytes_, o.bytes_, size_);
    }
    return *this;
  }
  [[nodiscard]] std::string_view view() const noexcept { return {bytes_, size_}; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  bool operator==(const InlineText& o) const noexcept { return view() == o.view(); }

 private:
  std::uint16_t size_ = 0;
  char bytes_[N];
};

}  // namespace vestibule::domain
