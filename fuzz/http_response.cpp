// Reply heads: the same verdict however the bytes are cut; whatever is accepted, Boost.Beast
// accepts with the same status, fields and framing. The first byte of the input chooses the method.
#include <boost/beast/http.hpp>

#include <cstdint>
#include <memory>
#include <string>

#include "http/parse.hpp"
#include "require.hpp"

namespace beast = boost::beast;
using namespace vestibule;
using namespace vestibule::http;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const Method method = (data[0] & 1U) != 0 ? Method::head : Method::post;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  ResponseParser whole;
  whole.reset(method);
  const ParseState state = whole.feed(text);

  ResponseParser pieces;
  pieces.reset(method);
  ParseState last = ParseState::need_more;
  std::unique_ptr<std::string> buffer;
  const std::size_t step = size > 2000 ? 97 : 1;
  for (std::size_t n = 1; last == ParseState::need_more && n < size - 1 + step; n += step) {
    buffer = std::make_unique<std::string>(text.substr(0, n));
    last = pieces.feed(*buffer);
  }
  require(last == state);
  if (state != ParseState::done) return 0;

  const ResponseHead& head = whole.head();
  require(pieces.consumed() == whole.consumed() && pieces.head().status == head.status);
  require(pieces.head().framing == head.framing && pieces.head().reason == head.reason);
  const auto framing = response_framing(head, method);
  require(framing.has_value() && *framing == head.framing);

  beast::http::response_parser<beast::http::empty_body> theirs;
  theirs.header_limit(1U << 20U);
  theirs.body_limit(boost::none);
  theirs.skip(method == Method::head);
  beast::error_code ec;
  theirs.put(boost::asio::buffer(text.data(), whole.consumed()), ec);
  require(!ec || ec == beast::http::error::need_more);
  require(theirs.is_header_done());
  require(theirs.get().result_int() == static_cast<unsigned>(head.status));
  std::size_t count = 0;
  for (const auto& field : theirs.get()) {
    ++count;
    static_cast<void>(field);
  }
  require(count == head.headers.size());
  require(theirs.chunked() == head.headers.has(Known::transfer_encoding));
  require(theirs.content_length().has_value() == head.headers.has(Known::content_length));
  if (head.framing.kind == BodyKind::length)
    require(*theirs.content_length() == head.framing.length);
  return 0;
}
