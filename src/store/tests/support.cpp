#include "store/tests/support.hpp"

#include <stdlib.h>

#include <array>
#include <thread>

namespace vestibule::store {

std::span<const Migration> test_migrations() {
  static constexpr std::array kAll = {
      Migration{"test", 1,
                "-- the 'table' of the tests; with a semicolon\n"
                "CREATE TABLE item (id BIGINT PRIMARY KEY, name TEXT NOT NULL UNIQUE, data BYTES, used BIGINT NOT NULL);"},
      Migration{"test", 2, "CREATE TABLE log (seq BIGINT PRIMARY KEY, entry BYTES NOT NULL)"},
  };
  return kAll;
}

Result<void> RecordingHook::before_commit(Tx& tx, std::span<const ByteView> entries) {
  if (seq_ < 0) {
    auto read = tx.one("SELECT COALESCE(MAX(seq), 0) FROM log", {}, [&](const Row& r) { seq_ = r.integer(0); });
    if (!read) return std::move(read).error();
  }
  pending_ = seq_;
  for (const ByteView e : entries) {
    auto put = tx.run("INSERT INTO log (seq, entry) VALUES ($1, $2)", {++pending_, e});
    if (!put) return std::move(put).error();
  }
  if (fail_next > 0) {
    --fail_next;
    return fail(Reason::audit_unavailable, "the hook was told to fail");
  }
  return {};
}

void RecordingHook::committed() noexcept {
  seq_ = pending_;
  ++commits;
}

void RecordingHook::rolled_back() noexcept { ++rollbacks; }

std::vector<std::string> log_entries(Database& db) {
  std::vector<std::string> out;
  auto r = db.read_blocking([&](Tx& tx) {
    return tx.query("SELECT entry FROM log ORDER BY seq", {}, [&](const Row& row) {
      out.emplace_back(as_text(row.blob(0)));
      return true;
    });
  });
  EXPECT_TRUE(r);
  return out;
}

TempDir::TempDir() {
  std::string name = (std::filesystem::temp_directory_path() / "vestibule-store-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
  path = name;
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
}

bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

}  // namespace vestibule::store
