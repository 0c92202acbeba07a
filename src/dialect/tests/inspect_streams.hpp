#pragma once
// The corpus of replies: what a model server sends, what it asks for, and what must become of it.

#include <optional>
#include <string>
#include <vector>

#include "dialect/inspect.hpp"

namespace vestibule::dialect {

inline constexpr auto kEvents = ReplyForm::events;
inline constexpr auto kJson = ReplyForm::json;
inline constexpr auto kChat = ReplyShape::chat_completions;
inline constexpr auto kBad = Reason::reply_unreadable;

struct Wanted {
  std::string id, name, arguments;
};

struct Stream {
  std::string what;
  ReplyShape shape = ReplyShape::chat_completions;
  ReplyForm form = ReplyForm::events;
  std::string bytes;
  std::vector<Wanted> calls = {};
  std::optional<Reason> error = {};
};

/// All of them.
std::vector<Stream> streams();

// One protocol each.
void add_chat(std::vector<Stream>& out);
void add_responses(std::vector<Stream>& out);
void add_messages(std::vector<Stream>& out);
void add_ollama(std::vector<Stream>& out);
void add_texts(std::vector<Stream>& out);
void add_framings(std::vector<Stream>& out);

/// A JSON string.
std::string q(std::string_view text);
/// One event of chat completions with this delta.
std::string chunk(std::string_view delta, std::string_view finish = "null", int index = 0);
inline constexpr std::string_view kDone = "data: [DONE]\n\n";
/// An answer of nothing but these pieces of text.
Stream spoken(ReplyShape shape, ReplyForm form, const std::vector<std::string>& pieces);

Stream spoken_response(ReplyForm form, const std::vector<std::string>& pieces);

}  // namespace vestibule::dialect
