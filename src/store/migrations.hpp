#pragma once
// Brings a database to the versions that the code knows. Portable; the engine brings its names.

#include <span>
#include <string>
#include <vector>

#include "store/database.hpp"

namespace vestibule::store {

/// What an engine calls the things that have no portable name.
struct EngineNames {
  std::string_view bytes;  ///< what the column type BYTES becomes: BLOB, BYTEA
};

/// The statements of a script, without comments, with names put in. Semicolons and words within
/// quotes ('', "") stay; statements that contain others (triggers) are not understood.
[[nodiscard]] std::vector<std::string> statements(std::string_view script, const EngineNames& names);

/// Applies all that is missing in one transaction: if one of them fails, none was applied. Refuses a
/// database with a newer version of a room than `migrations` has, and a room whose versions are not
/// 1, 2, 3...
Result<void> migrate(Tx& tx, std::span<const Migration> migrations, const EngineNames& names);

}  // namespace vestibule::store
