#include "proxy/request_state.hpp"

#include <array>

#include "base/bytes.hpp"

namespace vestibule::proxy {
namespace {

constexpr std::size_t kTagBytes = 16;
constexpr std::size_t kTag = 22;

Digest tag(const crypto::HmacKey& key, std::string_view state, const StateOf& of) {
  // Each with its length: nothing runs into what follows it. The first byte is none of a session's names.
  std::string head = "r";
  for (const std::string_view part : {of.access_point, of.operation, of.name}) head.append(std::to_string(part.size())).append(":").append(part);
  return key.mac({as_bytes(head), ByteView(of.user.bytes), as_bytes(state)});
}

}  // namespace

std::string bind_state(const crypto::HmacKey& key, std::string_view state, const StateOf& of) {
  const Digest mac = tag(key, state, of);
  return base64url(ByteView(mac).first(kTagBytes)).append(state);
}

std::optional<std::string> server_state(const crypto::HmacKey& key, std::string_view bound, const StateOf& of) {
  if (bound.size() < kTag) return std::nullopt;
  const std::string_view state = bound.substr(kTag);
  const auto given = unbase64url(bound.substr(0, kTag));
  const Digest mac = tag(key, state, of);
  if (!given || !equal_constant_time(ByteView(mac).first(kTagBytes), *given)) return std::nullopt;
  return std::string(state);
}

}  // namespace vestibule::proxy
