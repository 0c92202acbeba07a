#pragma once
// Message heads as values: what the parsers yield and what every room above reads.
//
// A head does not own its text. Names and values are offsets into the buffer that was last given to
// the parser, so that parsing allocates nothing; whoever holds a head keeps that buffer alive and
// unmoved, or moves the bytes and calls rebase(). Heads have no thread affinity.

#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string_view>

#include "http/target.hpp"

namespace vestibule::http {

/// RFC 9110 section 9. CONNECT and TRACE have no place here: the parser refuses them.
enum class Method : std::uint8_t { get, head, post, put, patch, delete_, options, other };
[[nodiscard]] std::string_view to_text(Method method) noexcept;  ///< "other" has none: empty
/// Case-sensitive (RFC 9110 section 9.1).
[[nodiscard]] Method method_from(std::string_view text) noexcept;

/// Field names that some room looks up, recognised once while parsing (list: known.def).
enum class Known : std::uint8_t {
#define KNOWN(id, text) id,
#include "http/known.def"
#undef KNOWN
  other
};
/// Exact apart from ASCII case (RFC 9110 section 5.1).
[[nodiscard]] Known known_field(std::string_view name) noexcept;
/// The lower-case name; empty for other.
[[nodiscard]] std::string_view to_text(Known known) noexcept;

struct HeaderField {
  std::string_view name;   ///< as received; a token, never empty
  std::string_view value;  ///< without surrounding white space
  Known known = Known::other;
};

/// Limits on a head, in bytes. A breach is refused as head_too_large or uri_too_long.
struct Limits {
  std::size_t max_head = std::size_t{16} << 10;  ///< start line to the empty line; at most 65535
  std::size_t max_target = 4096;
  std::size_t max_fields = 100;  ///< at most Headers::kCapacity
  std::size_t max_field_line = 8192;
};

/// The fields of a head in order of arrival. 1 KiB, no allocation, trivially copyable.
class Headers {
 public:
  static constexpr std::size_t kCapacity = 100;

  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = HeaderField;
    using difference_type = std::ptrdiff_t;
    using pointer = const HeaderField*;
    using reference = HeaderField;
    Iterator(const Headers* of, std::size_t at) noexcept : of_(of), at_(at) {}
    HeaderField operator*() const noexcept { return (*of_)[at_]; }
    Iterator& operator++() noexcept {
      ++at_;
      return *this;
    }
    Iterator operator++(int) noexcept {
      auto old = *this;
      ++at_;
      return old;
    }
    bool operator==(const Iterator& o) const noexcept { return at_ == o.at_; }

   private:
    const Headers* of_;
    std::size_t at_;
  };

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] HeaderField operator[](std::size_t i) const noexcept {
    const Slot& s = slots_[i];
    return {{base_ + s.name_at, s.name_size}, {base_ + s.value_at, s.value_size}, s.known};
  }
  [[nodiscard]] Iterator begin() const noexcept { return {this, 0}; }
  [[nodiscard]] Iterator end() const noexcept { return {this, size_}; }

  [[nodiscard]] bool has(Known known) const noexcept { return (seen_ >> bit(known) & 1U) != 0; }
  /// Value of the first field of that name. Not for Known::other.
  [[nodiscard]] std::optional<std::string_view> find(Known known) const noexcept;
  [[nodiscard]] std::size_t count(Known known) const noexcept;
  /// By name, case-insensitively: for names outside known.def.
  [[nodiscard]] std::optional<std::string_view> find(std::string_view name) const noexcept;

  /// For parsers. Name and value lie in the 64 KiB from `base` on. False when full.
  bool add(const char* base, const HeaderField& field) noexcept;
  void clear() noexcept {
    size_ = 0;
    seen_ = 0;
  }
  /// The same bytes now begin at `base`.
  void rebase(const char* base) noexcept { base_ = base; }
  [[nodiscard]] const char* base() const noexcept { return base_; }

 private:
  struct Slot {
    std::uint16_t name_at, name_size, value_at, value_size;
    Known known;
  };
  static unsigned bit(Known known) noexcept { return static_cast<unsigned>(known); }

  const char* base_ = nullptr;
  std::uint64_t seen_ = 0;
  std::size_t size_ = 0;
  std::array<Slot, kCapacity> slots_;
};

/// How the end of a body is found (RFC 9112 section 6.3).
enum class BodyKind : std::uint8_t { none, length, chunked, until_close };
struct Framing {
  BodyKind kind = BodyKind::none;
  std::uint64_t length = 0;  ///< bytes; for BodyKind::length only, and then not 0
  bool operator==(const Framing&) const = default;
};

struct RequestHead {
  Method method = Method::other;
  bool http10 = false;
  std::string_view method_text;
  std::string_view target;  ///< as received, origin-form
  Target parts;             ///< the same, taken apart
  std::string_view host;    ///< value of Host: valid, neither lower-cased nor split (see host.hpp)
  Framing framing;          ///< what request_framing() says
  Headers headers;
  void rebase(const char* base) noexcept;  ///< all views; the same bytes now begin at `base`
};

struct ResponseHead {
  int status = 0;  ///< 100 to 599
  bool http10 = false;
  std::string_view reason;  ///< may be empty
  Framing framing;          ///< what response_framing() says for the request's method
  Headers headers;
  void rebase(const char* base) noexcept;
};

}  // namespace vestibule::http
