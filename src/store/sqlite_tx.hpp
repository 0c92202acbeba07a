#pragma once
// The Tx of a SQLite connection.

#include "store/effects.hpp"
#include "store/sqlite_connection.hpp"

namespace vestibule::store {

/// Used by the thread that uses the connection. Without effects it only reads, and changed(),
/// journal() and erased() are defects that are logged.
class SqliteTx final : public Tx {
 public:
  explicit SqliteTx(SqliteConnection& connection, Effects* effects = nullptr)
      : connection_(connection), effects_(effects) {}
  Result<std::int64_t> run(std::string_view sql, Params params) override;
  Result<void> query(std::string_view sql, Params params,
                     const std::function<bool(const Row&)>& row) override;
  void changed(std::string_view topic, ByteView key) override;
  void journal(ByteView entry) override;
  void erased() override;

 private:
  [[nodiscard]] SqliteConnection::Allow allow() const noexcept {
    return effects_ != nullptr ? SqliteConnection::Allow::everything : SqliteConnection::Allow::reads;
  }
  SqliteConnection& connection_;
  Effects* effects_;
};

}  // namespace vestibule::store
