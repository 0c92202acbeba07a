#pragma once
// Which passwords are taken: the rules of NIST SP 800-63B-4 section 3.1.1.2. Length and a list of
// common ones; no composition rules, no expiry, no hints. Pure but for loading the list.
//
// -4 asks for 15 characters where the password is the only factor and for 8 where it is one of two.
// Here it always comes with a second factor, as a password alone reaches level 1 only; 12 is the
// floor all the same, as level 1 may be opened by policy. An operator who does so sets 15.

#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_set>

#include "base/result.hpp"

namespace vestibule::identity {

inline constexpr std::size_t kMaxPasswordBytes = 1024;

/// Common passwords, one a line, '#!comment' lines skipped (Debian: john-data). Read once at start-up,
/// then read-only and thread-safe.
class CommonPasswords {
 public:
  CommonPasswords() = default;
  /// not_found if the file is missing or unreadable: the caller says so and goes on.
  [[nodiscard]] static Result<CommonPasswords> load(const std::filesystem::path& file);
  /// Without regard to ASCII case. Also true for a listed word with digits and signs before or
  /// behind it, and for one repeated: "password2026!!", "dragondragon".
  [[nodiscard]] bool covers(std::string_view password) const;
  [[nodiscard]] std::size_t size() const noexcept { return words_.size(); }

 private:
  std::unordered_set<std::string> words_;
};

struct PasswordRules {
  std::size_t least_characters = 12;   ///< Unicode code points
  std::string product = "vestibule";
};

/// password_weak with a detail that says which rule (the detail never holds the password).
[[nodiscard]] Result<void> check_password(std::string_view password, std::string_view user_name,
                                          const PasswordRules& rules, const CommonPasswords& common);

}  // namespace vestibule::identity
