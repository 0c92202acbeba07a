#include "store/feed.hpp"

#include <array>

namespace vestibule::store {
namespace {
constexpr std::uint64_t kTrimEvery = 1000;
constexpr std::array kFeedMigrations = {
    Migration{"store", 1,
              "CREATE TABLE change_feed (number BIGINT PRIMARY KEY, topic TEXT NOT NULL,"
              " key BYTES NOT NULL, at BIGINT NOT NULL);"
              "CREATE TABLE store_heartbeat (id BIGINT PRIMARY KEY, at BIGINT NOT NULL, filling BYTES NOT NULL);"},
};
}  // namespace

std::span<const Migration> Feed::migrations() { return kFeedMigrations; }

Result<void> Feed::load(Tx& tx) {
  auto read = tx.one("SELECT COALESCE(MAX(number), 0) FROM change_feed", {},
                     [this](const Row& r) { newest_ = static_cast<std::uint64_t>(r.integer(0)); });
  if (!read) return std::move(read).error();
  pending_ = newest_;
  return {};
}

Result<void> Feed::write(Tx& tx, std::span<Change> changes, WallTime at) {
  for (Change& c : changes) {
    c.number = ++pending_;
    auto put = tx.run("INSERT INTO change_feed (number, topic, key, at) VALUES ($1, $2, $3, $4)",
                      {c.number, c.topic, c.key, at});
    if (!put) return std::move(put).error();
  }
  if (pending_ > kKept && pending_ >= pending_trim_ + kTrimEvery) {
    auto trimmed = tx.run("DELETE FROM change_feed WHERE number <= $1", {pending_ - kKept});
    if (!trimmed) return std::move(trimmed).error();
    pending_trim_ = pending_;
  }
  return {};
}

}  // namespace vestibule::store
