#include "policy/network.hpp"

#include <algorithm>
#include <charconv>

namespace vestibule::policy {
namespace {

std::uint64_t big_endian(const std::uint8_t* p) noexcept {
  std::uint64_t v = 0;
  for (int i = 0; i < 8; ++i) v = v << 8 | p[i];
  return v;
}

constexpr std::uint64_t kMappedLow = 0x0000ffff00000000;
constexpr std::uint64_t kMappedMask = 0xffffffff00000000;

bool is_v4(std::uint64_t high, std::uint64_t low) noexcept {
  return high == 0 && (low & kMappedMask) == kMappedLow;
}

std::uint64_t ones(int n) noexcept {  // n leading ones
  return n <= 0 ? 0 : n >= 64 ? ~std::uint64_t{0} : ~std::uint64_t{0} << (64 - n);
}

}  // namespace

std::string Network::text() const {
  domain::Source s;
  for (unsigned i = 0; i < 8; ++i) {
    s.address[i] = static_cast<std::uint8_t>(high >> (56 - 8 * i));
    s.address[8 + i] = static_cast<std::uint8_t>(low >> (56 - 8 * i));
  }
  if (prefix == 128) return s.text();
  return s.text() + "/" + std::to_string(v4 ? prefix - 96 : prefix);
}

bool Network::covers(const Network& o) const noexcept {
  return v4 == o.v4 && prefix <= o.prefix && ((high ^ o.high) & high_mask) == 0 &&
         ((low ^ o.low) & low_mask) == 0;
}

Result<void> Networks::add(std::string_view text) {
  if (text == "unix") {
    local_ = true;
    anywhere_ = false;
    return {};
  }
  const auto wrong = [&](std::string why) { return fail(Reason::config_invalid, std::move(why)); };
  const std::size_t slash = text.find('/');
  const std::string_view address = text.substr(0, slash);
  if (address.find_first_not_of("0123456789abcdefABCDEF.:") != std::string_view::npos) {
    return wrong("is no network: write \"10.0.0.0/8\", \"2001:db8::/32\", \"::1\" or \"unix\"");
  }
  const auto source = domain::Source::parse(address);
  if (!source) return wrong("is no IPv4 or IPv6 address");
  Network n;
  n.high = big_endian(source->address.data());
  n.low = big_endian(source->address.data() + 8);
  const bool dotted = address.find(':') == std::string_view::npos;
  int prefix = 128;
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), prefix);
    const bool plain = !digits.empty() && digits.find_first_not_of("0123456789") == std::string_view::npos &&
                       (digits.size() == 1 || digits[0] != '0');
    if (!plain || ec != std::errc{} || end != digits.data() + digits.size() || prefix > (dotted ? 32 : 128)) {
      return wrong(dotted ? "needs a prefix from /0 to /32" : "needs a prefix from /0 to /128");
    }
    if (dotted) prefix += 96;
  }
  n.prefix = static_cast<std::uint8_t>(prefix);
  n.high_mask = ones(prefix);
  n.low_mask = ones(prefix - 64);
  n.v4 = is_v4(n.high, n.low) && prefix >= 96;
  if ((n.high & ~n.high_mask) != 0 || (n.low & ~n.low_mask) != 0) {
    n.high &= n.high_mask;
    n.low &= n.low_mask;
    return wrong("has bits beyond its prefix: write \"" + n.text() + "\"");
  }
  list_.push_back(n);
  anywhere_ = false;
  return {};
}

void Networks::normalise() {
  std::sort(list_.begin(), list_.end());
  list_.erase(std::unique(list_.begin(), list_.end()), list_.end());
  std::vector<Network> kept;
  bool all4 = false;
  bool all6 = false;
  for (const Network& n : list_) {
    const bool inside = std::any_of(list_.begin(), list_.end(),
                                    [&](const Network& o) { return o != n && o.covers(n); });
    if (!inside) kept.push_back(n);
    all4 |= n.v4 && n.prefix == 96;
    all6 |= !n.v4 && n.prefix == 0;
  }
  list_ = std::move(kept);
  if (local_ && all4 && all6) *this = Networks();
}

bool Networks::matches(const domain::Source& source) const noexcept {
  if (anywhere_) return true;
  if (source.local) return local_;
  const std::uint64_t high = big_endian(source.address.data());
  const std::uint64_t low = big_endian(source.address.data() + 8);
  const bool v4 = is_v4(high, low);
  for (const Network& n : list_) {
    if (n.v4 == v4 && ((high ^ n.high) & n.high_mask) == 0 && ((low ^ n.low) & n.low_mask) == 0) return true;
  }
  return false;
}

bool Networks::covers(const Networks& o) const noexcept {
  if (anywhere_) return true;
  if (o.anywhere_ || (o.local_ && !local_)) return false;
  return std::all_of(o.list_.begin(), o.list_.end(), [&](const Network& inner) {
    return std::any_of(list_.begin(), list_.end(), [&](const Network& n) { return n.covers(inner); });
  });
}

std::vector<std::string> Networks::entries() const {
  std::vector<std::string> out;
  for (const Network& n : list_) out.push_back(n.text());
  if (local_) out.emplace_back("unix");
  return out;
}

}  // namespace vestibule::policy
