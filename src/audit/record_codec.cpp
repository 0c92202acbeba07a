#include "audit/record_codec.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "crypto/hash.hpp"

namespace vestibule::audit {
namespace {

enum LeafTag : std::uint8_t {
  kKind = 1,
  kAt,
  kRequest,
  kAccessPoint,
  kOperation,
  kModel,
  kOutcome,
  kReason,
  kRule,
  kPolicy,
  kLevel,
  kEvidence,
  kBodyBytes,
  kReplyBytes,
  kBodyDigest,
  kStatus,
  kInputTokens,
  kOutputTokens,
  kCount,
  kWaited,
  kTotal,
  kCommitment,
};
static_assert(kCommitment == 22);
enum PrivateTag : std::uint8_t { kUser = 1, kUserName, kSession, kSource, kClient, kObject, kNote };
static_assert(kNote == 7);

// Limits, part of the format.
constexpr std::size_t kMaxAccessPoint = 96;
constexpr std::size_t kMaxOperation = 192;
constexpr std::size_t kMaxModel = 256;
constexpr std::size_t kMaxRule = 96;
constexpr std::size_t kMaxCode = 32;
constexpr std::size_t kMaxUserName = 96;
constexpr std::size_t kMaxClient = 128;
constexpr std::size_t kMaxObject = 256;
constexpr std::size_t kMaxNote = 512;
constexpr std::size_t kHead = 9;  // version, seq
constexpr std::uint64_t kMax63 = ~std::uint64_t{0} >> 1U;

constexpr std::size_t kMaxFactor = 1 + kMaxCode + 10;
constexpr std::size_t kMaxEvidence = domain::Evidence::capacity * kMaxFactor;
// 22 fields of the leaf and 7 private ones, with at most 3 bytes of tag and length each.
static_assert(2 + kSaltSize + 1 + kMaxUserName + 16 + 16 + 16 + kMaxClient + kMaxObject + kMaxNote +
                  kHead + 3 * 29 + 9 * 8 + 16 + kMaxAccessPoint + kMaxOperation + kMaxModel +
                  2 * kMaxCode + kMaxRule + 3 * 32 + kMaxEvidence <
              kMaxEntry);

// --- writing

// Appends to a buffer that is large enough (the assertion above).
class Out {
 public:
  explicit Out(std::uint8_t* at) noexcept : p_(at) {}
  [[nodiscard]] std::uint8_t* at() const noexcept { return p_; }
  void byte(std::uint8_t b) noexcept { *p_++ = b; }
  void bytes(const void* data, std::size_t size) noexcept {
    // Ids and digests by moves of their size, all else by a call.
    if (size == 16) {
      std::memcpy(p_, data, 16);
    } else if (size == 32) {
      std::memcpy(p_, data, 32);
    } else if (size > 0) {
      std::memcpy(p_, data, size);
    }
    p_ += size;
  }
  void varint(std::uint64_t v) noexcept {
    for (; v >= 0x80; v >>= 7U) byte(static_cast<std::uint8_t>(v | 0x80U));
    byte(static_cast<std::uint8_t>(v));
  }
  void field(std::uint8_t tag, const void* data, std::size_t size) noexcept {
    if (size == 0) return;
    byte(tag);
    varint(size);
    bytes(data, size);
  }
  void field(std::uint8_t tag, std::string_view text) noexcept {
    field(tag, text.data(), text.size());
  }
  void field(std::uint8_t tag, ByteView value) noexcept { field(tag, value.data(), value.size()); }
  void number(std::uint8_t tag, std::uint64_t v) noexcept {
    if (v == 0) return;
    const unsigned size = (static_cast<unsigned>(std::bit_width(v)) + 7) / 8;
    byte(tag);
    byte(static_cast<std::uint8_t>(size));
    std::uint64_t big = v << (64 - 8 * size);
    if constexpr (std::endian::native == std::endian::little) big = __builtin_bswap64(big);
    std::memcpy(p_, &big, sizeof big);  // what is beyond its size is written over
    p_ += size;
  }

 private:
  std::uint8_t* p_;
};

void write_fields(const LeafView& l, Out& out) noexcept {
  out.number(kKind, static_cast<std::uint64_t>(l.kind));
  out.number(kAt, l.at);
  out.field(kRequest, l.request);
  out.field(kAccessPoint, l.access_point);
  out.field(kOperation, l.operation);
  out.field(kModel, l.model);
  out.field(kOutcome, l.outcome);
  out.field(kReason, l.reason);
  out.field(kRule, l.rule);
  out.field(kPolicy, l.policy);
  out.number(kLevel, l.level);
  std::array<std::uint8_t, kMaxEvidence> evidence;
  Out e(evidence.data());
  for (std::size_t i = 0; i < l.factors; ++i) {
    e.byte(static_cast<std::uint8_t>(l.evidence[i].code.size()));
    e.bytes(l.evidence[i].code.data(), l.evidence[i].code.size());
    e.varint(l.evidence[i].age_s);
  }
  out.field(kEvidence, evidence.data(), static_cast<std::size_t>(e.at() - evidence.data()));
  out.number(kBodyBytes, l.body_bytes);
  out.number(kReplyBytes, l.reply_bytes);
  out.field(kBodyDigest, l.body_digest);
  out.number(kStatus, l.status);
  out.number(kInputTokens, l.input_tokens);
  out.number(kOutputTokens, l.output_tokens);
  out.number(kCount, l.count);
  out.number(kWaited, l.waited_us);
  out.number(kTotal, l.total_us);
  out.field(kCommitment, l.commitment);
}

void write_private(const PrivateView& p, Out& out) noexcept {
  out.byte(kRecordVersion);
  out.field(kUser, p.user);
  out.field(kUserName, p.user_name);
  out.field(kSession, p.session);
  out.field(kSource, p.source);
  out.field(kClient, p.client);
  out.field(kObject, p.object);
  out.field(kNote, p.note);
}

// At most `limit` bytes, not ending inside a UTF-8 sequence that the cut would break.
std::string_view cut(std::string_view text, std::size_t limit) noexcept {
  if (text.size() <= limit) return text;
  std::size_t end = limit;
  // A sequence has at most three continuation bytes; what goes on longer is no UTF-8: cut anywhere.
  for (int back = 0; back < 3 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80; ++back)
    --end;
  if ((static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80) end = limit;
  return text.substr(0, end);
}

template <class D>
std::uint64_t microseconds(D d) noexcept {
  const auto n = std::chrono::duration_cast<std::chrono::microseconds>(d).count();
  return n > 0 ? static_cast<std::uint64_t>(n) : 0;
}

template <class T>
ByteView unless_nil(const T& id) noexcept {
  return id.is_nil() ? ByteView{} : ByteView(id.bytes);
}

bool is_zero(ByteView bytes) noexcept {
  std::uint64_t seen = 0;
  std::size_t i = 0;
  for (; i + sizeof seen <= bytes.size(); i += sizeof seen) {
    std::uint64_t eight = 0;
    std::memcpy(&eight, bytes.data() + i, sizeof eight);
    seen |= eight;
  }
  for (; i < bytes.size(); ++i) seen |= bytes[i];
  return seen == 0;
}

constexpr std::uint8_t kUnixSocket = 1;

PrivateView private_of(const Record& r) noexcept {
  PrivateView p;
  p.user = unless_nil(r.user);
  p.user_name = cut(r.user_name, kMaxUserName);
  p.session = unless_nil(r.session);
  if (r.source.local) {
    p.source = ByteView(&kUnixSocket, 1);
  } else if (!is_zero(r.source.address)) {
    p.source = r.source.address;
  }
  p.client = cut(r.client, kMaxClient);
  p.object = cut(r.object, kMaxObject);
  p.note = cut(r.note, kMaxNote);
  return p;
}

bool has_field(const PrivateView& p) noexcept {
  return !(p.user.empty() && p.user_name.empty() && p.session.empty() && p.source.empty() &&
           p.client.empty() && p.object.empty() && p.note.empty());
}

// --- reading

class In {
 public:
  explicit In(ByteView bytes) noexcept : p_(bytes.data()), end_(bytes.data() + bytes.size()) {}
  [[nodiscard]] bool empty() const noexcept { return p_ == end_; }
  bool byte(std::uint8_t& b) noexcept {
    if (p_ == end_) return false;
    b = *p_++;
    return true;
  }
  // Shortest form, at most 63 bits.
  bool varint(std::uint64_t& v) noexcept {
    v = 0;
    for (unsigned shift = 0; shift < 63; shift += 7) {
      std::uint8_t b = 0;
      if (!byte(b)) return false;
      v |= std::uint64_t{b & 0x7FU} << shift;
      if (b < 0x80) return b != 0 || shift == 0;
    }
    return false;
  }
  bool take(std::size_t size, ByteView& out) noexcept {
    if (size > static_cast<std::size_t>(end_ - p_)) return false;
    out = {p_, size};
    p_ += size;
    return true;
  }
  bool field(std::uint8_t& tag, ByteView& value) noexcept {
    std::uint64_t size = 0;
    return byte(tag) && varint(size) && size != 0 && size <= kMaxEntry && take(size, value);
  }

 private:
  const std::uint8_t* p_;
  const std::uint8_t* end_;
};

bool number(ByteView v, std::uint64_t limit, std::uint64_t& out) noexcept {
  if (v.size() > 8 || v[0] == 0) return false;
  std::uint64_t n = 0;
  for (const std::uint8_t b : v) n = (n << 8U) | b;
  out = n;
  return n <= limit;
}
template <class T>
bool number(ByteView v, T& out) noexcept {
  std::uint64_t n = 0;
  if (!number(v, std::numeric_limits<T>::max(), n)) return false;
  out = static_cast<T>(n);
  return true;
}

bool text(ByteView v, std::size_t limit, std::string_view& out) noexcept {
  out = as_text(v);
  return v.size() <= limit;
}

bool is_code(ByteView v) noexcept {
  return !v.empty() && v.size() <= kMaxCode && std::all_of(v.begin(), v.end(), [](std::uint8_t c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}
bool code(ByteView v, std::string_view& out) noexcept {
  out = as_text(v);
  return is_code(v);
}

// All zero is spelt by absence.
bool fixed(ByteView v, std::size_t size, ByteView& out) noexcept {
  out = v;
  return v.size() == size && !is_zero(v);
}
// A MAC of all zeros is possible, if not likely.
bool mac(ByteView v, ByteView& out) noexcept {
  out = v;
  return v.size() == 32;
}

bool evidence(ByteView v, LeafView& l) noexcept {
  In in(v);
  while (!in.empty()) {
    if (l.factors == l.evidence.size()) return false;
    LeafView::Factor& f = l.evidence[l.factors++];
    std::uint8_t size = 0;
    ByteView name;
    if (!in.byte(size) || !in.take(size, name) || !code(name, f.code) || !in.varint(f.age_s))
      return false;
  }
  return true;
}

bool leaf_field(std::uint8_t tag, ByteView v, LeafView& l) noexcept {
  switch (tag) {
    case kKind: {
      std::uint64_t n = 0;
      if (!number(v, 7, n)) return false;
      l.kind = static_cast<Kind>(n);
      return true;
    }
    case kAt:
      return number(v, kMax63, l.at);
    case kRequest:
      return fixed(v, 16, l.request);
    case kAccessPoint:
      return text(v, kMaxAccessPoint, l.access_point);
    case kOperation:
      return text(v, kMaxOperation, l.operation);
    case kModel:
      return text(v, kMaxModel, l.model);
    case kOutcome:
      return code(v, l.outcome);
    case kReason:
      return code(v, l.reason);
    case kRule:
      return text(v, kMaxRule, l.rule);
    case kPolicy:
      return fixed(v, 32, l.policy);
    case kLevel:
      return number(v, l.level);
    case kEvidence:
      return evidence(v, l);
    case kBodyBytes:
      return number(v, l.body_bytes);
    case kReplyBytes:
      return number(v, l.reply_bytes);
    case kBodyDigest:
      return mac(v, l.body_digest);
    case kStatus:
      return number(v, l.status);
    case kInputTokens:
      return number(v, l.input_tokens);
    case kOutputTokens:
      return number(v, l.output_tokens);
    case kCount:
      return number(v, l.count);
    case kWaited:
      return number(v, kMax63, l.waited_us);
    case kTotal:
      return number(v, kMax63, l.total_us);
    case kCommitment:
      return mac(v, l.commitment);
  }
  return false;
}

bool private_field(std::uint8_t tag, ByteView v, PrivateView& p) noexcept {
  switch (tag) {
    case kUser:
      return fixed(v, 16, p.user);
    case kUserName:
      return text(v, kMaxUserName, p.user_name);
    case kSession:
      return fixed(v, 16, p.session);
    case kSource:
      p.source = v;
      return (v.size() == 16 && !is_zero(v)) || (v.size() == 1 && v[0] == kUnixSocket);
    case kClient:
      return text(v, kMaxClient, p.client);
    case kObject:
      return text(v, kMaxObject, p.object);
    case kNote:
      return text(v, kMaxNote, p.note);
  }
  return false;
}

}  // namespace

std::string_view name(Kind kind) noexcept {
  switch (kind) {
    case Kind::admission:
      return "admission";
    case Kind::refusal:
      return "refusal";
    case Kind::completion:
      return "completion";
    case Kind::refusals:
      return "refusals";
    case Kind::sign_in:
      return "sign_in";
    case Kind::change:
      return "change";
    case Kind::system:
      return "system";
  }
  return "unknown";
}

Digest commit_private(ByteView salt, ByteView bytes) noexcept {
  return crypto::HmacKey(salt).mac(bytes);
}

Digest commit_body(ByteView salt, const Digest& body) noexcept {
  return crypto::HmacKey(salt).mac({as_bytes("body"), body});
}

std::size_t encode(const Record& r, const Salt& salt,
                   std::span<std::uint8_t, kMaxEntry> out) noexcept {
  LeafView l;
  l.kind = r.kind;
  l.at = microseconds(r.at.time_since_epoch());
  l.request = unless_nil(r.request);
  l.access_point = cut(r.access_point, kMaxAccessPoint);
  l.operation = cut(r.operation, kMaxOperation);
  l.model = cut(r.model, kMaxModel);
  l.outcome = domain::name(r.outcome);
  l.reason = info(r.reason).code;
  l.rule = cut(r.rule, kMaxRule);
  if (!is_zero(r.policy)) l.policy = r.policy;
  l.level = static_cast<std::uint8_t>(std::clamp(r.level, 0, 255));
  for (const domain::Proof& proof : r.evidence) {
    LeafView::Factor& f = l.evidence[l.factors++];
    f.code = domain::name(proof.kind);
    f.age_s = microseconds(domain::age(proof, r.now)) / 1'000'000;
  }
  l.body_bytes = r.body_bytes;
  l.reply_bytes = r.reply_bytes;
  l.status = r.status;
  l.input_tokens = r.input_tokens;
  l.output_tokens = r.output_tokens;
  l.count = r.count;
  l.waited_us = microseconds(r.waited);
  l.total_us = microseconds(r.total);

  const PrivateView p = private_of(r);
  const bool with_body = !is_zero(r.body_digest);
  Out to(out.data() + 2);
  Digest commitment;
  Digest body;
  if (has_field(p) || with_body) {
    to.bytes(salt.data(), salt.size());
    const std::uint8_t* const begin = to.at();
    write_private(p, to);
    const crypto::HmacKey key(salt);
    commitment = key.mac(ByteView(begin, to.at()));
    l.commitment = commitment;
    if (with_body) {
      body = key.mac({as_bytes("body"), r.body_digest});
      l.body_digest = body;
    }
  }
  const auto salted = static_cast<std::size_t>(to.at() - out.data()) - 2;
  out[0] = static_cast<std::uint8_t>(salted >> 8U);
  out[1] = static_cast<std::uint8_t>(salted);
  to.byte(kRecordVersion);
  write_fields(l, to);
  return static_cast<std::size_t>(to.at() - out.data());
}

std::optional<JournalEntry> split_entry(ByteView entry) noexcept {
  if (entry.size() < 2) return std::nullopt;
  const std::size_t salted = std::size_t{entry[0]} << 8U | entry[1];
  if (entry.size() - 2 < salted || (salted != 0 && salted <= kSaltSize)) return std::nullopt;
  const JournalEntry e{entry.subspan(2, salted), entry.subspan(2 + salted)};
  if (e.leaf.size() < 4 || e.leaf[0] != kRecordVersion || e.leaf[1] != kKind) return std::nullopt;
  return e;
}

std::uint8_t peek_kind(ByteView leaf) noexcept {
  return leaf.size() >= kHead + 3 && leaf[kHead] == kKind && leaf[kHead + 1] == 1 ? leaf[kHead + 2]
                                                                                  : 0;
}

std::optional<LeafView> decode_leaf(ByteView leaf) noexcept {
  if (leaf.size() < kHead || leaf.size() > kMaxEntry || leaf[0] != kRecordVersion)
    return std::nullopt;
  std::optional<LeafView> out(std::in_place);
  LeafView& l = *out;
  for (std::size_t i = 1; i < kHead; ++i) l.seq = (l.seq << 8U) | leaf[i];
  In in(leaf.subspan(kHead));
  std::uint8_t last = 0;
  while (!in.empty()) {
    std::uint8_t tag = 0;
    ByteView value;
    if (!in.field(tag, value) || tag <= last || !leaf_field(tag, value, l)) return std::nullopt;
    last = tag;
  }
  if (l.kind == Kind{} || l.outcome.empty() || l.reason.empty()) return std::nullopt;
  if (!l.body_digest.empty() && l.commitment.empty()) return std::nullopt;
  return out;
}

std::optional<PrivateView> decode_private(ByteView bytes) noexcept {
  if (bytes.empty() || bytes.size() > kMaxEntry || bytes[0] != kRecordVersion) return std::nullopt;
  std::optional<PrivateView> out(std::in_place);
  In in(bytes.subspan(1));
  std::uint8_t last = 0;
  while (!in.empty()) {
    std::uint8_t tag = 0;
    ByteView value;
    if (!in.field(tag, value) || tag <= last || !private_field(tag, value, *out))
      return std::nullopt;
    last = tag;
  }
  return out;
}

void encode_leaf(const LeafView& leaf, Bytes& out) {
  std::array<std::uint8_t, kMaxEntry> buffer;
  Out to(buffer.data());
  to.byte(kRecordVersion);
  for (unsigned shift = 64; shift > 0; shift -= 8)
    to.byte(static_cast<std::uint8_t>(leaf.seq >> (shift - 8)));
  write_fields(leaf, to);
  out.insert(out.end(), buffer.data(), to.at());
}

void encode_private(const PrivateView& fields, Bytes& out) {
  std::array<std::uint8_t, kMaxEntry> buffer;
  Out to(buffer.data());
  write_private(fields, to);
  out.insert(out.end(), buffer.data(), to.at());
}

}  // namespace vestibule::audit
