#include "approval/definition.hpp"

#include <algorithm>

#include "crypto/hash.hpp"
#include "json/canonical.hpp"
#include "json/reader.hpp"
#include "json/writer.hpp"

namespace vestibule::approval {

namespace {

/// The server's own word, which nobody vouches for: it may ask for more, never for less.
bool destroys(std::string_view annotations) {
  using json::Token;
  json::Reader reader(annotations);
  if (reader.next() != Token::object_begin) return false;
  bool destructive = false;
  bool read_only = false;
  while (reader.next() == Token::key) {
    bool* const hint = reader.text() == "destructiveHint" ? &destructive : reader.text() == "readOnlyHint" ? &read_only : nullptr;
    if (!reader.skip()) return false;
    if (hint != nullptr) *hint = reader.raw() == "true";
  }
  return destructive && !read_only;
}

}  // namespace

Result<Definition> read_definition(std::string_view json) {
  using json::Token;
  json::Reader reader(json);
  const auto broken = [&] { return fail(Reason::body_not_json, reader.error().detail); };
  if (reader.next() != Token::object_begin) return reader.token() == Token::error ? broken() : fail(Reason::body_shape, "a tool is an object");
  Definition out;
  json::Writer w;
  w.begin_object();
  for (;;) {
    const Token t = reader.next();
    if (t == Token::object_end) break;
    if (t == Token::error) return broken();
    const std::string key(reader.text());
    if (!reader.skip()) return broken();
    if (key == "_meta") continue;
    const std::string_view value = reader.raw();
    w.key(key).raw(value);
    if (key == "annotations") out.destructive = destroys(value);
    if (key != "name") continue;
    json::Reader name(value);
    if (name.next() != Token::string) return fail(Reason::body_shape, "name: a string");
    out.tool = name.text();
  }
  if (reader.next() != Token::end) return broken();
  w.end_object();
  if (out.tool.empty()) return fail(Reason::body_shape, "a tool has a name");
  if (out.tool.size() > kMaxToolName) return fail(Reason::body_too_large, "a tool's name has at most 200 bytes");
  const bool plain = std::ranges::none_of(out.tool, [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f; });
  if (!plain) return fail(Reason::body_shape, "name: blanks or control characters");
  Result<std::string> canonical = json::canonicalize(w.text());
  out.text = canonical ? std::move(*canonical) : w.take();
  out.digest = crypto::sha256(as_bytes(out.text));
  if (out.text.size() > kMaxDefinition) out.text.clear();
  return out;
}

}  // namespace vestibule::approval
