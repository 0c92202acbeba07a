#include "store/migrations.hpp"

#include <fmt/format.h>

#include <cctype>
#include <map>

namespace vestibule::store {
namespace {

bool word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

std::string_view trim(std::string_view s) {
  while (!s.empty() && std::isspace(static_cast<unsigned char>(s.front())) != 0) s.remove_prefix(1);
  while (!s.empty() && std::isspace(static_cast<unsigned char>(s.back())) != 0) s.remove_suffix(1);
  return s;
}

Result<void> apply(Tx& tx, const Migration& m, const EngineNames& names) {
  for (const std::string& sql : statements(m.sql, names)) {
    auto ran = tx.run(sql);
    if (!ran) return std::move(ran).error();
  }
  auto noted = tx.run(
      "INSERT INTO schema_version (room, version) VALUES ($1, $2)"
      " ON CONFLICT (room) DO UPDATE SET version = excluded.version",
      {m.room, m.version});
  if (!noted) return std::move(noted).error();
  return {};
}

// Runs f between BEGIN and COMMIT; ROLLBACK if it fails.
template <class F>
Result<void> in_transaction(Tx& tx, F f) {
  auto begun = tx.run("BEGIN");
  if (!begun) return std::move(begun).error();
  Result<void> done = f();
  if (done) {
    auto committed = tx.run("COMMIT");
    if (committed) return {};
    done = std::move(committed).error();
  }
  (void)tx.run("ROLLBACK");
  return done;
}

// Within the transaction.
Result<void> apply_missing(Tx& tx, std::span<const Migration> migrations, const std::map<std::string_view, int>& known, const EngineNames& names) {
  auto table = tx.run(
      "CREATE TABLE IF NOT EXISTS schema_version (room TEXT PRIMARY KEY, version BIGINT NOT NULL)");
  if (!table) return std::move(table).error();
  std::map<std::string, int, std::less<>> there;
  auto read = tx.query("SELECT room, version FROM schema_version", {}, [&](const Row& r) {
    there[std::string(r.text(0))] = static_cast<int>(r.integer(1));
    return true;
  });
  if (!read) return read;
  // A room that this program does not know is newer than it, too.
  for (const auto& [room, version] : there) {
    const auto mine = known.find(room);
    const int newest = mine == known.end() ? 0 : mine->second;
    if (version > newest) {
      return fail(Reason::store_unavailable,
                  fmt::format("the database was written by a newer version of this program (its part `{}` has"
                              " version {}, this program knows {}): run the newer program, or restore a backup",
                              room, version, newest));
    }
  }
  for (const Migration& m : migrations) {
    const auto has = there.find(m.room);
    if (has != there.end() && has->second >= m.version) continue;
    auto done = apply(tx, m, names);
    if (!done) {
      return fail(done.error().code,
                  fmt::format("migration {} of `{}` failed: {}", m.version, m.room, done.error().detail));
    }
  }
  return {};
}

}  // namespace

std::vector<std::string> statements(std::string_view script, const EngineNames& names) {
  std::vector<std::string> out;
  std::string one;
  const auto finish = [&] {
    if (const auto text = trim(one); !text.empty()) out.emplace_back(text);
    one.clear();
  };
  for (std::size_t i = 0; i < script.size();) {
    const char c = script[i];
    if (c == '\'' || c == '"') {
      const std::size_t end = std::min(script.find(c, i + 1), script.size() - 1);
      one.append(script.substr(i, end + 1 - i));
      i = end + 1;
    } else if (c == '-' && script.substr(i).starts_with("--")) {
      i = std::min(script.find('\n', i), script.size());
    } else if (c == ';') {
      finish();
      ++i;
    } else if (word(c)) {
      std::size_t end = i;
      while (end < script.size() && word(script[end])) ++end;
      const auto name = script.substr(i, end - i);
      one.append(name == "BYTES" ? names.bytes : name);
      i = end;
    } else {
      one.push_back(c);
      ++i;
    }
  }
  finish();
  return out;
}

Result<void> migrate(Tx& tx, std::span<const Migration> migrations, const EngineNames& names) {
  std::map<std::string_view, int> known;
  for (const Migration& m : migrations) {
    if (m.version != ++known[m.room]) {
      return fail(Reason::internal, fmt::format("migration {} of room {} is out of order", m.version, m.room));
    }
  }
  // All in one: an upgrade that fails half-way leaves a database that the older program opens, and the
  // first start waits for the disk once and not forty times.
  return in_transaction(tx, [&] { return apply_missing(tx, migrations, known, names); });
}

}  // namespace vestibule::store
