// What git writes to a credential helper, which a repository may have chosen: whatever is understood is one
// host without a control character, and the answer is lines that nothing of it gets into.
#include "app/cli/git_credential.hpp"

#include <algorithm>
#include <cstdlib>

using namespace vestibule::app::cli;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto request = parse_git_request(text);
  if (!request) return 0;
  for (const std::string* field : {&request->protocol, &request->host, &request->path}) {
    for (const char c : *field) {
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) std::abort();
    }
  }
  if (meant_for(*request, "http://localhost:8420") && request->host.size() != 14) std::abort();
  const std::string answer = git_answer(*request, "vt_token", 1);
  if (std::ranges::count(answer, '\n') != (request->knows_bearer ? 4 : 3)) std::abort();
  return 0;
}
