#include "app/cli/verifier_key.hpp"

#include "audit/note.hpp"

namespace vestibule::app::cli {

Result<VerifierKey> parse_verifier_key(std::string_view text) {
  const auto bad = [](const char* why) { return fail(Reason::invalid_argument, std::string("the verifier key ") + why); };
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.remove_suffix(1);
  const std::size_t first = text.find('+');
  const std::size_t second = first == std::string_view::npos ? first : text.find('+', first + 1);
  if (second == std::string_view::npos) return bad("has the form NAME+HASH+KEY (see `vestibule audit verify`)");
  const std::string_view name = text.substr(0, first);
  const std::optional<Bytes> hash = unhex(text.substr(first + 1, second - first - 1));
  const std::optional<Bytes> key = unbase64(text.substr(second + 1));
  if (!audit::valid_origin(name) || !hash || hash->size() != 4) return bad("has a wrong name or hash");
  // Algorithm 1 is Ed25519.
  if (!key || key->size() != 33 || key->front() != 1) return bad("is no Ed25519 key");
  VerifierKey out{std::string(name), Bytes(key->begin() + 1, key->end())};
  const auto expected = audit::key_hash(name, out.key);
  if (!equal_constant_time(*hash, expected)) return bad("does not fit its own hash: it was mistyped");
  return out;
}

}  // namespace vestibule::app::cli
