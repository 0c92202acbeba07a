// The log over a real store: what is answered is there, what was doctored is found.

#include "audit/log.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <future>
#include <thread>

#include "audit/opened.hpp"
#include "audit/tests/tamper.hpp"
#include "json/value.hpp"
#include "net/task_group.hpp"

namespace vestibule::audit {
namespace {

using namespace std::chrono_literals;
using namespace testing;

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

template <class T>
bool eventually(T condition) {
  for (int i = 0; i < 500; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(10ms);
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

std::unique_ptr<store::Database> open_database(const std::filesystem::path& file) {
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

net::Task<Result<void>> submit_and_wait(Log* log, std::uint64_t i) {
  std::string name;
  const Record r = sample(i, name);
  const auto ticket = log->submit(r, Urgency::now);
  if (!ticket) co_return ticket.error();
  auto durable = co_await log->durable(*ticket, 5s);
  co_return durable;
}

std::string all(const VerifyReport& r) {
  std::string out;
  for (const auto& p : r.problems) out += p + "\n";
  return out;
}

TEST(Log, SubmitDurableListVerifyProve) {
  Folder folder;
  Options options;
  options.checkpoint_records = 4;
  options.checkpoint_file = folder / "checkpoints";
  House house(folder / "db", options);
  for (std::uint64_t i = 0; i < 10; ++i) {
    const auto r = house.run(i % 2 == 0 ? 0 : 1, submit_and_wait(house.log.get(), i));
    ASSERT_TRUE(r) << r.error().detail;
    EXPECT_EQ(house.log->size(), i + 1);
  }
  EXPECT_EQ(house.log->health(), store::Health::ok);

  const auto entries = house.list({});
  ASSERT_EQ(entries.size(), 10U);
  EXPECT_EQ(entries[0].seq, 9U);
  EXPECT_EQ(entries[9].user_name, "anna");
  EXPECT_EQ(entries[9].source, "192.0.2.9");
  EXPECT_FALSE(entries[9].body_digest.empty());

  ASSERT_TRUE(
      eventually([&] { return split_notes(read_file(options.checkpoint_file)).size() == 2; }));
  const std::string shipped = read_file(options.checkpoint_file);
  EXPECT_EQ(split_notes(shipped).back(), house.log->checkpoint());
  const VerifyReport report = house.verify(shipped);
  EXPECT_EQ(all(report), "");
  EXPECT_EQ(report.records, 10U);
  EXPECT_EQ(report.checkpoints, 2U);

  for (std::uint64_t i = 0; i < 8; ++i) {
    const auto proof = house.db->read_blocking([&](store::Tx& tx) { return prove(tx, i); });
    ASSERT_TRUE(proof) << proof.error().detail;
    const auto ok = check_proof(*proof, house.log->public_key());
    EXPECT_TRUE(ok) << ok.error().detail;
  }
  const auto early = house.db->read_blocking([&](store::Tx& tx) { return prove(tx, 9); });
  EXPECT_EQ(early.error().code, Reason::conflict);
  const auto beyond = house.db->read_blocking([&](store::Tx& tx) { return prove(tx, 10); });
  EXPECT_EQ(beyond.error().code, Reason::not_found);
}

TEST(Log, OffTheCoresNothingIsSubmitted) {
  House house("");
  Record r;
  r.kind = Kind::change;
  EXPECT_FALSE(house.log->submit(r, Urgency::soon));
  house.log->refuse_unauthenticated({}, Reason::credential_missing, "llama");
  house.log->flush_refusals(Flush::everything);
  EXPECT_EQ(house.log->size(), 0U);
  EXPECT_EQ(house.log->checkpoint(), "");
}

TEST(Log, StandsIfAndOnlyIfItsJobCommits) {
  House house("");
  ASSERT_TRUE(house.append(0, 2));
  const auto failed = house.db->write_blocking([&](store::Tx& tx) -> Result<void> {
    Record r;
    r.kind = Kind::change;
    r.operation = "user.create";
    house.log->append(tx, r);
    return fail(Reason::conflict, "on purpose");
  });
  EXPECT_EQ(failed.error().code, Reason::conflict);
  ASSERT_TRUE(house.append(2, 1));
  EXPECT_EQ(house.log->size(), 3U);
  EXPECT_TRUE(house.list({.operation = "user.create"}).empty());
  EXPECT_EQ(all(house.verify()), "");
}

TEST(Log, ABatchThatFailsLeavesTheTreeAsItWas) {
  House house("");
  ASSERT_TRUE(house.append(0, 3));
  const auto failed = house.db->write_blocking([&](store::Tx& tx) -> Result<void> {
    std::string name;
    house.log->append(tx, sample(3, name));
    tx.journal(as_bytes("no record"));
    return {};
  });
  EXPECT_FALSE(failed);
  EXPECT_EQ(house.log->size(), 3U);
  ASSERT_TRUE(eventually([&] { return house.append(3, 2).has_value(); }));
  EXPECT_EQ(house.log->size(), 5U);
  const VerifyReport report = house.verify();
  EXPECT_EQ(all(report), "");
  EXPECT_EQ(report.records, 5U);
}

TEST(Log, GoesOnWhereItEnded) {
  Folder folder;
  Options options;
  options.checkpoint_records = 3;
  options.checkpoint_file = folder / "checkpoints";
  std::string last;
  for (std::uint64_t round = 0; round < 3; ++round) {
    House house(folder / "db", options);
    EXPECT_EQ(house.log->size(), round * 5);
    EXPECT_EQ(house.log->checkpoint(), last);
    for (std::uint64_t i = 0; i < 5; ++i) ASSERT_TRUE(house.append(round * 5 + i, 1));
    last = house.log->checkpoint();
  }
  House house(folder / "db", options);
  const std::string shipped = read_file(options.checkpoint_file);
  EXPECT_EQ(split_notes(shipped).size(), 5U);
  const VerifyReport report = house.verify(shipped);
  EXPECT_EQ(all(report), "");
  EXPECT_EQ(report.records, 15U);
}

TEST(Log, WhenCheckpointsAreMade) {
  House house("");
  ASSERT_TRUE(house.append(0, 1));
  EXPECT_EQ(house.log->checkpoint(), "");
  house.clock.advance(61s);
  ASSERT_TRUE(house.append(1, 1));
  EXPECT_EQ(parse_checkpoint(house.log->checkpoint())->size, 2U);
  ASSERT_TRUE(house.append(2, 1));
  EXPECT_EQ(parse_checkpoint(house.log->checkpoint())->size, 2U);
  house.clock.set_wall(WallTime(1s));  // set back: the boot clock decides
  house.clock.advance(61s);
  ASSERT_TRUE(house.append(3, 1));
  EXPECT_EQ(parse_checkpoint(house.log->checkpoint())->size, 4U);
  ASSERT_TRUE(house.db->write_blocking([&](store::Tx& tx) -> Result<void> {
    Record r;
    r.kind = Kind::system;
    r.operation = "stop";
    house.log->append(tx, r);
    return {};
  }));
  EXPECT_EQ(parse_checkpoint(house.log->checkpoint())->size, 5U);
  EXPECT_EQ(all(house.verify()), "");
  EXPECT_TRUE(house.log->verifier_key().starts_with("vestibule.local/audit+"));
}

TEST(Log, TheLastRecordsBeforeAQuietSpellAreCovered) {
  House house("");
  const auto checkpoints = [&] {
    std::int64_t n = -1;
    EXPECT_TRUE(house.db->read_blocking([&](store::Tx& tx) {
      return tx.one("SELECT COUNT(*) FROM audit_checkpoint", {}, [&](const store::Row& r) { n = r.integer(0); });
    }));
    return n;
  };
  ASSERT_TRUE(house.append(0, 3));
  ASSERT_TRUE(house.cover());
  EXPECT_EQ(checkpoints(), 0) << "not due yet";
  house.clock.advance(59s);
  ASSERT_TRUE(house.cover());
  EXPECT_EQ(checkpoints(), 0);
  house.clock.advance(1s);
  ASSERT_TRUE(house.cover());
  EXPECT_EQ(checkpoints(), 1);
  EXPECT_EQ(parse_checkpoint(house.log->checkpoint())->size, 3U);
  // Hours of quiet make no more of them.
  for (int i = 0; i < 100; ++i) {
    house.clock.advance(600s);
    ASSERT_TRUE(house.cover());
  }
  EXPECT_EQ(checkpoints(), 1);
  EXPECT_EQ(house.log->size(), 3U) << "and no records";
  ASSERT_TRUE(house.append(3, 1));  // the first after a long time is covered at once
  EXPECT_EQ(checkpoints(), 2);
  ASSERT_TRUE(house.append(4, 1));
  ASSERT_TRUE(house.cover());
  EXPECT_EQ(checkpoints(), 2);
  house.clock.advance(60s);
  ASSERT_TRUE(house.cover());
  EXPECT_EQ(parse_checkpoint(house.log->checkpoint())->size, 5U);
  EXPECT_EQ(all(house.verify()), "");
}

TEST(Log, AnUncoveredEndIsCoveredAfterARestart) {
  Folder folder;
  {
    House house(folder / "log.db");
    ASSERT_TRUE(house.append(0, 2));
  }
  House house(folder / "log.db");
  EXPECT_EQ(house.log->checkpoint(), "");
  house.clock.advance(60s);
  ASSERT_TRUE(house.cover());
  EXPECT_EQ(parse_checkpoint(house.log->checkpoint())->size, 2U);
}

TEST(Log, CheckpointFileMendsAndCatchesUp) {
  Folder folder;
  Options options;
  options.checkpoint_records = 1;
  options.checkpoint_file = folder / "checkpoints";
  {
    House house(folder / "db", options);
    for (std::uint64_t i = 0; i < 3; ++i) ASSERT_TRUE(house.append(i, 1));
  }
  const std::string whole = read_file(options.checkpoint_file);
  ASSERT_EQ(split_notes(whole).size(), 3U);
  for (const std::size_t lost : {1U, 2U, 20U, 150U, 160U, 200U, 300U}) {
    std::filesystem::resize_file(options.checkpoint_file, whole.size() - lost);
    { House house(folder / "db", options); }
    const std::string shipped = read_file(options.checkpoint_file);
    House house(folder / "db", options);
    EXPECT_EQ(all(house.verify(shipped)), "") << lost;
    EXPECT_EQ(split_notes(shipped).size(), 3U) << lost;
  }
  std::filesystem::remove(options.checkpoint_file);
  { House house(folder / "db", options); }
  EXPECT_EQ(read_file(options.checkpoint_file), whole);
}

TEST(Log, CheckpointFileThatFailsDeniesNothing) {
  Folder folder;
  Options options;
  options.checkpoint_records = 1;
  std::filesystem::create_directory(folder / "sub");
  options.checkpoint_file = (folder / "sub") / "checkpoints";
  {
    House house(folder / "db", options);
    std::filesystem::remove_all(folder / "sub");
    ASSERT_TRUE(house.append(0, 1));
    ASSERT_TRUE(house.append(1, 1));
    EXPECT_EQ(house.log->health(), store::Health::ok);
    std::filesystem::create_directory(folder / "sub");
    ASSERT_TRUE(house.append(2, 1));
  }
  EXPECT_EQ(split_notes(read_file(options.checkpoint_file)).size(), 3U);

  auto db = open_database("");
  ManualClock clock;
  CountingRng rng;
  options.checkpoint_file = folder / "nowhere/checkpoints";
  EXPECT_EQ(Log::open(*db, options, Secret(Bytes(32, 7)), clock, rng).error().code,
            Reason::config_invalid);
  options.checkpoint_file.clear();
  options.origin = "two words";
  EXPECT_EQ(Log::open(*db, options, Secret(Bytes(32, 7)), clock, rng).error().code,
            Reason::config_invalid);
  options.origin = "a";
  EXPECT_FALSE(Log::open(*db, options, Secret(Bytes(31, 7)), clock, rng));
}

TEST(Log, Lists) {
  House house("");
  for (std::uint64_t i = 0; i < 24; i += 4) ASSERT_TRUE(house.append(i, 4));
  EXPECT_EQ(house.seqs({.limit = 3}), (Seqs{23, 22, 21}));
  EXPECT_EQ(house.seqs({.limit = 3, .newest_first = false}), (Seqs{0, 1, 2}));
  EXPECT_EQ(house.seqs({.from_seq = 6, .to_seq = 9}), (Seqs{9, 8, 7, 6}));
  EXPECT_EQ(house.seqs({.from_seq = 6, .to_seq = 9, .newest_first = false}), (Seqs{6, 7, 8, 9}));
  EXPECT_EQ(house.seqs({.from_seq = 22, .to_seq = 99}), (Seqs{23, 22}));
  EXPECT_EQ(house.seqs({.from_seq = 24}), Seqs{});
  EXPECT_EQ(house.seqs({.from_seq = ~std::uint64_t{0}}), Seqs{});
  EXPECT_EQ(house.seqs({.user_name = "anna", .limit = 2}), (Seqs{21, 18}));
  EXPECT_EQ(house.seqs({.user_name = "carl"}), Seqs{});
  EXPECT_EQ(house.seqs({.kind = Kind::completion, .limit = 2}), (Seqs{23, 21}));
  EXPECT_EQ(house.seqs({.access_point = "other"}), Seqs{});
  EXPECT_EQ(house.seqs({.operation = "chat", .reason = "ok", .limit = 1}), (Seqs{23}));
  EXPECT_EQ(house.seqs({.reason = "mfa_lapsed"}), Seqs{});
  RequestId request;
  request.bytes[0] = 5;
  EXPECT_EQ(house.seqs({.request = request.text()}), (Seqs{4}));
  EXPECT_EQ(house.seqs({.request = "req_nonsense"}), Seqs{});
  const WallTime start{1'800'000'000s};
  EXPECT_EQ(house.seqs({.since = start + 22s}), (Seqs{23, 22}));
  EXPECT_EQ(house.seqs({.until = start + 1s}), (Seqs{1, 0}));
  EXPECT_EQ(house.seqs({.limit = 0}), Seqs{});
  int calls = 0;
  ASSERT_TRUE(house.db->read_blocking(
      [&](store::Tx& tx) { return list(tx, {}, [&](const Entry&) { return ++calls < 2; }); }));
  EXPECT_EQ(calls, 2);
}

TEST(Log, ErasureBreaksNoProof) {
  House house("", {.checkpoint_records = 4});
  for (std::uint64_t i = 0; i < 24; i += 4) ASSERT_TRUE(house.append(i, 4));
  const auto before = house.db->read_blocking([&](store::Tx& tx) { return prove(tx, 3); });
  ASSERT_TRUE(before);
  const auto erase = [&](std::string_view name) {
    return house.db->write_blocking([&](store::Tx& tx) { return erase_private(tx, name); });
  };
  EXPECT_EQ(*erase("carl"), 0U);
  EXPECT_EQ(*erase("anna"), 8U);
  EXPECT_EQ(*erase("anna"), 0U);
  EXPECT_EQ(erase("").error().code, Reason::invalid_argument);
  const VerifyReport report = house.verify();
  EXPECT_EQ(all(report), "");
  EXPECT_EQ(report.erased, 8U);
  EXPECT_EQ(house.seqs({.user_name = "anna"}), Seqs{});
  EXPECT_EQ(house.seqs({.user_name = "bert"}).size(), 16U);
  const auto entries = house.list({});
  ASSERT_EQ(entries.size(), 24U);
  EXPECT_TRUE(entries[23].erased);
  EXPECT_EQ(entries[23].source, "");
  EXPECT_EQ(*house.db->read_blocking([&](store::Tx& tx) { return prove(tx, 3); }), *before);
  // The log goes on, and the name may come back with a new record.
  ASSERT_TRUE(house.append(24, 4));
  EXPECT_EQ(house.seqs({.user_name = "anna"}).size(), 2U);
  EXPECT_EQ(all(house.verify()), "");
}

TEST(Log, ARecordOpensForWhoeverHasNoLog) {
  House house("", {.checkpoint_records = 4});
  for (std::uint64_t i = 0; i < 8; i += 4) ASSERT_TRUE(house.append(i, 4));
  const auto opened = [&](std::uint64_t seq) { return house.db->read_blocking([&](store::Tx& tx) { return prove_opened(tx, seq); }); };
  const auto text = opened(3);
  ASSERT_TRUE(text) << text.error().detail;
  const json::Value value = *json::parse(*text);
  const auto& key = house.log->public_key();
  const LogKey ours{"vestibule.local/audit", Bytes(key.begin(), key.end())};
  const LogKey elsewhere{"other.example/audit", ours.key};
  const LogKey stranger{ours.name, Bytes(32, 1)};
  const std::vector<LogKey> keys = {stranger, elsewhere, ours};
  const auto record = open_record(value, keys);
  ASSERT_TRUE(record) << record.error().detail;
  EXPECT_EQ(record->leaf.seq, 3U);
  EXPECT_EQ(record->origin, ours.name);
  EXPECT_EQ(record->about.user_name, house.list({.from_seq = 3, .to_seq = 3}).at(0).user_name);
  EXPECT_FALSE(open_record(value, std::vector{elsewhere})) << "the key, under another name";
  EXPECT_FALSE(open_record(value, std::vector{stranger}));
  EXPECT_FALSE(open_record(value, {}));
  // What opens one record opens no other, and nothing else does.
  const json::Value other = *json::parse(*opened(2));
  for (const char* part : {"fields", "salt", "proof"}) {
    json::Value mixed = value;
    mixed.set(part, *other.find(part));
    EXPECT_FALSE(open_record(mixed, keys)) << part;
    mixed.set(part, "");
    EXPECT_FALSE(open_record(mixed, keys)) << part;
  }
  json::Value more = value;
  more.set("zeal", 1);
  EXPECT_FALSE(open_record(more, keys));
  EXPECT_EQ(opened(8).error().code, Reason::not_found);
  // Erased: the leaf is still in the tree, and opens no more.
  const std::string name(record->about.user_name);
  ASSERT_TRUE(house.db->write_blocking([&](store::Tx& tx) { return erase_private(tx, name); }));
  EXPECT_EQ(opened(3).error().code, Reason::not_found);
  EXPECT_TRUE(open_record(value, keys)) << "what was handed out before still holds";
}

TEST(Log, ErasedBytesAreInNoFileOfTheDatabase) {
  const std::string name = "zz-erase-me-zz";
  const std::string note(400, 'n');
  Folder folder;
  House house(folder / "log.db");
  const auto append = [&](std::string_view who, int n) {
    ASSERT_TRUE(house.db->write_blocking([&](store::Tx& tx) -> Result<void> {
      for (int i = 0; i < n; ++i) {
        Record r;
        r.kind = Kind::change;
        r.operation = "user.display";
        r.user_name = i % 2 == 0 ? who : "root";
        r.object = who;
        r.note = note;
        house.log->append(tx, r);
      }
      return {};
    }));
  };
  // Small and large rows (overflow pages), in both files.
  append(name, 1);
  append("somebody", 50);
  append(name, 400);
  append("somebody", 1);
  const auto holds = [&](std::string_view file) { return read_file(folder / file).find(name) != std::string::npos; };
  ASSERT_TRUE(holds("log.db-wal") || holds("log.db"));
  // A reader that holds a snapshot of before must not lose it, and is waited out.
  std::promise<void> reading;
  std::promise<void> go_on;
  auto go = go_on.get_future();
  std::thread reader([&] {
    EXPECT_TRUE(house.db->read_blocking([&](store::Tx& tx) -> Result<void> {
      std::int64_t n = 0;
      (void)tx.one("SELECT COUNT(*) FROM audit_segment", {}, [&](const store::Row& r) { n = r.integer(0); });
      EXPECT_EQ(n, 4);
      reading.set_value();
      go.wait();
      return {};
    }));
  });
  reading.get_future().wait();
  const auto erased = house.db->write_blocking([&](store::Tx& tx) { return erase_private(tx, name); });
  ASSERT_TRUE(erased);
  EXPECT_EQ(*erased, 401U);
  EXPECT_TRUE(holds("log.db-wal")) << "the reader is in the way";
  go_on.set_value();
  reader.join();
  EXPECT_TRUE(eventually([&] { return !holds("log.db-wal"); }));
  EXPECT_FALSE(holds("log.db"));
  EXPECT_EQ(house.seqs({.user_name = "somebody"}).size(), 26U);
  // Nobody in the way: gone at once.
  append("yy-and-me-yy", 3);
  ASSERT_NE(read_file(folder / "log.db-wal").find("yy-and-me-yy"), std::string::npos);
  ASSERT_TRUE(house.db->write_blocking([&](store::Tx& tx) { return erase_private(tx, "yy-and-me-yy"); }));
  for (const char* file : {"log.db", "log.db-wal"}) {
    EXPECT_EQ(read_file(folder / file).find("yy-and-me-yy"), std::string::npos) << file;
  }
  EXPECT_EQ(all(house.verify()), "");
}

TEST(Log, ErasureTakesChangesAboutThePersonToo) {
  House house("");
  ASSERT_TRUE(house.db->write_blocking([&](store::Tx& tx) -> Result<void> {
    Record r;
    r.kind = Kind::change;
    r.operation = "user.disable";
    r.user_name = "root";
    r.object = "anna";
    house.log->append(tx, r);
    return {};
  }));
  EXPECT_EQ(*house.db->write_blocking([&](store::Tx& tx) { return erase_private(tx, "anna"); }),
            1U);
  EXPECT_EQ(house.list({})[0].object, "");
  EXPECT_EQ(house.list({})[0].operation, "user.disable");
}

TEST(Log, RefusalsAreAddedUp) {
  House house("");
  const auto source = *domain::Source::parse("198.51.100.7");
  for (const unsigned core : {0U, 1U}) {
    house.on_core(core, [&] {
      for (int i = 0; i < 100; ++i)
        house.log->refuse_unauthenticated(source, Reason::credential_missing, "llama");
      house.log->flush_refusals();
    });
  }
  EXPECT_EQ(house.log->size(), 0U) << "the minute has not ended";
  house.clock.advance(60s);
  house.on_core(0, [&] { house.log->flush_refusals(); });
  house.on_core(1, [&] {
    house.log->refuse_unauthenticated(source, Reason::credential_missing, "llama");
    house.log->flush_refusals(Flush::everything);
  });
  ASSERT_TRUE(eventually([&] { return house.log->size() == 3; }));
  std::uint64_t sum = 0;
  for (const Entry& e : house.list({.kind = Kind::refusals})) {
    EXPECT_EQ(e.source, "198.51.100.7");
    EXPECT_EQ(e.reason, "credential_missing");
    EXPECT_EQ(e.outcome, "deny");
    EXPECT_EQ(e.access_point, "llama");
    EXPECT_EQ(e.at.time_since_epoch().count() % 60'000'000, 0);
    sum += e.count;
  }
  EXPECT_EQ(sum, 201U);
  EXPECT_EQ(all(house.verify()), "");
}

net::Task<int> submit_many(Log* log, std::uint64_t first, std::uint64_t n) {
  int failed = 0;
  for (std::uint64_t i = first; i < first + n; ++i) {
    std::string name;
    const Record r = sample(i, name);
    // every eighth is waited for
    const auto ticket = log->submit(r, i % 8 == 0 ? Urgency::now : Urgency::soon);
    if (!ticket) {
      ++failed;
      continue;
    }
    if (i % 8 != 0) continue;
    const auto durable = co_await log->durable(*ticket, 10s);
    if (!durable) ++failed;
  }
  co_return failed;
}

TEST(Log, CoresSubmitAtOnceWhileOthersRead) {
  Folder folder;
  Options options;
  options.checkpoint_records = 50;
  options.checkpoint_file = folder / "checkpoints";
  std::uint64_t size = 0;
  {
    House house(folder / "db", options);
    constexpr std::uint64_t kEach = 2000;
    std::promise<int> first;
    std::promise<int> second;
    const auto done = [](std::promise<int>* p) {
      return [p](std::exception_ptr, int failed) { p->set_value(failed); };
    };
    net::asio::co_spawn(house.cores.at(0).executor(), submit_many(house.log.get(), 0, kEach),
                        done(&first));
    net::asio::co_spawn(house.cores.at(1).executor(), submit_many(house.log.get(), 0, kEach),
                        done(&second));
    auto a = first.get_future();
    auto b = second.get_future();
    std::uint64_t appended = 0;
    do {
      (void)house.log->checkpoint();
      (void)house.log->size();
      EXPECT_EQ(all(house.verify()), "");
      ASSERT_TRUE(house.append(appended, 1));
      ++appended;
    } while (a.wait_for(0ms) != std::future_status::ready ||
             b.wait_for(0ms) != std::future_status::ready);
    EXPECT_EQ(a.get(), 0);
    EXPECT_EQ(b.get(), 0);
    ASSERT_TRUE(eventually([&] { return house.log->size() == 2 * kEach + appended; }))
        << house.log->size() << " of " << 2 * kEach << " + " << appended;
    size = house.log->size();
    // The records of one core keep their order.
    const auto entries = house.list({.limit = 10'000, .newest_first = false});
    EXPECT_EQ(entries.size(), size);
  }
  House house(folder / "db", options);
  const VerifyReport report = house.verify(read_file(options.checkpoint_file));
  EXPECT_EQ(all(report), "");
  EXPECT_EQ(report.records, size);
}

// --- doctoring

Result<Tables> load(store::Tx& tx) {
  Tables t;
  auto r =
      tx.query("SELECT first_seq, records, leaves, private FROM audit_segment ORDER BY first_seq",
               {}, [&](const store::Row& row) {
                 const auto l = row.blob(2);
                 const auto p = row.blob(3);
                 t.segments.push_back({static_cast<std::uint64_t>(row.integer(0)),
                                       static_cast<std::uint64_t>(row.integer(1)),
                                       {l.begin(), l.end()},
                                       {p.begin(), p.end()}});
                 return true;
               });
  if (!r) return r.error();
  r = tx.query("SELECT size, note FROM audit_checkpoint ORDER BY size", {},
               [&](const store::Row& row) {
                 t.checkpoints.push_back(
                     {static_cast<std::uint64_t>(row.integer(0)), std::string(row.text(1))});
                 return true;
               });
  if (!r) return r.error();
  auto found = tx.one("SELECT size, frontier FROM audit_tree", {}, [&](const store::Row& row) {
    t.size = static_cast<std::uint64_t>(row.integer(0));
    t.frontier.assign(row.blob(1).begin(), row.blob(1).end());
  });
  if (!found) return found.error();
  t.has_tree = *found;
  return t;
}

Result<void> save(store::Tx& tx, const Tables& t) {
  for (const char* sql :
       {"DELETE FROM audit_segment", "DELETE FROM audit_checkpoint", "DELETE FROM audit_tree"}) {
    if (auto r = tx.run(sql); !r) return r.error();
  }
  for (const auto& s : t.segments) {
    auto r = tx.run(
        "INSERT INTO audit_segment(first_seq, records, leaves, private) VALUES($1, $2, $3, $4)",
        {s.first, s.records, s.leaves, s.fields});
    if (!r) return r.error();
  }
  for (const auto& c : t.checkpoints) {
    auto r = tx.run("INSERT INTO audit_checkpoint(size, at, note) VALUES($1, $2, $3)",
                    {c.size, 1, c.note});
    if (!r) return r.error();
  }
  if (!t.has_tree) return {};
  auto r =
      tx.run("INSERT INTO audit_tree(id, size, frontier) VALUES(1, $1, $2)", {t.size, t.frontier});
  if (!r) return r.error();
  return {};
}

TEST(Log, EveryDoctoredCopyIsFound) {
  Folder folder;
  Options options;
  options.checkpoint_records = 8;
  options.checkpoint_file = folder / "checkpoints";
  {
    House house(folder / "db", options);
    for (std::uint64_t i = 0; i < 24; i += 4) ASSERT_TRUE(house.append(i, 4));
  }
  auto copy = open_database(folder / "db");
  copy->start();
  auto loaded = copy->read_blocking(load);
  ASSERT_TRUE(loaded);
  loaded->shipped = read_file(options.checkpoint_file);
  ASSERT_EQ(loaded->segments.size(), 6U);
  ASSERT_EQ(loaded->checkpoints.size(), 3U);
  const auto key = signing_key();
  const auto verify_with = [&](const Tables& t) {
    auto written = copy->write_blocking([&](store::Tx& tx) { return save(tx, t); });
    EXPECT_TRUE(written) << (written ? "" : written.error().detail);
    auto report =
        copy->read_blocking([&](store::Tx& tx) { return verify(tx, key.public_key(), t.shipped); });
    EXPECT_TRUE(report);
    return report ? all(*report) : std::string();
  };
  EXPECT_EQ(verify_with(*loaded), "");
  const auto cases = tamperings();
  EXPECT_GE(cases.size(), 50U);
  for (const Tampering& c : cases) {
    Tables doctored = *loaded;
    c.act(doctored);
    const std::string found = verify_with(doctored);
    EXPECT_NE(found.find(c.found), std::string::npos) << c.name << "\n" << found;
  }
  EXPECT_EQ(verify_with(*loaded), "");
  copy->stop();
}

TEST(Log, RefusesToGoOnFromWhatDoesNotFit) {
  const auto opens = [](const std::function<void(Tables&)>& act) {
    Folder folder;
    Options options;
    options.checkpoint_records = 8;
    {
      House house(folder / "db", options);
      for (std::uint64_t i = 0; i < 24; i += 4) EXPECT_TRUE(house.append(i, 4));
    }
    {
      auto db = open_database(folder / "db");
      db->start();
      auto t = db->read_blocking(load);
      act(*t);
      EXPECT_TRUE(db->write_blocking([&](store::Tx& tx) { return save(tx, *t); }));
      db->stop();
    }
    auto db = open_database(folder / "db");
    ManualClock clock;
    CountingRng rng;
    auto log = Log::open(*db, options, Secret(Bytes(32, 7)), clock, rng);
    return log ? Reason::ok : log.error().code;
  };
  EXPECT_EQ(opens([](Tables&) {}), Reason::ok);
  EXPECT_EQ(opens([](Tables& t) { t.segments.pop_back(); }), Reason::log_corrupt);
  EXPECT_EQ(opens([](Tables& t) { t.has_tree = false; }), Reason::log_corrupt);
  EXPECT_EQ(opens([](Tables& t) { t.frontier.pop_back(); }), Reason::log_corrupt);
  EXPECT_EQ(opens([](Tables& t) { t.frontier[0] ^= 1U; }), Reason::log_corrupt);
  EXPECT_EQ(opens([](Tables& t) { t.checkpoints.back().note.pop_back(); }), Reason::log_corrupt);
}

TEST(Log, ADamagedRecordDoesNotHideTheRest) {
  Folder folder;
  {
    House house(folder / "db");
    for (std::uint64_t i = 0; i < 8; i += 4) ASSERT_TRUE(house.append(i, 4));
  }
  auto db = open_database(folder / "db");
  db->start();
  auto t = db->read_blocking(load);
  edit_leaf(*t, 0, 1, [](Bytes& b) { b[0] = 9; });
  ASSERT_TRUE(db->write_blocking([&](store::Tx& tx) { return save(tx, *t); }));
  std::size_t given = 0;
  const auto r = db->read_blocking([&](store::Tx& tx) {
    return list(tx, {}, [&](const Entry&) {
      ++given;
      return true;
    });
  });
  EXPECT_EQ(r.error().code, Reason::log_corrupt);
  EXPECT_EQ(given, 7U);
  db->stop();
}

}  // namespace
}  // namespace vestibule::audit
