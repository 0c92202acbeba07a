#include "dialect/model_name.hpp"

#include <algorithm>

namespace vestibule::dialect {
namespace {

constexpr std::size_t kMaxName = 256;

constexpr bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
constexpr bool is_ollama(char c) {
  return (c >= 'a' && c <= 'z') || is_upper(c) || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-' ||
         c == '/' || c == ':';
}

Error bad(const char* why) { return fail(Reason::model_denied, std::string("model: ") + why); }

Result<std::string_view> canonical_ollama(std::string_view name, std::string& scratch) {
  if (!std::all_of(name.begin(), name.end(), is_ollama)) return bad("a character that names do not have");
  const std::size_t slash = name.rfind('/');
  const std::size_t last = slash == std::string_view::npos ? 0 : slash + 1;
  const std::size_t colon = name.find(':', last);
  if (name.find("//") != std::string_view::npos || name.front() == '/' || name.front() == ':' || last == name.size() ||
      colon == last || colon == name.size() - 1 ||
      (colon != std::string_view::npos && name.find(':', colon + 1) != std::string_view::npos)) {
    return bad("not a name of the form [host/][namespace/]model[:tag]");
  }
  // A colon before the name is its host's, with a port; only where all three parts are there does the first one name a host.
  const auto parts = std::count(name.begin(), name.end(), '/') + 1;
  const std::size_t host = parts == 3 ? name.find('/') : 0;
  if (parts > 3 || name.substr(0, last).find(':', host) != std::string_view::npos) {
    return bad("not a name of the form [host[:port]/][namespace/]model[:tag]");
  }
  const bool tagged = colon != std::string_view::npos;
  const bool as_is = tagged && slash == std::string_view::npos && std::none_of(name.begin(), name.end(), is_upper);
  if (as_is) return name;
  if (name.data() != scratch.data()) scratch.assign(name);  // the name may stand there already
  for (char& c : scratch) {
    if (is_upper(c)) c = static_cast<char>(c + 32);
  }
  if (scratch.starts_with("registry.ollama.ai/")) scratch.erase(0, 19);
  // Once more would be a namespace of that name, and then another model under the same canonical name.
  if (scratch.starts_with("registry.ollama.ai/")) return bad("a registry within a registry");
  if (scratch.starts_with("library/") && std::count(scratch.begin(), scratch.end(), '/') == 1) scratch.erase(0, 8);
  if (!tagged) scratch += ":latest";
  if (scratch.size() > kMaxName) return bad("longer than 256 bytes with its tag");
  return std::string_view(scratch);
}

}  // namespace

Result<std::string_view> canonical_model(Kind kind, std::string_view name, std::string& scratch) {
  if (name.empty()) return bad("empty");
  if (name.size() > kMaxName) return bad("longer than 256 bytes");
  for (const char c : name) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) return bad("a control character");
  }
  if (kind == Kind::ollama) return canonical_ollama(name, scratch);
  return name;
}

bool is_elsewhere(Kind kind, std::string_view canonical) noexcept {
  if (kind != Kind::ollama) return false;
  if (canonical.ends_with(":latest")) canonical.remove_suffix(7);
  for (const std::string_view suffix : {":cloud", "-cloud", ":local", "-local"}) {
    if (canonical.ends_with(suffix)) return true;
  }
  return false;
}

bool model_listed(Kind kind, const Rules& rules, std::string_view canonical) noexcept {
  const auto& list = rules.models;
  if (is_elsewhere(kind, canonical)) return std::find(list.begin(), list.end(), canonical) != list.end();
  if (list.empty()) return true;
  return std::any_of(list.begin(), list.end(),
                     [canonical](const std::string& glob) { return glob_match(glob, canonical); });
}

bool glob_match(std::string_view pattern, std::string_view text) noexcept {
  // Greedy with one place to come back to: a later star makes the earlier one's choice final.
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t star = std::string_view::npos;
  std::size_t mark = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      mark = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++mark;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace vestibule::dialect
