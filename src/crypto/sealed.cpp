#include "crypto/sealed.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "crypto/aead.hpp"

namespace vestibule::crypto {
namespace {

using namespace std::string_view_literals;

// Labels end in a zero byte, so that none is the beginning of another one with its data.
constexpr auto kSealLabel = "vestibule-sealed/v1\0"sv;
constexpr auto kCheckLabel = "vestibule-key-check/v1\0"sv;
constexpr auto kDeriveLabel = "vestibule-derive/v1\0"sv;

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kSaltAt = 5;
constexpr std::size_t kSaltSize = 16;
constexpr std::size_t kHeadSize = kSaltAt + kSaltSize;
static_assert(kSealedOverhead == kHeadSize + kAeadTagSize);
static_assert(kSealedMaxPlaintext <= kAeadMaxSize);

void put_u32(Bytes& out, std::uint32_t v) {
  for (int shift = 24; shift >= 0; shift -= 8)
    out.push_back(static_cast<std::uint8_t>(v >> static_cast<unsigned>(shift)));
}

std::uint32_t get_u32(ByteView in) noexcept {
  return (std::uint32_t{in[0]} << 24U) | (std::uint32_t{in[1]} << 16U) |
         (std::uint32_t{in[2]} << 8U) | in[3];
}

Bytes associated(const Place& place) {
  Bytes out;
  out.reserve(kSealLabel.size() + 12 + place.table.size() + place.column.size() +
              place.row.size());
  out.insert(out.end(), kSealLabel.begin(), kSealLabel.end());
  for (const std::string_view part : {place.table, place.column, place.row}) {
    if (part.size() > 0xFFFFFFFFU) throw std::length_error("part of a place");
    put_u32(out, static_cast<std::uint32_t>(part.size()));
    out.insert(out.end(), part.begin(), part.end());
  }
  return out;
}

/// Key and nonce of one blob; `head` is the blob's head, id and salt in it.
Secret blob_key(const HmacKey& master, ByteView head) {
  Bytes info(kSealLabel.begin(), kSealLabel.end());
  const ByteView id_and_salt = head.subspan(1, kHeadSize - 1);
  info.insert(info.end(), id_and_salt.begin(), id_and_salt.end());
  return hkdf_expand(master, info, 32 + 12);
}
std::span<const std::uint8_t, 32> key_of(const Secret& s) { return s.reveal().first<32>(); }
std::span<const std::uint8_t, 12> nonce_of(const Secret& s) { return s.reveal().last<12>(); }

}  // namespace

KeyRing::KeyRing(const MasterKeys& keys, Rng& rng) : rng_(rng) {
  if (keys.empty()) throw std::invalid_argument("a key ring needs a key");
  for (const MasterKey& k : keys) {
    if (k.key.size() != 32) throw std::invalid_argument("a master key has 32 bytes");
    if (!keys_.try_emplace(k.id, k.key).second)
      throw std::invalid_argument("two master keys of one id");
  }
}

Result<void> KeyRing::adopt(const MasterKey& key) {
  const std::unique_lock lock(mutex_);
  if (key.key.size() != 32 || key.id <= keys_.rbegin()->first) {
    return fail(Reason::invalid_argument, "a new master key needs 32 bytes and an id above all others");
  }
  keys_.try_emplace(key.id, key.key);
  return {};
}

Result<void> KeyRing::retire(std::uint32_t id) {
  const std::unique_lock lock(mutex_);
  if (id == keys_.rbegin()->first) return fail(Reason::conflict, "this key seals at present: rotate first");
  if (keys_.erase(id) == 0) return fail(Reason::not_found, "master key " + std::to_string(id) + " is not here");
  return {};
}

std::uint32_t KeyRing::active_id() const noexcept {
  const std::shared_lock lock(mutex_);
  return keys_.rbegin()->first;
}

std::vector<std::uint32_t> KeyRing::ids() const {
  std::vector<std::uint32_t> out;
  const std::shared_lock lock(mutex_);
  for (const auto& [id, key] : keys_) out.push_back(id);
  return out;
}

Bytes KeyRing::seal(ByteView plaintext, const Place& place) const {
  if (plaintext.size() > kSealedMaxPlaintext) throw std::length_error("too large to seal");
  const std::uint32_t id = active_id();
  Bytes blob;
  blob.reserve(kSealedOverhead + plaintext.size());
  blob.push_back(kVersion);
  put_u32(blob, id);
  const auto salt = rng_.take<kSaltSize>();
  blob.insert(blob.end(), salt.begin(), salt.end());
  const std::optional<Secret> derived = blob_secret(id, blob);
  // Retired in this very moment: another has become the active one before.
  if (!derived) return seal(plaintext, place);
  aead_seal(key_of(*derived), nonce_of(*derived), associated(place), plaintext, blob);
  return blob;
}

Result<Secret> KeyRing::open(ByteView blob, const Place& place) const {
  if (blob.size() < kSealedOverhead) return fail(Reason::sealed_unreadable, "truncated");
  if (blob.size() - kSealedOverhead > kSealedMaxPlaintext)
    return fail(Reason::sealed_unreadable, "too large");
  if (blob[0] != kVersion)
    return fail(Reason::sealed_unreadable, "unknown version " + std::to_string(blob[0]));
  const std::uint32_t id = get_u32(blob.subspan(1));
  const std::optional<Secret> derived = blob_secret(id, blob.first(kHeadSize));
  if (!derived)
    return fail(Reason::sealed_unreadable,
                "sealed under master key " + std::to_string(id) + ", which is not here");
  auto opened = aead_open(key_of(*derived), nonce_of(*derived), associated(place),
                          blob.subspan(kHeadSize));
  if (!opened)
    return fail(Reason::sealed_unreadable,
                "altered, sealed for another place, or another key under id " +
                    std::to_string(id));
  return opened;
}

std::optional<std::uint32_t> KeyRing::sealed_by(ByteView blob) noexcept {
  if (blob.size() < kSealedOverhead || blob[0] != kVersion) return std::nullopt;
  return get_u32(blob.subspan(1));
}

bool KeyRing::is_current(ByteView blob) const noexcept { return sealed_by(blob) == active_id(); }

Result<Bytes> KeyRing::reseal(ByteView blob, const Place& place) const {
  auto opened = open(blob, place);
  if (!opened) return std::move(opened).error();
  return seal(opened->reveal(), place);
}

std::optional<Secret> KeyRing::blob_secret(std::uint32_t id, ByteView head) const {
  const std::shared_lock lock(mutex_);
  const auto found = keys_.find(id);
  if (found == keys_.end()) return std::nullopt;
  return blob_key(found->second, head);
}

Result<KeyCheck> KeyRing::key_check(std::uint32_t id) const {
  const std::shared_lock lock(mutex_);
  const auto found = keys_.find(id);
  if (found == keys_.end())
    return fail(Reason::not_found, "master key " + std::to_string(id) + " is not here");
  const Secret check = hkdf_expand(found->second, as_bytes(kCheckLabel), sizeof(KeyCheck));
  KeyCheck out;
  std::ranges::copy(check.reveal(), out.begin());
  return out;
}

Bytes KeyRing::create_root() {
  Bytes raw(32);
  rng_.fill(raw);
  const Secret root(std::move(raw));
  Bytes blob = seal(root.reveal(), kRootPlace);
  root_.clear();
  root_.emplace_back(root);
  return blob;
}

Result<void> KeyRing::open_root(ByteView blob) {
  const auto root = open(blob, kRootPlace);
  if (!root) return root.error();
  if (root->size() != 32)
    return fail(Reason::sealed_unreadable, "the root of derivation has not 32 bytes");
  root_.clear();
  root_.emplace_back(*root);
  return {};
}

Secret KeyRing::derive(std::string_view label) const {
  if (root_.empty()) throw std::logic_error("no root of derivation adopted yet");
  std::string info(kDeriveLabel);
  info += label;
  return hkdf_expand(root_.front(), as_bytes(info), 32);
}

}  // namespace vestibule::crypto
