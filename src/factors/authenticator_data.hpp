#pragma once
// What an authenticator signs and attests, taken apart: authenticator data (WebAuthn Level 3 section
// 6.1) and the attestation object around it (section 6.5.4). Pure, strict to the last byte; views into
// the input. What libfido2 reads afterwards has passed here first.

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"

namespace vestibule::factors {

inline constexpr std::size_t kMaxCredentialId = 1023;  ///< section 7.1, step 25

using Aaguid = std::array<std::uint8_t, 16>;
/// "ee882879-721c-4913-9775-3dfcce97072a", in either case of hex; nothing else.
[[nodiscard]] std::optional<Aaguid> parse_aaguid(std::string_view text);
[[nodiscard]] std::string text(const Aaguid& aaguid);

/// COSE algorithms (RFC 9053) that are offered, in order of preference.
enum class CoseAlg : std::int32_t { eddsa = -8, es256 = -7, es384 = -35, rs256 = -257 };
inline constexpr std::array kOfferedAlgorithms = {CoseAlg::eddsa, CoseAlg::es256, CoseAlg::es384, CoseAlg::rs256};

/// Extension outputs that libfido2 must be told to expect.
struct ExtensionOutputs {
  bool hmac_secret = false;
  bool cred_blob = false;
  std::uint8_t cred_protect = 0;    ///< 0: absent
  std::uint8_t min_pin_length = 0;  ///< 0: absent
};

struct AuthenticatorData {
  ByteView raw;
  ByteView rp_id_hash;              ///< 32 bytes
  bool user_present = false;        ///< UP
  bool user_verified = false;       ///< UV
  bool backup_eligible = false;     ///< BE
  bool backed_up = false;           ///< BS
  std::uint32_t sign_count = 0;
  struct Attested {
    Aaguid aaguid{};
    ByteView credential_id;         ///< 1 to 65535 bytes: the caller's limit is kMaxCredentialId
    ByteView public_key;            ///< COSE_Key
    std::int64_t algorithm = 0;     ///< its `alg`
  };
  std::optional<Attested> attested;
  ExtensionOutputs extensions;
};

/// Nothing if a byte is missing, left over or contradicts a flag; reserved flags are ignored, as the
/// specification wants.
[[nodiscard]] std::optional<AuthenticatorData> parse_authenticator_data(ByteView raw) noexcept;

struct AttestationObject {
  std::string_view format;
  AuthenticatorData data;           ///< with attested credential data
  struct Statement {
    std::optional<std::int64_t> algorithm;  ///< alg
    ByteView signature;                     ///< sig
    std::vector<ByteView> certificates;     ///< x5c, leaf first; at most 8
    std::string_view version;               ///< ver, of tpm
    ByteView cert_info, pub_area;           ///< of tpm
    bool empty = true;                      ///< no member at all
    bool unknown = false;                   ///< a member that is none of these
  } statement;
};

/// Nothing if it is not a map of exactly fmt, attStmt and authData, well-formed throughout.
[[nodiscard]] std::optional<AttestationObject> parse_attestation_object(ByteView raw);

}  // namespace vestibule::factors
