// An MCP client's message: fields, each on a line, an empty line, the body.
#include <cstdint>
#include <string>
#include <string_view>

#include "dialect/mcp.hpp"
#include "http/parse.hpp"
#include "require.hpp"

using namespace vestibule;
using dialect::mcp::Message;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t cut = input.find("\n\n");
  if (cut == std::string_view::npos) return 0;
  std::string head = "POST / HTTP/1.1\r\nHost: a\r\n";
  for (std::string_view rest = input.substr(0, cut + 1); !rest.empty();) {
    const std::size_t end = rest.find('\n');
    if (end > 0) head.append(rest.substr(0, end)).append("\r\n");
    rest.remove_prefix(end + 1);
  }
  head.append("\r\n");
  http::RequestParser parser;
  if (parser.feed(head) != http::ParseState::done) return 0;
  const std::string_view body = input.substr(cut + 2);
  const Result<Message> m = dialect::mcp::read(parser.head().headers, body, {});
  static_cast<void>(dialect::mcp::id_of(body));
  if (!m) return 0;
  require(m->is != Message::Is::request || dialect::mcp::id_of(body) == m->id);
  require(!m->calls_tool() || (!m->name.empty() && m->arguments.front() == '{'));
  if (m->calls_tool()) {
    // What is signed is the same call, and once taken out nothing is left to take out.
    const std::string_view sent = m->body.empty() ? body : m->body;
    const std::string shown = dialect::mcp::as_signed(sent);
    if (!shown.empty()) {
      const Result<Message> left = dialect::mcp::read(parser.head().headers, shown, {});
      require(left && left->id == m->id && left->name == m->name && left->arguments == m->arguments && shown.size() < sent.size());
      require(dialect::mcp::as_signed(shown).empty());
    }
  }
  if (m->body.empty()) return 0;
  // What goes on instead says the same, and nothing is left to take out of it.
  const Result<Message> again = dialect::mcp::read(parser.head().headers, m->body, {});
  require(again && again->body.empty() && again->id == m->id && again->operation == m->operation && again->name == m->name && again->arguments == m->arguments);
  require(again->url_answer.empty());
  return 0;
}
