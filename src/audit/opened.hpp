#pragma once
// A record that can be read by whoever has no log: its inclusion proof, and what opens the commitment that
// its leaf holds to the private part. Pure.

#include <span>
#include <string>
#include <string_view>

#include "audit/proof.hpp"
#include "audit/record_codec.hpp"

namespace vestibule::audit {

/// {"fields":base64 of the private part,"proof":{inclusion proof},"salt":base64}
[[nodiscard]] std::string opened_json(ByteView salt, ByteView fields, std::string_view proof_json);

/// Views into its own bytes: moved, never copied.
struct Opened {
  Opened() = default;
  Opened(Opened&&) = default;
  Opened& operator=(Opened&&) = default;

  Bytes record, salt, fields;
  std::string origin;   ///< name of the log
  LeafView leaf;        ///< of record
  PrivateView about;    ///< of fields
};

/// Strict: exactly these members, and the private part is the one that the leaf commits to. log_corrupt with
/// what is wrong; invalid_argument if it is no such thing at all.
[[nodiscard]] Result<Opened> open_record(const json::Value& opened, std::span<const LogKey> keys);

}  // namespace vestibule::audit
