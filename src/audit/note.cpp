#include "audit/note.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "crypto/hash.hpp"

namespace vestibule::audit {
namespace {

constexpr std::string_view kDash = "\xE2\x80\x94 ";  // em dash, space
constexpr std::uint8_t kEd25519 = 1;

// The line at the front, without its LF; nothing if there is no LF.
std::optional<std::string_view> take_line(std::string_view& text) noexcept {
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 1);
  return line;
}

std::optional<std::uint64_t> decimal(std::string_view text) noexcept {
  if (text.empty() || (text[0] == '0' && text.size() > 1)) return std::nullopt;
  if (!std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; }))
    return std::nullopt;
  std::uint64_t n = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (ec != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return n;
}

bool has_white_space(std::string_view text) noexcept {
  // Unicode's White_Space beyond ASCII, in UTF-8 (the signed-note rule for key names).
  static constexpr std::string_view kSpaces[] = {
      "\xC2\x85",     "\xC2\xA0",     "\xE1\x9A\x80", "\xE2\x80\x80", "\xE2\x80\x81",
      "\xE2\x80\x82", "\xE2\x80\x83", "\xE2\x80\x84", "\xE2\x80\x85", "\xE2\x80\x86",
      "\xE2\x80\x87", "\xE2\x80\x88", "\xE2\x80\x89", "\xE2\x80\x8A", "\xE2\x80\xA8",
      "\xE2\x80\xA9", "\xE2\x80\xAF", "\xE2\x81\x9F", "\xE3\x80\x80"};
  return std::any_of(std::begin(kSpaces), std::end(kSpaces),
                     [&](std::string_view s) { return text.find(s) != std::string_view::npos; });
}

std::optional<NoteSignature> parse_signature(std::string_view line) {
  if (!line.starts_with(kDash)) return std::nullopt;
  line.remove_prefix(kDash.size());
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  NoteSignature s;
  s.name = line.substr(0, space);
  if (!valid_origin(s.name)) return std::nullopt;
  const auto raw = unbase64(line.substr(space + 1));
  if (!raw || raw->size() < 5) return std::nullopt;
  std::copy_n(raw->begin(), 4, s.key_hash.begin());
  s.signature.assign(raw->begin() + 4, raw->end());
  return s;
}

}  // namespace

bool valid_origin(std::string_view origin) noexcept {
  return !origin.empty() && origin.size() <= 128 && is_utf8(origin) && !has_white_space(origin) &&
         std::all_of(origin.begin(), origin.end(), [](char c) {
           const auto u = static_cast<unsigned char>(c);
           return u > 0x20 && u != 0x7F && c != '+';
         });
}

std::array<std::uint8_t, 4> key_hash(std::string_view name, ByteView public_key) {
  static constexpr std::uint8_t kMiddle[] = {'\n', kEd25519};
  const Digest d = crypto::sha256({as_bytes(name), kMiddle, public_key});
  return {d[0], d[1], d[2], d[3]};
}

std::string vkey(std::string_view name, ByteView public_key) {
  Bytes key{kEd25519};
  key.insert(key.end(), public_key.begin(), public_key.end());
  std::string out(name);
  out.append("+").append(hex(key_hash(name, public_key))).append("+").append(base64(key));
  return out;
}

std::string sign_checkpoint(std::string_view origin, std::uint64_t size, const Digest& root,
                            const crypto::SigningKey& key) {
  std::string out(origin);
  out.append("\n").append(std::to_string(size)).append("\n").append(base64(root)).append("\n");
  const crypto::Signature signature = key.sign(as_bytes(out));
  const auto hash = key_hash(origin, key.public_key());
  Bytes blob(hash.begin(), hash.end());
  blob.insert(blob.end(), signature.begin(), signature.end());
  out.append("\n").append(kDash).append(origin).append(" ").append(base64(blob)).append("\n");
  return out;
}

std::optional<Checkpoint> parse_checkpoint(std::string_view note) {
  if (note.size() > kMaxNoteText || !note.ends_with('\n') || !is_utf8(note)) return std::nullopt;
  if (std::any_of(note.begin(), note.end(),
                  [](char c) { return (c >= 0 && c < 0x20 && c != '\n') || c == 0x7F; }))
    return std::nullopt;
  // The signatures follow the last empty line.
  const std::size_t gap = note.rfind("\n\n");
  if (gap == std::string_view::npos) return std::nullopt;
  Checkpoint c;
  c.body = note.substr(0, gap + 1);
  std::string_view text = c.body;
  const auto origin = take_line(text);
  const auto size_line = take_line(text);
  const auto root_line = take_line(text);
  if (!origin || !valid_origin(*origin) || !size_line || !root_line) return std::nullopt;
  c.origin = *origin;
  const auto size = decimal(*size_line);
  const auto root = unbase64(*root_line);
  if (!size || !root || root->size() != c.root.size()) return std::nullopt;
  c.size = *size;
  std::copy(root->begin(), root->end(), c.root.begin());
  while (const auto extension = take_line(text)) {
    if (extension->empty()) return std::nullopt;
  }
  std::string_view rest = note.substr(gap + 2);
  while (const auto line = take_line(rest)) {
    auto s = parse_signature(*line);
    if (!s || c.signatures.size() == kMaxSignatures) return std::nullopt;
    c.signatures.push_back(std::move(*s));
  }
  if (c.signatures.empty()) return std::nullopt;
  return c;
}

bool signed_by(const Checkpoint& c, ByteView public_key) {
  const auto hash = key_hash(c.origin, public_key);
  return std::any_of(c.signatures.begin(), c.signatures.end(), [&](const NoteSignature& s) {
    return s.name == c.origin && s.key_hash == hash &&
           crypto::verify_signature(public_key, as_bytes(c.body), s.signature);
  });
}

Result<Checkpoint> open_checkpoint(std::string_view note, ByteView public_key) {
  auto c = parse_checkpoint(note);
  if (!c) return fail(Reason::log_corrupt, "not a checkpoint in the C2SP format");
  if (!signed_by(*c, public_key))
    return fail(Reason::log_corrupt, "checkpoint of size " + std::to_string(c->size) +
                                         " is not signed by this log's key");
  return std::move(*c);
}

std::vector<std::string_view> split_notes(std::string_view text) {
  std::vector<std::string_view> out;
  std::size_t begin = 0;
  bool signatures = false;  // in the lines of signatures
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t lf = text.find('\n', at);
    const std::size_t next = lf == std::string_view::npos ? text.size() : lf + 1;
    const std::string_view line = text.substr(at, next - at);
    if (line.starts_with(kDash)) {
      signatures = true;
    } else {
      if (signatures) {
        out.push_back(text.substr(begin, at - begin));
        begin = at;
        signatures = false;
      }
      if (begin == at && line == "\n") begin = next;  // between notes
    }
    at = next;
  }
  if (begin < text.size()) out.push_back(text.substr(begin));
  return out;
}

}  // namespace vestibule::audit
