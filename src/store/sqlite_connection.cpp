#include "store/sqlite_connection.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include <mutex>
#include <vector>

#include "store/gathering.hpp"

namespace vestibule::store {
namespace {

constexpr std::size_t kStatements = 1024;  // SQL texts are literals; this only bounds a mistake

// Zero-length values must not become NULL, which is what a null pointer means to sqlite3_bind_*.
constexpr char kEmpty[] = "";

bool fatal(int code) {
  switch (code & 0xFF) {
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_NOMEM:
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_READONLY:
    case SQLITE_PROTOCOL:
    case SQLITE_CANTOPEN:
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return true;
    default: return false;
  }
}

bool only_space(const char* from, const char* to) {
  for (; from != to; ++from) {
    if (*from != ' ' && *from != '\n' && *from != '\t' && *from != '\r' && *from != ';') return false;
  }
  return true;
}

}  // namespace

struct SqliteConnection::Statement {
  explicit Statement(sqlite3_stmt* s) : stmt(s) {
    const int n = sqlite3_bind_parameter_count(stmt);
    for (int i = 1; i <= n; ++i) {
      index.push_back(sqlite3_bind_parameter_index(stmt, ("$" + std::to_string(i)).c_str()));
    }
  }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  ~Statement() { sqlite3_finalize(stmt); }
  sqlite3_stmt* stmt;
  std::vector<int> index;  // SQLite's index of $1, $2, ...
  bool in_use = false;
};

// Resets the statement however its use ends: an open one would keep the transaction from ending.
struct SqliteConnection::Use {
  explicit Use(Statement& s) : statement(s) { s.in_use = true; }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;
  ~Use() {
    sqlite3_reset(statement.stmt);
    sqlite3_clear_bindings(statement.stmt);
    statement.in_use = false;
  }
  Statement& statement;
};

struct SqliteConnection::SqliteRow final : Row {
  explicit SqliteRow(sqlite3_stmt* s) : stmt(s) {}
  bool null(int column) const override { return sqlite3_column_type(stmt, column) == SQLITE_NULL; }
  std::int64_t integer(int column) const override { return sqlite3_column_int64(stmt, column); }
  std::string_view text(int column) const override {
    const auto* p = reinterpret_cast<const char*>(sqlite3_column_text(stmt, column));
    return p == nullptr ? std::string_view()
                        : std::string_view(p, static_cast<std::size_t>(sqlite3_column_bytes(stmt, column)));
  }
  ByteView blob(int column) const override {
    const auto* p = static_cast<const std::uint8_t*>(sqlite3_column_blob(stmt, column));
    return p == nullptr ? ByteView()
                        : ByteView(p, static_cast<std::size_t>(sqlite3_column_bytes(stmt, column)));
  }
  sqlite3_stmt* stmt;
};

SqliteConnection::SqliteConnection(sqlite3* db, std::chrono::milliseconds busy) : db_(db), busy_(busy) {}

Result<std::unique_ptr<SqliteConnection>> SqliteConnection::open(const std::filesystem::path& file,
                                                                 Role role,
                                                                 std::chrono::milliseconds busy) {
  // Statistics of memory would cost a process-wide mutex at every allocation.
  static std::once_flag once;
  std::call_once(once, [] { sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); });

  sqlite3* db = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const int opened = sqlite3_open_v2(file.c_str(), &db, flags, role == Role::writer ? gathering_vfs() : nullptr);
  std::unique_ptr<SqliteConnection> c(new SqliteConnection(db, busy));
  if (opened != SQLITE_OK) {
    return fail(Reason::store_unavailable,
                fmt::format("cannot open the database {}: {}", file.string(), sqlite3_errstr(opened)));
  }
  sqlite3_busy_timeout(db, static_cast<int>(busy.count()));
  sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  // "text" is a name, never a string, as in PostgreSQL.
  sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DDL, 0, nullptr);

  if (role == Role::writer) {
    std::string mode;
    auto wal = c->query("PRAGMA journal_mode=WAL", {}, Allow::everything, [&](const Row& r) {
      mode = r.text(0);
      return true;
    });
    if (!wal) return std::move(wal).error();
    if (mode != "wal") {
      return fail(Reason::store_unavailable,
                  fmt::format("{}: this file system does not support a write-ahead log", file.string()));
    }
  }
  // secure_delete: erased personal data is overwritten, not merely unlinked.
  for (const char* pragma : {"PRAGMA synchronous=FULL", "PRAGMA foreign_keys=ON",
                             "PRAGMA temp_store=MEMORY", "PRAGMA secure_delete=ON",
                             "PRAGMA wal_autocheckpoint=0"}) {
    auto set = c->run(pragma, {});
    if (!set) return std::move(set).error();
  }
  if (role == Role::reader) {
    auto set = c->run("PRAGMA query_only=ON", {});
    if (!set) return std::move(set).error();
  } else {
    sqlite3_wal_hook(
        db,
        [](void* self, sqlite3*, const char*, int pages) {
          static_cast<SqliteConnection*>(self)->wal_pages_ = pages;
          return SQLITE_OK;
        },
        c.get());
  }
  c->statements_.clear();
  return c;
}

SqliteConnection::~SqliteConnection() {
  statements_.clear();
  sqlite3_close_v2(db_);
}

bool SqliteConnection::in_transaction() const noexcept { return sqlite3_get_autocommit(db_) == 0; }

Error SqliteConnection::error(int code, std::string_view sql) {
  std::string detail = fmt::format("{} ({})", sqlite3_errmsg(db_), sqlite3_errstr(code));
  if (fatal(code)) {
    broken_ = true;
    breakage_ = detail;
  }
  if ((code & 0xFF) == SQLITE_CONSTRAINT) return fail(Reason::conflict, std::move(detail));
  return fail(Reason::store_unavailable, fmt::format("{} in: {}", detail, sql.substr(0, 200)));
}

Result<SqliteConnection::Statement*> SqliteConnection::prepare(std::string_view sql,
                                                               std::unique_ptr<Statement>& temporary) {
  const auto known = statements_.find(sql);
  if (known != statements_.end() && !known->second->in_use) return known->second.get();
  sqlite3_stmt* stmt = nullptr;
  const char* tail = nullptr;
  const int code = sqlite3_prepare_v3(db_, sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &stmt, &tail);
  if (code != SQLITE_OK) return error(code, sql);
  auto fresh = std::make_unique<Statement>(stmt);
  if (stmt == nullptr || !only_space(tail, sql.data() + sql.size())) {
    return fail(Reason::store_unavailable, fmt::format("not one statement: {}", sql.substr(0, 200)));
  }
  if (known != statements_.end()) {  // the same text is running further up: a second copy for once
    temporary = std::move(fresh);
    return temporary.get();
  }
  if (statements_.size() >= kStatements) {
    std::erase_if(statements_, [](const auto& s) { return !s.second->in_use; });
  }
  return statements_.emplace(std::string(sql), std::move(fresh)).first->second.get();
}

Result<void> SqliteConnection::bind(Statement& s, Params params, std::string_view sql) {
  if (params.size() != s.index.size()) {
    return fail(Reason::store_unavailable, fmt::format("{} parameters given, {} wanted in: {}",
                                                       params.size(), s.index.size(), sql.substr(0, 200)));
  }
  std::size_t n = 0;
  for (const Param& p : params) {
    const int at = s.index[n++];
    if (at == 0) return fail(Reason::store_unavailable, fmt::format("no ${} in: {}", n, sql.substr(0, 200)));
    int code = SQLITE_OK;
    if (const auto* i = std::get_if<std::int64_t>(&p.get())) {
      code = sqlite3_bind_int64(s.stmt, at, *i);
    } else if (const auto* t = std::get_if<std::string_view>(&p.get())) {
      code = sqlite3_bind_text64(s.stmt, at, t->data() != nullptr ? t->data() : kEmpty, t->size(),
                                 SQLITE_STATIC, SQLITE_UTF8);
    } else if (const auto* b = std::get_if<ByteView>(&p.get())) {
      const void* data = kEmpty;
      if (b->data() != nullptr) data = b->data();
      code = sqlite3_bind_blob64(s.stmt, at, data, b->size(), SQLITE_STATIC);
    } else {
      code = sqlite3_bind_null(s.stmt, at);
    }
    if (code != SQLITE_OK) return error(code, sql);
  }
  return {};
}

Result<std::int64_t> SqliteConnection::run(std::string_view sql, Params params, Allow allow) {
  std::unique_ptr<Statement> temporary;
  auto prepared = prepare(sql, temporary);
  if (!prepared) return std::move(prepared).error();
  Statement& s = **prepared;
  if (allow == Allow::reads && sqlite3_stmt_readonly(s.stmt) == 0) {
    return fail(Reason::store_unavailable, "a write in a transaction that only reads");
  }
  const Use use(s);
  auto bound = bind(s, params, sql);
  if (!bound) return std::move(bound).error();
  // sqlite3_changes() keeps the number of an earlier statement when this one is no DML.
  const auto before = sqlite3_total_changes64(db_);
  int code = SQLITE_ROW;
  while (code == SQLITE_ROW) code = sqlite3_step(s.stmt);
  if (code != SQLITE_DONE) return error(code, sql);
  return sqlite3_total_changes64(db_) == before ? std::int64_t{0} : std::int64_t{sqlite3_changes64(db_)};
}

Result<void> SqliteConnection::query(std::string_view sql, Params params, Allow allow,
                                     const std::function<bool(const Row&)>& row) {
  std::unique_ptr<Statement> temporary;
  auto prepared = prepare(sql, temporary);
  if (!prepared) return std::move(prepared).error();
  Statement& s = **prepared;
  const bool reads = sqlite3_stmt_readonly(s.stmt) != 0;
  if (allow == Allow::reads && !reads) {
    return fail(Reason::store_unavailable, "a write in a transaction that only reads");
  }
  const Use use(s);
  auto bound = bind(s, params, sql);
  if (!bound) return bound;
  const SqliteRow view(s.stmt);
  bool wanted = true;
  for (;;) {
    const int code = sqlite3_step(s.stmt);
    if (code == SQLITE_DONE) return {};
    if (code != SQLITE_ROW) return error(code, sql);
    if (wanted) wanted = row(view);
    // A statement that writes is run to its end all the same: only then are its effects whole.
    if (!wanted && reads) return {};
  }
}

bool SqliteConnection::checkpoint(Checkpoint kind) noexcept {
  int log = 0;
  int done = 0;
  if (kind == Checkpoint::truncate) sqlite3_busy_timeout(db_, 0);
  const int code = sqlite3_wal_checkpoint_v2(
      db_, nullptr,
      kind == Checkpoint::truncate ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE, &log, &done);
  if (kind == Checkpoint::truncate) {
    sqlite3_busy_timeout(db_, static_cast<int>(busy_.count()));
    if (code == SQLITE_OK) wal_pages_ = 0;
  }
  return code == SQLITE_OK && log == done;
}

Result<void> SqliteConnection::copy_to(const std::filesystem::path& file) {
  sqlite3* to = nullptr;
  int code = sqlite3_open_v2(file.c_str(), &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
  if (code == SQLITE_OK) {
    // The caller syncs the finished file: a copy that was broken off is worthless anyway.
    sqlite3_exec(to, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF", nullptr, nullptr, nullptr);
    sqlite3_backup* copy = sqlite3_backup_init(to, "main", db_, "main");
    if (copy != nullptr) {
      do code = sqlite3_backup_step(copy, -1);
      while (code == SQLITE_OK);
      const int finished = sqlite3_backup_finish(copy);
      if (code == SQLITE_DONE) code = finished;
    } else {
      code = sqlite3_errcode(to);
    }
  }
  std::string detail = code == SQLITE_OK ? "" : fmt::format("backup failed: {}", sqlite3_errmsg(to));
  sqlite3_close(to);
  if (code != SQLITE_OK) return fail(Reason::store_unavailable, std::move(detail));
  return {};
}

}  // namespace vestibule::store
