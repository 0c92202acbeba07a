#include "json/fold_guard.hpp"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <vector>

namespace vestibule::json {
namespace {

TEST(FoldGuard, FoldsTo) {
  struct Row {
    std::string_view key, known;
    bool folds;
  };
  for (const Row& r :
       {Row{"model", "model", false}, Row{"Model", "model", true}, Row{"MODEL", "model", true},
        Row{"model", "Model", true},
        Row{"me\xC5\xBF\xC5\xBF"
            "ages",
            "messages", true},
        Row{"to\xE2\x84\xAA"
            "en",
            "token", true},
        Row{"to\xE2\x84\xAB"
            "en",
            "token", false},
        Row{"mode", "model", false}, Row{"models", "model", false}, Row{"", "model", false},
        Row{"m\xC3\xB6"
            "del",
            "model", false},
        Row{"s\xC5", "ss", false}, Row{"mo_del", "model", false}})
    EXPECT_EQ(folds_to(r.key, r.known), r.folds) << r.key;
  EXPECT_FALSE(folds_to(std::string(5000, 'S'), "s"));
}

TEST(FoldGuard, Check) {
  static constexpr std::string_view kKnown[] = {
      "model", "messages", "stream", "tools", "k", "keep_alive", "n", "maxTokens", "maxtokens"};
  const FoldGuard guard(kKnown);
  for (int i = 0; i < 9; ++i) EXPECT_EQ(guard.check(kKnown[i]), i);
  for (const char* key :
       {"Model", "MESSAGES", "\xC5\xBFtream", "tool\xC5\xBF", "\xE2\x84\xAA", "K", "N",
        "\xE2\x84\xAA"
        "eep_Alive",
        "MAXTOKENS"})
    EXPECT_EQ(guard.check(key), FoldGuard::kFolded) << key;
  for (const char* key :
       {"", "mode", "models", "temperature", "x", "stre\xC3\xA4m", "\xC5", "keep-alive"})
    EXPECT_EQ(guard.check(key), FoldGuard::kNone) << key;
  EXPECT_EQ(guard.check(std::string(100000, 'k')), FoldGuard::kNone);
}

TEST(FoldGuard, HoldsAHundredKeysAndAgreesWithFoldsTo) {
  std::vector<std::string> names;
  for (int i = 0; i < 100; ++i) names.push_back("key_" + std::to_string(i * i));
  const std::vector<std::string_view> known(names.begin(), names.end());
  const FoldGuard guard(known);
  for (std::size_t i = 0; i < known.size(); ++i) {
    EXPECT_EQ(guard.check(known[i]), static_cast<int>(i));
    EXPECT_EQ(guard.check("K" + names[i].substr(1)), FoldGuard::kFolded);
    EXPECT_EQ(guard.check(names[i] + "_"), FoldGuard::kNone);
  }
}

TEST(FoldGuard, RefusesUnusableLists) {
  for (const std::vector<std::string_view>& known : {std::vector<std::string_view>{""},
                                                     {"a", "a"},
                                                     {"\xC3\xA9"},
                                                     {"\xC5\xBF"},
                                                     std::vector<std::string_view>(101, "a")})
    EXPECT_THROW(FoldGuard{known}, std::invalid_argument);
  const std::string longest(63, 'a');
  const std::vector<std::string_view> known{longest};
  EXPECT_EQ(FoldGuard(known).check(longest), 0);
  const std::string longer(64, 'a');
  const std::vector<std::string_view> unusable{longer};
  EXPECT_THROW(FoldGuard{unusable}, std::invalid_argument);
}

}  // namespace
}  // namespace vestibule::json
