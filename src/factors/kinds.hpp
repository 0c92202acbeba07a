#pragma once
// The kinds that exist. Private to the room.

#include "crypto/sealed.hpp"
#include "factors/kind.hpp"
#include "factors/totp.hpp"

namespace vestibule::factors {

/// RFC 6238. Taken are the codes of the present step, of the one before (section 5.2: one step of
/// delay at most) and of the one after, for an authenticator whose clock runs fast; the drift seen is
/// noted in the row and never widens the window. A code thus lives 90 s (SP 800-63B-4 section 3.1.4
/// allows two minutes of drift and delay together).
class TotpKind final : public Kind {
 public:
  TotpKind(const crypto::KeyRing& keys, Rng& rng, std::string issuer, TotpParameters parameters)
      : keys_(keys), rng_(rng), issuer_(std::move(issuer)), parameters_(parameters) {}
  [[nodiscard]] KindInfo describe() const noexcept override;
  Result<EnrolmentOffer> enrol(store::Tx& tx, const EnrolmentRequest& request) override;
  Result<Proved> prove(store::Tx& tx, const Enrolled& enrolment, const Digest& binding, std::string_view answer,
                       Instant now) override;
  Result<Proved> verify(store::Tx& tx, const Enrolled& factor, const Asked& asked, std::string_view answer,
                        Instant now) override;

 private:
  const crypto::KeyRing& keys_;
  Rng& rng_;
  std::string issuer_;
  TotpParameters parameters_;
};

/// Codes on paper, each good once. They open factor management and count toward no level.
class RecoveryKind final : public Kind {
 public:
  explicit RecoveryKind(const Secret& key) : key_(key) {}
  [[nodiscard]] KindInfo describe() const noexcept override;
  Result<Proved> verify(store::Tx& tx, const Enrolled& factor, const Asked& asked, std::string_view answer,
                        Instant now) override;
  [[nodiscard]] Digest hash(FactorId factor, const RecoveryBits& bits) const noexcept;

 private:
  crypto::HmacKey key_;
};

/// How the parameters of a TOTP factor stand in its row.
[[nodiscard]] std::int64_t encode(const TotpParameters& p) noexcept;
[[nodiscard]] TotpParameters decode_totp(std::int64_t stored) noexcept;

}  // namespace vestibule::factors
