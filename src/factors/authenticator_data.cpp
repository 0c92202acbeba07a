#include "factors/authenticator_data.hpp"

#include <algorithm>

#include "factors/cbor.hpp"

namespace vestibule::factors {
namespace {

using Type = CborReader::Type;

constexpr std::size_t kFixedSize = 32 + 1 + 4;
constexpr std::size_t kMaxCertificates = 8;
constexpr std::uint8_t kUserPresent = 0x01;
constexpr std::uint8_t kUserVerified = 0x04;
constexpr std::uint8_t kBackupEligible = 0x08;
constexpr std::uint8_t kBackedUp = 0x10;
constexpr std::uint8_t kAttested = 0x40;
constexpr std::uint8_t kExtensions = 0x80;

std::uint32_t big_endian(ByteView bytes) noexcept {
  std::uint32_t v = 0;
  for (const std::uint8_t b : bytes) v = v << 8U | b;
  return v;
}

// The `alg` (label 3) of a COSE_Key (RFC 9052 section 7.1).
std::optional<std::int64_t> algorithm_of(ByteView key) noexcept {
  CborReader reader(key);
  const auto map = reader.expect(Type::map);
  if (!map) return std::nullopt;
  for (std::uint64_t i = 0; i < map->value; ++i) {
    const auto label = reader.next();
    if (!label) return std::nullopt;
    if (label->integer() == 3) {
      const auto alg = reader.next();
      return alg ? alg->integer() : std::nullopt;
    }
    if (!reader.whole()) return std::nullopt;
  }
  return std::nullopt;
}

// Outputs are a map of text to anything; those that nobody asked for are passed over.
std::optional<ExtensionOutputs> extensions_from(ByteView whole) noexcept {
  CborReader reader(whole);
  const auto map = reader.expect(Type::map);
  if (!map) return std::nullopt;
  ExtensionOutputs out;
  for (std::uint64_t i = 0; i < map->value; ++i) {
    const auto name = reader.expect(Type::text);
    if (!name) return std::nullopt;
    const auto value = reader.whole();
    if (!value) return std::nullopt;
    CborReader inner(*value);
    const auto item = inner.next();
    if (!item) return std::nullopt;
    const bool small = item->type == Type::unsigned_integer && item->value > 0 && item->value < 256;
    if (name->text() == "hmac-secret") out.hmac_secret = item->type == Type::boolean && item->value == 1;
    if (name->text() == "credBlob") out.cred_blob = item->type == Type::boolean && item->value == 1;
    if (name->text() == "credProtect" && small) out.cred_protect = static_cast<std::uint8_t>(item->value);
    if (name->text() == "minPinLength" && small) out.min_pin_length = static_cast<std::uint8_t>(item->value);
  }
  return out;
}

std::optional<AttestationObject::Statement> statement_from(ByteView whole) {
  CborReader reader(whole);
  const auto map = reader.expect(Type::map);
  if (!map) return std::nullopt;
  AttestationObject::Statement out;
  out.empty = map->value == 0;
  for (std::uint64_t i = 0; i < map->value; ++i) {
    const auto name = reader.expect(Type::text);
    if (!name) return std::nullopt;
    const std::string_view key = name->text();
    if (key == "alg") {
      const auto item = reader.next();
      if (!item || !item->integer()) return std::nullopt;
      out.algorithm = item->integer();
    } else if (key == "sig" || key == "certInfo" || key == "pubArea") {
      const auto item = reader.expect(Type::bytes);
      if (!item) return std::nullopt;
      (key == "sig" ? out.signature : key == "certInfo" ? out.cert_info : out.pub_area) = item->content;
    } else if (key == "ver") {
      const auto item = reader.expect(Type::text);
      if (!item) return std::nullopt;
      out.version = item->text();
    } else if (key == "x5c") {
      const auto list = reader.expect(Type::array);
      if (!list || list->value == 0 || list->value > kMaxCertificates) return std::nullopt;
      for (std::uint64_t n = 0; n < list->value; ++n) {
        const auto item = reader.expect(Type::bytes);
        if (!item || item->content.empty()) return std::nullopt;
        out.certificates.push_back(item->content);
      }
    } else {
      out.unknown = true;
      if (!reader.whole()) return std::nullopt;
    }
  }
  return out;
}

}  // namespace

std::optional<Aaguid> parse_aaguid(std::string_view text) {
  constexpr std::string_view kShape = "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh";
  if (text.size() != kShape.size()) return std::nullopt;
  std::string digits;
  for (std::size_t i = 0; i < kShape.size(); ++i) {
    if ((kShape[i] == '-') != (text[i] == '-')) return std::nullopt;
    if (text[i] == '-') continue;
    digits.push_back(text[i] >= 'A' && text[i] <= 'F' ? static_cast<char>(text[i] + 32) : text[i]);
  }
  const auto raw = unhex(digits);
  if (!raw || raw->size() != 16) return std::nullopt;
  Aaguid out;
  std::ranges::copy(*raw, out.begin());
  return out;
}

std::string text(const Aaguid& aaguid) {
  std::string out = hex(aaguid);
  for (const std::size_t at : {std::size_t{20}, std::size_t{16}, std::size_t{12}, std::size_t{8}}) out.insert(at, 1, '-');
  return out;
}

std::optional<AuthenticatorData> parse_authenticator_data(ByteView raw) noexcept {
  if (raw.size() < kFixedSize) return std::nullopt;
  AuthenticatorData out;
  out.raw = raw;
  out.rp_id_hash = raw.first(32);
  const std::uint8_t flags = raw[32];
  out.user_present = (flags & kUserPresent) != 0;
  out.user_verified = (flags & kUserVerified) != 0;
  out.backup_eligible = (flags & kBackupEligible) != 0;
  out.backed_up = (flags & kBackedUp) != 0;
  out.sign_count = big_endian(raw.subspan(33, 4));
  ByteView rest = raw.subspan(kFixedSize);
  if ((flags & kAttested) != 0) {
    if (rest.size() < 18) return std::nullopt;
    AuthenticatorData::Attested a;
    std::ranges::copy(rest.first(16), a.aaguid.begin());
    const std::size_t size = big_endian(rest.subspan(16, 2));
    rest = rest.subspan(18);
    if (size == 0 || rest.size() < size) return std::nullopt;
    a.credential_id = rest.first(size);
    CborReader reader(rest.subspan(size));
    const auto key = reader.whole();
    if (!key) return std::nullopt;
    const auto algorithm = algorithm_of(*key);
    if (!algorithm) return std::nullopt;
    a.public_key = *key;
    a.algorithm = *algorithm;
    rest = reader.rest();
    out.attested = a;
  }
  if ((flags & kExtensions) != 0) {
    CborReader reader(rest);
    const auto map = reader.whole();
    if (!map) return std::nullopt;
    const auto outputs = extensions_from(*map);
    if (!outputs) return std::nullopt;
    out.extensions = *outputs;
    rest = reader.rest();
  }
  if (!rest.empty()) return std::nullopt;
  return out;
}

std::optional<AttestationObject> parse_attestation_object(ByteView raw) {
  CborReader check(raw);
  if (!check.whole() || !check.at_end()) return std::nullopt;
  CborReader reader(raw);
  const auto map = reader.expect(Type::map);
  if (!map || map->value != 3) return std::nullopt;
  AttestationObject out;
  bool has_format = false;
  bool has_data = false;
  bool has_statement = false;
  for (int i = 0; i < 3; ++i) {
    const auto name = reader.expect(Type::text);
    if (!name) return std::nullopt;
    if (name->text() == "fmt") {
      const auto item = reader.expect(Type::text);
      if (!item) return std::nullopt;
      out.format = item->text();
      has_format = true;
    } else if (name->text() == "authData") {
      const auto item = reader.expect(Type::bytes);
      if (!item) return std::nullopt;
      auto data = parse_authenticator_data(item->content);
      if (!data || !data->attested) return std::nullopt;
      out.data = *data;
      has_data = true;
    } else if (name->text() == "attStmt") {
      const auto whole = reader.whole();
      if (!whole) return std::nullopt;
      auto statement = statement_from(*whole);
      if (!statement) return std::nullopt;
      out.statement = std::move(*statement);
      has_statement = true;
    }
  }
  if (!has_format || !has_data || !has_statement) return std::nullopt;
  return out;
}

}  // namespace vestibule::factors
