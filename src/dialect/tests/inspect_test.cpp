#include "dialect/inspect.hpp"

#include <gtest/gtest.h>

#include <random>

#include "dialect/tests/inspect_streams.hpp"

namespace vestibule::dialect {
namespace {

struct Seen {
  std::string at_once, at_end;
  std::vector<ToolCall> calls;
  std::optional<Reason> error;
  std::unique_ptr<Inspector> inspector;
};

// Feeds it in pieces that next() gives the sizes of.
template <class F>
Seen run(const Stream& stream, F next) {
  Seen seen;
  seen.inspector = inspect(stream.shape, stream.form);
  std::string_view rest = stream.bytes;
  while (!rest.empty() && !seen.error) {
    const std::size_t n = std::min<std::size_t>(next(), rest.size());
    const Result<void> fed = seen.inspector->feed(std::string(rest.substr(0, n)), seen.at_once);
    if (!fed) seen.error = fed.error().code;
    rest.remove_prefix(n);
  }
  if (!seen.error) {
    const Result<void> ended = seen.inspector->finish(seen.at_end);
    if (!ended) seen.error = ended.error().code;
  }
  seen.calls.assign(seen.inspector->calls().begin(), seen.inspector->calls().end());
  return seen;
}

Seen run_whole(const Stream& stream) {
  return run(stream, [] { return std::size_t{1} << 30U; });
}

std::vector<Ruling> rulings(std::size_t calls, std::uint64_t released) {
  std::vector<Ruling> out(calls);
  for (std::size_t i = 0; i < calls; ++i) {
    out[i].release = (released >> i & 1U) != 0;
    out[i].why = "Refused by policy.";
  }
  return out;
}

class Replies : public testing::Test {
 protected:
  static const std::vector<Stream>& all() {
    static const std::vector<Stream> rows = streams();
    return rows;
  }
};

// A stream of words, once so that each unit is like the one before but for them, once so that none is.
Stream words_of(ReplyShape shape, std::span<const std::string> texts, std::span<const std::string> padding, bool alike) {
  Stream out;
  out.shape = shape;
  out.form = shape == ReplyShape::ollama_chat ? ReplyForm::ndjson : ReplyForm::events;
  const auto named = [](std::string_view name, std::string_view rest) {
    return "event: " + std::string(name) + "\ndata: {\"type\":\"" + std::string(name) + "\"" + std::string(rest) + "}\n\n";
  };
  if (shape == ReplyShape::messages) {
    out.bytes = named("message_start", R"(,"message":{"id":"m","type":"message","role":"assistant","content":[]})") +
                named("content_block_start", R"(,"index":0,"content_block":{"type":"text","text":""})");
  }
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const std::string id = alike ? "7" : std::to_string(100'000 + i);
    const std::string& pad = padding[i];
    switch (shape) {
      case ReplyShape::chat_completions:
        out.bytes += "data: {\"id\":\"" + id + "\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" + texts[i] + "\"}}],\"obfuscation\":\"" + pad + "\"}\n\n";
        break;
      case ReplyShape::messages:
        out.bytes += "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"x\":" + id + ",\"delta\":{\"type\":\"text_delta\",\"text\":\"" + texts[i] + "\"}}\n\n";
        break;
      default:
        out.bytes += "{\"model\":\"" + id + "\",\"created_at\":\"" + pad + "\",\"message\":{\"role\":\"assistant\",\"content\":\"" + texts[i] + "\"},\"done\":false}\n";
        break;
    }
  }
  switch (shape) {
    case ReplyShape::chat_completions: out.bytes += chunk("{}", "\"stop\"") + std::string(kDone); break;
    case ReplyShape::messages:
      out.bytes += named("content_block_stop", R"(,"index":0)") + named("message_delta", R"(,"delta":{"stop_reason":"end_turn"})") + named("message_stop", "");
      break;
    default: out.bytes += R"({"model":"m","message":{"role":"assistant","content":""},"done":true})" "\n"; break;
  }
  return out;
}

TEST(Repeats, AreReadAsWhatIsReadAnew) {
  const std::vector<std::string> words{"a", " word", "", "<tool_", "call>", "</tool_call>", "<tool_call>{\\\"name\\\":\\\"rm\\\",\\\"arguments\\\":{}}</tool_call>", "{", "}", "\\\"name\\\":\\\"rm\\\",", "\\\"arguments\\\":{}}",
                                       "\\n", "\\t\\r\\/\\\\", "\\u003ctool_call>", "\\u00e9", "\u00e9", "\u2028", "\u2028data", "\u2028{", "[", "]", "`", "```",
                                       "\xff", "\xe2\x80", "\\ud800", "\\x", "\x01", "\"", "\\"};
  const std::vector<std::string> paddings{"", "ab12", "2026-11-27T03:22:04.123456Z", "==", "a\\n", "<tool_call>", "{", "\u00e9", "\""};
  std::mt19937 random(7);
  const auto pick = [&](std::size_t n, std::size_t of) { return random() % 20 == 0 ? random() % of : random() % n; };
  std::size_t broke = 0, called = 0, plain = 0;
  for (int round = 0; round < 600; ++round) {
    std::vector<std::string> texts, padding;
    const std::size_t n = 2 + random() % 8;
    for (std::size_t i = 0; i < n; ++i) {
      texts.push_back(words[pick(words.size() - 7, words.size())]);
      padding.push_back(paddings[pick(4, paddings.size())]);
    }
    for (const ReplyShape shape : {ReplyShape::chat_completions, ReplyShape::messages, ReplyShape::ollama_chat}) {
      const Stream alike = words_of(shape, texts, padding, true);
      const Stream apart = words_of(shape, texts, padding, false);
      const Seen a = run_whole(alike);
      const Seen b = run_whole(apart);
      const Seen c = run(alike, [&] { return 1 + random() % 40; });
      ASSERT_EQ(a.error, b.error) << alike.bytes;
      ASSERT_EQ(a.error, c.error) << alike.bytes;
      ASSERT_EQ(a.calls.size(), b.calls.size()) << alike.bytes;
      for (std::size_t i = 0; i < a.calls.size(); ++i) ASSERT_EQ(a.calls[i].arguments, b.calls[i].arguments) << alike.bytes;
      ASSERT_EQ(std::count(a.at_once.begin(), a.at_once.end(), '\n'), std::count(b.at_once.begin(), b.at_once.end(), '\n')) << alike.bytes;
      if (!a.error && a.calls.empty()) {
        ASSERT_EQ(a.at_once + a.at_end, alike.bytes);
      }
      broke += a.error ? 1 : 0;
      called += a.calls.empty() ? 0 : 1;
      plain += !a.error && a.calls.empty() ? 1 : 0;
    }
  }
  EXPECT_GT(broke, 100U);
  EXPECT_GT(called, 100U);
  EXPECT_GT(plain, 100U);
}

TEST(Repeats, OfAUnitThatHoldsACallAreEachRead) {
  const auto chat = [](std::string_view delta) { return "data: {\"choices\":[{\"index\":0,\"delta\":" + std::string(delta) + "}]}\n\n"; };
  Stream s;
  s.bytes = chat(R"({"content":"a","tool_calls":[{"index":0,"id":"c","function":{"name":"pay","arguments":"{\"amount\":1"}}]})");
  for (int i = 0; i < 5; ++i) s.bytes += chat(R"({"content":"","tool_calls":[{"index":0,"function":{"arguments":"0"}}]})");
  s.bytes += chat(R"({"tool_calls":[{"index":0,"function":{"arguments":"}"}}]})") + chunk("{}", "\"tool_calls\"") + std::string(kDone);
  Seen seen = run_whole(s);
  ASSERT_FALSE(seen.error);
  ASSERT_EQ(seen.calls.size(), 1U);
  EXPECT_EQ(seen.calls[0].arguments, R"({"amount":100000})");

  s.bytes = chat(R"({"content":"","function_call":{"name":"pay","arguments":"{\"amount\":1"}})");
  for (int i = 0; i < 5; ++i) s.bytes += chat(R"({"content":"","function_call":{"arguments":"0"}})");
  s.bytes += chat(R"({"function_call":{"arguments":"}"}})") + chunk("{}", "\"function_call\"") + std::string(kDone);
  seen = run_whole(s);
  ASSERT_FALSE(seen.error);
  ASSERT_EQ(seen.calls.size(), 1U);
  EXPECT_EQ(seen.calls[0].arguments, R"({"amount":100000})");

  s.shape = ReplyShape::ollama_chat;
  s.form = ReplyForm::ndjson;
  s.bytes.clear();
  for (int i = 0; i < 3; ++i) {
    s.bytes += R"({"model":"m","created_at":"2026-11-27T03:00:00.)" + std::to_string(i) +
               R"(Z","message":{"role":"assistant","content":"","tool_calls":[{"function":{"name":"pay","arguments":{"n":1}}}]},"done":false})" + "\n";
  }
  s.bytes += R"({"model":"m","created_at":"2026-11-27T03:00:01Z","message":{"role":"assistant","content":""},"done":true})" "\n";
  seen = run_whole(s);
  ASSERT_FALSE(seen.error);
  EXPECT_EQ(seen.calls.size(), 3U) << "each line is a call of its own";
}

TEST(Repeats, OfAByteOrderMarkAreNone) {
  const auto marked = [](std::string_view text) { return "\xEF\xBB\xBF" "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" + std::string(text) + "\"}}]}\n\n"; };
  Stream s;
  s.bytes = marked("<tool_") + marked("call>");
  EXPECT_EQ(run_whole(s).error, Reason::reply_unreadable);
  EXPECT_EQ(run(s, [] { return std::size_t{7}; }).error, Reason::reply_unreadable);
}

TEST_F(Replies, AreManyAndNamedOnce) {
  EXPECT_GE(all().size(), 200U);
  std::vector<std::string> names;
  for (const Stream& s : all()) names.push_back(s.what);
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end());
}

TEST_F(Replies, AskForWhatTheyAskFor) {
  for (const Stream& s : all()) {
    SCOPED_TRACE(s.what);
    const Seen seen = run_whole(s);
    ASSERT_EQ(seen.error.has_value(), s.error.has_value());
    if (s.error) {
      EXPECT_EQ(*seen.error, *s.error);
      continue;
    }
    ASSERT_EQ(seen.calls.size(), s.calls.size());
    for (std::size_t i = 0; i < s.calls.size(); ++i) {
      EXPECT_EQ(seen.calls[i].id, s.calls[i].id);
      EXPECT_EQ(seen.calls[i].name, s.calls[i].name);
      EXPECT_EQ(seen.calls[i].arguments, s.calls[i].arguments);
    }
    EXPECT_EQ(seen.inspector->holding(), !s.calls.empty());
  }
}

// However they are cut on the way: the same calls, the same bytes at the same time.
TEST_F(Replies, AreReadAlikeAtEverySplit) {
  std::minstd_rand random(1);
  for (const Stream& s : all()) {
    SCOPED_TRACE(s.what);
    const Seen whole = run_whole(s);
    const bool huge = s.bytes.size() > 20000;
    for (int round = 0; round < (huge ? 3 : s.bytes.size() > 1500 ? 11 : 51); ++round) {
      Seen cut = round == 0 ? run(s, [huge] { return std::size_t{huge ? 7U : 1U}; })
                            : run(s, [&random] { return std::size_t{1 + random() % 97}; });
      ASSERT_EQ(cut.error, whole.error) << round;
      ASSERT_EQ(cut.at_once, whole.at_once) << round;
      ASSERT_EQ(cut.at_end, whole.at_end) << round;
      ASSERT_EQ(cut.calls.size(), whole.calls.size()) << round;
      if (cut.error) continue;
      std::string resolved;
      ASSERT_TRUE(cut.inspector->resolve(rulings(cut.calls.size(), ~std::uint64_t{0}), resolved));
      ASSERT_EQ(cut.at_once + cut.at_end + resolved, s.bytes) << round;
      ASSERT_FALSE(cut.inspector->holding());
    }
  }
}

// What is out before the end has nothing of a call; by the test above that holds at every split.
TEST_F(Replies, LetNothingOfACallOutEarly) {
  for (const Stream& s : all()) {
    SCOPED_TRACE(s.what);
    const Seen seen = run_whole(s);
    for (const ToolCall& call : seen.calls) {
      EXPECT_TRUE(seen.at_end.empty());
      if (call.name != "unknown") {
        EXPECT_EQ(seen.at_once.find(call.name), std::string::npos);
      }
      EXPECT_EQ(seen.at_once.find("/srv/"), std::string::npos);
    }
    if (seen.error) {
      EXPECT_EQ(seen.at_once.find("wipe"), std::string::npos);
    }
  }
}

// Each set of rulings: what comes out is a reply that asks for the released calls and for no other.
TEST_F(Replies, AreWrittenAnewWithoutWhatIsRefused) {
  for (const Stream& s : all()) {
    if (s.error || s.calls.empty()) continue;
    const std::size_t n = s.calls.size();
    const std::uint64_t sets = n > 3 ? 1 : std::uint64_t{1} << n;
    for (std::uint64_t released = 0; released + 1 < (std::uint64_t{1} << std::min<std::size_t>(n, 63)) && released < sets; ++released) {
      SCOPED_TRACE(s.what + " " + std::to_string(released));
      Seen seen = run_whole(s);
      std::string resolved;
      ASSERT_TRUE(seen.inspector->resolve(rulings(n, released), resolved));
      Stream anew = s;
      anew.bytes = seen.at_once + resolved;
      const Seen again = run_whole(anew);
      ASSERT_FALSE(again.error) << anew.bytes;
      std::vector<ToolCall> left;
      for (std::size_t i = 0; i < n; ++i) {
        if ((released >> i & 1U) != 0) {
          left.push_back(seen.calls[i]);
          continue;
        }
        const std::string& name = seen.calls[i].name;
        const bool named_again = std::count_if(seen.calls.begin(), seen.calls.end(), [&](const ToolCall& c) { return c.name == name; }) > 1;
        if (!named_again && name != "unknown") { EXPECT_EQ(anew.bytes.find(name), std::string::npos) << anew.bytes; }
      }
      ASSERT_EQ(again.calls.size(), left.size()) << anew.bytes;
      for (std::size_t i = 0; i < left.size(); ++i) {
        EXPECT_EQ(again.calls[i].id, left[i].id);
        EXPECT_EQ(again.calls[i].name, left[i].name);
        EXPECT_EQ(again.calls[i].arguments, left[i].arguments);
      }
      EXPECT_NE(anew.bytes.find("Refused by policy."), std::string::npos) << anew.bytes;
    }
  }
}

}  // namespace

std::vector<Stream> streams() {
  std::vector<Stream> out;
  add_chat(out);
  add_ollama(out);
  add_messages(out);
  add_responses(out);
  add_framings(out);
  add_texts(out);
  return out;
}

}  // namespace vestibule::dialect
