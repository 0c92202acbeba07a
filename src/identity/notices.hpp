#pragma once
// Notices: what happened to an account that its owner must hear of, whoever did it. Written in the
// job of the change itself, so that no change goes without its notice. How they are delivered is the
// business of rooms above, which listen to the feed for kNoticeTopic.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/id.hpp"
#include "store/tx.hpp"

namespace vestibule::identity {

struct NoticeTag { static constexpr std::string_view prefix = "ntc_"; };
using NoticeId = Id<NoticeTag>;

/// Topic of the feed; the key is the notice's id.
inline constexpr std::string_view kNoticeTopic = "notice";
inline constexpr std::size_t kMaxNotices = 50;      ///< kept an account; of the seen ones the oldest go first
inline constexpr std::size_t kMaxNoticeText = 512;  ///< bytes; what is longer is cut

enum class NoticeKind : std::uint8_t {
  factor_added = 1,
  factor_removed,
  factor_locked,     ///< wrong answers: it waits
  factor_disabled,   ///< too many wrong answers, or it may have been copied
  recovery_used,
  recovery_few,      ///< hardly any recovery code is left
  recovery_renewed,  ///< new ones, the older are void
  password_changed,
  roles_changed,     ///< or groups; to administrators also: somebody became one
  reset_requested,
  reset_declined,
  reset_done,
  host_recovery,     ///< by the operator of the host
  not_me,            ///< somebody asked a device, and its owner says it was not him
  key_created,
  key_found,         ///< somebody handed an API key in: it is revoked
  service_offered,   ///< somebody wants one to answer for a service account
  service_changed,   ///< somebody answers for it, or does no longer
  service_asleep,    ///< its sponsor has left
  tool_changed,      ///< to administrators: a tool server gives one of its tools another definition
};
[[nodiscard]] std::string_view name(NoticeKind kind) noexcept;  ///< stands in the store
[[nodiscard]] std::optional<NoticeKind> notice_kind_from(std::string_view name) noexcept;

struct Notice {
  NoticeId id{};
  UserId account{};
  WallTime at{};
  NoticeKind kind{};
  std::string text;  ///< whole sentences, for people
  bool seen = false;
};

/// Writes one within a write job. What a guesser or a tool server can cause at will (factor_locked, tool_changed) stands once until it
/// is seen: nobody drowns another notice in it. What concerns a service account is told to who answers for it.
Result<void> notify_in(store::Tx& tx, Rng& rng, UserId account, NoticeKind kind, std::string_view text, WallTime now);
/// The newest first.
Result<std::vector<Notice>> notices_in(store::Tx& tx, UserId account);
/// One of anybody's; nothing if it is gone.
Result<std::optional<Notice>> notice_in(store::Tx& tx, NoticeId id);
/// Gives those that were not seen before. Ids of others' notices change nothing.
Result<std::vector<NoticeId>> mark_seen_in(store::Tx& tx, UserId account, const std::vector<NoticeId>& ids);

}  // namespace vestibule::identity
