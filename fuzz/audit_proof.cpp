// Inclusion proofs from strangers. The corpus holds valid proofs under the key of seed 7 x 32.

#include <cstdint>

#include "audit/proof.hpp"

using namespace vestibule;
using namespace vestibule::audit;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const crypto::SigningKey key =
      std::move(*crypto::SigningKey::from_seed(Secret(Bytes(32, 7))));
  (void)check_proof(as_text({data, size}), key.public_key());
  return 0;
}
