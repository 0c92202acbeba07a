#include "proxy/request_state.hpp"

#include <array>

#include "base/bytes.hpp"
#include "json/canonical.hpp"

namespace vestibule::proxy {
namespace {

constexpr std::size_t kTagBytes = 16;
constexpr std::size_t kTimeBytes = 8;
constexpr std::size_t kFront = 32;  // characters

std::array<std::uint8_t, kTimeBytes> bytes_of(std::uint64_t seconds) noexcept {
  std::array<std::uint8_t, kTimeBytes> out{};
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::uint8_t>(seconds >> (8 * (kTimeBytes - 1 - i)));
  return out;
}

std::int64_t seconds_of(WallTime time) noexcept { return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count(); }

Digest tag(const crypto::HmacKey& key, std::string_view state, const StateOf& of, ByteView until) {
  // What has no one form is compared as it is.
  const std::string_view bare = of.parameters.empty() ? "{}" : of.parameters;
  const auto canonical = json::canonicalize(bare);
  const Digest parameters = crypto::sha256(as_bytes(canonical ? std::string_view(*canonical) : bare));
  // Each with its length: nothing runs into what follows it. The first byte is none of a session's names.
  std::string head = "r";
  for (const std::string_view part : {of.access_point, of.operation, of.name}) head.append(std::to_string(part.size())).append(":").append(part);
  return key.mac({as_bytes(head), ByteView(of.user.bytes), ByteView(parameters), until, as_bytes(state)});
}

}  // namespace

std::string bind_state(const crypto::HmacKey& key, std::string_view state, const StateOf& of, WallTime now) {
  const auto until = bytes_of(static_cast<std::uint64_t>(seconds_of(now + kStateLives)));
  const Digest mac = tag(key, state, of, until);
  Bytes front(mac.begin(), mac.begin() + kTagBytes);
  front.insert(front.end(), until.begin(), until.end());
  return base64url(front).append(state);
}

std::optional<std::string> server_state(const crypto::HmacKey& key, std::string_view bound, const StateOf& of, WallTime now) {
  if (bound.size() < kFront) return std::nullopt;
  const std::string_view state = bound.substr(kFront);
  const auto front = unbase64url(bound.substr(0, kFront));
  if (!front || front->size() != kTagBytes + kTimeBytes) return std::nullopt;
  const ByteView until = ByteView(*front).subspan(kTagBytes);
  const Digest mac = tag(key, state, of, until);
  if (!equal_constant_time(ByteView(mac).first(kTagBytes), ByteView(*front).first(kTagBytes))) return std::nullopt;
  std::int64_t end = 0;
  for (const std::uint8_t byte : until) end = static_cast<std::int64_t>((static_cast<std::uint64_t>(end) << 8U) | byte);
  if (seconds_of(now) >= end) return std::nullopt;
  return std::string(state);
}

}  // namespace vestibule::proxy
