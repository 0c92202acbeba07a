#pragma once
// Which columns of this room's tables are sealed, and to which row each blob is bound. Private to the room.

#include <array>
#include <string_view>

#include "crypto/sealed.hpp"
#include "factors/kind.hpp"

namespace vestibule::factors {

[[nodiscard]] inline crypto::Place factor_place(const FactorId& id) { return {"factor", "secret", as_text(id.bytes)}; }
[[nodiscard]] inline crypto::Place token_place(std::string_view serial) { return {"hardware_token", "secret", serial}; }
[[nodiscard]] inline crypto::Place device_place(const FactorId& id) { return {"push_device", "subscription", as_text(id.bytes)}; }

/// What rotation of the master key looks at: it finds every blob by these statements alone.
struct SealedColumn {
  enum class Key : std::uint8_t { id, text };
  std::string_view select;  ///< key, blob
  std::string_view update;  ///< key, blob
  std::string_view table, field;  ///< of its place; the row is the key
  Key key;
};

inline constexpr std::array kSealedColumns{
    SealedColumn{"SELECT id, sealed FROM factor WHERE sealed IS NOT NULL", "UPDATE factor SET sealed = $2 WHERE id = $1",
                 "factor", "secret", SealedColumn::Key::id},
    SealedColumn{"SELECT serial, sealed FROM hardware_token WHERE sealed IS NOT NULL",
                 "UPDATE hardware_token SET sealed = $2 WHERE serial = $1", "hardware_token", "secret", SealedColumn::Key::text},
    SealedColumn{"SELECT factor, subscription FROM push_device WHERE subscription IS NOT NULL",
                 "UPDATE push_device SET subscription = $2 WHERE factor = $1", "push_device", "subscription",
                 SealedColumn::Key::id},
};

}  // namespace vestibule::factors
