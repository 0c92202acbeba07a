// What any page can make a browser bring to the command line's loopback address: without the state nothing is
// taken, without the issuer no code, and nothing that steers a terminal gets through.
#include <cstdint>

#include "app/cli/login_answer.hpp"
#include "require.hpp"

using namespace vestibule::app::cli;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view target(reinterpret_cast<const char*>(data), size);
  const LoginAnswer answer = read_login_answer(target, "st4te", "http://localhost:8421");
  using Kind = LoginAnswer::Kind;
  require(answer.kind == Kind::not_ours || target.starts_with("/callback?"));
  require((answer.kind == Kind::code) == !answer.code.empty() && (answer.kind == Kind::refused) == !answer.error.empty());
  for (const std::string* text : {&answer.code, &answer.error}) {
    for (const char c : *text) require(c >= 0x20 && c != 0x7f);
  }
  require(read_login_answer(target, "", "http://localhost:8421").kind == Kind::not_ours);
  const bool by_another = read_login_answer(target, "st4te", "http://evil.example").kind == Kind::code;
  require(!by_another || target.find("evil.example") != std::string_view::npos);
  return 0;
}
