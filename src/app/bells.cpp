// What rings: from the change feed to the bells of notify.

#include "app/files.hpp"
#include "app/house.hpp"
#include "notify/vapid.hpp"

namespace vestibule::app {
namespace {

constexpr std::size_t kLeastWebhookKey = 16;

/// A secret alone in a file, without the line's end.
Result<Secret> read_secret(const std::filesystem::path& file) {
  Result<std::string> all = read_file(file, Reason::config_invalid);
  if (!all) return std::move(all).error();
  std::string_view bare = *all;
  while (bare.ends_with('\n') || bare.ends_with('\r')) bare.remove_suffix(1);
  Secret out(bare);
  wipe(*all);
  if (out.empty()) return fail(Reason::config_invalid, "cannot read " + file.string());
  return out;
}

net::Task<Result<std::vector<notify::Bells::Device>>> devices_of(factors::Factors* factors, UserId user) {
  Result<std::vector<factors::Prompts::Device>> found = co_await factors->prompts().to_ring(user);
  if (!found) co_return std::move(found).error();
  std::vector<notify::Bells::Device> out;
  for (factors::Prompts::Device& d : *found) out.push_back({d.id, std::move(d.subscription)});
  co_return out;
}

net::Task<> device_gone(factors::Factors* factors, FactorId device) {
  const Result<void> dropped = co_await factors->prompts().drop_subscription(device);
  if (!dropped) log::warn("a push subscription that is no more could not be dropped", {{"detail", dropped.error().detail}});
}

}  // namespace

notify::PushHosts push_hosts(const NotifyConfig& config) {
  return notify::PushHosts(config.push_hosts,
                           config.push_loopback ? notify::PushHosts::Loopback::plain : notify::PushHosts::Loopback::refused);
}

Result<void> House::open_bells() {
  const NotifyConfig& c = config_.notify;
  notify::BellOptions o;
  o.hosts = push_hosts(c);
  o.contact = c.contact;
  if (o.contact.empty() && !config_.portal_origins.empty()) o.contact = config_.portal_origins.front();
  Result<net::TlsContext> tls = net::client_tls(c.authorities);
  if (!tls) return std::move(tls).error();
  o.tls = std::move(*tls);
  if (c.webhook) {
    Result<Secret> key = read_secret(c.webhook_key);
    if (!key) return std::move(key).error();
    if (key->size() < kLeastWebhookKey) {
      return fail(Reason::config_invalid, c.webhook_key.string() + ": the key of the webhook has 16 bytes at least");
    }
    o.webhook.emplace(notify::Webhook{*c.webhook, std::move(*key)});
  }
  if (c.ntfy) {
    Secret token;
    if (!c.ntfy_token.empty()) {
      Result<Secret> read = read_secret(c.ntfy_token);
      if (!read) return std::move(read).error();
      token = std::move(*read);
    }
    const std::string click = config_.portal_listen.empty() ? std::string() : config_.portal_origins.front() + "/";
    o.ntfy.emplace(notify::Ntfy{*c.ntfy, std::move(token), click});
  }
  if (c.push_loopback) log::warn("notify.push_loopback = true: push endpoints on this machine are reached without TLS");

  notify::Bells::Devices devices;
  devices.of_user = [f = factors_.get()](UserId user) { return devices_of(f, user); };
  devices.gone = [f = factors_.get()](FactorId device) { return device_gone(f, device); };
  bells_ = std::make_unique<notify::Bells>(cores_->at(0), clock_, rng_, notify::sender_key(keys_->derive("web-push-vapid/v1")),
                                           std::move(devices), std::move(o));
  database_->listen([this](store::Tx& tx, std::span<const store::Change> changes) {
    for (const store::Change& change : changes) ring_for(tx, change);
  });
  return {};
}

// On the writer thread, after the commit.
void House::ring_for(store::Tx& tx, const store::Change& change) {
  notify::Event event;
  UserId user{};
  if (change.topic == factors::kBellTopic) {
    user = UserId::from(change.key).value_or(UserId{});
    event.bell = notify::Bell::prompt;
  } else if (change.topic == identity::kNoticeTopic) {
    const auto id = identity::NoticeId::from(change.key);
    if (!id) return;
    const auto notice = identity::notice_in(tx, *id);
    if (!notice || !*notice) return;
    user = (*notice)->account;
    event.bell = notify::Bell::notice;
    event.kind = identity::name((*notice)->kind);
  }
  if (user.is_nil()) return;
  users_->read(user, [&](const identity::User& u) { event.user = u.name.view(); });
  bells_->ring(user, std::move(event));
}

}  // namespace vestibule::app
