#pragma once
// One transaction, seen by the code of a room. The SQL is the portable part of SQLite's and
// PostgreSQL's: parameters $1, $2, ...; RETURNING; ON CONFLICT; no AUTOINCREMENT, no rowid, no
// type affinity tricks, no date functions (times are BIGINT microseconds of UTC from Clock).

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/id.hpp"
#include "base/result.hpp"

namespace vestibule::store {

/// A parameter. Text and bytes are views: they must outlive the call only.
class Param {
 public:
  using Variant = std::variant<std::monostate, std::int64_t, std::string_view, ByteView>;
  Param(std::nullptr_t) {}
  template <class T>
    requires(std::is_integral_v<T> || std::is_enum_v<T>)
  Param(T v) : v_(static_cast<std::int64_t>(v)) {}
  Param(std::string_view v) : v_(v) {}
  Param(const std::string& v) : v_(std::string_view(v)) {}
  Param(const char* v) : v_(std::string_view(v)) {}
  Param(ByteView v) : v_(v) {}
  Param(const Bytes& v) : v_(ByteView(v)) {}
  Param(const Digest& v) : v_(ByteView(v)) {}
  template <class Tag>
  Param(const Id<Tag>& id) : v_(ByteView(id.bytes)) {}
  Param(WallTime t) : v_(static_cast<std::int64_t>(t.time_since_epoch().count())) {}
  Param(Duration d) : v_(static_cast<std::int64_t>(d.count())) {}
  [[nodiscard]] const Variant& get() const noexcept { return v_; }

 private:
  Variant v_;
};
using Params = std::initializer_list<Param>;

/// One row while the callback of Tx::query runs; columns count from 0. Views die with the callback.
class Row {
 public:
  virtual ~Row() = default;
  [[nodiscard]] virtual bool null(int column) const = 0;
  [[nodiscard]] virtual std::int64_t integer(int column) const = 0;
  [[nodiscard]] virtual std::string_view text(int column) const = 0;
  [[nodiscard]] virtual ByteView blob(int column) const = 0;

  [[nodiscard]] WallTime time(int c) const { return WallTime(Duration(integer(c))); }
  /// A 16-byte id column; nil if null or of the wrong size.
  template <class I>
  [[nodiscard]] I id(int c) const {
    return I::from(blob(c)).value_or(I{});
  }
};

/// What changed, told to listeners after the commit. Numbered without gaps in commit order.
struct Change {
  std::uint64_t number = 0;
  std::string topic;  ///< e.g. "session", "user", "policy"
  Bytes key;          ///< which one; empty: all of the topic
};

class Tx {
 public:
  virtual ~Tx() = default;

  /// Runs one statement; gives the number of changed rows. A constraint violation is Reason::conflict;
  /// everything else that goes wrong is Reason::store_unavailable.
  virtual Result<std::int64_t> run(std::string_view sql, Params params = {}) = 0;
  /// Runs a query (or a statement with RETURNING) and calls row(r) for each row; row returns false
  /// to stop early. Statements are prepared once and cached.
  virtual Result<void> query(std::string_view sql, Params params,
                             const std::function<bool(const Row&)>& row) = 0;
  /// At most one row: f(row) if there is one. Gives whether there was.
  template <class F>
  Result<bool> one(std::string_view sql, Params params, F&& f) {
    bool found = false;
    auto r = query(sql, params, [&](const Row& row) {
      found = true;
      f(row);
      return false;
    });
    if (!r) return std::move(r).error();
    return found;
  }

  /// Write transactions only: listeners hear of it after the commit, if this job commits.
  virtual void changed(std::string_view topic, ByteView key) = 0;
  /// Write transactions only: hands an entry to the CommitHook (the audit log), in order, if this
  /// job commits. State change and record are atomic that way.
  virtual void journal(ByteView entry) = 0;
  /// Write transactions only: what this job deletes or overwrites shall be gone from the files of the
  /// database, its write-ahead log too, when the job's waiter resumes; where a reader is in the way,
  /// within seconds after it has ended. If this job commits.
  virtual void erased() = 0;
};

}  // namespace vestibule::store
