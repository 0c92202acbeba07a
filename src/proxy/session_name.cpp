#include "proxy/session_name.hpp"

#include <algorithm>

#include "base/bytes.hpp"

namespace vestibule::proxy {
namespace {

// KIND TAG ID: one character, 22 of base64url, the server's own.
constexpr std::size_t kNameTagBytes = 16;
constexpr std::size_t kTag = 22;
constexpr std::size_t kMost = 1'024;

bool visible(std::string_view id) noexcept {
  return !id.empty() && id.size() <= kMost && std::ranges::all_of(id, [](char c) { return c >= 0x21 && c <= 0x7e; });
}

Digest tag(const crypto::HmacKey& key, char kind, std::string_view id, UserId user, std::string_view access_point) {
  const std::string size = std::to_string(access_point.size());  // nothing runs into what follows it
  return key.mac({as_bytes(std::string_view(&kind, 1)), ByteView(user.bytes), as_bytes(size), as_bytes(":"), as_bytes(access_point), as_bytes(id)});
}

}  // namespace

std::string session_name(const crypto::HmacKey& key, std::string_view id, UserId user, std::string_view access_point, bool opens_urls) {
  if (!visible(id)) return {};
  const char kind = opens_urls ? 'u' : 's';
  const Digest mac = tag(key, kind, id, user, access_point);
  return std::string(1, kind).append(base64url(ByteView(mac).first(kNameTagBytes))).append(id);
}

std::optional<ServerSession> server_session(const crypto::HmacKey& key, std::string_view name, UserId user, std::string_view access_point) {
  if (name.size() <= 1 + kTag || (name[0] != 'u' && name[0] != 's')) return std::nullopt;
  const std::string_view id = name.substr(1 + kTag);
  if (!visible(id)) return std::nullopt;
  const auto given = unbase64url(name.substr(1, kTag));
  const Digest mac = tag(key, name[0], id, user, access_point);
  if (!given || !equal_constant_time(ByteView(mac).first(kNameTagBytes), *given)) return std::nullopt;
  return ServerSession{id, name[0] == 'u'};
}

}  // namespace vestibule::proxy
