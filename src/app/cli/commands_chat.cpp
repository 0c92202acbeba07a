// chat: talks to an access point the way any OpenAI client does, through the front door.

#include <fmt/format.h>


#include "app/cli/account.hpp"
#include "app/cli/commands_chat.hpp"
#include "app/cli/terminal.hpp"
#include "app/files.hpp"
#include "http/sse.hpp"

namespace vestibule::app::cli {
namespace {

struct ToolCall {
  std::string id, name, arguments;
};

struct Answer {
  std::string text, finish, model;
  std::vector<ToolCall> calls;
  std::string error;          // an error event within the stream
  bool done = false;          // the stream said so itself
  std::int64_t expires_in_s = -1;
};

// Puts the pieces of a stream together as they come. Used in the client's thread while the command
// waits.
class Collector {
 public:
  explicit Collector(bool show) : show_(show), terminal_(stdout_is_terminal()) {}

  bool take(std::string_view piece) {
    return splitter_.feed(piece, [this](const http::SseEvent& e) {
      if (e.has_data) event(e.data);
    });
  }
  void finish() {
    splitter_.finish([this](const http::SseEvent& e) {
      if (e.has_data) event(e.data);
    });
  }
  [[nodiscard]] Answer& answer() noexcept { return answer_; }

 private:
  void event(std::string_view data) {
    if (data == "[DONE]") {
      answer_.done = true;
      return;
    }
    const Result<json::Value> chunk = json::parse(data);
    if (!chunk) return;
    if (const json::Value* e = chunk->find("error")) {
      answer_.error = text_of(*e, "message");
      if (answer_.error.empty()) answer_.error = "the answer was broken off";
      return;
    }
    if (answer_.model.empty()) answer_.model = text_of(*chunk, "model");
    const json::Value* choices = chunk->find("choices");
    if (choices == nullptr) return;
    for (const json::Value& c : choices->items()) {
      if (const std::string f = text_of(c, "finish_reason"); !f.empty()) answer_.finish = f;
      const json::Value* delta = c.find("delta");
      if (delta == nullptr) continue;
      if (const std::string text = text_of(*delta, "content"); !text.empty()) {
        answer_.text += text;
        // What a model writes must not steer the terminal; a file gets it as it is.
        if (show_) out(terminal_ ? printable(text, Lines::many) : text);
      }
      if (const json::Value* calls = delta->find("tool_calls")) {
        for (const json::Value& t : calls->items()) tool(t);
      }
    }
  }
  void tool(const json::Value& t) {
    const std::int64_t index = number_of(t, "index");
    if (index < 0 || index > 63) return;
    if (answer_.calls.size() <= static_cast<std::size_t>(index)) answer_.calls.resize(static_cast<std::size_t>(index) + 1);
    ToolCall& call = answer_.calls[static_cast<std::size_t>(index)];
    if (const std::string id = text_of(t, "id"); !id.empty()) call.id = id;
    if (const json::Value* f = t.find("function")) {
      call.name += text_of(*f, "name");
      call.arguments += text_of(*f, "arguments");
    }
  }

  http::SseSplitter splitter_;
  Answer answer_;
  bool show_;
  bool terminal_;
};

json::Value message(std::string_view role, std::string_view content) {
  json::Value m;
  m.set("role", role).set("content", content);
  return m;
}

class Chat {
 public:
  Chat(Context& ctx, const ChatOptions& options) : ctx_(ctx), options_(options) {}

  Result<void> open() {
    Result<Reply> me = ctx_.get("/me");
    if (!me && wants_sign_in(me.error().code) && can_ask()) {
      if (Result<void> r = revive(me.error().code, me.error().detail); !r) return r;
      me = ctx_.get("/me");
    }
    if (!me) return std::move(me).error();
    if (Result<void> r = choose(me->json); !r) return r;
    Result<std::string> url = ctx_.url();
    if (!url) return std::move(url).error();
    Result<Endpoint> endpoint = Endpoint::from_url(*url);
    if (!endpoint) return std::move(endpoint).error();
    endpoint->ca_file = ctx_.globals().ca_file;
    client_ = std::make_unique<Client>(std::move(*endpoint));
    if (Result<void> r = new_token(); !r) return r;
    if (!options_.tools_file.empty()) {
      if (Result<void> r = read_tools(); !r) return r;
    }
    model_ = options_.model;
    if (model_.empty()) {
      if (Result<void> r = first_model(); !r) return r;
    }
    messages_ = json::Value{json::Array{}};
    if (!options_.system.empty()) messages_.push(message("system", options_.system));
    return {};
  }

  // One turn. What was said stays said: a lapsed factor is proved and the same prompt sent again.
  Result<Answer> say(json::Value said) {
    messages_.push(std::move(said));
    json::Value body;
    body.set("model", model_).set("messages", messages_).set("stream", true);
    if (!tools_.is_null()) body.set("tools", tools_);
    Collector collector(!ctx_.json());
    Result<Reply> reply = send(http::Method::post, "/v1/chat/completions", body.dump(), &collector);
    if (!reply) return std::move(reply).error();
    collector.finish();
    Answer answer = std::move(collector.answer());
    answer.expires_in_s = reply->expires_in_s;
    if (!answer.error.empty()) return fail(Reason::upstream_aborted, answer.error);
    json::Value m = message("assistant", answer.text);
    if (!answer.calls.empty()) {
      json::Value calls{json::Array{}};
      for (const ToolCall& c : answer.calls) {
        json::Value f;
        f.set("name", c.name).set("arguments", c.arguments);
        json::Value v;
        v.set("id", c.id).set("type", "function").set("function", std::move(f));
        calls.push(std::move(v));
      }
      m.set("tool_calls", std::move(calls));
    }
    messages_.push(std::move(m));
    return answer;
  }
  void add(json::Value said) { messages_.push(std::move(said)); }
  /// After a turn that failed: the prompt is taken back.
  void take_back() {
    json::Array kept(messages_.items().begin(), messages_.items().end());
    const auto settled = [](const json::Value& m) {
      const std::string role = text_of(m, "role");
      return role == "system" || (role == "assistant" && m.find("tool_calls") == nullptr);
    };
    while (!kept.empty() && !settled(kept.back())) kept.pop_back();
    messages_ = json::Value(std::move(kept));
  }
  [[nodiscard]] const std::string& model() const noexcept { return model_; }
  [[nodiscard]] const std::string& point() const noexcept { return point_; }

 private:
  Result<void> choose(const json::Value& me) {
    const json::Value* points = me.find("access_points");
    const json::Value* chosen = nullptr;
    std::string names;
    if (points != nullptr) {
      for (const json::Value& p : points->items()) {
        const std::string name = text_of(p, "name");
        const std::string kind = text_of(p, "kind");
        const bool speaks = kind != "anthropic" && kind != "http";
        if (!options_.access_point.empty() && name == options_.access_point && !speaks) {
          return fail(Reason::invalid_argument, "access point " + name + " does not speak the OpenAI shape");
        }
        if (!speaks) continue;
        names += (names.empty() ? "" : ", ") + name;
        if (options_.access_point.empty() ? chosen == nullptr || (text_of(p, "outcome") == "allow" && text_of(*chosen, "outcome") != "allow")
                                          : name == options_.access_point) {
          chosen = &p;
        }
      }
    }
    if (chosen == nullptr) {
      return fail(Reason::not_found, options_.access_point.empty()
                                         ? "there is no access point to chat with"
                                         : "there is no access point " + options_.access_point + (names.empty() ? "" : "; there is " + names));
    }
    point_ = text_of(*chosen, "name");
    prefix_ = text_of(*chosen, "prefix");
    return {};
  }

  Result<void> new_token() {
    Body body;
    body.set("ttl_s", std::int64_t{3600});  // for this conversation only; a longer one gets another
    Result<Reply> reply = ctx_.post("/tokens", As::session, std::move(body));
    if (!reply) return std::move(reply).error();
    std::string handle = text_of(reply->json, "token");
    token_ = Secret(std::string_view(handle));
    wipe(handle);
    return {};
  }

  // Says why it lapsed and lets the person prove the factor, or sign in again.
  Result<void> revive(Reason why, const std::string& text) {
    if (wants_sign_in(why)) {
      // The session may be alive although the token is not: then nobody needs to be asked.
      if (client_ && ctx_.call_once(http::Method::get, "/me", As::session, {})) return new_token();
      if (!can_ask()) return fail(why, text);
    }
    err("\n" + printable(text.empty() ? std::string(info(why).text) : text) + "\n");
    if (wants_sign_in(why)) {
      if (Result<void> r = sign_in_on_terminal(ctx_); !r) return r;
      return client_ ? new_token() : Result<void>();
    }
    Result<Reply> proved = ctx_.prove("Code:");
    if (proved) return {};
    if (wants_sign_in(proved.error().code) && can_ask()) {
      err(printable(proved.error().detail) + "\n");
      if (Result<void> r = sign_in_on_terminal(ctx_); !r) return r;
      return new_token();
    }
    return std::move(proved).error();
  }

  Result<Reply> send(http::Method method, std::string_view path, std::string body, Collector* collector) {
    for (int tries = 0;; ++tries) {
      Request request;
      request.method = method;
      request.target = prefix_ + std::string(path);
      request.body = body;
      request.bearer = &token_;
      if (collector != nullptr) request.sink = [collector](std::string_view piece) { return collector->take(piece); };
      Result<Reply> reply = client_->call(std::move(request));
      if (!reply && reply.error().code == Reason::upstream_unreachable) {
        return fail(Reason::upstream_unreachable, "no gateway answers on " + client_->endpoint().address.text() + ": " +
                                                      reply.error().detail + ". Say where it is with --url.");
      }
      if (!reply || reply->ok()) return reply;
      const Error e = error_of(*reply);
      const bool curable = wants_factor(e.code) ? e.code != Reason::confirmation_required && ctx_.more_codes()
                                                : wants_sign_in(e.code);
      if (tries >= 2 || !curable) return e;
      if (Result<void> r = revive(e.code, e.detail); !r) return std::move(r).error();
    }
  }

  Result<void> first_model() {
    Result<Reply> reply = send(http::Method::get, "/v1/models", {}, nullptr);
    if (!reply) return std::move(reply).error();
    if (const json::Value* data = reply->json.find("data"); data != nullptr && !data->items().empty()) {
      model_ = text_of(data->items().front(), "id");
    }
    if (model_.empty()) return fail(Reason::not_found, "the access point " + point_ + " lists no model: name one with --model");
    return {};
  }

  Result<void> read_tools() {
    const Result<std::string> text = read_file(options_.tools_file, Reason::invalid_argument);
    if (!text) return text.error();
    Result<json::Value> tools = json::parse(*text);
    if (!tools) return fail(Reason::invalid_argument, options_.tools_file + ": " + tools.error().detail);
    if (!tools->is_array()) return fail(Reason::invalid_argument, options_.tools_file + ": expected a JSON list of tools");
    tools_ = std::move(*tools);
    return {};
  }

  Context& ctx_;
  const ChatOptions& options_;
  std::unique_ptr<Client> client_;
  Secret token_;
  std::string point_, prefix_, model_;
  json::Value messages_, tools_;
};

void show_calls(const Answer& answer) {
  for (const ToolCall& c : answer.calls) out("[tool call] " + printable(c.name) + " " + printable(c.arguments) + "\n");
}

void show_json(const Answer& answer) {
  json::Value v;
  v.set("model", answer.model).set("content", answer.text).set("finish_reason", answer.finish);
  json::Value calls{json::Array{}};
  for (const ToolCall& c : answer.calls) {
    json::Value call;
    call.set("id", c.id).set("name", c.name).set("arguments", c.arguments);
    calls.push(std::move(call));
  }
  v.set("tool_calls", std::move(calls));
  out(v.dump() + "\n");
}

void show_end(Context& ctx, const Answer& answer) {
  if (ctx.json()) {
    show_json(answer);
    return;
  }
  if (!answer.text.empty() && !answer.text.ends_with('\n')) out("\n");
  show_calls(answer);
  if (!answer.done && answer.finish.empty()) warn("the answer has no end: it may be cut short");
  // Warned ahead: the next prompt will ask for a code.
  if (answer.expires_in_s >= 0 && answer.expires_in_s < 300) {
    err("(your second factor lapses in " + duration_text(answer.expires_in_s) + ")\n");
  }
}

// A line of the conversation: from the terminal with a prompt, else from standard input as it is.
std::optional<std::string> next_line(std::string_view prompt) {
  if (stdin_is_terminal()) out(prompt);
  const std::optional<Secret> line = read_line();
  if (!line) return std::nullopt;
  return std::string(line->reveal_text());
}

int converse(Context& ctx, Chat& chat) {
  if (stdin_is_terminal() && !ctx.json()) {
    err("Chatting with " + printable(chat.model()) + " at " + printable(chat.point()) + ". An empty line or Ctrl-D ends it.\n");
  }
  int exit = status(Exit::ok);
  while (std::optional<std::string> line = next_line("> ")) {
    if (line->empty()) {
      if (stdin_is_terminal()) break;
      continue;
    }
    Result<Answer> answer = chat.say(message("user", *line));
    while (answer) {
      show_end(ctx, *answer);
      exit = status(Exit::ok);
      if (answer->calls.empty()) break;
      // The person plays the tools: what is typed is what the tool gave.
      std::vector<json::Value> results;
      for (const ToolCall& c : answer->calls) {
        std::optional<std::string> result = next_line("result of " + printable(c.name) + "> ");
        if (!result) return exit;
        json::Value m = message("tool", *result);
        m.set("tool_call_id", c.id);
        results.push_back(std::move(m));
      }
      for (std::size_t i = 0; i + 1 < results.size(); ++i) chat.add(std::move(results[i]));
      answer = chat.say(std::move(results.back()));
    }
    if (!answer) {
      exit = ctx.failed(answer.error());
      if (exit == status(Exit::unreachable)) return exit;
      chat.take_back();
    }
  }
  return exit;
}

}  // namespace

int chat(Context& ctx, const ChatOptions& o) {
  std::string prompt = o.prompt;
  if (prompt == "-") {
    Result<Secret> text = read_all(std::size_t{4} << 20U);
    if (!text) return ctx.failed(text.error());
    prompt = std::string(text->reveal_text());
  }
  if (prompt.empty() && ctx.globals().code_stdin) {
    return ctx.failed(fail(Reason::invalid_argument, "--code-stdin goes with a prompt on the command line"));
  }
  Chat chat(ctx, o);
  if (Result<void> r = chat.open(); !r) return ctx.failed(r.error());
  if (prompt.empty()) return converse(ctx, chat);
  Result<Answer> answer = chat.say(message("user", prompt));
  if (!answer) return ctx.failed(answer.error());
  show_end(ctx, *answer);
  return status(Exit::ok);
}

}  // namespace vestibule::app::cli
