// AuthenticationResponseJSON: what is taken has an id and bounded client data, and without a key nothing
// verifies.

#include "factors/webauthn.hpp"
#include "require.hpp"

namespace factors = vestibule::factors;

namespace {

const factors::RelyingParty& party() {
  static const auto made = factors::RelyingParty::make({});
  return **made;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = vestibule::as_text({data, size});
  const auto parsed = factors::parse_authentication(text);
  if (!parsed) return 0;
  require(size <= factors::kMaxResponse && vestibule::is_utf8(text));
  require(!parsed->id.empty() && parsed->client_data.size() <= factors::kMaxClientData);
  require(!parsed->user_handle || !parsed->user_handle->empty());
  const vestibule::Bytes challenge(32, 0xee);
  require(!party().verify_assertion(*parsed, {}, challenge, factors::UserVerification::preferred));
  party().spend_like_verifying(*parsed, challenge);
  return 0;
}
