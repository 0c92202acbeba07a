#pragma once
// What a push device says: the texts that its key signs, and the JSON that it sends. Pure.
//
// Every text begins with what it is for, and its parts are ids, numbers and words that hold no line
// feed, so that no signature of one kind can be read as one of another.

#include <optional>
#include <string>
#include <string_view>

#include "base/id.hpp"
#include "factors/kind.hpp"

namespace vestibule::factors {

/// What an owner says to a prompt.
enum class Verdict : std::uint8_t { approve, decline, not_me };
[[nodiscard]] std::string_view name(Verdict verdict) noexcept;
[[nodiscard]] std::optional<Verdict> verdict_from(std::string_view name) noexcept;

/// A call of a device: nobody is signed in, its signature says who it is. `time` is milliseconds since
/// 1970 by the device's clock, so that what was overheard is of no use a little later.
struct DeviceCall {
  FactorId device{};
  std::int64_t time = 0;
  Bytes signature;         ///< r || s
};
struct DeviceAnswer {
  DeviceCall call;
  ChallengeId prompt{};
  Verdict verdict{};
  std::string digits;      ///< as the asking screen shows them, typed or picked; of approvals
};

[[nodiscard]] std::string enrolment_text(FactorId id, std::string_view nonce, std::string_view push_code);
[[nodiscard]] std::string inbox_text(const DeviceCall& call);
[[nodiscard]] std::string answer_text(const DeviceAnswer& answer);

/// The proof of a new device: {"signature":BASE64URL,"push_code":TEXT?}.
struct DeviceConfirmation {
  Bytes signature;
  std::string push_code;
};
inline constexpr std::size_t kMaxConfirmation = 512;
[[nodiscard]] std::optional<DeviceConfirmation> parse_confirmation(std::string_view json);

/// The parts of a DeviceCall as a request names them; nothing if one of them is none.
[[nodiscard]] std::optional<DeviceCall> parse_call(std::string_view device, std::int64_t time, std::string_view signature);
/// The same with prompt, verdict and digits. Digits are kPromptDigits, kChoiceDigits or none.
[[nodiscard]] std::optional<DeviceAnswer> parse_answer(DeviceCall call, std::string_view prompt, std::string_view verdict,
                                                       std::string_view digits);
inline constexpr std::size_t kPromptDigits = 6;
inline constexpr std::size_t kChoiceDigits = 2;

}  // namespace vestibule::factors
