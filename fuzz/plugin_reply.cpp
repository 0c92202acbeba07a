// Replies of factor plug-ins, as if their signature were right: what is taken is a verdict and a text that can
// be shown; and what is not signed is never taken, whatever it says.
#include <cstdlib>
#include <string>

#include "factors/plugin_message.hpp"

namespace factors = vestibule::factors;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const vestibule::crypto::HmacKey key(vestibule::as_bytes("0123456789abcdef0123456789abcdef"));
  const std::string_view body = vestibule::as_text({data, size});
  const auto parsed = factors::parse_plugin_reply(body);
  const std::string signature = factors::sign_plugin_reply(key, "nonce", body);
  const auto opened = factors::open_plugin_reply(key, "nonce", signature, body);
  if (parsed.has_value() != opened.has_value()) std::abort();
  if (!parsed) {
    if (parsed.error().code != vestibule::Reason::plugin_failed || parsed.error().detail.empty()) std::abort();
  } else {
    if (parsed->yes != opened->yes || parsed->text != opened->text) std::abort();
    if (size > factors::kMaxPluginReply || parsed->text.size() > factors::kMaxPluginText || !vestibule::is_utf8(parsed->text)) std::abort();
    for (const char c : parsed->text) {
      if (static_cast<unsigned char>(c) < 0x20 && c != '\n') std::abort();
    }
  }
  // The input itself as the signature, and a signature for another request.
  if (factors::open_plugin_reply(key, "nonce", body, R"({"version":1,"verdict":"yes"})")) std::abort();
  if (factors::open_plugin_reply(key, "other", signature, body)) std::abort();
  return 0;
}
