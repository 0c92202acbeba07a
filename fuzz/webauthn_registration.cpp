// RegistrationResponseJSON: what is taken has an id and bounded client data, and what is verified is for
// the challenge that was asked.

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
  const auto parsed = factors::parse_registration(text);
  if (!parsed) return 0;
  require(size <= factors::kMaxResponse && vestibule::is_utf8(text));
  require(!parsed->id.empty() && parsed->client_data.size() <= factors::kMaxClientData);
  require(parsed->transports.size() <= 7);
  const vestibule::Bytes challenge(32, 0xee);
  const auto made = party().verify_registration(*parsed, challenge, {});
  if (made) require(made->credential.id == parsed->id && factors::parse_client_data(parsed->client_data)->challenge == challenge);
  return 0;
}
