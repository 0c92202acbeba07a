#pragma once
// What travels through the portal with one request. Private to the room.

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/head.hpp"
#include "portal/body.hpp"
#include "portal/portal.hpp"

namespace vestibule::portal {

/// What a route asks for before its handler runs.
enum class Evidence : std::uint8_t {
  none,     ///< nobody need be signed in: the body carries what proves
  session,  ///< a live control session
  own,      ///< the same, and the handler proves a factor for this act: one's own factors
  policy,   ///< the policy allows the operation on the access point `vestibule`, and a role
  bound,    ///< the same, and the handler proves a factor for this act (prove_and)
};
[[nodiscard]] std::string_view name(Evidence e) noexcept;

/// What a session may do that has not proved its second factor yet.
enum class Pending : std::uint8_t {
  refused,
  allowed,
  enrolling,  ///< only with an enrolment grant, or after a recovery code
};

/// Who may, besides what the policy says.
enum Roles : std::uint8_t { anyone = 0, administrators = 1, readers = 2 /* administrators and auditors */ };

[[nodiscard]] bool role_fits(const domain::Subject& who, std::uint8_t roles);

/// What stands in the audit log of a request that was answered and changed nothing.
enum class Read : std::uint8_t {
  unrecorded,  ///< it changes something, which is recorded as such; or it shows the caller's own data
  recorded,    ///< it shows others' data: one admission, durable before anything of it is sent
  noted,       ///< the same, but not waited for: what one looks at when the log cannot be written
  of_others,   ///< recorded where other people are concerned (Portal::elevate)
};

using RouteHandler = net::Task<Result<Reply>> (Portal::*)(Call&);

/// From where a route can be reached.
enum class Reach : std::uint8_t {
  anywhere,
  host,  ///< by the control socket alone: it touches the host's own files
};

/// Names of the query's parameters that a route knows.
class Names {
 public:
  constexpr Names() = default;
  consteval Names(std::initializer_list<std::string_view> names) {
    for (const auto n : names) names_[size_++] = n;
  }
  [[nodiscard]] constexpr const std::string_view* begin() const noexcept { return names_.data(); }
  [[nodiscard]] constexpr const std::string_view* end() const noexcept { return names_.data() + size_; }

 private:
  std::array<std::string_view, 12> names_{};
  std::size_t size_ = 0;
};

struct Route {
  http::Method method;
  std::string_view path;       ///< "/v1/users/{name}/roles": at most one parameter, a whole segment
  std::string_view operation;  ///< what policy and audit log call it
  Evidence evidence;
  Pending pending;
  Roles roles;
  RouteHandler handler;
  Fields fields{};
  Names query{};
  Roles elevated = anyone;     ///< not anyone: what the handler asks for where other people are concerned
  Read read = Read::unrecorded;
  Reach reach = Reach::anywhere;
};

/// What only takes access away: nobody is kept from it because a factor of his is overdue. (To remove a
/// factor is how whoever has as many as he may makes room for the one that he lacks.)
[[nodiscard]] constexpr bool only_takes_away(std::string_view operation) noexcept {
  return operation == "stops.set" || operation == "stops.list" || operation == "users.disable" ||
         operation == "sessions.revoke" || operation == "resets.decline" || operation == "factors.remove" ||
         operation == "api_keys.sleep" || operation == "api_keys.revoke" || operation == "approvals.decline" ||
         operation == "approvals.not_me" || operation == "confirmations.decline" || operation == "confirmations.sleep" ||
         operation == "confirmations.not_me" || operation == "confirmations.withdraw" || operation == "mandates.revoke" || operation == "services.dismiss";
}

/// Every route there is.
[[nodiscard]] std::span<const Route> routes() noexcept;

/// The route, or not_found, or method_not_allowed with `allow` filled in. `param` is a view into
/// `path` (decoded).
struct Match {
  const Route* route = nullptr;
  std::string_view param;
  std::string allow;
};
[[nodiscard]] Match match(http::Method method, std::string_view path);

/// What a handler answers. `streamed`: it has sent everything by itself.
struct Reply {
  int status = 200;
  std::string body = "{}";
  bool streamed = false;
  std::string cookie{};  ///< Set-Cookie, where it changes; wiped once it is sent
};
/// 200 with what was written.
[[nodiscard]] inline Reply body(json::Writer& w) { return Reply{200, w.take(), false}; }

/// One request. Lives in serve()'s frame; handlers are its children.
struct Call {
  explicit Call(wire::Exchange& e) : exchange(e) {}
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  wire::Exchange& exchange;
  const Route* route = nullptr;
  std::string_view param;      ///< of the path, decoded
  gate::Caller caller;         ///< `who` is nil where nobody is signed in
  domain::Act act;             ///< on the access point `vestibule`
  std::optional<domain::Decision> refused;  ///< by the policy
  domain::KindSet kinds = domain::KindSet::ordinary();  ///< that count for this act, as the policy's flows say
  Body body;
  std::vector<std::pair<std::string_view, std::string>> query;  ///< decoded; each name once
  std::string allow;           ///< for 405
  bool of_others = false;      ///< elevate() was asked and has allowed it
  std::array<char, 4096> path{};

  [[nodiscard]] bool known() const noexcept { return !caller.who.subject.user.is_nil(); }
  [[nodiscard]] session::Actor actor() const {
    return session::actor_of(caller.who, caller.source, caller.client, caller.request);
  }
  /// The value, or empty.
  [[nodiscard]] std::string_view query_text(std::string_view name) const noexcept {
    for (const auto& [n, value] : query) {
      if (n == name) return value;
    }
    return {};
  }
};

}  // namespace vestibule::portal
