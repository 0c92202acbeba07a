#pragma once
// What is to be denied: a session with what it has allowed to clients, everything of a user, one handle, a
// session alone.

#include <optional>

#include "base/packed.hpp"
#include "session/session.hpp"

namespace vestibule::session {

/// What is to be denied.
struct Revocation {
  enum class Scope : std::uint8_t {
    session,
    user,
    handle,
    alone,  ///< signing out: the session, and not the token families that it has opened
  } scope{};
  SessionId session{};
  UserId user{};
  HandleKey handle{};
  static Revocation of(SessionId id) { return {Scope::session, id, {}, {}}; }
  static Revocation all_of(UserId id) { return {Scope::user, {}, id, {}}; }
  static Revocation alone(SessionId id) { return {Scope::alone, id, {}, {}}; }
  static Revocation of_handle(HandleKey key) { return {Scope::handle, {}, {}, key}; }
  bool operator==(const Revocation&) const = default;
};
/// For what must outlive the process. Nothing for what pack() does not write.
void pack(Packer& out, const Revocation& what);
[[nodiscard]] std::optional<Revocation> unpack_revocation(Unpacker& in);

}  // namespace vestibule::session
