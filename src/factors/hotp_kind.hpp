#pragma once
// OATH HOTP hardware tokens (RFC 4226), whose seeds an administrator imports. Private to the room.

#include "crypto/sealed.hpp"
#include "factors/kind.hpp"

namespace vestibule::factors {

/// A code is taken whose counter lies at most `look_ahead` beyond the last accepted one (section 7.2:
/// bounded, as it multiplies guesses); never that one or an earlier one. Whoever has pressed the token
/// more often gives two codes in a row, "123456,654321", which are looked for up to `resynchronise`
/// ahead (section 7.4).
class HotpKind final : public Kind {
 public:
  HotpKind(const crypto::KeyRing& keys, int look_ahead, int resynchronise)
      : keys_(keys), look_ahead_(look_ahead), resynchronise_(resynchronise) {}
  [[nodiscard]] KindInfo describe() const noexcept override;
  /// For a token that is in stock, named by its serial: not_found. Whoever asks last may confirm.
  Result<EnrolmentOffer> enrol(store::Tx& tx, const EnrolmentRequest& request) override;
  Result<Proved> prove(store::Tx& tx, const Enrolled& enrolment, const Digest& binding, std::string_view answer,
                       Instant now) override;
  Result<Proved> verify(store::Tx& tx, const Enrolled& factor, const Asked& asked, std::string_view answer,
                        Instant now) override;

 private:
  const crypto::KeyRing& keys_;
  int look_ahead_, resynchronise_;
};

}  // namespace vestibule::factors
