#include "approval/request.hpp"

#include <algorithm>
#include <array>

#include "crypto/hash.hpp"

namespace vestibule::approval {
namespace {

constexpr unsigned kKinds = 16;  // of a KindSet

std::string seconds(Duration d) {
  return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(d).count()) + " s";
}

}  // namespace

Digest group_of(const Ask& ask) {
  crypto::Sha256 out;
  const auto part = [&](ByteView bytes) {
    const std::uint64_t size = bytes.size();
    std::array<std::uint8_t, 8> length{};
    for (std::size_t i = 0; i < length.size(); ++i) length[i] = static_cast<std::uint8_t>(size >> (8 * i));
    out.update(length).update(bytes);
  };
  part(ask.user.bytes);
  part(ask.credential);
  part(as_bytes(ask.source_key));
  part(as_bytes(ask.access_point));
  part(as_bytes(ask.operation));
  const std::string need = std::to_string(ask.need.level) + " " + std::to_string(ask.need.max_age.count()) + " " +
                           std::to_string(kinds_number(ask.need.kinds));
  part(as_bytes(need));
  return out.finish();
}

Duration lasts(const Ask& ask) noexcept { return std::min(ask.need.max_age, kLongest); }

std::int64_t kinds_number(domain::KindSet kinds) noexcept {
  std::int64_t out = 0;
  for (unsigned k = 0; k < kKinds; ++k) {
    if (kinds.has(static_cast<domain::FactorKind>(k))) out |= std::int64_t{1} << k;
  }
  return out;
}

domain::KindSet kinds_from(std::int64_t number) noexcept {
  domain::KindSet out;
  for (unsigned k = 0; k < kKinds; ++k) {
    if (((number >> k) & 1) != 0) out.add(static_cast<domain::FactorKind>(k));
  }
  return out;
}

std::string object_of(const Request& r) {
  const Ask& a = r.ask;
  return r.id.text() + ": " + a.operation + " at " + a.access_point + ", by " + a.credential_name + " from " + a.source + ", for " +
         seconds(lasts(a));
}

std::string purpose_of(const Request& request) { return std::string(kApprove) + " " + object_of(request); }

}  // namespace vestibule::approval
