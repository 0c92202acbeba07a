#include "identity/password_rules.hpp"

#include <algorithm>
#include <fstream>

#include "base/bytes.hpp"

namespace vestibule::identity {
namespace {

constexpr std::size_t kMaxListed = 1'000'000;
constexpr std::size_t kLeastNameToLookFor = 4;  // "al" stands in too many good passwords

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return out;
}

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (static_cast<unsigned char>(c) & 0x80U) != 0;
}

/// Size of the shortest unit that the text repeats; its own size if none.
std::size_t unit_of(std::string_view text) {
  for (std::size_t n = 1; n * 2 <= text.size(); ++n) {
    if (text.size() % n == 0 && text.substr(n) == text.substr(0, text.size() - n)) return n;
  }
  return text.size();
}

/// "abcdefghijkl", "9876543210987": each character one up from the last, or each one down.
bool is_sequence(std::string_view text) {
  for (const int step : {1, -1}) {
    bool all = text.size() > 1;
    for (std::size_t i = 1; i < text.size() && all; ++i) {
      const int from = text[i - 1];
      const int to = text[i];
      const bool wraps = (step > 0 && from == '9' && to == '0') || (step < 0 && from == '0' && to == '9') ||
                         (step > 0 && from == '9' && to == '1');
      all = to - from == step || wraps;
    }
    if (all) return true;
  }
  return false;
}

std::size_t code_points(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

}  // namespace

Result<CommonPasswords> CommonPasswords::load(const std::filesystem::path& file) {
  std::ifstream in(file);
  if (!in) return fail(Reason::not_found, "no list of common passwords at " + file.string());
  CommonPasswords list;
  std::string line;
  while (list.words_.size() < kMaxListed && std::getline(in, line)) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty() || line.size() > kMaxPasswordBytes || line.starts_with("#!comment")) continue;
    list.words_.insert(lower(line));
  }
  if (list.words_.empty()) return fail(Reason::not_found, "empty list of common passwords: " + file.string());
  return list;
}

bool CommonPasswords::covers(std::string_view password) const {
  const std::string text = lower(password);
  if (words_.contains(text)) return true;
  const std::size_t unit = unit_of(text);
  if (unit < text.size() && words_.contains(text.substr(0, unit))) return true;
  std::string_view core = text;
  while (!core.empty() && !is_letter(core.front())) core.remove_prefix(1);
  while (!core.empty() && !is_letter(core.back())) core.remove_suffix(1);
  // A short word within a long number is not what makes it weak.
  return core.size() * 2 >= text.size() && words_.contains(std::string(core));
}

Result<void> check_password(std::string_view password, std::string_view user_name, const PasswordRules& rules,
                            const CommonPasswords& common) {
  if (password.size() > kMaxPasswordBytes) return fail(Reason::password_weak, "longer than 1024 bytes");
  if (!is_utf8(password)) return fail(Reason::password_weak, "not valid UTF-8");
  if (code_points(password) < rules.least_characters) {
    return fail(Reason::password_weak, "shorter than " + std::to_string(rules.least_characters) + " characters");
  }
  const std::string text = lower(password);
  if (unit_of(text) <= 4 && unit_of(text) < text.size()) return fail(Reason::password_weak, "repeats a few characters");
  if (is_sequence(text)) return fail(Reason::password_weak, "a sequence");
  const std::string_view local = user_name.substr(0, user_name.find('@'));
  for (const std::string_view name : {user_name, local}) {
    if (name.size() >= kLeastNameToLookFor && text.find(lower(name)) != std::string::npos) {
      return fail(Reason::password_weak, "contains the user name");
    }
  }
  if (!rules.product.empty() && text.find(lower(rules.product)) != std::string::npos) {
    return fail(Reason::password_weak, "contains the name of the product");
  }
  if (common.covers(password)) return fail(Reason::password_weak, "among the common passwords");
  return {};
}

}  // namespace vestibule::identity
