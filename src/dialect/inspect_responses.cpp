// OpenAI's Responses. Everything comes several times: in pieces, whole when its part ends, whole again in its item,
// and once more in the response at the end. Clients read one or the other, so all must say the same.

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "dialect/inspect_reply.hpp"
#include "json/writer.hpp"

namespace vestibule::dialect {
namespace {

constexpr std::string_view kText = "text";
constexpr std::string_view kRefusal = "refusal";
constexpr std::string_view kReasoning = "reasoning";
constexpr std::string_view kSummary = "summary";
constexpr std::string_view kOutput = "output_text";
constexpr std::string_view kOtherPart = "other";

// Texts that come in pieces: of `<event>.delta` and `<event>.done`.
struct TextEvent {
  std::string_view event, kind, whole, index;
  [[nodiscard]] Tree::At text(const Tree& tree, std::string_view type) const { return tree.find(0, type.ends_with(".delta") ? "delta" : whole); }
  [[nodiscard]] int place(const Tree& tree) const { return tree.number(tree.find(0, index)); }
};
constexpr std::array<TextEvent, 4> kTextEvents{{{"response.output_text", kText, "text", "content_index"},
                                                {"response.refusal", kRefusal, "refusal", "content_index"},
                                                {"response.reasoning_text", kReasoning, "text", "content_index"},
                                                {"response.reasoning_summary_text", kSummary, "text", "summary_index"}}};

const TextEvent* text_event(std::string_view type) {
  for (const TextEvent& e : kTextEvents) {
    if (type.starts_with(e.event) && (type.substr(e.event.size()) == ".delta" || type.substr(e.event.size()) == ".done")) return &e;
  }
  return nullptr;
}

// Events whose members are all read by their keys.
constexpr std::array<std::string_view, 13> kRead{
    "response.created",     "response.in_progress",        "response.queued",          "response.completed",
    "response.incomplete",  "response.failed",             "response.output_item.added", "response.output_item.done",
    "response.content_part.added", "response.content_part.done", "response.reasoning_summary_part.added",
    "response.reasoning_summary_part.done", "error"};

// Whether a value is the last word or its beginning.
enum class Word : std::uint8_t { first, last };

Word word(std::string_view type) { return type.ends_with(".done") ? Word::last : Word::first; }

// What is asked of the client, or run by the server. Every kind counts: shell, computer, patches and whatever will
// be invented are called `*_call`, and a client that knows them runs them. The whole item is what is asked.
bool is_other_call(std::string_view type) {
  if (type == "mcp_approval_request") return true;
  return type.find("_call") != std::string_view::npos && !type.ends_with("_output");
}

class Responses final : public Reply {
 public:
  Responses(const InspectLimits& limits, Coming coming) : Reply(limits, coming), joined_(limits.arguments, limits.depth) {}

  bool open() const noexcept override { return Reply::open() || joined_.open() || !joined_.calls().empty(); }

 private:
  struct Item {
    int place = 0;
    std::string type;
    bool whole = false;  // of a call: its arguments were said whole
    bool ended = false;
  };

  Item* item_at(int place) {
    const auto at = std::find_if(items_.begin(), items_.end(), [place](const Item& i) { return i.place == place; });
    return at == items_.end() ? nullptr : &*at;
  }

  Result<void> unit(std::string_view event, const Tree& tree) override {
    if (!tree.is_object(0)) return unreadable("not an object");
    Result<void> ok = sound(tree, 0);
    if (!ok) return ok;
    if (coming() == Coming::whole) return response(tree, 0, Word::last);
    const std::string_view type = tree.text(tree.find(0, "type"));
    if (type.empty()) return tree.is_nothing(tree.find(0, "error")) ? unreadable("an event without a type") : Result<void>{};
    if (!event.empty() && event != type) return unreadable("an event of two types");
    const bool last = type == "response.completed" || type == "response.incomplete" || type == "response.failed";
    if (ended_) return unreadable("an event behind the end");
    const int place = tree.number(tree.find(0, "output_index"));
    if (const Tree::At at = tree.find(0, "response"); !tree.is_nothing(at)) {
      ok = response(tree, at, last ? Word::last : Word::first);
      if (!ok) return ok;
    }
    if (const Tree::At at = tree.find(0, "item"); !tree.is_nothing(at)) {
      ok = item(tree, at, place, word(type));
      if (!ok) return ok;
    }
    if (const Tree::At at = tree.find(0, "part"); !tree.is_nothing(at)) {
      const bool summary = tree.is_nothing(tree.find(0, "content_index"));
      ok = part(tree, at, place, tree.number(tree.find(0, summary ? "summary_index" : "content_index")), word(type));
      if (!ok) return ok;
    }
    if (last) ended_ = true;
    if (std::find(kRead.begin(), kRead.end(), type) != kRead.end()) return {};
    if (const TextEvent* e = text_event(type)) return words(tree, e->text(tree, type), place, e->place(tree), e->kind, word(type));
    if (type.starts_with("response.function_call_arguments.")) return arguments(tree, place, "function_call", type, "arguments");
    if (type.starts_with("response.custom_tool_call_input.")) return arguments(tree, place, "custom_tool_call", type, "input");
    // The progress of another call: the item says it whole at its end.
    if (is_other_call(type)) return call_at(0, place) != nullptr ? Result<void>{} : unreadable("an event of no call");
    return texts(tree, 0, kUnknownEvents, Word::first);
  }

  Result<void> arguments(const Tree& tree, int place, std::string_view item_type, std::string_view type, std::string_view key) {
    Item* i = item_at(place);
    Begun* call = call_at(0, place);
    if (i == nullptr || call == nullptr || i->type != item_type) return unreadable("arguments of no call");
    const Tree::At value = tree.find(0, type.ends_with(".done") ? key : "delta");
    if (!tree.is_string(value)) return unreadable("arguments that are no text");
    if (type.ends_with(".done")) return whole_arguments(*i, *call, tree.text(value));
    if (i->whole) return unreadable("arguments behind their end");
    return add_arguments(*call, tree.text(value));
  }

  Result<void> whole_arguments(Item& i, Begun& call, std::string_view text) const {
    if (!i.whole && call.call.arguments.empty()) {
      i.whole = true;
      return add_arguments(call, text);
    }
    i.whole = true;
    return call.call.arguments == text ? Result<void>{} : unreadable("arguments that differ");
  }

  Result<void> response(const Tree& tree, Tree::At at, Word said) {
    if (!tree.is_object(at)) return unreadable("response");
    Result<void> ok = sound(tree, at);
    if (!ok) return ok;
    if (const Tree::At text = tree.find(at, kOutput); tree.is_string(text)) {
      ok = words(tree, text, kUnknownEvents, 0, kOutput, Word::last);
      if (!ok) return ok;
    }
    const Tree::At output = tree.find(at, "output");
    if (tree.is_nothing(output)) return {};
    if (!tree.is_array(output)) return unreadable("output");
    int place = 0;
    for (Tree::At i = tree.first(output); i != Tree::kNone; i = tree.behind(i), ++place) {
      ok = item(tree, i, place, said);
      if (!ok) return ok;
    }
    return {};
  }

  Result<void> item(const Tree& tree, Tree::At at, int place, Word said) {
    if (!tree.is_object(at)) return unreadable("an item that is no object");
    if (place < 0) return unreadable("output_index");
    Result<void> ok = sound(tree, at);
    if (!ok) return ok;
    const std::string_view type = tree.text(tree.find(at, "type"));
    if (type.empty()) return unreadable("an item without a type");
    Item* i = item_at(place);
    if (i == nullptr) {
      if (items_.size() >= kItems) return fail(Reason::reply_too_large, "items");
      i = &items_.emplace_back(Item{place, std::string(type)});
    }
    if (i->type != type) return unreadable("an item of two types");
    if (said == Word::last) i->ended = true;
    if (type == "message") return parts(tree, tree.find(at, "content"), place, said);
    if (type == "reasoning") {
      ok = parts(tree, tree.find(at, "summary"), place, said);
      return ok ? parts(tree, tree.find(at, "content"), place, said) : ok;
    }
    if (type == "function_call") return call(tree, at, *i, Arguments::json_text, "arguments", said);
    if (type == "custom_tool_call") return call(tree, at, *i, Arguments::free_text, "input", said);
    if (!is_other_call(type)) return texts(tree, at, place, said);
    Result<Begun*> begun = begun_at(place, Arguments::object);
    if (!begun) return std::move(begun).error();
    (*begun)->call.name = type;
    ok = set_once((*begun)->call.id, tree.text(tree.find(at, "call_id")), "a call with two ids");
    return ok && said == Word::last ? whole_arguments(*i, **begun, tree.raw(at)) : ok;
  }

  Result<Begun*> begun_at(int place, Arguments form) {
    Begun* call = call_at(0, place);
    return call != nullptr ? Result<Begun*>(call) : begin_call(0, place, form);
  }

  Result<void> call(const Tree& tree, Tree::At at, Item& i, Arguments form, std::string_view key, Word said) {
    Result<Begun*> begun = begun_at(i.place, form);
    if (!begun) return std::move(begun).error();
    Begun& call = **begun;
    for (const std::string_view field : {std::string_view("call_id"), std::string_view("name")}) {
      const Tree::At value = tree.find(at, field);
      if (!tree.is_nothing(value) && !tree.is_string(value)) return unreadable("a name or id that is no text");
      Result<void> ok = set_once(field == "name" ? call.call.name : call.call.id, tree.text(value), "a call with two names or ids");
      if (!ok) return ok;
    }
    const Tree::At value = tree.find(at, key);
    if (!tree.is_nothing(value) && !tree.is_string(value)) return unreadable("arguments that are no text");
    if (said == Word::last) return whole_arguments(i, call, tree.text(value));
    if (tree.text(value).empty()) return {};
    return call.call.arguments.empty() ? add_arguments(call, tree.text(value)) : unreadable("arguments that differ");
  }

  Result<void> parts(const Tree& tree, Tree::At list, int place, Word said) {
    if (tree.is_nothing(list)) return {};
    if (!tree.is_array(list)) return unreadable("content");
    int index = 0;
    for (Tree::At at = tree.first(list); at != Tree::kNone; at = tree.behind(at), ++index) {
      Result<void> ok = part(tree, at, place, index, said);
      if (!ok) return ok;
    }
    return {};
  }

  // The kind of a part's text, and where it stands; kNone if it has none.
  static std::pair<std::string_view, Tree::At> text_of(const Tree& tree, Tree::At part) {
    const std::string_view type = tree.text(tree.find(part, "type"));
    const Tree::At text = tree.find(part, type == kRefusal ? kRefusal : "text");
    if (type == "output_text") return {kText, text};
    if (type == kRefusal) return {kRefusal, text};
    if (type == "reasoning_text") return {kReasoning, text};
    if (type == "summary_text") return {kSummary, text};
    return {kOtherPart, Tree::kNone};
  }

  Result<void> part(const Tree& tree, Tree::At at, int place, int index, Word said) {
    if (!tree.is_object(at)) return unreadable("a part that is no object");
    Result<void> ok = sound(tree, at);
    if (!ok) return ok;
    const auto [kind, text] = text_of(tree, at);
    if (kind == kOtherPart) return texts(tree, at, place, said);
    return tree.is_nothing(text) ? Result<void>{} : words(tree, text, place, index, kind, said);
  }

  // A piece of a text; or the whole, which must have the same calls in it as its pieces had.
  Result<void> words(const Tree& tree, Tree::At at, int place, int index, std::string_view kind, Word said) {
    if (!tree.is_string(at)) return unreadable("text that is none");
    if (place < kUnknownEvents || index < 0) return unreadable("a place that is none");
    if (index >= kParts) return fail(Reason::reply_too_large, "parts");
    const std::string_view text = tree.text(at);
    if (said == Word::first && text.empty()) return {};
    Channel& c = channel(place, index, kind);
    if (said == Word::first) return c.ended ? unreadable("text behind its end") : new_words(c, text);
    if (c.scan.size() == 0 && !c.ended) {
      Result<void> ok = new_words(c, text);
      if (!ok) return ok;
      c.ended = true;
      return c.scan.finish();
    }
    c.ended = true;
    Result<void> ok = c.scan.finish();
    if (!ok) return ok;
    TextScan again(limits().arguments, limits().depth);
    ok = again.feed(text, 0);
    if (ok) ok = again.finish();
    if (!ok) return ok;
    const bool same = std::equal(again.calls().begin(), again.calls().end(), c.scan.calls().begin(), c.scan.calls().end(),
                                 [](const TextCall& x, const TextCall& y) {
                                   return x.begin == y.begin && x.end == y.end && x.name == y.name && x.arguments == y.arguments;
                                 });
    return same ? Result<void>{} : unreadable("text that differs");
  }

  Result<void> new_words(Channel& c, std::string_view text) {
    Result<void> ok = add_text(c.a, c.b, c.kind, text);
    return ok && c.kind == kText ? joined_.feed(text, 0) : ok;
  }

  // The SDKs offer all parts as one text.
  Result<void> after_texts() override {
    Result<void> ok = joined_.finish();
    if (!ok) return ok;
    std::size_t calls = 0;
    for (const Channel& c : channels()) calls += c.kind == kText ? c.scan.calls().size() : 0;
    return calls == joined_.calls().size() ? Result<void>{} : unreadable("a call over two parts");
  }

  // Every string of what is not known.
  Result<void> texts(const Tree& tree, Tree::At at, int place, Word said) {
    if (tree.is_string(at)) return add_text(place, said == Word::last ? 1 : 0, kOtherPart, tree.text(at));
    if (!tree.is_object(at) && !tree.is_array(at)) return {};
    for (Tree::At child = tree.first(at); child != Tree::kNone; child = tree.behind(child)) {
      if (tree.key(child) == "type") continue;
      Result<void> ok = texts(tree, child, place, said);
      if (!ok) return ok;
    }
    return {};
  }

  bool calls_ended() const override {
    if (coming() == Coming::whole) return true;
    return ended_ && std::all_of(begun().begin(), begun().end(), [this](const Begun& c) {
             return std::any_of(items_.begin(), items_.end(), [&c](const Item& i) { return i.place == c.b && i.ended; });
           });
  }

  // --- written anew: a refused call's item becomes a message in its place

  bool writes(std::string_view kind) const override { return kind != kOtherPart; }

  const std::string* why_refused(int place) {
    const Begun* call = call_at(0, place);
    return call == nullptr ? nullptr : refusal(*call);
  }

  static std::string id_of(int place) { return "msg_refused_" + std::to_string(place); }
  static std::string part_of(std::string_view sentence) {
    json::Writer w;
    w.begin_object().member("type", "output_text").member("text", sentence);
    w.key("annotations").raw("[]").key("logprobs").raw("[]").end_object();
    return w.take();
  }
  static std::string item_of(int place, std::string_view status, std::string_view content) {
    json::Writer w;
    w.begin_object().member("id", id_of(place)).member("type", "message").member("role", "assistant").member("status", status);
    w.key("content").raw("[" + std::string(content) + "]").end_object();
    return w.take();
  }

  void rewrite(std::string_view event, const Tree& tree, std::vector<Piece>& out) override {
    Edits edits;
    if (coming() == Coming::whole) {
      rewrite_response(tree, 0, edits);
      out.push_back({{}, edits.apply(tree.whole(), 0, tree.whole().size())});
      return;
    }
    number_from(tree);
    const std::string_view type = tree.text(tree.find(0, "type"));
    const int place = tree.number(tree.find(0, "output_index"));
    if (const std::string* why = why_refused(place)) {
      if (!std::exchange(call_at(0, place)->said, true)) say(event, place, *why, out);
      return;
    }
    if (const Tree::At number = tree.find(0, "sequence_number"); number != Tree::kNone) {
      edits.replace(tree.begin(number), tree.end(number), std::to_string(sequence_++));
    }
    if (const Tree::At at = tree.find(0, "response"); tree.is_object(at)) rewrite_response(tree, at, edits);
    if (const Tree::At at = tree.find(0, "item"); tree.is_object(at)) rewrite_item(tree, at, place, word(type), edits);
    if (const Tree::At at = tree.find(0, "part"); tree.is_object(at)) {
      const bool summary = tree.is_nothing(tree.find(0, "content_index"));
      rewrite_part(tree, at, place, tree.number(tree.find(0, summary ? "summary_index" : "content_index")), word(type), edits);
    }
    if (const TextEvent* e = text_event(type)) {
      rewrite_text(tree, e->text(tree, type), place, e->place(tree), e->kind, word(type), edits);
      empty_list(tree, tree.find(0, "logprobs"), edits);
    }
    out.push_back({std::string(event), edits.apply(tree.whole(), 0, tree.whole().size())});
  }

  // The first held event's number is that of the first one written.
  void number_from(const Tree& tree) {
    if (std::exchange(numbered_, true)) return;
    const Tree::At at = tree.find(0, "sequence_number");
    if (at == Tree::kNone) return;
    const std::string_view raw = tree.raw(at);
    std::from_chars(raw.data(), raw.data() + raw.size(), sequence_);
  }

  void say(std::string_view event, int place, std::string_view sentence, std::vector<Piece>& out) {
    const auto piece = [&](std::string_view type, std::string_view rest) {
      json::Writer w;
      w.begin_object().member("type", type).member("sequence_number", sequence_++).member("output_index", place);
      std::string data = w.end_object().take();
      data.pop_back();
      out.push_back({event.empty() ? std::string() : std::string(type), data + "," + std::string(rest) + "}"});
    };
    const std::string where = "\"item_id\":" + in_quotes(id_of(place)) + ",\"content_index\":0,";
    piece("response.output_item.added", "\"item\":" + item_of(place, "in_progress", {}));
    piece("response.content_part.added", where + "\"part\":" + part_of({}));
    piece("response.output_text.delta", where + "\"delta\":" + in_quotes(sentence) + ",\"logprobs\":[]");
    piece("response.output_text.done", where + "\"text\":" + in_quotes(sentence) + ",\"logprobs\":[]");
    piece("response.content_part.done", where + "\"part\":" + part_of(sentence));
    piece("response.output_item.done", "\"item\":" + item_of(place, "completed", part_of(sentence)));
  }

  static void empty_list(const Tree& tree, Tree::At list, Edits& edits) {
    if (tree.is_array(list)) edits.replace(tree.begin(list), tree.end(list), "[]");
  }

  void rewrite_response(const Tree& tree, Tree::At at, Edits& edits) {
    if (const Tree::At text = tree.find(at, kOutput); tree.is_string(text)) edits.replace(tree.begin(text), tree.end(text), "null");
    const Tree::At output = tree.find(at, "output");
    if (!tree.is_array(output)) return;
    int place = 0;
    for (Tree::At i = tree.first(output); i != Tree::kNone; i = tree.behind(i), ++place) {
      if (const std::string* why = why_refused(place)) {
        edits.replace(tree.begin(i), tree.end(i), item_of(place, "completed", part_of(*why)));
      } else {
        rewrite_item(tree, i, place, Word::last, edits);
      }
    }
  }

  void rewrite_item(const Tree& tree, Tree::At at, int place, Word said, Edits& edits) {
    const std::string_view type = tree.text(tree.find(at, "type"));
    if (type != "message" && type != "reasoning") return;
    for (const std::string_view key : {kSummary, std::string_view("content")}) {
      const Tree::At list = tree.find(at, key);
      if (!tree.is_array(list)) continue;
      int index = 0;
      for (Tree::At p = tree.first(list); p != Tree::kNone; p = tree.behind(p), ++index) rewrite_part(tree, p, place, index, said, edits);
    }
  }

  void rewrite_part(const Tree& tree, Tree::At at, int place, int index, Word said, Edits& edits) {
    const auto [kind, text] = text_of(tree, at);
    if (kind == kOtherPart) return;
    rewrite_text(tree, text, place, index, kind, said, edits);
    empty_list(tree, tree.find(at, "logprobs"), edits);
  }

  void rewrite_text(const Tree& tree, Tree::At at, int place, int index, std::string_view kind, Word said, Edits& edits) {
    if (!tree.is_string(at)) return;
    Channel& c = channel(place, index, kind);
    const std::string text = said == Word::last ? rewritten(std::as_const(c), 0, tree.text(at)) : rewritten(c, tree.text(at));
    if (text != tree.text(at)) edits.replace(tree.begin(at), tree.end(at), in_quotes(text));
  }

  static constexpr std::size_t kItems = 256;
  static constexpr int kParts = 64;  // of one item
  static constexpr int kUnknownEvents = -1;  // the place of text that belongs to no item

  std::vector<Item> items_;
  TextScan joined_;
  bool ended_ = false;
  bool numbered_ = false;
  long long sequence_ = 0;
};

}  // namespace

std::unique_ptr<Reply> responses_reply(const InspectLimits& limits, Coming coming) {
  return std::make_unique<Responses>(limits, coming);
}

}  // namespace vestibule::dialect
