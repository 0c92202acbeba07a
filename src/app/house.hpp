#pragma once
// The wiring: every room's object, in the order in which they stand on one another. Destruction goes
// the other way round.

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>

#include "app/config.hpp"
#include "app/status.hpp"
#include "app/targets.hpp"
#include "approval/holds.hpp"
#include "approval/confirmations.hpp"
#include "approval/mandates.hpp"
#include "approval/requests.hpp"
#include "crypto/handle.hpp"
#include "crypto/sealed.hpp"
#include "gate/gate.hpp"
#include "net/blocking_pool.hpp"
#include "notify/bells.hpp"
#include "oauth/server.hpp"
#include "portal/coverage.hpp"
#include "portal/events.hpp"
#include "portal/portal.hpp"
#include "portal/watch.hpp"
#include "process/child.hpp"
#include "proxy/holding.hpp"
#include "risk/history.hpp"
#include "wire/server.hpp"

namespace vestibule::app {

/// Endpoints that push messages may be sent to.
[[nodiscard]] notify::PushHosts push_hosts(const NotifyConfig& config);

/// Owned by serve(). open() and close() on the main thread; the rest on cores.
class House {
 public:
  /// Everything but the listening: files, keys, database, rooms, policy. Says what is wrong.
  static Result<std::unique_ptr<House>> open(Config config);
  ~House();

  /// Listens, starts the model servers. Blocking.
  Result<void> start();
  /// Reads configuration, policy and certificates again: all or nothing. Logged and recorded.
  void reload();
  /// Lets what is under way finish, then ends everything.
  void close();

  [[nodiscard]] const Config& config() const noexcept { return config_; }
  [[nodiscard]] std::string banner() const;
  /// Where a browser finds the portal; with the set-up token if there is no administrator yet, so only
  /// for the eyes of whoever sits there, never for a log. Empty: no portal.
  [[nodiscard]] std::string portal_url() const;

 private:
  explicit House(Config config);
  struct PerCore;

  Result<void> open_keys();
  Result<void> open_store();
  Result<void> open_rooms();
  Result<void> open_bells();
  Result<void> open_oauth();
  net::Task<Result<std::string>> fetch_document(std::string url);
  net::Task<> sweep_oauth(net::Core& core);
  Result<void> begin();
  void ring_for(store::Tx& tx, const store::Change& change);
  Result<void> seal_root();
  Result<void> load_credentials(const std::vector<access::AccessPoint>& points);
  Result<void> write_setup_token();
  /// The contexts of the listeners, from the files that a configuration names.
  struct Tls {
    net::TlsContext plain;      ///< null: no TLS
    net::TlsContext certified;  ///< asks for a certificate; null: no such listener
  };
  static Result<Tls> load_tls(const Config& config);
  Result<void> listen_portal(PerCore& on, const net::TlsContext& tls);
  Result<void> listen_certified(PerCore& on, const net::TlsContext& tls);
  /// The access points as their own listener and the portal's chat see them.
  struct Catalogues {
    std::shared_ptr<const access::Catalogue> access, chat;
  };
  static Result<Catalogues> catalogues_of(const Config& config);
  /// Empty: the present ones, with credentials that have changed.
  Result<void> spread_targets(Catalogues catalogues);
  [[nodiscard]] proxy::Door access_door() const;
  [[nodiscard]] proxy::Door browser_door() const;
  Result<void> open_approvals();
  net::Task<Result<gate::Staged>> reload_policy(session::Actor by);
  net::Task<> reload_on_core();
  net::Task<Result<portal::Services::Rotated>> rotate_keys();
  Result<void> key_out_of_use_in(store::Tx& tx, std::uint32_t id) const;
  net::Task<Result<void>> retire_key(std::uint32_t id);
  net::Task<Result<std::uint64_t>> backup(std::filesystem::path to);
  net::Task<Result<void>> credential_changed(std::string point);
  net::Task<> shut_core(PerCore* own, std::chrono::milliseconds limit);
  net::Task<> run_core(unsigned index);
  void record(std::string_view operation, std::string_view note);
  [[nodiscard]] HealthReport health() const;
  [[nodiscard]] portal::Services services();

  Config config_;
  SystemClock clock_;
  SystemRng rng_;
  std::optional<crypto::KeyRing> keys_;
  std::optional<Bytes> fresh_root_;  // made at the first start, not stored yet
  std::optional<crypto::HandleMint> mint_;
  std::unique_ptr<net::Cores> cores_;
  std::unique_ptr<store::Database> database_;
  std::unique_ptr<audit::Log> log_;
  std::unique_ptr<store::Denials> denials_;
  std::unique_ptr<net::BlockingPool> pool_;
  std::unique_ptr<identity::Users> users_;
  std::unique_ptr<factors::Factors> factors_;
  std::unique_ptr<identity::Resets> resets_;
  std::unique_ptr<identity::ServiceAccounts> service_accounts_;
  std::unique_ptr<notify::Bells> bells_;
  std::unique_ptr<portal::Watch> watch_;  // of push prompts
  std::unique_ptr<risk::History> history_;
  std::unique_ptr<session::Sessions> sessions_;
  std::unique_ptr<approval::Requests> approvals_;
  std::unique_ptr<approval::Confirmations> confirmations_;
  std::unique_ptr<approval::Definitions> definitions_;
  std::unique_ptr<approval::Holds> holds_;
  std::unique_ptr<proxy::Holding> holding_;
  std::optional<crypto::HmacKey> session_key_;  // of MCP servers' sessions
  std::unique_ptr<approval::Mandates> mandates_;
  std::unique_ptr<gate::Gate> gate_;
  std::unique_ptr<oauth::Server> oauth_;  // where there is a portal
  net::TlsContext document_tls_;          // for clients' descriptions
  std::unique_ptr<portal::Events> events_;
  std::unique_ptr<portal::Coverage> coverage_;
  std::unique_ptr<portal::Portal> portal_;
  std::unique_ptr<StatusHandler> status_;
  std::vector<std::unique_ptr<PerCore>> per_core_;
  std::vector<std::unique_ptr<process::Child>> children_;

  mutable std::mutex mutex_;  // the two below; never taken on the path of a request
  Catalogues catalogues_;
  Credentials credentials_;
  std::chrono::steady_clock::time_point started_;
  std::atomic<bool> closing_{false};
  bool running_ = false;  // the cores have started
  bool closed_ = false;
};

}  // namespace vestibule::app
