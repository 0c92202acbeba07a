#pragma once
// The proxy with a place for calls that lack a proof.

#include "proxy/holding.hpp"
#include "proxy/tests/world.hpp"

namespace vestibule::testing {

class HoldingWorld : public ProxyWorld {
 public:
  ~HoldingWorld() override { close(); }

  approval::Options options_approval;
  approval::HoldOptions options_holds;
  std::chrono::seconds held_for{20};
  std::unique_ptr<approval::Requests> requests;
  std::unique_ptr<approval::Holds> holds;
  std::unique_ptr<proxy::Holding> holding;

  void open() override {
    ProxyWorld::open();
    gate->on_change([this] { holds->wake_all(); });
  }
  /// A call on its way: until answered() its reply has not begun.
  Plug begin(const std::string& raw, unsigned core = 0) {
    Plug plug = Plug::to(ports[core]);
    EXPECT_TRUE(plug.send(raw));
    return plug;
  }
  bool held(std::size_t n, std::chrono::milliseconds limit = 3s) {
    return soon([&] { return holds->held() == n; }, limit);
  }
  /// Nothing has come, not a byte.
  static bool silent(Plug& plug, int ms = 100) {
    pollfd p{plug.fd(), POLLIN, 0};
    return ::poll(&p, 1, ms) == 0;
  }
  static Reply finish(Plug& plug) {
    Reply out = parse_head(plug.until("\r\n\r\n"));
    const std::string length = out.field("content-length");
    while (!length.empty() && out.body.size() < std::stoul(length)) {
      const std::string piece = plug.until("}", 2000);
      out.body += piece;
      if (piece.empty() || piece.back() == '>') break;
    }
    return out;
  }
  std::vector<approval::Request> waiting(UserId user) {
    auto list = run(requests->list(user));
    EXPECT_TRUE(list);
    return list ? std::move(*list) : std::vector<approval::Request>();
  }

 protected:
  void open_rooms_above() override {
    ProxyWorld::open_rooms_above();
    auto opened = approval::Requests::open(*database, *keys, *users, *log, clock, rng, options_approval);
    ASSERT_TRUE(opened) << opened.error().detail;
    requests = std::move(*opened);
    open_what_is_waited_for();
    holds = std::make_unique<approval::Holds>(*database, options_holds);
    holding.reset(new proxy::Holding{*requests, *holds, "https://portal.example/approve"});
    sessions->on_deny([this](const session::Revocation&) { holds->wake_all(); });
  }
  /// Whoever is waited for hears of changes before those who wait do: Holds come last.
  virtual void open_what_is_waited_for() {}
  void close_rooms_above() override {
    holding.reset();
    holds.reset();
    requests.reset();
    ProxyWorld::close_rooms_above();
  }
  proxy::Door door() override {
    proxy::Door d;
    d.holding = holding.get();
    return d;
  }
  void change(access::AccessPoint& point) override { point.hold = held_for; }
};

}  // namespace vestibule::testing
