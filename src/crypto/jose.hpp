#pragma once
// JSON Web Signatures and Keys (RFC 7515, 7517, 7518, 7638), compact form only. Signing and verifying
// are libcjose's; what comes from outside passes our own strict reader first, and which algorithm counts
// is said by the key and by the caller, never by the token.
//
// All values are thread-safe while const.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "json/value.hpp"

namespace vestibule::crypto {

/// Those that are spoken here: no MAC, no "none", nothing with SHA-1.
enum class JwsAlg : std::uint8_t { es256, rs256, ps256 };
inline constexpr std::array kJwsAlgs = {JwsAlg::es256, JwsAlg::rs256, JwsAlg::ps256};
[[nodiscard]] std::string_view name(JwsAlg alg) noexcept;
[[nodiscard]] std::optional<JwsAlg> jws_alg_from(std::string_view name) noexcept;

inline constexpr std::size_t kMaxJwk = 4096;   ///< bytes of JSON
inline constexpr std::size_t kMaxJws = 16384;  ///< bytes of the compact form

/// A public key: EC on P-256, or RSA of 2048 to 8192 bits.
class PublicJwk {
 public:
  /// invalid_argument for other kinds of key, for what is not canonical base64url, and for a private or
  /// symmetric key: whoever sends one has given it away. Members that are not understood are passed over.
  [[nodiscard]] static Result<PublicJwk> parse(std::string_view json);
  [[nodiscard]] static Result<PublicJwk> from(const json::Value& key);
  /// The same of a SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7, DER). Curves by their name alone: one that is spelt out
  /// may have another base point, for which somebody else knows a private key (CVE-2020-0601). Thread-safe.
  [[nodiscard]] static Result<PublicJwk> from_spki(ByteView der);
  /// Of a PEM file: a certificate's key (the first one's) or a bare public key. invalid_argument for a private key too.
  [[nodiscard]] static Result<PublicJwk> from_pem(std::string_view text);

  /// Whether signatures of this algorithm can be this key's, as its kind and its "alg" say.
  [[nodiscard]] bool takes(JwsAlg alg) const noexcept;
  [[nodiscard]] const Digest& thumbprint() const noexcept { return thumbprint_; }  ///< RFC 7638, SHA-256
  [[nodiscard]] const std::string& kid() const noexcept { return kid_; }           ///< may be empty
  /// The required members alone, in the order of RFC 7638 section 3.
  [[nodiscard]] const std::string& json() const noexcept { return json_; }

 private:
  PublicJwk() = default;
  bool ec_ = false;
  std::optional<JwsAlg> alg_;
  std::string json_;
  std::string kid_;
  Digest thumbprint_{};
};

/// A compact JWS whose signature has not been looked at yet: nothing of it may be believed, and its
/// payload is not given out.
class UnverifiedJws {
 public:
  /// invalid_argument for another form, another algorithm than ours, "crit" (RFC 7515 section 4.1.11) and
  /// "b64". The text is copied.
  [[nodiscard]] static Result<UnverifiedJws> parse(std::string_view compact);

  [[nodiscard]] JwsAlg alg() const noexcept { return alg_; }
  [[nodiscard]] const json::Value& header() const noexcept { return header_; }
  /// The payload, once the signature is this key's under one of these algorithms.
  [[nodiscard]] Result<std::string> verify(const PublicJwk& key, std::span<const JwsAlg> allowed) const;

 private:
  UnverifiedJws() = default;
  std::string text_;
  json::Value header_;
  JwsAlg alg_{};
};

/// A private key for one algorithm, ES256 or RS256. Movable.
class JwsKey {
 public:
  /// RSA takes a second: not on a core.
  [[nodiscard]] static Result<JwsKey> generate(JwsAlg alg);
  /// What secret() gave.
  [[nodiscard]] static Result<JwsKey> from(JwsAlg alg, Secret json);

  [[nodiscard]] JwsAlg alg() const noexcept { return alg_; }
  [[nodiscard]] const std::string& kid() const noexcept { return kid_; }  ///< its thumbprint
  /// The private JWK, for sealing.
  [[nodiscard]] const Secret& secret() const noexcept { return json_; }
  /// {"kty",...,"kid","use":"sig","alg"}: what a JWKS lists.
  [[nodiscard]] std::string public_json() const;
  /// The compact form of this payload, with alg, kid and typ in its header.
  [[nodiscard]] Result<std::string> sign(std::string_view typ, std::string_view payload) const;

 private:
  JwsKey(JwsAlg alg, Secret json, PublicJwk open);
  JwsAlg alg_;
  Secret json_;
  PublicJwk public_;
  std::string kid_;
};

}  // namespace vestibule::crypto
