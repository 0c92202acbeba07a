// OpenAI's chat completions, and Ollama's /api/chat, which has the same message without choices around it.

#include <algorithm>
#include <array>
#include <utility>

#include "dialect/inspect_reply.hpp"

namespace vestibule::dialect {
namespace {

constexpr int kLegacy = -1;  // the place of `function_call`, of which a message has one
constexpr std::string_view kOtherKind = "other";

// Members of a message that are texts, and of all levels those that a reply written anew may keep: what is not
// known here might repeat a call that was refused.
constexpr std::array<std::string_view, 5> kTexts{"content", "reasoning_content", "reasoning", "thinking", "refusal"};
constexpr std::array<std::string_view, 3> kMessage{"role", "tool_calls", "function_call"};
constexpr std::array<std::string_view, 4> kChoice{"index", "finish_reason", "delta", "message"};
constexpr std::array<std::string_view, 20> kBody{
    "id",      "object",      "created",       "model",         "choices",           "usage",
    "error",   "timings",     "service_tier",  "created_at",    "system_fingerprint", "message",
    "done",    "done_reason", "total_duration", "load_duration", "prompt_eval_count", "prompt_eval_duration",
    "eval_count", "eval_duration"};

template <std::size_t N>
bool is_in(std::string_view name, const std::array<std::string_view, N>& list) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

// Every string at or below `at`.
template <class F>
Result<void> each_string(const Tree& tree, Tree::At at, std::string_view kind, F& f) {
  if (tree.is_string(at)) return f(kind, at);
  if (!tree.is_object(at) && !tree.is_array(at)) return {};
  for (Tree::At child = tree.first(at); child != Tree::kNone; child = tree.behind(child)) {
    Result<void> done = each_string(tree, child, kind, f);
    if (!done) return done;
  }
  return {};
}

// Every text of a message with its kind, in the order in which clients put it together.
template <class F>
Result<void> each_text(const Tree& tree, Tree::At message, F f) {
  for (Tree::At at = tree.first(message); at != Tree::kNone; at = tree.behind(at)) {
    const std::string_view key = tree.key(at);
    if (is_in(key, kMessage)) continue;
    const auto* text = std::find(kTexts.begin(), kTexts.end(), key);
    const bool parts = key == "content" && tree.is_array(at);
    if (!parts) {
      Result<void> done = each_string(tree, at, text != kTexts.end() && tree.is_string(at) ? *text : kOtherKind, f);
      if (!done) return done;
      continue;
    }
    for (Tree::At part = tree.first(at); part != Tree::kNone; part = tree.behind(part)) {
      if (!tree.is_object(part)) {
        Result<void> done = each_string(tree, part, kTexts[0], f);
        if (!done) return done;
        continue;
      }
      for (Tree::At field = tree.first(part); field != Tree::kNone; field = tree.behind(field)) {
        Result<void> done = each_string(tree, field, tree.key(field) == "text" && tree.is_string(field) ? kTexts[0] : kOtherKind, f);
        if (!done) return done;
      }
    }
  }
  return {};
}

enum class Server : std::uint8_t { openai, ollama };

class Chat final : public Reply {
 public:
  Chat(const InspectLimits& limits, Coming coming, Server server) : Reply(limits, coming), server_(server) {}

 private:
  struct Choice {
    int index = 0;
    bool ended = false;
    bool spoken = false;  // it has content, in what is rewritten
  };

  Choice& choice(int index) {
    for (Choice& c : choices_) {
      if (c.index == index) return c;
    }
    return choices_.emplace_back(Choice{index});
  }

  // Where a client of this form looks for the message, and where it does not.
  [[nodiscard]] std::pair<std::string_view, std::string_view> message_keys() const {
    const bool pieces = server_ == Server::openai && coming() == Coming::in_pieces;
    return pieces ? std::pair<std::string_view, std::string_view>{"delta", "message"}
                  : std::pair<std::string_view, std::string_view>{"message", "delta"};
  }

  // The index of a choice: its place where it has none.
  static int index_of(const Tree& tree, Tree::At at, int place) {
    const Tree::At index = tree.find(at, "index");
    return tree.is_nothing(index) ? place : tree.number(index);
  }

  Result<void> unit(std::string_view, const Tree& tree) override {
    if (!tree.is_object(0)) return unreadable("not an object");
    Result<void> ok = sound(tree, 0);
    if (!ok) return ok;
    if (server_ == Server::ollama) {
      const Tree::At done = tree.find(0, "done");
      ok = message_in(tree, 0, 0);
      if (ok && done != Tree::kNone && tree.kind(done) == json::Token::boolean_true) choice(0).ended = true;
      return ok;
    }
    const Tree::At choices = tree.find(0, "choices");
    if (tree.is_nothing(choices)) return {};
    if (!tree.is_array(choices)) return unreadable("choices");
    int place = 0;
    for (Tree::At at = tree.first(choices); at != Tree::kNone; at = tree.behind(at), ++place) {
      if (!tree.is_object(at)) return unreadable("choices");
      ok = sound(tree, at);
      if (!ok) return ok;
      const int index = index_of(tree, at, place);
      if (index < 0) return unreadable("choices.index");
      if (index >= kChoices) return fail(Reason::reply_too_large, "choices");
      if (coming() == Coming::whole && index != place) return unreadable("choices.index");
      ok = message_in(tree, at, index);
      if (!ok) return ok;
      if (!tree.is_nothing(tree.find(at, "finish_reason"))) choice(index).ended = true;
    }
    return {};
  }

  Result<void> message_in(const Tree& tree, Tree::At holder, int index) {
    const auto [here, not_here] = message_keys();
    if (!tree.is_nothing(tree.find(holder, not_here))) return unreadable("a message where a delta belongs, or the other way round");
    if (server_ == Server::openai && tree.is_string(tree.find(holder, "text"))) {
      Result<void> ok = add_piece(index, 0, kOtherKind, tree, tree.find(holder, "text"));
      if (!ok) return ok;
    }
    const Tree::At message = tree.find(holder, here);
    if (tree.is_nothing(message)) return {};
    if (!tree.is_object(message)) return unreadable("a message that is no object");
    Result<void> ok = sound(tree, message);
    if (!ok) return ok;
    ok = each_text(tree, message, [&](std::string_view kind, Tree::At at) { return add_piece(index, 0, kind, tree, at); });
    if (!ok) return ok;
    ok = tool_calls(tree, tree.find(message, "tool_calls"), index);
    if (!ok) return ok;
    return function_call(tree, tree.find(message, "function_call"), index);
  }

  Result<void> tool_calls(const Tree& tree, Tree::At list, int index) {
    if (tree.is_nothing(list)) return {};
    if (!tree.is_array(list)) return unreadable("tool_calls");
    for (Tree::At at = tree.first(list); at != Tree::kNone; at = tree.behind(at)) {
      if (!tree.is_object(at)) return unreadable("tool_calls");
      Result<void> ok = sound(tree, at);
      if (!ok) return ok;
      int place = calls_read_;  // a call of its own
      ++calls_read_;
      if (server_ == Server::openai && coming() == Coming::in_pieces) {
        place = tree.number(tree.find(at, "index"));
        if (place < 0) return unreadable("tool_calls.index");
      }
      ok = tool_call(tree, at, index, place);
      if (!ok) return ok;
    }
    return {};
  }

  Result<void> tool_call(const Tree& tree, Tree::At at, int index, int place) {
    const Tree::At function = tree.find(at, "function");
    const Tree::At custom = tree.find(at, "custom");
    const Tree::At type = tree.find(at, "type");
    if (!tree.is_nothing(function) && !tree.is_nothing(custom)) return unreadable("a call of two kinds");
    const bool is_custom = !tree.is_nothing(custom);
    if (!tree.is_nothing(type) && !tree.text(type).empty() && tree.text(type) != (is_custom ? "custom" : "function")) {
      return unreadable("tool_calls.type");
    }
    const Arguments form = server_ == Server::ollama ? Arguments::object : is_custom ? Arguments::free_text : Arguments::json_text;
    Begun* call = call_at(index, place);
    if (call == nullptr) {
      Result<Begun*> begun = begin_call(index, place, form);
      if (!begun) return std::move(begun).error();
      call = *begun;
    } else if (is_custom != (call->form == Arguments::free_text) && !tree.is_nothing(is_custom ? custom : function)) {
      return unreadable("a call of two kinds");
    }
    const Tree::At id = tree.find(at, "id");
    if (!tree.is_nothing(id) && !tree.is_string(id)) return unreadable("tool_calls.id");
    Result<void> ok = set_once(call->call.id, tree.text(id), "a call with two ids");
    if (!ok) return ok;
    const Tree::At body = is_custom ? custom : function;
    if (tree.is_nothing(body)) return {};
    return named(tree, body, is_custom ? "input" : "arguments", *call);
  }

  Result<void> function_call(const Tree& tree, Tree::At at, int index) {
    if (tree.is_nothing(at)) return {};
    Begun* call = call_at(index, kLegacy);
    if (call == nullptr) {
      Result<Begun*> begun = begin_call(index, kLegacy, Arguments::json_text);
      if (!begun) return std::move(begun).error();
      call = *begun;
    }
    return named(tree, at, "arguments", *call);
  }

  // A name and arguments, or the next piece of them.
  Result<void> named(const Tree& tree, Tree::At at, std::string_view arguments_key, Begun& call) {
    if (!tree.is_object(at)) return unreadable("a call that is no object");
    Result<void> ok = sound(tree, at);
    if (!ok) return ok;
    const Tree::At name = tree.find(at, "name");
    if (!tree.is_nothing(name) && !tree.is_string(name)) return unreadable("a name that is no text");
    if (!tree.text(name).empty()) {
      // Some clients append a second name to the first, some put it in its place.
      if (!call.call.name.empty()) return unreadable("a call with two names");
      call.call.name = tree.text(name);
    }
    const Tree::At arguments = tree.find(at, arguments_key);
    if (tree.is_nothing(arguments)) return {};
    if (call.form == Arguments::object) {
      if (!tree.is_object(arguments)) return unreadable("arguments that are no object");
      return add_arguments(call, tree.raw(arguments));
    }
    if (!tree.is_string(arguments)) return unreadable("arguments that are no text");
    return add_arguments(call, tree.text(arguments));
  }

  bool calls_ended() const override {
    if (coming() == Coming::whole) return true;
    const auto ended = [this](int index) {
      return std::any_of(choices_.begin(), choices_.end(), [index](const Choice& c) { return c.index == index && c.ended; });
    };
    return std::all_of(begun().begin(), begun().end(), [&](const Begun& b) { return ended(b.a); }) &&
           std::all_of(channels().begin(), channels().end(), [&](const Channel& c) { return c.scan.calls().empty() || ended(c.a); });
  }

  // --- written anew

  template <std::size_t N>
  static void drop_unknown(const Tree& tree, Tree::At object, const std::array<std::string_view, N>& known, Edits& edits) {
    for (Tree::At at = tree.first(object); at != Tree::kNone; at = tree.behind(at)) {
      if (!is_in(tree.key(at), known) && !tree.is_nothing(at)) edits.replace(tree.begin(at), tree.end(at), "null");
    }
  }

  void rewrite(std::string_view event, const Tree& tree, std::vector<Piece>& out) override {
    Edits edits;
    drop_unknown(tree, 0, kBody, edits);
    if (server_ == Server::ollama) {
      rewrite_message(tree, tree.find(0, "message"), 0, edits);
      rewrite_end(tree, tree.find(0, "done_reason"), 0, edits);
    } else {
      const Tree::At choices = tree.find(0, "choices");
      int place = 0;
      if (tree.is_array(choices)) {
        for (Tree::At at = tree.first(choices); at != Tree::kNone; at = tree.behind(at), ++place) {
          const int index = index_of(tree, at, place);
          drop_unknown(tree, at, kChoice, edits);
          rewrite_message(tree, tree.find(at, message_keys().first), index, edits);
          rewrite_end(tree, tree.find(at, "finish_reason"), index, edits);
        }
      }
    }
    out.push_back({std::string(event), edits.apply(tree.whole(), 0, tree.whole().size())});
  }

  void rewrite_end(const Tree& tree, Tree::At reason, int index, Edits& edits) const {
    const std::string_view text = tree.text(reason);
    if ((text == "tool_calls" || text == "function_call") && calls_left(index) == 0) {
      edits.replace(tree.begin(reason), tree.end(reason), "\"stop\"");
    }
  }

  void rewrite_message(const Tree& tree, Tree::At message, int index, Edits& edits) {
    if (!tree.is_object(message)) return;
    const Tree::At content = tree.find(message, "content");
    std::string spoken;  // the content: a text, or the parts of a list
    for (Tree::At at = tree.first(message); at != Tree::kNone; at = tree.behind(at)) {
      const std::string_view key = tree.key(at);
      if (is_in(key, kMessage)) continue;
      const auto* kind = std::find(kTexts.begin(), kTexts.end(), key);
      if (at == content && tree.is_array(at)) {
        spoken = rewritten_parts(tree, at, channel(index, 0, kTexts[0]));
      } else if (kind != kTexts.end() && tree.is_string(at)) {
        std::string text = rewritten(channel(index, 0, *kind), tree.text(at));
        if (at == content) {
          spoken = std::move(text);
        } else if (text != tree.text(at)) {
          edits.replace(tree.begin(at), tree.end(at), in_quotes(text));
        }
      } else if (at != content && !tree.is_nothing(at)) {
        edits.replace(tree.begin(at), tree.end(at), "null");
      }
    }

    std::string sentences;
    rewrite_calls(tree, tree.find(message, "tool_calls"), index, sentences, edits);
    const Tree::At legacy = tree.find(message, "function_call");
    if (!tree.is_nothing(legacy)) {
      Begun* call = call_at(index, kLegacy);
      if (call != nullptr && refusal(*call) != nullptr) {
        say(*call, sentences);
        edits.replace(tree.begin(legacy), tree.end(legacy), "null");
      }
    }

    Choice& c = choice(index);
    if (!sentences.empty() && (c.spoken || !spoken.empty() || channel(index, 0, kTexts[0]).flowed > 0)) sentences.insert(0, "\n\n");
    c.spoken = c.spoken || !spoken.empty() || !sentences.empty();
    if (tree.is_array(content)) {
      if (!sentences.empty()) add_part(spoken, sentences);
      edits.replace(tree.begin(content), tree.end(content), "[" + spoken + "]");
    } else if (tree.is_string(content) || !(tree.is_nothing(content) && sentences.empty())) {
      spoken += sentences;
      if (content == Tree::kNone) {
        edits.replace(tree.begin(message) + 1, tree.begin(message) + 1,
                      "\"content\":" + in_quotes(spoken) + (tree.first(message) == Tree::kNone ? "" : ","));
      } else if (tree.is_nothing(content) || spoken != tree.text(content)) {
        edits.replace(tree.begin(content), tree.end(content), in_quotes(spoken));
      }
    }
  }

  static void add_part(std::string& parts, std::string_view text) {
    parts.append(parts.empty() ? "" : ",").append(R"({"type":"text","text":)").append(in_quotes(text)).append("}");
  }
  // Texts only: what another part says is not known.
  std::string rewritten_parts(const Tree& tree, Tree::At list, Channel& content) const {
    std::string out;
    for (Tree::At part = tree.first(list); part != Tree::kNone; part = tree.behind(part)) {
      const Tree::At text = tree.is_string(part) ? part : tree.find(part, "text");
      if (tree.is_string(text)) add_part(out, rewritten(content, tree.text(text)));
    }
    return out;
  }

  static void append_sentence(std::string& sentences, std::string_view sentence) {
    if (!sentences.empty()) sentences += "\n\n";
    sentences += sentence;
  }
  void say(Begun& call, std::string& sentences) const {
    if (!std::exchange(call.said, true)) append_sentence(sentences, *refusal(call));
  }

  // The place of a released call among those that are left.
  int new_place(const Begun& call) {
    return static_cast<int>(std::count_if(begun().begin(), begun().end(), [&](const Begun& other) {
      return other.a == call.a && other.b != kLegacy && other.b < call.b && refusal(other) == nullptr;
    }));
  }

  void rewrite_calls(const Tree& tree, Tree::At list, int index, std::string& sentences, Edits& edits) {
    if (!tree.is_array(list) || tree.first(list) == Tree::kNone) return;
    const bool numbered = server_ == Server::openai && coming() == Coming::in_pieces;
    std::string left;
    for (Tree::At at = tree.first(list); at != Tree::kNone; at = tree.behind(at)) {
      const Tree::At number = tree.find(at, "index");
      Begun* call = call_at(index, numbered ? tree.number(number) : calls_written_++);
      if (call == nullptr) continue;
      if (refusal(*call) != nullptr) {
        say(*call, sentences);
        continue;
      }
      Edits renumbered;
      if (tree.number(number) >= 0) renumbered.replace(tree.begin(number), tree.end(number), std::to_string(new_place(*call)));
      left.append(left.empty() ? "" : ",").append(renumbered.apply(tree.whole(), tree.begin(at), tree.end(at)));
    }
    edits.replace(tree.begin(list), tree.end(list), left.empty() ? "null" : "[" + left + "]");
  }

  static constexpr int kChoices = 128;
  Server server_;
  std::vector<Choice> choices_;
  int calls_read_ = 0;
  int calls_written_ = 0;
};

}  // namespace

std::unique_ptr<Reply> chat_reply(const InspectLimits& limits, Coming coming) {
  return std::make_unique<Chat>(limits, coming, Server::openai);
}

std::unique_ptr<Reply> ollama_reply(const InspectLimits& limits, Coming coming) {
  return std::make_unique<Chat>(limits, coming, Server::ollama);
}

}  // namespace vestibule::dialect
