#pragma once
// One JSON text as a flat tree that remembers where everything stands in it, so that a part can be replaced and
// the rest stays byte for byte. Private to the room.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "json/reader.hpp"

namespace vestibule::dialect {

/// Read again and again with the same memory: an event of a stream costs no allocation. Views into it and into
/// the text hold until the next read().
class Tree {
 public:
  using At = std::uint32_t;  ///< a value, by its place in the order of the text; 0 is the whole
  static constexpr At kNone = 0xFFFFFFFFU;

  /// reply_unreadable for what json::Reader refuses.
  Result<void> read(std::string_view text, unsigned depth);

  [[nodiscard]] json::Token kind(At at) const noexcept { return nodes_[at].kind; }  ///< a begin for containers
  [[nodiscard]] bool is_object(At at) const noexcept { return at != kNone && kind(at) == json::Token::object_begin; }
  [[nodiscard]] bool is_array(At at) const noexcept { return at != kNone && kind(at) == json::Token::array_begin; }
  [[nodiscard]] bool is_string(At at) const noexcept { return at != kNone && kind(at) == json::Token::string; }
  /// Missing, or null.
  [[nodiscard]] bool is_nothing(At at) const noexcept { return at == kNone || kind(at) == json::Token::null; }
  /// A string decoded; empty for all else.
  [[nodiscard]] std::string_view text(At at) const noexcept { return is_string(at) ? slice(nodes_[at].text) : std::string_view{}; }
  /// A whole number from 0 to 65535, or -1.
  [[nodiscard]] int number(At at) const noexcept;
  /// The key that an object's member stands under, decoded.
  [[nodiscard]] std::string_view key(At at) const noexcept { return slice(nodes_[at].key); }
  [[nodiscard]] std::size_t begin(At at) const noexcept { return nodes_[at].begin; }
  [[nodiscard]] std::size_t end(At at) const noexcept { return nodes_[at].end; }
  [[nodiscard]] std::string_view raw(At at) const noexcept { return text_.substr(begin(at), end(at) - begin(at)); }
  [[nodiscard]] std::string_view whole() const noexcept { return text_; }

  /// The first element or member, and the one behind; kNone behind the last.
  [[nodiscard]] At first(At container) const noexcept { return container + 1 < nodes_[container].next ? container + 1 : kNone; }
  [[nodiscard]] At behind(At child) const noexcept { return nodes_[child].last ? kNone : nodes_[child].next; }
  /// A key at any depth is one that JavaScript gives a meaning of its own: assigned to an object, `__proto__` makes
  /// members that no reader of the JSON has seen.
  [[nodiscard]] bool reaches_prototypes() const noexcept { return reaches_prototypes_; }
  /// The member, or kNone; also of what is no object.
  [[nodiscard]] At find(At object, std::string_view key) const noexcept;

 private:
  struct Text {
    std::uint32_t at = 0;
    std::uint32_t size = 0;
    bool decoded = false;
  };
  struct Node {
    json::Token kind = json::Token::null;
    bool last = true;
    At next = 0;  // behind the whole value
    std::uint32_t begin = 0, end = 0;
    Text key, text;
  };
  [[nodiscard]] std::string_view slice(Text t) const noexcept {
    return (t.decoded ? std::string_view(decoded_) : text_).substr(t.at, t.size);
  }
  Text keep(json::Reader& reader);

  std::string_view text_;
  std::string decoded_;
  std::vector<Node> nodes_;
  std::vector<At> open_;
  std::vector<At> newest_;  // of each open container: its newest child
  bool reaches_prototypes_ = false;
};

/// Changes to one text, each a part replaced. Parts do not overlap.
class Edits {
 public:
  void replace(std::size_t begin, std::size_t end, std::string by) { parts_.push_back({begin, end, std::move(by)}); }
  [[nodiscard]] bool empty() const noexcept { return parts_.empty(); }
  /// The part [begin, end) of the text with the changes that lie within it.
  [[nodiscard]] std::string apply(std::string_view text, std::size_t begin, std::size_t end) const;

 private:
  struct Part {
    std::size_t begin, end;
    std::string by;
  };
  std::vector<Part> parts_;
};

}  // namespace vestibule::dialect
