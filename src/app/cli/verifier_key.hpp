#pragma once
// The verifier key of an audit log as people pass it on: "<name>+<hash>+<base64>" (C2SP
// signed-note). Pure.

#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace vestibule::app::cli {

struct VerifierKey {
  std::string name;
  Bytes key;  ///< Ed25519, 32 bytes
};

/// invalid_argument if the form is wrong or the hash does not belong to name and key (a typing
/// error, or a key that was put under another name).
[[nodiscard]] Result<VerifierKey> parse_verifier_key(std::string_view text);

}  // namespace vestibule::app::cli
