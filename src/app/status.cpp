#include "app/status.hpp"

#include "base/counters.hpp"
#include "http/host.hpp"

namespace vestibule::app {

net::Task<> StatusHandler::serve(wire::Exchange& exchange) {
  const http::RequestHead& head = exchange.head();
  int status = 404;
  std::string type = "text/plain; charset=utf-8";
  std::string body = "Not found. Try /health or /metrics.\n";
  // Only by a loopback name: a web page that rebinds its own name to this address learns nothing.
  const Result<http::Host> host = http::parse_host(head.host);
  if (!host || (host->name != "localhost" && host->name != "127.0.0.1" && host->name != "[::1]")) {
    status = 421;
    body = "This host name is not served here.\n";
  } else if (head.method != http::Method::get) {
    status = 405;
    body = "Only GET.\n";
  } else if (head.target == "/metrics") {
    status = 200;
    type = "text/plain; version=0.0.4; charset=utf-8";
    body = write_prometheus();
  } else if (head.target == "/health") {
    HealthReport report = health_();
    status = report.ok ? 200 : 503;
    type = "application/json";
    body = std::move(report.json);
  }
  http::HeadWriter out = exchange.start();
  out.status(status).field("Content-Type", type).field("Cache-Control", "no-store");
  const Result<void> sent = co_await exchange.reply(out, body);
  static_cast<void>(sent);
}

}  // namespace vestibule::app
