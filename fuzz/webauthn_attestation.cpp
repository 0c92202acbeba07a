// Authenticator data and attestation objects: what is taken apart lies within the input and adds up to
// it, and what is behind it (libfido2, OpenSSL) gets along with all that passes.
#include <algorithm>

#include "factors/webauthn.hpp"
#include "require.hpp"

namespace factors = vestibule::factors;
using vestibule::ByteView;

namespace {

bool within(ByteView part, ByteView whole) {
  return part.empty() || (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void check(const factors::AuthenticatorData& d, ByteView whole) {
  require(d.raw.data() == whole.data() && d.raw.size() == whole.size());
  require(d.rp_id_hash.size() == 32 && within(d.rp_id_hash, whole));
  std::size_t least = 37;
  if (d.attested) {
    require(!d.attested->credential_id.empty() && within(d.attested->credential_id, whole));
    require(!d.attested->public_key.empty() && within(d.attested->public_key, whole));
    least += 18 + d.attested->credential_id.size() + d.attested->public_key.size();
  }
  require(whole.size() >= least);
  // Nothing is left over: one byte less or more is no authenticator data.
  require(!factors::parse_authenticator_data(whole.first(whole.size() - 1)));
}

const factors::RelyingParty& party() {
  static const auto made = factors::RelyingParty::make({});
  return **made;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView raw(data, size);
  if (const auto d = factors::parse_authenticator_data(raw)) {
    check(*d, raw);
    factors::AuthenticationResponse response;
    response.authenticator_data.assign(raw.begin(), raw.end());
    response.client_data = vestibule::Bytes{'{', '}'};
    require(!party().verify_assertion(response, {}, {}, factors::UserVerification::preferred));
  }
  const auto object = factors::parse_attestation_object(raw);
  if (!object) return 0;
  require(object->data.attested.has_value() && within(object->data.raw, raw));
  check(object->data, object->data.raw);
  for (const ByteView c : object->statement.certificates) require(!c.empty() && within(c, raw));
  require(within(object->statement.signature, raw) && within(object->statement.pub_area, raw));
  // A registration with client data that fit, so that everything behind the checks is reached.
  factors::RegistrationResponse response;
  const auto& id = object->data.attested->credential_id;
  response.id.assign(id.begin(), id.end());
  response.attestation_object.assign(raw.begin(), raw.end());
  constexpr std::string_view client = R"({"type":"webauthn.create","challenge":"AAAA","origin":"http://localhost:8422"})";
  response.client_data.assign(client.begin(), client.end());
  const vestibule::Bytes challenge(3, 0);
  const auto made = party().verify_registration(response, challenge, {});
  if (made) require(made->credential.id == response.id && !made->credential.public_key.empty());
  return 0;
}
