#include "oauth/failure.hpp"

namespace vestibule::oauth {

std::string_view name(Code code) noexcept {
  switch (code) {
    case Code::invalid_request: return "invalid_request";
    case Code::invalid_client: return "invalid_client";
    case Code::invalid_grant: return "invalid_grant";
    case Code::unauthorized_client: return "unauthorized_client";
    case Code::unsupported_grant_type: return "unsupported_grant_type";
    case Code::unsupported_response_type: return "unsupported_response_type";
    case Code::invalid_scope: return "invalid_scope";
    case Code::invalid_target: return "invalid_target";
    case Code::access_denied: return "access_denied";
    case Code::server_error: return "server_error";
    case Code::temporarily_unavailable: return "temporarily_unavailable";
    case Code::interaction_required: return "interaction_required";
    case Code::request_not_supported: return "request_not_supported";
    case Code::request_uri_not_supported: return "request_uri_not_supported";
    case Code::unmet_authentication_requirements: return "unmet_authentication_requirements";
    case Code::authorization_pending: return "authorization_pending";
    case Code::slow_down: return "slow_down";
    case Code::expired_token: return "expired_token";
    case Code::invalid_redirect_uri: return "invalid_redirect_uri";
    case Code::invalid_client_metadata: return "invalid_client_metadata";
    case Code::invalid_dpop_proof: return "invalid_dpop_proof";
    case Code::invalid_token: return "invalid_token";
    case Code::insufficient_scope: return "insufficient_scope";
  }
  return "server_error";
}

int status(Code code) noexcept {
  switch (code) {
    case Code::invalid_client:
    case Code::invalid_token: return 401;
    case Code::insufficient_scope: return 403;
    case Code::server_error: return 500;
    case Code::temporarily_unavailable: return 503;
    case Code::invalid_request:
    case Code::invalid_grant:
    case Code::unauthorized_client:
    case Code::unsupported_grant_type:
    case Code::unsupported_response_type:
    case Code::invalid_scope:
    case Code::invalid_target:
    case Code::access_denied:
    case Code::interaction_required:
    case Code::request_not_supported:
    case Code::request_uri_not_supported:
    case Code::unmet_authentication_requirements:
    case Code::authorization_pending:
    case Code::slow_down:
    case Code::expired_token:
    case Code::invalid_redirect_uri:
    case Code::invalid_client_metadata:
    case Code::invalid_dpop_proof: return 400;
  }
  return 500;
}

Failure ours(const Error& error) noexcept {
  if (info(error.code).status == 503) return {Code::temporarily_unavailable, "try again in a moment"};
  return {Code::server_error, "something went wrong inside the gateway"};
}

}  // namespace vestibule::oauth
