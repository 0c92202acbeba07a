#pragma once
// A push device of the tests' own: its key, and what it signs.

#include <memory>

#include "crypto/p256.hpp"
#include "factors/device.hpp"

namespace vestibule::testing {

class Device {
 public:
  explicit Device(Rng& rng) : key_(std::make_shared<crypto::P256Key>(crypto::P256Key::generate(rng))) {}

  FactorId id{};
  [[nodiscard]] const crypto::P256Point& point() const { return key_->public_key(); }
  [[nodiscard]] std::string public_key() const { return base64url(key_->public_key()); }
  [[nodiscard]] std::string sign(std::string_view text) const { return base64url(key_->sign(as_bytes(text))); }
  /// What confirms the enrolment.
  [[nodiscard]] std::string confirmation(std::string_view nonce, std::string_view push_code = {}) const {
    std::string out = R"({"signature":")" + sign(factors::enrolment_text(id, nonce, push_code)) + "\"";
    if (!push_code.empty()) out += R"(,"push_code":")" + std::string(push_code) + "\"";
    return out + "}";
  }
  [[nodiscard]] factors::DeviceCall inbox(WallTime at) const {
    factors::DeviceCall c = call(at);
    c.signature = signed_bytes(factors::inbox_text(c));
    return c;
  }
  [[nodiscard]] factors::DeviceAnswer answer(factors::ChallengeId prompt, factors::Verdict verdict, std::string digits,
                                             WallTime at) const {
    factors::DeviceAnswer a{call(at), prompt, verdict, std::move(digits)};
    a.call.signature = signed_bytes(factors::answer_text(a));
    return a;
  }

 private:
  [[nodiscard]] factors::DeviceCall call(WallTime at) const {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(at.time_since_epoch()).count();
    return {id, ms, {}};
  }
  [[nodiscard]] Bytes signed_bytes(std::string_view text) const {
    const crypto::P256Signature s = key_->sign(as_bytes(text));
    return {s.begin(), s.end()};
  }
  std::shared_ptr<const crypto::P256Key> key_;
};

}  // namespace vestibule::testing
