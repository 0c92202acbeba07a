#include "approval/code.hpp"

#include <gtest/gtest.h>

#include <cstdint>

namespace vestibule::approval {
namespace {

TEST(ApprovalCode, FortyBitsAndBack) {
  EXPECT_EQ(code_from(0), "00000000");
  EXPECT_EQ(code_from((std::uint64_t{1} << 40U) - 1), "ZZZZZZZZ");
  EXPECT_EQ(code_from(std::uint64_t{0xff} << 40U), "00000000") << "the upper bits are not looked at";
  for (std::uint64_t bits : {std::uint64_t{1}, std::uint64_t{0x123456789a}, std::uint64_t{0xfedcba9876}}) {
    const std::string code = code_from(bits);
    EXPECT_EQ(code.size(), kCodeLength);
    EXPECT_EQ(parse_code(code), code);
    EXPECT_EQ(parse_code(shown(code)), code);
  }
}

TEST(ApprovalCode, HoweverItIsTyped) {
  struct Row {
    const char* name;
    std::string typed;
    std::optional<std::string> is;
  };
  const std::vector<Row> rows = {
      {"as shown", "ABCD-EFGH", "ABCDEFGH"},
      {"lower case", "abcd-efgh", "ABCDEFGH"},
      {"blanks", "  ab cd ef gh ", "ABCDEFGH"},
      {"lookalikes", "oil0-OIL1", "01100111"},
      {"empty", "", std::nullopt},
      {"short", "ABCD-EFG", std::nullopt},
      {"long", "ABCD-EFGHJ", std::nullopt},
      {"no U", "UUUU-UUUU", std::nullopt},
      {"another sign", "ABCD_EFGH", std::nullopt},
      {"not ASCII", "ABCD\u2013EFGH", std::nullopt},
      {"a null", std::string("ABCD\0EFGH", 9), std::nullopt},
      {"endless blanks", std::string(1000, ' ') + "ABCDEFGH", std::nullopt},
  };
  for (const Row& row : rows) EXPECT_EQ(parse_code(row.typed), row.is) << row.name;
}

}  // namespace
}  // namespace vestibule::approval
