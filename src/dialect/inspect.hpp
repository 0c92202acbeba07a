#pragma once
// Tool calls in a model's reply: found, held back, and let out once they are decided about. Pure: no I/O.
//
// Text flows on at once. From the first byte that may belong to a tool call everything is kept until the reply
// has ended: a call that is whole is an act of its own, and nothing of it may be out before it is admitted. What
// is let out is what came, byte for byte; where a call is refused the rest is written anew without it.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "dialect/dialect.hpp"

namespace vestibule::dialect {

/// How a reply's body is framed; by its Content-Type.
enum class ReplyForm : std::uint8_t {
  json,     ///< application/json: one value
  events,   ///< text/event-stream
  ndjson,   ///< application/x-ndjson: a value a line
  unknown,  ///< anything else: cannot be inspected
};
[[nodiscard]] ReplyForm reply_form(std::string_view content_type) noexcept;
/// Whether a text of another type says nothing that a client could take for JSON or for a stream, be it one that looks at no
/// type: no line begins as theirs do. For error pages.
[[nodiscard]] bool is_prose(std::string_view text) noexcept;

/// The protocol that a reply is in; by the route that was asked.
enum class ReplyShape : std::uint8_t {
  chat_completions,  ///< OpenAI's, and llama.cpp's, vLLM's, Ollama's of the same path
  responses,         ///< OpenAI's Responses
  messages,          ///< Anthropic's
  ollama_chat,       ///< /api/chat
};
/// Nothing: no tool call can stand in a reply to this route in a form that a client would act on.
[[nodiscard]] std::optional<ReplyShape> reply_shape(const Need& need, std::string_view path) noexcept;

/// One call that a reply asks for.
struct ToolCall {
  std::string id;         ///< as the server gave it; may be empty (Ollama)
  std::string name;       ///< decoded; never empty
  /// JSON text, the bytes that the client's own parser would read: of OpenAI's forms the decoded string, of
  /// Anthropic and Ollama the object as it stands. One value that json::Reader accepts; "{}" where none came.
  std::string arguments;
  /// Not in the protocol's own field: text that a tool-call format would parse. What cannot be read whole and for
  /// sure is called "unknown", with its text as a JSON string for arguments.
  bool in_text = false;
  bool operator==(const ToolCall&) const = default;
};

/// What was decided about one call.
struct Ruling {
  bool release = false;
  std::string why{};  ///< of a refusal: a sentence for the caller and for the model it hands it back to
  Reason reason = Reason::ok;  ///< of a refusal
  std::string page{};          ///< where a person can still confirm it; empty: nowhere
  std::string confirmation{};  ///< of a release: the id of the confirmation that was used up for it; empty: none was needed
};

struct InspectLimits {
  std::size_t held = std::size_t{8} << 20U;       ///< bytes kept back, all together
  std::size_t event = std::size_t{1} << 20U;      ///< bytes of one event or line
  std::size_t calls = 64;                         ///< calls in one reply
  std::size_t arguments = std::size_t{1} << 20U;  ///< bytes of one call's arguments
  unsigned depth = 64;
};

/// Reads one reply. On one core; keep it no longer than the exchange. Every error is final and means: cut the
/// reply, nothing that is held may go out. reply_unreadable: what came is no reply of this shape, or not all
/// parsers would agree about it (duplicate keys, keys that fold onto a known one, invalid UTF-8, a call without
/// an end). reply_too_large: more than a limit allows.
class Inspector {
 public:
  virtual ~Inspector() = default;
  /// The next bytes of the body. Appends to `out` what may go on at once.
  virtual Result<void> feed(std::string_view bytes, std::string& out) = 0;
  /// The body has ended. Appends what may go on now that no call can come; afterwards calls() is complete, and
  /// if it is empty nothing is held any more.
  virtual Result<void> finish(std::string& out) = 0;
  /// In the order in which they were found.
  [[nodiscard]] virtual std::span<const ToolCall> calls() const noexcept = 0;
  /// Something is held back.
  [[nodiscard]] virtual bool holding() const noexcept = 0;
  /// One ruling a call, in the order of calls(). All released: the held bytes unchanged. Otherwise what is
  /// left, in the same protocol: released calls with their name, id and arguments unchanged, text unchanged,
  /// for each refused call a sentence as text of the assistant; finish and stop reasons say "tool calls" only if
  /// one is left; usage as it came. A call in text that is refused is replaced by its sentence. reply_unreadable:
  /// what is left would ask for anything but the released calls, were it only for a sentence; nothing is out then.
  virtual Result<void> resolve(std::span<const Ruling> rulings, std::string& out) = 0;
};

/// A form that the shape's clients do not expect is unreadable: they might not go by its Content-Type.
[[nodiscard]] std::unique_ptr<Inspector> inspect(ReplyShape shape, ReplyForm form, const InspectLimits& limits = {});

}  // namespace vestibule::dialect
