#include "quota/share.hpp"

#include <utility>

#include "base/counters.hpp"

namespace vestibule::quota {
namespace {

Counter g_requests("vestibule_quota_refusals_total", "Acts refused by a quota.", "what=\"requests\"");
Counter g_tokens("vestibule_quota_refusals_total", "Acts refused by a quota.", "what=\"tokens\"");
Counter g_streams("vestibule_quota_refusals_total", "Acts refused by a quota.", "what=\"streams\"");

constexpr Nanoseconds kSecond = 1'000'000'000;
constexpr Nanoseconds kNoted = 60 * kSecond;
constexpr Nanoseconds kKept = 10 * kSecond;  // after its last use, so that nothing is made and dropped at each act

Counter& counter_of(What what) noexcept {
  switch (what) {
    case What::requests: return g_requests;
    case What::tokens: return g_tokens;
    case What::streams: return g_streams;
  }
  return g_requests;
}

std::chrono::seconds whole_seconds(Nanoseconds wait) noexcept {
  return std::chrono::seconds(std::max<Nanoseconds>(1, (wait + kSecond - 1) / kSecond));
}

Key key_of(const domain::Quota& quota, const Asker& asker) noexcept {
  switch (quota.per) {
    case domain::Per::user: return {quota.id, asker.user, {}};
    case domain::Per::credential: return {quota.id, asker.user, domain::Via(asker.credential)};
    case domain::Per::access_point: return {quota.id, {}, domain::Via(asker.access_point)};
  }
  return {quota.id, asker.user, {}};
}

}  // namespace

std::string_view name(What what) noexcept {
  switch (what) {
    case What::requests: return "requests";
    case What::tokens: return "tokens";
    case What::streams: return "streams";
  }
  return "requests";
}

/// A bucket as one core sees it, and what the core holds of it ahead.
struct Grant::Local {
  explicit Local(std::shared_ptr<Bucket> b) noexcept : bucket(std::move(b)) {}
  std::shared_ptr<Bucket> bucket;
  std::uint64_t requests = 0;
  std::uint64_t tokens = 0;
  std::uint32_t seats = 0;
  std::uint32_t under_way = 0;  // holds that point here
  Nanoseconds used = 0;

  bool take_seat() noexcept {
    Bucket& b = *bucket;
    if (seats == 0) seats = b.take_seats(b.seat_lease);
    if (seats == 0) return false;
    --seats;
    return true;
  }
  void free_seat() noexcept {
    if (seats + 1 < bucket->seat_lease) {
      ++seats;
    } else {
      bucket->give_back_seats(1);
    }
  }
  bool take_request(Nanoseconds now) noexcept {
    Bucket& b = *bucket;
    if (requests == 0) requests = b.requests.take(b.request_terms, b.request_terms.lease, now);
    if (requests == 0) return false;
    --requests;
    return true;
  }
  void give_back_request() noexcept {
    Bucket& b = *bucket;
    if (requests + 1 < b.request_terms.lease) {
      ++requests;
    } else {
      b.requests.give_back(b.request_terms, 1);
    }
  }
  /// False if there is none at all.
  bool take_tokens(std::uint64_t estimate, Nanoseconds now) noexcept {
    Bucket& b = *bucket;
    if (tokens == 0) tokens = b.tokens.take(b.token_terms, b.token_terms.lease, now);
    if (tokens == 0) return false;
    spend(estimate, now);
    return true;
  }
  void spend(std::uint64_t n, Nanoseconds now) noexcept {
    const std::uint64_t here = std::min(tokens, n);
    tokens -= here;
    if (n > here) bucket->tokens.charge(bucket->token_terms, n - here, now);
  }
  // A debt is paid first: what is held here would let the next act in all the same.
  void give_back_tokens(std::uint64_t n) noexcept {
    Bucket& b = *bucket;
    const Terms& t = b.token_terms;
    const bool keep = t.lease > 1 && b.tokens.wait(t, used) == 0;
    const std::uint64_t here = keep ? std::min(n, t.lease - std::min(t.lease, tokens)) : 0;
    tokens += here;
    if (n > here) b.tokens.give_back(t, n - here);
  }
};

void Grant::settle(std::uint64_t tokens, BootTime now) noexcept {
  const Nanoseconds at = since_boot(now);
  for (const Hold& h : holds_) {
    Local& l = *h.local;
    --l.under_way;
    l.used = at;
    if (l.bucket->most_seats > 0) l.free_seat();
    if (!l.bucket->token_terms.given()) continue;
    if (tokens > h.tokens) l.spend(tokens - h.tokens, at);
    if (tokens < h.tokens) l.give_back_tokens(h.tokens - tokens);
  }
  holds_.clear();
}

void Grant::give_back() noexcept {
  for (const Hold& h : holds_) {
    Local& l = *h.local;
    --l.under_way;
    if (l.bucket->most_seats > 0) l.free_seat();
    if (h.tokens > 0) l.give_back_tokens(h.tokens);
    if (h.request) l.give_back_request();
  }
  holds_.clear();
}

Share::Share(Quotas& quotas) : quotas_(quotas), locals_(0, KeyHash{quotas.seed()}) {}
Share::~Share() = default;

Share::Local* Share::find(const Key& key, const domain::Quota& quota, Nanoseconds now) {
  if (const auto at = locals_.find(key); at != locals_.end()) return at->second.get();
  std::shared_ptr<Bucket> bucket = quotas_.find(key, quota, now);
  if (!bucket) return nullptr;
  return locals_.emplace(key, std::make_unique<Local>(std::move(bucket))).first->second.get();
}

Answer Share::take(std::span<const domain::Quota* const> quotas, const Asker& asker, std::uint64_t estimate, BootTime now) {
  const Nanoseconds at = since_boot(now);
  Grant grant;
  for (const domain::Quota* quota : quotas) {
    Local* const l = find(key_of(*quota, asker), *quota, at);
    if (l == nullptr) return Crowded{};
    const Bucket& b = *l->bucket;
    l->used = at;
    // What is taken of this one is given back with the grant where something is refused.
    const auto refuse = [&](What what, Nanoseconds wait) -> Answer {
      Refused out{quota, what, whole_seconds(wait)};
      counter_of(what).add();
      note(out, asker.user, at);
      return out;
    };
    if (b.most_seats > 0 && !l->take_seat()) return refuse(What::streams, kSecond);
    Grant::Hold& hold = grant.holds_.emplace_back();
    hold.local = l;
    ++l->under_way;
    if (b.token_terms.given()) {
      // Never more than there can be: no estimate alone brings anybody into debt for longer than the window.
      const std::uint64_t ahead = std::min(estimate, b.token_terms.count);
      if (!l->take_tokens(ahead, at)) return refuse(What::tokens, b.tokens.wait(b.token_terms, at));
      hold.tokens = ahead;
    }
    if (b.request_terms.given()) {
      if (!l->take_request(at)) return refuse(What::requests, b.requests.wait(b.request_terms, at));
      hold.request = true;
    }
  }
  return grant;
}

// By user whatever the quota counts by: one who is refused hides no other in the log.
void Share::note(Refused& refused, UserId user, Nanoseconds now) {
  Local* const l = find({refused.quota->id, user, {}}, *refused.quota, now);
  if (l == nullptr) {
    refused.record = true;  // there is no place to remember that it was
    return;
  }
  Bucket& b = *l->bucket;
  l->used = now;
  Nanoseconds until = b.noted_until.load(std::memory_order_relaxed);
  if (now >= until && b.noted_until.compare_exchange_strong(until, now + kNoted, std::memory_order_relaxed)) {
    refused.record = true;
    refused.unrecorded = b.unrecorded.exchange(0, std::memory_order_relaxed);
  } else {
    b.unrecorded.fetch_add(1, std::memory_order_relaxed);
  }
}

void Share::sweep(BootTime now) {
  const Nanoseconds at = since_boot(now);
  std::erase_if(locals_, [at](const auto& entry) {
    Local& l = *entry.second;
    if (l.under_way > 0 || at - l.used < kKept) return false;
    // Seats that are held ahead are nobody's; then it may be that the bucket is as new.
    if (l.seats > 0) l.bucket->give_back_seats(std::exchange(l.seats, 0));
    return l.bucket->idle(at);
  });
}

}  // namespace vestibule::quota
