#pragma once
// A log over a real store and two cores, in a folder of its own.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <thread>

#include "audit/log.hpp"
#include "audit/tests/tamper.hpp"
#include "net/task_group.hpp"

namespace vestibule::audit::testing {

inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

template <class T>
bool eventually(T condition) {
  for (int i = 0; i < 500; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

// A folder of its own, gone at the end.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "audit_XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  [[nodiscard]] std::filesystem::path operator/(std::string_view name) const {
    return path_ / name;
  }

 private:
  std::filesystem::path path_;
};

inline std::unique_ptr<store::Database> open_database(const std::filesystem::path& file) {
  store::Database::Options options;
  options.file = file;
  options.cores = 2;
  auto db = store::Database::open(options, migrations());
  EXPECT_TRUE(db) << (db ? "" : db.error().detail);
  return db ? std::move(*db) : nullptr;
}

// Store, log and two cores, as app puts them together.
struct House {
  explicit House(const std::filesystem::path& file, Options options = {}) : cores(2) {
    db = open_database(file);
    auto opened = Log::open(*db, std::move(options), Secret(Bytes(32, 7)), clock, rng);
    EXPECT_TRUE(opened) << (opened ? "" : opened.error().detail);
    log = std::move(*opened);
    db->start();
    cores.start();
  }
  ~House() {
    cores.stop();
    db->stop();
    log.reset();
  }

  // Runs a task on a core and waits for its value.
  template <class T>
  T run(unsigned core, net::Task<T> task) {
    std::promise<T> done;
    auto result = done.get_future();
    net::asio::co_spawn(cores.at(core).executor(), std::move(task),
                        [&](std::exception_ptr e, T value) {
                          if (e) {
                            done.set_exception(e);
                          } else {
                            done.set_value(std::move(value));
                          }
                        });
    return result.get();
  }
  void on_core(unsigned core, const std::function<void()>& f) {
    std::promise<void> done;
    cores.at(core).post([&] {
      f();
      done.set_value();
    });
    done.get_future().wait();
  }
  // One batch of its own: `n` records appended by one job.
  Result<void> append(std::uint64_t first, std::uint64_t n) {
    return db->write_blocking([&](store::Tx& tx) -> Result<void> {
      for (std::uint64_t i = first; i < first + n; ++i) {
        std::string name;
        const Record r = sample(i, name);
        log->append(tx, r);
      }
      return {};
    });
  }
  Result<void> cover() { return run(0, log->cover()); }
  [[nodiscard]] VerifyReport verify(std::string_view shipped = {}) {
    auto r = db->read_blocking(
        [&](store::Tx& tx) { return audit::verify(tx, log->public_key(), shipped); });
    EXPECT_TRUE(r) << (r ? "" : r.error().detail);
    return r ? std::move(*r) : VerifyReport{};
  }
  [[nodiscard]] std::vector<Entry> list(const Filter& filter) {
    std::vector<Entry> out;
    auto r = db->read_blocking([&](store::Tx& tx) {
      return audit::list(tx, filter, [&](const Entry& e) {
        out.push_back(e);
        return true;
      });
    });
    EXPECT_TRUE(r) << (r ? "" : r.error().detail);
    return out;
  }
  [[nodiscard]] std::vector<std::uint64_t> seqs(const Filter& filter) {
    std::vector<std::uint64_t> out;
    for (const Entry& e : list(filter)) out.push_back(e.seq);
    return out;
  }

  ManualClock clock;
  CountingRng rng;
  net::Cores cores;
  std::unique_ptr<store::Database> db;
  std::unique_ptr<Log> log;
};

using Seqs = std::vector<std::uint64_t>;

inline net::Task<Result<void>> submit_and_wait(Log* log, std::uint64_t i) {
  std::string name;
  const Record r = sample(i, name);
  const auto ticket = log->submit(r, Urgency::now);
  if (!ticket) co_return ticket.error();
  auto durable = co_await log->durable(*ticket, std::chrono::seconds(5));
  co_return durable;
}

inline std::string all(const VerifyReport& r) {
  std::string out;
  for (const auto& p : r.problems) out += p + "\n";
  return out;
}

}  // namespace vestibule::audit::testing
