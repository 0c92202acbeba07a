#pragma once
// Rows of confirmations. Private to the room.

#include <algorithm>

#include "approval/confirmations.hpp"
#include "approval/rows.hpp"

namespace vestibule::approval {

inline constexpr std::string_view kConfirmationColumns =
    "SELECT id, account, credential, content, digest, need, created, expires, stage, justification, call_group, source_key, settled, access_point, tool "
    "FROM confirmation WHERE ";

struct ConfirmationRow {
  Confirmation confirmation;
  Digest group{};
  std::string source_key;
  WallTime settled{};
  Bytes sealed;
};
[[nodiscard]] ConfirmationRow confirmation_from(const store::Row& row);
/// Opens what the row keeps sealed: the action's text and the raw arguments. sealed_unreadable.
Result<void> unseal(const crypto::KeyRing& keys, ConfirmationRow& row);
[[nodiscard]] Bytes sealed_content(const crypto::KeyRing& keys, ConfirmationId id, std::string_view action, std::string_view arguments);
/// In the column `carried`, in place of a time: it cannot be carried any more. 0: it can.
inline constexpr std::int64_t kNeverCarried = 1;
/// Likewise: it was used, and has not been let out yet; see Confirmations::let_out().
inline constexpr std::int64_t kNotYetCarried = 2;
/// A place as a row keeps it; of the names none holds a '/' before its own.
[[nodiscard]] inline std::string place_text(const ToolPlace& p) { return p.access_point + "/" + p.tool; }
/// How many people's signatures it takes.
[[nodiscard]] inline std::size_t signatures(const domain::Requirement& need) noexcept {
  return need.confirmation == domain::Confirmation::people ? std::max<std::size_t>(need.people, 1) : 1;
}
/// A requirement as a row keeps it.
[[nodiscard]] Bytes packed_need(const domain::Requirement& need);
/// What packed_need() does not write can never be met.
[[nodiscard]] domain::Requirement unpacked_need(ByteView raw);

}  // namespace vestibule::approval
