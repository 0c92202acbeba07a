#pragma once
// What those need who call OpenSSL, and libraries over it, by hand.

#include <openssl/err.h>
#include <openssl/evp.h>

#include <memory>

namespace vestibule::crypto {

/// Of what a C library hands out: std::unique_ptr<EVP_PKEY, Release<EVP_PKEY_free>>.
template <auto Free>
struct Release {
  template <class T>
  void operator()(T* p) const noexcept { Free(p); }
};

using EvpKey = std::unique_ptr<EVP_PKEY, Release<EVP_PKEY_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Release<EVP_MD_CTX_free>>;

/// Errors of OpenSSL's queue are no news to anybody here, and must not reach the next caller.
struct ClearErrors {
  ~ClearErrors() { ERR_clear_error(); }
};

}  // namespace vestibule::crypto
