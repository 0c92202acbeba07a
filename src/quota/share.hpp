#pragma once
// What one core has of the buckets: of large ones a part taken ahead, so that most acts write nothing
// that other cores read.

#include <boost/container/small_vector.hpp>
#include <chrono>
#include <span>
#include <variant>

#include "domain/subject.hpp"
#include "quota/quotas.hpp"

namespace vestibule::quota {

class Share;

/// What one act has taken of every quota that concerns it. Settled, or given back, on its core.
class Grant {
 public:
  Grant() = default;
  Grant(const Grant&) = delete;
  Grant& operator=(const Grant&) = delete;
  Grant(Grant&& o) noexcept : holds_(std::move(o.holds_)) { o.holds_.clear(); }
  Grant& operator=(Grant&& o) noexcept {
    if (this == &o) return *this;
    give_back();
    holds_ = std::move(o.holds_);
    o.holds_.clear();
    return *this;
  }
  ~Grant() { give_back(); }
  /// The act has ended: its seats are free, and what its tokens come to beyond the estimate, or fall
  /// short of it, is put right.
  void settle(std::uint64_t tokens, BootTime now) noexcept;
  /// The act did not come to pass.
  void give_back() noexcept;

 private:
  friend class Share;
  struct Local;
  struct Hold {
    Local* local = nullptr;
    std::uint64_t tokens = 0;  // the estimate
    bool request = false;
  };
  boost::container::small_vector<Hold, 4> holds_;
};

enum class What : std::uint8_t { requests, tokens, streams };
[[nodiscard]] std::string_view name(What what) noexcept;

/// Why not, and when again.
struct Refused {
  const domain::Quota* quota = nullptr;
  What what{};
  std::chrono::seconds wait{1};
  bool record = false;           ///< one a minute, user and quota goes into the log
  std::uint32_t unrecorded = 0;  ///< where it does: how many did not since the last one
};
/// There are too many buckets.
struct Crowded {};

struct Asker {
  UserId user{};
  std::string_view credential;  ///< "key NAME"; empty: the person himself
  std::string_view access_point;
};

using Answer = std::variant<Grant, Refused, Crowded>;

/// One a core, used there only.
///
/// In any time t a meter lets through at most count + t / interval + what all cores hold ahead, a 64th of
/// the count; where that is less than one a core, exactly count + t / interval.
class Share {
 public:
  explicit Share(Quotas& quotas);
  ~Share();
  Share(const Share&) = delete;
  Share& operator=(const Share&) = delete;

  /// All quotas or none. Tokens are not known ahead: with a bucket that has any left the act is let in, and
  /// the estimate is taken. Allocates where this core meets a bucket for the first time, and nowhere else.
  [[nodiscard]] Answer take(std::span<const domain::Quota* const> quotas, const Asker& asker, std::uint64_t estimate,
                            BootTime now);
  /// Lets go of what is not in use and full.
  void sweep(BootTime now);

 private:
  using Local = Grant::Local;
  [[nodiscard]] Local* find(const Key& key, const domain::Quota& quota, Nanoseconds now);
  void note(Refused& refused, UserId user, Nanoseconds now);

  Quotas& quotas_;
  std::unordered_map<Key, std::unique_ptr<Local>, KeyHash> locals_;
};

}  // namespace vestibule::quota
