#pragma once
// What the list of somebody's factors tells.

#include <optional>
#include <string>

#include "factors/authenticator_data.hpp"
#include "factors/kind.hpp"

namespace vestibule::factors {

/// What the list tells of a security key.
struct KeyDetails {
  bool backup_eligible = false;           ///< synced: never counts for level 3
  bool backed_up = false;
  Aaguid aaguid{};
  std::string transports;                 ///< comma-separated
};

struct FactorInfo {
  FactorId id{};
  FactorKind kind{};
  std::string label;
  WallTime created{};
  WallTime last_used{};                   ///< zero: never
  int failures = 0;                       ///< consecutive
  WallTime locked_until{};                ///< zero: not locked
  bool disabled = false;                  ///< by too many failures: only removal helps
  int codes_left = 0;                     ///< of recovery codes
  std::optional<KeyDetails> key;          ///< of WebAuthn
  std::string plugin;                     ///< of external: its name
  std::optional<bool> rings;              ///< of push: whether it has a subscription (still)
};

}  // namespace vestibule::factors
