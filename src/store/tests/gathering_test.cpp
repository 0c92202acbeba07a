#include "store/gathering.hpp"

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/resource.h>

#include <csignal>
#include <cstring>
#include <fstream>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "store/tests/support.hpp"

namespace vestibule::store {
namespace {

std::string contents(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

// A file of the VFS by itself, as SQLite opens one.
class File {
 public:
  explicit File(const std::string& path) : vfs_(sqlite3_vfs_find(gathering_vfs())), name_(path + std::string(2, '\0')) {
    memory_.resize(static_cast<std::size_t>(vfs_->szOsFile) / sizeof(std::max_align_t) + 1);
    int out = 0;
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_WAL;
    EXPECT_EQ(vfs_->xOpen(vfs_, name_.c_str(), get(), flags, &out), SQLITE_OK);
  }
  sqlite3_file* get() { return reinterpret_cast<sqlite3_file*>(memory_.data()); }
  const sqlite3_io_methods* operator->() { return get()->pMethods; }

 private:
  sqlite3_vfs* vfs_;
  std::string name_;
  std::vector<std::max_align_t> memory_;
};

TEST(Gathering, WhatIsWrittenInPiecesIsReadAsAWhole) {
  TempDir dir;
  const std::string path = dir.path / "db-wal";
  std::ofstream(dir.path / "db") << "";  // whose permissions the log gets
  std::string model;
  std::mt19937 random(7);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  File file(path);
  std::string piece, read;
  std::size_t next = 0;
  for (int step = 0; step < 6000; ++step) {
    const std::size_t what = below(100);
    if (what < 80) {
      // Mostly where the last one ended; now and then larger than what is held back, or over what was written before.
      if (below(10) == 0) next = below(model.size() + 1);
      piece.assign(below(50) == 0 ? 100'000 + below(30'000) : 1 + below(5000), static_cast<char>('a' + step % 26));
      if (next > 4'000'000) next = 0;
      ASSERT_EQ(file->xWrite(file.get(), piece.data(), static_cast<int>(piece.size()), static_cast<sqlite3_int64>(next)), SQLITE_OK);
      if (model.size() < next + piece.size()) model.resize(next + piece.size());
      model.replace(next, piece.size(), piece);
      next += piece.size();
    } else if (what < 90 && !model.empty()) {
      const std::size_t at = below(model.size());
      read.resize(1 + below(std::min<std::size_t>(model.size() - at, 9000)));
      ASSERT_EQ(file->xRead(file.get(), read.data(), static_cast<int>(read.size()), static_cast<sqlite3_int64>(at)), SQLITE_OK);
      ASSERT_EQ(read, model.substr(at, read.size())) << step;
    } else if (what < 94) {
      sqlite3_int64 size = 0;
      ASSERT_EQ(file->xFileSize(file.get(), &size), SQLITE_OK);
      ASSERT_EQ(static_cast<std::size_t>(size), model.size()) << step;
    } else if (what < 96) {
      model.resize(below(model.size() + 1));
      ASSERT_EQ(file->xTruncate(file.get(), static_cast<sqlite3_int64>(model.size())), SQLITE_OK);
      next = model.size();
    } else {
      ASSERT_EQ(file->xSync(file.get(), SQLITE_SYNC_FULL | SQLITE_SYNC_DATAONLY), SQLITE_OK);
      if (step % 10 == 0) {
        ASSERT_TRUE(contents(path) == model) << "others see it: step " << step;
      }
    }
  }
  ASSERT_EQ(file->xClose(file.get()), SQLITE_OK);
  EXPECT_TRUE(contents(path) == model);
}

// A limit on the size of files stands for a full disk: what cannot be written is told once, by whichever call hands it on, and what
// comes later is as if nothing had been.
TEST(Gathering, AnErrorIsToldOnce) {
  TempDir dir;
  std::ofstream(dir.path / "db") << "";
  File file(dir.path / "db-wal");
  const std::string piece(50'000, 'x');
  const auto put = [&](sqlite3_int64 at) { return file->xWrite(file.get(), piece.data(), static_cast<int>(piece.size()), at); };
  std::string read(1000, ' ');
  const auto get = [&] { return file->xRead(file.get(), read.data(), static_cast<int>(read.size()), 0); };
  const auto sync = [&] { return file->xSync(file.get(), SQLITE_SYNC_NORMAL); };
  ASSERT_EQ(put(0), SQLITE_OK);
  ASSERT_EQ(sync(), SQLITE_OK);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto old = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{60'000, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  ASSERT_EQ(put(50'000), SQLITE_OK) << "held back";
  EXPECT_NE(sync(), SQLITE_OK);
  EXPECT_EQ(sync(), SQLITE_OK);
  ASSERT_EQ(put(50'000), SQLITE_OK);
  EXPECT_NE(get(), SQLITE_OK) << "a read is told too";
  EXPECT_EQ(get(), SQLITE_OK);
  ASSERT_EQ(put(50'000), SQLITE_OK);
  ASSERT_EQ(put(100'000), SQLITE_OK);
  EXPECT_NE(put(150'000), SQLITE_OK) << "it can be held back no longer";
  EXPECT_EQ(sync(), SQLITE_OK);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, old);
  ASSERT_EQ(put(50'000), SQLITE_OK);
  EXPECT_EQ(sync(), SQLITE_OK);
  EXPECT_EQ(contents(dir.path / "db-wal"), piece + piece);
  EXPECT_EQ(file->xClose(file.get()), SQLITE_OK);
}

struct Closed {
  void operator()(sqlite3* db) const { sqlite3_close(db); }
};
using Connection = std::unique_ptr<sqlite3, Closed>;

Connection connect(const std::string& path, const char* vfs) {
  sqlite3* db = nullptr;
  EXPECT_EQ(sqlite3_open_v2(path.c_str(), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, vfs), SQLITE_OK);
  return Connection(db);
}
void exec(const Connection& db, const std::string& sql) {
  ASSERT_EQ(sqlite3_exec(db.get(), sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK) << sql << ": " << sqlite3_errmsg(db.get());
}
std::string one(const Connection& db, const std::string& sql) {
  std::string out;
  const auto take = [](void* to, int, char** values, char**) {
    *static_cast<std::string*>(to) = values[0];
    return 0;
  };
  EXPECT_EQ(sqlite3_exec(db.get(), sql.c_str(), take, &out, nullptr), SQLITE_OK) << sqlite3_errmsg(db.get());
  return out;
}

// Small and large commits, a page cache that overflows into the log, checkpoints between, whole ones and such as an older reader cuts
// short: a reader that knows nothing of the gathering sees each commit as soon as it is made, and never half of one.
TEST(Gathering, AReaderSeesEachCommit) {
  TempDir dir;
  const std::string path = dir.path / "db";
  const Connection writer = connect(path, gathering_vfs());
  exec(writer, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=20;"
               "CREATE TABLE t(id INTEGER PRIMARY KEY, v BLOB NOT NULL)");
  const Connection reader = connect(path, nullptr);
  const Connection old = connect(path, nullptr);
  int rows = 0;
  for (int i = 1; i <= 60; ++i) {
    const int many = i % 7 == 0 ? 400 : 1;
    exec(writer, "BEGIN IMMEDIATE");
    for (int k = 0; k < many; ++k) exec(writer, "INSERT INTO t(v) VALUES(zeroblob(" + std::to_string(100 + 37 * k % 9000) + "))");
    if (many > 1) exec(writer, "UPDATE t SET v = zeroblob(5000) WHERE id % 11 = 0");
    EXPECT_EQ(one(reader, "SELECT COUNT(*) FROM t"), std::to_string(rows)) << "not before the commit";
    if (i % 14 == 0) {
      exec(writer, "ROLLBACK");
    } else {
      exec(writer, "COMMIT");
      rows += many;
    }
    EXPECT_EQ(one(reader, "SELECT COUNT(*) FROM t"), std::to_string(rows));
    if (i % 9 == 4) one(old, "BEGIN; SELECT COUNT(*) FROM t");
    if (i % 9 == 8) {
      exec(writer, "PRAGMA wal_checkpoint(PASSIVE)");
      EXPECT_EQ(one(reader, "SELECT COUNT(*) FROM t"), std::to_string(rows));
      EXPECT_EQ(one(reader, "PRAGMA integrity_check"), "ok");
      exec(old, "COMMIT");
    }
    if (i % 9 == 0) exec(writer, i % 2 == 0 ? "PRAGMA wal_checkpoint(PASSIVE)" : "PRAGMA wal_checkpoint(TRUNCATE)");
  }
  EXPECT_EQ(one(reader, "PRAGMA integrity_check"), "ok");
}

}  // namespace
}  // namespace vestibule::store
