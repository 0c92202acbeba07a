#include "app/targets.hpp"

#include <unistd.h>

#include "crypto/hash.hpp"

namespace vestibule::app {
namespace {

// Of a child that starts, or starts again: who asks meanwhile waits.
constexpr std::chrono::milliseconds kStarts{5'000};
constexpr std::chrono::milliseconds kIdleOverTls{30'000};  // servers beyond a proxy wait longer, and a handshake costs more

}  // namespace

Result<UpstreamAddress> UpstreamAddress::parse(std::string_view text) {
  UpstreamAddress out;
  std::string_view rest = text;
  std::uint16_t port = 80;
  if (rest.starts_with("unix:")) {
    Result<net::Address> a = net::Address::parse(rest);
    if (!a) return std::move(a).error();
    out.address = std::move(*a);
    out.authority = "localhost";
    return out;
  }
  if (rest.starts_with("https://")) {
    out.tls = true;
    port = 443;
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else {
    return fail(Reason::config_invalid, "upstream \"" + std::string(text) + "\": expected http://HOST:PORT, https://HOST:PORT or unix:/PATH");
  }
  if (rest.ends_with('/')) rest.remove_suffix(1);
  if (rest.find_first_of("/?#@") != std::string_view::npos) {
    return fail(Reason::config_invalid, "upstream \"" + std::string(text) + "\": only scheme, host and port belong here (a path goes into upstream_prefix)");
  }
  const bool has_port = rest.rfind(':') != std::string_view::npos && (rest.empty() || rest.back() != ']');
  Result<net::Address> a = net::Address::parse(has_port ? std::string(rest) : std::string(rest) + ":" + std::to_string(port));
  if (!a) return std::move(a).error();
  if (a->port == 0) return fail(Reason::config_invalid, "upstream \"" + std::string(text) + "\": port 0");
  out.address = std::move(*a);
  out.authority = std::string(rest);
  return out;
}

std::filesystem::path child_directory(const std::filesystem::path& data_dir, std::string_view point) {
  // A child of another uid must be able to reach its folder without passing the data directory.
  if (::geteuid() == 0) {
    const Digest d = crypto::sha256(as_bytes(data_dir.native()));
    return std::filesystem::path("/run") / ("vestibule-" + hex(ByteView(d).first(4))) / point;
  }
  return data_dir / "models" / point;
}

Result<std::shared_ptr<proxy::Targets>> make_targets(net::Core& core, std::shared_ptr<const access::Catalogue> catalogue,
                                                     const Credentials& credentials, const std::filesystem::path& data_dir) {
  auto targets = std::make_shared<proxy::Targets>();
  for (const access::AccessPoint& point : catalogue->points()) {
    proxy::Target& t = targets->points.emplace_back();
    std::vector<std::string> upstreams = point.upstreams;
    if (point.spawn) upstreams = {"unix:" + (child_directory(data_dir, point.name) / "model.sock").string()};
    for (const std::string& text : upstreams) {
      Result<UpstreamAddress> a = UpstreamAddress::parse(text);
      if (!a) return std::move(a).error();
      wire::UpstreamOptions o;
      o.address = a->address;
      if (point.spawn) o.patience = kStarts;
      if (a->tls) {
        Result<net::TlsContext> tls = net::client_tls({});
        if (!tls) return std::move(tls).error();
        o.tls = std::move(*tls);
        o.server_name = a->address.host;
        o.idle = kIdleOverTls;
      }
      t.upstreams.push_back(std::make_unique<wire::Upstream>(core, std::move(o)));
      t.authorities.push_back(a->authority);
    }
    if (const auto c = credentials.find(point.name); c != credentials.end()) {
      std::string line = point.credential_header + ": " + point.credential_scheme;
      line.append(c->second.reveal_text()).append("\r\n");
      t.credential_line = Secret(std::string_view(line));
      wipe(line);
    }
  }
  targets->catalogue = std::move(catalogue);
  return targets;
}

}  // namespace vestibule::app
