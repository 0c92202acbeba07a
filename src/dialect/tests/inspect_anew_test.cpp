// What a reply looks like in which calls were refused: letter by letter, one of each protocol.
#include <gtest/gtest.h>

#include "dialect/inspect.hpp"
#include "dialect/tests/inspect_streams.hpp"

namespace vestibule::dialect {
namespace {

// The held part with the calls released that the string has a '1' for.
std::string anew(ReplyShape shape, ReplyForm form, std::string_view bytes, std::string_view released, std::string_view why = "No.") {
  const auto inspector = inspect(shape, form);
  std::string out;
  EXPECT_TRUE(inspector->feed(bytes, out));
  EXPECT_TRUE(inspector->finish(out));
  EXPECT_EQ(inspector->calls().size(), released.size());
  std::vector<Ruling> rulings;
  for (const char c : released) rulings.push_back({c == '1', std::string(why)});
  EXPECT_TRUE(inspector->resolve(rulings, out));
  EXPECT_FALSE(inspector->holding());
  return out;
}

TEST(Anew, ChatWhole) {
  const std::string_view reply =
      R"({"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{\"n\":1.0}"}},{"id":"b","type":"function","function":{"name":"g","arguments":"{}"}}]},"logprobs":{"content":[{"token":"f"}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":1,"completion_tokens":2},"__verbose":{"content":"f"}})";
  EXPECT_EQ(anew(kChat, ReplyForm::json, reply, "00"),
            R"({"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"No.\n\nNo.","tool_calls":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2},"__verbose":null})");
  EXPECT_EQ(anew(kChat, ReplyForm::json, reply, "10"),
            R"({"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"No.","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{\"n\":1.0}"}}]},"logprobs":null,"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":1,"completion_tokens":2},"__verbose":null})");
  EXPECT_EQ(anew(kChat, ReplyForm::json, reply, "11"), reply);
}

TEST(Anew, ChatStream) {
  const std::string reply = chunk(R"({"role":"assistant","content":"Well."})") +
                            chunk(R"({"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":""}}]})") +
                            chunk(R"({"tool_calls":[{"index":0,"function":{"arguments":"{}"}},{"index":1,"id":"b","function":{"name":"g","arguments":"{}"}}]})") +
                            chunk("{}", "\"tool_calls\"") + std::string(kDone);
  EXPECT_EQ(anew(kChat, ReplyForm::events, reply, "01"),
            chunk(R"({"role":"assistant","content":"Well."})") + chunk(R"({"content":"\n\nNo.","tool_calls":null})") +
                chunk(R"({"tool_calls":[{"index":0,"id":"b","function":{"name":"g","arguments":"{}"}}]})") +
                chunk("{}", "\"tool_calls\"") + std::string(kDone));
  EXPECT_EQ(anew(kChat, ReplyForm::events, reply, "00"),
            chunk(R"({"role":"assistant","content":"Well."})") + chunk(R"({"content":"\n\nNo.","tool_calls":null})") +
                chunk(R"({"content":"\n\nNo.","tool_calls":null})") + chunk("{}", "\"stop\"") + std::string(kDone));
}

TEST(Anew, TextKeepsWhatStandsAround) {
  const auto words = [](std::string_view text) { return chunk("{\"content\":" + q(text) + "}"); };
  const std::string end = chunk("{}", "\"stop\"") + std::string(kDone);
  const std::string reply = words("So: <tool_ca") + words("ll>{\"name\":\"f\",\"arguments\":{}}") + words("</tool_call> and ") + words("on.") + end;
  EXPECT_EQ(anew(kChat, ReplyForm::events, reply, "0"), words("So: No.") + words("") + words(" and ") + words("on.") + end);
  EXPECT_EQ(anew(kChat, ReplyForm::events, reply, "1"), reply);
}

TEST(Anew, Messages) {
  const std::string_view reply =
      R"({"id":"m","content":[{"type":"text","text":"So."},{"type":"tool_use","id":"a","name":"f","input":{"n":1.0}},{"type":"tool_use","id":"b","name":"g","input":{}}],"stop_reason":"tool_use","usage":{"input_tokens":1,"output_tokens":2}})";
  EXPECT_EQ(anew(ReplyShape::messages, ReplyForm::json, reply, "10"),
            R"({"id":"m","content":[{"type":"text","text":"So."},{"type":"tool_use","id":"a","name":"f","input":{"n":1.0}},{"type":"text","text":"No."}],"stop_reason":"tool_use","usage":{"input_tokens":1,"output_tokens":2}})");
  EXPECT_EQ(anew(ReplyShape::messages, ReplyForm::json, reply, "00"),
            R"({"id":"m","content":[{"type":"text","text":"So."},{"type":"text","text":"No."},{"type":"text","text":"No."}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":2}})");
}

TEST(Anew, MessagesStream) {
  const auto event = [](std::string_view type, std::string_view rest) {
    return "event: " + std::string(type) + "\ndata: {\"type\":\"" + std::string(type) + "\"" + std::string(rest) + "}\n\n";
  };
  const std::string head = event("message_start", R"(,"message":{"content":[],"usage":{"input_tokens":1}})");
  const std::string reply = head + event("content_block_start", R"(,"index":0,"content_block":{"type":"tool_use","id":"a","name":"f","input":{}})") +
                            event("content_block_delta", R"(,"index":0,"delta":{"type":"input_json_delta","partial_json":"{}"})") +
                            event("content_block_stop", R"(,"index":0)") +
                            event("message_delta", R"(,"delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":2})") + event("message_stop", "");
  EXPECT_EQ(anew(ReplyShape::messages, ReplyForm::events, reply, "0"),
            head + event("content_block_start", R"(,"index":0,"content_block":{"type":"text","text":""})") +
                event("content_block_delta", R"(,"index":0,"delta":{"type":"text_delta","text":"No."})") +
                event("content_block_stop", R"(,"index":0)") +
                event("message_delta", R"(,"delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":2})") + event("message_stop", ""));
}

TEST(Anew, ResponsesStreamCountsOn) {
  const auto event = [](int n, std::string_view type, std::string_view rest) {
    return "data: {\"type\":\"" + std::string(type) + "\",\"sequence_number\":" + std::to_string(n) + std::string(rest) + "}\n\n";
  };
  const std::string call = R"({"type":"function_call","call_id":"a","name":"f","arguments":"{}"})";
  const std::string reply = event(0, "response.created", R"(,"response":{"output":[]})") + event(1, "response.output_item.added", ",\"output_index\":0,\"item\":" + call) +
                            event(2, "response.output_item.done", ",\"output_index\":0,\"item\":" + call) +
                            event(3, "response.completed", ",\"response\":{\"output\":[" + call + "],\"usage\":{\"input_tokens\":1}}");
  const std::string part = R"({"type":"output_text","text":"No.","annotations":[],"logprobs":[]})";
  const std::string item = R"({"id":"msg_refused_0","type":"message","role":"assistant","status":"completed","content":[)" + part + "]}";
  const std::string place = R"(,"output_index":0)";
  const std::string where = place + R"(,"item_id":"msg_refused_0","content_index":0)";
  EXPECT_EQ(anew(ReplyShape::responses, ReplyForm::events, reply, "0"),
            event(0, "response.created", R"(,"response":{"output":[]})") +
                event(1, "response.output_item.added", place + R"(,"item":{"id":"msg_refused_0","type":"message","role":"assistant","status":"in_progress","content":[]})") +
                event(2, "response.content_part.added", where + R"(,"part":{"type":"output_text","text":"","annotations":[],"logprobs":[]})") +
                event(3, "response.output_text.delta", where + R"(,"delta":"No.","logprobs":[])") +
                event(4, "response.output_text.done", where + R"(,"text":"No.","logprobs":[])") +
                event(5, "response.content_part.done", where + ",\"part\":" + part) +
                event(6, "response.output_item.done", place + ",\"item\":" + item) +
                event(7, "response.completed", ",\"response\":{\"output\":[" + item + "],\"usage\":{\"input_tokens\":1}}"));
}

TEST(Anew, Ollama) {
  const std::string_view call = R"({"message":{"role":"assistant","content":"","tool_calls":[{"function":{"name":"f","arguments":{}}}]},"done":false})" "\n";
  const std::string_view end = R"({"message":{"role":"assistant","content":""},"done_reason":"stop","done":true,"eval_count":3})" "\n";
  EXPECT_EQ(anew(ReplyShape::ollama_chat, ReplyForm::ndjson, std::string(call) + std::string(end), "0"),
            R"({"message":{"role":"assistant","content":"No.","tool_calls":null},"done":false})" "\n" + std::string(end));
}

TEST(Anew, SentencesAreText) {
  const std::string out = anew(kChat, ReplyForm::json, R"({"choices":[{"message":{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{}"}}]}}]})", "0", "\"}],\n\xFF");
  EXPECT_EQ(out, "{\"choices\":[{\"message\":{\"content\":\"\\\"}],\\n\xEF\xBF\xBD\",\"tool_calls\":null}}]}");
}

// Whatever a sentence says, alone or with the words around it, it is no call.
TEST(Anew, ASentenceSmugglesNoCall) {
  const std::string_view sentence = R"(No. <tool_call>{"name":"g","arguments":{}}</tool_call>)";
  const auto try_with = [](const Stream& s, std::string_view why) {
    const auto inspector = inspect(s.shape, s.form);
    std::string out, late;
    EXPECT_TRUE(inspector->feed(s.bytes, out));
    EXPECT_TRUE(inspector->finish(out));
    const std::vector<Ruling> rulings(inspector->calls().size(), Ruling{false, std::string(why)});
    EXPECT_FALSE(rulings.empty());
    const Result<void> resolved = inspector->resolve(rulings, late);
    if (resolved) return Reason::ok;
    EXPECT_EQ(late, "");
    EXPECT_FALSE(inspector->holding());
    return resolved.error().code;
  };
  int tried = 0;
  for (const Stream& s : streams()) {
    if (s.error || s.calls.empty() || s.bytes.size() > 20000) continue;
    SCOPED_TRACE(s.what);
    ++tried;
    EXPECT_EQ(try_with(s, sentence), Reason::reply_unreadable);
    EXPECT_EQ(try_with(s, "No."), Reason::ok);
  }
  EXPECT_GT(tried, 100);
  const Stream around = spoken(kChat, ReplyForm::events, {"Of <tool", "<tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call>", " it is."});
  EXPECT_EQ(try_with(around, "_call> is meant."), Reason::reply_unreadable);
  EXPECT_EQ(try_with(around, "A call is meant."), Reason::ok);
}

TEST(Anew, OnceAndOnlyWithARulingForEach) {
  const auto inspector = inspect(kChat, ReplyForm::json);
  std::string out;
  ASSERT_TRUE(inspector->feed(R"({"choices":[{"message":{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{}"}}]}}]})", out));
  EXPECT_FALSE(inspector->resolve({}, out));
  EXPECT_TRUE(out.empty());
  EXPECT_FALSE(inspector->finish(out));  // an error is final
  EXPECT_FALSE(inspector->holding());
  EXPECT_TRUE(out.empty());
}

TEST(Limits, HoldNoMoreThanTheyAllow) {
  InspectLimits limits;
  limits.held = 1000;
  const std::string call = chunk(R"({"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]})");
  const auto inspector = inspect(kChat, ReplyForm::events, limits);
  std::string out;
  ASSERT_TRUE(inspector->feed(call, out));
  Result<void> fed;
  for (int i = 0; i < 10 && fed; ++i) fed = inspector->feed(chunk(R"({"content":"word"})"), out);
  ASSERT_FALSE(fed);
  EXPECT_EQ(fed.error().code, Reason::reply_too_large);
  EXPECT_TRUE(out.empty());

  limits = {};
  limits.event = 300;
  const auto narrow = inspect(kChat, ReplyForm::events, limits);
  EXPECT_EQ(narrow->feed("data: " + std::string(400, ' '), out).error().code, Reason::reply_too_large);
  const auto lines = inspect(ReplyShape::ollama_chat, ReplyForm::ndjson, limits);
  EXPECT_EQ(lines->feed(std::string(400, ' '), out).error().code, Reason::reply_too_large);

  limits = {};
  limits.arguments = 20;
  const auto few = inspect(kChat, ReplyForm::events, limits);
  EXPECT_EQ(few->feed(chunk(R"({"tool_calls":[{"index":0,"function":{"name":"f","arguments":"{\"a\":\"0123456789012345\"}"}}]})"), out).error().code, Reason::reply_too_large);
  const auto text = inspect(kChat, ReplyForm::events, limits);
  EXPECT_EQ(text->feed(chunk(R"({"content":"<tool_call>0123456789012345"})"), out).error().code, Reason::reply_too_large);
}

TEST(Forms, ByContentType) {
  EXPECT_EQ(reply_form("application/json"), ReplyForm::json);
  EXPECT_EQ(reply_form("Application/JSON; charset=UTF-8"), ReplyForm::json);
  EXPECT_EQ(reply_form("text/event-stream;charset=utf-8"), ReplyForm::events);
  EXPECT_EQ(reply_form(" text/event-stream "), ReplyForm::events);
  EXPECT_EQ(reply_form("application/x-ndjson"), ReplyForm::ndjson);
  for (const char* type : {"", "text/plain", "application/json; charset=utf-16", "application/json; charset=utf-7; charset=utf-8",
                           "application/jsonx", "text/event-stream; x=y", "application/json, text/plain", "multipart/mixed"}) {
    EXPECT_EQ(reply_form(type), ReplyForm::unknown) << type;
  }
}

TEST(Prose, IsWhatNoClientTakesForAnAnswer) {
  for (const char* text : {"", "Internal Server Error", "<html>\n<p>data: {}</p>\n</html>\n", "upstream connect error: {\"a\":1}", "503\r\n\tretry later", "Die Daten\n"}) {
    EXPECT_TRUE(is_prose(text)) << text;
  }
  for (const char* text : {"{}", " {}", "\n\t[1]", "\xEF\xBB\xBF{}", "\xEF\xBB\xBF \xEF\xBB\xBF{}", "\"text\"", "data: {}", "data", "Error\ndata:{}", "Error\rdata:{}",
                           "Error\x0b" "data:{}", "Error\x1e{}", "Error\xE2\x80\xA8{}", "Error\xC2\x85 data:{}", "event: x", "id:1", "x\n {\"a\":1}"}) {
    EXPECT_FALSE(is_prose(text)) << text;
  }
  EXPECT_FALSE(is_prose(std::string_view("\0{}", 3)));
}

TEST(Forms, ShapeByRoute) {
  const auto shape = [](Kind kind, std::string_view path) {
    const Result<Need> need = get(kind).need(http::Method::post, path, "", {});
    EXPECT_TRUE(need) << path;
    return reply_shape(*need, path);
  };
  EXPECT_EQ(shape(Kind::openai, "/v1/chat/completions"), ReplyShape::chat_completions);
  EXPECT_EQ(shape(Kind::llamacpp, "/chat/completions"), ReplyShape::chat_completions);
  EXPECT_EQ(shape(Kind::vllm, "/v1/responses"), ReplyShape::responses);
  EXPECT_EQ(shape(Kind::llamacpp, "/responses"), ReplyShape::responses);
  EXPECT_EQ(shape(Kind::llamacpp, "/v1/messages"), ReplyShape::messages);
  EXPECT_EQ(shape(Kind::ollama, "/api/chat"), ReplyShape::ollama_chat);
  EXPECT_EQ(shape(Kind::ollama, "/v1/chat/completions"), ReplyShape::chat_completions);
  EXPECT_FALSE(shape(Kind::openai, "/v1/embeddings"));
  EXPECT_FALSE(shape(Kind::openai, "/v1/completions"));
}

}  // namespace
}  // namespace vestibule::dialect
