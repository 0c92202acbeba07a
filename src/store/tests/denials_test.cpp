#include "store/denials.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "store/tests/support.hpp"

namespace vestibule::store {
namespace {

using namespace std::chrono_literals;
using State = Slot::State;

const Secret kKey(Bytes(32, 3));
const Secret kOther(Bytes(32, 4));

struct DenialsTest : testing::Test {
  void SetUp() override {
    Database::Options options;
    options.file = dir.path / "store.db";
    options.cores = 1;
    auto opened = Database::open(options, test_migrations());
    ASSERT_TRUE(opened) << opened.error().detail;
    db = std::move(*opened);
    db->set_hook(hook);
    db->start();
    cores.start();
    open();
  }
  void TearDown() override {
    denials.reset();
    db->stop();
    cores.stop();
    db.reset();
  }
  Result<void> try_open(const Secret& key = kKey, std::uint32_t slots = 4) {
    denials.reset();
    Denials::Options o;
    o.file = file();
    o.slots = slots;
    o.write = [this](int fd, ByteView bytes, std::uint64_t at) {
      if (broken) return false;
      if (torn_after != 0) bytes = bytes.first(std::min(bytes.size(), torn_after.load()));
      const bool whole = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(at)) == std::ssize(bytes);
      ++writes;
      return whole && torn_after == 0;
    };
    auto opened = Denials::open(std::move(o), key, *db);
    if (!opened) return std::move(opened).error();
    denials = std::move(*opened);
    denials->on_unkept([this] { ++told; });
    return {};
  }
  void open(const Secret& key = kKey) {
    const auto r = try_open(key);
    ASSERT_TRUE(r) << r.error().detail;
  }
  static net::Task<> keep_into(Denials* d, std::string kind, Bytes what, Denials::Place* out) {
    *out = co_await d->keep(std::move(kind), std::move(what));
  }
  Denials::Place keep(std::string_view what, std::string_view kind = "stop") {
    Denials::Place out;
    const ByteView bytes = as_bytes(what);
    run_task(cores.at(0), keep_into(denials.get(), std::string(kind), Bytes(bytes.begin(), bytes.end()), &out));
    return out;
  }
  void settle(const Denials::Place& place) {
    ASSERT_TRUE(db->write_blocking([&](Tx& tx) { return denials->settle_in(tx, place); }));
  }
  std::vector<std::string> left(std::string_view kind = "stop") {
    std::vector<std::string> out;
    for (const auto& k : denials->take(kind)) out.emplace_back(as_text(k.what));
    return out;
  }
  std::filesystem::path file() const { return dir.path / "denials"; }
  std::string raw() const {
    std::ifstream in(file(), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void overwrite(const std::string& bytes, std::size_t at = 0) const {
    std::fstream out(file(), std::ios::binary | std::ios::in | std::ios::out);
    out.seekp(static_cast<std::streamoff>(at));
    out.write(bytes.data(), std::ssize(bytes));
  }

  TempDir dir;
  RecordingHook hook;
  net::Cores cores{1};
  std::unique_ptr<Database> db;
  std::unique_ptr<Denials> denials;
  std::atomic<bool> broken{false};
  std::atomic<std::size_t> torn_after{0};
  std::atomic<int> writes{0}, told{0};
};

TEST_F(DenialsTest, IsThereBeforeItIsNeededAndForItsOwnerAlone) {
  struct stat about {};
  ASSERT_EQ(::stat(file().c_str(), &about), 0);
  EXPECT_EQ(about.st_size, 4 * static_cast<off_t>(kSlotSize));
  EXPECT_GE(about.st_blocks * 512, about.st_size) << "a hole would need room later";
  EXPECT_EQ(about.st_mode & 0777, 0600U);
  (void)keep("one");
  ASSERT_EQ(::stat(file().c_str(), &about), 0);
  EXPECT_EQ(about.st_size, 4 * static_cast<off_t>(kSlotSize)) << "written in place";
}

TEST_F(DenialsTest, OutlivesTheProcessInOrderUntilItIsSettled) {
  const auto one = keep("one");
  const auto two = keep("two");
  EXPECT_TRUE(keep("three", "session.revoke").kept());
  EXPECT_EQ(denials->unkept(), 0U);
  open();
  EXPECT_EQ(left(), (std::vector<std::string>{"one", "two"}));
  EXPECT_EQ(left(), std::vector<std::string>{}) << "each is given once";
  EXPECT_EQ(left("session.revoke"), std::vector<std::string>{"three"});
  EXPECT_TRUE(denials->take_rest().empty());
  settle(one);
  denials->settled(one);
  open();
  EXPECT_EQ(left(), std::vector<std::string>{"two"});
  settle(two);
  denials->settled(two);
  open();
  EXPECT_EQ(left(), std::vector<std::string>{});
}

TEST_F(DenialsTest, StoredButNotEmptiedIsNotTakenUpAgain) {
  const auto one = keep("one");
  const std::string then = raw();
  settle(one);
  open();  // the process ended before settled()
  EXPECT_EQ(left(), std::vector<std::string>{});
  EXPECT_EQ(raw().find("one"), std::string::npos) << "what names people goes";
  overwrite(then);  // somebody copies the old file back
  open();
  EXPECT_EQ(left(), std::vector<std::string>{});
  EXPECT_TRUE(denials->take_rest().empty());
  // A later one in the same page has a sequence of its own.
  EXPECT_TRUE(keep("two").kept());
  open();
  EXPECT_EQ(left(), std::vector<std::string>{"two"});
  overwrite(then);
  open();
  EXPECT_EQ(left(), std::vector<std::string>{}) << "the copy is older than what was settled";
}

TEST_F(DenialsTest, AJobThatFailsSettlesNothing) {
  const auto one = keep("one");
  EXPECT_FALSE(db->write_blocking([&](Tx& tx) -> Result<void> {
    (void)denials->settle_in(tx, one);
    return fail(Reason::conflict);
  }));
  open();
  EXPECT_EQ(left(), std::vector<std::string>{"one"});
}

TEST_F(DenialsTest, AllPagesInUseIsCountedAndTold) {
  std::vector<Denials::Place> places;
  for (int i = 0; i < 4; ++i) places.push_back(keep("x"));
  EXPECT_EQ(denials->unkept(), 0U);
  const auto fifth = keep("five");
  EXPECT_FALSE(fifth.kept());
  EXPECT_EQ(denials->unkept(), 1U);
  EXPECT_EQ(told, 1);
  denials->settled(fifth);
  EXPECT_EQ(denials->unkept(), 0U);
  settle(places[2]);
  denials->settled(places[2]);
  EXPECT_TRUE(eventually([&] { return keep("again").kept(); }, 2s)) << "its page can be used again";
}

TEST_F(DenialsTest, ADiskThatRefusesIsCountedAndComesBack) {
  broken = true;
  const auto one = keep("one");
  EXPECT_FALSE(one.kept());
  EXPECT_EQ(denials->unkept(), 1U);
  broken = false;
  denials->settled(one);
  EXPECT_TRUE(keep("two").kept());
  open();
  EXPECT_EQ(left(), std::vector<std::string>{"two"});
}

TEST_F(DenialsTest, TooLargeIsNotKeptInPart) {
  EXPECT_FALSE(keep(std::string(kMaxDenial, 'x')).kept());
  EXPECT_TRUE(keep(std::string(kMaxDenial - 4, 'x')).kept());
  open();
  EXPECT_EQ(left().at(0).size(), kMaxDenial - 4);
}

TEST_F(DenialsTest, ATornWriteIsEitherNothingOrAnAlarm) {
  for (std::size_t cut = 1; cut <= kSlotSize; cut = cut < 64 ? cut + 7 : cut * 2) {
    torn_after = cut;
    const auto place = keep("torn");
    EXPECT_FALSE(place.kept());
    torn_after = 0;
    // The page could be written, only not wholly: it was taken back as far as the cut went. What a power
    // loss leaves is the cut page alone.
    auto page = write_slot(crypto::HmacKey(kKey), 0, 9, "stop", as_bytes("torn"));
    std::string half(kSlotSize, '\0');
    std::copy_n(page.begin(), cut, half.begin());
    overwrite(half);
    open();
    if (cut == kSlotSize) {
      EXPECT_EQ(left(), std::vector<std::string>{"torn"});
    } else {
      EXPECT_EQ(left(), std::vector<std::string>{});
      EXPECT_EQ(denials->take_rest().size(), 1U) << cut;
    }
    overwrite(std::string(kSlotSize, '\0'));
    open();
    EXPECT_TRUE(denials->take_rest().empty());
  }
}

TEST_F(DenialsTest, EmptyingThatIsTornIsDone) {
  const auto one = keep("one");
  settle(one);
  overwrite(std::string(kSectorSize, '\0'), std::size_t{one.slot} * kSlotSize);  // the first sector went, the rest did not
  open();
  EXPECT_TRUE(denials->take_rest().empty());
}

TEST_F(DenialsTest, AlteredMovedOrForeignCannotBeRead) {
  (void)keep("one");
  const std::string mine = raw();
  std::string changed = mine;
  changed[40] = static_cast<char>(changed[40] ^ 1);
  overwrite(changed);
  open();
  EXPECT_EQ(left(), std::vector<std::string>{});
  EXPECT_EQ(denials->take_rest().size(), 1U);
  // Copied into another page.
  overwrite(mine.substr(0, kSlotSize), 0);
  overwrite(mine.substr(0, kSlotSize), kSlotSize);
  open();
  EXPECT_EQ(left(), std::vector<std::string>{"one"});
  EXPECT_EQ(denials->take_rest().size(), 1U);
  // Of another installation.
  open(kOther);
  EXPECT_EQ(left(), std::vector<std::string>{});
  const auto rest = denials->take_rest();
  ASSERT_EQ(rest.size(), 2U);
  for (const auto& k : rest) {
    settle(k.place);
    denials->settled(k.place);
  }
  open(kOther);
  EXPECT_TRUE(denials->take_rest().empty()) << "once a person has looked, it is gone";
}

TEST_F(DenialsTest, ANewerProgramsFileIsLeftAlone) {
  (void)keep("one");
  std::string newer = raw();
  newer[7] = '2';
  overwrite(newer);
  const auto r = try_open();
  ASSERT_FALSE(r);
  EXPECT_NE(r.error().detail.find("newer"), std::string::npos);
  EXPECT_EQ(raw(), newer);
}

TEST_F(DenialsTest, ATruncatedFileGrowsAgain) {
  (void)keep("one");
  denials.reset();
  ASSERT_EQ(::truncate(file().c_str(), kSlotSize + 100), 0);
  open();
  EXPECT_EQ(left(), std::vector<std::string>{"one"});
  EXPECT_EQ(std::filesystem::file_size(file()), 4 * kSlotSize);
}

TEST_F(DenialsTest, ALinkOrADirectoryIsRefused) {
  denials.reset();
  std::filesystem::rename(file(), dir.path / "elsewhere");
  std::filesystem::create_symlink(dir.path / "elsewhere", file());
  EXPECT_FALSE(try_open());
  std::filesystem::remove(file());
  std::filesystem::create_directory(file());
  EXPECT_FALSE(try_open());
}

TEST(DenialSlot, OnlyWhatWasWrittenReadsBack) {
  const crypto::HmacKey key(kKey);
  const auto page = write_slot(key, 7, 42, "user.disable", as_bytes("somebody"));
  const Slot slot = read_slot(key, 7, page);
  EXPECT_EQ(slot.state, State::kept);
  EXPECT_EQ(slot.sequence, 42U);
  EXPECT_EQ(slot.kind, "user.disable");
  EXPECT_EQ(as_text(slot.what), "somebody");
  EXPECT_EQ(read_slot(key, 8, page).state, State::unreadable);
  EXPECT_EQ(read_slot(crypto::HmacKey(kOther), 7, page).state, State::unreadable);
  EXPECT_EQ(read_slot(key, 7, ByteView(page).first(kSlotSize - 1)).state, State::unreadable);
  EXPECT_EQ(read_slot(key, 7, {}).state, State::empty);
  for (std::size_t i = 0; i < kSlotSize; ++i) {
    auto other = page;
    other[i] ^= 0x80U;
    EXPECT_NE(read_slot(key, 7, other).state, State::kept) << i;
  }
}

}  // namespace
}  // namespace vestibule::store
