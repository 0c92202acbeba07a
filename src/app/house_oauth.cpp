// The authorization server in the house: where its resources come from, and how a client's description is
// fetched.
#include "app/house_core.hpp"
#include "http/url.hpp"

namespace vestibule::app {

Result<void> House::open_oauth() {
  if (config_.portal_listen.empty()) return {};
  oauth::Options o;
  o.issuer = config_.portal_origins.front();
  o.resources = [this] {
    std::vector<oauth::Resource> out;
    const std::lock_guard lock(mutex_);
    for (const access::AccessPoint& p : config_.points) out.push_back({p.resource, p.name, p.sensitivity});
    return out;
  };
  if (config_.clients_by_address) {
    Result<net::TlsContext> tls = net::client_tls({});
    if (!tls) return std::move(tls).error();
    document_tls_ = std::move(*tls);
    o.fetch = [this](std::string url) { return fetch_document(std::move(url)); };
  }
  o.registration = config_.clients_register ? oauth::Options::Registration::open : oauth::Options::Registration::closed;
  o.access_ttl = config_.access_token;
  o.overall = config_.session_overall;
  if (!config_.certified_origin.empty()) o.certificate_endpoint = config_.certified_origin + "/oauth/token";
  const oauth::Rooms rooms{*database_, *keys_, *mint_, *pool_, *users_, *sessions_, *gate_, *log_, clock_, rng_};
  Result<std::unique_ptr<oauth::Server>> server = oauth::Server::open(rooms, std::move(o));
  if (!server) return std::move(server).error();
  oauth_ = std::move(*server);
  return {};
}

// Whoever asks names the address: https on the usual port, and wire::Outbound reaches public addresses alone.
net::Task<Result<std::string>> House::fetch_document(std::string text) {
  Result<http::Url> url = http::parse_url(text);
  if (!url) co_return std::move(url).error();
  if (url->scheme != http::Url::Scheme::https || !url->has_usual_port()) co_return fail(Reason::upstream_unreachable, "https on its usual port");
  wire::OutboundRequest request;
  request.method = http::Method::get;
  request.url = std::move(*url);
  request.fields = {{"Accept", "application/json"}};
  wire::Outbound& outbound = *per_core_[net::Core::current()->index()]->documents;
  Result<wire::OutboundReply> reply = co_await outbound.send(std::move(request));
  if (!reply) co_return std::move(reply).error();
  if (reply->status != 200) co_return fail(Reason::upstream_malformed, "the description is not there");
  if (!reply->field("Content-Type").starts_with("application/json")) co_return fail(Reason::upstream_malformed, "the description is no JSON");
  co_return std::move(reply->body);
}

net::Task<> House::sweep_oauth(net::Core& core) {
  constexpr std::chrono::milliseconds look_for_stop{200};
  constexpr int rounds = 300;  // a minute
  while (!closing_.load()) {
    const Result<void> swept = co_await oauth_->sweep();
    static_cast<void>(swept);  // the next round does it
    for (int i = 0; i < rounds && !closing_.load(); ++i) co_await net::sleep_for(core, look_for_stop);
  }
}

}  // namespace vestibule::app
