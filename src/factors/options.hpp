#pragma once
// How second factors are set up: what app passes in.

#include <memory>
#include <string>
#include <vector>

#include "factors/plugin.hpp"
#include "factors/prompts.hpp"
#include "factors/totp.hpp"
#include "factors/webauthn.hpp"

namespace vestibule::factors {

/// Bounds of Options::challenge_ttl.
inline constexpr std::chrono::minutes kLongestChallenge{10};

struct Options {
  std::string issuer = "Vestibule";
  TotpParameters totp;
  WebAuthnOptions webauthn;
  PushOptions push;
  std::chrono::minutes enrolment_ttl{15};
  std::chrono::minutes challenge_ttl{5};  ///< of every question, registrations included
  std::size_t max_challenges = 16;        ///< open at once, a session; the oldest gives way
  int hotp_look_ahead = 5;                ///< codes that a token may have shown unused
  int hotp_resynchronise = 200;           ///< the same, where two codes in a row are given
  int failures_per_back_off = 5;          ///< consecutive; each further as many double the wait
  Duration first_back_off = std::chrono::seconds(30);
  Duration most_back_off = std::chrono::hours(1);
  int lock_after = 0;                     ///< PCI profile: 10; 0: off
  Duration lock_for = std::chrono::minutes(30);
  int disable_after = 100;                ///< consecutive failures; at most 100 (SP 800-63B-4)
  std::size_t max_factors = 5;            ///< strong ones a user
  int passkey_looks = 32;                 ///< strangers' answers that are verified at once
  std::vector<std::shared_ptr<const Plugin>> plugins;
};

}  // namespace vestibule::factors
