// doctor: is this installation as it should be? Looks at files and at the running gateway, changes
// nothing, asks nothing.

#include <fmt/format.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "app/cli/commands_doctor.hpp"
#include "app/cli/terminal.hpp"
#include "app/cli/verifier_key.hpp"
#include "app/targets.hpp"
#include "audit/note.hpp"
#include "crypto/master_key.hpp"

namespace vestibule::app::cli {
namespace {

enum class Grade { ok, warn, fail };

std::string_view name(Grade g) noexcept {
  switch (g) {
    case Grade::ok: return "OK";
    case Grade::warn: return "WARN";
    case Grade::fail: return "FAIL";
  }
  return "FAIL";
}

struct Finding {
  Grade grade;
  std::string check, text;
};

class Findings {
 public:
  void add(Grade g, std::string check, std::string text) { all_.push_back({g, std::move(check), std::move(text)}); }
  [[nodiscard]] Grade worst() const noexcept {
    Grade g = Grade::ok;
    for (const Finding& f : all_) g = std::max(g, f.grade);
    return g;
  }
  void show(Context& ctx) const {
    if (ctx.json()) {
      json::Value checks{json::Array{}};
      for (const Finding& f : all_) {
        json::Value v;
        v.set("grade", name(f.grade)).set("check", f.check).set("text", f.text);
        checks.push(std::move(v));
      }
      json::Value v;
      v.set("ok", worst() != Grade::fail).set("checks", std::move(checks));
      out(v.dump() + "\n");
      return;
    }
    const bool colour = colours();
    for (const Finding& f : all_) {
      const char* paint = f.grade == Grade::ok ? "\x1b[32m" : f.grade == Grade::warn ? "\x1b[33m" : "\x1b[31m";
      out(fmt::format("{}{:<4}{}  {:<17}  {}\n", colour ? paint : "", name(f.grade), colour ? "\x1b[0m" : "", f.check, printable(f.text)));
    }
  }

 private:
  std::vector<Finding> all_;
};

// Mode bits that `who` must not have.
void check_mode(Findings& out, const std::string& check, const std::filesystem::path& path, mode_t forbidden, Grade grade,
                const std::string& harm) {
  struct stat st {};
  if (::stat(path.c_str(), &st) != 0) {
    out.add(errno == ENOENT ? Grade::warn : Grade::warn, check, path.string() + ": " + std::strerror(errno));
    return;
  }
  if ((st.st_mode & forbidden) != 0) {
    out.add(grade, check, fmt::format("{} has mode {:04o}: {}", path.string(), st.st_mode & 07777U, harm));
  } else {
    out.add(Grade::ok, check, fmt::format("{} has mode {:04o}", path.string(), st.st_mode & 07777U));
  }
}

void check_master_key(Findings& out, const Config& config) {
  const std::string file = config.master_key.string();
  struct stat key {};
  if (::stat(file.c_str(), &key) != 0) {
    if (errno == ENOENT) {
      out.add(Grade::warn, "master key", file + " does not exist: made at the first start, unless the key comes from the environment or systemd");
    } else {
      out.add(Grade::warn, "master key", file + " cannot be looked at: " + std::strerror(errno));
    }
    return;
  }
  if (::access(file.c_str(), R_OK) != 0) {
    check_mode(out, "master key", file, 077, Grade::fail, "others may read it: chmod 600");
  } else if (const Result<crypto::MasterKeys> keys = crypto::load_master_key_file(file); !keys) {
    out.add(Grade::fail, "master key", file + ": " + keys.error().detail);
  } else {
    out.add(Grade::ok, "master key", fmt::format("{} holds {} key(s), {} seals", file, keys->size(), keys->back().id));
  }
  // Only the operator knows whether there is a copy; the mark must be younger than the newest key.
  struct stat mark {};
  const std::string escrow = file + ".escrowed";
  if (::stat(escrow.c_str(), &mark) != 0) {
    out.add(Grade::warn, "key escrow", "without the master key the database is lost. Keep a copy of " + file + " elsewhere, then: touch " + escrow);
  } else if (mark.st_mtime < key.st_mtime) {
    out.add(Grade::warn, "key escrow", "the master key has changed since its copy was made. Copy it again, then: touch " + escrow);
  } else {
    out.add(Grade::ok, "key escrow", "a copy exists, says " + escrow);
  }
}

void check_tls(Findings& out, const Config& config, const Clock& clock) {
  if (config.tls_certificate.empty()) {
    out.add(Grade::ok, "tls", "plain HTTP on loopback only");
    return;
  }
  const Result<net::TlsContext> tls = net::server_tls(config.tls_certificate, config.tls_key);
  if (!tls) {
    const bool denied = ::access(config.tls_key.c_str(), R_OK) != 0 && errno == EACCES;
    out.add(denied ? Grade::warn : Grade::fail, "tls", tls.error().detail);
    return;
  }
  const std::int64_t now = std::chrono::duration_cast<std::chrono::seconds>(clock.wall().time_since_epoch()).count();
  const std::int64_t left = net::certificate_expiry(*tls) - now;
  if (left <= 0) {
    out.add(Grade::fail, "tls", "the certificate has expired: clients refuse it. Replace it, then reload (SIGHUP)");
  } else {
    out.add(left < 14 * 86400 ? Grade::warn : Grade::ok, "tls", "the certificate expires in " + duration_text(left));
  }
}

void check_clock(Findings& out) {
  timex t{};
  const int state = ::ntp_adjtime(&t);
  if (state == TIME_ERROR || (static_cast<unsigned>(t.status) & STA_UNSYNC) != 0) {
    out.add(Grade::warn, "clock", "the kernel says that the clock is not synchronised. Run NTP: codes need a clock right to half a minute");
  } else {
    out.add(Grade::ok, "clock", "synchronised");
  }
}

// Can anybody on this machine reach the model server without the gateway?
bool reachable(const net::Address& a) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(a.host.c_str(), std::to_string(a.port).c_str(), &hints, &found) != 0) return false;
  bool reached = false;
  for (const addrinfo* i = found; i != nullptr && !reached; i = i->ai_next) {
    const int fd = ::socket(i->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) continue;
    if (::connect(fd, i->ai_addr, i->ai_addrlen) == 0) {
      reached = true;
    } else if (errno == EINPROGRESS) {
      pollfd p{fd, POLLOUT, 0};
      int error = 1;
      socklen_t size = sizeof error;
      reached = ::poll(&p, 1, 1000) == 1 && ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0;
    }
    ::close(fd);
  }
  ::freeaddrinfo(found);
  return reached;
}

void check_point(Findings& out, const access::AccessPoint& point, std::optional<bool> closed) {
  const std::string check = "access " + point.name;
  if (!point.rules.gated_tools && point.kind != dialect::Kind::http) {
    out.add(Grade::warn, check, "tools = \"open\": what its models ask their callers to run passes unread, and no person confirms it");
  }
  if (closed.value_or(point.closed(false))) {
    out.add(Grade::ok, check, "closed: only the gateway reaches the model server");
    return;
  }
  bool open = false;
  for (const std::string& u : point.upstreams) {
    const Result<UpstreamAddress> a = UpstreamAddress::parse(u);
    open = open || (a && !a->address.is_unix() && reachable(a->address));
  }
  out.add(Grade::warn, check,
          std::string(closed ? "bypassable" : "bypassable unless a credential is stored") +
              (open ? ": a connection straight to the model server succeeds from here" : "") +
              ". Give it a key that only the gateway knows (`vestibule access credential " + point.name +
              "`), a Unix socket, or let the gateway spawn it; private_upstream = true is your word for it");
}

// Whoever listens on the socket, as the kernel knows him.
void check_process(Findings& out, const std::string& socket) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket.size() >= sizeof address.sun_path) return;
  std::memcpy(address.sun_path, socket.c_str(), socket.size() + 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ucred peer{};
  socklen_t size = sizeof peer;
  const bool known = fd >= 0 && ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
                     ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.pid > 0;
  if (fd >= 0) ::close(fd);
  if (!known) return;
  const std::string proc = "/proc/" + std::to_string(peer.pid);
  std::ifstream limits(proc + "/limits");
  std::optional<bool> no_core;
  for (std::string line; std::getline(limits, line);) {
    if (!line.starts_with("Max core file size")) continue;
    const std::size_t at = line.find_first_not_of(' ', 18);
    no_core = at != std::string::npos && line.compare(at, 2, "0 ") == 0;
  }
  if (!no_core) {
    out.add(Grade::warn, "core dumps", "the limits of the gateway's process cannot be read from here");
    return;
  }
  // The kernel gives the files of a process that is not dumpable to root.
  struct stat st {};
  const bool dumpable = ::stat((proc + "/environ").c_str(), &st) == 0 && st.st_uid == peer.uid && peer.uid != 0;
  if (*no_core && !dumpable) {
    out.add(Grade::ok, "core dumps", "off: the gateway's memory cannot be dumped or traced");
  } else {
    out.add(Grade::fail, "core dumps", "the gateway's memory, with its keys, can be dumped or traced");
  }
}

void check_offline(Findings& out, const Config& config, const Clock& clock) {
  check_mode(out, "config", config.file, 022, Grade::fail, "others may change it: chmod go-w");
  check_mode(out, "data directory", config.data_dir, 077, Grade::fail, "others may look into it: chmod 700");
  if (struct stat st {}; ::stat(config.control_socket.c_str(), &st) == 0) {
    check_mode(out, "control socket", config.control_socket, 007, Grade::fail, "everybody may talk to it: chmod 600");
  }
  check_mode(out, "policy", config.policy_file, 022, config.policy_trust_file ? Grade::fail : Grade::warn,
             "others may change it: chmod go-w");
  if (config.policy_trust_file) {
    out.add(Grade::warn, "policy trust", "policy.trust = \"file\": whoever can write the policy file decides, without a factor");
  } else {
    out.add(Grade::ok, "policy trust", "what loosens waits for a person's factor");
  }
  if (!config.await_admission) {
    out.add(Grade::warn, "admission", "audit.await_admission = false: requests go on before their record is on disk");
  }
  check_master_key(out, config);
  if (::access(config.common_passwords.c_str(), R_OK) == 0) {
    out.add(Grade::ok, "passwords", "common ones are refused: " + config.common_passwords.string());
  } else {
    out.add(Grade::warn, "passwords", config.common_passwords.string() + " is missing (Debian package john-data): common passwords pass");
  }
  if (config.checkpoint_file.empty()) {
    out.add(Grade::warn, "checkpoints", "audit.checkpoint_file is not set: nothing off this machine would show that the log's end was cut");
  }
  check_tls(out, config, clock);
}

void check_checkpoint(Findings& out, Context& ctx, const Config* config) {
  const Result<Reply> head = ctx.call_once(http::Method::get, "/audit/checkpoint", As::session, {});
  if (!head) {
    out.add(Grade::warn, "audit log", "not looked at: " + head.error().detail);
    return;
  }
  const auto records = static_cast<std::uint64_t>(number_of(head->json, "records"));
  const Result<VerifierKey> key = parse_verifier_key(text_of(head->json, "vkey"));
  const std::string note = text_of(head->json, "checkpoint");
  if (!key) {
    out.add(Grade::fail, "audit log", key.error().detail);
    return;
  }
  if (!note.empty()) {
    const Result<audit::Checkpoint> newest = audit::open_checkpoint(note, key->key);
    if (!newest || newest->size > records) {
      out.add(Grade::fail, "audit log", "the newest checkpoint does not verify: run `vestibule audit verify`");
      return;
    }
  }
  if (config != nullptr && !config->checkpoint_file.empty()) {
    std::ifstream in(config->checkpoint_file, std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    const std::vector<std::string_view> notes = audit::split_notes(text);
    if (!notes.empty()) {
      const Result<audit::Checkpoint> last = audit::open_checkpoint(notes.back(), key->key);
      if (!last || last->size > records) {
        out.add(Grade::fail, "audit log", last ? "a longer log was signed than there is: its end is missing"
                                               : "the last shipped checkpoint does not verify: " + last.error().detail);
        return;
      }
    }
  }
  out.add(Grade::ok, "audit log", fmt::format("{} records, newest checkpoint verifies; `vestibule audit verify` looks at all of it", records));
}

void check_status(Findings& out, Context& ctx, const Config* config) {
  const Result<Reply> reply = ctx.call_once(http::Method::get, "/status", As::session, {});
  const json::Value* points = reply ? reply->json.find("access_points") : nullptr;
  if (!reply) {
    out.add(Grade::warn, "status", "not all could be checked, an administrator's or auditor's session is needed: " + reply.error().detail);
  } else {
    const json::Value& s = reply->json;
    const std::string store = text_of(s, "store");
    out.add(store == "ok" ? Grade::ok : Grade::fail, "store", store == "ok" ? "takes writes" : "state: " + store);
    if (const json::Value* a = s.find("audit"); a != nullptr && text_of(*a, "health") != "ok") {
      out.add(Grade::fail, "audit", "state: " + text_of(*a, "health"));
    }
    if (!flag_of(s, "clock_trusted")) {
      out.add(Grade::fail, "clock trust", "the clock is behind what the gateway has seen: factors count as lapsed. See docs/runbooks/clock-set-back.md");
    }
    if (const json::Value* p = s.find("policy"); p != nullptr && p->find("staged") != nullptr && !p->find("staged")->is_null() &&
                                                  p->find("staged")->type_name() != "boolean") {
      out.add(Grade::warn, "policy", "a change waits for approval: `vestibule policy show`");
    }
    const json::Value* stops = s.find("stops");
    const std::int64_t stopped = stops == nullptr ? 0 : stops->is_array() ? static_cast<std::int64_t>(stops->items().size()) : number_of(s, "stops");
    if (stopped > 0) out.add(Grade::warn, "stops", fmt::format("{} in force: `vestibule stop list`", stopped));
    if (const std::int64_t asleep = number_of(s, "tools_asleep"); asleep > 0) {
      out.add(Grade::warn, "tools", fmt::format("{} asleep, since their definition has changed: `vestibule tool list --asleep`", asleep));
    }
    if (points != nullptr) {
      for (const json::Value& p : points->items()) {
        if (const std::string child = text_of(p, "child"); !child.empty() && child != "ready") {
          out.add(Grade::warn, "access " + text_of(p, "name"), "its model server is not ready: " + child);
        }
      }
    }
  }
  if (config != nullptr) {
    for (const access::AccessPoint& point : config->points) {
      std::optional<bool> closed;
      if (points != nullptr) {
        for (const json::Value& p : points->items()) {
          if (text_of(p, "name") == point.name) closed = flag_of(p, "closed");
        }
      }
      check_point(out, point, closed);
    }
  } else if (points != nullptr) {
    for (const json::Value& p : points->items()) {
      if (!flag_of(p, "closed")) out.add(Grade::warn, "access " + text_of(p, "name"), "bypassable: the model server can be reached without the gateway");
    }
  }
}

}  // namespace

int doctor(Context& ctx) {
  Findings findings;
  const SystemClock clock;
  const Result<Config> config = ctx.config();
  if (config) {
    check_offline(findings, *config, clock);
  } else {
    // Where nothing was named and nothing lies about, only the running gateway can be asked.
    findings.add(config.error().code == Reason::not_found ? Grade::warn : Grade::fail, "config", config.error().detail);
  }
  check_clock(findings);
  const Config* c = config ? &*config : nullptr;
  const Result<std::string> socket = ctx.socket();
  // 503 is an answer too: it says what is wrong.
  const Result<Reply> health = ctx.call_once(http::Method::get, "/health", As::nobody, {});
  if (health) {
    findings.add(Grade::ok, "gateway", "answers on " + *socket);
    if (flag_of(health->json, "needs_setup")) findings.add(Grade::warn, "set-up", "there is no administrator yet: run `vestibule setup`");
  } else if (health.error().code == Reason::upstream_unreachable) {
    findings.add(Grade::warn, "gateway", health.error().detail);
  } else {
    findings.add(Grade::fail, "gateway", "answers, but is failing: " + health.error().detail);
  }
  if (health || health.error().code != Reason::upstream_unreachable) {
    check_process(findings, *socket);
    check_status(findings, ctx, c);
    check_checkpoint(findings, ctx, c);
  } else if (c != nullptr) {
    for (const access::AccessPoint& point : c->points) check_point(findings, point, std::nullopt);
  }
  findings.show(ctx);
  return status(findings.worst() == Grade::fail ? Exit::refused : Exit::ok);
}

}  // namespace vestibule::app::cli
