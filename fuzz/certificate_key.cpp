// The public key of a certificate that a client has shown, and of a file that a person gives.
#include <cstdint>

#include "crypto/jose.hpp"
#include "require.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vestibule;
  const ByteView bytes{data, size};
  const auto check = [](const Result<crypto::PublicJwk>& key) {
    if (!key) return;
    const auto again = crypto::PublicJwk::parse(key->json());
    require(again && again->thumbprint() == key->thumbprint());
  };
  const auto key = crypto::PublicJwk::from_spki(bytes);
  check(key);
  check(crypto::PublicJwk::from_pem(as_text(bytes)));
  return 0;
}
