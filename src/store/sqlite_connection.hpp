#pragma once
// One SQLite connection with its prepared statements. SQLite's own header stays in the .cpp.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "store/tx.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace vestibule::store {

/// Used by one thread at a time. Errors: a violated constraint is `conflict`, all else
/// `store_unavailable` with SQLite's message.
class SqliteConnection {
 public:
  enum class Role { writer, reader };
  /// The file must exist (it may be empty). The writer switches it to WAL.
  static Result<std::unique_ptr<SqliteConnection>> open(const std::filesystem::path& file, Role role,
                                                        std::chrono::milliseconds busy);
  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;
  ~SqliteConnection();

  enum class Allow { everything, reads };
  Result<std::int64_t> run(std::string_view sql, Params params, Allow allow = Allow::everything);
  Result<void> query(std::string_view sql, Params params, Allow allow,
                     const std::function<bool(const Row&)>& row);

  [[nodiscard]] bool in_transaction() const noexcept;
  /// True after a statement failed in a way that makes the whole transaction worthless (disk full,
  /// I/O, corruption, out of memory) or that ended it.
  [[nodiscard]] bool broken() const noexcept { return broken_; }
  void mend() noexcept { broken_ = false; }
  [[nodiscard]] const std::string& breakage() const noexcept { return breakage_; }

  /// Pages in the write-ahead log after the newest commit.
  [[nodiscard]] int wal_pages() const noexcept { return wal_pages_; }
  enum class Checkpoint {
    passive,   ///< as far as readers allow, without waiting
    truncate,  ///< all of it, and the file to nothing; gives up at once if a reader is in the way
  };
  /// True if nothing is left in the log that is not in the database.
  bool checkpoint(Checkpoint kind) noexcept;
  /// Online backup into an existing empty file: one snapshot, not made durable yet.
  Result<void> copy_to(const std::filesystem::path& file);

 private:
  SqliteConnection(sqlite3* db, std::chrono::milliseconds busy);
  struct Statement;
  struct Use;
  struct SqliteRow;
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const noexcept { return std::hash<std::string_view>{}(s); }
  };
  Result<Statement*> prepare(std::string_view sql, std::unique_ptr<Statement>& temporary);
  Result<void> bind(Statement& statement, Params params, std::string_view sql);
  Error error(int code, std::string_view sql);

  sqlite3* db_;
  std::chrono::milliseconds busy_;
  std::unordered_map<std::string, std::unique_ptr<Statement>, TextHash, std::equal_to<>> statements_;
  bool broken_ = false;
  std::string breakage_;
  int wal_pages_ = 0;
};

}  // namespace vestibule::store
