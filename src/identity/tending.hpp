#pragma once
// Who acts for an account: a person for himself, for a service account its sponsor and the deputies, each
// once he has accepted. For jobs of any room.

#include <optional>
#include <string_view>
#include <vector>

#include "base/id.hpp"
#include "store/tx.hpp"

namespace vestibule::identity {

/// Numbers stand in rows: frozen.
enum class Part : std::uint8_t { sponsor = 1, deputy = 2 };
[[nodiscard]] std::string_view name(Part part) noexcept;
[[nodiscard]] std::optional<Part> part_from(std::string_view name) noexcept;

/// The sponsor first. Of a service without anybody: nobody.
Result<std::vector<UserId>> tenders_in(store::Tx& tx, UserId account);
Result<bool> tends_in(store::Tx& tx, UserId person, UserId account);
/// Service accounts that a person acts for.
Result<std::vector<UserId>> tended_in(store::Tx& tx, UserId person);
/// Those that he is the sponsor of.
Result<std::vector<UserId>> sponsored_in(store::Tx& tx, UserId person);
/// Who has accepted to be its sponsor; nil: nobody, and of a person's account.
Result<UserId> sponsor_in(store::Tx& tx, UserId service);
/// Tells of a change to each who acts for the account, and to the account.
Result<void> changed_for_in(store::Tx& tx, std::string_view topic, UserId account);

}  // namespace vestibule::identity
