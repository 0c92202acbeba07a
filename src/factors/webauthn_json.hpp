#pragma once
// The JSON forms of WebAuthn Level 3 that travel between gateway and browser: options (sections 5.4 and
// 5.5, as in 5.1.8 and 5.1.9), responses (5.1.8.1 on), and CollectedClientData (5.8.1). Pure; what comes
// in is judged for its form only.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"

namespace vestibule::factors {

inline constexpr std::size_t kMaxResponse = 48 * 1024;  ///< bytes of a response's JSON
inline constexpr std::size_t kMaxClientData = 4 * 1024; ///< bytes of clientDataJSON

/// RegistrationResponseJSON, what of it counts.
struct RegistrationResponse {
  Bytes id;
  Bytes client_data;
  Bytes attestation_object;
  std::vector<std::string> transports;  ///< hints only: known names, each once
};

/// AuthenticationResponseJSON, what of it counts.
struct AuthenticationResponse {
  Bytes id;
  Bytes client_data;
  Bytes authenticator_data;
  Bytes signature;
  std::optional<Bytes> user_handle;
};

/// Nothing unless it is strict JSON of this form: `type` "public-key", `id` equal to `rawId`, base64url
/// in its one spelling. Members that are not needed are passed over: clients add some.
[[nodiscard]] std::optional<RegistrationResponse> parse_registration(std::string_view json);
[[nodiscard]] std::optional<AuthenticationResponse> parse_authentication(std::string_view json);

struct ClientData {
  std::string type;
  Bytes challenge;
  std::string origin;
  bool cross_origin = false;
  bool has_top_origin = false;
};
/// Nothing unless it is strict JSON (no byte order mark, no key twice) with these members of their types.
[[nodiscard]] std::optional<ClientData> parse_client_data(ByteView json);

/// A credential as it is named in options.
struct CredentialName {
  Bytes id;
  std::string transports;  ///< comma-separated, as in its row
};

enum class ResidentKey : std::uint8_t { preferred, required, discouraged };
[[nodiscard]] std::string_view name(ResidentKey r) noexcept;
[[nodiscard]] std::optional<ResidentKey> resident_key_from(std::string_view name) noexcept;
enum class UserVerification : std::uint8_t { preferred, required };
[[nodiscard]] std::string_view name(UserVerification v) noexcept;

struct CreationOptions {
  std::string_view rp_id, rp_name;
  ByteView user_handle;
  std::string_view user_name;
  ByteView challenge;
  std::vector<CredentialName> exclude;
  ResidentKey resident = ResidentKey::preferred;
  UserVerification verification = UserVerification::preferred;
  bool direct_attestation = false;
  std::int64_t timeout_ms = 0;
};
[[nodiscard]] std::string write(const CreationOptions& options);

struct RequestOptions {
  std::string_view rp_id;
  ByteView challenge;
  std::vector<CredentialName> allow;  ///< none: whatever passkey the person picks
  UserVerification verification = UserVerification::preferred;
  std::int64_t timeout_ms = 0;
};
[[nodiscard]] std::string write(const RequestOptions& options);

}  // namespace vestibule::factors
