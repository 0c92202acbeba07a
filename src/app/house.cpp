#include "app/house.hpp"

#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

#include "access/credentials.hpp"
#include "app/ui_assets.hpp"
#include "json/writer.hpp"
#include "net/signal.hpp"
#include "portal/web.hpp"

namespace vestibule::app {
namespace {

constexpr std::string_view kMetaMigration = R"(
CREATE TABLE meta (
  name TEXT PRIMARY KEY,
  value BYTES NOT NULL))";

std::string read_text(const std::filesystem::path& file, bool& ok) {
  std::ifstream in(file, std::ios::binary);
  ok = static_cast<bool>(in);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::string first_line(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return line;
}

Result<void> make_private_directory(const std::filesystem::path& dir) {
  std::error_code ec;
  std::filesystem::create_directories(dir.parent_path(), ec);
  if (::mkdir(dir.c_str(), 0700) != 0 && errno != EEXIST) {
    return fail(Reason::config_invalid, "cannot make the data directory " + dir.string() + ": " + std::strerror(errno));
  }
  struct stat st {};
  if (::lstat(dir.c_str(), &st) != 0 || !S_ISDIR(st.st_mode)) {
    return fail(Reason::config_invalid, dir.string() + " is not a directory");
  }
  if (st.st_uid != ::geteuid()) {
    return fail(Reason::config_invalid, "the data directory " + dir.string() + " belongs to another user");
  }
  if ((st.st_mode & 077U) != 0 && ::chmod(dir.c_str(), 0700) != 0) {
    return fail(Reason::config_invalid, "the data directory " + dir.string() + " is open to others: chmod 700 it");
  }
  return {};
}

// Replaces a small private file as a whole.
Result<void> write_private(const std::filesystem::path& file, std::string_view text) {
  const std::string temporary = file.string() + ".new";
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return fail(Reason::internal, "cannot write " + temporary + ": " + std::strerror(errno));
  const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  ::fsync(fd);
  ::close(fd);
  if (!written || ::rename(temporary.c_str(), file.c_str()) != 0) {
    return fail(Reason::internal, "cannot write " + file.string() + ": " + std::strerror(errno));
  }
  return {};
}

// HSTS holds for all ports of a name: on localhost it would shut out whatever else runs there.
portal::Transport portal_transport(const Config& config) {
  const std::string& origin = config.portal_origins.front();
  const bool own_name = origin.starts_with("https://") && !origin.starts_with("https://localhost");
  return !config.tls_certificate.empty() && own_name ? portal::Transport::tls : portal::Transport::plain;
}

session::Actor the_gateway() {
  session::Actor a;
  a.name = domain::UserName("(gateway)");
  a.source.address[15] = 1;
  a.source.local = true;
  return a;
}

}  // namespace

std::vector<store::Migration> all_migrations() {
  std::vector<store::Migration> all{{"app", 1, kMetaMigration}};
  for (const auto room : {audit::migrations(), access::migrations(), identity::migrations(), factors::migrations(),
                          session::migrations(), risk::migrations(), gate::Gate::migrations()}) {
    all.insert(all.end(), room.begin(), room.end());
  }
  return all;
}

/// What one core serves with.
struct House::PerCore {
  PerCore(net::Core& on, gate::Gate& gate, proxy::Door browser)
      : core(on), proxy(on, gate), chat(on, gate, std::move(browser)), tasks(on) {}
  net::Core& core;
  proxy::Proxy proxy;
  proxy::Proxy chat;                      // the same access points, for the portal's chat page
  std::unique_ptr<portal::Web> web;
  std::unique_ptr<wire::Server> portal;   // where [portal] listens
  std::unique_ptr<wire::Server> access;
  std::unique_ptr<wire::Server> control;  // on core 0
  std::unique_ptr<wire::Server> status;   // on core 0
  net::TaskGroup tasks;
};

House::House(Config config) : config_(std::move(config)), started_(std::chrono::steady_clock::now()) {}
House::~House() { close(); }

Result<std::unique_ptr<House>> House::open(Config config) {
  std::unique_ptr<House> house(new House(std::move(config)));
  if (Result<void> r = make_private_directory(house->config_.data_dir); !r) return std::move(r).error();
  if (Result<void> r = house->open_keys(); !r) return std::move(r).error();
  if (Result<void> r = house->open_rooms(); !r) return std::move(r).error();
  return house;
}

Result<void> House::open_keys() {
  Result<crypto::MasterKeys> keys = crypto::load_master_keys(config_.master_key.string());
  if (!keys && keys.error().code == Reason::not_found) {
    // Only a new installation gets a new key: without the old one an old database is lost for good.
    if (std::filesystem::exists(config_.data_dir / "vestibule.db")) {
      return fail(Reason::config_invalid, "the master key " + config_.master_key.string() +
                                              " is missing, but there is a database: see docs/runbooks/lost-master-key.md");
    }
    keys = crypto::create_master_key_file(config_.master_key.string(), rng_);
    if (keys) log::warn("made a new master key: keep a copy of it elsewhere", {{"file", config_.master_key.string()}});
  }
  if (!keys) return std::move(keys).error();
  keys_.emplace(*keys, rng_);
  return {};
}

Result<void> House::open_rooms() {
  const unsigned n = config_.cores != 0 ? config_.cores : std::clamp(std::thread::hardware_concurrency(), 1U, kMostCores);
  cores_ = std::make_unique<net::Cores>(n);

  store::Database::Options o;
  o.file = config_.data_dir / "vestibule.db";
  o.cores = n;
  const std::vector<store::Migration> migrations = all_migrations();
  Result<std::unique_ptr<store::Database>> database = store::Database::open(o, migrations);
  if (!database) return std::move(database).error();
  database_ = std::move(*database);

  std::optional<Bytes> root;
  Result<bool> found = database_->read_blocking([&](store::Tx& tx) -> Result<bool> {
    return tx.one("SELECT value FROM meta WHERE name = $1", {"derivation_root"},
                  [&](const store::Row& row) { root.emplace(row.blob(0).begin(), row.blob(0).end()); });
  });
  if (!found) return std::move(found).error();
  if (root) {
    if (Result<void> r = keys_->open_root(*root); !r) {
      return fail(r.error().code, "the master key does not open this database (" + r.error().detail +
                                      "): see docs/runbooks/lost-master-key.md");
    }
  } else {
    fresh_root_ = keys_->create_root();
  }
  mint_.emplace(keys_->derive("handle-checksum/v1"));

  audit::Options ao;
  ao.checkpoint_file = config_.checkpoint_file;
  ao.origin = config_.audit_origin;
  ao.checkpoint_every = std::chrono::duration_cast<std::chrono::seconds>(config_.checkpoint_every);
  ao.checkpoint_records = static_cast<std::uint64_t>(config_.checkpoint_records);
  Result<std::unique_ptr<audit::Log>> log =
      audit::Log::open(*database_, ao, keys_->derive("audit-checkpoint/v1"), clock_, rng_);
  if (!log) return std::move(log).error();
  log_ = std::move(*log);

  store::Denials::Options refused;
  refused.file = config_.data_dir / "denials";
  Result<std::unique_ptr<store::Denials>> denials =
      store::Denials::open(std::move(refused), keys_->derive("denials/v1"), *database_);
  if (!denials) return std::move(denials).error();
  denials_ = std::move(*denials);

  pool_ = std::make_unique<net::BlockingPool>(net::BlockingPool::Options{std::max(2U, n), 256});
  identity::Options io;
  io.common_passwords = config_.common_passwords;
  io.password_memory_kib = config_.password_memory / 1024;
  io.denials = denials_.get();
  Result<std::unique_ptr<identity::Users>> users =
      identity::Users::open(*database_, *keys_, *mint_, *pool_, *log_, clock_, rng_, io);
  if (!users) return std::move(users).error();
  users_ = std::move(*users);

  factors::Options fo;
  fo.totp.algorithm = config_.totp_algorithm == "SHA512"   ? crypto::HashAlg::sha512
                      : config_.totp_algorithm == "SHA256" ? crypto::HashAlg::sha256
                                                           : crypto::HashAlg::sha1;
  fo.totp.digits = static_cast<int>(config_.totp_digits);
  fo.lock_after = static_cast<int>(config_.lock_after);
  fo.webauthn = config_.webauthn;
  fo.push.hosts = push_hosts(config_.notify);
  auto plugins = make_plugins(config_.plugins, *cores_);
  if (!plugins) return std::move(plugins).error();
  fo.plugins = std::move(*plugins);
  Result<std::unique_ptr<factors::Factors>> factors =
      factors::Factors::open(*database_, *keys_, *users_, *log_, clock_, rng_, fo);
  if (!factors) return std::move(factors).error();
  factors_ = std::move(*factors);
  if (Result<void> r = open_bells(); !r) return r;
  watch_ = std::make_unique<portal::Watch>(*database_, factors::kPromptTopic);

  identity::ResetOptions ro;
  ro.wait = config_.approval_wait;
  ro.holds = [](store::Tx& tx, UserId user) { return factors::strong_factor_of(tx, user); };
  resets_ = std::make_unique<identity::Resets>(*database_, *users_, *log_, clock_, rng_, std::move(ro));

  session::Options so;
  so.boot_id = first_line("/proc/sys/kernel/random/boot_id");
  so.idle = config_.session_idle;
  so.overall = config_.session_overall;
  so.denials = denials_.get();
  so.raise_mark = [this](WallTime mark) { clock_.raise_mark(mark); };
  Result<std::unique_ptr<session::Sessions>> sessions =
      session::Sessions::open(*database_, *mint_, *users_, *factors_, *log_, clock_, rng_, so);
  if (!sessions) return std::move(sessions).error();
  sessions_ = std::move(*sessions);

  Result<std::unique_ptr<risk::History>> history =
      risk::History::open(*database_, *users_, *factors_, clock_, risk::Options());
  if (!history) return std::move(history).error();
  history_ = std::move(*history);

  gate::Options go;
  go.await_admission = config_.await_admission;
  go.trust = config_.policy_trust_file ? gate::PolicyTrust::file : gate::PolicyTrust::approval;
  go.denials = denials_.get();
  go.history = history_.get();
  gate_ = std::make_unique<gate::Gate>(*database_, *log_, *sessions_, *factors_, clock_, rng_, *cores_, go);
  events_ = std::make_unique<portal::Events>(*database_, *sessions_, *log_);
  gate_->on_change([this] { events_->gate_changed(); });

  database_->start();
  if (Result<void> r = seal_root(); !r) return r;
  bool readable = false;
  const std::string policy = read_text(config_.policy_file, readable);
  if (!readable) return fail(Reason::config_invalid, "cannot read the policy " + config_.policy_file.string());
  Result<gate::Staged> staged = gate_->load(policy, config_.policy_file.string());
  if (!staged) return std::move(staged).error();
  if (staged->staged) {
    log::warn("the policy file loosens what is in force: it waits for approval", {{"digest", hex(*staged->staged)}});
  }
  if (config_.policy_trust_file) log::warn("policy.trust = \"file\": whoever can write the policy file decides");
  if (!config_.await_admission) log::warn("audit.await_admission = false: requests go on before their record is on disk");
  if (!users_->common_list_loaded()) {
    log::warn("the list of common passwords is missing", {{"file", config_.common_passwords.string()}, {"package", "john-data"}});
  }
  record("start", "version " VESTIBULE_VERSION);
  return load_credentials(config_.points);
}

// The root of derivation exists from the first start on; nothing that depends on it is stored before
// it is.
Result<void> House::seal_root() {
  Result<crypto::KeyCheck> check = keys_->key_check(keys_->active_id());
  if (!check) return std::move(check).error();
  return database_->write_blocking([&](store::Tx& tx) -> Result<void> {
    if (fresh_root_) {
      auto r = tx.run("INSERT INTO meta (name, value) VALUES ($1, $2)", {"derivation_root", *fresh_root_});
      if (!r) return std::move(r).error();
    }
    auto r = tx.run("INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
                    {"key_check_" + std::to_string(keys_->active_id()), ByteView(*check)});
    if (!r) return std::move(r).error();
    return {};
  });
}

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

Result<House::Catalogues> House::catalogues_of(const Config& config) {
  Result<std::shared_ptr<const access::Catalogue>> access = access::Catalogue::build(config.points, config.hosts);
  if (!access) return std::move(access).error();
  std::vector<access::AccessPoint> points = config.points;
  for (access::AccessPoint& p : points) {
    p.prefix = "/chat/" + p.name;
    p.host.clear();
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

proxy::Door House::browser_door() const {
  proxy::Door door;
  door.identify = [this](const http::RequestHead& head) { return portal::who_asks(head, *sessions_, clock_); };
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
  on.web = std::make_unique<portal::Web>(services(), std::move(o));
  wire::ServerOptions so;
  so.max_connections = static_cast<std::size_t>(config_.max_connections);
  on.portal = std::make_unique<wire::Server>(on.core, *on.web, so);
  if (tls) on.portal->set_tls(tls);
  for (const net::Address& a : config_.portal_listen) {
    auto listener = std::make_unique<net::Listener>(on.core);
    if (Result<void> r = listener->open(a); !r) return r;
    on.portal->listen(std::move(listener), tls != nullptr);
  }
  return {};
}

net::Task<> House::run_core(unsigned index) {
  PerCore& c = *per_core_[index];
  c.tasks.spawn(gate_->sweep(c.core));
  if (index == 0) {
    c.tasks.spawn(gate_->persist(c.core));
    c.tasks.spawn(factors_->tell_plugins(c.core));
    c.tasks.spawn(sessions_->maintain(c.core));
    for (auto& child : children_) c.tasks.spawn(child->run());
  }
  co_return;
}

Result<void> House::start() {
  net::TlsContext tls;
  if (!config_.tls_certificate.empty()) {
    Result<net::TlsContext> loaded = net::server_tls(config_.tls_certificate, config_.tls_key);
    if (!loaded) return std::move(loaded).error();
    tls = std::move(*loaded);
  }
  Result<Catalogues> catalogues = catalogues_of(config_);
  if (!catalogues) return std::move(catalogues).error();

  for (unsigned i = 0; i < cores_->size(); ++i) per_core_.push_back(std::make_unique<PerCore>(cores_->at(i), *gate_, browser_door()));
  for (const access::AccessPoint& point : config_.points) {
    if (!point.spawn) continue;
    process::Options o;
    o.name = point.name;
    o.command = point.spawn->command;
    o.socket = child_directory(config_.data_dir, point.name) / "model.sock";
    for (std::string& a : o.command) {
      if (const auto at = a.find("{socket}"); at != std::string::npos) a.replace(at, 8, o.socket.string());
    }
    for (const std::string& name : point.spawn->environment) {
      if (const char* value = std::getenv(name.c_str())) o.environment.emplace_back(name, value);
    }
    for (const std::string& p : point.spawn->readable) o.readable.emplace_back(p);
    o.hidden = {config_.data_dir, config_.master_key};
    o.user = config_.child_user;
    o.ready = std::chrono::duration_cast<std::chrono::milliseconds>(point.spawn->ready);
    children_.push_back(std::make_unique<process::Child>(cores_->at(0), std::move(o)));
  }
  portal_ = std::make_unique<portal::Portal>(services());
  status_ = std::make_unique<StatusHandler>([this] { return health(); });

  wire::ServerOptions so;
  so.max_connections = static_cast<std::size_t>(config_.max_connections);
  for (auto& c : per_core_) {
    c->access = std::make_unique<wire::Server>(c->core, c->proxy, so);
    if (tls) c->access->set_tls(tls);
    for (const net::Address& a : config_.listen) {
      if (a.is_unix() && c->core.index() != 0) continue;
      auto listener = std::make_unique<net::Listener>(c->core);
      if (Result<void> r = listener->open(a); !r) return r;
      c->access->listen(std::move(listener), tls != nullptr && !a.is_unix());
    }
    if (Result<void> r = listen_portal(*c, tls); !r) return r;
  }
  PerCore& first = *per_core_.front();
  first.control = std::make_unique<wire::Server>(first.core, *portal_, wire::ServerOptions{});
  auto control = std::make_unique<net::Listener>(first.core);
  net::Address socket;
  socket.path = config_.control_socket;
  if (Result<void> r = control->open(socket); !r) return r;
  first.control->listen(std::move(control), false);
  if (config_.status_listen) {
    first.status = std::make_unique<wire::Server>(first.core, *status_, wire::ServerOptions{});
    auto listener = std::make_unique<net::Listener>(first.core);
    if (Result<void> r = listener->open(*config_.status_listen); !r) return r;
    first.status->listen(std::move(listener), false);
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

std::string House::banner() const {
  std::string out = "vestibule " VESTIBULE_VERSION " is ready:";
  for (const net::Address& a : config_.listen) {
    out += a.is_unix() ? " " + a.text() : std::string(config_.tls_certificate.empty() ? " http://" : " https://") + a.text();
  }
  return out;
}

std::string House::portal_url() const {
  if (config_.portal_listen.empty()) return {};
  std::string url = config_.portal_origins.front() + "/";
  if (users_->needs_setup()) url += "#/setup/" + first_line(config_.data_dir / "setup-token");
  return url;
}

void House::record(std::string_view operation, std::string_view note) {
  const Instant now = clock_.now();
  const session::Actor by = the_gateway();
  const Result<void> written = database_->write_blocking([&](store::Tx& tx) -> Result<void> {
    audit::Record r;
    r.kind = audit::Kind::system;
    r.at = now.wall;
    r.now = now;
    r.access_point = "vestibule";
    r.operation = operation;
    r.outcome = domain::Outcome::allow;
    r.reason = Reason::ok;
    r.user_name = by.name.view();
    r.source = by.source;
    r.note = note;
    log_->append(tx, r);
    return {};
  });
  if (!written) log::error("could not be recorded", {{"operation", operation}, {"detail", written.error().detail}});
}

// ------------------------------------------------------------------------- the portal's services

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

// A new key in the file first, then everything sealed with it, room by room. What is sealed meanwhile
// with either key opens, since the ring has both; a rotation that broke off is finished by the next.
net::Task<Result<portal::Services::Rotated>> House::rotate_keys() {
  auto add = [this]() -> Result<crypto::MasterKeys> {
    if (!std::filesystem::exists(config_.master_key)) {
      return fail(Reason::invalid_argument, "the master key does not come from a file: add a line to its source and restart");
    }
    return crypto::add_master_key_version(config_.master_key.string(), rng_);
  };
  Result<Result<crypto::MasterKeys>> added = co_await pool_->run(std::move(add));
  if (!added) co_return std::move(added).error();
  if (!*added) co_return std::move(*added).error();
  const crypto::MasterKeys* keys = &**added;
  auto job = [this, keys](store::Tx& tx) -> Result<portal::Services::Rotated> {
    if (Result<void> r = keys_->adopt(keys->back()); !r) return std::move(r).error();
    portal::Services::Rotated out;
    out.active = keys_->active_id();
    Result<std::int64_t> credentials = access::reseal_credentials(tx, *keys_);
    if (!credentials) return std::move(credentials).error();
    out.resealed += *credentials;
    std::optional<Bytes> root;
    auto found = tx.one("SELECT value FROM meta WHERE name = $1", {"derivation_root"},
                        [&](const store::Row& r) { root.emplace(r.blob(0).begin(), r.blob(0).end()); });
    if (!found || !root) return fail(Reason::sealed_unreadable, "no derivation root");
    Result<Bytes> fresh = keys_->reseal_root(*root);
    if (!fresh) return std::move(fresh).error();
    auto stored = tx.run("UPDATE meta SET value = $1 WHERE name = $2", {*fresh, "derivation_root"});
    if (!stored) return std::move(stored).error();
    Result<crypto::KeyCheck> check = keys_->key_check(out.active);
    if (!check) return std::move(check).error();
    stored = tx.run("INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
                    {"key_check_" + std::to_string(out.active), ByteView(*check)});
    if (!stored) return std::move(stored).error();
    ++out.resealed;
    return out;
  };
  Result<portal::Services::Rotated> rotated = co_await database_->write(job);
  if (!rotated) co_return rotated;
  Result<std::int64_t> factors = co_await factors_->reseal();
  if (!factors) co_return std::move(factors).error();
  rotated->resealed += *factors;
  co_return rotated;
}

// On the writer thread. Nothing is sealed by an old key any more once this has been seen there: only
// the active one seals.
Result<void> House::key_out_of_use_in(store::Tx& tx, std::uint32_t id) const {
  const std::vector<std::uint32_t> ids = keys_->ids();
  if (std::find(ids.begin(), ids.end(), id) == ids.end()) return fail(Reason::not_found, "there is no master key of this id");
  if (id == keys_->active_id()) return fail(Reason::conflict, "this key seals at present: `vestibule keys rotate` first");
  Result<std::int64_t> credentials = access::credentials_sealed_by(tx, id);
  if (!credentials) return std::move(credentials).error();
  Result<std::int64_t> secrets = factors_->sealed_by(tx, id);
  if (!secrets) return std::move(secrets).error();
  std::int64_t n = *credentials + *secrets;
  auto root = tx.one("SELECT value FROM meta WHERE name = $1", {"derivation_root"}, [&](const store::Row& row) {
    if (crypto::KeyRing::sealed_by(row.blob(0)).value_or(id) == id) ++n;
  });
  if (!root) return std::move(root).error();
  if (n > 0) {
    return fail(Reason::conflict, std::to_string(n) + " secrets are still sealed by this key: `vestibule keys rotate` seals them again");
  }
  return {};
}

// The file first: if that fails, the key is still there and all is as before.
net::Task<Result<void>> House::retire_key(std::uint32_t id) {
  auto remove = [this, id]() -> Result<void> {
    if (!std::filesystem::exists(config_.master_key)) {
      return fail(Reason::invalid_argument, "the master key does not come from a file: take the line out of its source and restart");
    }
    const Result<crypto::MasterKeys> left = crypto::remove_master_key_version(config_.master_key.string(), id, rng_);
    // One that is not in the file any more was on its way out when something failed.
    if (!left && left.error().code != Reason::not_found) return left.error();
    return {};
  };
  Result<Result<void>> removed = co_await pool_->run(std::move(remove));
  if (!removed) co_return std::move(removed).error();
  if (!*removed) co_return std::move(*removed).error();
  auto forget = [this, id](store::Tx& tx) -> Result<void> {
    auto check = tx.run("DELETE FROM meta WHERE name = $1", {"key_check_" + std::to_string(id)});
    if (!check) return std::move(check).error();
    return keys_->retire(id);
  };
  Result<void> forgotten = co_await database_->write(forget);
  co_return forgotten;
}

// ------------------------------------------------------------------------------------- reload

net::Task<Result<gate::Staged>> House::reload_policy(session::Actor by) {
  std::filesystem::path file;
  {
    const std::lock_guard lock(mutex_);
    file = config_.policy_file;
  }
  bool readable = false;
  std::string text = read_text(file, readable);
  if (!readable) co_return fail(Reason::config_invalid, "cannot read the policy " + file.string());
  std::string file_name = file.string();
  Result<gate::Staged> staged = co_await gate_->reload_policy(std::move(text), std::move(file_name), std::move(by));
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
  net::TlsContext tls;
  if (!fresh->tls_certificate.empty() && !config_.tls_certificate.empty()) {
    Result<net::TlsContext> loaded = net::server_tls(fresh->tls_certificate, fresh->tls_key);
    if (!loaded) {
      log::error("the configuration was not changed", {{"detail", loaded.error().detail}});
      return;
    }
    tls = std::move(*loaded);
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
  if (tls) {
    for (auto& c : per_core_) {
      c->core.post([p = c.get(), tls] {
        p->access->set_tls(tls);
        if (p->portal) p->portal->set_tls(tls);
      });
    }
  }
  cores_->at(0).post([this] { per_core_.front()->tasks.spawn(reload_on_core()); });
  log::info("configuration read", {{"file", config_.file.string()}});
}

// --------------------------------------------------------------------------------------- end

net::Task<> House::shut_core(PerCore* own, std::chrono::milliseconds limit) {
  const auto begun = std::chrono::steady_clock::now();
  events_->stop(own->core);  // a stream would wait for ever
  watch_->close(own->core);
  co_await own->access->stop(limit);
  if (own->portal) {
    // What is left of the same limit: answers of the chat page may finish as well.
    const auto spent = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begun);
    const auto left = std::max(limit - spent, std::chrono::milliseconds(1'000));
    co_await own->portal->stop(left);
  }
  if (own->control) co_await own->control->stop(std::chrono::seconds(1));
  if (own->status) co_await own->status->stop(std::chrono::seconds(1));
  gate_->stop_sweeping(own->core);
  if (own->core.index() == 0) {
    sessions_->stop();
    bells_->stop();
    co_await bells_->join();
    factors_->stop();
    for (auto& child : children_) co_await child->stop();
  }
  co_await own->tasks.join();
}

void House::close() {
  if (closed_) return;
  closed_ = true;
  if (running_) {
    const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(config_.shutdown);
    // Each core stops its servers; the count is the main thread's way of waiting for all of them.
    std::atomic<std::size_t> left{per_core_.size()};
    std::mutex m;
    std::condition_variable done;
    for (auto& c : per_core_) {
      c->core.post([&, p = c.get(), limit] {
        net::asio::co_spawn(p->core.executor(), shut_core(p, limit), [&](std::exception_ptr) {
          const std::lock_guard lock(m);
          --left;
          done.notify_all();
        });
      });
    }
    std::unique_lock lock(m);
    if (running_ && !done.wait_for(lock, limit + std::chrono::seconds(20), [&] { return left == 0; })) {
      // Something does not end. Taking the house down over it would be worse than leaving at once:
      // what was answered is durable, and the rest never was.
      log::error("shutdown does not come to its end: leaving at once");
      database_->stop();
      log::stop();
      std::_Exit(1);
    }
  }
  if (log_ && database_) {
    record("stop", "");
    database_->stop();
  }
  if (cores_) cores_->stop();
}

}  // namespace vestibule::app
