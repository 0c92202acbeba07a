#pragma once
// The control API (docs/api.md): what people and the CLI ask of the gateway itself. One table of
// routes says what each needs; one choke point asks for it before a handler runs.

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "approval/confirmations.hpp"
#include "approval/mandates.hpp"
#include "factors/factors.hpp"
#include "identity/service_accounts.hpp"
#include "json/writer.hpp"
#include "portal/door.hpp"
#include "portal/services.hpp"
#include "portal/watch.hpp"
#include "session/sessions.hpp"
#include "store/database.hpp"
#include "wire/exchange.hpp"

namespace vestibule::portal {

struct Call;
struct Reply;
struct Route;

/// One instance for all cores; immutable, so thread-safe. Keeps nothing between requests.
class Portal final : public wire::Handler {
 public:
  explicit Portal(Services services, Door door = {});
  ~Portal() override;

  net::Task<> serve(wire::Exchange& exchange) override;
  void refused(const net::Peer& peer, Reason reason) noexcept override;

 private:
  friend std::span<const Route> routes() noexcept;
  using Answer = net::Task<Result<Reply>>;
  struct Table;  // the route table, in routes.cpp
  template <class F>
  net::Task<std::invoke_result_t<F&, store::Tx&, const session::Actor&>> prove_and(
      Call& call, std::string purpose, F act, std::size_t recorded = std::string::npos);

  // The choke point (portal.cpp).
  [[nodiscard]] Result<session::Identified> identify(const Call& call) const;
  [[nodiscard]] Result<void> authorize(Call& call) const;
  net::Task<std::optional<Reason>> why_ended(const Call& call) const;
  [[nodiscard]] Result<void> elevate(Call& call) const;
  [[nodiscard]] Result<void> ask_policy(Call& call, std::uint8_t roles) const;
  [[nodiscard]] Result<void> read_query(Call& call) const;
  /// What an answer is to prove: one act, or something again for the session.
  enum class Proves : std::uint8_t { act, step_up };
  [[nodiscard]] Result<session::Answer> answer_of(const Call& call, std::string_view member, Proves what = Proves::act) const;
  /// Whether the policy lets push devices be asked to pick a number.
  [[nodiscard]] bool takes_choices() const;
  [[nodiscard]] Result<factors::Attempt> attempt_of(Call& call, std::string purpose) const;
  [[nodiscard]] Reason still_entitled(const Call& call) const;
  /// The same for a stream, by role, proof and stops as they are now.
  [[nodiscard]] Reason may_follow(Call& call) const;
  net::Task<Result<std::string>> read_on(std::uint64_t& next);
  net::Task<Result<void>> read_body(Call& call);
  net::Task<Result<void>> record_read(Call& call);
  net::Task<Result<Reply>> answer(Call& call);
  net::Task<> refuse(Call& call, Error error);
  /// The fields that every reply has.
  void add_fields(http::HeadWriter& out, const Call& call) const;
  /// The answer to every way of signing in: a browser gets the handle as a cookie and never sees it.
  [[nodiscard]] Reply signed_in(const session::SignedIn& in, std::string_view name) const;
  [[nodiscard]] domain::Requirement administration() const;
  [[nodiscard]] Result<UserId> user_of(const Call& call) const;

  net::Task<Result<factors::PendingEnrolment>> begin_enrolment(Call& call, session::FactorKind kind,
                                                               factors::EnrolmentWish wish);

  // Handlers: health and one's own account (account.cpp, own_factors.cpp)
  Answer health(Call& call);
  Answer setup(Call& call);
  Answer enrol(Call& call);
  Answer sign_in(Call& call);
  Answer begin_passkey(Call& call);
  Answer sign_in_with_passkey(Call& call);
  Answer begin_challenge(Call& call);
  Answer prove(Call& call);
  Answer prefer(Call& call);  // offers.cpp
  Answer sign_out(Call& call);
  Answer me(Call& call);
  Answer issue_token(Call& call);
  Answer delegate(Call& call);
  Answer list_delegations(Call& call);
  Answer revoke_delegation(Call& call);
  Answer list_factors(Call& call);
  Answer add_totp(Call& call);
  Answer add_webauthn(Call& call);
  Answer add_hotp(Call& call);
  Answer add_external(Call& call);
  Answer confirm_factor(Call& call);
  Answer remove_factor(Call& call);
  Answer recovery_codes(Call& call);
  Answer change_password(Call& call);
  Answer list_sessions(Call& call);
  Answer revoke_session(Call& call);
  // API keys (keys.cpp)
  Answer list_keys(Call& call);
  Answer create_key(Call& call);
  Answer unlock_key(Call& call);
  Answer sleep_key(Call& call);
  Answer revoke_key(Call& call);
  Answer found_key(Call& call);
  [[nodiscard]] Result<UserId> whose(Call& call) const;
  // Notices (notices.cpp)
  Answer list_notices(Call& call);
  Answer see_notices(Call& call);
  // What changes, as it changes (follow.cpp)
  Answer follow(Call& call);
  // Push devices (devices.cpp)
  Answer push_key(Call& call);
  Answer add_push(Call& call);
  Answer wait_challenge(Call& call);
  Answer device_inbox(Call& call);
  Answer device_answer(Call& call);
  net::Task<bool> wait_for_prompts(Call& call, Watch::Seat& seat, std::chrono::steady_clock::time_point end);
  // What clients ask of people, and the clients (clients.cpp)
  Answer look_at_consent(Call& call);
  Answer allow_consent(Call& call);
  Answer decline_consent(Call& call);
  Answer look_at_device(Call& call);
  Answer allow_device(Call& call);
  Answer decline_device(Call& call);
  Answer list_clients(Call& call);
  Answer add_client(Call& call);
  Answer remove_client(Call& call);
  Answer rotate_signing_keys(Call& call);
  // Users (users.cpp)
  Answer list_users(Call& call);
  Answer create_user(Call& call);
  Answer set_roles(Call& call);
  Answer set_groups(Call& call);
  Answer disable_user(Call& call);
  Answer enable_user(Call& call);
  Answer remove_user(Call& call);
  Answer enrolment_code(Call& call);
  Answer revoke_sessions(Call& call);
  // Service accounts (service_accounts.cpp)
  /// One that the caller acts for; not_found for all others.
  net::Task<Result<identity::Service>> service_of(Call& call, std::string name);
  /// The one that the path names, whosever it is.
  net::Task<Result<identity::Service>> any_service(Call& call);
  /// Proves a factor for `purpose` by the body's code, and does it.
  net::Task<Result<void>> act(Call& call, std::string purpose, session::Sessions::Act job);
  Answer list_services(Call& call);
  Answer create_service(Call& call);
  Answer offer_deputy(Call& call);
  Answer name_sponsor(Call& call);
  Answer accept_service(Call& call);
  Answer take_over_service(Call& call);
  Answer dismiss_from_service(Call& call);
  Answer remove_service(Call& call);
  // Mandates (mandates.cpp)
  net::Task<Result<approval::MandateTerms>> mandate_of(Call& call);
  Answer draft_mandate(Call& call);
  Answer sign_mandate(Call& call);
  Answer list_mandates(Call& call);
  Answer revoke_mandate(Call& call);

  // Resets by two (resets.cpp)
  Answer list_resets(Call& call);
  Answer approve_reset(Call& call);
  Answer decline_reset(Call& call);
  // Deadlines of enrolment, and what people are warned of (warnings.cpp)
  Answer coverage(Call& call);
  net::Task<Result<void>> add_warnings(Call& call, json::Writer& w);
  // Calls that wait for their owner (approvals.cpp)
  Answer list_approvals(Call& call);
  Answer find_approval(Call& call);
  Answer approve_request(Call& call);
  Answer decline_request(Call& call);
  Answer disown_request(Call& call);
  // Tool calls that wait for people (confirmations.cpp)
  Answer list_confirmations(Call& call);
  Answer look_confirmation(Call& call);
  Answer confirm_calls(Call& call);
  Answer refuse_call(Call& call, approval::Confirmations::Refusal how);
  Answer decline_call(Call& call);
  Answer sleep_call(Call& call);
  Answer disown_call(Call& call);
  Answer withdraw_confirmation(Call& call);
  Answer receipt_of_call(Call& call);
  // Tools that have changed (tools.cpp)
  Answer list_tools(Call& call);
  Answer accept_tool(Call& call);
  // Hardware tokens in stock (tokens.cpp)
  Answer list_tokens(Call& call);
  Answer import_tokens(Call& call);
  Answer remove_token(Call& call);
  // The gateway itself (administration.cpp)
  Answer status(Call& call);
  Answer list_stops(Call& call);
  Answer set_stop(Call& call);
  Answer lift_stop(Call& call);
  Answer read_policy(Call& call);
  Answer explain_policy(Call& call);
  Answer reload_policy(Call& call);
  Answer approve_policy(Call& call);
  Answer set_credential(Call& call);
  Answer rotate_keys(Call& call);
  Answer retire_key(Call& call);
  Answer backup(Call& call);
  // The audit log (audit.cpp)
  Answer list_audit(Call& call);
  Answer checkpoint(Call& call);
  Answer prove_record(Call& call);
  Answer verify_audit(Call& call);
  Answer erase_audit(Call& call);

  Services services_;
  Door door_;
};

}  // namespace vestibule::portal
