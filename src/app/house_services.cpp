// What the portal and the status listener ask of the house.
#include <filesystem>

#include "access/credentials.hpp"
#include "app/house.hpp"
#include "json/writer.hpp"

namespace vestibule::app {

HealthReport House::health() const {
  std::vector<std::string_view> reasons;
  if (database_->health() != store::Health::ok) reasons.emplace_back("store_unavailable");
  if (log_->health() != store::Health::ok) reasons.emplace_back("audit_unavailable");
  if (!clock_.trusted()) reasons.emplace_back("clock_untrusted");
  if (!gate_->open()) reasons.emplace_back("denials_unkept");
  std::vector<std::string_view> notes;
  if (config_.policy_trust_file) notes.emplace_back("policy.trust = file");
  if (!config_.await_admission) notes.emplace_back("audit.await_admission = false");
  if (users_->needs_setup()) notes.emplace_back("no administrator yet: vestibule setup");
  if (!users_->common_list_loaded()) notes.emplace_back("no list of common passwords");
  for (const auto& child : children_) {
    if (child->state() != process::State::ready) notes.emplace_back("a model server is not ready");
  }
  json::Writer w;
  w.begin_object().member("status", reasons.empty() ? "ok" : "failing").key("reasons").begin_array();
  for (const auto r : reasons) w.value(r);
  w.end_array().key("notes").begin_array();
  for (const auto n : notes) w.value(n);
  w.end_array().end_object();
  return {reasons.empty(), w.take()};
}

portal::Services House::services() {
  portal::Services s{*gate_, *sessions_, *users_, *factors_, *log_, *database_, clock_, *resets_};
  s.sensitivity = config_.administration;
  s.version = VESTIBULE_VERSION;
  s.started = started_;
  s.checkpoint_file = config_.checkpoint_file;
  s.events = events_.get();
  s.approvals = approvals_.get();
  s.mandates = mandates_.get();
  s.confirmations = confirmations_.get();
  s.definitions = definitions_.get();
  s.lift_people = config_.lift_people;
  s.approval_wait = config_.approval_wait;
  s.service_accounts = service_accounts_.get();
  s.catalogue = [this] {
    const std::lock_guard lock(mutex_);
    return catalogues_.access;
  };
  s.has_credential = [this](std::string_view point) {
    const std::lock_guard lock(mutex_);
    return credentials_.find(point) != credentials_.end();
  };
  s.child_state = [this](std::string_view point) -> std::optional<std::string> {
    for (const auto& child : children_) {
      if (child->options().name == point) return std::string(process::name(child->state()));
    }
    return std::nullopt;
  };
  s.failing = [this]() -> std::vector<std::string> {
    if (gate_->open()) return {};
    return {"denials_unkept"};
  };
  s.watch = watch_.get();
  s.oauth = oauth_.get();
  if (!config_.notify.push_hosts.empty() || config_.notify.push_loopback) {
    s.push_key = base64url(bells_->sender());
    s.greet = [this](notify::Subscription to, Secret code) { bells_->greet(std::move(to), std::move(code)); };
  }
  s.reload_policy = [this](session::Actor by) { return reload_policy(std::move(by)); };
  s.put_credential_in = [this](store::Tx& tx, std::string_view point, const Secret& value) {
    return value.empty() ? access::remove_credential(tx, point) : access::put_credential(tx, *keys_, point, value, clock_.wall());
  };
  s.credential_changed = [this](std::string point) { return credential_changed(std::move(point)); };
  s.rotate_keys = [this] { return rotate_keys(); };
  s.key_out_of_use_in = [this](store::Tx& tx, std::uint32_t id) { return key_out_of_use_in(tx, id); };
  s.retire_key = [this](std::uint32_t id) { return retire_key(id); };
  s.backup = [this](std::filesystem::path to) { return backup(std::move(to)); };
  return s;
}

net::Task<Result<void>> House::credential_changed(std::string) {
  auto load = [this]() -> Result<void> {
    std::shared_ptr<const access::Catalogue> now;
    {
      const std::lock_guard lock(mutex_);
      now = catalogues_.access;
    }
    if (Result<void> r = load_credentials(now->points()); !r) return r;
    return spread_targets({});
  };
  Result<Result<void>> loaded = co_await pool_->run(std::move(load));
  if (!loaded) co_return std::move(loaded).error();
  co_return std::move(*loaded);
}

net::Task<Result<std::uint64_t>> House::backup(std::filesystem::path to) {
  auto copy = [this, to]() -> Result<std::uint64_t> {
    if (Result<void> r = database_->backup(to); !r) return std::move(r).error();
    std::error_code ec;
    const std::uintmax_t size = std::filesystem::file_size(to, ec);
    if (ec) return fail(Reason::internal, ec.message());
    return static_cast<std::uint64_t>(size);
  };
  Result<Result<std::uint64_t>> done = co_await pool_->run(std::move(copy));
  if (!done) co_return std::move(done).error();
  co_return std::move(*done);
}

}  // namespace vestibule::app
