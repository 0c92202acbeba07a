// What a client says of itself: what is taken is written and read again as the same client.
#include <cstdint>

#include "oauth/client.hpp"
#include "oauth/redirect.hpp"
#include "require.hpp"

using namespace vestibule;
using namespace vestibule::oauth;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const Origin origin : {Origin::registered, Origin::document}) {
    const auto client = parse_client(text, origin);
    if (!client) continue;
    const auto kind = client->confidential() ? Confidentiality::confidential : Confidentiality::open;
    for (const std::string& r : client->redirects) require(valid_redirect(r, kind));
    require(!client->name.empty() && (client->code || client->device));
    if (origin == Origin::document) require(is_document_address(client->id) && client->auth != ClientAuth::basic && client->auth != ClientAuth::post);
    json::Writer w;
    w.begin_object();
    if (origin == Origin::document) w.member("client_id", client->id);
    write_client(w, *client);
    w.end_object();
    const auto again = parse_client(w.text(), origin);
    require(again && again->name == client->name && again->redirects == client->redirects && again->auth == client->auth);
    require(again->keys.size() == client->keys.size() && again->refresh == client->refresh && again->device == client->device);
  }
  return 0;
}
