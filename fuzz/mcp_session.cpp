// The name of a session as a client presents it.
#include <cstdint>
#include <string_view>

#include "proxy/session_name.hpp"
#include "require.hpp"

using namespace vestibule;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const crypto::HmacKey key{Secret("a key that no fuzzer guesses the tags of")};
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  require(!proxy::server_session(key, text, UserId{}, "tools"));
  const std::string name = proxy::session_name(key, text, UserId{}, "tools", size % 2 == 0);
  if (name.empty()) return 0;
  const auto back = proxy::server_session(key, name, UserId{}, "tools");
  require(back && back->id == text && back->opens_urls == (size % 2 == 0));
  return 0;
}
