#include "http/hop.hpp"

#include <gtest/gtest.h>

#include <cctype>
#include <string>

namespace vestibule::http {
namespace {

TEST(Identity, EverySpellingIsCaught) {
  for (const std::string name : {"X-Forwarded-User",
                                 "X-Remote-User",
                                 "Remote-User",
                                 "Remote-Groups",
                                 "Remote-Email",
                                 "X-Auth-Request-User",
                                 "X-Auth-Request-Access-Token",
                                 "X-Forwarded-For",
                                 "X-Forwarded-Host",
                                 "X-Forwarded-Proto",
                                 "X-Forwarded-Uri",
                                 "X-Forwarded-Method",
                                 "X-Forwarded-Server",
                                 "X-Forwarded-Port",
                                 "X-Forwarded-Prefix",
                                 "X-Forwarded-Groups",
                                 "X-Forwarded-Email",
                                 "X-Forwarded-Preferred-Username",
                                 "X-Forwarded-Access-Token",
                                 "X-Forwarded",
                                 "X-Real-IP",
                                 "Forwarded",
                                 "X-Authenticated-User",
                                 "X-Authenticated-Userid",
                                 "X-Vestibule-User",
                                 "X-Vestibule-Anything",
                                 "X-User",
                                 "X-User-Id",
                                 "X-Username",
                                 "X-WEBAUTH-USER",
                                 "SSL-Client-Cert",
                                 "SSL-Client-S-DN",
                                 "X-SSL-Client-Verify",
                                 "X-Client-Cert",
                                 "X-Client-Verify",
                                 "X-Client-DN",
                                 "Client-Cert",
                                 "Client-Cert-Chain",
                                 "X-Original-Url",
                                 "X-Original-Uri",
                                 "X-Original-Method",
                                 "X-Rewrite-Url",
                                 "X-HTTP-Method-Override",
                                 "X-HTTP-Method",
                                 "X-Method-Override",
                                 "True-Client-IP",
                                 "CF-Connecting-IP",
                                 "CF-Access-Jwt-Assertion",
                                 "X-Api-Key",
                                 "Api-Key",
                                 "X-Goog-Api-Key",
                                 "Some-Vendor-Api-Key",
                                 "Authorization",
                                 "Proxy-Authorization",
                                 "Proxy-Connection",
                                 "Proxy" /* httpoxy */,
                                 "Proxy-Anything",
                                 "X-Amzn-Oidc-Data",
                                 "X-MS-Client-Principal-Name",
                                 "X-Pomerium-Jwt-Assertion",
                                 "X-Goog-Iap-Jwt-Assertion",
                                 "X-Goog-Authenticated-User-Email",
                                 "Tailscale-User-Login",
                                 "Impersonate-User",
                                 "OIDC-CLAIM-sub",
                                 "X-Consumer-Username",
                                 "X-Auth-Token",
                                 "X-Access-Token",
                                 "X-Email",
                                 "X-Groups",
                                 "X-Hasura-Role",
                                 "X-Host",
                                 "X-Scope-OrgID",
                                 "X-Cluster-Client-IP",
                                 "X-Client-IP",
                                 "X-Envoy-External-Address",
                                 "Sudo",
                                 "As-User",
                                 "On-Behalf-Of",
                                 "X-On-Behalf-Of",
                                 "X-Act-As",
                                 "X-Run-As",
                                 "X-Delegated-User",
                                 "ES-Security-RunAs-User",
                                 "Kubeflow-UserId",
                                 "X-OpenWebUI-User-Id",
                                 "X-Trino-User",
                                 "X-Presto-User",
                                 "X-Grafana-Org-Id",
                                 "X-Goog-User-Project",
                                 "Private-Token",
                                 "Job-Token",
                                 "X-Vault-Token"}) {
    for (const char separator : {'-', '_', '.'}) {
      std::string upper, lower;
      for (const char c : name) {
        const char d = c == '-' ? separator : c;
        upper.push_back(static_cast<char>(std::toupper(static_cast<unsigned char>(d))));
        lower.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(d))));
      }
      EXPECT_TRUE(identity_header(upper)) << upper;
      EXPECT_TRUE(identity_header(lower)) << lower;
    }
  }
  EXPECT_TRUE(identity_header("X_Forwarded-User"));
  EXPECT_TRUE(identity_header("X--Forwarded-User"));
  EXPECT_TRUE(identity_header("_X-Forwarded-User"));
}

TEST(Identity, OrdinaryNamesPass) {
  for (const char* name : {"Host",
                           "User-Agent",
                           "Accept",
                           "Accept-Encoding",
                           "Accept-Language",
                           "Content-Type",
                           "Content-Length",
                           "Connection",
                           "Cookie",
                           "Origin",
                           "Referer",
                           "Date",
                           "Server",
                           "X-Request-Id",
                           "X-Stainless-Lang",
                           "X-Stainless-Runtime-Version",
                           "X-Title",
                           "HTTP-Referer",
                           "OpenAI-Organization",
                           "OpenAI-Beta",
                           "OpenAI-Project",
                           "anthropic-version",
                           "anthropic-beta",
                           "Mcp-Session-Id",
                           "Mcp-Protocol-Version",
                           "traceparent",
                           "tracestate",
                           "baggage",
                           "Cache-Control",
                           "Pragma",
                           "Range",
                           "If-None-Match",
                           "Sec-Fetch-Mode",
                           "Sec-CH-UA",
                           "TE",
                           "Upgrade",
                           "X-Requested-With",
                           "X-Client-Request-Id",
                           "X-Csrf-Token",
                           "Idempotency-Key",
                           "Expect",
                           "x",
                           "a",
                           "",
                           "-",
                           "x-"}) {
    EXPECT_FALSE(identity_header(name)) << name;
  }
}

TEST(HopByHop, Names) {
  for (const char* name :
       {"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization",
        "TE", "Trailer", "Transfer-Encoding", "Upgrade", "HTTP2-Settings"}) {
    EXPECT_TRUE(hop_by_hop(known_field(name))) << name;
  }
  for (const char* name : {"Host", "Content-Length", "Content-Type", "Date", "Expect", "X-Other"}) {
    EXPECT_FALSE(hop_by_hop(known_field(name))) << name;
  }
}

}  // namespace
}  // namespace vestibule::http
