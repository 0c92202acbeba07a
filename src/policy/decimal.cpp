#include "policy/decimal.hpp"

#include <algorithm>

namespace vestibule::policy {
namespace {

constexpr bool digit(char c) { return c >= '0' && c <= '9'; }

// The digits at the front, cut off.
std::string_view take_digits(std::string_view& text) noexcept {
  const auto n = static_cast<std::size_t>(std::find_if_not(text.begin(), text.end(), digit) - text.begin());
  const std::string_view out = text.substr(0, n);
  text.remove_prefix(n);
  return out;
}

bool take(std::string_view& text, std::string_view one_of) noexcept {
  if (text.empty() || one_of.find(text.front()) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

std::optional<Decimal> Decimal::parse(std::string_view text) noexcept {
  if (text.size() > kMaxDigits) return std::nullopt;
  Decimal d;
  d.negative_ = take(text, "-");
  const std::string_view whole = take_digits(text);
  if (whole.empty() || (whole.size() > 1 && whole.front() == '0')) return std::nullopt;
  std::string_view fraction;
  if (take(text, ".")) {
    fraction = take_digits(text);
    if (fraction.empty()) return std::nullopt;
  }
  int exponent = 0;
  if (take(text, "eE")) {
    const bool down = !text.empty() && text.front() == '-';
    take(text, "+-");
    const std::string_view power = take_digits(text);
    if (power.empty()) return std::nullopt;
    for (const char c : power) exponent = std::min(exponent * 10 + (c - '0'), kMaxExponent + 1);
    if (exponent > kMaxExponent) return std::nullopt;
    if (down) exponent = -exponent;
  }
  if (!text.empty()) return std::nullopt;
  d.lead_ = static_cast<int>(whole.size()) - 1 + exponent;
  for (const std::string_view part : {whole, fraction}) {
    for (const char c : part) {
      if (d.size_ == 0 && c == '0') {
        --d.lead_;
      } else {
        d.digits_[d.size_++] = c;
      }
    }
  }
  while (d.size_ > 0 && d.digits_[d.size_ - 1] == '0') --d.size_;
  if (d.size_ == 0) {
    d.negative_ = false;
    d.lead_ = 0;
  }
  return d;
}

std::strong_ordering Decimal::magnitude(const Decimal& o) const noexcept {
  if (size_ == 0 || o.size_ == 0) return size_ <=> o.size_;
  if (lead_ != o.lead_) return lead_ <=> o.lead_;
  const std::string_view a(digits_.data(), size_);
  const std::string_view b(o.digits_.data(), o.size_);
  return a.compare(b) <=> 0;  // no zeros at their ends: the longer of two that begin alike is the greater
}

std::strong_ordering Decimal::operator<=>(const Decimal& o) const noexcept {
  if (negative_ != o.negative_) return negative_ ? std::strong_ordering::less : std::strong_ordering::greater;
  return negative_ ? o.magnitude(*this) : magnitude(o);
}

}  // namespace vestibule::policy
