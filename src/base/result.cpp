#include "base/result.hpp"

#include <array>

namespace vestibule {
namespace {
constexpr std::array kReasons = {
#define REASON(code, status, oauth, text, about) ReasonInfo{#code, status, oauth, text, about},
#include "base/reasons.def"
#undef REASON
};
}  // namespace

const ReasonInfo& info(Reason reason) noexcept {
  return kReasons[static_cast<std::size_t>(reason)];
}

std::optional<Reason> reason_from(std::string_view code) noexcept {
  for (std::size_t i = 0; i < kReasons.size(); ++i) {
    if (kReasons[i].code == code) return static_cast<Reason>(i);
  }
  return std::nullopt;
}

std::size_t reason_count() noexcept { return kReasons.size(); }

}  // namespace vestibule
