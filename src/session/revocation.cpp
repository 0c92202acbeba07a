#include "session/revocation.hpp"

#include "session/rows.hpp"

namespace vestibule::session {

void pack(Packer& out, const Revocation& what) {
  out.number(static_cast<std::uint64_t>(what.scope)).bytes(what.session.bytes).bytes(what.user.bytes).bytes(what.handle);
}

std::optional<Revocation> unpack_revocation(Unpacker& in) {
  const std::uint64_t scope = in.number();
  const auto session = SessionId::from(in.bytes());
  const auto user = UserId::from(in.bytes());
  const auto handle = digest_of(in.bytes());
  if (scope > static_cast<std::uint64_t>(Revocation::Scope::alone) || !session || !user || !handle || in.failed()) {
    in.refuse();
    return std::nullopt;
  }
  return Revocation{static_cast<Revocation::Scope>(scope), *session, *user, *handle};
}

}  // namespace vestibule::session
