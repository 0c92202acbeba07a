#pragma once
// What app itself keeps in the database (the root of derivation, checks of master keys) and writes into
// the log, whether the gateway runs or a command works on its files.

#include <optional>
#include <string_view>
#include <vector>

#include "audit/record.hpp"
#include "crypto/sealed.hpp"
#include "store/database.hpp"

namespace vestibule::app {

/// Migrations of all rooms, in order.
[[nodiscard]] std::vector<store::Migration> all_migrations();

/// The sealed root; nothing before the first start.
[[nodiscard]] Result<std::optional<Bytes>> derivation_root(store::Tx& tx);

/// How it is found out later that a master key is the right one. Written once for each key.
[[nodiscard]] Result<void> put_key_check_in(store::Tx& tx, const crypto::KeyRing& keys);

/// A record that nobody signed in stands for. The three texts must outlive it.
[[nodiscard]] audit::Record system_record(std::string_view who, std::string_view operation, std::string_view note, Instant now);

}  // namespace vestibule::app
