// Text that may have tool calls in it: the same ones however it is cut, each within it, one behind the other.
#include <cstdint>
#include <string>

#include "dialect/inspect.hpp"
#include "dialect/inspect_text.hpp"
#include "json/reader.hpp"
#include "require.hpp"

using namespace vestibule;
using namespace vestibule::dialect;

namespace {

struct Seen {
  bool ok = true;
  std::vector<TextCall> calls;
};

Seen scan(std::string_view text, std::size_t piece) {
  TextScan scan(4096, 16);
  Seen seen;
  for (std::size_t at = 0; at < text.size() && seen.ok; at += piece) seen.ok = scan.feed(text.substr(at, piece), 0).has_value();
  if (!seen.ok) return seen;
  seen.ok = scan.finish().has_value();
  require(scan.size() == text.size() && !scan.open());
  seen.calls = scan.calls();
  return seen;
}

bool is_json(std::string_view text) {
  json::Reader reader(text);
  reader.next();
  return reader.skip() && reader.next() == json::Token::end;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (is_prose(text)) {
    json::Reader reader(text);
    const json::Token first = reader.next();
    require(first != json::Token::object_begin && first != json::Token::array_begin && first != json::Token::string);
  }
  const Seen whole = scan(text, size + 1);
  std::size_t end = 0;
  for (const TextCall& call : whole.calls) {
    require(call.begin >= end && call.end > call.begin && call.end <= size);
    require(!call.name.empty() && is_json(call.arguments));
    end = call.end;
  }
  for (const std::size_t piece : {std::size_t{1}, std::size_t{3}}) {
    const Seen cut = scan(text, piece);
    // What is kept at once may be more than what is kept at any time.
    if (cut.ok && whole.ok) require(cut.calls == whole.calls);
  }
  return 0;
}
