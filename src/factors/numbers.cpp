#include "factors/numbers.hpp"

#include <algorithm>
#include <array>

#include "factors/device.hpp"

namespace vestibule::factors {
namespace {

constexpr std::uint32_t kChoices = 3;

// Each number as likely as any other.
std::uint32_t below(std::uint32_t limit, Rng& rng) {
  const std::uint32_t fair = UINT32_MAX - UINT32_MAX % limit;
  for (;;) {
    const auto bytes = rng.take<4>();
    std::uint32_t n = 0;
    for (const std::uint8_t b : bytes) n = n << 8U | b;
    if (n < fair) return n % limit;
  }
}

}  // namespace

std::string make_digits(Rng& rng) {
  std::string text = std::to_string(below(1'000'000, rng));
  return text.insert(0, kPromptDigits - text.size(), '0');
}

Choice make_choice(Rng& rng) {
  std::array<std::uint32_t, kChoices> numbers{};
  for (std::size_t i = 0; i < numbers.size();) {
    const std::uint32_t n = 10 + below(90, rng);  // no leading zero: nobody need wonder whether it belongs
    if (std::find(numbers.begin(), numbers.end(), n) == numbers.end()) numbers[i++] = n;
  }
  Choice out;
  out.right = std::to_string(numbers[below(kChoices, rng)]);
  for (const std::uint32_t n : numbers) out.all.append(out.all.empty() ? "" : ",").append(std::to_string(n));
  return out;
}

std::vector<std::string> choices_of(std::string_view all) {
  std::vector<std::string> out;
  for (;;) {
    const std::size_t comma = all.find(',');
    out.emplace_back(all.substr(0, comma));
    if (comma == std::string_view::npos) return out;
    all.remove_prefix(comma + 1);
  }
}

}  // namespace vestibule::factors
