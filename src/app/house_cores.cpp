// What listens and runs on the cores: the access points, the portal, control and status.
#include "app/children.hpp"
#include "app/files.hpp"
#include "app/house_core.hpp"
#include "app/ui_assets.hpp"

namespace vestibule::app {
namespace {

// HSTS holds for all ports of a name: on localhost it would shut out whatever else runs there.
portal::Transport portal_transport(const Config& config) {
  const std::string& origin = config.portal_origins.front();
  const bool own_name = origin.starts_with("https://") && !origin.starts_with("https://localhost");
  return !config.tls_certificate.empty() && own_name ? portal::Transport::tls : portal::Transport::plain;
}

// A Unix socket has one listener and no TLS.
Result<void> open_listeners(net::Core& core, wire::Server& server, const std::vector<net::Address>& addresses, bool tls) {
  for (const net::Address& a : addresses) {
    if (a.is_unix() && core.index() != 0) continue;
    auto listener = std::make_unique<net::Listener>(core);
    if (Result<void> r = listener->open(a); !r) return r;
    server.listen(std::move(listener), tls && !a.is_unix());
  }
  return {};
}

}  // namespace

Result<House::Catalogues> House::catalogues_of(const Config& config) {
  Result<std::shared_ptr<const access::Catalogue>> access = access::Catalogue::build(config.points, config.hosts);
  if (!access) return std::move(access).error();
  std::vector<access::AccessPoint> points = config.points;
  std::erase_if(points, [](const access::AccessPoint& p) { return p.kind == dialect::Kind::mcp; });  // the page talks to models
  for (access::AccessPoint& p : points) {
    p.prefix = "/chat/" + p.name;
    p.host.clear();
    p.resource.clear();  // the page's session is no token
    p.issuer.clear();
  }
  Result<std::shared_ptr<const access::Catalogue>> chat = access::Catalogue::build(std::move(points), config.portal_hosts);
  if (!chat) return std::move(chat).error();
  return Catalogues{std::move(*access), std::move(*chat)};
}

Result<void> House::spread_targets(Catalogues catalogues) {
  const std::lock_guard lock(mutex_);
  if (!catalogues.access) catalogues = catalogues_;
  std::vector<std::pair<std::shared_ptr<proxy::Targets>, std::shared_ptr<proxy::Targets>>> all;
  for (auto& c : per_core_) {
    Result<std::shared_ptr<proxy::Targets>> t = make_targets(c->core, catalogues.access, credentials_, config_.data_dir);
    if (!t) return std::move(t).error();
    Result<std::shared_ptr<proxy::Targets>> chat = make_targets(c->core, catalogues.chat, credentials_, config_.data_dir);
    if (!chat) return std::move(chat).error();
    all.emplace_back(std::move(*t), std::move(*chat));
  }
  catalogues_ = std::move(catalogues);
  for (std::size_t i = 0; i < per_core_.size(); ++i) {
    per_core_[i]->core.post([p = per_core_[i].get(), t = std::move(all[i])]() mutable {
      p->proxy.set_targets(std::move(t.first));
      p->chat.set_targets(std::move(t.second));
    });
  }
  return {};
}

proxy::Door House::access_door() const {
  proxy::Door door;
  door.holding = holding_.get();
  door.definitions = definitions_.get();
  door.session_key = session_key_ ? &*session_key_ : nullptr;
  door.clock = &clock_;
  const auto own = [&](const std::string& address) {
    if (const Result<http::Url> url = http::parse_url(address)) door.own_hosts.push_back(dialect::mcp::place_of(*url));
  };
  for (const std::string& origin : config_.portal_origins) own(origin);
  for (const access::AccessPoint& p : config_.points) own(p.resource);
  for (const std::string& host : config_.portal_hosts) own("https://" + host);
  for (const std::vector<net::Address>* listen : {&config_.listen, &config_.portal_listen}) {
    for (const net::Address& a : *listen) own("http://localhost:" + std::to_string(a.port));
  }
  return door;
}

proxy::Door House::browser_door() const {
  proxy::Door door;
  door.identify = [this](const http::RequestHead& head) { return portal::who_asks(head, *sessions_, clock_); };
  door.recall = [this](const http::RequestHead& head) { return portal::recall_cookie(head, *sessions_); };
  for (const portal::SafetyField& f : portal::safety_fields(portal::Content::data, portal_transport(config_))) {
    door.fields.emplace_back(f.name, f.value);
  }
  return door;
}

Result<void> House::listen_portal(PerCore& on, const net::TlsContext& tls) {
  if (config_.portal_listen.empty()) return {};
  portal::WebOptions o;
  o.assets = ui_assets();
  o.origins = config_.portal_origins;
  o.transport = portal_transport(config_);
  o.known_host = [&chat = on.chat](std::string_view host) { return chat.targets()->catalogue->known_host(host); };
  o.models = &on.chat;
  o.oauth = oauth_.get();
  if (document_tls_) {
    wire::OutboundOptions fetches;
    fetches.tls = document_tls_;
    fetches.limit = std::chrono::milliseconds(5'000);
    fetches.max_reply = oauth::kMaxClientMetadata;
    fetches.max_at_once = 8;
    on.documents = std::make_unique<wire::Outbound>(on.core, std::move(fetches));
  }
  on.web = std::make_unique<portal::Web>(services(), std::move(o));
  wire::ServerOptions so;
  so.max_connections = static_cast<std::size_t>(config_.max_connections);
  on.portal = std::make_unique<wire::Server>(on.core, *on.web, so);
  if (tls) on.portal->set_tls(tls);
  return open_listeners(on.core, *on.portal, config_.portal_listen, tls != nullptr);
}

Result<House::Tls> House::load_tls(const Config& config) {
  Tls out;
  if (config.tls_certificate.empty()) return out;
  Result<net::TlsContext> plain = net::server_tls(config.tls_certificate, config.tls_key);
  if (!plain) return std::move(plain).error();
  out.plain = std::move(*plain);
  if (config.certified_listen.empty()) return out;
  Result<net::TlsContext> certified = net::server_tls(config.tls_certificate, config.tls_key, net::ClientCertificate::asked);
  if (!certified) return std::move(certified).error();
  out.certified = std::move(*certified);
  return out;
}

Result<void> House::listen_certified(PerCore& on, const net::TlsContext& tls) {
  if (!tls) return {};
  on.certified_door = std::make_unique<CertifiedDoor>(on.proxy, *oauth_);
  wire::ServerOptions so;
  so.max_connections = static_cast<std::size_t>(config_.max_connections);
  on.certified = std::make_unique<wire::Server>(on.core, *on.certified_door, so);
  on.certified->set_tls(tls);
  return open_listeners(on.core, *on.certified, config_.certified_listen, true);
}

net::Task<> House::run_core(unsigned index) {
  PerCore& c = *per_core_[index];
  c.tasks.spawn(gate_->sweep(c.core));
  if (index == 0) {
    c.tasks.spawn(gate_->persist(c.core));
    c.tasks.spawn(factors_->tell_plugins(c.core));
    c.tasks.spawn(sessions_->maintain(c.core));
    c.tasks.spawn(coverage_->run(c.core));
    if (oauth_) c.tasks.spawn(sweep_oauth(c.core));
    for (auto& child : children_) c.tasks.spawn(child->run());
  }
  co_return;
}

Result<void> House::start() {
  Result<Tls> loaded = load_tls(config_);
  if (!loaded) return std::move(loaded).error();
  const net::TlsContext& tls = loaded->plain;
  Result<Catalogues> catalogues = catalogues_of(config_);
  if (!catalogues) return std::move(catalogues).error();

  for (unsigned i = 0; i < cores_->size(); ++i) per_core_.push_back(std::make_unique<PerCore>(cores_->at(i), *gate_, access_door(), browser_door()));
  for (const access::AccessPoint& point : config_.points) {
    if (!point.spawn) continue;
    process::Options options = child_options({config_.data_dir, config_.master_key, config_.child_user}, point);
    children_.push_back(std::make_unique<process::Child>(cores_->at(0), std::move(options)));
  }
  portal_ = std::make_unique<portal::Portal>(services());
  status_ = std::make_unique<StatusHandler>([this] { return health(); });

  wire::ServerOptions so;
  so.max_connections = static_cast<std::size_t>(config_.max_connections);
  for (auto& c : per_core_) {
    c->access = std::make_unique<wire::Server>(c->core, c->proxy, so);
    if (tls) c->access->set_tls(tls);
    if (Result<void> r = open_listeners(c->core, *c->access, config_.listen, tls != nullptr); !r) return r;
    if (Result<void> r = listen_portal(*c, tls); !r) return r;
    if (Result<void> r = listen_certified(*c, loaded->certified); !r) return r;
  }
  PerCore& first = *per_core_.front();
  first.control = std::make_unique<wire::Server>(first.core, *portal_, wire::ServerOptions{});
  net::Address socket;
  socket.path = config_.control_socket;
  if (Result<void> r = open_listeners(first.core, *first.control, {socket}, false); !r) return r;
  if (config_.status_listen) {
    first.status = std::make_unique<wire::Server>(first.core, *status_, wire::ServerOptions{});
    if (Result<void> r = open_listeners(first.core, *first.status, {*config_.status_listen}, false); !r) return r;
  }
  if (Result<void> r = spread_targets(std::move(*catalogues)); !r) return r;
  for (unsigned i = 0; i < cores_->size(); ++i) {
    net::Core& core = cores_->at(i);
    core.post([this, i] { per_core_[i]->tasks.spawn(run_core(i)); });
  }
  cores_->start();
  running_ = true;
  return write_setup_token();
}

Result<void> House::write_setup_token() {
  const std::filesystem::path file = config_.data_dir / "setup-token";
  Result<std::optional<Secret>> token = users_->create_setup_token();
  if (!token) return std::move(token).error();
  if (!*token) {
    std::error_code ignored;
    std::filesystem::remove(file, ignored);
    return {};
  }
  return write_private(file, (*token)->reveal_text());
}

std::string House::banner() const {
  std::string out = "vestibule " VESTIBULE_VERSION " is ready:";
  for (const net::Address& a : config_.listen) {
    out += a.is_unix() ? " " + a.text() : std::string(config_.tls_certificate.empty() ? " http://" : " https://") + a.text();
  }
  for (const net::Address& a : config_.certified_listen) out += ", with certificates https://" + a.text();
  return out;
}

std::string House::portal_url() const {
  if (config_.portal_listen.empty()) return {};
  std::string url = config_.portal_origins.front() + "/";
  if (users_->needs_setup()) url += "#/setup/" + first_line(config_.data_dir / "setup-token");
  return url;
}

}  // namespace vestibule::app
