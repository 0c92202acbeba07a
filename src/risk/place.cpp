#include "risk/place.hpp"

#include <algorithm>
#include <array>

namespace vestibule::risk {
namespace {

// The first byte says of which sort the rest is.
constexpr std::int64_t kV4 = 1;
constexpr std::int64_t kV6 = 2;
constexpr std::int64_t kHere = 3;
constexpr int kSort = 48;

}  // namespace

std::int64_t network_of(const domain::Source& source) noexcept {
  const auto& a = source.address;
  const auto zeros = [&](std::size_t n) { return std::all_of(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(n), [](std::uint8_t b) { return b == 0; }); };
  const bool mapped = zeros(10) && a[10] == 0xff && a[11] == 0xff;
  const bool loopback = (mapped && a[12] == 127) || (zeros(15) && a[15] == 1);
  if (source.local || loopback) return kHere << kSort;
  const std::size_t from = mapped ? 12 : 0;
  const std::size_t bytes = mapped ? 3 : 6;
  std::int64_t out = mapped ? kV4 : kV6;
  for (std::size_t i = 0; i < 6; ++i) out = (out << 8) | (i < bytes ? a[from + i] : 0);
  return out;
}

std::string_view family_of(std::string_view agent) noexcept {
  std::string_view out = agent.substr(0, agent.find_first_of("/ "));
  if (out == "Mozilla") {
    // Each browser claims to be the older ones too: the most telling name comes first.
    constexpr std::array<std::string_view, 5> browsers = {"Edg/", "OPR/", "Firefox/", "Chrome/", "Safari/"};
    for (const std::string_view b : browsers) {
      const std::size_t at = agent.find(b);
      if (at == std::string_view::npos) continue;
      out = agent.substr(at, b.size() - 1);
      break;
    }
  }
  return out.empty() ? std::string_view("-") : out.substr(0, kMaxFamily);
}

}  // namespace vestibule::risk
