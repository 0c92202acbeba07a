// The chunked coding: the same outcome however the bytes are cut; what is decoded and written again
// decodes to the same; what is accepted, Boost.Beast accepts with the same body and end.
#include <boost/beast/http.hpp>

#include <cstdint>
#include <string>

#include "http/chunked.hpp"
#include "require.hpp"

namespace beast = boost::beast;
using namespace vestibule::http;
using Step = ChunkedDecoder::Step;

namespace {

struct Outcome {
  Step last = Step::more;
  std::string body;
  std::size_t consumed = 0;
  std::size_t trailers = 0;
};

Outcome decode(std::string_view text, std::size_t piece) {
  ChunkedDecoder decoder;
  Outcome out;
  for (std::size_t at = 0; at < text.size() && out.last == Step::more; at += piece) {
    const std::string in(text.substr(at, piece));
    std::string_view rest = in;
    do {
      std::string_view data;
      std::size_t used = 0;
      out.last = decoder.step(rest, data, used);
      require(used <= rest.size() && (out.last == Step::data) == !data.empty());
      out.body.append(data);
      out.consumed += used;
      rest.remove_prefix(used);
    } while (out.last == Step::data);
    require(out.last != Step::more || rest.empty());
  }
  out.trailers = decoder.trailers().size();
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Outcome whole = decode(text, size + 1);
  for (const std::size_t piece : {std::size_t{1}, std::size_t{2}, std::size_t{7}}) {
    const Outcome cut = decode(text, piece);
    require(cut.last == whole.last && cut.body == whole.body);
    if (whole.last == Step::done) require(cut.consumed == whole.consumed);
  }
  if (whole.last != Step::done) return 0;

  std::string again;
  append_chunk(again, whole.body);
  again += kLastChunk;
  const Outcome copy = decode(again, again.size());
  require(copy.last == Step::done && copy.body == whole.body && copy.consumed == again.size());

  beast::http::request_parser<beast::http::string_body> theirs;
  theirs.eager(true);
  theirs.body_limit(boost::none);
  theirs.header_limit(1U << 20U);
  std::string message = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::size_t head = message.size();
  message += text.substr(0, whole.consumed);
  beast::error_code ec;
  std::size_t used = 0;
  while (used < message.size() && !theirs.is_done()) {
    const std::size_t n =
        theirs.put(boost::asio::buffer(message.data() + used, message.size() - used), ec);
    require(!ec);
    require(n > 0);
    used += n;
  }
  require(theirs.is_done() && used == head + whole.consumed && theirs.get().body() == whole.body);
  return 0;
}
