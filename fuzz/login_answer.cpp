// What any page can make a browser bring to the command line's loopback address: without the state nothing is
// taken, without the issuer no code, and nothing that steers a terminal gets through.
#include "app/cli/login_answer.hpp"

#include <cstdlib>

using namespace vestibule::app::cli;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view target(reinterpret_cast<const char*>(data), size);
  const LoginAnswer answer = read_login_answer(target, "st4te", "http://localhost:8421");
  using Kind = LoginAnswer::Kind;
  if (answer.kind != Kind::not_ours && !target.starts_with("/callback?")) std::abort();
  if ((answer.kind == Kind::code) != !answer.code.empty() || (answer.kind == Kind::refused) != !answer.error.empty()) std::abort();
  for (const std::string* text : {&answer.code, &answer.error}) {
    for (const char c : *text) {
      if (c < 0x20 || c == 0x7f) std::abort();
    }
  }
  if (read_login_answer(target, "", "http://localhost:8421").kind != Kind::not_ours) std::abort();
  if (read_login_answer(target, "st4te", "http://evil.example").kind == Kind::code && target.find("evil.example") == std::string_view::npos) std::abort();
  return 0;
}
