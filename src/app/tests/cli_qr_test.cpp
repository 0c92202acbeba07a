#include "app/cli/qr.hpp"

#include <gtest/gtest.h>

#include "app/cli/text.hpp"

namespace vestibule::app::cli {
namespace {

constexpr std::string_view kUri =
    "otpauth://totp/Vestibule:maria?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Vestibule&algorithm=SHA1&digits=6&period=30";

// The light or dark of each module, read back from the characters.
std::vector<std::vector<bool>> modules(const QrCode& code, Ink ink) {
  std::vector<std::vector<bool>> rows;
  for (std::string line : code.lines) {
    if (ink == Ink::colours) {
      EXPECT_TRUE(line.starts_with("\x1b[30;107m"));
      EXPECT_TRUE(line.ends_with("\x1b[0m"));
      line = line.substr(9, line.size() - 9 - 4);
    }
    std::vector<bool> upper, lower;
    for (std::size_t i = 0; i < line.size();) {
      const bool blank = line[i] == ' ';
      const std::string c = blank ? " " : line.substr(i, 3);
      i += blank ? 1 : 3;
      const bool inked_up = c == "\u2588" || c == "\u2580";
      const bool inked_down = c == "\u2588" || c == "\u2584";
      upper.push_back(inked_up == (ink == Ink::colours));
      lower.push_back(inked_down == (ink == Ink::colours));
    }
    rows.push_back(upper);
    rows.push_back(lower);
  }
  return rows;
}

TEST(CliQr, SizeAndQuietZone) {
  for (const Ink ink : {Ink::colours, Ink::blocks}) {
    const QrCode code = qr_code(kUri, ink);
    ASSERT_FALSE(code.lines.empty());
    const std::size_t width = code.columns - 8;  // without the quiet zone
    EXPECT_EQ((width - 17) % 4, 0U);             // 17 + 4 * version
    EXPECT_EQ(code.lines.size(), (code.columns + 1) / 2);
    EXPECT_LE(code.columns, 72U);                // fits beside a prompt
    const auto m = modules(code, ink);
    for (const auto& row : m) ASSERT_EQ(row.size(), code.columns);
    for (std::size_t i = 0; i < code.columns; ++i) {
      for (std::size_t q = 0; q < 4; ++q) {
        EXPECT_FALSE(m[q][i]);
        EXPECT_FALSE(m[i][q]);
        EXPECT_FALSE(m[code.columns - 1 - q][i]);
        EXPECT_FALSE(m[i][code.columns - 1 - q]);
      }
    }
    // The finder pattern in the upper left corner.
    for (std::size_t i = 0; i < 7; ++i) {
      EXPECT_TRUE(m[4][4 + i]);
      EXPECT_TRUE(m[4 + i][4]);
      EXPECT_FALSE(m[4 + 7][4 + i]);
    }
    EXPECT_FALSE(m[5][5]);
    EXPECT_TRUE(m[6][6]);
  }
}

TEST(CliQr, BothInksShowTheSameModules) {
  EXPECT_EQ(modules(qr_code(kUri, Ink::colours), Ink::colours), modules(qr_code(kUri, Ink::blocks), Ink::blocks));
}

TEST(CliQr, TooLongIsNoCode) { EXPECT_TRUE(qr_code(std::string(5000, 'a'), Ink::colours).lines.empty()); }

}  // namespace
}  // namespace vestibule::app::cli
