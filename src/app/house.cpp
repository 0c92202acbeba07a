// Opening: every room in its turn, up to the first record.
#include "app/house.hpp"

#include <algorithm>
#include <thread>

#include "app/enrollable.hpp"
#include "app/files.hpp"
#include "app/house_core.hpp"
#include "app/meta.hpp"
#include "app/plugins.hpp"

namespace vestibule::app {

House::House(Config config) : config_(std::move(config)), started_(std::chrono::steady_clock::now()) {}
House::~House() { close(); }

Result<std::unique_ptr<House>> House::open(Config config) {
  std::unique_ptr<House> house(new House(std::move(config)));
  if (Result<void> r = make_private_directory(house->config_.data_dir); !r) return std::move(r).error();
  if (Result<void> r = house->open_keys(); !r) return std::move(r).error();
  if (Result<void> r = house->open_store(); !r) return std::move(r).error();
  if (Result<void> r = house->open_rooms(); !r) return std::move(r).error();
  if (Result<void> r = house->begin(); !r) return std::move(r).error();
  return house;
}

// What everything else stands on: cores, database, the keys' root, log, denials that a former run kept.
Result<void> House::open_store() {
  const unsigned n = config_.cores != 0 ? config_.cores : std::clamp(std::thread::hardware_concurrency(), 1U, kMostCores);
  cores_ = std::make_unique<net::Cores>(n);

  store::Database::Options o;
  o.file = config_.data_dir / "vestibule.db";
  o.cores = n;
  const std::vector<store::Migration> migrations = all_migrations();
  Result<std::unique_ptr<store::Database>> database = store::Database::open(o, migrations);
  if (!database) return std::move(database).error();
  database_ = std::move(*database);

  const Result<std::optional<Bytes>> root =
      database_->read_blocking([](store::Tx& tx) { return derivation_root(tx); });
  if (!root) return root.error();
  if (*root) {
    if (Result<void> r = keys_->open_root(**root); !r) {
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
  return {};
}

Result<void> House::open_rooms() {
  const unsigned n = cores_->size();
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
  ro.holds = [names = factors_->plugin_names()](store::Tx& tx, UserId user) { return factors::strong_factor_of(tx, user, names); };
  resets_ = std::make_unique<identity::Resets>(*database_, *users_, *log_, clock_, rng_, std::move(ro));

  service_accounts_ = std::make_unique<identity::ServiceAccounts>(*database_, *users_, *log_, clock_, rng_);

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
  if (Result<void> r = open_approvals(); !r) return r;

  Result<std::unique_ptr<risk::History>> history =
      risk::History::open(*database_, *users_, *factors_, clock_, risk::Options());
  if (!history) return std::move(history).error();
  history_ = std::move(*history);

  Result<std::unique_ptr<approval::Mandates>> mandates =
      approval::Mandates::open(*database_, *users_, *factors_, *log_, clock_, rng_);
  if (!mandates) return std::move(mandates).error();
  mandates_ = std::move(*mandates);

  gate::Options go;
  go.mandates = mandates_.get();
  go.confirmations = confirmations_.get();
  go.definitions = definitions_.get();
  go.await_admission = config_.await_admission;
  go.trust = config_.policy_trust_file ? gate::PolicyTrust::file : gate::PolicyTrust::approval;
  go.denials = denials_.get();
  go.history = history_.get();
  go.enrollable = enrollable_kinds(config_);
  gate_ = std::make_unique<gate::Gate>(*database_, *log_, *sessions_, *factors_, clock_, rng_, *cores_, go);
  events_ = std::make_unique<portal::Events>(*database_, *sessions_, *log_);
  coverage_ = std::make_unique<portal::Coverage>(*users_, *factors_);
  gate_->on_change([this] {
    events_->gate_changed();
    holds_->wake_all();
  });
  return open_oauth();
}

// After sessions: whoever is woken by an approval finds what it has opened.
Result<void> House::open_approvals() {
  approval::Options o;
  o.shut_in = [](store::Tx& tx, const approval::Request& request) -> Result<void> {
    const auto source = session::SourceKey::parse(request.ask.source_key);
    if (!source) return fail(Reason::internal, "a request from nowhere");
    return session::lock_in(tx, request.ask.credential, *source);
  };
  Result<std::unique_ptr<approval::Requests>> requests =
      approval::Requests::open(*database_, *keys_, *users_, *log_, clock_, rng_, std::move(o));
  if (!requests) return std::move(requests).error();
  approvals_ = std::move(*requests);
  approval::ConfirmationOptions co;
  co.wait = config_.approval_wait;
  co.keeps = config_.receipt_retention;
  co.shut_in = [](store::Tx& tx, const Digest& credential, std::string_view source_key) -> Result<void> {
    const auto source = session::SourceKey::parse(source_key);
    if (!source) return fail(Reason::internal, "a call from nowhere");
    return session::lock_in(tx, credential, *source);
  };
  Result<std::unique_ptr<approval::Confirmations>> confirmations =
      approval::Confirmations::open(*database_, *keys_, *users_, *factors_, *log_, clock_, rng_, std::move(co));
  if (!confirmations) return std::move(confirmations).error();
  confirmations_ = std::move(*confirmations);
  Result<std::unique_ptr<approval::Definitions>> definitions = approval::Definitions::open(*database_, *users_, *log_, clock_);
  if (!definitions) return std::move(definitions).error();
  definitions_ = std::move(*definitions);
  const approval::HoldOptions bounds{static_cast<std::size_t>(config_.holds), static_cast<std::size_t>(config_.holds_per_user),
                                     static_cast<std::size_t>(config_.held_bodies)};
  holds_ = std::make_unique<approval::Holds>(*database_, bounds);
  sessions_->on_deny([this](const session::Revocation&) { holds_->wake_all(); });
  const auto page = [this](const char* path) { return config_.portal_listen.empty() ? std::string() : config_.portal_origins.front() + path; };
  session_key_.emplace(keys_->derive("mcp-session/v1"));
  holding_.reset(new proxy::Holding{*approvals_, *holds_, page("/approve"), confirmations_.get(), page("/confirm")});
  return {};
}

// From here on the database is written: what the first start made, the policy in force, the record.
Result<void> House::begin() {
  database_->start();
  if (Result<void> r = seal_root(); !r) return r;
  const Result<std::string> policy = read_file(config_.policy_file, Reason::config_invalid);
  if (!policy) return fail(policy.error().code, "cannot read the policy " + config_.policy_file.string());
  Result<gate::Staged> staged = gate_->load(*policy, config_.policy_file.string());
  if (!staged) return std::move(staged).error();
  if (staged->staged) {
    log::warn("the policy file loosens what is in force: it waits for approval", {{"digest", hex(*staged->staged)}});
  }
  if (config_.policy_trust_file) log::warn("policy.trust = \"file\": whoever can write the policy file decides");
  if (!config_.await_admission) log::warn("audit.await_admission = false: requests go on before their record is on disk");
  if (!users_->common_list_loaded()) {
    log::warn("the list of common passwords is missing", {{"file", config_.common_passwords.string()}, {"package", "john-data"}});
  }
  if (oauth_) {
    if (Result<void> r = oauth_->begin(); !r) return r;
  }
  record("start", "version " VESTIBULE_VERSION);
  return load_credentials(config_.points);
}

// Stands for nobody: the gateway itself starts and stops.
void House::record(std::string_view operation, std::string_view note) {
  const Instant now = clock_.now();
  const Result<void> written = database_->write_blocking([&](store::Tx& tx) -> Result<void> {
    log_->append(tx, system_record("(gateway)", operation, note, now));
    return {};
  });
  if (!written) log::error("could not be recorded", {{"operation", operation}, {"detail", written.error().detail}});
}

}  // namespace vestibule::app
