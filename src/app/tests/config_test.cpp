#include "app/config.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "app/reference.hpp"
#include "app/targets.hpp"
#include "notify/subscription.hpp"

namespace vestibule::app {
namespace {

constexpr std::string_view kLeast = R"(
[access_point.demo]
kind = "llamacpp"
upstreams = ["http://127.0.0.1:8080"]
)";

TEST(Config, TheLeastFileIsEnough) {
  const Result<Config> c = parse_config(kLeast, "/etc/vestibule/vestibule.toml");
  ASSERT_TRUE(c) << c.error().detail;
  EXPECT_EQ(c->listen.at(0).text(), "127.0.0.1:8420");
  EXPECT_EQ(c->portal_listen.at(0).text(), "127.0.0.1:8422");
  EXPECT_EQ(c->portal_origins.at(0), "http://localhost:8422");
  EXPECT_EQ(c->portal_hosts, (std::vector<std::string>{"localhost", "127.0.0.1", "[::1]", "localhost"}));
  EXPECT_EQ(c->data_dir, "/etc/vestibule/data") << "relative paths are relative to the file";
  EXPECT_EQ(c->control_socket, "/etc/vestibule/data/control.sock");
  EXPECT_EQ(c->points.at(0).sensitivity, domain::Sensitivity::moderate);
  EXPECT_EQ(c->points.at(0).max_body, std::size_t{4} << 20U);
  EXPECT_FALSE(c->policy_trust_file);
  EXPECT_TRUE(c->await_admission);
}

TEST(Config, ThePortalsOriginFollowsItsTransport) {
  const std::string tls = "[tls]\ncertificate = \"c\"\nkey = \"k\"\n";
  Result<Config> c = parse_config(tls + std::string(kLeast), "/v.toml");
  ASSERT_TRUE(c) << c.error().detail;
  EXPECT_EQ(c->portal_origins, std::vector<std::string>{"https://localhost:8422"});
  c = parse_config("[portal]\nrp_id = \"example.org\"\norigins = [\"https://portal.example.org\"]\n" + std::string(kLeast), "/v.toml");
  ASSERT_TRUE(c) << "a proxy in front speaks TLS: " << c.error().detail;
  EXPECT_EQ(c->portal_hosts.back(), "portal.example.org");
}

TEST(Config, WhereCertificatesAreShown) {
  const std::string tls = "[tls]\ncertificate = \"c\"\nkey = \"k\"\n[server]\nhosts = [\"gw.example\", \"svc.example\"]\n";
  Result<Config> c = parse_config(tls + "[mtls]\nlisten = [\"0.0.0.0:8423\"]\n" + std::string(kLeast), "/v.toml");
  ASSERT_TRUE(c) << c.error().detail;
  EXPECT_EQ(c->certified_listen.at(0).text(), "0.0.0.0:8423");
  EXPECT_EQ(c->certified_origin, "https://gw.example:8423");
  EXPECT_TRUE(c->points.at(0).certificates);
  c = parse_config(tls + "[mtls]\nlisten = [\"0.0.0.0:443\"]\norigin = \"https://svc.example\"\n" + std::string(kLeast), "/v.toml");
  ASSERT_TRUE(c) << c.error().detail;
  EXPECT_EQ(c->certified_origin, "https://svc.example");
  c = parse_config(kLeast, "/v.toml");
  ASSERT_TRUE(c);
  EXPECT_EQ(c->certified_origin, "");
  EXPECT_FALSE(c->points.at(0).certificates);
}

TEST(Config, ProblemsNameFileLineAndKey) {
  struct Row { const char *name, *text, *wants; };
  for (const Row& r : {
           Row{"unknown key", "[server]\nlisten_on = [\"127.0.0.1:1\"]\n", ":2:"},
           Row{"a typo is guessed", "[server]\nlisen = [\"127.0.0.1:1\"]\n", "listen"},
           Row{"not loopback without TLS", "[server]\nlisten = [\"0.0.0.0:8420\"]\n", "tls.certificate"},
           Row{"bad address", "[server]\nlisten = [\"localhost\"]\n", "HOST:PORT"},
           Row{"status listener beyond loopback", "[server]\nstatus_listen = \"10.0.0.1:9\"\n", "loopback addresses only"},
           Row{"host with a port", "[server]\nhosts = [\"a.example:80\"]\n", "without a port"},
           Row{"certificates without TLS", "[mtls]\nlisten = [\"127.0.0.1:8423\"]\n", "set tls.certificate"},
           Row{"certificates on a Unix socket", "[mtls]\nlisten = [\"unix:/run/c.sock\"]\n", "over TLS"},
           Row{"certificates and nobody who gives out tokens", "[portal]\nlisten = []\n[mtls]\nlisten = [\"127.0.0.1:8423\"]\n", "set portal.listen"},
           Row{"an origin for certificates and no listener", "[mtls]\norigin = \"https://localhost:8423\"\n", "without mtls.listen"},
           Row{"an origin for certificates without TLS", "[mtls]\nlisten = [\"127.0.0.1:8423\"]\norigin = \"http://localhost:8423\"\n", "is not an origin"},
           Row{"an origin for certificates that nobody answers to", "[mtls]\nlisten = [\"127.0.0.1:8423\"]\norigin = \"https://svc.example\"\n", "server.hosts lacks svc.example"},
           Row{"half of TLS", "[tls]\nkey = \"k\"\n", "go together"},
           Row{"portal beyond loopback without TLS", "[portal]\nlisten = [\"0.0.0.0:8422\"]\n", "cookies must not travel"},
           Row{"portal on a Unix socket", "[portal]\nlisten = [\"unix:/run/p.sock\"]\n", "a browser needs"},
           Row{"origin with a path", "[portal]\norigins = [\"http://localhost:8422/\"]\n", "is not an origin"},
           Row{"origin in other letters", "[portal]\norigins = [\"http://Localhost:8422\"]\n", "is not an origin"},
           Row{"origin without TLS where TLS is spoken", "[tls]\ncertificate = \"c\"\nkey = \"k\"\n[portal]\norigins = [\"http://localhost:8422\"]\n", "browsers write https://"},
           Row{"no origin", "[portal]\norigins = []\n", "portal.origins"},
           Row{"seven digits", "[factors]\ntotp_digits = 7\n", "6 or 8"},
           Row{"an origin of another domain", "[portal]\nrp_id = \"example.org\"\n", "does not fall under"},
           Row{"a listed model without attestation", "[portal]\nattestation = \"listed\"\naaguids = [\"ee882879-721c-4913-9775-3dfcce97072a\"]\n", "anchors"},
           Row{"no AAGUID", "[portal]\naaguids = [\"yubikey\"]\n", "portal.aaguids"},
           Row{"anchors that are not there", "[portal]\nattestation_anchors = \"/nowhere.pem\"\n", "cannot read"},
           Row{"a push host that is none", "[notify]\npush_hosts = [\"https://fcm.googleapis.com\"]\n", "neither a host name"},
           Row{"all push hosts", "[notify]\npush_hosts = [\"*\"]\n", "neither a host name"},
           Row{"a webhook without a key", "[notify]\nwebhook = \"https://hooks.example.org/x\"\n", "name the file of its key"},
           Row{"a webhook in the clear", "[notify]\nwebhook = \"http://hooks.example.org/x\"\nwebhook_key = \"k\"\n", "in the clear"},
           Row{"no URL", "[notify]\nntfy = \"https://user@ntfy.example.org/x\"\n", "is no URL"},
           Row{"a contact that nobody can use", "[notify]\ncontact = \"ops\"\n", "mailto:"},
           Row{"plug-in in the clear", "[factor_plugin.sms]\nlabel = \"SMS\"\nkey_file = \"k\"\nurl = \"http://10.0.0.1/\"\n", "loopback address only"},
           Row{"plug-in by a name in the clear", "[factor_plugin.sms]\nlabel = \"SMS\"\nkey_file = \"k\"\nurl = \"http://localhost/\"\n", "loopback address only"},
           Row{"plug-in without a URL", "[factor_plugin.sms]\nlabel = \"SMS\"\nkey_file = \"k\"\nurl = \"ftp://x/\"\n", "in one way only"},
           Row{"plug-in without a key", "[factor_plugin.sms]\nlabel = \"SMS\"\nurl = \"https://x.example/\"\n", "key_file"},
           Row{"plug-in of knowledge", "[factor_plugin.sms]\nlabel = \"SMS\"\nkey_file = \"k\"\nurl = \"https://x.example/\"\ntraits = [\"knowledge\"]\n", "is none"},
           Row{"plug-in without possession", "[factor_plugin.sms]\nlabel = \"SMS\"\nkey_file = \"k\"\nurl = \"https://x.example/\"\ntraits = [\"user_verified\"]\n", "something one has"},
           Row{"plug-in of an odd name", "[factor_plugin.SMS]\nlabel = \"SMS\"\nkey_file = \"k\"\nurl = \"https://x.example/\"\n", "lower-case"},
           Row{"wrong type", "[server]\ncores = \"two\"\n", "server.cores"},
           Row{"out of bounds", "[session]\nidle = \"2d\"\n", "session.idle"},
           Row{"unknown kind", "[access_point.x]\nkind = \"llama\"\nupstreams = [\"unix:/x\"]\nprefix = \"/x\"\n", "kind"},
           Row{"no upstream", "[access_point.x]\nkind = \"http\"\nprefix = \"/x\"\n", "upstreams or spawn"},
           Row{"spawn without a socket", "[access_point.x]\nkind = \"http\"\nprefix = \"/x\"\nspawn = [\"/bin/true\"]\n", "{socket}"},
           Row{"reserved name", "[access_point.vestibule]\nkind = \"http\"\nprefix = \"/x\"\nupstreams = [\"unix:/x\"]\n", "own administration"},
           Row{"a receipt for a model", "[access_point.x]\nkind = \"openai\"\nprefix = \"/x\"\nupstreams = [\"unix:/x\"]\nreceipts = true\n", "only tool servers"},
           Row{"a receipt for standard input", "[access_point.x]\nkind = \"mcp\"\nprefix = \"/x\"\nspawn = [\"/bin/server\"]\nreceipts = true\n", "no header to read"},
           Row{"carries no tool", "[access_point.x]\nkind = \"mcp\"\nprefix = \"/x\"\nupstreams = [\"unix:/x\"]\ncarries = [\"demo\"]\n", "write ACCESS_POINT/TOOL"},
           Row{"carries with no name", "[access_point.x]\nkind = \"mcp\"\nprefix = \"/x\"\nupstreams = [\"unix:/x\"]\ncarries = [\"demo/pay as \"]\n", "write ACCESS_POINT/TOOL"},
           Row{"carries all as one", "[access_point.x]\nkind = \"mcp\"\nprefix = \"/x\"\nupstreams = [\"unix:/x\"]\ncarries = [\"demo/* as pay\"]\n", "write ACCESS_POINT/TOOL"},
           Row{"carries from nowhere", "[access_point.x]\nkind = \"mcp\"\nprefix = \"/x\"\nupstreams = [\"unix:/x\"]\ncarries = [\"lab2/pay\"]\n", "no access point \"lab2\""},
           Row{"same route twice", "[access_point.x]\nkind = \"http\"\nupstreams = [\"unix:/x\"]\n", "same host and prefix"},
       }) {
    SCOPED_TRACE(r.name);
    const Result<Config> c = parse_config(std::string(r.text) + std::string(kLeast), "/v.toml");
    ASSERT_FALSE(c);
    EXPECT_NE(c.error().detail.find(r.wants), std::string::npos) << c.error().detail;
  }
}

TEST(Config, BellsAreSilentUntilTheyAreAskedForButPush) {
  Result<Config> c = parse_config(kLeast, "/etc/v.toml");
  ASSERT_TRUE(c);
  EXPECT_EQ(c->notify.push_hosts, notify::PushHosts::known()) << "the default in the schema and the room's list are one";
  EXPECT_FALSE(c->notify.push_loopback || c->notify.webhook || c->notify.ntfy);
  c = parse_config("[notify]\npush_hosts = []\nwebhook = \"https://hooks.example.org/x\"\nwebhook_key = \"hook.key\"\nntfy = \"http://127.0.0.1:8080/t\"\n" + std::string(kLeast), "/etc/v.toml");
  ASSERT_TRUE(c) << c.error().detail;
  EXPECT_TRUE(c->notify.push_hosts.empty());
  EXPECT_EQ(c->notify.webhook->origin(), "https://hooks.example.org");
  EXPECT_EQ(c->notify.webhook_key, "/etc/hook.key");
  EXPECT_EQ(c->notify.ntfy->authority(), "127.0.0.1:8080");
}

TEST(Config, AToolServerOnStdioNeedsNoSocket) {
  const std::string point = "[access_point.tools]\nprefix = \"/mcp\"\nspawn = [\"/usr/bin/server\", \"/srv/files\"]\n";
  Result<Config> c = parse_config(point + "kind = \"mcp\"\nspawn_writable = [\"/srv/files\"]\n", "/v.toml");
  ASSERT_TRUE(c) << c.error().detail;
  EXPECT_EQ(c->points.at(0).spawn->writable, std::vector<std::string>{"/srv/files"});
  c = parse_config(point + "kind = \"llamacpp\"\n", "/v.toml");
  ASSERT_FALSE(c);
  EXPECT_NE(c.error().detail.find("must take its socket"), std::string::npos) << c.error().detail;
  c = parse_config(point + "kind = \"mcp\"\nspawn_writable = [\"files\"]\n", "/v.toml");
  ASSERT_FALSE(c);
  EXPECT_NE(c.error().detail.find("no absolute path"), std::string::npos) << c.error().detail;
}

TEST(Plugins, AreReadAsWritten) {
  const Result<Config> c = parse_config("[factor_plugin.sms]\nlabel = \"SMS\"\nkey_file = \"sms.key\"\nurl = \"http://127.0.0.1:8425/f\"\n"
                                        "traits = [\"possession\", \"user_verified\"]\nmode = \"typed\"\ntimeout = \"2s\"\n" + std::string(kLeast), "/etc/v/v.toml");
  ASSERT_TRUE(c) << c.error().detail;
  const PluginConfig& p = c->plugins.at(0);
  EXPECT_EQ(p.name, "sms");
  EXPECT_EQ(p.url.target, "/f");
  EXPECT_EQ(p.key_file, "/etc/v/sms.key");
  EXPECT_TRUE(p.traits.possession && p.traits.user_verified && !p.traits.phishing_resistant && !p.traits.device_bound);
  EXPECT_EQ(p.mode, factors::Plugin::Mode::typed);
  EXPECT_EQ(p.timeout, std::chrono::seconds(2));
}

TEST(Plugins, KeysAreForTheirOwnerAlone) {
  std::string name = "/tmp/vestibule-key-XXXXXX";
  const int fd = ::mkstemp(name.data());
  ASSERT_GE(fd, 0);
  const std::string key(40, 'k');
  ASSERT_EQ(::write(fd, (key + "\n").data(), key.size() + 1), static_cast<ssize_t>(key.size() + 1));
  const Result<Secret> good = read_plugin_key(name);
  ASSERT_TRUE(good) << good.error().detail;
  EXPECT_EQ(good->reveal_text(), key);
  for (const mode_t open : {0640, 0604, 0660}) {
    ASSERT_EQ(::chmod(name.c_str(), open), 0);
    EXPECT_FALSE(read_plugin_key(name)) << open;
  }
  ASSERT_EQ(::chmod(name.c_str(), 0600), 0);
  const std::string link = name + ".link";
  ASSERT_EQ(::symlink(name.c_str(), link.c_str()), 0);
  EXPECT_FALSE(read_plugin_key(link)) << "what it points to may be changed";
  ASSERT_EQ(::ftruncate(fd, 31), 0);
  EXPECT_FALSE(read_plugin_key(name)) << "too short";
  ASSERT_EQ(::ftruncate(fd, 5000), 0);
  EXPECT_FALSE(read_plugin_key(name)) << "too long";
  EXPECT_FALSE(read_plugin_key("/nowhere"));
  EXPECT_FALSE(read_plugin_key("/dev/zero"));
  ::close(fd);
  ::unlink(link.c_str());
  ::unlink(name.c_str());
}

TEST(Upstreams, AddressesTable) {
  struct Row { const char *text, *address, *authority; bool tls; };
  for (const Row& r : {Row{"http://127.0.0.1:11434", "127.0.0.1:11434", "127.0.0.1:11434", false},
                       Row{"http://gpu", "gpu:80", "gpu", false}, Row{"https://gpu/", "gpu:443", "gpu", true},
                       Row{"https://[::1]:8443", "[::1]:8443", "[::1]:8443", true}, Row{"http://[::1]", "[::1]:80", "[::1]", false},
                       Row{"unix:/run/m.sock", "unix:/run/m.sock", "localhost", false}}) {
    const auto a = UpstreamAddress::parse(r.text);
    ASSERT_TRUE(a) << r.text << ": " << a.error().detail;
    EXPECT_EQ(a->address.text(), r.address);
    EXPECT_EQ(a->authority, r.authority);
    EXPECT_EQ(a->tls, r.tls);
  }
  for (const char* bad : {"", "gpu:80", "ftp://x", "http://x/path", "http://user@x", "http://x:0", "http://x:99999", "unix:relative", "http://x?y"}) {
    EXPECT_FALSE(UpstreamAddress::parse(bad)) << bad;
  }
}

TEST(Reference, PagesAreWhole) {
  for (const char* page : {"configuration", "reasons", "limits"}) EXPECT_GT(reference(page).size(), 500U) << page;
  EXPECT_NE(reference("reasons").find("`mfa_lapsed` | 401"), std::string::npos);
  EXPECT_NE(reference("configuration").find("access_point"), std::string::npos);
  EXPECT_EQ(reference("nothing"), "");
}

}  // namespace
}  // namespace vestibule::app
