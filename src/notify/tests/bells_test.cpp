// Bells before push services that answer this and that, with real sockets on this machine.
#include "notify/bells.hpp"

#include <atomic>
#include <mutex>

#include "crypto/hash.hpp"
#include "wire/tests/world.hpp"

namespace vestibule::notify {
namespace {

using namespace std::chrono_literals;
using wire::Plug;
using wire::ScriptedUpstream;

// What a request to the service held, and what it answers.
struct Service {
  explicit Service(std::function<std::string(int)> with) : answer(std::move(with)), peer([this](Plug& p, int i) {
    std::string head = p.request();
    {
      const std::lock_guard lock(mutex);
      heads.push_back(head);
    }
    const std::string text = answer(i);
    if (text == "hang") {
      p.until("never", 3000);
    } else {
      p.send(text);
    }
  }) {}
  std::vector<std::string> seen() {
    const std::lock_guard lock(mutex);
    return heads;
  }
  std::mutex mutex;
  std::vector<std::string> heads;
  std::function<std::string(int)> answer;
  ScriptedUpstream peer;
};

std::string reply(int status, const std::string& fields = {}) {
  return "HTTP/1.1 " + std::to_string(status) + " x\r\n" + fields + "Content-Length: 0\r\n\r\n";
}

struct House {
  explicit House(std::uint16_t port, BellOptions options = {}) : cores(1) {
    SystemRng keys;
    const std::string text = R"({"endpoint":"http://127.0.0.1:)" + std::to_string(port) + R"(/push","keys":{"p256dh":")" +
                             base64url(crypto::P256Key::generate(keys).public_key()) + R"(","auth":"BTBZMqHH6r4Tts7J_aSIgg"}})";
    device.id = FactorId::make(keys);
    device.to = *parse_subscription(text);
    options.hosts = PushHosts({}, PushHosts::Loopback::plain);
    options.contact = "mailto:ops@example.org";
    options.first_pause = 200ms;
    options.limit = 1s;
    Bells::Devices d;
    d.of_user = [this](UserId) { return devices(); };
    d.gone = [this](FactorId id) { return is_gone(id); };
    bells = std::make_unique<Bells>(cores.at(0), clock, rng, sender_key_of(), std::move(d), std::move(options));
    cores.start();
  }
  ~House() {
    std::promise<void> done;
    cores.at(0).post([&] {
      bells->stop();
      net::asio::co_spawn(cores.at(0).executor(), bells->join(), [&](std::exception_ptr) { done.set_value(); });
    });
    EXPECT_EQ(done.get_future().wait_for(3s), std::future_status::ready) << "bells do not stop";
    cores.stop();
  }
  static crypto::P256Key sender_key_of() {
    SystemRng r;
    return crypto::P256Key::generate(r);
  }
  net::Task<Result<std::vector<Bells::Device>>> devices() {
    const std::lock_guard lock(mutex);
    co_return std::vector<Bells::Device>{device};
  }
  void move_to(http::Url::Scheme scheme, std::string host) {
    const std::lock_guard lock(mutex);
    device.to.endpoint.scheme = scheme;
    device.to.endpoint.host = std::move(host);
  }
  net::Task<> is_gone(FactorId id) {
    EXPECT_EQ(id, device.id);
    ++gone;
    co_return;
  }
  static bool eventually(const std::function<bool()>& f) {
    for (int i = 0; i < 60; ++i) {
      if (f()) return true;
      std::this_thread::sleep_for(50ms);
    }
    return f();
  }
  net::Cores cores;
  ManualClock clock;
  SystemRng rng;
  std::mutex mutex;
  Bells::Device device;
  std::atomic<int> gone{0};
  std::unique_ptr<Bells> bells;
};

TEST(Bells, AMessageIsOneRequestAsTheRfcsHaveIt) {
  Service service([](int) { return reply(201); });
  House h(service.peer.address().port);
  h.bells->ring(UserId{}, {Bell::prompt, {}, "ada"});
  ASSERT_TRUE(House::eventually([&] { return service.seen().size() == 1; }));
  const std::string head = service.seen().front();
  EXPECT_TRUE(head.starts_with("POST /push HTTP/1.1\r\n")) << head;
  for (const char* line : {"\r\nTTL: 120\r\n", "\r\nUrgency: high\r\n", "\r\nContent-Encoding: aes128gcm\r\n", "\r\nAuthorization: vapid t=",
                           "\r\nTopic: ", "\r\nContent-Length: 199\r\n"}) {
    EXPECT_NE(head.find(line), std::string::npos) << line << head;
  }
  EXPECT_EQ(head.find("ada"), std::string::npos);
  EXPECT_EQ(h.gone, 0);
}

TEST(Bells, ASubscriptionThatIsNoMoreIsDropped) {
  for (const int status : {404, 410}) {
    Service service([status](int) { return reply(status); });
    House h(service.peer.address().port);
    h.bells->ring(UserId{}, {Bell::prompt, {}, {}});
    EXPECT_TRUE(House::eventually([&] { return h.gone == 1; })) << status;
    EXPECT_EQ(service.seen().size(), 1U);
  }
}

TEST(Bells, ARefusedMessageIsNotRepeated) {
  for (const int status : {400, 403, 413, 301}) {
    Service service([status](int) { return reply(status, status == 301 ? "Location: http://127.0.0.1:1/\r\n" : ""); });
    House h(service.peer.address().port);
    h.bells->ring(UserId{}, {Bell::prompt, {}, {}});
    ASSERT_TRUE(House::eventually([&] { return service.seen().size() == 1; }));
    std::this_thread::sleep_for(500ms);
    EXPECT_EQ(service.seen().size(), 1U) << status;
    EXPECT_EQ(h.gone, 0) << status;
  }
}

TEST(Bells, RetryAfterIsHonouredForAllMessagesToTheService) {
  Service service([](int i) { return i == 0 ? reply(429, "Retry-After: 1\r\n") : reply(201); });
  House h(service.peer.address().port);
  const auto begun = std::chrono::steady_clock::now();
  h.bells->ring(UserId{}, {Bell::prompt, {}, {}});
  ASSERT_TRUE(House::eventually([&] { return service.seen().size() == 1; }));
  std::this_thread::sleep_for(100ms);
  h.bells->ring(UserId{}, {Bell::notice, "factor_added", {}});
  ASSERT_TRUE(House::eventually([&] { return service.seen().size() == 3; }));
  EXPECT_GE(std::chrono::steady_clock::now() - begun, 1s);
}

TEST(Bells, AServiceThatFailsOrHangsIsTriedAgainAndThenLeft) {
  Service service([](int i) { return i == 0 ? std::string("hang") : reply(500); });
  House h(service.peer.address().port);
  h.bells->ring(UserId{}, {Bell::prompt, {}, {}});
  EXPECT_TRUE(House::eventually([&] { return service.seen().size() == 3; }));
  std::this_thread::sleep_for(700ms);
  EXPECT_EQ(service.seen().size(), 3U);
  EXPECT_EQ(h.gone, 0);
}

TEST(Bells, AnEndpointThatIsNoPushServiceGetsNothing) {
  Service service([](int) { return reply(201); });
  House h(service.peer.address().port);
  h.move_to(http::Url::Scheme::http, "10.0.0.1");
  h.bells->ring(UserId{}, {Bell::prompt, {}, {}});
  std::this_thread::sleep_for(200ms);
  h.move_to(http::Url::Scheme::https, "127.0.0.1");
  h.bells->ring(UserId{}, {Bell::prompt, {}, {}});
  std::this_thread::sleep_for(200ms);
  EXPECT_EQ(service.peer.connections, 0);
}

TEST(Bells, TooManyAtOnceStaySilent) {
  Service service([](int) { return std::string("hang"); });
  BellOptions o;
  o.max_waiting = 4;
  House h(service.peer.address().port, std::move(o));
  for (int i = 0; i < 50; ++i) h.bells->ring(UserId{}, {Bell::prompt, {}, {}});
  std::this_thread::sleep_for(300ms);
  EXPECT_LE(service.peer.connections, 4);
}

TEST(Bells, GreetingsThatHangKeepNoBellFromRinging) {
  Service hostile([](int) { return std::string("hang"); });
  Service good([](int) { return reply(201); });
  BellOptions o;
  o.max_waiting = 2;
  o.max_greetings = 2;
  House h(good.peer.address().port, std::move(o));
  Subscription to = h.device.to;
  to.endpoint.port = hostile.peer.address().port;
  for (int i = 0; i < 20; ++i) h.bells->greet(to, Secret(std::string_view("AAAAAAAAAAAAAAAA")));
  ASSERT_TRUE(House::eventually([&] { return hostile.peer.connections >= 1; }));
  h.bells->ring(UserId{}, {Bell::prompt, {}, {}});
  EXPECT_TRUE(House::eventually([&] { return good.seen().size() == 1; }));
  EXPECT_LE(hostile.peer.connections, 2);
}

TEST(Bells, AGreetingIsSentOnce) {
  Service service([](int) { return reply(503); });
  House h(service.peer.address().port);
  h.bells->greet(h.device.to, Secret(std::string_view("AAAAAAAAAAAAAAAA")));
  ASSERT_TRUE(House::eventually([&] { return service.seen().size() == 1; }));
  std::this_thread::sleep_for(600ms);  // longer than the first pause
  EXPECT_EQ(service.seen().size(), 1U);
}

TEST(Bells, DoorbellsOfTheOperatorRingToo) {
  Service push([](int) { return reply(201); });
  Service hook([](int i) { return i == 0 ? reply(503) : reply(204); });
  Service ntfy([](int) { return reply(200); });
  BellOptions o;
  o.webhook.emplace(Webhook{*http::parse_url("http://127.0.0.1:" + std::to_string(hook.peer.address().port) + "/hook"), Secret("key")});
  o.ntfy.emplace(Ntfy{*http::parse_url("http://127.0.0.1:" + std::to_string(ntfy.peer.address().port) + "/alerts"), Secret("tk_1"),
                      "https://portal.example.org/"});
  House h(push.peer.address().port, std::move(o));
  h.bells->ring(UserId{}, {Bell::notice, "factor_added", "ada"});
  ASSERT_TRUE(House::eventually([&] { return hook.seen().size() == 2 && ntfy.seen().size() == 1 && push.seen().size() == 1; }));
  EXPECT_NE(hook.seen()[1].find("\r\nVestibule-Signature: t="), std::string::npos);
  const std::string to_ntfy = ntfy.seen().front();
  EXPECT_TRUE(to_ntfy.starts_with("POST /alerts HTTP/1.1")) << to_ntfy;
  EXPECT_NE(to_ntfy.find("\r\nAuthorization: Bearer tk_1\r\n"), std::string::npos);
  EXPECT_NE(to_ntfy.find("\r\nClick: https://portal.example.org/\r\n"), std::string::npos);
}

TEST(Doorbell, TheWebhooksBodyIsSignedWithItsTime) {
  const Webhook hook{*http::parse_url("https://hooks.example.org/x"), Secret("a key")};
  const WallTime now(std::chrono::seconds(1'800'000'000));
  const wire::OutboundRequest r = request(hook, {Bell::notice, "factor_added", "ada"}, now);
  EXPECT_EQ(r.body, R"({"v":1,"event":"notice","kind":"factor_added","user":"ada","time":"2027-01-15T08:00:00Z"})");
  const Digest mac = crypto::hmac_sha256(as_bytes("a key"), as_bytes("1800000000." + r.body));
  EXPECT_EQ(r.fields[1].first, "Vestibule-Signature");
  EXPECT_EQ(r.fields[1].second, "t=1800000000,v1=" + hex(mac));
}

TEST(Doorbell, NtfySaysNothingOfWhomOrWhat) {
  const Ntfy to{*http::parse_url("https://ntfy.example.org/t"), {}, {}};
  const wire::OutboundRequest r = request(to, {Bell::notice, "factor_added", "ada"});
  EXPECT_EQ(r.body, "Something has happened to an account.");
  EXPECT_EQ(r.fields.size(), 3U) << "neither token nor link";
}

}  // namespace
}  // namespace vestibule::notify
