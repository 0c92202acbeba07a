#pragma once
// A factor on its way to count: begun, and confirmed.

#include <optional>
#include <string>
#include <vector>

#include "base/secret.hpp"
#include "factors/factor_info.hpp"
#include "factors/plugin.hpp"
#include "factors/totp.hpp"

namespace vestibule::factors {

struct PendingEnrolment {
  FactorId id{};
  FactorKind kind{};
  Secret secret;                          ///< base32; of push: for its first message alone
  Secret uri;                             ///< otpauth://
  TotpParameters parameters;
  std::string options;                    ///< of WebAuthn: PublicKeyCredentialCreationOptionsJSON; of push: the nonce
  std::string text;                       ///< of external: what the plug-in has to say
  WallTime expires{};
  std::optional<PluginCall> call{};       ///< of external: still to be made, by ask()
};

/// What entitles to begin an enrolment. The session room reads it from its own rows, never from a request.
enum class Authority : std::uint8_t {
  enrol_grant,      ///< set-up token or enrolment code: the first strong factor only
  existing_factor,  ///< a Proof given in the same job
  recovery,         ///< a recovery code opened factor management
};

struct Confirmed {
  FactorInfo factor;
  Authority authority{};
  domain::Proof proof;                    ///< possession was proved just now
  std::vector<Secret> recovery_codes;     ///< made with the first factor; shown once
};

}  // namespace vestibule::factors
