#pragma once
// The authorization server (OAuth 2.1) and OpenID provider for clients of this gateway: it lets people give
// programs tokens for access points. What a person proves, the portal asks for; how fresh it is, sessions
// know; here is the protocol between client and server.

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/log.hpp"
#include "base/secret.hpp"
#include "crypto/handle.hpp"
#include "gate/gate.hpp"
#include "gate/single_use.hpp"
#include "identity/users.hpp"
#include "net/blocking_pool.hpp"
#include "oauth/assurance.hpp"
#include "oauth/form.hpp"
#include "oauth/request.hpp"
#include "oauth/rows.hpp"
#include "oauth/signing_keys.hpp"
#include "oauth/throttle.hpp"
#include "session/sessions.hpp"
#include "wire/exchange.hpp"

namespace vestibule::oauth {

/// What a token may be for (RFC 8707): an access point, by the address under which clients know it.
struct Resource {
  std::string url;
  std::string access_point;
  domain::Sensitivity sensitivity = domain::Sensitivity::moderate;
};

struct Options {
  std::string issuer;                            ///< the portal's origin
  /// Those that there are now. Any core; must not throw.
  std::function<std::vector<Resource>()> resources;
  /// Fetches a client's document (https, public addresses only, bounded, no redirects). Empty: such clients
  /// are not known. On a core.
  std::function<net::Task<Result<std::string>>(std::string url)> fetch{};
  enum class Registration : std::uint8_t { open, closed } registration = Registration::open;
  Duration access_ttl = std::chrono::hours(1);   ///< of access tokens; their session's end comes first
  Duration overall = std::chrono::hours(24);     ///< as session::Options::overall
  std::string certificate_endpoint{};            ///< where services show a certificate (RFC 8705 section 5); empty: nowhere
  Duration service_ttl = std::chrono::minutes(10);  ///< of a service account's tokens: it asks for the next by itself
  std::size_t max_clients = 1000;                ///< that registered themselves
  std::size_t max_devices = 1000;                ///< that wait for their person
};

/// What stands below. Outlives the server.
struct Rooms {
  store::Database& database;
  const crypto::KeyRing& keys;
  const crypto::HandleMint& mint;
  net::BlockingPool& pool;
  identity::Users& users;
  session::Sessions& sessions;
  gate::Gate& gate;
  audit::Log& log;
  const Clock& clock;
  Rng& rng;
};

/// What a person is asked to allow.
struct Asked {
  std::string client, client_id;
  Origin origin = Origin::registered;
  std::string redirect;       ///< its host; empty for a device
  std::string access_point;   ///< empty: who he is, and nothing else
  std::string scope;
  int level = 0;
  bool enough = false;        ///< the session's proofs suffice now
  WallTime until{};           ///< when what he allows ends at the latest
  std::string source, program;  ///< of a device: where the request came from
};

/// One for the process. Thread-safe; tasks run on cores.
class Server final : public wire::Handler {
 public:
  /// Before Database::start().
  static Result<std::unique_ptr<Server>> open(Rooms rooms, Options options);
  /// After it: the first signing keys. Blocking.
  Result<void> begin() { return signing_.make_first(rooms_.clock.wall()); }
  ~Server() override;

  /// "/oauth/..." and what is well known.
  [[nodiscard]] static bool serves(std::string_view path) noexcept;
  net::Task<> serve(wire::Exchange& exchange) override;
  void refused(const net::Peer& peer, Reason reason) noexcept override;

  // --- for the portal: a person who is signed in, sign-in finished. not_found for what is none, or over.
  net::Task<Result<Asked>> look(std::string request, session::Identified who);
  /// Where the browser goes with the answer. mfa_required while the proofs do not suffice.
  net::Task<Result<std::string>> allow(std::string request, session::Identified who, session::Actor by);
  net::Task<Result<std::string>> decline(std::string request, session::Identified who, session::Actor by);
  /// By the code that the device shows. Guesses are charged by person: factor_locked.
  net::Task<Result<Asked>> look_device(std::string user_code, session::Identified who);
  /// Within the job in which a factor is proved for this very act.
  Result<void> allow_device_in(store::Tx& tx, std::string_view user_code, const session::Identified& who, const session::Actor& by);
  net::Task<Result<void>> decline_device(std::string user_code, session::Identified who, session::Actor by);

  // --- for administrators
  struct Registered {
    std::string id;
    Secret secret;  ///< empty: it has none
  };
  /// Within a write job; metadata as in RFC 7591. invalid_argument.
  Result<Registered> add_client_in(store::Tx& tx, std::string_view metadata, const session::Actor& by);
  Result<void> remove_client_in(store::Tx& tx, std::string_view id, const session::Actor& by);
  net::Task<Result<std::vector<ListedClient>>> clients();
  net::Task<Result<std::vector<crypto::JwsKey>>> make_keys(std::vector<crypto::JwsAlg> algs);
  Result<void> rotate_keys_in(store::Tx& tx, const std::vector<crypto::JwsKey>& made, const session::Actor& by);
  [[nodiscard]] std::vector<crypto::JwsAlg> signing_algs() const { return signing_.algs(); }

  /// What has ended goes. One round; run it now and then.
  net::Task<Result<void>> sweep();
  [[nodiscard]] const Options& options() const noexcept { return options_; }

 private:
  Server(Rooms rooms, Options options);
  struct Call;   // one request
  struct Reply;
  using Out = net::Task<Reply>;
  struct Endpoint;

  // endpoint.cpp
  Out answer(Call& call);
  Out metadata(Call& call);
  Out jwks(Call& call);
  net::Task<Answer<Form>> read_form(Call& call);
  [[nodiscard]] Reply refuse(const Call& call, const Failure& failure) const;
  // authorize.cpp
  Out authorize(Call& call);
  [[nodiscard]] Answer<AuthorizationRequest> read_request(const Form& form, const Client& client) const;
  [[nodiscard]] std::string redirect_with(const AuthorizationRequest& r, std::string_view answer) const;
  [[nodiscard]] bool suffices(const domain::Evidence& evidence, int level, std::int64_t max_age_s, WallTime asked, Instant now) const;
  // clients: who is asking (authenticate.cpp, documents.cpp, register.cpp)
  net::Task<Answer<Client>> find_client(std::string id);
  net::Task<Answer<Client>> document_client(std::string url);
  net::Task<Answer<Client>> authenticate(Call& call, const Form& form);
  [[nodiscard]] Answer<std::string> assertion_subject(const Form& form) const;
  /// The thumbprint of the key that it is signed with.
  [[nodiscard]] std::optional<Digest> verify_assertion(const Client& client, std::string_view assertion);
  Out register_client(Call& call);
  Result<Registered> put_client(store::Tx& tx, Client client, std::string_view by);
  // token.cpp
  struct Granted;
  Out token(Call& call);
  net::Task<Answer<Granted>> by_code(Call& call, const Form& form, const Client& client, std::optional<Digest> key);
  net::Task<Answer<Granted>> by_refresh(Call& call, const Form& form, const Client& client, std::optional<Digest> key);
  net::Task<Answer<Granted>> by_device(Call& call, const Form& form, const Client& client, std::optional<Digest> key);
  // services.cpp: a service account that shows one of its keys gets a token of its own, and no person's
  net::Task<Answer<Granted>> by_service(Call& call, const Form& form);
  [[nodiscard]] Answer<std::string> service_name(const Call& call, const Form& form) const;
  /// The thumbprint of the key that it has shown.
  [[nodiscard]] Answer<Digest> service_key(const Call& call, const Form& form, const Client& as);
  struct FamilyOf;
  Result<Granted> grant_in(store::Tx& tx, const FamilyOf& family, const session::Actor& by, Instant now);
  Result<Granted> tokens_in(store::Tx& tx, SessionId family, const FamilyOf& of, const session::Actor& by, Instant now);
  Result<Granted> agent_in(store::Tx& tx, SessionId family, const FamilyOf& of, const session::DelegationWish& wish,
                           const session::Actor& by, Instant now);
  [[nodiscard]] Answer<std::optional<Digest>> possession(const Call& call);
  Out granted(const Call& call, const Client& client, Granted granted);
  // tokens.cpp: what becomes of them
  Out introspect(Call& call);
  Out revoke(Call& call);
  Out userinfo(Call& call);
  // device.cpp
  Out device(Call& call);

  [[nodiscard]] std::optional<Resource> resource_at(std::string_view url) const;
  [[nodiscard]] std::optional<Resource> resource_of(std::string_view access_point) const;
  [[nodiscard]] Answer<std::string> read_scope(std::string_view scope) const;
  /// Seconds until the evidence no longer satisfies what the access point's sensitivity asks for; -1: no such.
  [[nodiscard]] std::int64_t seconds_left(const domain::Evidence& evidence, std::string_view access_point, Instant now) const;
  void record(store::Tx& tx, std::string_view operation, const session::Actor& by, std::string_view object, std::string_view note, Instant now);

  Rooms rooms_;
  Options options_;
  RequestSeal seal_;
  SigningKeys signing_;
  gate::SingleUse assertions_;
  gate::Dpop proofs_;  // at the token endpoint: whoever fills it up keeps nobody from the access points
  Throttle registrations_, devices_, guesses_, documents_, asserted_;
  struct Document {
    Client client;
    WallTime fetched{};
  };
  std::mutex mutex_;  // the documents; never on the path of requests to access points
  std::map<std::string, Document, std::less<>> known_documents_;
};

}  // namespace vestibule::oauth
