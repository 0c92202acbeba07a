#pragma once
// A receipt: what somebody needs who has no gateway, and does not believe one, to see which person confirmed which
// tool call with which key, when, and that it stands in the log. Pure; docs/receipts.md has the format.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "approval/action.hpp"
#include "audit/proof.hpp"
#include "factors/attempt.hpp"

namespace vestibule::approval {

inline constexpr std::size_t kMaxReceipt = 512 * 1024;
/// Of the header Vestibule-Receipt (base64url of the receipt): many servers take 16 KB of a head.
inline constexpr std::size_t kMaxReceiptHeader = 12 * 1024;

// --- what the log's records say, so that they are about this action and no other

/// Note of the record of a confirmation (operation kConfirm, its user the one who confirmed, reason ok):
/// "action HEX by KIND FACTOR", and of a factor that signs "; statement HEX".
[[nodiscard]] std::string confirmation_note(const Digest& action, const factors::Given& given);
/// Note of the admission that lets the call out (operation domain::kToolCall, its access point the action's,
/// the digest of its body that of the raw arguments): "action HEX".
[[nodiscard]] std::string dispatch_note(const Digest& action);

// --- writing

struct ConfirmedBy {
  std::string record;              ///< audit::prove_opened() of the confirmation's record
  std::vector<Digest> actions;     ///< the list that was signed, in its order; empty where nothing was
  std::string statement;           ///< its canonical() text; empty where nothing was signed
};
struct Receipt {
  std::string action;              ///< canonical()
  std::vector<ConfirmedBy> confirmed;
  std::string dispatched;          ///< audit::prove_opened() of the admission; empty while it is not let out
};
/// Its one text, RFC 8785. Errors only where a part is not the JSON that it should be.
[[nodiscard]] Result<std::string> write_receipt(const Receipt& receipt);

// --- checking

struct ReceiptExpectations {
  std::vector<audit::LogKey> logs;
  // What the receipt has to be about; absent: whatever it says. The place where the action says that it may be called
  // besides (Action::also) is as good as its own.
  std::optional<std::string> tool, access_point;
  std::optional<std::string> arguments;      ///< JSON text: compared in canonical form
  std::optional<std::string> relying_party;
  std::vector<std::string> origins;          ///< empty: any of the relying party's
  std::optional<WallTime> now;               ///< given: it must not have expired by then
  std::optional<Duration> max_age;           ///< since the earliest of its confirmations; goes with `now`
  bool unbound = false;                      ///< take what no factor has signed: then it is the gateway's word alone
  bool dispatched = false;                   ///< it must have been let out
};

struct Confirmer {
  std::string user, account;
  WallTime at{};
  std::string kind, factor;
  std::uint64_t record = 0;                  ///< its number in the log
  std::string log;                           ///< the log's name
  bool bound = false;                        ///< the factor signed this very action; the rest only where it did
  std::string credential, relying_party, origin;
  bool user_verified = false, device_bound = false;
};
struct ReceiptSummary {
  std::optional<ToolPlace> also;
  std::string id, access_point, tool, arguments, user, via, source, client, model;
  WallTime expires{};
  std::vector<Confirmer> confirmed;
  struct Dispatch {
    WallTime at{};
    std::uint64_t record = 0;
  };
  std::optional<Dispatch> dispatched;
};

/// The receipt says what is expected, and everything in it holds: digests, challenge, signature, the log's
/// records and their place under a checkpoint that one of the keys has signed. Else log_corrupt, and the detail is
/// a code of docs/receipts.md, ": ", and a few words. Single use is whoever's who acts on it.
[[nodiscard]] Result<ReceiptSummary> check_receipt(std::string_view receipt, const ReceiptExpectations& expected);

}  // namespace vestibule::approval
