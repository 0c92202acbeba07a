#include "store/denials.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <system_error>

#include "base/counters.hpp"
#include "base/log.hpp"
#include "store/file_lock.hpp"

namespace vestibule::store {
namespace {

Counter g_kept("vestibule_denials_kept", "Denials that wait in the file of denials for the store.");
Counter g_unkept("vestibule_denials_unkept", "Denials that are in memory alone: nothing is admitted.");

constexpr std::array kMigrations = {
    Migration{"denials", 1, "CREATE TABLE denial_settled (slot BIGINT PRIMARY KEY, sequence BIGINT NOT NULL)"},
};

Error system_error(std::string_view what, const std::filesystem::path& path, int code) {
  return fail(Reason::store_unavailable,
              fmt::format("{} {}: {}", what, path.string(), std::generic_category().message(code)));
}

bool write_durably(int fd, ByteView bytes, std::uint64_t at) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    at += static_cast<std::uint64_t>(n);
  }
  return ::fdatasync(fd) == 0;
}

}  // namespace

std::span<const Migration> Denials::migrations() { return kMigrations; }

Denials::Denials(Options options, const Secret& key, int fd)
    : options_(std::move(options)), key_(key), fd_(fd), used_(options_.slots) {}

Denials::~Denials() {
  pool_.reset();
  ::close(fd_);
}

Result<std::unique_ptr<Denials>> Denials::open(Options options, const Secret& key, Database& database) {
  const int fd = ::open(options.file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return system_error("cannot open", options.file, errno);
  std::unique_ptr<Denials> denials(new Denials(std::move(options), key, fd));
  if (Result<void> r = denials->prepare(); !r) return std::move(r).error();
  Denials* const p = denials.get();
  Result<void> read = database.read_blocking([p](Tx& tx) { return p->read(tx); });
  if (!read) return std::move(read).error();
  denials->pool_ = std::make_unique<net::BlockingPool>(
      net::BlockingPool::Options{1, std::size_t{2} * denials->options_.slots + 64});
  return denials;
}

// Every page is written once: a page that merely exists may still need room when it is first used.
Result<void> Denials::prepare() {
  struct stat about {};
  if (::fstat(fd_, &about) != 0) return system_error("cannot look at", options_.file, errno);
  if (!S_ISREG(about.st_mode)) return fail(Reason::store_unavailable, options_.file.string() + " is not a plain file");
  if ((about.st_mode & 0777) != 0600 && ::fchmod(fd_, 0600) != 0) {
    return system_error("cannot make private", options_.file, errno);
  }
  const std::uint64_t wanted = std::uint64_t{options_.slots} * kSlotSize;
  const auto there = static_cast<std::uint64_t>(about.st_size) / kSlotSize * kSlotSize;
  if (there >= wanted) return {};
  const Bytes zeros(static_cast<std::size_t>(wanted - there));
  if (!write_durably(fd_, zeros, there) || ::fsync(fd_) != 0) {
    return system_error("there is no room to keep denials in", options_.file, errno);
  }
  return sync_to_disk(std::filesystem::absolute(options_.file).parent_path());
}

Result<void> Denials::read(Tx& tx) {
  std::map<std::uint32_t, std::uint64_t> settled;
  auto rows = tx.query("SELECT slot, sequence FROM denial_settled", {}, [&](const Row& row) {
    settled[static_cast<std::uint32_t>(row.integer(0))] = static_cast<std::uint64_t>(row.integer(1));
    return true;
  });
  if (!rows) return rows;
  std::uint64_t newest = 0;
  for (const auto& [slot, sequence] : settled) newest = std::max(newest, sequence);
  std::array<std::uint8_t, kSlotSize> page{};
  for (std::uint32_t i = 0; i < options_.slots; ++i) {
    const ssize_t n = ::pread(fd_, page.data(), page.size(), static_cast<off_t>(i) * static_cast<off_t>(kSlotSize));
    if (n != static_cast<ssize_t>(page.size())) return system_error("cannot read", options_.file, n < 0 ? errno : EIO);
    Slot slot = read_slot(key_, i, page);
    switch (slot.state) {
      case Slot::State::empty: continue;
      case Slot::State::newer:
        return fail(Reason::store_unavailable,
                    options_.file.string() + " was written by a newer version of this program: run that one");
      case Slot::State::unreadable:
        log::error("a denial cannot be read: torn, altered, or of another installation",
                   {{"file", options_.file.string()}, {"slot", i}});
        used_[i] = true;
        left_.push_back({Place{i, 0}, {}, {}});
        continue;
      case Slot::State::kept: break;
    }
    newest = std::max(newest, slot.sequence);
    const auto done = settled.find(i);
    if (done != settled.end() && slot.sequence <= done->second) {
      (void)empty(i);  // it was stored, and the process ended before the page was emptied
      continue;
    }
    used_[i] = true;
    left_.push_back({Place{i, slot.sequence}, std::move(slot.kind), std::move(slot.what)});
  }
  std::ranges::sort(left_, {}, [](const Kept& k) { return k.place.sequence; });
  g_kept.add(static_cast<std::int64_t>(left_.size()));
  next_sequence_ = newest + 1;
  return {};
}

std::vector<Denials::Kept> Denials::take(std::string_view kind) {
  std::vector<Kept> out;
  for (Kept& k : left_) {
    if (k.kind == kind) out.push_back(k);
  }
  std::erase_if(left_, [&](const Kept& k) { return k.kind == kind; });
  return out;
}

void Denials::give_back(Kept kept) {
  kept.kind.clear();
  left_.push_back(std::move(kept));
}

std::vector<Denials::Kept> Denials::take_rest() { return std::exchange(left_, {}); }

net::Task<Denials::Place> Denials::keep(std::string kind, Bytes what) {
  auto work = [this, k = std::move(kind), w = std::move(what)] { return put(k, w); };
  Result<Place> place = co_await pool_->run(std::move(work));
  if (place && place->kept()) {
    g_kept.add();
    co_return *place;
  }
  g_unkept.add();
  unkept_.fetch_add(1, std::memory_order_acq_rel);
  log::error("a denial is in memory alone: nothing is admitted until it is stored", {{"file", options_.file.string()}});
  for (const auto& listener : listeners_) listener();
  co_return Place{};
}

Denials::Place Denials::put(std::string_view kind, ByteView what) {
  const auto free = std::ranges::find(used_, false);
  if (free == used_.end() || kind.empty() || kind.size() + what.size() > kMaxDenial || kind.size() > UINT8_MAX) return {};
  const auto slot = static_cast<std::uint32_t>(free - used_.begin());
  const Place place{slot, next_sequence_++};
  used_[slot] = true;
  const auto page = write_slot(key_, slot, place.sequence, kind, what);
  if (write(page, std::uint64_t{slot} * kSlotSize)) return place;
  // Half of it may stand there. If it cannot be taken back, the page stays in use, and the next start
  // finds one that cannot be read.
  if (empty(slot)) used_[slot] = false;
  return {};
}

// The first sector alone decides, and goes first; what names people goes after it.
bool Denials::empty(std::uint32_t slot) {
  static constexpr std::array<std::uint8_t, kSlotSize> kZeros{};
  const std::uint64_t at = std::uint64_t{slot} * kSlotSize;
  return write(ByteView(kZeros).first(kSectorSize), at) && write(ByteView(kZeros).subspan(kSectorSize), at + kSectorSize);
}

bool Denials::write(ByteView bytes, std::uint64_t at) const {
  return options_.write ? options_.write(fd_, bytes, at) : write_durably(fd_, bytes, at);
}

Result<void> Denials::settle_in(Tx& tx, const Place& place) const {
  if (!place.kept() || place.sequence == 0) return {};
  auto settled = tx.run(
      "INSERT INTO denial_settled (slot, sequence) VALUES ($1, $2) ON CONFLICT (slot) DO UPDATE SET sequence = $2 "
      "WHERE denial_settled.sequence < $2",
      {place.slot, place.sequence});
  if (!settled) return std::move(settled).error();
  return {};
}

void Denials::settled(const Place& place) noexcept {
  if (!place.kept()) {
    g_unkept.add(-1);
    unkept_.fetch_sub(1, std::memory_order_acq_rel);
    return;
  }
  g_kept.add(-1);
  // Where the page cannot be emptied it stays in use until the next start, which knows from the
  // database that it is settled.
  const bool accepted = pool_->submit([this, slot = place.slot] {
    if (empty(slot)) used_[slot] = false;
  });
  if (!accepted) log::warn("a page of denials stays in use until the next start", {{"slot", place.slot}});
}

}  // namespace vestibule::store
