#include "net/tls.hpp"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/stat.h>

#include <cstring>
#include <ctime>

namespace vestibule::net {
namespace {

std::string openssl_error() {
  char text[256] = "unknown TLS error";
  if (const unsigned long e = ERR_get_error(); e != 0) ERR_error_string_n(e, text, sizeof text);
  ERR_clear_error();
  return text;
}

int choose_alpn(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
                unsigned in_size, void*) {
  static constexpr unsigned char kHttp11[] = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, kHttp11, sizeof kHttp11 - 1, in, in_size) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;  // RFC 7301 section 3.2: no_application_protocol
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

TlsContext make(const SSL_METHOD* method) {
  TlsContext ctx(SSL_CTX_new(method), SSL_CTX_free);
  SSL_CTX_set_min_proto_version(ctx.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(ctx.get(), SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(ctx.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_cipher_list(ctx.get(), "ECDHE+AESGCM:ECDHE+CHACHA20");
  return ctx;
}

std::int64_t seconds_of(const ASN1_TIME* time) {
  std::tm tm{};
  return time != nullptr && ASN1_TIME_to_tm(time, &tm) == 1 ? timegm(&tm) : 0;
}

void ask_for_certificate(SSL_CTX* ctx) {
  constexpr long kMostBytes = 16'384;
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, nullptr);
  // No chain is built and no issuer asked for: the signature of the handshake is all that counts here.
  SSL_CTX_set_cert_verify_callback(ctx, [](X509_STORE_CTX*, void*) { return 1; }, nullptr);
  SSL_CTX_set_max_cert_list(ctx, kMostBytes);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(ctx, 0);
}

}  // namespace

Result<TlsContext> server_tls(const std::filesystem::path& chain, const std::filesystem::path& key,
                              ClientCertificate clients) {
  struct stat st {};
  if (::stat(key.c_str(), &st) != 0) {
    return fail(Reason::config_invalid, "cannot read TLS key " + key.string() + ": " + std::strerror(errno));
  }
  if ((st.st_mode & 077U) != 0) {
    return fail(Reason::config_invalid, "TLS key " + key.string() + " is readable by others: chmod 600 it");
  }
  TlsContext ctx = make(TLS_server_method());
  SSL_CTX_set_alpn_select_cb(ctx.get(), choose_alpn, nullptr);
  if (SSL_CTX_use_certificate_chain_file(ctx.get(), chain.c_str()) != 1) {
    return fail(Reason::config_invalid, "TLS certificate " + chain.string() + ": " + openssl_error());
  }
  if (SSL_CTX_use_PrivateKey_file(ctx.get(), key.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(ctx.get()) != 1) {
    return fail(Reason::config_invalid, "TLS key " + key.string() + ": " + openssl_error());
  }
  if (clients == ClientCertificate::asked) ask_for_certificate(ctx.get());
  return ctx;
}

Result<TlsContext> client_tls(const std::filesystem::path& ca_file) {
  TlsContext ctx = make(TLS_client_method());
  const int ok = ca_file.empty() ? SSL_CTX_set_default_verify_paths(ctx.get())
                                 : SSL_CTX_load_verify_locations(ctx.get(), ca_file.c_str(), nullptr);
  if (ok != 1) return fail(Reason::config_invalid, "TLS authorities: " + openssl_error());
  SSL_CTX_set_verify(ctx.get(), SSL_VERIFY_PEER, nullptr);
  return ctx;
}

std::int64_t certificate_expiry(const TlsContext& context) {
  const X509* cert = SSL_CTX_get0_certificate(context.get());
  return cert == nullptr ? 0 : seconds_of(X509_get0_notAfter(cert));
}

std::unique_ptr<const PeerCertificate> peer_certificate(const ssl_st& connection) {
  const X509* const cert = SSL_get0_peer_certificate(&connection);
  if (cert == nullptr) return nullptr;
  auto out = std::make_unique<PeerCertificate>();
  unsigned size = 0;
  unsigned char* der = nullptr;
  const int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
  if (length > 0) out->public_key.assign(der, der + length);
  OPENSSL_free(der);
  if (X509_digest(cert, EVP_sha256(), out->sha256.data(), &size) != 1 || length <= 0) return nullptr;
  out->not_before = seconds_of(X509_get0_notBefore(cert));
  out->not_after = seconds_of(X509_get0_notAfter(cert));
  return out;
}

}  // namespace vestibule::net
