#pragma once
// What app gives the control API.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "access/catalogue.hpp"
#include "approval/confirmations.hpp"
#include "approval/definitions.hpp"
#include "approval/mandates.hpp"
#include "audit/log.hpp"
#include "factors/factors.hpp"
#include "gate/gate.hpp"
#include "identity/resets.hpp"
#include "identity/service_accounts.hpp"
#include "identity/users.hpp"
#include "portal/watch.hpp"
#include "session/sessions.hpp"
#include "store/database.hpp"

namespace vestibule::approval {
class Requests;
}
namespace vestibule::oauth {
class Server;
}

namespace vestibule::portal {

class Events;

/// What the API stands on. The rooms outlive the portal. Functions are what app owns; those marked
/// "may be empty" make their routes answer not_found. None may throw.
struct Services {
  gate::Gate& gate;
  session::Sessions& sessions;
  identity::Users& users;
  factors::Factors& factors;
  audit::Log& log;
  store::Database& database;
  const Clock& clock;
  identity::Resets& resets;

  domain::Sensitivity sensitivity = domain::Sensitivity::moderate;  ///< of the access point `vestibule`
  std::string version{};
  std::chrono::steady_clock::time_point started = std::chrono::steady_clock::now();
  std::chrono::hours enrolment_ttl{24};         ///< as in identity::Options
  Duration token_ttl = std::chrono::hours(24);  ///< asked for where the caller names none
  std::filesystem::path checkpoint_file{};       ///< shipped checkpoints, for audit.verify; may be empty

  /// The access points as configured now. Any thread.
  std::function<std::shared_ptr<const access::Catalogue>()> catalogue{};
  /// The gateway holds a credential for this access point's upstream. May be empty: none.
  std::function<bool(std::string_view point)> has_credential{};
  /// Where GET /v1/events hears of changes. Null: not_found.
  Events* events = nullptr;
  /// Calls that wait for their owners. Null: not_found.
  approval::Requests* approvals = nullptr;
  /// Tool calls that people confirm. Null: not_found.
  approval::Confirmations* confirmations = nullptr;
  /// What tool servers say of their tools. Null: not_found.
  approval::Definitions* definitions = nullptr;
  /// So many administrators lift an emergency stop; from two on they must be people of their own (promise 5), whose
  /// accounts are older than `approval_wait`.
  int lift_people = 1;
  Duration approval_wait = std::chrono::hours(72);
  /// State of the model server that the gateway runs for this access point, e.g. "ready"; nothing if
  /// it runs none. May be empty.
  std::function<std::optional<std::string>(std::string_view point)> child_state{};
  /// More reasons why the gateway is failing, besides store, log and clock. May be empty.
  std::function<std::vector<std::string>()> failing{};

  /// Lets people allow clients what they ask for. Null: there is no portal for browsers, so not_found.
  oauth::Server* oauth = nullptr;
  /// Names under which programs work. Null: not_found.
  identity::ServiceAccounts* service_accounts = nullptr;
  /// What is signed ahead for keys. Null: not_found.
  approval::Mandates* mandates = nullptr;

  /// What waits for push prompts to be opened and answered.
  Watch* watch = nullptr;
  /// The key that push messages are signed with, base64url; empty: none are sent.
  std::string push_key{};
  /// Sends the first message to a device that is being enrolled. May be empty.
  std::function<void(notify::Subscription to, Secret code)> greet{};

  /// Reads the policy file again: off the core's thread, then Gate::reload_policy(). May be empty.
  std::function<net::Task<Result<gate::Staged>>(session::Actor by)> reload_policy{};
  /// Seals and stores the credential of an access point's upstream within a write job (empty:
  /// removes it). The audit record is the portal's. May be empty.
  std::function<Result<void>(store::Tx& tx, std::string_view point, const Secret& value)> put_credential_in{};
  /// After that job has committed: the cores take the new credential. May be empty.
  std::function<net::Task<Result<void>>(std::string point)> credential_changed{};
  struct Rotated {
    std::uint32_t active = 0;    ///< id of the key that seals from now on
    std::int64_t resealed = 0;
  };
  /// Makes a new master key and seals everything again. May be empty.
  std::function<net::Task<Result<Rotated>>()> rotate_keys{};
  /// Within a write job: conflict while anything is sealed by this master key, or while it seals by
  /// itself; not_found. May be empty.
  std::function<Result<void>(store::Tx& tx, std::uint32_t id)> key_out_of_use_in{};
  /// Takes the key out of its file, then out of memory. May be empty.
  std::function<net::Task<Result<void>>(std::uint32_t id)> retire_key{};
  /// Copies the database into a new file; gives its size. Off the core's thread. May be empty:
  /// Database::backup() would block.
  std::function<net::Task<Result<std::uint64_t>>(std::filesystem::path to)> backup{};
};

}  // namespace vestibule::portal
