#include "portal/call.hpp"

namespace vestibule::portal {

std::string_view name(Evidence e) noexcept {
  switch (e) {
    case Evidence::none: return "none";
    case Evidence::session: return "session";
    case Evidence::own: return "own";
    case Evidence::policy: return "policy";
    case Evidence::bound: return "bound";
  }
  return "";
}

/// Nested in Portal to name its private handlers.
struct Portal::Table {
  static constexpr auto kGet = http::Method::get;
  static constexpr auto kPost = http::Method::post;
  static constexpr auto kList = Field::Type::list;
  static constexpr auto kText = Field::Type::text;
  static constexpr auto kInteger = Field::Type::integer;
  static constexpr Field kCode{"code"};
  static constexpr Field kKind{"kind", kText, false};
  static constexpr Field kChallenge{"challenge", kText, false};
  static constexpr Fields kMandate{{"name"}, {"key"}, {"access_points", kList}, {"operations", kList}, {"models", kList, false},
                                   {"networks", kList}, {"calls", kInteger}, {"tokens", kInteger, false},
                                   {"max_body", kInteger, false}, {"starts"}, {"ends"}, {"service", kText, false}};
  static constexpr Fields kSignedMandate{{"name"}, {"key"}, {"access_points", kList}, {"operations", kList},
                                         {"models", kList, false}, {"networks", kList}, {"calls", kInteger},
                                         {"tokens", kInteger, false}, {"max_body", kInteger, false}, {"starts"}, {"ends"},
                                         {"service", kText, false}, kCode, kKind, kChallenge};
  using P = Portal;
  using E = Evidence;
  using W = Pending;
  using D = Read;

  static constexpr std::array kRoutes = {
      // --- nobody is signed in yet
      Route{kGet, "/v1/health", "health", E::none, W::allowed, anyone, &P::health},
      Route{kPost, "/v1/setup", "setup", E::none, W::allowed, anyone, &P::setup,
            {{"token"}, {"name"}, {"password"}}},
      Route{kPost, "/v1/enrol", "enrol", E::none, W::allowed, anyone, &P::enrol, {{"code"}, {"password"}}},
      Route{kPost, "/v1/sign-in", "sign_in", E::none, W::allowed, anyone, &P::sign_in, {{"name"}, {"password"}}},
      Route{kPost, "/v1/sign-in/passkey/begin", "sign_in.passkey", E::none, W::allowed, anyone, &P::begin_passkey},
      Route{kPost, "/v1/sign-in/passkey", "sign_in.passkey", E::none, W::allowed, anyone, &P::sign_in_with_passkey,
            {{"challenge"}, {"answer"}}},
      Route{kPost, "/v1/devices/inbox", "devices.inbox", E::none, W::allowed, anyone, &P::device_inbox,
            {{"device"}, {"time", kInteger}, {"signature"}, {"version", kText, false}}},
      Route{kPost, "/v1/devices/answer", "devices.answer", E::none, W::allowed, anyone, &P::device_answer,
            {{"device"}, {"prompt"}, {"verdict"}, {"digits", kText, false}, {"time", kInteger}, {"signature"}}},
      Route{kPost, "/v1/keys/found", "api_keys.found", E::none, W::allowed, anyone, &P::found_key, {{"key"}}},
      // --- one's own session, factors and password
      Route{kPost, "/v1/prove", "prove", E::session, W::allowed, anyone, &P::prove,
            {kKind, {"answer"}, kChallenge}},
      Route{kPost, "/v1/challenges", "challenges.begin", E::session, W::allowed, anyone, &P::begin_challenge,
            {{"kind"}, {"operation"}, {"object", kText, false}, {"factor", kText, false}}},
      Route{kPost, "/v1/challenges/{id}/wait", "challenges.wait", E::session, W::allowed, anyone, &P::wait_challenge},
      Route{kGet, "/v1/push/key", "push.key", E::session, W::allowed, anyone, &P::push_key},
      Route{kPost, "/v1/preference", "preference", E::session, W::refused, anyone, &P::prefer, {{"kind"}}},
      Route{kPost, "/v1/sign-out", "sign_out", E::session, W::allowed, anyone, &P::sign_out},
      Route{kGet, "/v1/me", "me", E::session, W::allowed, anyone, &P::me},
      Route{kPost, "/v1/tokens", "tokens.issue", E::session, W::refused, anyone, &P::issue_token,
            {{"ttl_s", kInteger, false}}},
      Route{kPost, "/v1/delegations", "delegations.make", E::session, W::refused, anyone, &P::delegate,
            {{"agent"}, {"ttl_s", kInteger, false}, {"access_points", kList, false}, {"operations", kList, false},
             {"models", kList, false}}},
      Route{kGet, "/v1/delegations", "delegations.list", E::session, W::refused, anyone, &P::list_delegations},
      Route{kPost, "/v1/delegations/{id}/revoke", "delegations.revoke", E::session, W::refused, anyone,
            &P::revoke_delegation},
      Route{kGet, "/v1/factors", "factors.list", E::session, W::allowed, anyone, &P::list_factors},
      Route{kPost, "/v1/factors/totp", "factors.add", E::session, W::enrolling, anyone, &P::add_totp,
            {{"label", kText, false}, {"code", kText, false}, kKind, kChallenge}},
      Route{kPost, "/v1/factors/webauthn", "factors.add", E::session, W::enrolling, anyone, &P::add_webauthn,
            {{"label", kText, false}, {"code", kText, false}, kKind, kChallenge, {"resident", kText, false}}},
      Route{kPost, "/v1/factors/hotp", "factors.add", E::session, W::enrolling, anyone, &P::add_hotp,
            {{"serial"}, {"label", kText, false}, {"code", kText, false}, kKind, kChallenge}},
      Route{kPost, "/v1/factors/push", "factors.add", E::session, W::enrolling, anyone, &P::add_push,
            {{"public_key"}, {"subscription", kText, false}, {"label", kText, false}, {"code", kText, false}, kKind,
             kChallenge}},
      Route{kPost, "/v1/factors/external", "factors.add", E::session, W::enrolling, anyone, &P::add_external,
            {{"plugin"}, {"label", kText, false}, {"code", kText, false}, kKind, kChallenge}},
      Route{kPost, "/v1/factors/{id}/confirm", "factors.confirm", E::session, W::enrolling, anyone,
            &P::confirm_factor, {kCode}},
      Route{kPost, "/v1/factors/{id}/remove", "factors.remove", E::own, W::refused, anyone, &P::remove_factor,
            {kCode, kKind, kChallenge}},
      Route{kPost, "/v1/recovery-codes", "factors.recovery", E::own, W::refused, anyone, &P::recovery_codes,
            {kCode, kKind, kChallenge}},
      Route{kPost, "/v1/password", "password.change", E::session, W::refused, anyone, &P::change_password,
            {{"old"}, {"new"}, {"code", kText, false}, kKind, kChallenge}},
      Route{kGet, "/v1/sessions", "sessions.list", E::session, W::refused, anyone, &P::list_sessions, {},
            {"user", "all"}, readers, D::of_others},
      Route{kPost, "/v1/sessions/{id}/revoke", "sessions.revoke", E::session, W::refused, anyone,
            &P::revoke_session, {}, {}, administrators},
      // --- API keys
      Route{kGet, "/v1/keys", "api_keys.list", E::session, W::refused, anyone, &P::list_keys, {}, {"user", "all"},
            readers, D::of_others},
      Route{kPost, "/v1/keys", "api_keys.create", E::own, W::refused, anyone, &P::create_key,
            {{"name"}, {"scope", kText, false}, {"ttl_s", kInteger, false}, {"service", kText, false}, {"jwk", kText, false},
             kCode, kKind, kChallenge}},
      Route{kPost, "/v1/keys/{id}/unlock", "api_keys.unlock", E::own, W::refused, anyone, &P::unlock_key,
            {{"source"}, {"lasts_s", kInteger}, {"access_point", kText, false}, kCode, kKind, kChallenge}},
      Route{kPost, "/v1/keys/{id}/sleep", "api_keys.sleep", E::session, W::refused, anyone, &P::sleep_key},
      Route{kPost, "/v1/keys/{id}/revoke", "api_keys.revoke", E::session, W::refused, anyone, &P::revoke_key, {}, {},
            administrators},
      Route{kGet, "/v1/notices", "notices.list", E::session, W::refused, anyone, &P::list_notices},
      Route{kPost, "/v1/notices/seen", "notices.seen", E::session, W::refused, anyone, &P::see_notices,
            {{"ids", kList}}},
      // --- calls of one's own that wait
      Route{kGet, "/v1/approvals", "approvals.list", E::session, W::refused, anyone, &P::list_approvals},
      Route{kPost, "/v1/approvals/find", "approvals.find", E::session, W::refused, anyone, &P::find_approval, {kCode}},
      Route{kPost, "/v1/approvals/{id}/approve", "approvals.approve", E::own, W::refused, anyone, &P::approve_request,
            {kCode, kKind, kChallenge}},
      Route{kPost, "/v1/approvals/{id}/decline", "approvals.decline", E::session, W::refused, anyone,
            &P::decline_request},
      Route{kPost, "/v1/approvals/{id}/not-me", "approvals.not_me", E::session, W::refused, anyone,
            &P::disown_request},
      Route{kGet, "/v1/events", "events.read", E::session, W::refused, anyone, &P::follow, {}, {"decisions"}, readers,
            D::of_others},
      // --- what clients ask for: the person's answer
      Route{kPost, "/v1/oauth/consent/look", "consent.look", E::session, W::refused, anyone, &P::look_at_consent, {{"request"}}},
      Route{kPost, "/v1/oauth/consent/allow", "consent.allow", E::session, W::refused, anyone, &P::allow_consent, {{"request"}}},
      Route{kPost, "/v1/oauth/consent/decline", "consent.decline", E::session, W::refused, anyone, &P::decline_consent,
            {{"request"}}},
      Route{kPost, "/v1/oauth/device/look", "device.look", E::session, W::refused, anyone, &P::look_at_device,
            {{"user_code"}}},
      Route{kPost, "/v1/oauth/device/allow", "device.allow", E::own, W::refused, anyone, &P::allow_device,
            {{"user_code"}, kCode, kKind, kChallenge}},
      Route{kPost, "/v1/oauth/device/decline", "device.decline", E::session, W::refused, anyone, &P::decline_device,
            {{"user_code"}}},
      Route{kGet, "/v1/clients", "clients.list", E::policy, W::refused, readers, &P::list_clients, {}, {}, anyone,
            D::recorded},
      Route{kPost, "/v1/clients", "clients.add", E::bound, W::refused, administrators, &P::add_client,
            {{"metadata"}, kCode, kKind, kChallenge}},
      Route{kPost, "/v1/clients/remove", "clients.remove", E::bound, W::refused, administrators, &P::remove_client,
            {{"client"}, kCode, kKind, kChallenge}},
      Route{kPost, "/v1/oauth/keys/rotate", "oauth.keys.rotate", E::bound, W::refused, administrators,
            &P::rotate_signing_keys, {kCode, kKind, kChallenge}},
      // --- what is signed ahead for a key
      Route{kGet, "/v1/confirmations", "confirmations.list", E::session, W::refused, anyone, &P::list_confirmations},
      Route{kGet, "/v1/confirmations/{id}", "confirmations.look", E::session, W::refused, anyone, &P::look_confirmation},
      Route{kPost, "/v1/confirmations/confirm", "tools.confirm", E::own, W::refused, anyone, &P::confirm_calls,
            {{"ids", kList}, {"justification", kText, false}, kCode, kKind, kChallenge}},
      Route{kPost, "/v1/confirmations/{id}/decline", "confirmations.decline", E::session, W::refused, anyone, &P::decline_call},
      Route{kPost, "/v1/confirmations/{id}/sleep", "confirmations.sleep", E::session, W::refused, anyone, &P::sleep_call},
      Route{kPost, "/v1/confirmations/{id}/not-me", "confirmations.not_me", E::session, W::refused, anyone, &P::disown_call},
      Route{kPost, "/v1/confirmations/{id}/withdraw", "confirmations.withdraw", E::session, W::refused, anyone,
            &P::withdraw_confirmation},
      Route{kGet, "/v1/confirmations/{id}/receipt", "confirmations.receipt", E::session, W::refused, anyone, &P::receipt_of_call},
      Route{kGet, "/v1/mandates", "mandates.list", E::session, W::refused, anyone, &P::list_mandates, {}, {"all"}, readers,
            D::of_others},
      Route{kPost, "/v1/mandates/draft", "mandates.draft", E::session, W::refused, anyone, &P::draft_mandate, kMandate},
      Route{kPost, "/v1/mandates", "mandates.sign", E::own, W::refused, anyone, &P::sign_mandate, kSignedMandate},
      Route{kPost, "/v1/mandates/{id}/revoke", "mandates.revoke", E::session, W::refused, anyone, &P::revoke_mandate, {}, {},
            administrators},
      // --- service accounts
      Route{kGet, "/v1/services", "services.list", E::session, W::refused, anyone, &P::list_services, {}, {"all"}, readers,
            D::of_others},
      Route{kPost, "/v1/services", "services.create", E::own, W::refused, anyone, &P::create_service,
            {{"name"}, {"display", kText, false}, {"roles", kList, false}, {"sponsor", kText, false}, kCode, kKind, kChallenge},
            {}, administrators},
      Route{kPost, "/v1/services/{name}/deputies", "services.offer", E::own, W::refused, anyone, &P::offer_deputy,
            {{"person"}, kCode, kKind, kChallenge}},
      Route{kPost, "/v1/services/{name}/sponsor", "services.name_sponsor", E::bound, W::refused, administrators,
            &P::name_sponsor, {{"person"}, kCode, kKind, kChallenge}},
      Route{kPost, "/v1/services/{name}/accept", "services.accept", E::own, W::refused, anyone, &P::accept_service,
            {{"part"}, kCode, kKind, kChallenge}},
      Route{kPost, "/v1/services/{name}/take-over", "services.take_over", E::own, W::refused, anyone,
            &P::take_over_service, {kCode, kKind, kChallenge}},
      Route{kPost, "/v1/services/{name}/dismiss", "services.dismiss", E::session, W::refused, anyone,
            &P::dismiss_from_service, {{"person"}}, {}, administrators},
      Route{kPost, "/v1/services/{name}/remove", "services.remove", E::own, W::refused, anyone, &P::remove_service,
            {kCode, kKind, kChallenge}, {}, administrators},
      // --- users
      Route{kGet, "/v1/users", "users.list", E::policy, W::refused, readers, &P::list_users, {}, {}, anyone,
            D::recorded},
      Route{kPost, "/v1/users", "users.create", E::bound, W::refused, administrators, &P::create_user,
            {{"name"}, {"display", kText, false}, {"roles", kList, false}, {"groups", kList, false}, kCode, kKind, kChallenge}},
      Route{kPost, "/v1/users/{name}/roles", "users.roles", E::bound, W::refused, administrators, &P::set_roles,
            {{"roles", kList}, kCode, kKind, kChallenge}},
      Route{kPost, "/v1/users/{name}/groups", "users.groups", E::bound, W::refused, administrators,
            &P::set_groups, {{"groups", kList}, kCode, kKind, kChallenge}},
      Route{kPost, "/v1/users/{name}/disable", "users.disable", E::policy, W::refused, administrators,
            &P::disable_user},
      Route{kPost, "/v1/users/{name}/enable", "users.enable", E::bound, W::refused, administrators,
            &P::enable_user, {kCode, kKind, kChallenge}},
      Route{kPost, "/v1/users/{name}/remove", "users.remove", E::bound, W::refused, administrators,
            &P::remove_user, {kCode, kKind, kChallenge}},
      Route{kPost, "/v1/users/{name}/enrolment-code", "users.reset", E::bound, W::refused, administrators,
            &P::enrolment_code, {kCode, kKind, kChallenge}},
      Route{kPost, "/v1/users/{name}/revoke-sessions", "sessions.revoke", E::policy, W::refused, administrators,
            &P::revoke_sessions},
      Route{kGet, "/v1/resets", "resets.list", E::policy, W::refused, readers, &P::list_resets, {}, {}, anyone,
            D::recorded},
      Route{kPost, "/v1/resets/{id}/approve", "resets.approve", E::bound, W::refused, administrators,
            &P::approve_reset, {kCode, kKind, kChallenge}},
      Route{kPost, "/v1/resets/{id}/decline", "resets.decline", E::session, W::refused, anyone, &P::decline_reset, {},
            {}, administrators},
      Route{kGet, "/v1/coverage", "coverage.read", E::policy, W::refused, readers, &P::coverage, {}, {}, anyone,
            D::recorded},
      // --- hardware tokens in stock
      Route{kGet, "/v1/hardware-tokens", "hardware_tokens.list", E::policy, W::refused, readers, &P::list_tokens, {},
            {}, anyone, D::recorded},
      Route{kPost, "/v1/hardware-tokens", "hardware_tokens.import", E::bound, W::refused, administrators,
            &P::import_tokens, {{"csv"}, kCode, kKind, kChallenge}},
      Route{kPost, "/v1/hardware-tokens/{serial}/remove", "hardware_tokens.remove", E::bound, W::refused,
            administrators, &P::remove_token, {kCode, kKind, kChallenge}},
      // --- emergency stops
      Route{kGet, "/v1/stops", "stops.list", E::policy, W::refused, readers, &P::list_stops, {}, {}, anyone,
            D::noted},
      Route{kPost, "/v1/stops", "stops.set", E::policy, W::refused, administrators, &P::set_stop,
            {{"scope"}, {"target", kText, false}, {"why", kText, false}}},
      Route{kPost, "/v1/stops/lift", "stops.lift", E::bound, W::refused, administrators, &P::lift_stop,
            {{"scope"}, {"target", kText, false}, kCode, kKind, kChallenge}},
      // --- what tool servers say of their tools
      Route{kGet, "/v1/tools", "tools.list", E::policy, W::refused, readers, &P::list_tools, {}, {"access_point", "tool"}, anyone,
            D::noted},
      Route{kPost, "/v1/tools/accept", "tools.accept", E::bound, W::refused, administrators, &P::accept_tool,
            {{"access_point"}, {"tool"}, {"digest"}, kCode, kKind, kChallenge}},
      // --- policy
      Route{kGet, "/v1/policy", "policy.read", E::policy, W::refused, readers, &P::read_policy, {}, {}, anyone,
            D::recorded},
      Route{kPost, "/v1/policy/explain", "policy.explain", E::session, W::refused, anyone, &P::explain_policy,
            {{"user", kText, false}, {"access_point"}, {"operation", kText, false}, {"model", kText, false},
             {"source", kText, false}, {"signals", kList, false}, {"tool", kText, false}, {"arguments", kText, false}}, {}, readers, D::of_others},
      Route{kPost, "/v1/policy/reload", "policy.reload", E::policy, W::refused, administrators, &P::reload_policy},
      Route{kPost, "/v1/policy/approve", "policy.approve", E::bound, W::refused, administrators,
            &P::approve_policy, {{"digest"}, kCode, kKind, kChallenge}},
      // --- the audit log
      Route{kGet, "/v1/audit", "audit.read", E::policy, W::refused, readers, &P::list_audit, {},
            {"user", "access_point", "operation", "reason", "request", "kind", "since", "until", "from_seq",
             "to_seq", "limit", "order"}, anyone, D::recorded},
      Route{kGet, "/v1/audit/checkpoint", "audit.read", E::policy, W::refused, readers, &P::checkpoint, {}, {},
            anyone, D::recorded},
      Route{kGet, "/v1/audit/prove", "audit.read", E::policy, W::refused, readers, &P::prove_record, {}, {"seq"},
            anyone, D::recorded},
      Route{kPost, "/v1/audit/verify", "audit.verify", E::policy, W::refused, readers, &P::verify_audit, {}, {},
            anyone, D::recorded},
      Route{kPost, "/v1/audit/erase", "audit.erase", E::bound, W::refused, administrators, &P::erase_audit,
            {{"user"}, kCode, kKind, kChallenge}},
      // --- the gateway itself
      Route{kGet, "/v1/status", "status.read", E::policy, W::refused, readers, &P::status, {}, {}, anyone, D::noted},
      Route{kPost, "/v1/access-points/{name}/credential", "access.credential", E::bound, W::refused,
            administrators, &P::set_credential, {{"value"}, kCode, kKind, kChallenge}},
      Route{kPost, "/v1/keys/rotate", "keys.rotate", E::bound, W::refused, administrators, &P::rotate_keys,
            {kCode, kKind, kChallenge}},
      Route{kPost, "/v1/keys/retire", "keys.retire", E::bound, W::refused, administrators, &P::retire_key,
            {{"id", kInteger}, kCode, kKind, kChallenge}},
      Route{kPost, "/v1/backup", "backup", E::bound, W::refused, administrators, &P::backup,
            {{"path"}, kCode, kKind, kChallenge}, {}, anyone, D::unrecorded, Reach::host},
  };

  // What the table must keep, whoever adds a row.
  static consteval bool sound() {
    for (const Route& r : kRoutes) {
      if (r.operation.empty() || !r.path.starts_with("/v1/")) return false;
      const bool asks = r.evidence == Evidence::bound || r.evidence == Evidence::own;
      const int code = r.fields.find("code");
      if (asks && (code < 0 || !r.fields.begin()[code].required)) return false;
      if (code >= 0 && asks && (r.fields.find("kind") < 0 || r.fields.find("challenge") < 0)) return false;
      const bool policy = r.evidence == Evidence::policy || r.evidence == Evidence::bound;
      if (policy != (r.roles != anyone)) return false;
      if (policy && r.pending != Pending::refused) return false;
      if (r.method == http::Method::get && r.fields.begin() != r.fields.end()) return false;
      if (r.evidence == Evidence::bound && r.roles != administrators) return false;
      // Whoever may only read cannot change anything: what he is shown is others' data.
      if (r.roles == readers && r.read != Read::recorded && r.read != Read::noted) return false;
      if (r.elevated == readers && r.read != Read::of_others) return false;
    }
    return true;
  }
};

std::span<const Route> routes() noexcept {
  static_assert(Portal::Table::sound());
  return Portal::Table::kRoutes;
}

namespace {

// The parameter, if the path fits the pattern. A parameter is a segment and not empty.
bool fits(std::string_view pattern, std::string_view path, std::string_view& param) {
  const std::size_t open = pattern.find('{');
  if (open == std::string_view::npos) return pattern == path;
  const std::string_view before = pattern.substr(0, open);
  const std::string_view after = pattern.substr(pattern.find('}') + 1);
  if (path.size() <= before.size() + after.size() || !path.starts_with(before) || !path.ends_with(after)) return false;
  const std::string_view middle = path.substr(before.size(), path.size() - before.size() - after.size());
  if (middle.find('/') != std::string_view::npos) return false;
  param = middle;
  return true;
}

}  // namespace

Match match(http::Method method, std::string_view path) {
  Match out;
  for (const Route& r : routes()) {
    std::string_view param;
    if (!fits(r.path, path, param)) continue;
    if (r.method == method) {
      out.route = &r;
      out.param = param;
      return out;
    }
    if (!out.allow.empty()) out.allow += ", ";
    out.allow += http::to_text(r.method);
  }
  return out;
}

}  // namespace vestibule::portal
