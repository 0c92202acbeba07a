#pragma once
// A device with the portal installed on it as a kind of factor. Private to the room.
//
// The device holds an ECDSA key that it does not give away. A question to it is a prompt: the asking
// screen shows six digits, the owner types them on the device, the device signs. Web Push is only the
// bell; who has no push reads the same prompts in the device's inbox.

#include "crypto/sealed.hpp"
#include "factors/device.hpp"
#include "factors/kind.hpp"
#include "factors/prompts.hpp"

namespace vestibule::factors {

class PushKind : public Kind {
 public:
  PushKind(const crypto::KeyRing& keys, Rng& rng, Prompts& prompts) : keys_(keys), rng_(rng), prompts_(prompts) {}
  [[nodiscard]] KindInfo describe() const noexcept override;
  /// The wish names the device's key, and a subscription if it can be rung. The offer's options are the
  /// nonce that the device signs; its secret is the code that only a push carries.
  Result<EnrolmentOffer> enrol(store::Tx& tx, const EnrolmentRequest& request) override;
  Result<Proved> prove(store::Tx& tx, const Enrolled& enrolment, const Digest& binding, std::string_view answer,
                       Instant now) override;
  Result<Question> begin(store::Tx& tx, const Ask& ask, Instant now) override;
  /// The answer is empty: what counts is that a device of the user's has approved.
  Result<Proved> verify(store::Tx& tx, const Enrolled& factor, const Asked& asked, std::string_view answer,
                        Instant now) override;

 protected:
  [[nodiscard]] Prompts& prompts() const noexcept { return prompts_; }

 private:
  const crypto::KeyRing& keys_;
  Rng& rng_;
  Prompts& prompts_;
};

/// The same devices, asked which of three numbers the asking screen shows: a guess in three, so a kind of
/// proof of its own, which KindSet::ordinary() leaves out. It finishes no sign-in and confirms no act.
class ChoiceKind final : public PushKind {
 public:
  using PushKind::PushKind;
  [[nodiscard]] KindInfo describe() const noexcept override;
  Result<Question> begin(store::Tx& tx, const Ask& ask, Instant now) override;
};

}  // namespace vestibule::factors
