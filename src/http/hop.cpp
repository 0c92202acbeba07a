#include "http/hop.hpp"

#include <algorithm>
#include <array>

#include "http/chars.hpp"

namespace vestibule::http {
namespace {

// Normalised names; '*' at the end stands for anything that follows. X-names without their "x-".
constexpr auto kPlain = std::to_array<std::string_view>({
    "access-token",
    "api-key*",
    "apikey*",
    "as-user",
    "auth-token*",
    "auth-user*",
    "authenticated-*",
    "authorization*",
    "cf-*",
    "client-cert*",
    "client-ip*",
    "dpop",
    "email",
    "es-security-runas-user",
    "fastly-client*",
    "forwarded*",
    "front-end-https",
    "groups",
    "http-method*",
    "id-token",
    "impersonate-*",
    "iv-*",
    "job-token",
    "kubeflow-*",
    "mellon-*",
    "method-override*",
    "ocp-apim-*",
    "oidc-*",
    "on-behalf-of",
    "original-*",
    "private-token",
    "proxy*",
    "remote-*",
    "rewrite-*",
    "shib-*",
    "sm-*",
    "smuser*",
    "ssl-*",
    "sudo",
    "tailscale-*",
    "token",
    "true-client*",
    "user",
    "user-email",
    "user-groups",
    "user-id",
    "user-name",
    "user-role*",
    "username",
    "webauth*",
    "wl-proxy-*",
});
constexpr auto kWithX = std::to_array<std::string_view>({
    "access-token*",
    "act-as*",
    "amz-security-token",
    "amzn-mtls*",
    "amzn-oidc*",
    "anonymous-consumer",
    "api-key*",
    "apikey*",
    "appengine-*",
    "arr-*",
    "auth*",
    "azure-*",
    "cert*",
    "client-cert*",
    "client-dn*",
    "client-ip*",
    "client-s-dn*",
    "client-ssl*",
    "client-verif*",
    "clientcert*",
    "cluster-client*",
    "consumer*",
    "credential*",
    "delegat*",
    "dn",
    "email*",
    "envoy-*",
    "forward*",
    "goog-api*",
    "goog-auth*",
    "goog-iap*",
    "goog-user*",
    "grafana-*",
    "group*",
    "hasura-*",
    "host*",
    "http-*",
    "id-token*",
    "identity*",
    "impersonat*",
    "jwt*",
    "litellm-*",
    "method*",
    "ms-client-principal*",
    "ms-token*",
    "mtls*",
    "oidc*",
    "on-behalf-of*",
    "openwebui-*",
    "original-*",
    "originating-*",
    "pomerium*",
    "port",
    "portkey-*",
    "presto-*",
    "principal*",
    "proto*",
    "proxy*",
    "real-*",
    "remote-*",
    "rewrite-*",
    "role*",
    "run-as*",
    "runas*",
    "saml*",
    "scheme",
    "scope*",
    "spiffe*",
    "ssl*",
    "sso*",
    "subject*",
    "tailscale*",
    "tls*",
    "token*",
    "trino-*",
    "true-client*",
    "url*",
    "user*",
    "vault-*",
    "verified*",
    "vestibule*",
    "webauth*",
});

constexpr auto kFold = [] {
  std::array<char, 256> table{};
  for (std::size_t i = 0; i < 256; ++i) {
    const char c = static_cast<char>(i);
    table[i] = c == '_' || c == '.' ? '-' : chars::lower(c);
  }
  return table;
}();
constexpr char fold(char c) { return kFold[static_cast<unsigned char>(c)]; }

// Where the names that begin with each letter are.
template <std::size_t N>
struct Index {
  std::array<std::uint8_t, 27> begin{};
  constexpr explicit Index(const std::array<std::string_view, N>& names) {
    for (std::size_t letter = 0; letter < 27; ++letter) {
      std::size_t i = 0;
      while (i < N && static_cast<std::size_t>(names[i][0] - 'a') < letter) ++i;
      begin[letter] = static_cast<std::uint8_t>(i);
    }
  }
};
static_assert(std::is_sorted(kPlain.begin(), kPlain.end()));
static_assert(std::is_sorted(kWithX.begin(), kWithX.end()));
constexpr Index kPlainIndex(kPlain);
constexpr Index kWithXIndex(kWithX);

constexpr bool matches(std::string_view name, std::string_view pattern) {
  const bool open = pattern.back() == '*';
  if (open) pattern.remove_suffix(1);
  if (name.size() < pattern.size() || (!open && name.size() != pattern.size())) return false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (fold(name[i]) != pattern[i]) return false;
  }
  return true;
}

template <std::size_t N>
bool listed(std::string_view name, const std::array<std::string_view, N>& names,
            const Index<N>& index) noexcept {
  const char c = chars::lower(name[0]);
  if (c < 'a' || c > 'z') return false;
  const auto letter = static_cast<std::size_t>(c - 'a');
  const char second = fold(name[1]);
  for (std::size_t i = index.begin[letter]; i < index.begin[letter + 1]; ++i) {
    if (names[i][1] == second && matches(name, names[i])) return true;
  }
  return false;
}

}  // namespace

bool hop_by_hop(Known known) noexcept {
  constexpr std::uint64_t mask = [] {
    std::uint64_t m = 0;
    for (const Known k :
         {Known::connection, Known::keep_alive, Known::proxy_connection, Known::proxy_authenticate,
          Known::proxy_authorization, Known::te, Known::trailer, Known::transfer_encoding,
          Known::upgrade, Known::http2_settings}) {
      m |= std::uint64_t{1} << static_cast<unsigned>(k);
    }
    return m;
  }();
  return (mask >> static_cast<unsigned>(known) & 1U) != 0;
}

bool identity_header(std::string_view name) noexcept {
  // Separators ahead, X- or X_, and doubled separators behind it make no difference.
  const auto skip_separators = [&name] {
    while (name.size() > 1 && fold(name[0]) == '-') name.remove_prefix(1);
  };
  skip_separators();
  const bool x = name.size() > 2 && chars::lower(name[0]) == 'x' && fold(name[1]) == '-';
  if (x) {
    name.remove_prefix(2);
    skip_separators();
  }
  if (name.size() < 2) return false;
  if (x ? listed(name, kWithX, kWithXIndex) : listed(name, kPlain, kPlainIndex)) return true;
  // Somebody-API-Key, whoever it is.
  if (name.size() < 7 || chars::lower(name.back()) != 'y') return false;
  return matches(name.substr(name.size() - 7), "api-key") ||
         matches(name.substr(name.size() - 6), "apikey");
}

}  // namespace vestibule::http
