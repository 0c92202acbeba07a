#pragma once
// What is served where clients show certificates: the access points, and the endpoint that gives out tokens to whoever
// shows one (RFC 8705 section 5). The authorization server's other endpoints are for browsers and stand elsewhere.

#include "oauth/server.hpp"
#include "proxy/proxy.hpp"

namespace vestibule::app {

/// One a core. Both outlive it.
class CertifiedDoor final : public wire::Handler {
 public:
  static constexpr std::string_view kTokenPath = "/oauth/token";

  CertifiedDoor(proxy::Proxy& proxy, oauth::Server& oauth) noexcept : proxy_(proxy), oauth_(oauth) {}

  net::Task<> serve(wire::Exchange& exchange) override {
    const http::RequestHead& head = exchange.head();
    // A host that is not known the proxy refuses, whatever the path.
    if (head.parts.path == kTokenPath && proxy_.host(head.host) != nullptr) return oauth_.serve(exchange);
    return proxy_.serve(exchange);
  }
  void refused(const net::Peer& peer, Reason reason) noexcept override { proxy_.refused(peer, reason); }

 private:
  proxy::Proxy& proxy_;
  oauth::Server& oauth_;
};

}  // namespace vestibule::app
