#include "app/cli/qr.hpp"

#include <qrencode.h>

#include <memory>

#include "base/secret.hpp"

namespace vestibule::app::cli {
namespace {

constexpr int kQuiet = 4;  // ISO/IEC 18004 section 9.1

struct Free {
  void operator()(QRcode* code) const noexcept {
    wipe(code->data, static_cast<std::size_t>(code->width) * static_cast<std::size_t>(code->width));
    QRcode_free(code);
  }
};

}  // namespace

QrCode qr_code(std::string_view text, Ink ink) {
  std::string terminated(text);
  const std::unique_ptr<QRcode, Free> code(
      QRcode_encodeString(terminated.c_str(), 0, QR_ECLEVEL_L, QR_MODE_8, 1));
  wipe(terminated);
  QrCode out;
  if (!code) return out;
  const int width = code->width;
  const auto dark = [&](int x, int y) {
    return x >= 0 && y >= 0 && x < width && y < width &&
           (code->data[static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x)] & 1U) != 0;
  };
  out.columns = static_cast<std::size_t>(width + 2 * kQuiet);
  for (int y = -kQuiet; y < width + kQuiet; y += 2) {
    std::string line = ink == Ink::colours ? "\x1b[30;107m" : "";
    for (int x = -kQuiet; x < width + kQuiet; ++x) {
      // A block is ink: dark modules in colours, light ones without.
      const bool upper = dark(x, y) == (ink == Ink::colours);
      const bool lower = dark(x, y + 1) == (ink == Ink::colours);
      line += upper && lower ? "\u2588" : upper ? "\u2580" : lower ? "\u2584" : " ";
    }
    if (ink == Ink::colours) line += "\x1b[0m";
    out.lines.push_back(std::move(line));
  }
  return out;
}

}  // namespace vestibule::app::cli
