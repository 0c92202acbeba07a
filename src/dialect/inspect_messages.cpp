// Anthropic's messages.

#include <algorithm>
#include <array>
#include <utility>

#include "dialect/inspect_reply.hpp"
#include "json/writer.hpp"

namespace vestibule::dialect {
namespace {

constexpr std::string_view kTextBlock = "text";
constexpr std::string_view kThinking = "thinking";
constexpr std::string_view kOtherBlock = "other";

class Messages final : public Reply {
 public:
  using Reply::Reply;

  void follow(const Reply& before) override {
    Reply::follow(before);
    const auto& other = static_cast<const Messages&>(before);
    for (const Block& b : other.blocks_) {
      if (b.unit <= other.flowed_unit()) blocks_.push_back(Block{b.index, b.unit});
    }
  }

 private:
  struct Block {
    int index = 0;
    std::size_t unit = 0;  // in which it began
    bool ended = false;
    std::string input = {};   // of a call: what the block began with
    std::string answers = {};  // of a result of the server's: which call
    bool said = false;        // it has been replaced
  };

  Block* block(int index) {
    const auto at = std::find_if(blocks_.begin(), blocks_.end(), [index](const Block& b) { return b.index == index; });
    return at == blocks_.end() ? nullptr : &*at;
  }

  Result<void> unit(std::string_view event, const Tree& tree) override {
    if (!tree.is_object(0)) return unreadable("not an object");
    Result<void> ok = sound(tree, 0);
    if (!ok) return ok;
    if (coming() == Coming::whole) return message(tree, 0);
    const std::string_view type = tree.text(tree.find(0, "type"));
    if (type.empty()) return tree.is_nothing(tree.find(0, "error")) ? unreadable("an event without a type") : Result<void>{};
    // Some clients go by the one, some by the other.
    if (!event.empty() && event != type) return unreadable("an event of two types");
    if (type == "message_start") {
      const Tree::At start = tree.find(0, "message");
      if (!tree.is_object(start)) return unreadable("message");
      ok = sound(tree, start);
      return ok ? message(tree, start) : ok;
    }
    if (type == "content_block_start") return block_start(tree);
    if (type == "content_block_delta") return block_delta(tree);
    if (type == "content_block_stop") {
      Block* b = block(tree.number(tree.find(0, "index")));
      if (b == nullptr || b->ended) return unreadable("content_block_stop");
      b->ended = true;
      return {};
    }
    if (type == "message_stop") stopped_ = true;
    if (type == "message_delta" || type == "message_stop" || type == "ping" || type == "error") return {};
    // Clients pass over what they do not know; what it carries would be unread.
    if (!tree.is_nothing(tree.find(0, "content_block")) || !tree.is_nothing(tree.find(0, "message"))) return unreadable("an event of an unknown type");
    return texts(tree, 0);
  }

  // Every string below, as one text.
  Result<void> texts(const Tree& tree, Tree::At at) {
    if (tree.is_string(at)) return add_text(0, 0, kOtherBlock, tree.text(at));
    if (!tree.is_object(at) && !tree.is_array(at)) return {};
    for (Tree::At child = tree.first(at); child != Tree::kNone; child = tree.behind(child)) {
      Result<void> ok = texts(tree, child);
      if (!ok) return ok;
    }
    return {};
  }

  Result<void> message(const Tree& tree, Tree::At at) {
    const Tree::At content = tree.find(at, "content");
    if (tree.is_nothing(content)) return {};
    if (!tree.is_array(content)) return unreadable("content");
    int index = 0;
    for (Tree::At part = tree.first(content); part != Tree::kNone; part = tree.behind(part), ++index) {
      Result<void> ok = open_block(tree, part, index);
      if (!ok) return ok;
      block(index)->ended = true;
    }
    return {};
  }

  Result<void> block_start(const Tree& tree) {
    return open_block(tree, tree.find(0, "content_block"), tree.number(tree.find(0, "index")));
  }

  static bool is_call(std::string_view type) { return type.find("tool_use") != std::string_view::npos; }

  Result<void> open_block(const Tree& tree, Tree::At at, int index) {
    if (!tree.is_object(at)) return unreadable("a block that is no object");
    Result<void> ok = sound(tree, at);
    if (!ok) return ok;
    if (index < 0 || block(index) != nullptr) return unreadable("a block's index");
    if (blocks_.size() >= kBlocks) return fail(Reason::reply_too_large, "blocks");
    Block& b = blocks_.emplace_back(Block{index, unit_number()});
    const std::string_view type = tree.text(tree.find(at, "type"));
    if (type.empty()) return unreadable("a block without a type");
    b.answers = tree.text(tree.find(at, "tool_use_id"));
    if (!is_call(type)) return text_block(tree, at, type);
    Result<Begun*> begun = begin_call(0, index, Arguments::object);
    if (!begun) return std::move(begun).error();
    ToolCall& call = (*begun)->call;
    call.id = tree.text(tree.find(at, "id"));
    call.name = tree.text(tree.find(at, "name"));
    const Tree::At input = tree.find(at, "input");
    if (tree.is_nothing(input)) return {};
    if (!tree.is_object(input)) return unreadable("an input that is no object");
    if (coming() == Coming::whole) return add_arguments(**begun, tree.raw(input));
    if (tree.first(input) != Tree::kNone) b.input = tree.raw(input);
    return {};
  }

  Result<void> text_block(const Tree& tree, Tree::At at, std::string_view type) {
    for (Tree::At field = tree.first(at); field != Tree::kNone; field = tree.behind(field)) {
      const std::string_view key = tree.key(field);
      if (key == "type" || key == "signature" || key == "data") continue;
      Result<void> ok;
      if (key == kTextBlock && type == kTextBlock && tree.is_string(field)) {
        ok = add_text(0, 0, kTextBlock, tree.text(field));
      } else if (key == kThinking && type == kThinking && tree.is_string(field)) {
        ok = add_text(0, 0, kThinking, tree.text(field));
      } else {
        ok = texts(tree, field);
      }
      if (!ok) return ok;
    }
    return {};
  }

  Result<void> block_delta(const Tree& tree) {
    const int index = tree.number(tree.find(0, "index"));
    Block* b = block(index);
    if (b == nullptr || b->ended) return unreadable("a piece of no block");
    const Tree::At delta = tree.find(0, "delta");
    if (!tree.is_object(delta)) return unreadable("delta");
    Result<void> ok = sound(tree, delta);
    if (!ok) return ok;
    const std::string_view type = tree.text(tree.find(delta, "type"));
    Begun* call = call_at(0, index);
    const Tree::At json = tree.find(delta, "partial_json");
    if (type == "input_json_delta") {
      if (call == nullptr || !tree.is_string(json)) return unreadable("partial_json");
      return add_arguments(*call, tree.text(json));
    }
    if (call != nullptr || !tree.is_nothing(json)) return unreadable("a piece of another kind");
    if (type == "text_delta") return piece(tree, tree.find(delta, kTextBlock), kTextBlock);
    if (type == "thinking_delta") return piece(tree, tree.find(delta, kThinking), kThinking);
    if (type == "signature_delta") return {};
    return texts(tree, delta);
  }

  Result<void> piece(const Tree& tree, Tree::At at, std::string_view kind) {
    return tree.is_string(at) ? add_piece(0, 0, kind, tree, at) : unreadable("a piece of text that is none");
  }

  bool calls_ended() const override {
    if (coming() == Coming::whole) return true;
    return stopped_ && std::all_of(begun().begin(), begun().end(), [this](const Begun& c) {
             return std::any_of(blocks_.begin(), blocks_.end(), [&c](const Block& b) { return b.index == c.b && b.ended; });
           });
  }

  // What the block began with counts if nothing came behind it; both at once is read in two ways.
  Result<void> before_settling() override {
    for (Begun& call : begun()) {
      const Block* b = block(call.b);
      if (b == nullptr || b->input.empty()) continue;
      if (!call.call.arguments.empty()) return unreadable("a call with two inputs");
      Result<void> ok = add_arguments(call, b->input);
      if (!ok) return ok;
    }
    return {};
  }

  // --- written anew: the block of a refused call, and of its result, becomes one of text, so that no index changes

  const std::string* why_refused(int index) {
    if (const Begun* call = call_at(0, index)) return refusal(*call);
    const Block* b = block(index);
    if (b == nullptr || b->answers.empty()) return nullptr;
    for (const Begun& call : begun()) {
      if (call.call.id == b->answers && refusal(call) != nullptr) return refusal(call);
    }
    return nullptr;
  }

  static std::string text_block_of(std::string_view text) {
    json::Writer w;
    w.begin_object().member("type", "text").member("text", text).end_object();
    return w.take();
  }

  void rewrite(std::string_view event, const Tree& tree, std::vector<Piece>& out) override {
    Edits edits;
    if (coming() == Coming::whole) {
      rewrite_message(tree, 0, edits);
      rewrite_stop(tree, 0, edits);
    } else {
      const std::string_view type = tree.text(tree.find(0, "type"));
      const int index = type.starts_with("content_block_") ? tree.number(tree.find(0, "index")) : -1;
      if (const std::string* why = why_refused(index)) {
        if (!std::exchange(block(index)->said, true)) say(event, index, *why, out);
        return;
      }
      if (type == "message_start") rewrite_message(tree, tree.find(0, "message"), edits);
      if (type == "message_delta") rewrite_stop(tree, tree.find(0, "delta"), edits);
      if (type == "content_block_start") rewrite_block(tree, tree.find(0, "content_block"), edits);
      if (type == "content_block_delta") rewrite_block(tree, tree.find(0, "delta"), edits);
    }
    out.push_back({std::string(event), edits.apply(tree.whole(), 0, tree.whole().size())});
  }

  static void say(std::string_view event, int index, std::string_view sentence, std::vector<Piece>& out) {
    const auto piece = [&](std::string_view type, std::string_view key, std::string_view value) {
      json::Writer w;
      w.begin_object().member("type", type).member("index", index);
      if (!key.empty()) w.key(key).raw(value);
      out.push_back({event.empty() ? std::string() : std::string(type), w.end_object().take()});
    };
    json::Writer delta;
    delta.begin_object().member("type", "text_delta").member("text", sentence).end_object();
    piece("content_block_start", "content_block", text_block_of({}));
    piece("content_block_delta", "delta", delta.text());
    piece("content_block_stop", {}, {});
  }

  void rewrite_message(const Tree& tree, Tree::At message, Edits& edits) {
    const Tree::At content = tree.find(message, "content");
    if (!tree.is_array(content)) return;
    int index = 0;
    for (Tree::At part = tree.first(content); part != Tree::kNone; part = tree.behind(part), ++index) {
      if (const std::string* why = why_refused(index)) {
        edits.replace(tree.begin(part), tree.end(part), text_block_of(*why));
      } else {
        rewrite_block(tree, part, edits);
      }
    }
  }

  bool writes(std::string_view kind) const override { return kind != kOtherBlock; }

  // The texts of a block or of a piece of one: text and text_delta, thinking and thinking_delta.
  void rewrite_block(const Tree& tree, Tree::At at, Edits& edits) {
    const std::string_view type = tree.text(tree.find(at, "type"));
    for (const std::string_view kind : {kTextBlock, kThinking}) {
      const Tree::At field = tree.find(at, kind);
      if (!tree.is_string(field) || !type.starts_with(kind)) continue;
      const std::string text = rewritten(channel(0, 0, kind), tree.text(field));
      if (text != tree.text(field)) edits.replace(tree.begin(field), tree.end(field), in_quotes(text));
    }
  }

  void rewrite_stop(const Tree& tree, Tree::At holder, Edits& edits) const {
    const Tree::At reason = tree.find(holder, "stop_reason");
    if (tree.text(reason) == "tool_use" && calls_left(0) == 0) edits.replace(tree.begin(reason), tree.end(reason), "\"end_turn\"");
  }

  static constexpr std::size_t kBlocks = 1024;
  std::vector<Block> blocks_;
  bool stopped_ = false;
};

}  // namespace

std::unique_ptr<Reply> messages_reply(const InspectLimits& limits, Coming coming) {
  return std::make_unique<Messages>(limits, coming);
}

}  // namespace vestibule::dialect
