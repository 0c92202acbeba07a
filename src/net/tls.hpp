#pragma once
// TLS contexts. OpenSSL works on the descriptor itself with SSL_MODE_RELEASE_BUFFERS: an idle
// stream keeps no 34 KB of buffers, as asio::ssl would.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "base/bytes.hpp"
#include "base/result.hpp"

struct ssl_st;
struct ssl_ctx_st;

namespace vestibule::net {

using TlsContext = std::shared_ptr<ssl_ctx_st>;

/// What a listener asks of its clients.
enum class ClientCertificate : std::uint8_t {
  none,
  /// Of any issuer: the handshake proves that the client has its private key, and whoever reads it knows whose it is
  /// (RFC 8705 section 2.2). Who has none is let in all the same. Sessions are not resumed: each connection proves it anew.
  asked,
};

/// TLS 1.2 or newer, forward-secret AEAD suites, ALPN http/1.1. Reads PEM files; the private key
/// must not be readable by group or others. Blocking. config_invalid otherwise.
Result<TlsContext> server_tls(const std::filesystem::path& certificate_chain,
                              const std::filesystem::path& private_key,
                              ClientCertificate clients = ClientCertificate::none);
/// Verifies the server against `ca_file`, or the system's authorities if empty.
Result<TlsContext> client_tls(const std::filesystem::path& ca_file);

/// What a client has shown of itself, and has proved to have the private key of.
struct PeerCertificate {
  Digest sha256{};                           ///< of its DER (RFC 8705 section 3.1)
  Bytes public_key;                          ///< SubjectPublicKeyInfo, DER
  std::int64_t not_before = 0, not_after = 0;  ///< seconds since 1970; 0: no time that could be read
};
/// After a handshake. Null: it has shown none.
[[nodiscard]] std::unique_ptr<const PeerCertificate> peer_certificate(const ssl_st& connection);

/// Seconds since 1970 at which the server certificate of this context expires.
[[nodiscard]] std::int64_t certificate_expiry(const TlsContext& context);

}  // namespace vestibule::net
