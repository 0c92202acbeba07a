// While it runs: configuration, certificates, credentials and policy read again.
#include <algorithm>

#include "access/credentials.hpp"
#include "app/files.hpp"
#include "app/house_core.hpp"

namespace vestibule::app {
namespace {

session::Actor the_gateway() {
  session::Actor a;
  a.name = domain::UserName("(gateway)");
  a.source.address[15] = 1;
  a.source.local = true;
  return a;
}

}  // namespace

Result<void> House::load_credentials(const std::vector<access::AccessPoint>& points) {
  // On the writer thread, where everything that the key ring does happens.
  return database_->write_blocking([&](store::Tx& tx) -> Result<void> {
    Credentials all;
    for (const access::AccessPoint& point : points) {
      Result<std::optional<Secret>> secret = access::load_credential(tx, *keys_, point.name);
      if (!secret) return fail(secret.error().code, "credential of access point " + point.name + ": " + secret.error().detail);
      if (*secret) all.emplace(point.name, std::move(**secret));
    }
    const std::lock_guard lock(mutex_);
    credentials_ = std::move(all);
    return {};
  });
}

net::Task<Result<gate::Staged>> House::reload_policy(session::Actor by) {
  std::filesystem::path file;
  {
    const std::lock_guard lock(mutex_);
    file = config_.policy_file;
  }
  Result<std::string> text = read_file(file, Reason::config_invalid);
  if (!text) co_return fail(text.error().code, "cannot read the policy " + file.string());
  std::string file_name = file.string();
  Result<gate::Staged> staged = co_await gate_->reload_policy(std::move(*text), std::move(file_name), std::move(by));
  co_return staged;
}

net::Task<> House::reload_on_core() {
  session::Actor by = the_gateway();
  Result<gate::Staged> staged = co_await reload_policy(std::move(by));
  if (!staged) {
    log::error("the policy was not changed", {{"detail", staged.error().detail}});
  } else if (staged->staged) {
    log::warn("the policy file loosens what is in force: it waits for approval", {{"digest", hex(*staged->staged)}});
  } else {
    log::info("policy read", {{"digest", hex(staged->active)}, {"changed", staged->changed ? "yes" : "no"}});
  }
}

void House::reload() {
  Result<Config> fresh = load_config(config_.file);
  if (!fresh) {
    log::error("the configuration was not changed", {{"detail", fresh.error().detail}});
    return;
  }
  Result<Tls> tls = load_tls(*fresh);
  if (!tls) {
    log::error("the configuration was not changed", {{"detail", tls.error().detail}});
    return;
  }
  Result<Catalogues> catalogues = catalogues_of(*fresh);
  if (!catalogues) {
    log::error("the configuration was not changed", {{"detail", catalogues.error().detail}});
    return;
  }
  for (const access::AccessPoint& p : fresh->points) {
    const auto known = std::find_if(config_.points.begin(), config_.points.end(), [&](const auto& q) { return q.name == p.name; });
    const bool spawned = known != config_.points.end() && known->spawn.has_value();
    if (p.spawn.has_value() != spawned) {
      log::error("the configuration was not changed: spawn takes effect at a restart", {{"access_point", p.name}});
      return;
    }
  }
  Result<void> spread = load_credentials(fresh->points);
  if (spread) spread = spread_targets(std::move(*catalogues));
  if (!spread) {
    log::error("the configuration was not changed", {{"detail", spread.error().detail}});
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    config_.points = fresh->points;
    config_.hosts = fresh->hosts;
    config_.policy_file = fresh->policy_file;
  }
  // Which listeners there are, and which of them speak TLS, changes at a restart.
  if (tls->plain && !config_.tls_certificate.empty()) {
    for (auto& c : per_core_) {
      c->core.post([p = c.get(), contexts = *tls] {
        p->access->set_tls(contexts.plain);
        if (p->portal) p->portal->set_tls(contexts.plain);
        if (p->certified && contexts.certified) p->certified->set_tls(contexts.certified);
      });
    }
  }
  cores_->at(0).post([this] { per_core_.front()->tasks.spawn(reload_on_core()); });
  log::info("configuration read", {{"file", config_.file.string()}});
}

}  // namespace vestibule::app
