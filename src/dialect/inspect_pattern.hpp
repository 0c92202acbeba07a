#pragma once
// Streams say the same thing again and again with other words in it. Private to the room.

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "dialect/inspect_tree.hpp"

namespace vestibule::dialect {

/// The unit before, if one text was all it said. Most units of a stream differ from the one before in the characters
/// of that text alone: then all that was found about the rest holds of them too.
class Pattern {
 public:
  void clear() noexcept { set_ = false; }
  void set(std::string_view event, std::string_view data, const Tree& tree, Tree::At text) {
    set_ = true;
    event_ = event;
    before_ = data.substr(0, tree.begin(text) + 1);
    behind_ = data.substr(tree.end(text) - 1);
  }
  /// The text's characters in this unit, if they stand for themselves and nothing else differs.
  [[nodiscard]] std::optional<std::string_view> text_of(std::string_view event, std::string_view data) const noexcept {
    if (!set_ || data.size() < before_.size() + behind_.size() || !data.starts_with(before_) || !data.ends_with(behind_) || event != event_) return std::nullopt;
    const std::string_view text = data.substr(before_.size(), data.size() - before_.size() - behind_.size());
    const bool plain = std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\'; });
    if (!plain || !is_utf8(text)) return std::nullopt;
    return text;
  }

 private:
  bool set_ = false;
  std::string event_, before_, behind_;
};

}  // namespace vestibule::dialect
