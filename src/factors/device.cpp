#include "factors/device.hpp"

#include <array>

#include "json/value.hpp"

namespace vestibule::factors {
namespace {

constexpr json::Limits kLimits{kMaxConfirmation, 2, 16, 32, 32};
constexpr std::size_t kSignature = 64;
constexpr std::size_t kLongestCode = 64;

std::string lines(std::initializer_list<std::string_view> parts) {
  std::string out;
  for (const std::string_view part : parts) {
    if (!out.empty()) out.push_back('\n');
    out.append(part);
  }
  return out;
}

bool are_digits(std::string_view text) noexcept {
  return (text.size() == kPromptDigits || text.size() == kChoiceDigits) && text.find_first_not_of("0123456789") == std::string_view::npos;
}

std::optional<Bytes> signature_from(std::string_view text) {
  auto bytes = unbase64url(text);
  if (!bytes || bytes->size() != kSignature) return std::nullopt;
  return bytes;
}

}  // namespace

std::string_view name(Verdict verdict) noexcept {
  switch (verdict) {
    case Verdict::approve: return "approve";
    case Verdict::decline: return "decline";
    case Verdict::not_me: return "not_me";
  }
  return "";
}

std::optional<Verdict> verdict_from(std::string_view text) noexcept {
  for (const Verdict v : {Verdict::approve, Verdict::decline, Verdict::not_me}) {
    if (name(v) == text) return v;
  }
  return std::nullopt;
}

std::string enrolment_text(FactorId id, std::string_view nonce, std::string_view push_code) {
  return lines({"vestibule/push/enrol/v1", id.text(), nonce, push_code});
}

std::string inbox_text(const DeviceCall& call) {
  return lines({"vestibule/push/inbox/v1", call.device.text(), std::to_string(call.time)});
}

std::string answer_text(const DeviceAnswer& a) {
  return lines({"vestibule/push/answer/v1", a.call.device.text(), a.prompt.text(), name(a.verdict), a.digits,
                std::to_string(a.call.time)});
}

std::optional<DeviceConfirmation> parse_confirmation(std::string_view text) {
  const auto document = json::parse(text, kLimits);
  if (!document) return std::nullopt;
  const auto signature = document->get_string("signature");
  if (!signature) return std::nullopt;
  auto bytes = signature_from(*signature);
  if (!bytes) return std::nullopt;
  DeviceConfirmation out;
  out.signature = std::move(*bytes);
  if (document->find("push_code") != nullptr) {
    auto code = document->get_string("push_code");
    if (!code || code->size() > kLongestCode) return std::nullopt;
    out.push_code = std::move(*code);
  }
  return out;
}

std::optional<DeviceCall> parse_call(std::string_view device, std::int64_t time, std::string_view signature) {
  const auto id = FactorId::parse(device);
  auto bytes = signature_from(signature);
  if (!id || !bytes || time < 0) return std::nullopt;
  return DeviceCall{*id, time, std::move(*bytes)};
}

std::optional<DeviceAnswer> parse_answer(DeviceCall call, std::string_view prompt, std::string_view verdict,
                                         std::string_view digits) {
  const auto id = ChallengeId::parse(prompt);
  const auto said = verdict_from(verdict);
  if (!id || !said || (!digits.empty() && !are_digits(digits))) return std::nullopt;
  return DeviceAnswer{std::move(call), *id, *said, std::string(digits)};
}

}  // namespace vestibule::factors
