#include "net/connect.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <future>

namespace vestibule::net {
namespace {

sockaddr_storage parse(const char* text) {
  sockaddr_storage out{};
  auto& v4 = reinterpret_cast<sockaddr_in&>(out);
  auto& v6 = reinterpret_cast<sockaddr_in6&>(out);
  if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
  } else {
    EXPECT_EQ(inet_pton(AF_INET6, text, &v6.sin6_addr), 1) << text;
    v6.sin6_family = AF_INET6;
  }
  return out;
}

TEST(Reach, OnlyPublicUnicastAddressesArePublic) {
  for (const char* text : {"1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.0", "172.15.0.1", "172.32.0.1", "192.0.1.1",
                           "198.17.0.1", "198.20.0.1", "223.255.255.255", "2600::1", "2a00:1450:4001:80b::200e",
                           "::ffff:1.1.1.1", "64:ff9b::1.1.1.1", "2001:200::1"}) {
    EXPECT_TRUE(is_public(parse(text))) << text;
  }
  for (const char* text :
       {"0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.255", "169.254.169.254",
        "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1",
        "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "::",
        "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::10.0.0.1",
        "64:ff9b:1::1", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001::1", "2001:db8::1", "2001:1ff:ffff::1",
        "2002:7f00:1::1", "3fff::1", "100::1", "fec0::1"}) {
    EXPECT_FALSE(is_public(parse(text))) << text;
  }
  EXPECT_FALSE(is_public(sockaddr_storage{})) << "a Unix socket, or nothing at all";
}

Task<> try_to_connect(Core& core, Address to, Reach reach, Result<Socket>* out) {
  Result<Socket> made = co_await connect(core, std::move(to), std::chrono::milliseconds(2'000), reach);
  *out = std::move(made);
}

TEST(Reach, ALookupThatEndsAtHomeIsRefusedWhateverTheNameSaid) {
  Cores cores(1);
  Listener listener(cores.at(0));
  Address home;
  home.host = "127.0.0.1";
  ASSERT_TRUE(listener.open(home));
  home.port = listener.port();
  cores.start();
  const auto outcome = [&](const std::string& host, Reach reach) {
    Address to = home;
    to.host = host;
    Result<Socket> out = fail(Reason::internal);
    std::promise<void> done;
    cores.at(0).post([&] {
      asio::co_spawn(cores.at(0).executor(), try_to_connect(cores.at(0), to, reach, &out),
                     [&](std::exception_ptr) { done.set_value(); });
    });
    done.get_future().wait();
    return out ? Reason::ok : out.error().code;
  };
  for (const char* host : {"127.0.0.1", "localhost", "::1", "::ffff:127.0.0.1"}) {
    EXPECT_EQ(outcome(host, Reach::internet), Reason::upstream_unreachable) << host;
  }
  EXPECT_EQ(outcome("127.0.0.1", Reach::anywhere), Reason::ok);
  EXPECT_EQ(outcome("localhost", Reach::anywhere), Reason::ok);
  EXPECT_EQ(outcome("portal.localhost", Reach::anywhere), Reason::ok) << "RFC 6761: no resolver is asked";
  cores.stop();
}

}  // namespace
}  // namespace vestibule::net
