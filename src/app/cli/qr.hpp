#pragma once
// A QR code for a terminal: two modules a character, in colours of its own, so that a camera reads
// it on dark and on light backgrounds alike.

#include <string>
#include <string_view>
#include <vector>

namespace vestibule::app::cli {

enum class Ink {
  colours,  ///< black on white, by escape sequences
  blocks,   ///< none: light modules are blocks, right for a dark background
};

struct QrCode {
  std::vector<std::string> lines;  ///< without line feeds
  std::size_t columns = 0;         ///< of each line
};

/// Empty if the text is too long for a QR code. The quiet zone of four modules is included.
[[nodiscard]] QrCode qr_code(std::string_view text, Ink ink);

}  // namespace vestibule::app::cli
