// CollectedClientData: what is taken is UTF-8 JSON with the members in their types, and a challenge that
// has one spelling.

#include "factors/webauthn_json.hpp"
#include "require.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const vestibule::ByteView raw(data, size);
  const auto parsed = vestibule::factors::parse_client_data(raw);
  if (!parsed) return 0;
  const std::string_view text = vestibule::as_text(raw);
  require(size <= vestibule::factors::kMaxClientData && vestibule::is_utf8(text));
  require(!text.starts_with("\xef\xbb\xbf"));
  require(vestibule::is_utf8(parsed->type) && vestibule::is_utf8(parsed->origin));
  // Unless the text spells it with escapes, the challenge stands in it as it is encoded.
  if (text.find('\\') == std::string_view::npos) {
    require(text.find(vestibule::base64url(parsed->challenge)) != std::string_view::npos);
  }
  return 0;
}
