#include "oauth/form.hpp"

#include <algorithm>

#include "base/bytes.hpp"
#include "http/target.hpp"

namespace vestibule::oauth {
namespace {

bool printable_ascii(std::string_view text) noexcept {
  return std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; });
}

bool clean(std::string_view text) noexcept {
  return is_utf8(text) && std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

}  // namespace

std::optional<Form> Form::parse(std::string_view encoded) {
  if (encoded.size() > kMaxForm || !printable_ascii(encoded)) return std::nullopt;
  Form out;
  out.fields_.reserve(16);
  http::QueryReader reader(encoded);
  http::QueryParam param;
  for (;;) {
    const auto step = reader.next(param);
    if (step == http::QueryReader::Step::end) return out;
    if (step == http::QueryReader::Step::bad || out.fields_.size() == kMaxFormFields) return std::nullopt;
    std::string name;
    std::string value;
    value.reserve(param.value.size());  // without growing: no copy of a secret is left behind
    const bool decoded = http::decode_query(param.name, name) && http::decode_query(param.value, value);
    const bool taken = std::ranges::any_of(out.fields_, [&](const auto& f) { return f.first == name; });
    if (!decoded || taken || name.empty() || !clean(name) || !clean(value)) {
      wipe(value);
      return std::nullopt;
    }
    out.fields_.emplace_back(std::move(name), std::move(value));
  }
}

Form::~Form() {
  for (auto& [name, value] : fields_) wipe(value);
}

std::string_view Form::get(std::string_view name) const noexcept {
  for (const auto& [n, value] : fields_) {
    if (n == name) return value;
  }
  return {};
}

void append_encoded(std::string& out, std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
                       c == '_' || c == '~';
    if (plain) {
      out.push_back(c);
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out.push_back('%');
      out.push_back(kDigits[byte >> 4U]);
      out.push_back(kDigits[byte & 15U]);
    }
  }
}

std::optional<BasicCredentials> parse_basic(std::string_view value) {
  constexpr std::string_view kScheme = "basic ";
  if (value.size() <= kScheme.size() || value.size() > 4096) return std::nullopt;
  for (std::size_t i = 0; i < kScheme.size(); ++i) {
    const char c = value[i];
    if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c) != kScheme[i]) return std::nullopt;
  }
  auto raw = unbase64(value.substr(kScheme.size()));
  if (!raw) return std::nullopt;
  const Secret both(std::move(*raw));
  const std::string_view text = both.reveal_text();
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0 || !printable_ascii(text)) return std::nullopt;
  BasicCredentials out;
  std::string secret;
  secret.reserve(text.size());
  const bool decoded = http::decode_query(text.substr(0, colon), out.id) && http::decode_query(text.substr(colon + 1), secret);
  const bool good = decoded && !secret.empty() && clean(out.id) && clean(secret);
  out.secret = Secret(secret);
  wipe(secret);
  if (!good) return std::nullopt;
  return out;
}

}  // namespace vestibule::oauth
