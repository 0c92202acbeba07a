#pragma once
// TLS contexts. OpenSSL works on the descriptor itself with SSL_MODE_RELEASE_BUFFERS: an idle
// stream keeps no 34 KB of buffers, as asio::ssl would.

#include <filesystem>
#include <memory>
#include <string>

#include "base/result.hpp"

struct ssl_st;
struct ssl_ctx_st;

namespace vestibule::net {

using TlsContext = std::shared_ptr<ssl_ctx_st>;

/// TLS 1.2 or newer, forward-secret AEAD suites, ALPN http/1.1. Reads PEM files; the private key
/// must not be readable by group or others. Blocking. config_invalid otherwise.
Result<TlsContext> server_tls(const std::filesystem::path& certificate_chain,
                              const std::filesystem::path& private_key);
/// Verifies the server against `ca_file`, or the system's authorities if empty.
Result<TlsContext> client_tls(const std::filesystem::path& ca_file);

/// Seconds since 1970 at which the server certificate of this context expires.
[[nodiscard]] std::int64_t certificate_expiry(const TlsContext& context);

}  // namespace vestibule::net
