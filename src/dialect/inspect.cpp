#include "dialect/inspect.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <utility>

#include "dialect/inspect_pattern.hpp"
#include "dialect/inspect_reply.hpp"
#include "http/chars.hpp"
#include "http/ndjson.hpp"
#include "http/sse.hpp"

namespace vestibule::dialect {
namespace {

using http::chars::equals_folded;
using http::chars::trimmed;

// Some line readers (Python's str.splitlines, httpx) end a line at these too: then a text could say what they take
// for an event of its own.
bool lines_for_some(std::string_view raw, std::string_view begin) noexcept {
  static constexpr std::array<std::string_view, 3> kEnds{"\xE2\x80\xA8", "\xE2\x80\xA9", "\xC2\x85"};
  for (const std::string_view end : kEnds) {
    for (std::size_t at = raw.find(end); at != std::string_view::npos; at = raw.find(end, at)) {
      at += end.size();
      std::string_view rest = raw.substr(at);
      while (!rest.empty() && (rest.front() == ' ' || rest.front() == '\t')) rest.remove_prefix(1);
      if (rest.starts_with(begin)) return true;
    }
  }
  return false;
}

std::unique_ptr<Reply> reply_of(ReplyShape shape, ReplyForm form, const InspectLimits& limits) {
  const Coming coming = form == ReplyForm::json ? Coming::whole : Coming::in_pieces;
  switch (shape) {
    case ReplyShape::chat_completions: return chat_reply(limits, coming);
    case ReplyShape::responses: return responses_reply(limits, coming);
    case ReplyShape::messages: return messages_reply(limits, coming);
    case ReplyShape::ollama_chat: return ollama_reply(limits, coming);
  }
  return nullptr;
}

// A body as a whole, as events, or as lines: what all of them share. What is held is in sequence and whole units.
class Framed : public Inspector {
 public:
  Framed(ReplyShape shape, ReplyForm form, const InspectLimits& limits)
      : shape_(shape), form_(form), limits_(limits), reply_(reply_of(shape, form, limits)) {}

  Result<void> feed(std::string_view bytes, std::string& out) final {
    if (error_) return *error_;
    if (ended_) return broken(fail(Reason::internal, "bytes behind the end"));
    take(bytes, out);
    return judged();
  }
  Result<void> finish(std::string& out) final {
    if (error_) return *error_;
    if (ended_) return broken(fail(Reason::internal, "a second end"));
    ended_ = true;
    take_end(out);
    if (error_) return judged();
    Result<void> ended = reply_->end();
    if (!ended) return broken(std::move(ended).error());
    if (reply_->calls().empty()) release(out);
    return {};
  }
  std::span<const ToolCall> calls() const noexcept final { return ended_ && !error_ ? reply_->calls() : std::span<const ToolCall>{}; }
  bool holding() const noexcept final { return !held_.empty(); }
  Result<void> resolve(std::span<const Ruling> rulings, std::string& out) final {
    if (error_) return *error_;
    if (!ended_ || rulings.size() != reply_->calls().size()) return broken(fail(Reason::internal, "rulings that do not fit"));
    if (!std::all_of(rulings.begin(), rulings.end(), [](const Ruling& r) { return r.release; })) {
      Result<void> ruled = reply_->rule(rulings);
      if (!ruled) return broken(std::move(ruled).error());
      std::string anew;
      rewrite(held_, anew);
      if (error_) return judged();
      if (!asks_only_for(anew, rulings)) return broken(fail(Reason::reply_unreadable, "what is left of it asks for something else"));
      held_ = std::move(anew);
    }
    release(out);
    return {};
  }

 protected:
  virtual void take(std::string_view bytes, std::string& out) = 0;
  virtual void take_end(std::string& out) = 0;
  virtual void rewrite(std::string_view held, std::string& out) = 0;

  // One unit of the body that has come.
  void unit(std::string_view raw, std::string_view event, std::string_view data, std::string& out) {
    if (error_) return;
    if (!data.empty()) {
      Result<void> read = read_anew(raw, event, data);
      if (!read) return stop(std::move(read).error());
    }
    pass(raw, out);
  }
  // Units that differ from the one before in their words alone, as most do: nothing of them but the words is read. Gives
  // how many bytes they were. `line`: what begins a line that says something.
  std::size_t again(std::string_view bytes, std::string_view line, std::string& out) {
    std::size_t done = 0;
    while (!error_) {
      const std::optional<Pattern::Match> match = pattern_.begins(bytes.substr(done));
      if (!match || match->size > limits_.event) break;
      const std::string_view raw = bytes.substr(done, match->size);
      if (!match->ascii && lines_for_some(raw, line)) break;
      Result<void> read = reply_->repeat(match->text);
      if (!read) {
        stop(std::move(read).error());
        break;
      }
      pass(raw, out);
      done += match->size;
    }
    return done;
  }
  // What can hold no call goes the way of what stands before it.
  void pass(std::string_view raw, std::string& out) {
    if (error_) return;
    if (reply_->open()) return hold(raw);
    release(out);
    out.append(raw);
    reply_->flowed();
  }
  void hold(std::string_view raw) {
    if (held_.size() + raw.size() > limits_.held) return stop(fail(Reason::reply_too_large, "held"));
    held_.append(raw);
  }
  void release(std::string& out) {
    out.append(held_);
    held_.clear();
  }
  // One held unit again.
  void rewrite_unit(std::string_view event, std::string_view data, std::vector<Piece>& pieces) {
    Result<void> read = tree_.read(data, limits_.depth);
    if (!read) return stop(std::move(read).error());
    reply_->rewrite(event, tree_, pieces);
  }
  void stop(Error error) {
    if (!error_) error_ = std::move(error);
    held_.clear();
  }
  [[nodiscard]] bool stopped() const noexcept { return error_.has_value(); }
  [[nodiscard]] std::string_view held() const noexcept { return held_; }
  [[nodiscard]] const InspectLimits& limits() const noexcept { return limits_; }

 private:
  Result<void> read_anew(std::string_view raw, std::string_view event, std::string_view data) {
    pattern_.clear();
    Result<void> read = tree_.read(data, limits_.depth);
    if (read && tree_.reaches_prototypes()) return fail(Reason::reply_unreadable, "a key of JavaScript's prototypes");
    if (read) read = reply_->read(event, tree_);
    if (read && reply_->only_text() != Tree::kNone) pattern_.set(raw, data, tree_, reply_->only_text());
    return read;
  }
  [[nodiscard]] bool asks_only_for(std::string_view anew, std::span<const Ruling> rulings) const;
  Result<void> judged() const {
    if (error_) return *error_;
    return {};
  }
  Result<void> broken(Error error) {
    stop(std::move(error));
    return judged();
  }

  ReplyShape shape_;
  ReplyForm form_;
  InspectLimits limits_;
  std::unique_ptr<Reply> reply_;
  Tree tree_;
  Pattern pattern_;
  std::string held_;
  std::optional<Error> error_;
  bool ended_ = false;
};

class Whole final : public Framed {
 public:
  using Framed::Framed;

 private:
  void take(std::string_view bytes, std::string&) override { hold(bytes); }
  void take_end(std::string& out) override {
    if (!held().empty()) unit({}, {}, held(), out);
  }
  void rewrite(std::string_view held, std::string& out) override {
    std::vector<Piece> pieces;
    rewrite_unit({}, held, pieces);
    for (const Piece& piece : pieces) out += piece.data;
  }
};

class Events final : public Framed {
  static constexpr std::string_view kLine = "data";

 public:
  Events(ReplyShape shape, ReplyForm form, const InspectLimits& limits) : Framed(shape, form, limits), splitter_(limits.event) {}

 private:
  void take(std::string_view bytes, std::string& out) override {
    if (splitter_.rest().empty()) bytes.remove_prefix(again(bytes, kLine, out));
    if (bytes.empty()) return;
    const bool fits = splitter_.feed(bytes, [&](const http::SseEvent& e) { event(e, e.raw, out); });
    if (!fits) stop(fail(Reason::reply_too_large, "event"));
  }
  void take_end(std::string& out) override {
    splitter_.finish([&](const http::SseEvent& e) { event(e, e.raw, out); });
    end_of(splitter_, [&](const http::SseEvent& e, std::string_view raw) { event(e, raw, out); });
  }

  // What is left without an empty line behind it: some clients drop it, some take it for an event.
  template <class F>
  static void end_of(http::SseSplitter& splitter, F f) {
    const std::string rest(splitter.rest());
    if (rest.empty()) return;
    bool first = true;
    (void)splitter.feed("\n\n", [&](const http::SseEvent& e) {
      if (std::exchange(first, false)) f(e, rest);
    });
  }

  void event(const http::SseEvent& e, std::string_view raw, std::string& out) {
    if (stopped() || again(raw, kLine, out) > 0) return;
    const bool first = std::exchange(first_, false);
    if (!first && raw.starts_with("\xEF\xBB\xBF")) return stop(fail(Reason::reply_unreadable, "a byte order mark within"));
    if (controls_beside(raw, e.data) || lines_for_some(raw, kLine)) return stop(fail(Reason::reply_unreadable, "line ends of another kind"));
    if (!e.strict) return stop(fail(Reason::reply_unreadable, "a line that is none of an event"));
    if (is_words(e.data)) return pass(raw, out);
    unit(raw, e.name, e.data, out);
  }

  // Data that no client reads as JSON.
  static bool is_words(std::string_view data) noexcept {
    while (!data.empty() && data.back() == ' ') data.remove_suffix(1);
    return data.empty() || data == "[DONE]";
  }

  // In the data themselves the JSON reader refuses them.
  static bool controls_beside(std::string_view raw, std::string_view data) noexcept {
    const auto has = [](std::string_view text) {
      return std::any_of(text.begin(), text.end(), [](char c) {
        return static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\r' && c != '\t';
      });
    };
    // One line of data stands in the event itself.
    const std::less_equal<> before;
    if (data.empty() || !before(raw.data(), data.data()) || !before(data.data() + data.size(), raw.data() + raw.size())) return has(raw);
    const auto at = static_cast<std::size_t>(data.data() - raw.data());
    return has(raw.substr(0, at)) || has(raw.substr(at + data.size()));
  }

  void rewrite(std::string_view held, std::string& out) override {
    http::SseSplitter splitter(limits().event);
    std::vector<Piece> pieces;
    const auto anew = [&](const http::SseEvent& e, std::string_view raw) {
      if (is_words(e.data)) {
        out.append(raw);
        return;
      }
      pieces.clear();
      rewrite_unit(e.name, e.data, pieces);
      for (const Piece& piece : pieces) {
        if (piece.data == e.data && piece.event == e.name) {
          out.append(raw);
        } else {
          write(piece, out);
        }
      }
    };
    (void)splitter.feed(held, [&](const http::SseEvent& e) { anew(e, e.raw); });
    splitter.finish([&](const http::SseEvent& e) { anew(e, e.raw); });
    end_of(splitter, anew);
  }

  static void write(const Piece& piece, std::string& out) {
    if (!piece.event.empty()) out.append("event: ").append(piece.event).append("\n");
    out.append("data: ").append(piece.data).append("\n\n");
  }

  http::SseSplitter splitter_;
  bool first_ = true;
};

class Lines final : public Framed {
  static constexpr std::string_view kLine = "{";

 public:
  Lines(ReplyShape shape, ReplyForm form, const InspectLimits& limits) : Framed(shape, form, limits), splitter_(limits.event) {}

 private:
  void take(std::string_view bytes, std::string& out) override {
    if (splitter_.rest().empty()) bytes.remove_prefix(again(bytes, kLine, out));
    if (bytes.empty()) return;
    const bool fits = splitter_.feed(bytes, [&](std::string_view raw, std::string_view text) { line(raw, text, out); });
    if (!fits) stop(fail(Reason::reply_too_large, "line"));
  }
  void take_end(std::string& out) override {
    splitter_.finish([&](std::string_view raw, std::string_view text) { line(raw, text, out); });
  }

  void line(std::string_view raw, std::string_view text, std::string& out) {
    if (stopped() || again(raw, kLine, out) > 0) return;
    if (lines_for_some(raw, kLine)) return stop(fail(Reason::reply_unreadable, "line ends of another kind"));
    if (text.find_first_not_of(" \t\r") == std::string_view::npos) return pass(raw, out);
    if (text.find('\r') != std::string_view::npos) return stop(fail(Reason::reply_unreadable, "line ends of another kind"));
    unit(raw, {}, text, out);
  }

  void rewrite(std::string_view held, std::string& out) override {
    http::NdjsonSplitter splitter(limits().event);
    std::vector<Piece> pieces;
    const auto anew = [&](std::string_view raw, std::string_view text) {
      pieces.clear();
      if (text.find_first_not_of(" \t\r") == std::string_view::npos) {
        out.append(raw);
        return;
      }
      rewrite_unit({}, text, pieces);
      for (const Piece& piece : pieces) out.append(piece.data).append("\n");
    };
    (void)splitter.feed(held, anew);
    splitter.finish(anew);
  }

  http::NdjsonSplitter splitter_;
};

// Null: no form that the shape's clients expect.
std::unique_ptr<Framed> framed(ReplyShape shape, ReplyForm form, const InspectLimits& limits) {
  const bool ollama = shape == ReplyShape::ollama_chat;
  if (form == ReplyForm::events && !ollama) return std::make_unique<Events>(shape, form, limits);
  if (form == ReplyForm::json && !ollama) return std::make_unique<Whole>(shape, form, limits);
  // Its clients read line by line whatever the type says, and some pass over lines that are no JSON.
  if ((form == ReplyForm::json || form == ReplyForm::ndjson) && ollama) return std::make_unique<Lines>(shape, form, limits);
  return nullptr;
}

// The second fence. What was written anew is read once more, behind what is out: it may ask for what was released,
// and for nothing that the words around a refused call, or the sentence in its place, would make of it.
bool Framed::asks_only_for(std::string_view anew, std::span<const Ruling> rulings) const {
  InspectLimits limits = limits_;
  limits.held += anew.size();
  limits.event += anew.size();
  const std::unique_ptr<Framed> again = framed(shape_, form_, limits);
  again->reply_->follow(*reply_);
  std::string out;
  if (!again->feed(anew, out) || !again->finish(out)) return false;
  std::span<const ToolCall> asked = again->calls();
  const std::span<const ToolCall> calls = reply_->calls();
  for (std::size_t i = 0; i < calls.size(); ++i) {
    if (!rulings[i].release) continue;
    if (asked.empty() || asked.front() != calls[i]) return false;
    asked = asked.subspan(1);
  }
  return asked.empty();
}

// A form that is not known is let through by nobody.
class Unread final : public Inspector {
 public:
  Result<void> feed(std::string_view, std::string&) override { return fail(Reason::reply_unreadable, "Content-Type"); }
  Result<void> finish(std::string&) override { return fail(Reason::reply_unreadable, "Content-Type"); }
  std::span<const ToolCall> calls() const noexcept override { return {}; }
  bool holding() const noexcept override { return false; }
  Result<void> resolve(std::span<const Ruling>, std::string&) override { return fail(Reason::reply_unreadable, "Content-Type"); }
};

}  // namespace

ReplyForm reply_form(std::string_view content_type) noexcept {
  const std::size_t semicolon = content_type.find(';');
  if (semicolon != std::string_view::npos) {
    // Other characters, other bytes.
    const std::string_view parameter = trimmed(content_type.substr(semicolon + 1));
    if (!parameter.empty() && !equals_folded(parameter, "charset=utf-8") && !equals_folded(parameter, "charset=\"utf-8\"")) return ReplyForm::unknown;
  }
  const std::string_view type = trimmed(content_type.substr(0, semicolon));
  if (equals_folded(type, "application/json")) return ReplyForm::json;
  if (equals_folded(type, "text/event-stream")) return ReplyForm::events;
  if (equals_folded(type, "application/x-ndjson")) return ReplyForm::ndjson;
  return ReplyForm::unknown;
}

bool is_prose(std::string_view text) noexcept {
  static constexpr std::array<std::string_view, 7> kBegins{"{", "[", "\"", "data", "event", "id:", "retry:"};
  const auto as_prose = [](std::string_view line) {
    return std::none_of(kBegins.begin(), kBegins.end(), [line](std::string_view begin) { return line.starts_with(begin); });
  };
  // Where some see a line's end that others do not, and what they pass over in front of it.
  for (const std::string_view begin : kBegins) {
    if (lines_for_some(text, begin)) return false;
  }
  const auto between = [](char c) { return static_cast<unsigned char>(c) <= 0x20; };
  while (!text.empty()) {
    if (between(text.front())) {
      text.remove_prefix(1);
      continue;
    }
    if (text.starts_with("\xEF\xBB\xBF")) {
      text.remove_prefix(3);
      continue;
    }
    if (!as_prose(text)) return false;
    const auto end = std::find_if(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 && c != '\t'; });
    text.remove_prefix(static_cast<std::size_t>(end - text.begin()));
  }
  return true;
}

std::optional<ReplyShape> reply_shape(const Need& need, std::string_view path) noexcept {
  if (need.operation == "responses") return ReplyShape::responses;
  if (need.operation != "chat") return std::nullopt;
  if (path.ends_with("/chat/completions")) return ReplyShape::chat_completions;
  if (path.ends_with("/messages")) return ReplyShape::messages;
  if (path == "/api/chat") return ReplyShape::ollama_chat;
  return std::nullopt;
}

std::unique_ptr<Inspector> inspect(ReplyShape shape, ReplyForm form, const InspectLimits& limits) {
  std::unique_ptr<Inspector> inspector = framed(shape, form, limits);
  return inspector != nullptr ? std::move(inspector) : std::make_unique<Unread>();
}

}  // namespace vestibule::dialect
