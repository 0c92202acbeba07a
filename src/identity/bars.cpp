#include "identity/bars.hpp"

#include <algorithm>

#include "base/log.hpp"

namespace vestibule::identity {
namespace {

constexpr std::string_view kDenial = "user.disable";  // frozen: stands in the file of denials
constexpr std::string_view kLate = "stored late";
constexpr std::string_view kKept = "stored late, kept over the end of the process";

}  // namespace

std::vector<UserId> Bars::take_up() {
  std::vector<UserId> out;
  if (kept_ == nullptr) return out;
  for (store::Denials::Kept& kept : kept_->take(kDenial)) {
    Unpacker in(kept.what);
    const auto user = UserId::from(in.bytes());
    Actor by = unpack_actor(in);
    if (!user || !in.done()) {
      kept_->give_back(std::move(kept));
      continue;
    }
    log::warn("a disablement of the last run was not stored yet: it holds", {{"user", user->text()}});
    out.push_back(*user);
    const std::lock_guard lock(mutex_);
    bars_.push_back({*user, std::move(by), kept.place, kKept});
    any_.store(true);
  }
  return out;
}

net::Task<> Bars::keep(UserId user, Actor by, std::function<bool()> moot) {
  {
    const std::lock_guard lock(mutex_);
    if (std::ranges::any_of(bars_, [&](const Bar& b) { return b.user == user; })) co_return;
  }
  Bar held{user, by, {}, kLate};
  if (kept_ != nullptr) {
    Packer what;
    what.bytes(user.bytes);
    pack(what, by);
    std::string kind(kDenial);
    Bytes bytes = what.take();
    held.place = co_await kept_->keep(std::move(kind), std::move(bytes));
  }
  const std::lock_guard lock(mutex_);
  if (moot()) {
    if (kept_ != nullptr) kept_->settled(held.place);
    co_return;
  }
  bars_.push_back(std::move(held));
  any_.store(true);
}

Result<void> Bars::settle_in(store::Tx& tx, const Bar& bar) const {
  return kept_ == nullptr ? Result<void>{} : kept_->settle_in(tx, bar.place);
}

Result<void> Bars::settle_all_in(store::Tx& tx, UserId user) const {
  const std::lock_guard lock(mutex_);
  for (const Bar& b : bars_) {
    if (b.user != user) continue;
    auto settled = settle_in(tx, b);
    if (!settled) return settled;
  }
  return {};
}

void Bars::forget(UserId user) {
  const std::lock_guard lock(mutex_);
  for (const Bar& b : bars_) {
    if (b.user == user && kept_ != nullptr) kept_->settled(b.place);
  }
  std::erase_if(bars_, [&](const Bar& b) { return b.user == user; });
  any_.store(!bars_.empty());
}

std::vector<Bars::Bar> Bars::waiting() const {
  if (!any_.load()) return {};
  const std::lock_guard lock(mutex_);
  return bars_;
}

}  // namespace vestibule::identity
