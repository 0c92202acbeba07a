#include "app/plugins.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "wire/outbound.hpp"

namespace vestibule::app {
namespace {

constexpr std::size_t kShortestKey = 32;
constexpr std::size_t kLongestKey = 1024;

/// The outbound side of one plug-in, on every core.
struct Way {
  http::Url url;
  std::vector<std::unique_ptr<wire::Outbound>> of_core;
};

net::Task<Result<factors::PluginHttpReply>> send(std::shared_ptr<Way> way, std::string body, std::string signature) {
  wire::OutboundRequest request;
  request.url = way->url;
  request.fields = {{"Content-Type", "application/json"}, {"Accept", "application/json"}, {"Vestibule-Signature", std::move(signature)}};
  request.body = std::move(body);
  wire::Outbound& out = *way->of_core.at(net::Core::current()->index());
  Result<wire::OutboundReply> reply = co_await out.send(std::move(request));
  if (!reply) co_return std::move(reply).error();
  co_return factors::PluginHttpReply{reply->status, std::string(reply->field("Vestibule-Signature")), std::move(reply->body)};
}

}  // namespace

Result<Secret> read_plugin_key(const std::filesystem::path& file) {
  const auto wrong = [&](std::string_view why) { return fail(Reason::config_invalid, file.string() + ": " + std::string(why)); };
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return wrong(std::strerror(errno));
  struct stat st {};
  std::string text(kLongestKey + 2, '\0');
  ssize_t n = -1;
  const bool regular = ::fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
  if (regular) n = ::read(fd, text.data(), text.size());
  ::close(fd);
  Secret key;
  if (n > 0) {
    std::string_view trimmed(text.data(), static_cast<std::size_t>(n));
    while (!trimmed.empty() && (trimmed.back() == '\n' || trimmed.back() == '\r')) trimmed.remove_suffix(1);
    key = Secret(trimmed);
  }
  wipe(text);
  if (!regular) return wrong("not a file");
  if (st.st_uid != ::geteuid() && st.st_uid != 0) return wrong("belongs to another user");
  if ((st.st_mode & 077U) != 0) return wrong("is open to others: chmod 600 it");
  if (key.size() < kShortestKey || key.size() > kLongestKey) return wrong("32 to 1024 bytes: openssl rand -hex 32");
  return key;
}

Result<std::vector<std::shared_ptr<const factors::Plugin>>> make_plugins(const std::vector<PluginConfig>& configured,
                                                                         net::Cores& cores) {
  std::vector<std::shared_ptr<const factors::Plugin>> out;
  for (const PluginConfig& c : configured) {
    Result<Secret> key = read_plugin_key(c.key_file);
    if (!key) return std::move(key).error();
    wire::OutboundOptions o;
    o.reach = net::Reach::anywhere;  // the operator's own address, not one that somebody gave
    o.limit = c.timeout;
    o.max_reply = factors::kMaxPluginReply;
    if (c.url.scheme == http::Url::Scheme::https) {
      Result<net::TlsContext> tls = net::client_tls({});
      if (!tls) return std::move(tls).error();
      o.tls = std::move(*tls);
    }
    auto way = std::make_shared<Way>();
    way->url = c.url;
    for (unsigned i = 0; i < cores.size(); ++i) way->of_core.push_back(std::make_unique<wire::Outbound>(cores.at(i), o));
    auto sender = [way](std::string body, std::string signature) { return send(way, std::move(body), std::move(signature)); };
    out.push_back(std::make_shared<const factors::Plugin>(
        factors::Plugin{c.name, c.label, c.traits, c.mode, crypto::HmacKey(*key), std::move(sender)}));
  }
  return out;
}

}  // namespace vestibule::app
