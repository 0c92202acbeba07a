#pragma once
// Database on SQLite: one file, WAL, synchronous FULL.

#include <condition_variable>
#include <mutex>
#include <optional>

#include "store/file_lock.hpp"
#include "store/writer.hpp"

namespace vestibule::store {

/// See Database. Thread-safe.
class SqliteDatabase final : public Database {
 public:
  static Result<std::unique_ptr<SqliteDatabase>> open(Options options, std::span<const Migration> migrations);
  ~SqliteDatabase() override;

  void set_hook(CommitHook& hook) override { writer_->set_hook(hook); }
  void listen(Listener listener) override { writer_->listen(std::move(listener)); }
  void start() override { writer_->start(); }
  void stop() override { writer_->stop(); }
  Result<Ticket> journal(ByteView entry, Urgency urgency) noexcept override {
    return writer_->journal(entry, urgency);
  }
  net::Task<Result<void>> durable(Ticket ticket, std::chrono::milliseconds limit) override;
  [[nodiscard]] std::optional<Result<void>> settled(Ticket ticket) noexcept override;
  [[nodiscard]] Health health() const noexcept override { return writer_->health(); }
  Result<void> backup(const std::filesystem::path& to) override;

 protected:
  net::Task<Result<void>> submit_and_wait(Job job) override;
  Result<void> submit_blocking(Job job) override;
  net::BlockingPool& readers() override { return *pool_; }
  Result<void> with_reader(const std::function<void(Tx&)>& f) override;

 private:
  explicit SqliteDatabase(Options options) : options_(std::move(options)) {}
  Result<std::unique_ptr<SqliteConnection>> borrow();
  void give_back(std::unique_ptr<SqliteConnection> connection);

  Options options_;
  std::filesystem::path scratch_;  // directory of an "in memory" database, removed at the end
  std::optional<FileLock> lock_;
  std::unique_ptr<SqliteConnection> connection_;  // the writer's
  std::unique_ptr<Writer> writer_;

  std::mutex mutex_;
  std::condition_variable returned_;
  std::vector<std::unique_ptr<SqliteConnection>> idle_;  // reader connections
  std::unique_ptr<net::BlockingPool> pool_;              // last: its threads use what is above
};

}  // namespace vestibule::store
