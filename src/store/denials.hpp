#pragma once
// Where a denial is kept while the database refuses it: a file of pages that were written when there
// was room, so that it works on a full disk, and beside the database, so that no lock is in the way.
// What is kept here outlives the process, however it ends.
//
// A room that denies something in memory and cannot store it keeps it here; once it could be stored,
// the job that stores it settles it too, in the same transaction, and then the page is emptied. After
// a crash the rooms take up what is left before anything is admitted. A page that was settled and not
// emptied yet is told by the database; so is a page that somebody copied back.
//
// What cannot be kept, because all pages are in use or the file cannot be written, is counted:
// whoever admits anything must not, until unkept() is zero again. What cannot be read stands for a
// denial that nobody knows any more.

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <vector>

#include "base/secret.hpp"
#include "net/blocking_pool.hpp"
#include "store/database.hpp"
#include "store/denial_slot.hpp"

namespace vestibule::store {

/// Owned by app, made before the rooms that deny and destroyed after the cores' tasks have ended.
/// keep() is for cores, settle_in() for write jobs, the rest for any thread; one thread of its own
/// writes.
class Denials {
 public:
  struct Options {
    std::filesystem::path file;
    std::uint32_t slots = 256;
    /// Writes one page, or its beginning, durably. Empty: pwrite and fdatasync.
    std::function<bool(int fd, ByteView bytes, std::uint64_t at)> write{};
  };
  /// Where one is kept. Sequence zero: its page cannot be read; no slot: it is not kept at all.
  struct Place {
    static constexpr std::uint32_t kNowhere = UINT32_MAX;
    std::uint32_t slot = kNowhere;
    std::uint64_t sequence = 0;
    [[nodiscard]] bool kept() const noexcept { return slot != kNowhere; }
  };
  struct Kept {
    Place place;
    std::string kind;  ///< empty: cannot be read
    Bytes what;
  };

  /// Makes the file or reads what a former run has left. Blocking, before Database::start(). The key
  /// belongs to the installation. store_unavailable if the file cannot be made or is a newer program's.
  static Result<std::unique_ptr<Denials>> open(Options options, const Secret& key, Database& database);
  ~Denials();

  /// What was left of this kind, oldest first; each is given once. At start-up.
  [[nodiscard]] std::vector<Kept> take(std::string_view kind);
  /// For one that the room cannot make sense of after all: it will be among take_rest().
  void give_back(Kept kept);
  /// What nobody has taken, or can read.
  [[nodiscard]] std::vector<Kept> take_rest();

  /// Returns once it is kept, or could not be: then it is counted as unkept, and the listeners have
  /// been told. kind: at most 32 bytes; what: at most 4000.
  net::Task<Place> keep(std::string kind, Bytes what);
  /// In the job that stores the denial, or finds that there is nothing to deny any more.
  Result<void> settle_in(Tx& tx, const Place& place) const;
  /// After that job has committed. Once for each place.
  void settled(const Place& place) noexcept;

  [[nodiscard]] std::size_t unkept() const noexcept { return unkept_.load(std::memory_order_acquire); }
  /// Called on the core whose denial could not be kept. Registered at start-up; must be quick.
  void on_unkept(std::function<void()> listener) { listeners_.push_back(std::move(listener)); }

  static std::span<const Migration> migrations();

 private:
  Denials(Options options, const Secret& key, int fd);
  Result<void> prepare();
  Result<void> read(Tx& tx);
  Place put(std::string_view kind, ByteView what);
  bool empty(std::uint32_t slot);
  [[nodiscard]] bool write(ByteView bytes, std::uint64_t at) const;

  Options options_;
  crypto::HmacKey key_;
  int fd_;
  std::vector<Kept> left_;          // start-up only
  std::vector<bool> used_;          // from start-up on the pool's thread's own
  std::uint64_t next_sequence_ = 1;
  std::atomic<std::size_t> unkept_{0};
  std::vector<std::function<void()>> listeners_;
  std::unique_ptr<net::BlockingPool> pool_;  // the last to be made, the first to go
};

}  // namespace vestibule::store
