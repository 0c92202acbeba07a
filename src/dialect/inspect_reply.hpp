#pragma once
// What all protocols of replies have in common: calls gathered from their pieces, texts looked through, and what
// was decided. Private to the room.

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dialect/inspect.hpp"
#include "dialect/inspect_text.hpp"
#include "dialect/inspect_tree.hpp"

namespace vestibule::dialect {

enum class Coming : std::uint8_t { whole, in_pieces };

/// One event or line of a reply written anew.
struct Piece {
  std::string event;  ///< its SSE name, or empty
  std::string data;
};

/// One reply of one protocol, fed unit by unit: an event, a line, or the whole body.
class Reply {
 public:
  Reply(const InspectLimits& limits, Coming coming) : limits_(limits), coming_(coming) {}
  virtual ~Reply() = default;
  Reply(const Reply&) = delete;
  Reply& operator=(const Reply&) = delete;

  Result<void> read(std::string_view event, const Tree& tree) {
    ++unit_;
    pieces_ = 0;
    return unit(event, tree);
  }
  /// The string that was the whole sense of the unit just read: a unit that differs from it in nothing but that
  /// string's characters says repeat(them). kNone: there was more to it, or less; or a call has begun, of which any unit may say
  /// more.
  [[nodiscard]] Tree::At only_text() const noexcept { return pieces_ == 1 && begun_.empty() ? piece_ : Tree::kNone; }
  Result<void> repeat(std::string_view text) {
    ++unit_;
    return feed(channels_[piece_channel_], text);
  }
  /// No unit is left. Then calls() is complete.
  Result<void> end();
  /// A call has begun, or text may be the beginning of one: what was read is held.
  [[nodiscard]] virtual bool open() const noexcept;
  /// What was read is held no more.
  void flowed() noexcept;
  /// Of a reply that has read nothing: it reads on behind what `before` had let flow, of which no call is left open.
  virtual void follow(const Reply& before);
  [[nodiscard]] std::span<const ToolCall> calls() const noexcept { return calls_; }

  /// Before the held units are rewritten, in their order. reply_unreadable: a refused call stands where it cannot
  /// be taken out.
  Result<void> rule(std::span<const Ruling> rulings);
  /// What takes the unit's place: nothing, itself, or others. Appends to `out`.
  virtual void rewrite(std::string_view event, const Tree& tree, std::vector<Piece>& out) = 0;

 protected:
  /// How a call's arguments stand in the protocol.
  enum class Arguments : std::uint8_t { json_text, object, free_text };
  struct Begun {
    int a = 0, b = 0;  ///< its place, in the protocol's own numbers
    std::size_t unit = 0;
    Arguments form = Arguments::json_text;
    ToolCall call;
    bool ended = false;
    std::size_t ruling = 0;
    bool said = false;  ///< its refusal has been written
  };
  /// A text that a client puts together: of a choice, block or part, and of a kind.
  struct Channel {
    int a, b;
    std::string_view kind;  ///< static text
    TextScan scan;
    bool ended = false;
    std::size_t flowed = 0;   ///< bytes that are held no more
    std::size_t written = 0;  ///< bytes of it in the units that were rewritten
    std::vector<std::size_t> rulings = {};
  };

  virtual Result<void> unit(std::string_view event, const Tree& tree) = 0;
  /// Whether every call has come to its end, as the protocol says it.
  [[nodiscard]] virtual bool calls_ended() const = 0;
  /// Whether texts of this kind are written anew (or left out).
  [[nodiscard]] virtual bool writes(std::string_view) const { return true; }
  /// The last word on texts, when all have ended.
  virtual Result<void> after_texts() { return {}; }
  /// The last word on the calls' arguments.
  virtual Result<void> before_settling() { return {}; }

  [[nodiscard]] static Error unreadable(std::string_view why) { return fail(Reason::reply_unreadable, std::string(why)); }
  /// Refuses keys that some parser takes for a known one.
  [[nodiscard]] static Result<void> sound(const Tree& tree, Tree::At object);

  [[nodiscard]] Begun* call_at(int a, int b) noexcept;
  Result<Begun*> begin_call(int a, int b, Arguments form);
  Result<void> add_arguments(Begun& call, std::string_view more) const;
  /// The first to give it, or the same again.
  [[nodiscard]] static Result<void> set_once(std::string& field, std::string_view value, std::string_view what);

  Channel& channel(int a, int b, std::string_view kind);
  /// A piece of text, which with nothing else in the unit may be repeated.
  Result<void> add_piece(int a, int b, std::string_view kind, const Tree& tree, Tree::At at);
  /// Text in a unit that is read for more than that.
  Result<void> add_text(int a, int b, std::string_view kind, std::string_view text) { return feed(channel(a, b, kind), text); }

  /// Why a call was refused, or null.
  [[nodiscard]] const std::string* refusal(const Begun& call) const { return refusal(call.ruling); }
  [[nodiscard]] const std::string* refusal(std::size_t ruling) const {
    return rulings_[ruling].release ? nullptr : &rulings_[ruling].why;
  }
  /// Calls in the protocol's own fields that are released, of one `a`.
  [[nodiscard]] std::size_t calls_left(int a) const noexcept;
  /// A piece of a channel's text without the refused calls in it, their sentences instead. Moves the channel on.
  [[nodiscard]] std::string rewritten(Channel& channel, std::string_view text) const;
  /// The same of text from some place on; the channel stays.
  [[nodiscard]] std::string rewritten(const Channel& channel, std::size_t from, std::string_view text) const;

  [[nodiscard]] const InspectLimits& limits() const noexcept { return limits_; }
  [[nodiscard]] Coming coming() const noexcept { return coming_; }
  /// Of the unit that is read, and of the last one that is held no more.
  [[nodiscard]] std::size_t unit_number() const noexcept { return unit_; }
  [[nodiscard]] std::size_t flowed_unit() const noexcept { return flowed_unit_; }
  [[nodiscard]] std::vector<Begun>& begun() noexcept { return begun_; }
  [[nodiscard]] const std::vector<Begun>& begun() const noexcept { return begun_; }
  [[nodiscard]] const std::vector<Channel>& channels() const noexcept { return channels_; }

 private:
  /// More texts than any answer has would make each look-up long.
  static constexpr std::size_t kChannels = 256;
  Result<void> feed(Channel& channel, std::string_view text);
  Result<void> settle(Begun& call) const;

  InspectLimits limits_;
  Coming coming_;
  std::size_t unit_ = 0;
  std::size_t flowed_unit_ = 0;
  unsigned pieces_ = 0;
  Tree::At piece_ = Tree::kNone;
  std::size_t piece_channel_ = 0;
  std::vector<Begun> begun_;
  std::vector<Channel> channels_;
  std::vector<ToolCall> calls_;
  std::vector<Ruling> rulings_;
};

/// Text as a JSON string.
[[nodiscard]] std::string in_quotes(std::string_view text);

[[nodiscard]] std::unique_ptr<Reply> chat_reply(const InspectLimits& limits, Coming coming);
[[nodiscard]] std::unique_ptr<Reply> responses_reply(const InspectLimits& limits, Coming coming);
[[nodiscard]] std::unique_ptr<Reply> messages_reply(const InspectLimits& limits, Coming coming);
[[nodiscard]] std::unique_ptr<Reply> ollama_reply(const InspectLimits& limits, Coming coming);

}  // namespace vestibule::dialect
