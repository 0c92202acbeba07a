// Forms, Basic credentials and addresses as strangers send them: one reading or none, and what may be
// redirected to is nothing that runs or hides.
#include <cstdint>

#include "http/url.hpp"
#include "oauth/form.hpp"
#include "oauth/redirect.hpp"
#include "require.hpp"

using namespace vestibule;
using namespace vestibule::oauth;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto form = Form::parse(text)) {
    for (const std::string_view name : {"client_id", "redirect_uri", "code", "a"}) {
      const std::string_view value = form->get(name);
      require(value.find('\0') == std::string_view::npos && value.find('\n') == std::string_view::npos);
      std::string encoded(name);
      encoded.push_back('=');
      append_encoded(encoded, value);
      const auto again = Form::parse(encoded);
      require(again && again->get(name) == value);
    }
  }
  if (const auto basic = parse_basic(text)) require(!basic->id.empty() && !basic->secret.empty());
  const bool valid = valid_redirect(text, Confidentiality::open);
  if (valid) {
    require(text.find('#') == std::string_view::npos && !text.starts_with("javascript:") && !text.starts_with("data:"));
    const auto url = http::parse_url(text);
    require(!url || url->scheme == http::Url::Scheme::https || url->host == "localhost" || url->host == "127.0.0.1" || url->host == "[::1]");
    const std::string known(text);
    require(matches_redirect({&known, 1}, text));
  }
  const std::string registered[] = {"https://app.example.org/cb", "http://127.0.0.1/cb", "com.example.app:/cb"};
  if (matches_redirect(registered, text)) {
    require(valid);
    require(text.starts_with("https://app.example.org/") || text.starts_with("http://127.0.0.1") || text.starts_with("com.example.app:/"));
    require(text.ends_with("/cb"));
  }
  if (valid_challenge(text)) require(text.size() == 43);
  return 0;
}
