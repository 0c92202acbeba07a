#include "factors/token_csv.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "base/bytes.hpp"

namespace vestibule::factors {
namespace {

constexpr std::string_view kHeader = "serial,secret,digits,counter";
constexpr std::size_t kMaxSerial = 32;
constexpr std::size_t kLeastSecret = 16;
constexpr std::size_t kMostSecret = 64;
constexpr std::size_t kMaxCounterDigits = 15;

bool letter_or_digit(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

std::optional<std::int64_t> number(std::string_view text) noexcept {
  if (text.empty() || text.size() > kMaxCounterDigits || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  std::int64_t out = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    out = out * 10 + (c - '0');
  }
  return out;
}

std::optional<Secret> secret_from(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'F') c = static_cast<char>(c + 32);
  }
  auto raw = unhex(lower);
  wipe(lower);
  if (!raw || raw->size() < kLeastSecret || raw->size() > kMostSecret) return std::nullopt;
  return Secret(std::move(*raw));
}

// What is wrong with the line, or nothing.
std::string_view parse_line(std::string_view line, TokenSeed& out) {
  std::array<std::string_view, 4> fields;
  std::size_t n = 0;
  for (std::string_view rest = line;; ++n) {
    if (n == fields.size()) return "too many fields";
    const std::size_t comma = rest.find(',');
    fields[n] = rest.substr(0, comma);
    if (comma == std::string_view::npos) break;
    rest = rest.substr(comma + 1);
  }
  ++n;
  if (n < 2) return "serial and secret are needed";
  if (!is_token_serial(fields[0])) return "the serial";
  auto secret = secret_from(fields[1]);
  if (!secret) return "the secret: 16 to 64 bytes in hex";
  out.serial = fields[0];
  out.secret = std::move(*secret);
  if (n > 2) {
    if (fields[2] != "6" && fields[2] != "8") return "digits: 6 or 8";
    out.digits = fields[2] == "8" ? 8 : 6;
  }
  if (n > 3) {
    const auto counter = number(fields[3]);
    if (!counter) return "the counter";
    out.counter = *counter;
  }
  return {};
}

}  // namespace

bool is_token_serial(std::string_view text) noexcept {
  return !text.empty() && text.size() <= kMaxSerial &&
         std::ranges::all_of(text, [](char c) { return letter_or_digit(c) || c == '-'; });
}

Result<std::vector<TokenSeed>> parse_token_csv(std::string_view csv) {
  std::vector<TokenSeed> out;
  std::size_t number_of_line = 0;
  while (!csv.empty()) {
    const std::size_t end = std::min(csv.find('\n'), csv.size());
    std::string_view line = csv.substr(0, end);
    csv = csv.substr(std::min(end + 1, csv.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    ++number_of_line;
    if (number_of_line == 1 && line == kHeader) continue;
    const auto wrong = [&](std::string_view what) {
      return fail(Reason::invalid_argument, "csv: line " + std::to_string(number_of_line) + ": " + std::string(what));
    };
    if (out.size() == kMaxTokenLines) return wrong("too many tokens at once");
    TokenSeed token;
    if (const std::string_view what = parse_line(line, token); !what.empty()) return wrong(what);
    if (std::ranges::find(out, token.serial, &TokenSeed::serial) != out.end()) return wrong("a serial twice");
    out.push_back(std::move(token));
  }
  if (out.empty()) return fail(Reason::invalid_argument, "csv: no token in it");
  return out;
}

}  // namespace vestibule::factors
