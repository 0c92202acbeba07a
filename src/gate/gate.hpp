#pragma once
// The one gate: every act of every protocol passes here. It knows who asks, asks the policy, writes
// the admission down durably before anything goes on, and keeps an eye on what it has let through.

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "approval/confirmations.hpp"
#include "approval/mandates.hpp"
#include "audit/log.hpp"
#include "gate/admission.hpp"
#include "gate/dpop.hpp"
#include "gate/options.hpp"
#include "gate/policies.hpp"
#include "gate/stops.hpp"
#include "http/head.hpp"
#include "net/core.hpp"
#include "net/tls.hpp"
#include "policy/scope.hpp"
#include "quota/share.hpp"
#include "session/session.hpp"
#include "store/denials.hpp"

namespace vestibule::factors {
class Factors;
}
namespace vestibule::session {
class Sessions;
}

namespace vestibule::gate {

/// Who asks, from where: what gate needs of an exchange. Views live as long as the exchange.
struct Caller {
  session::Identified who;
  domain::Source source;
  std::string_view client;  ///< User-Agent
  RequestId request;
  bool possession = false;  ///< has shown with this request that he has what his token is bound to
};

using Verdict = std::variant<Admission, domain::Refusal>;

/// What the records of an act say of its body (domain::Act::body_digest): SHA-256 of the raw bytes.
[[nodiscard]] Digest digest_of(std::string_view body) noexcept;

/// One for the process; per-core state inside. Functions marked "core" run on a core and touch its
/// own part only.
class Gate {
 public:
  Gate(store::Database& database, audit::Log& log, session::Sessions& sessions, factors::Factors& factors,
       const Clock& clock, Rng& rng, net::Cores& cores, Options options);
  ~Gate();
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  /// Loads stops and the policy in force; `file_text` is the policy file as it stands. Blocking, after
  /// Database::start() and before requests. config_invalid with all problems.
  Result<Staged> load(std::string_view file_text, std::string_view file_name);

  // --- core: the path of a request
  /// From Authorization: Bearer, Authorization: DPoP (a token that is bound to a key, and no other) or
  /// x-api-key; both, or a doubled one, is malformed. A token that is bound is still to be shown with what it is bound
  /// to: show_possession(). `access_point`: the one that the request goes to; empty: none.
  [[nodiscard]] Result<session::Identified> identify(const http::RequestHead& head, session::Audience audience,
                                                     const domain::Source& source,
                                                     std::string_view access_point) const noexcept;
  /// Before identify(), while Sessions::whole() is false: fetches what the request shows. store_unavailable.
  net::Task<Result<void>> recall(const http::RequestHead& head);
  [[nodiscard]] bool knows_all() const noexcept;  ///< Sessions::whole()
  /// What carries a request: what a token may be bound to besides a key.
  struct Channel {
    bool tls = false;
    const net::PeerCertificate* certificate = nullptr;  ///< that the client has shown in the handshake
  };
  /// Once a request, for a caller whose token is bound to a key or a certificate: nothing is admitted before.
  /// credential_malformed, overloaded.
  [[nodiscard]] Result<void> show_possession(Caller& caller, const http::RequestHead& head, const Channel& channel);
  [[nodiscard]] RequestId new_request() noexcept;
  /// What is out of the ordinary about this caller now.
  [[nodiscard]] domain::Signals signals(const Caller& caller, Instant now) const noexcept;
  /// And about what he wants.
  [[nodiscard]] domain::Signals signals(const Caller& caller, const domain::Act& act, Instant now) const noexcept;
  /// The decision alone, nothing recorded: the least requirement of a path before its body is read,
  /// lists filtered by what each caller may use.
  [[nodiscard]] domain::Decision consider(const Caller& caller, const domain::Act& act) const noexcept;
  /// More to tell who was refused so, in a few words; may be empty.
  [[nodiscard]] std::string why(const Caller& caller, const domain::Act& act, const domain::Decision& decision) const;
  /// A deadline of enrolment that has passed and that the user does not meet: such a session can do
  /// nothing but enrol. Null if there is none; until the core's next turn.
  [[nodiscard]] const policy::Deadline* overdue(const domain::Subject& subject) const noexcept;
  /// Decides, records, waits until the record is durable, looks again. A refusal is recorded too.
  enum class Wait : std::uint8_t {
    durable,
    none,  ///< nothing goes out for this act alone: another one's record, made on this core behind it, is waited for
  };
  /// What is known of an act before anything of it is recorded; good in this turn of the core.
  struct Judged {
    Instant now{};
    domain::Signals raised;
    domain::Decision decision;
  };
  [[nodiscard]] Judged judge(const Caller& caller, const domain::Act& act) const noexcept;
  net::Task<Verdict> admit(const Caller& caller, const domain::Act& act, Judged judged, Wait wait = Wait::durable);
  net::Task<Verdict> admit(const Caller& caller, const domain::Act& act) { return admit(caller, act, judge(caller, act)); }
  /// The same where nothing has to be waited for. Nothing: await admit().
  [[nodiscard]] std::optional<Verdict> try_admit(const Caller& caller, const domain::Act& act, const Judged& judged, Wait wait = Wait::durable);
  // --- tool calls of an admitted act (releases.cpp)
  /// What policy asks for a tool call: allow; confirm, also where an older proof would have to be given again,
  /// since the confirmation is one; step_up, where none is asked for; deny. Nothing recorded.
  [[nodiscard]] domain::Decision consider_call(const Caller& caller, const domain::Act& call) const noexcept;
  /// What people have said of a call.
  struct Confirmed {
    approval::ConfirmationId id{};
    /// Where it was given for the call of a model's reply and is carried to this one: the source key of the caller,
    /// as the confirmation has it. Empty: it was given for this very call.
    std::string carried_from{};
    std::function<bool(const approval::ToolPlace&)> mapped{};  ///< as Confirmations::Carrying has it
  };
  /// Right before its first byte goes out: decides again, uses `confirmed` up, and records, in one transaction,
  /// durably. Nothing: it may go out, once. A refusal is recorded too. Where policy has come to ask for no confirmation,
  /// `confirmed` is emptied: it was not used.
  net::Task<std::optional<domain::Refusal>> release(const Caller& caller, const domain::Act& call, std::optional<Confirmed>& confirmed);
  /// Records a refusal that was made elsewhere on the way (dialect, limits).
  void refuse(const Caller& caller, const domain::Act& act, Reason reason) noexcept;
  /// The same for what consider() refused: the record names the rule, signal or flow.
  void refuse(const Caller& caller, const domain::Act& act, const domain::Decision& decision) noexcept;
  /// Counts a refusal of somebody unknown.
  void refuse_unknown(const domain::Source& source, Reason reason, std::string_view access_point) noexcept;
  /// May this admission still go on? After waits, before the first upstream byte.
  [[nodiscard]] Reason standing(const Admission& admission) const noexcept;
  /// Looks at the live admissions of this core now and then; run one on each core until stop_sweeping().
  net::Task<> sweep(net::Core& core);
  /// Stores what the store has refused so far and covers the log's end; run one, on one core, until
  /// stop_sweeping() there. Apart from the sweep: a write that hangs must not stop the watch.
  net::Task<> persist(net::Core& core);
  /// On the core whose sweep shall end: after its servers have stopped, since the sweep is what cuts
  /// the exchanges that do not end by themselves.
  void stop_sweeping(net::Core& core) noexcept;

  // --- from a core: administration. Denying acts first and is recorded then; granting the other way.
  net::Task<Result<void>> stop(Stop stop, session::Actor by);
  /// `since` given: that very stop; one that was set anew meanwhile stays.
  net::Task<Result<bool>> lift(StopScope scope, std::string target, session::Actor by, std::optional<WallTime> since = {});
  [[nodiscard]] Stops stops() const;
  /// Reads a policy file's text: what only tightens takes effect at once, what loosens is staged
  /// (PolicyTrust::approval). All or nothing. config_invalid with all problems.
  net::Task<Result<Staged>> reload_policy(std::string text, std::string file_name, session::Actor by);
  /// Puts the staged policy into force; the attempt's answer is consumed in the same job. conflict if
  /// the digest is not the staged one's.
  net::Task<Result<void>> approve_policy(Digest digest, factors::Attempt attempt);
  [[nodiscard]] std::shared_ptr<const PolicySet> policies() const;
  [[nodiscard]] PolicyTrust trust() const noexcept { return options_.trust; }
  /// Called on a core after stops or policy have changed on all of them. Registered before requests.
  void on_change(std::function<void()> listener) { change_listeners_.push_back(std::move(listener)); }
  /// False while a denial can be neither stored nor kept: nothing is admitted until it is.
  [[nodiscard]] bool open() const;
  /// Live admissions of all cores, for the status page.
  [[nodiscard]] std::size_t live() const noexcept;

  static std::span<const store::Migration> migrations();

 private:
  friend class Admission;
  struct PerCore;
  [[nodiscard]] const policy::Deadline* overdue_by(const PolicySet& set, const domain::Subject& subject,
                                                   WallTime now) const noexcept;
  struct Begun;
  /// admit() without its wait: a plain function, so that what it needs lies on the stack and not in a
  /// coroutine's frame.
  [[nodiscard]] std::variant<Begun, domain::Refusal> begin(const Caller& caller, const domain::Act& act, const Judged& judged,
                                                           const std::optional<approval::Drawn>& drawn);
  /// A key's call that lacks a proof, where a mandate would do.
  [[nodiscard]] bool mandatable(const Caller& caller, const domain::Decision& decision) const noexcept;
  /// One call of a mandate that covers it, counted down; nothing if there is none, or none is needed.
  net::Task<Result<std::optional<approval::Drawn>>> draw(const Caller& caller, const domain::Act& act);
  /// After the wait: the admission if it still stands.
  [[nodiscard]] Verdict finish(Begun begun, const Result<void>& durable, const Caller& caller, const domain::Act& act);
  [[nodiscard]] PerCore& mine() const noexcept;
  /// A refusal that a person gets who tries what he is not entitled to; those count.
  void note_refusal(const Caller& caller, Reason reason, Instant now) const noexcept;
  // A client that was let in for the first time: written down off the path of requests.
  struct NewClient {
    UserId user{};
    std::string family;
  };
  net::Task<> persist_clients();
  [[nodiscard]] domain::Decision decide(const Caller& caller, const domain::Act& act, domain::Signals signals,
                                        Instant now, policy::Known known) const noexcept;
  [[nodiscard]] bool sleeps(std::string_view access_point, std::string_view tool) const noexcept;
  [[nodiscard]] Reason check(const Admission::State& s, const PerCore& core, Instant now) const noexcept;
  void complete(std::unique_ptr<Admission::State> s) noexcept;
  std::size_t encode_completion(const Admission::State& s, Instant now, std::span<std::uint8_t, audit::kMaxEntry> out) noexcept;
  /// Keeps no longer what is durable; what was rolled back becomes overdue.
  net::Task<> settle(PerCore& core);
  // A stop that the store has refused so far.
  struct Pending {
    Stop stop;
    session::Actor by;
    store::Denials::Place place;
    std::string note;
  };
  void take_up_denials();
  void close() noexcept;
  [[nodiscard]] std::shared_ptr<const Stops> in_force() const;  // under mutex_
  Result<void> settle_in(store::Tx& tx, StopScope scope, std::string_view target) const;
  net::Task<> persist_stops();
  net::Task<> remove_row(Stop stop);
  void look(PerCore& core) noexcept;
  /// Has every core take up the present master copies, and waits for its word.
  net::Task<> spread();
  void recheck_everywhere() noexcept;

  store::Database& database_;
  audit::Log& log_;
  session::Sessions& sessions_;
  factors::Factors& factors_;
  const Clock& clock_;
  Rng& rng_;
  net::Cores& cores_;
  Options options_;
  quota::Quotas quotas_;
  std::vector<std::unique_ptr<PerCore>> per_core_;
  std::vector<std::function<void()>> change_listeners_;
  Dpop dpop_;
  mutable std::mutex mutex_;  // the master copies below; never taken on the path of a request
  std::shared_ptr<const Stops> stops_;
  std::shared_ptr<const PolicySet> policies_;
  std::vector<Pending> unpersisted_;
  std::vector<NewClient> new_clients_;
  bool closed_ = false;  // a denial is in memory alone
};

}  // namespace vestibule::gate
