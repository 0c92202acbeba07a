#pragma once
// Streams say the same thing again and again with other words in it. Private to the room.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dialect/inspect_tree.hpp"

namespace vestibule::dialect {

/// The unit before, if one text was all it said. Most units of a stream differ from the one before in the characters
/// of that text alone, and in a stamp or padding that nobody reads: then all that was found about the rest holds of
/// them too.
class Pattern {
 public:
  void clear() noexcept { parts_.clear(); }
  /// `raw`: the unit's bytes with the line's end behind it. Where `data` do not stand in them as they are, nothing is kept.
  void set(std::string_view raw, std::string_view data, const Tree& tree, Tree::At text);

  struct Match {
    std::string_view text;   ///< what it says, decoded; holds until the next call
    std::size_t size = 0;    ///< bytes of the unit
    bool ascii = true;       ///< the text
  };
  /// The unit that these bytes begin with, if it differs in nothing else.
  [[nodiscard]] std::optional<Match> begins(std::string_view bytes);

 private:
  enum class Hole : std::uint8_t { text, spare };
  struct Part {
    Hole hole;
    std::string behind;  // up to the next hole, or the unit's end
  };
  /// From the character behind the opening quote up to the closing one; gives where that stands.
  bool text(std::string_view bytes, std::size_t& at, Match& out);

  std::string before_;
  std::vector<Part> parts_;  // none: nothing is kept
  std::string decoded_;
};

}  // namespace vestibule::dialect
