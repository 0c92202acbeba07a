// What an MCP server sends. The first byte says whether as JSON or as events, and what the server may ask for.
#include <cstdint>
#include <string>
#include <string_view>

#include "dialect/mcp.hpp"
#include "require.hpp"

using namespace vestibule::dialect;

namespace {

struct Outcome {
  bool ok = true;
  std::string out;
  bool operator==(const Outcome&) const = default;
};

Outcome pass(std::uint8_t how, std::string_view bytes, std::size_t piece) {
  mcp::Judging judging;
  judging.era = (how & 2U) != 0 ? mcp::Era::stateless : mcp::Era::sessions;
  judging.allowed = {(how & 4U) != 0, (how & 8U) != 0, (how & 16U) != 0};
  judging.shows = [](std::string_view tool) { return tool.size() % 2 == 0; };
  judging.own_hosts = {"a.example"};
  mcp::Reply reply((how & 1U) != 0 ? ReplyForm::events : ReplyForm::json, std::move(judging));
  Outcome out;
  for (std::size_t at = 0; at < bytes.size() && out.ok; at += piece) out.ok = reply.feed(bytes.substr(at, piece), out.out).has_value();
  out.ok = out.ok && reply.finish(out.out).has_value();
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Outcome whole = pass(data[0], bytes, bytes.size() + 1);
  require(pass(data[0], bytes, 1) == whole);
  if (!whole.ok) return 0;
  // What was let out has nothing in it that would be taken out.
  const Outcome again = pass(data[0], whole.out, whole.out.size() + 1);
  require(again.ok && again.out == whole.out);
  return 0;
}
