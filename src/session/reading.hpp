#pragma once
// What the rows of sessions and credentials say. Private to the room.

#include <memory>
#include <string>
#include <string_view>

#include "session/entries.hpp"
#include "session/rows.hpp"
#include "store/tx.hpp"

namespace vestibule::session {

inline constexpr std::string_view kSession =
    "SELECT id, account, created, created_boot, boot_id, ends, last_seen, seen_boot, seen_boot_id, enrol_grant, "
    "factor_management, pending, parent FROM session LEFT JOIN session_family ON session_family.session = session.id";
inline constexpr std::string_view kProof = "SELECT session, factor, kind, traits, wall, boot, boot_id FROM session_proof";
inline constexpr std::string_view kHandle =
    "SELECT session_handle.session, audience, created, created_boot, boot_id, ends, account, via, scope, hash, "
    "session_family.session, session_family.access_point, session_family.key, session_handle.access_point, "
    "session_handle.key, session_handle.parent FROM session_handle LEFT JOIN session_family "
    "ON session_family.session = session_handle.session";

// A reading of the boot clock means something under the boot id alone that it was taken under.
inline BootTime boot_in(const store::Row& row, int value, int boot_id, std::string_view now) {
  return row.text(boot_id) == now ? BootTime(Duration(row.integer(value))) : domain::Proof::no_boot;
}

inline SessionEntry session_of(const store::Row& row, std::string_view boot_id) {
  SessionEntry s;
  s.user = row.id<UserId>(1);
  s.created = row.time(2);
  s.created_boot = boot_in(row, 3, 4, boot_id);
  s.ends = row.time(5);
  s.live = std::make_shared<Live>(row.id<SessionId>(0));
  s.live->wall.store(row.integer(6));
  s.live->boot.store(boot_in(row, 7, 8, boot_id).time_since_epoch().count());
  s.flags.enrol_grant = row.integer(9) != 0;
  s.flags.factor_management = row.integer(10) != 0;
  s.flags.pending = row.integer(11) != 0;
  if (!row.null(12)) s.parent = row.id<SessionId>(12);
  return s;
}

inline domain::Proof proof_of(const store::Row& row, std::string_view boot_id) {
  domain::Proof p;
  p.factor = row.id<FactorId>(1);
  p.kind = static_cast<domain::FactorKind>(row.integer(2));
  p.traits = decode_traits(row.integer(3));
  p.wall = row.time(4);
  p.boot = boot_in(row, 5, 6, boot_id);
  return p;
}

inline std::string with(std::string_view select, std::string_view rest) { return std::string(select).append(rest); }

}  // namespace vestibule::session
