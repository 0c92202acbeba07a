#pragma once
// Small private records as bytes: numbers of eight bytes, big-endian, and byte strings with their
// length before them. For what this program writes for itself; public formats have codecs of their own.

#include <string_view>

#include "base/bytes.hpp"

namespace vestibule {

class Packer {
 public:
  Packer& number(std::uint64_t v) {
    for (unsigned shift = 64; shift > 0; shift -= 8) out_.push_back(static_cast<std::uint8_t>(v >> (shift - 8)));
    return *this;
  }
  Packer& bytes(ByteView v) {
    number(v.size());
    out_.insert(out_.end(), v.begin(), v.end());
    return *this;
  }
  Packer& text(std::string_view v) { return bytes(as_bytes(v)); }
  [[nodiscard]] Bytes take() { return std::move(out_); }

 private:
  Bytes out_;
};

/// Reads what Packer wrote, from bytes that may be anything. After the first thing that is not there
/// every further one is empty or zero, and done() is false: look at it once, at the end.
class Unpacker {
 public:
  /// `packed` outlives the reader and the views that it gives.
  explicit Unpacker(ByteView packed) : left_(packed) {}

  std::uint64_t number() noexcept {
    if (failed_ || left_.size() < 8) return broken(), 0;
    std::uint64_t v = 0;
    for (const std::uint8_t byte : left_.first(8)) v = v << 8U | byte;
    left_ = left_.subspan(8);
    return v;
  }
  ByteView bytes() noexcept {
    const std::uint64_t size = number();
    if (failed_ || size > left_.size()) return broken(), ByteView{};
    const ByteView out = left_.first(static_cast<std::size_t>(size));
    left_ = left_.subspan(out.size());
    return out;
  }
  std::string_view text() noexcept { return as_text(bytes()); }
  /// Takes what was read so far for wrong.
  void refuse() noexcept { broken(); }
  /// Everything was there, and nothing is left over.
  [[nodiscard]] bool done() const noexcept { return !failed_ && left_.empty(); }
  [[nodiscard]] bool failed() const noexcept { return failed_; }

 private:
  void broken() noexcept {
    failed_ = true;
    left_ = {};
  }
  ByteView left_;
  bool failed_ = false;
};

}  // namespace vestibule
