#include "app/cli/authority.hpp"

#include <algorithm>
#include <chrono>
#include <optional>

#include "app/cli/context.hpp"
#include "app/cli/text.hpp"
#include "http/url.hpp"
#include "oauth/client.hpp"

namespace vestibule::app::cli {
namespace {

Error other_than_asked(std::string_view what) {
  return fail(Reason::invalid_argument, std::string(what) + ": nothing is sent there");
}

// Of an endpoint: its path, if it is at the issuer's origin.
std::optional<std::string> path_at(const std::string& issuer, const json::Value& metadata, std::string_view name) {
  const std::string url = text_of(metadata, name);
  if (!url.starts_with(issuer + "/")) return std::nullopt;
  const auto parsed = http::parse_url(url);
  return parsed ? std::optional<std::string>(parsed->target) : std::nullopt;
}

bool lists(const json::Value& metadata, std::string_view name, std::string_view value) {
  const json::Value* list = metadata.find(name);
  return list != nullptr && std::ranges::any_of(list->items(), [&](const json::Value& v) { return v.as_string().value_or("") == value; });
}

}  // namespace

std::int64_t unix_now() {
  using namespace std::chrono;
  return duration_cast<seconds>(system_clock::now().time_since_epoch()).count();
}

Result<std::string> resource_address(std::string_view address) {
  std::string text(address);
  while (text.ends_with('/')) text.pop_back();
  if (text.ends_with("/v1")) text.resize(text.size() - 3);
  const auto url = http::parse_url(text);
  if (!url || url->target.find('?') != std::string::npos) {
    return fail(Reason::invalid_argument, "\"" + std::string(address) + "\" is no address of an access point: give it as clients have it, http://HOST:PORT/PREFIX");
  }
  return url->target == "/" ? url->origin() : url->origin() + url->target;
}

Result<Authority> discover(std::string_view address, const std::string& ca_file) {
  Result<std::string> resource = resource_address(address);
  if (!resource) return std::move(resource).error();
  const auto url = http::parse_url(*resource);
  Result<std::unique_ptr<Issuer>> guard = Issuer::at(url->origin(), ca_file);
  if (!guard) return std::move(guard).error();
  const std::string path = url->target == "/" ? std::string() : url->target;
  Result<Reply> described = (*guard)->get("/.well-known/oauth-protected-resource" + path, nullptr);
  if (!described) return std::move(described).error();
  if (!described->ok()) return fail(Reason::not_found, "at " + *resource + " is no access point that gives tokens to programs");
  Authority out;
  out.resource = text_of(described->json, "resource");
  out.access_point = text_of(described->json, "resource_name");
  // RFC 9728 section 3.3: who is asked under one name answers for no other.
  if (out.resource != *resource) {
    return other_than_asked("the access point says that it is " + printable(out.resource) + ", not " + *resource);
  }
  const json::Value* issuers = described->json.find("authorization_servers");
  if (issuers != nullptr && issuers->items().size() == 1) out.issuer = issuers->items().data()->as_string().value_or("");
  Result<std::unique_ptr<Issuer>> issuer = Issuer::at(out.issuer, ca_file);
  if (!issuer) return std::move(issuer).error();
  Result<Reply> metadata = (*issuer)->get("/.well-known/oauth-authorization-server", nullptr);
  if (!metadata) return std::move(metadata).error();
  // RFC 8414 section 3.3, RFC 9207 section 2.4.
  const bool honest = metadata->ok() && text_of(metadata->json, "issuer") == out.issuer;
  const bool able = flag_of(metadata->json, "authorization_response_iss_parameter_supported") &&
                    lists(metadata->json, "code_challenge_methods_supported", "S256");
  if (!honest || !able) return other_than_asked(printable(out.issuer) + " is not the authorization server that it should be");
  for (auto& [name, to] : {std::pair<std::string_view, std::string*>{"authorization_endpoint", &out.authorize},
                           {"token_endpoint", &out.token},
                           {"device_authorization_endpoint", &out.device},
                           {"revocation_endpoint", &out.revoke},
                           {"userinfo_endpoint", &out.userinfo}}) {
    std::optional<std::string> at = path_at(out.issuer, metadata->json, name);
    if (!at) return other_than_asked(printable(out.issuer) + " names an endpoint elsewhere");
    *to = std::move(*at);
  }
  return out;
}

Result<std::unique_ptr<Issuer>> Issuer::at(const std::string& issuer, const std::string& ca_file) {
  Result<Endpoint> endpoint = Endpoint::from_url(issuer);
  if (!endpoint) return std::move(endpoint).error();
  endpoint->ca_file = ca_file;
  return std::unique_ptr<Issuer>(new Issuer(std::move(*endpoint)));
}

Result<Reply> Issuer::get(std::string_view path, const Secret* bearer) {
  Request request;
  request.target = std::string(path);
  request.bearer = bearer;
  Result<Reply> reply = client_.call(std::move(request));
  if (!reply && reply.error().code == Reason::upstream_unreachable) {
    return fail(Reason::upstream_unreachable, "no gateway answers at " + client_.endpoint().authority + ": " + reply.error().detail);
  }
  return reply;
}

Result<Reply> Issuer::post(std::string_view path, const Parameters& parameters) {
  Request request;
  request.method = http::Method::post;
  request.target = std::string(path);
  request.content_type = "application/x-www-form-urlencoded";
  request.body.reserve(4096);  // grows nowhere: no copy of a secret is left behind
  request.body.append("client_id=").append(oauth::kCommandLine);
  for (const auto& [name, value] : parameters) {
    std::string encoded = percent_encode(value);
    request.body.append("&").append(name).append("=").append(encoded);
    wipe(encoded);
  }
  Result<Reply> reply = client_.call(std::move(request));
  if (!reply && reply.error().code == Reason::upstream_unreachable) {
    return fail(Reason::upstream_unreachable, "no gateway answers at " + client_.endpoint().authority + ": " + reply.error().detail);
  }
  return reply;
}

Error refusal_of(const Reply& reply) {
  const std::string error = text_of(reply.json, "error");
  const std::string why = text_of(reply.json, "error_description");
  if (const std::optional<Reason> reason = reason_from(reply.reason); reason && *reason != Reason::ok && error == "invalid_grant") {
    return fail(*reason, std::string(info(*reason).text));
  }
  if (error == "access_denied") return fail(Reason::policy_denied, "You said no in the browser, so nothing was given.");
  if (error == "expired_token") return fail(Reason::request_timeout, "Nobody answered in time. Run `vestibule login` again.");
  const Reason code = error == "invalid_grant" ? Reason::credential_unknown : error == "temporarily_unavailable" ? Reason::overloaded : Reason::internal;
  if (error.empty()) return fail(code, "the gateway answered with status " + std::to_string(reply.status));
  return fail(code, "The gateway refuses: " + printable(why.empty() ? error : why) + ".");
}

Result<Tokens> Issuer::token(std::string_view path, const Parameters& parameters) {
  Result<Reply> reply = post(path, parameters);
  if (!reply) return std::move(reply).error();
  return tokens_from(*reply);
}

Result<Tokens> tokens_from(Reply& reply) {
  if (!reply.ok()) return refusal_of(reply);
  std::string access = text_of(reply.json, "access_token");
  std::string refresh = text_of(reply.json, "refresh_token");
  const std::int64_t now = unix_now();
  Tokens out{Secret(std::string_view(access)), Secret(std::string_view(refresh)), now + number_of(reply.json, "expires_in"), 0};
  if (const std::int64_t left = number_of(reply.json, "mfa_expires_in"); left > 0) out.proof_ends = now + left;
  wipe(access);
  wipe(refresh);
  wipe(reply.body);
  if (out.access.empty() || out.refresh.empty()) return fail(Reason::internal, "the gateway gave no token");
  return out;
}

}  // namespace vestibule::app::cli
