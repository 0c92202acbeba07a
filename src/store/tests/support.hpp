#pragma once
// What the store's tests share.

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <atomic>
#include <filesystem>
#include <future>
#include <string>
#include <vector>

#include "store/database.hpp"

namespace vestibule::store {

/// item(id, name unique, data, used), log(seq, entry).
std::span<const Migration> test_migrations();

/// Writes every entry into the table `log`. fail_next makes a batch fail.
class RecordingHook final : public CommitHook {
 public:
  Result<void> before_commit(Tx& tx, std::span<const ByteView> entries) override;
  void committed() noexcept override;
  void rolled_back() noexcept override;
  std::atomic<int> fail_next{0};
  std::atomic<int> commits{0}, rollbacks{0};

 private:
  std::int64_t seq_ = -1, pending_ = -1;  // -1: not read yet
};

template <class T>
void run_task(net::Core& core, net::Task<T> task) {
  std::promise<void> done;
  net::asio::co_spawn(core.executor(), std::move(task), [&](std::exception_ptr e) {
    EXPECT_FALSE(e);
    done.set_value();
  });
  done.get_future().wait();
}

inline Result<void> ok(Result<std::int64_t> r) {
  if (!r) return std::move(r).error();
  return {};
}

/// INSERT INTO item.
inline Result<void> add_item(Tx& tx, std::int64_t id, std::string_view name) {
  return ok(tx.run("INSERT INTO item (id, name, data, used) VALUES ($1, $2, $3, 0)", {id, name, as_bytes(name)}));
}

/// The texts of the table `log`, in order.
std::vector<std::string> log_entries(Database& db);

/// A directory of its own, removed at the end.
struct TempDir {
  TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir();
  std::filesystem::path path;
};

/// Waits up to `limit` until the condition holds.
bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds limit = std::chrono::seconds(10));

}  // namespace vestibule::store
