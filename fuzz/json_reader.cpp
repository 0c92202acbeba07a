// What the reader accepts it tells consistently: offsets are sane, skip() agrees with a walk token
// by token, and the values written anew read as the same values.
#include "json/reader.hpp"

#include <cstdlib>
#include <vector>

#include "base/bytes.hpp"
#include "json/value.hpp"
#include "json/writer.hpp"
#include "require.hpp"

namespace json = vestibule::json;

namespace {

// The text written anew from its tokens; nothing if it is refused.
std::optional<std::string> rewrite(std::string_view text) {
  json::Reader in(text);
  json::Writer out;
  std::size_t last = 0;
  std::vector<std::size_t> open;
  for (;;) {
    const json::Token token = in.next();
    if (token == json::Token::error) {
      require(!in.error().detail.empty());
      require(in.next() == json::Token::error);
      return std::nullopt;
    }
    require(in.begin_offset() <= in.end_offset() && in.end_offset() <= text.size());
    require(in.end_offset() >= last);
    last = in.end_offset();
    switch (token) {
      case json::Token::object_begin:
        out.begin_object();
        open.push_back(in.begin_offset());
        break;
      case json::Token::array_begin:
        out.begin_array();
        open.push_back(in.begin_offset());
        break;
      case json::Token::object_end:
      case json::Token::array_end:
        require(!open.empty() && open.back() == in.begin_offset());
        open.pop_back();
        token == json::Token::object_end ? out.end_object() : out.end_array();
        break;
      case json::Token::key:
      case json::Token::string:
        require(vestibule::is_utf8(in.text()));
        require(in.escaped() || in.raw().size() == in.text().size() + 2);
        token == json::Token::key ? out.key(in.text()) : out.value(in.text());
        break;
      case json::Token::number:
        require(in.number().has_value());
        out.raw(in.text());
        break;
      case json::Token::boolean_true:
        out.value(true);
        break;
      case json::Token::boolean_false:
        out.value(false);
        break;
      case json::Token::null:
        out.null();
        break;
      case json::Token::end:
        require(open.empty());
        return out.take();
      case json::Token::error:
        std::abort();
    }
    require(in.depth() == open.size());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = vestibule::as_text({data, size});
  const auto once = rewrite(text);

  json::Reader skipper(text);
  skipper.next();
  const bool skipped = skipper.skip();
  if (skipped) require(json::parse(skipper.raw()).has_value());
  require((skipped && skipper.next() == json::Token::end) == once.has_value());

  const auto tree = json::parse(text);
  require(tree.has_value() == once.has_value());
  if (!once) return 0;
  require(vestibule::is_utf8(text));
  require(rewrite(*once) == once);
  const auto again = json::parse(*once);
  require(again && *again == *tree);
  const std::string dumped = tree->dump();
  const auto back = json::parse(dumped);
  require(back && back->dump() == dumped);
  return 0;
}
