#include "notify/bells.hpp"

#include <charconv>

#include "base/counters.hpp"
#include "base/log.hpp"
#include "crypto/hash.hpp"
#include "net/signal.hpp"
#include "notify/vapid.hpp"

namespace vestibule::notify {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kFill = 96;            // every message of ours is as long
constexpr std::size_t kMaxOrigins = 64;      // whose pause is remembered
constexpr milliseconds kLookForStop{200};
constexpr milliseconds kLongestPause{120'000};

Counter g_delivered("vestibule_push_total", "Messages to push services, by how they ended.", "outcome=\"delivered\"");
Counter g_gone("vestibule_push_total", "Messages to push services, by how they ended.", "outcome=\"gone\"");
Counter g_refused("vestibule_push_total", "Messages to push services, by how they ended.", "outcome=\"refused\"");
Counter g_failed("vestibule_push_total", "Messages to push services, by how they ended.", "outcome=\"failed\"");
Counter g_silent("vestibule_bells_silent_total", "Bells that did not ring because too many were ringing.");
Counter g_doorbell("vestibule_doorbell_total", "Requests to webhook and ntfy, by how they ended.", "outcome=\"delivered\"");
Counter g_doorbell_failed("vestibule_doorbell_total", "Requests to webhook and ntfy, by how they ended.", "outcome=\"failed\"");

wire::OutboundOptions outbound(const BellOptions& o, net::Reach reach) {
  wire::OutboundOptions out;
  out.tls = o.tls;
  out.reach = reach;
  out.limit = o.limit;
  out.max_at_once = o.max_waiting + o.max_greetings;
  return out;
}

// A test's endpoint on this machine is allowed by name, and so must its address be.
net::Reach reach_of(const PushHosts& hosts) {
  return hosts.loopback() == PushHosts::Loopback::plain ? net::Reach::anywhere : net::Reach::internet;
}

/// RFC 9110 section 10.2.3, in seconds; a date is taken for none.
std::optional<milliseconds> retry_after(const wire::OutboundReply& reply) {
  const std::string_view text = reply.field("Retry-After");
  std::int64_t seconds = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (text.empty() || ec != std::errc() || end != text.data() + text.size() || seconds < 0 || seconds > 86'400) return std::nullopt;
  return std::chrono::seconds(seconds);
}

}  // namespace

Bells::Bells(net::Core& core, const Clock& clock, Rng& rng, crypto::P256Key sender, Devices devices, BellOptions options)
    : core_(core),
      clock_(clock),
      rng_(rng),
      sender_(std::move(sender)),
      devices_(std::move(devices)),
      options_(std::move(options)),
      push_(core, outbound(options_, reach_of(options_.hosts))),
      doorbell_(core, outbound(options_, net::Reach::anywhere)),
      tasks_(core),
      greetings_(core) {}

Bells::~Bells() = default;

void Bells::spawn(net::Task<> task) {
  if (stopped_) return;
  if (tasks_.running() >= options_.max_waiting) {
    g_silent.add();
    return;
  }
  tasks_.spawn(std::move(task));
}

void Bells::spawn_greeting(net::Task<> task) {
  if (stopped_) return;
  if (greetings_.running() >= options_.max_greetings) {
    g_silent.add();
    return;
  }
  greetings_.spawn(std::move(task));
}

void Bells::ring(UserId user, Event event) {
  core_.post([this, user, e = std::move(event)]() mutable { spawn(ring_all(user, std::move(e))); });
}

void Bells::greet(Subscription to, Secret code) {
  core_.post([this, to, c = std::move(code)]() mutable { spawn_greeting(greet_one(to, std::move(c))); });
}

void Bells::stop() noexcept {
  stopped_ = true;
  push_.stop();
  doorbell_.stop();
}

net::Task<> Bells::join() {
  co_await tasks_.join();
  co_await greetings_.join();
}

net::Task<> Bells::ring_all(UserId user, Event event) {
  if (options_.webhook) spawn(ring_operator(request(*options_.webhook, event, clock_.wall())));
  if (options_.ntfy) spawn(ring_operator(request(*options_.ntfy, event)));
  Result<std::vector<Device>> devices = co_await devices_.of_user(user);
  if (!devices) {
    log::warn("nobody can be rung", {{"detail", devices.error().detail}});
    co_return;
  }
  for (Device& d : *devices) spawn(ring_device(std::move(d), event.bell));
}

net::Task<> Bells::ring_device(Device device, Bell bell) {
  // The same for all messages of a kind to a device, so that a service keeps the newest only; it tells
  // the service nothing that the endpoint does not.
  const Digest d = crypto::sha256({as_bytes(name(bell)), ByteView(device.id.bytes)});
  std::string topic = base64url(ByteView(d).first(24));
  std::string text = payload(bell);
  const Outcome outcome = co_await deliver(std::move(device.to), std::move(text), bell, std::move(topic), options_.attempts);
  if (outcome == Outcome::gone) co_await devices_.gone(device.id);
}

net::Task<> Bells::greet_one(Subscription to, Secret code) {
  std::string text = payload(Bell::enrol, code.reveal_text());
  std::string topic;
  const Outcome outcome = co_await deliver(std::move(to), std::move(text), Bell::enrol, std::move(topic), 1);
  static_cast<void>(outcome);  // whoever waits for the code begins anew
}

Result<wire::OutboundRequest> Bells::message(const Subscription& to, std::string_view text, Bell bell, std::string_view topic) {
  const crypto::P256Key ephemeral = crypto::P256Key::generate(rng_);
  const Result<Bytes> body = encrypt(as_bytes(text), to, ephemeral, rng_.take<16>(), kFill);
  if (!body) return body.error();
  const Treatment t = treatment(bell);
  wire::OutboundRequest r;
  r.url = to.endpoint;
  r.body = as_text(*body);
  r.fields = {{"Content-Type", "application/octet-stream"},
              {"Content-Encoding", "aes128gcm"},
              {"TTL", std::to_string(t.ttl.count())},
              {"Urgency", std::string(t.urgency)},
              {"Authorization", vapid(sender_, to.endpoint.origin(), options_.contact, clock_.wall())}};
  if (!topic.empty()) r.fields.emplace_back("Topic", topic);
  return r;
}

net::Task<Bells::Outcome> Bells::deliver(Subscription to, std::string text, Bell bell, std::string topic,
                                          int attempts) {
  using Steady = std::chrono::steady_clock;
  const std::string origin = to.endpoint.origin();
  const Steady::time_point ends = Steady::now() + treatment(bell).ttl;
  milliseconds wait = options_.first_pause;
  // The list may be another one by now than at the enrolment.
  const bool allowed = options_.hosts.allow(to.endpoint);
  for (int attempt = 1; allowed && attempt <= attempts; ++attempt) {
    if (const auto p = paused_.find(origin); p != paused_.end() && p->second > Steady::now()) {
      const auto left = std::chrono::duration_cast<milliseconds>(p->second - Steady::now());
      if (Steady::now() + left >= ends || left > kLongestPause) break;
      const bool goes_on = co_await pause(left);
      if (!goes_on) co_return Outcome::failed;
    }
    Result<wire::OutboundRequest> request = message(to, text, bell, topic);
    if (!request) break;
    Result<wire::OutboundReply> reply = co_await push_.send(std::move(*request));
    if (stopped_) co_return Outcome::failed;
    const int status = reply ? reply->status : 0;
    if (status >= 200 && status < 300) {
      g_delivered.add();
      co_return Outcome::delivered;
    }
    if (status == 404 || status == 410) {
      g_gone.add();
      co_return Outcome::gone;
    }
    const bool passing = status == 0 || status == 429 || status >= 500;
    if (!passing) {
      g_refused.add();
      log::warn("a push service refuses a message", {{"origin", origin}, {"status", status}});
      co_return Outcome::refused;
    }
    if (reply) wait = std::max(wait, retry_after(*reply).value_or(wait));
    if (attempt == attempts) break;
    if (status == 429 || status == 503) {
      if (paused_.size() >= kMaxOrigins) paused_.clear();
      // One subscription may be what is too much: nobody silences a service for longer than this.
      paused_[origin] = Steady::now() + std::min<milliseconds>(wait, kLongestPause);
    } else {
      if (Steady::now() + wait >= ends) break;
      const bool goes_on = co_await pause(wait);
      if (!goes_on) co_return Outcome::failed;
    }
    wait *= 2;
  }
  g_failed.add();
  log::warn("a push message could not be delivered", {{"origin", origin}});
  co_return Outcome::failed;
}

net::Task<> Bells::ring_operator(wire::OutboundRequest request) {
  milliseconds wait = options_.first_pause;
  std::string origin = request.url.origin();
  for (int attempt = 1; attempt <= options_.attempts && !stopped_; ++attempt, wait *= 2) {
    wire::OutboundRequest again = request;
    Result<wire::OutboundReply> reply = co_await doorbell_.send(std::move(again));
    if (reply && reply->status >= 200 && reply->status < 300) {
      g_doorbell.add();
      co_return;
    }
    const bool passing = !reply || reply->status == 429 || reply->status >= 500;
    if (!passing || attempt == options_.attempts) break;
    const milliseconds time = reply ? std::min(retry_after(*reply).value_or(wait), kLongestPause) : wait;
    const bool goes_on = co_await pause(time);
    if (!goes_on) co_return;
  }
  g_doorbell_failed.add();
  log::warn("a doorbell could not be rung", {{"origin", origin}});
}

net::Task<bool> Bells::pause(milliseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (!stopped_ && std::chrono::steady_clock::now() < end) {
    const auto left = std::chrono::duration_cast<milliseconds>(end - std::chrono::steady_clock::now());
    co_await net::sleep_for(core_, std::min(left, kLookForStop));
  }
  co_return !stopped_;
}

}  // namespace vestibule::notify
