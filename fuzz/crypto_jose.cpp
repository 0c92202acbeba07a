// Keys and signed tokens come from strangers: what is read is read again as the same, and no signature of
// nobody is anybody's.
#include <cstdint>

#include "crypto/jose.hpp"
#include "require.hpp"

using namespace vestibule;
using namespace vestibule::crypto;

namespace {

// RFC 7515 appendix A.3: its private half is known, but not to the fuzzer.
constexpr std::string_view kKey =
    R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})";
constexpr std::string_view kPayload = "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}";

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const PublicJwk known = *PublicJwk::parse(kKey);
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto key = PublicJwk::parse(text)) {
    const auto again = PublicJwk::parse(key->json());
    require(again && again->json() == key->json() && again->thumbprint() == key->thumbprint());
    require(key->json().find("\"d\"") == std::string::npos);
  }
  const auto jws = UnverifiedJws::parse(text);
  if (!jws) return 0;
  require(jws->header().is_object());
  const auto payload = jws->verify(known, kJwsAlgs);
  // The RFC's own example verifies, and nothing else can.
  require(!payload || *payload == kPayload);
  return 0;
}
