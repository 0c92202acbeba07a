// Signed notes: a checkpoint that parses is spelt as sign_checkpoint() would spell it, up to
// extension lines and further signatures; splitting a file loses nothing but empty lines.

#include <cstdint>
#include <cstdlib>
#include <string>

#include "audit/note.hpp"

using namespace vestibule;
using namespace vestibule::audit;

namespace {
void check(bool ok) {
  if (!ok) std::abort();
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view in = as_text({data, size});
  if (const auto c = parse_checkpoint(in)) {
    std::string head(c->origin);
    head.append("\n")
        .append(std::to_string(c->size))
        .append("\n")
        .append(base64(c->root))
        .append("\n");
    check(in.starts_with(head) && c->body.starts_with(head));
    std::string again(c->body);
    again.append("\n");
    for (const NoteSignature& s : c->signatures) {
      Bytes blob(s.key_hash.begin(), s.key_hash.end());
      blob.insert(blob.end(), s.signature.begin(), s.signature.end());
      again.append("\xE2\x80\x94 ").append(s.name).append(" ").append(base64(blob)).append("\n");
    }
    check(again == in);
    check(!signed_by(*c, Bytes(32, 7)) || c->signatures[0].signature.size() == 64);
  }
  const auto pieces = split_notes(in);
  std::size_t at = 0;
  for (const std::string_view piece : pieces) {
    check(!piece.empty());
    const auto begin = static_cast<std::size_t>(piece.data() - in.data());
    check(begin >= at);
    check(in.substr(at, begin - at).find_first_not_of('\n') == std::string_view::npos);
    at = begin + piece.size();
  }
  check(in.substr(at).find_first_not_of('\n') == std::string_view::npos);
  return 0;
}
