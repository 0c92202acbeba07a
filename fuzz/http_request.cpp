// Request heads: the verdict does not depend on how the bytes are cut, and whatever is accepted
// here Boost.Beast accepts too, with the same reading. Ours is never laxer.
#include <boost/beast/http.hpp>

#include <cstdint>
#include <memory>
#include <string>

#include "http/host.hpp"
#include "http/parse.hpp"
#include "require.hpp"

namespace beast = boost::beast;
using namespace vestibule;
using namespace vestibule::http;

namespace {

void compare_with_beast(std::string_view text, const RequestParser& ours) {
  const RequestHead& head = ours.head();
  beast::http::request_parser<beast::http::empty_body> theirs;
  theirs.header_limit(1U << 20U);
  theirs.body_limit(boost::none);
  beast::error_code ec;
  theirs.put(boost::asio::buffer(text.data(), ours.consumed()), ec);
  require(!ec || ec == beast::http::error::need_more);
  require(theirs.is_header_done());
  const auto& message = theirs.get();
  const auto view = [](beast::string_view s) { return std::string_view(s.data(), s.size()); };
  require(view(message.method_string()) == head.method_text);
  require(view(message.target()) == head.target);
  require(message.version() == (head.http10 ? 10U : 11U));
  std::size_t count = 0;
  for (const auto& field : message) {
    ++count;
    static_cast<void>(field);
  }
  require(count == head.headers.size());
  for (const HeaderField& field : head.headers) {
    bool found = false;
    const auto range =
        message.equal_range(beast::string_view(field.name.data(), field.name.size()));
    for (auto it = range.first; it != range.second; ++it) {
      found = found || view(it->value()) == field.value;
    }
    require(found);
  }
  require(theirs.chunked() == (head.framing.kind == BodyKind::chunked));
  const auto length = theirs.content_length();
  require(length.has_value() == head.headers.has(Known::content_length));
  if (length) require(*length == head.framing.length);
  // Several lines are one list (RFC 9110 section 5.3); Beast asks the first alone.
  if (head.headers.count(Known::connection) < 2) require(theirs.get().keep_alive() == keep_alive(head));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  RequestParser whole;
  const ParseState state = whole.feed(text);

  // Byte by byte (long inputs in steps), from a buffer that moves each time.
  RequestParser pieces;
  ParseState last = ParseState::need_more;
  std::unique_ptr<std::string> buffer;
  const std::size_t step = size > 2000 ? 97 : 1;
  for (std::size_t n = 1; last == ParseState::need_more && n < size + step; n += step) {
    buffer = std::make_unique<std::string>(text.substr(0, n));
    last = pieces.feed(*buffer);
  }
  require(last == state);
  if (state == ParseState::bad) require(pieces.error().reason == whole.error().reason);
  if (state != ParseState::done) return 0;

  const RequestHead& a = whole.head();
  const RequestHead& b = pieces.head();
  require(whole.consumed() == pieces.consumed() && a.target == b.target && a.host == b.host);
  require(a.parts.path == b.parts.path && a.parts.query == b.parts.query && a.framing == b.framing);
  require(a.headers.size() == b.headers.size());
  for (std::size_t i = 0; i < a.headers.size(); ++i) {
    require(a.headers[i].name == b.headers[i].name && a.headers[i].value == b.headers[i].value);
    require(a.headers[i].known == known_field(a.headers[i].name));
  }
  require(request_framing(a).has_value() && parse_host(a.host).has_value());
  compare_with_beast(text, whole);
  return 0;
}
