// What a person lets a program have of what he has: a token of its own, by a refresh (`vestibule exec`).
#include "oauth/call.hpp"

namespace vestibule::oauth {
namespace {

std::vector<std::string> words(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    if (end > 0) out.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

}  // namespace

Answer<session::DelegationWish> delegation_of(const AgentWish& asked, std::string_view access_point, Duration ttl) {
  policy::ScopeForm form;
  form.access_points.emplace_back(access_point);
  form.operations = words(asked.operations);
  form.models = words(asked.models);
  Result<policy::Scope> scope = policy::Scope::compile(form);
  if (!scope || !session::good_agent_name(asked.agent)) return Failure{Code::invalid_request, "agent, operations or models is none"};
  return session::DelegationWish{asked.agent, ttl, std::move(*scope)};
}

Result<Server::Granted> Server::agent_in(store::Tx& tx, SessionId family, const FamilyOf& of, const session::DelegationWish& wish,
                                         const session::Actor& by, Instant now) {
  auto evidence = rooms_.sessions.evidence_in(tx, family, now);
  if (!evidence) return std::move(evidence).error();
  auto made = rooms_.sessions.delegate_family_in(tx, family, wish, by, now);
  if (!made) return std::move(made).error();
  Granted out;
  out.access = std::move(made->handle);
  out.ends = made->ends;
  out.access_point = of.access_point;
  out.key = of.key;
  out.evidence = *evidence;
  return out;
}

}  // namespace vestibule::oauth
