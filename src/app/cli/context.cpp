#include "app/cli/context.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "app/cli/terminal.hpp"
#include "app/cli/text.hpp"
#include "app/cli/token_cache.hpp"

namespace vestibule::app::cli {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string absolute_socket(std::string path) {
  if (path.starts_with("unix:")) path.erase(0, 5);
  std::error_code ec;
  return std::filesystem::absolute(path, ec).lexically_normal().string();
}

std::string url_of(const Config& config) {
  const std::string scheme = config.tls_certificate.empty() ? "http://" : "https://";
  for (const net::Address& a : config.listen) {
    if (a.is_unix()) continue;
    std::string host = a.host.find(':') != std::string::npos ? "[" + a.host + "]" : a.host;
    const auto named = [&](std::string_view name) {
      return std::find(config.hosts.begin(), config.hosts.end(), name) != config.hosts.end();
    };
    if (a.is_loopback() && named("localhost")) {
      host = "localhost";
    } else if (!named(host) && !config.hosts.empty()) {
      host = config.hosts.front();
    }
    return scheme + host + ":" + std::to_string(a.port);
  }
  return {};
}

constexpr int kTries = 3;

}  // namespace

// ------------------------------------------------------------------------------------- finding it

Result<std::filesystem::path> Context::config_file() const {
  if (!globals_.config.empty()) return std::filesystem::path(globals_.config);
  if (const std::string v = variable("VESTIBULE_CONFIG"); !v.empty()) return std::filesystem::path(v);
  for (const char* name : {"vestibule.toml", "run/vestibule.toml", "/etc/vestibule/vestibule.toml"}) {
    std::error_code ec;
    if (std::filesystem::exists(name, ec)) return std::filesystem::path(name);
  }
  return fail(Reason::not_found,
              "no configuration file: give --config FILE, set VESTIBULE_CONFIG, or stand where vestibule.toml is");
}

Result<Config> Context::config() const {
  Result<std::filesystem::path> file = config_file();
  if (!file) return std::move(file).error();
  return load_config(*file);
}

Result<std::string> Context::socket() {
  if (!globals_.socket.empty()) return absolute_socket(globals_.socket);
  if (const std::string v = variable("VESTIBULE_SOCKET"); !v.empty()) return absolute_socket(v);
  if (const Result<std::filesystem::path> file = config_file()) {
    Result<Config> c = load_config(*file);
    // A file that was named must be right; one that merely lies there may be none of ours.
    if (c) return c->control_socket.string();
    if (!globals_.config.empty() || !variable("VESTIBULE_CONFIG").empty()) return std::move(c).error();
  }
  if (const Result<std::filesystem::path> dir = state_directory()) {
    Result<std::optional<SavedSession>> saved = State(*dir).load();
    if (saved && *saved) return (**saved).socket;
  }
  return fail(Reason::upstream_unreachable,
              "where is the gateway? Give --socket PATH or --config FILE, or set VESTIBULE_SOCKET or VESTIBULE_CONFIG");
}

Result<std::string> Context::url() {
  if (!globals_.url.empty()) return globals_.url;
  if (std::string v = variable("VESTIBULE_URL"); !v.empty()) return v;
  // A socket that was named says which gateway is meant; a configuration that merely lies here may
  // be another's.
  Result<std::string> where = socket();
  if (const Result<Config> c = config(); c && (!where || c->control_socket.string() == *where)) {
    if (std::string u = url_of(*c); !u.empty()) return u;
    return fail(Reason::invalid_argument, "this gateway listens on Unix sockets only: give --url");
  }
  if (const Result<const SavedSession*> s = session(); s && !(*s)->url.empty()) return (*s)->url;
  return std::string("http://localhost:8420");
}

Result<Client*> Context::control() {
  if (!control_) {
    Result<std::string> path = socket();
    if (!path) return std::move(path).error();
    if (path->size() > 107) return fail(Reason::invalid_argument, "the path of the socket is too long: " + *path);
    control_ = std::make_unique<Client>(Endpoint::control(*path));
  }
  return control_.get();
}

// ------------------------------------------------------------------------------------- the session

Result<const SavedSession*> Context::session() {
  if (!session_loaded_) {
    Result<std::filesystem::path> dir = state_directory();
    if (!dir) return std::move(dir).error();
    Result<std::optional<SavedSession>> saved = State(*dir).load();
    if (!saved) return std::move(saved).error();
    session_ = std::move(*saved);
    session_loaded_ = true;
  }
  if (!session_) return fail(Reason::credential_missing, "You are not signed in. Run `vestibule login`.");
  Result<std::string> here = socket();
  if (!here) return std::move(here).error();
  if (session_->socket != *here) {
    return fail(Reason::credential_missing, "You are signed in at the gateway on " + session_->socket + ", not at the one on " +
                                                *here + ". Run `vestibule login` for this one.");
  }
  return &*session_;
}

Result<void> Context::keep(SavedSession session) {
  Result<std::filesystem::path> dir = state_directory();
  if (!dir) return std::move(dir).error();
  if (Result<void> r = State(*dir).save(session); !r) return r;
  session_ = std::move(session);
  session_loaded_ = true;
  return {};
}

Result<void> Context::forget() {
  session_.reset();
  session_loaded_ = true;
  Result<std::filesystem::path> dir = state_directory();
  if (!dir) return std::move(dir).error();
  TokenCache(*dir).clear();
  return State(*dir).clear();
}

// ------------------------------------------------------------------------------------- calling

Result<Reply> Context::call_once(http::Method method, std::string_view target, As as, const Body& body,
                                 const std::function<bool(std::string_view)>& sink) {
  Request request;
  request.method = method;
  request.target = "/v1" + std::string(target);
  request.sink = sink;
  if (method == http::Method::post) request.body = body.text();
  if (as != As::nobody) {
    Result<const SavedSession*> s = session();
    if (!s) return std::move(s).error();
    request.bearer = &(*s)->handle;
  }
  Result<Client*> client = control();
  if (!client) return std::move(client).error();
  Result<Reply> reply = (*client)->call(std::move(request));
  if (!reply && (reply.error().code == Reason::upstream_unreachable || reply.error().code == Reason::upstream_timeout)) {
    return fail(Reason::upstream_unreachable,
                "no gateway answers: " + reply.error().detail +
                    ". Start it with `vestibule serve`, or say where it is with --socket PATH or --config FILE.");
  }
  if (!reply) return reply;
  if (!reply->ok()) return error_of(*reply);
  return reply;
}

Result<Reply> Context::call(http::Method method, std::string_view target, As as, Body body,
                            std::function<bool(std::string_view)> sink) {
  std::string question = "Code for this act:";
  for (int tries = 0;; ++tries) {
    if (as == As::bound) {
      Result<Secret> answer = code(question);
      if (!answer) return std::move(answer).error();
      body.set("code", *answer).set("kind", kind_of_codes());
    }
    Result<Reply> reply = call_once(method, target, as, body, sink);
    if (reply || tries + 1 >= kTries || as == As::nobody) return reply;
    const Error& e = reply.error();
    const bool wrong = e.code == Reason::code_wrong || e.code == Reason::code_used;
    if (wrong && as == As::bound && more_codes()) {
      warn(e.detail);
      question = e.code == Reason::code_used ? "Next code:" : "Code:";
      continue;
    }
    // The act is held, not lost: the person proves the factor, and it goes on.
    if ((e.code == Reason::mfa_required || e.code == Reason::mfa_lapsed) && more_codes()) {
      warn(std::string(info(e.code).text.substr(0, info(e.code).text.find('.') + 1)));
      if (Result<Reply> proved = prove("Code:"); !proved) return proved;
      question = "Next code, for this act (the last one is used up):";
      continue;
    }
    return reply;
  }
}

// ------------------------------------------------------------------------------------- factors

bool Context::more_codes() const { return !globals_.code.empty() || globals_.code_stdin || can_ask(); }

Result<Secret> Context::code(std::string_view question) {
  std::string typed;
  if (!globals_.code.empty()) {
    typed.swap(globals_.code);
  } else if (globals_.code_stdin) {
    const std::optional<Secret> line = read_line();
    if (!line) return fail(Reason::mfa_required, "a code is needed, and standard input has no more lines");
    typed = std::string(line->reveal_text());
  } else if (can_ask()) {
    Result<Secret> line = ask(question, Echo::on, "give --code CODE or --code-stdin");
    if (!line) return line;
    typed = std::string(line->reveal_text());
  } else {
    return fail(Reason::mfa_required, "a code of your second factor is needed: give --code CODE, or --code-stdin");
  }
  std::string stripped = strip_code(typed);
  wipe(typed);
  Secret answer{std::string_view(stripped)};
  wipe(stripped);
  if (answer.empty()) return fail(Reason::mfa_required, "no code was given");
  return answer;
}

std::string Context::kind_of_codes(const json::Value* second) {
  if (globals_.recovery) return "recovery_code";
  const auto choose = [this](const json::Value* offered) {
    if (offered == nullptr) return;
    for (const json::Value& kind : offered->items()) {
      const std::string name = kind.as_string().value_or("");
      if (name != "totp" && name != "hotp") continue;
      kind_ = name;
      return;
    }
  };
  if (second != nullptr) {
    choose(second);
  } else if (kind_.empty()) {
    const Result<Reply> me = call_once(http::Method::get, "/me", As::session, {});
    if (me) choose(me->json.find("second"));
  }
  return kind_.empty() ? "totp" : kind_;
}

Result<Reply> Context::prove(std::string_view question) {
  std::string asked(question);
  if (kind_of_codes() == "hotp") asked = "Code of your hardware token:";
  for (int tries = 0;; ++tries) {
    Result<Secret> answer = code(asked);
    if (!answer) return std::move(answer).error();
    Body body;
    body.set("kind", kind_of_codes()).set("answer", *answer);
    Result<Reply> reply = call_once(http::Method::post, "/prove", As::session, body);
    if (reply || tries + 1 >= kTries) return reply;
    const Reason why = reply.error().code;
    if ((why != Reason::code_wrong && why != Reason::code_used) || !more_codes()) return reply;
    warn(reply.error().detail);
    asked = why == Reason::code_used ? "Next code:" : "Code:";
  }
}

// ------------------------------------------------------------------------------------- saying it

int Context::failed(const Error& error) const {
  const std::string_view code = info(error.code).code;
  const std::string text = error.detail.empty() ? std::string(info(error.code).text) : error.detail;
  if (json()) {
    json::Value inner;
    inner.set("code", std::string(code)).set("message", text);
    json::Value outer;
    outer.set("error", std::move(inner));
    err(outer.dump() + "\n");
  } else {
    warn(printable(text, Lines::many));
  }
  return status(exit_for(error.code));
}

void Context::print_json(const Reply& reply) const { out(reply.json.dump() + "\n"); }

int Context::answered(const Result<Reply>& reply, std::string_view sentence) const {
  if (!reply) return failed(reply.error());
  if (json()) {
    print_json(*reply);
    return status(Exit::ok);
  }
  out(std::string(sentence) + "\n");
  // A denial that waits for the store is in force, but a restart before it is written would lose it.
  if (reply->json.find("durable") != nullptr && !flag_of(reply->json, "durable")) {
    warn("it is in force, but not stored yet: the store does not take writes. It is tried again until it does.");
  }
  return status(Exit::ok);
}

Error error_of(const Reply& reply) {
  const json::Value* e = reply.json.find("error");
  std::optional<Reason> reason = reason_from(reply.reason);
  if (!reason || *reason == Reason::ok) reason = Reason::internal;
  std::string message = e != nullptr ? text_of(*e, "message") : "";
  if (const std::string reasons = list_of(reply.json, "reasons"); message.empty()) message = reasons;  // of /health
  if (message.empty()) message = "the gateway answered with status " + std::to_string(reply.status);
  if (e != nullptr) {
    if (const std::string detail = text_of(*e, "detail"); !detail.empty() && detail != message) message += " (" + detail + ")";
  }
  if (!reply.retry_after.empty()) message += " Try again in " + reply.retry_after + " s.";
  // Here the model server cannot be meant, and a status of ours says that somebody answered.
  if (*reason == Reason::upstream_unreachable || *reason == Reason::upstream_timeout) reason = Reason::upstream_aborted;
  return fail(*reason, std::move(message));
}

std::string text_of(const json::Value& value, std::string_view key) {
  Result<std::string> r = value.get_string(key);
  return r ? std::move(*r) : std::string();
}
std::int64_t number_of(const json::Value& value, std::string_view key) { return value.get_int(key).value_or(0); }
bool flag_of(const json::Value& value, std::string_view key) { return value.get_bool(key).value_or(false); }
std::string list_of(const json::Value& value, std::string_view key) {
  std::string out;
  if (const json::Value* list = value.find(key)) {
    for (const json::Value& v : list->items()) {
      if (const Result<std::string> s = v.as_string()) out += (out.empty() ? "" : ", ") + *s;
    }
  }
  return out;
}

}  // namespace vestibule::app::cli
