#include "risk/place.hpp"

#include <gtest/gtest.h>

namespace vestibule::risk {
namespace {

std::int64_t at(const char* text) { return network_of(*domain::Source::parse(text)); }

TEST(Place, NeighboursAreOneNetwork) {
  struct Row { const char* name; const char* a; const char* b; bool same; };
  const Row rows[] = {
      {"one address", "192.0.2.7", "192.0.2.7", true},
      {"one /24", "192.0.2.7", "192.0.2.250", true},
      {"the next /24", "192.0.2.7", "192.0.3.7", false},
      {"mapped or not", "192.0.2.7", "::ffff:192.0.2.8", true},
      {"one /48", "2001:db8:7:1::1", "2001:db8:7:ffff::2", true},
      {"the next /48", "2001:db8:7::1", "2001:db8:8::1", false},
      {"IPv4 is not the IPv6 network of the same bytes", "1.2.3.4", "102:300::1", false},
      {"the socket and loopback", "unix", "127.0.0.1", true},
      {"both loopbacks", "::1", "127.8.9.10", true},
      {"loopback and everything else", "::1", "::2", false},
      {"the address of nobody is not the machine", "::", "::1", false},
  };
  for (const Row& r : rows) {
    EXPECT_EQ(at(r.a) == at(r.b), r.same) << r.name;
    EXPECT_NE(at(r.a), 0) << r.name;
  }
}

TEST(Place, ProgramsHaveFamilies) {
  struct Row { const char* agent; const char* family; };
  const Row rows[] = {
      {"curl/8.5.0", "curl"},
      {"OpenAI/Python 1.40.0", "OpenAI"},
      {"vestibule", "vestibule"},
      {"", "-"},
      {"/1", "-"},
      {" x", "-"},
      {"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0 Safari/537.36", "Chrome"},
      {"Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0 Safari/537.36 Edg/156.0", "Edg"},
      {"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox"},
      {"Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15", "Safari"},
      {"Mozilla/5.0 (something)", "Mozilla"},
      {"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz/1", "abcdefghijklmnopqrstuvwxyzabcdef"},
  };
  for (const Row& r : rows) EXPECT_EQ(family_of(r.agent), r.family) << r.agent;
}

}  // namespace
}  // namespace vestibule::risk
