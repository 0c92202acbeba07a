#include "app/cli/logins.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "app/cli/context.hpp"
#include "app/cli/keyring.hpp"
#include "crypto/hash.hpp"
#include "json/writer.hpp"

namespace vestibule::app::cli {
namespace {

constexpr std::int64_t kShortly = 60;
constexpr std::string_view kPrefix = "login-";
constexpr std::string_view kSuffix = ".json";

void write_tokens(json::Writer& w, const Tokens& t) {
  w.member("access", t.access.reveal_text()).member("refresh", t.refresh.reveal_text());
  w.member("access_ends", t.access_ends).member("proof_ends", t.proof_ends);
}

std::optional<Tokens> tokens_of(const json::Value& value) {
  Result<std::string> access = value.get_string("access");
  Result<std::string> refresh = value.get_string("refresh");
  const Result<std::int64_t> access_ends = value.get_int("access_ends");
  const Result<std::int64_t> proof_ends = value.get_int("proof_ends");
  if (!access || !refresh || !access_ends || !proof_ends) return std::nullopt;
  Tokens out{Secret(std::string_view(*access)), Secret(std::string_view(*refresh)), *access_ends, *proof_ends};
  wipe(*access);
  wipe(*refresh);
  return out;
}

json::Writer roomy() {
  std::string room;
  room.reserve(4096);  // without growing: no copy of a token is left behind
  return json::Writer(std::move(room));
}

Error damaged(const std::filesystem::path& file) {
  return fail(Reason::invalid_argument, file.string() + " is damaged: remove it and run `vestibule login`");
}

}  // namespace

std::string_view name(Keep keep) noexcept {
  switch (keep) {
    case Keep::file: return "file";
    case Keep::keyring: return "keyring";
  }
  return "file";
}

std::filesystem::path Logins::file(std::string_view resource) const {
  const std::string digest = hex(crypto::sha256(as_bytes(resource)));
  return directory_ / (std::string(kPrefix) + digest.substr(0, 16) + std::string(kSuffix));
}

Result<std::vector<Login>> Logins::list() const {
  std::vector<Login> out;
  std::error_code ec;
  for (const auto& entry : std::filesystem::directory_iterator(directory_, ec)) {
    const std::string called = entry.path().filename().string();
    if (!called.starts_with(kPrefix) || !called.ends_with(kSuffix)) continue;
    Result<std::optional<Secret>> text = read_private_file(entry.path());
    if (!text) return std::move(text).error();
    if (!*text) continue;  // gone meanwhile
    const Result<json::Value> value = json::parse((*text)->reveal_text());
    if (!value) return damaged(entry.path());
    Login l{text_of(*value, "resource"), text_of(*value, "access_point"), text_of(*value, "user"), text_of(*value, "issuer"),
            text_of(*value, "token"), text_of(*value, "revoke"), text_of(*value, "keep") == "keyring" ? Keep::keyring : Keep::file, text_of(*value, "ca")};
    if (l.issuer.empty() || entry.path() != file(l.resource)) return damaged(entry.path());
    out.push_back(std::move(l));
  }
  std::ranges::sort(out, {}, &Login::resource);
  return out;
}

Result<void> Logins::save(const Login& l, const Tokens& tokens) const {
  json::Writer w = roomy();
  w.begin_object().member("resource", l.resource).member("access_point", l.access_point).member("user", l.user);
  w.member("issuer", l.issuer).member("token", l.token).member("revoke", l.revoke).member("keep", name(l.keep)).member("ca", l.ca_file);
  if (l.keep == Keep::keyring) {
    json::Writer secrets = roomy();
    secrets.begin_object();
    write_tokens(secrets, tokens);
    secrets.end_object();
    std::string text = secrets.take();
    const Secret kept{std::string_view(text)};
    wipe(text);
    if (Result<void> r = keyring_put(l.resource, kept); !r) return r;
  } else {
    write_tokens(w, tokens);
  }
  w.end_object();
  std::string text = w.take();
  text += '\n';
  Result<void> written = write_private_file(file(l.resource), text);
  wipe(text);
  return written;
}

Result<Tokens> Logins::tokens(const Login& l) const {
  Result<std::optional<Secret>> text = l.keep == Keep::keyring ? keyring_get(l.resource) : read_private_file(file(l.resource));
  if (!text) return std::move(text).error();
  if (!*text) return fail(Reason::credential_missing, "what was kept of " + l.resource + " is gone. Run `vestibule login`.");
  const Result<json::Value> value = json::parse((*text)->reveal_text());
  std::optional<Tokens> out = value ? tokens_of(*value) : std::nullopt;
  if (!out) return damaged(file(l.resource));
  return std::move(*out);
}

Result<void> Logins::drop(const Login& l) const {
  Result<void> dropped;
  if (l.keep == Keep::keyring) dropped = keyring_drop(l.resource);
  if (!dropped) return dropped;
  if (::unlink(file(l.resource).c_str()) != 0 && errno != ENOENT) {
    return fail(Reason::invalid_argument, "cannot remove " + file(l.resource).string() + ": " + std::strerror(errno));
  }
  return {};
}

Result<Logins::Lock> Logins::lock() const {
  const std::filesystem::path at = directory_ / "login.lock";
  const int fd = ::open(at.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return fail(Reason::invalid_argument, "cannot write " + at.string() + ": " + std::strerror(errno));
  Lock out(fd);
  while (::flock(fd, LOCK_EX) != 0) {
    if (errno != EINTR) return fail(Reason::invalid_argument, "cannot lock " + at.string() + ": " + std::strerror(errno));
  }
  return out;
}

Logins::Lock::~Lock() {
  if (fd_ >= 0) ::close(fd_);
}

Result<std::optional<Login>> login_for(const Logins& logins, std::string_view wanted) {
  Result<std::vector<Login>> all = logins.list();
  if (!all) return std::move(all).error();
  if (wanted.empty() && all->size() > 1) {
    return fail(Reason::conflict, "there are logins for several access points: name one with --access-point");
  }
  std::optional<Login> out;
  const Result<std::string> address = resource_address(wanted);
  for (Login& l : *all) {
    const bool meant = wanted.empty() || l.access_point == wanted || (address && l.resource == *address);
    if (!meant) continue;
    if (out) return fail(Reason::conflict, "several gateways have an access point of this name: give its address");
    out = std::move(l);
  }
  return out;
}

Error explained(const Login& l, const Error& error) {
  std::string text = error.detail.empty() ? std::string(info(error.code).text) : error.detail;
  constexpr std::string_view kLogin = "`vestibule login`";
  if (wants_sign_in(error.code) && text.find(kLogin) == std::string::npos) text.append(" Run ").append(kLogin).append(".");
  if (const std::size_t at = text.find(kLogin); at != std::string::npos) {
    text.replace(at, kLogin.size(), "`vestibule login --at " + l.resource + "`");
  }
  return fail(error.code, std::move(text));
}

namespace {

/// One refresh; whatever the gateway gives is kept before anybody uses it. With the lock held.
Result<Tokens> refresh(const Logins& logins, const Login& l, const Tokens& old, const AgentTokenWish& wish) {
  Result<std::unique_ptr<Issuer>> issuer = Issuer::at(l.issuer, l.ca_file);
  if (!issuer) return std::move(issuer).error();
  Parameters p{{"grant_type", "refresh_token"}, {"refresh_token", old.refresh.reveal_text()}, {"resource", l.resource}};
  if (!wish.agent.empty()) p.emplace_back("agent", wish.agent);
  if (!wish.operations.empty()) p.emplace_back("operations", wish.operations);
  if (!wish.models.empty()) p.emplace_back("models", wish.models);
  Result<Tokens> fresh = (*issuer)->token(l.token, p);
  if (!fresh) return explained(l, fresh.error());
  Tokens kept{fresh->access.clone(), fresh->refresh.clone(), fresh->access_ends, fresh->proof_ends};
  if (!wish.agent.empty()) {  // the person's own token is as it was
    kept.access = old.access.clone();
    kept.access_ends = old.access_ends;
  }
  if (Result<void> r = logins.save(l, kept); !r) return std::move(r).error();
  return fresh;
}

/// One at a time. A person's own token is renewed when it is about to end, an agent's is always another.
Result<Tokens> renew(const Login& l, const AgentTokenWish& wish) {
  Result<std::filesystem::path> directory = state_directory();
  if (!directory) return std::move(directory).error();
  const Logins logins(*directory);
  Result<Logins::Lock> lock = logins.lock();
  if (!lock) return std::move(lock).error();
  Result<Tokens> now = logins.tokens(l);
  if (!now) return explained(l, now.error());
  if (wish.agent.empty() && now->access_ends - unix_now() > kShortly) return now;
  return refresh(logins, l, *now, wish);
}

}  // namespace

Result<Tokens> renewed(const Login& l) { return renew(l, {}); }
Result<Tokens> renewed_as(const Login& l, const AgentTokenWish& wish) { return renew(l, wish); }

Result<void> revoke(const Login& l, const Secret& token) {
  Result<std::unique_ptr<Issuer>> issuer = Issuer::at(l.issuer, l.ca_file);
  if (!issuer) return std::move(issuer).error();
  Result<Reply> reply = (*issuer)->post(l.revoke, {{"token", token.reveal_text()}});
  if (!reply) return std::move(reply).error();
  if (!reply->ok()) return refusal_of(*reply);
  return {};
}

}  // namespace vestibule::app::cli
