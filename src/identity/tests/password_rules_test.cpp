#include "identity/password_rules.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "identity/user.hpp"

namespace vestibule::identity {
namespace {

CommonPasswords common() {
  const std::filesystem::path file =
      std::filesystem::temp_directory_path() / ("vestibule-common-" + std::to_string(getpid()));
  std::ofstream(file) << "#!comment: a list\npassword\nDragon\r\nletmein\nqwertyuiop12\na\n";
  auto list = CommonPasswords::load(file);
  std::filesystem::remove(file);
  EXPECT_TRUE(list);
  return std::move(*list);
}

struct PasswordRow {
  const char* name;
  std::string password;
  std::string user;
  bool good;
};

TEST(PasswordRules, Table) {
  const CommonPasswords list = common();
  EXPECT_EQ(list.size(), 5U) << "comments are no passwords";
  const PasswordRow rows[] = {
      {"a phrase", "correct horse battery staple", "alice", true},
      {"twelve characters", "kz8#mqw2vTrx", "alice", true},
      {"eleven characters", "kz8#mqw2vTr", "alice", false},
      {"twelve code points of many bytes", "\u00e4\u00f6\u00fc\u00df\u00e9\u00e8\u00ea\u00eb\u00ee\u00ef\u00f4\u00f5", "alice", true},
      {"six code points, twelve bytes", "\u00e4\u00f6\u00fc\u00df\u00e9\u00e8", "alice", false},
      {"1024 bytes", [] { std::string s; while (s.size() < 1024) s += "x" + std::to_string(s.size()) + "y"; s.resize(1024); return s; }(), "alice", true},
      {"1025 bytes", std::string(1025, 'x'), "alice", false},
      {"not UTF-8", std::string("\xff\xfe") + "correct horse battery", "alice", false},
      {"the user's name within", "xx-alice-yy-zz", "alice", false},
      {"the user's name in another case", "xx-ALICE-yy-zz", "alice", false},
      {"the part before the @", "my.alice.0987x", "alice@example.org", false},
      {"a very short name says nothing", "correct horse battery al", "al", true},
      {"the product", "myVestibule99x", "alice", false},
      {"common", "qwertyuiop12", "alice", false},
      {"common in another case", "QWERTYuiop12", "alice", false},
      {"common with digits", "password2026!!", "alice", false},
      {"common twice", "dragonDragon", "alice", false},
      {"a short common word within numbers", "938-571-223a-66", "alice", true},
      {"one character", "aaaaaaaaaaaaaaa", "alice", false},
      {"a short unit repeated", "abcabcabcabcabc", "alice", false},
      {"ascending", "abcdefghijklmn", "alice", false},
      {"digits ascending", "1234567890123", "alice", false},
      {"digits descending", "9876543210987", "alice", false},
      {"no composition rule", "only lower case here", "alice", true},
      {"spaces count", "a b c d e f g", "bob", true},
  };
  for (const PasswordRow& row : rows) {
    const auto verdict = check_password(row.password, row.user, PasswordRules{}, list);
    EXPECT_EQ(verdict.has_value(), row.good) << row.name << (verdict ? "" : ": " + verdict.error().detail);
    if (!verdict) {
      EXPECT_EQ(verdict.error().code, Reason::password_weak) << row.name;
    }
  }
}

TEST(PasswordRules, AMissingListIsSaidAndIsNoList) {
  const auto list = CommonPasswords::load("/nonexistent/password.lst");
  ASSERT_FALSE(list);
  EXPECT_EQ(list.error().code, Reason::not_found);
}

TEST(Names, OneSpelling) {
  for (const std::string_view good : {"a", "alice", "a.b_c-d+e@example.org", "007"}) EXPECT_TRUE(valid_name(good)) << good;
  for (const std::string_view bad : {"", "Alice", " alice", "alice ", "al ice", "\u00e4lice", "alice\n", "al/ice", "al\u200bice"}) {
    EXPECT_FALSE(valid_name(bad)) << bad;
  }
  EXPECT_TRUE(valid_name(std::string(64, 'a')));
  EXPECT_FALSE(valid_name(std::string(65, 'a')));
  EXPECT_TRUE(valid_label("ml-team_2"));
  EXPECT_FALSE(valid_label("ML"));
  EXPECT_FALSE(valid_label(std::string(33, 'a')));
  EXPECT_FALSE(valid_label("a.b"));
}

}  // namespace
}  // namespace vestibule::identity
