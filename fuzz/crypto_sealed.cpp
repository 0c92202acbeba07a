// Opening arbitrary blobs at arbitrary places: nothing opens but what was sealed here, and nothing
// is read past the end. Input: one byte, the length of the row's name; the row; the blob.

#include "crypto/sealed.hpp"
#include "require.hpp"

using namespace vestibule;
using namespace vestibule::crypto;

namespace {

MasterKeys two_keys() {
  MasterKeys keys;
  keys.push_back({1, Secret(Bytes(32, 0x11))});
  keys.push_back({2, Secret(Bytes(32, 0x22))});
  return keys;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static CountingRng rng(1);
  static KeyRing ring(two_keys(), rng);
  const ByteView all(data, size);
  const std::size_t row = size == 0 ? 0 : std::min<std::size_t>(data[0], size - 1);
  const Place place{"factors", "secret", size == 0 ? "" : as_text(all.subspan(1, row))};
  const ByteView blob = size == 0 ? all : all.subspan(1 + row);

  // Blobs of the corpus do open, so an opened one must re-seal and open again to the same.
  if (const auto opened = ring.open(blob, place)) {
    require(opened->size() + kSealedOverhead == blob.size());
    const auto fresh = ring.reseal(blob, place);
    require(fresh && ring.is_current(*fresh));
    const auto again = ring.open(*fresh, place);
    require(again && again->equals(opened->reveal()));
    require(!ring.open(blob, {"factors", "secret2", place.row}));
  }
  (void)ring.is_current(blob);
  (void)ring.open_root(blob);

  // The input as plaintext, and one bit of its blob changed.
  Bytes sealed = ring.seal(blob, place);
  const auto opened = ring.open(sealed, place);
  require(opened && opened->equals(blob));
  sealed[(size * 31) % sealed.size()] ^= static_cast<std::uint8_t>(1U << (size % 8));
  require(!ring.open(sealed, place));
  return 0;
}
