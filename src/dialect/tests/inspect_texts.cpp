// Anthropic's messages, and text that a tool-call format would parse, in every protocol.
#include "dialect/tests/inspect_streams.hpp"

namespace vestibule::dialect {
namespace {

std::string event(std::string_view type, std::string_view rest) {
  return "event: " + std::string(type) + "\ndata: {\"type\":" + q(type) + std::string(rest) + "}\n\n";
}
std::string start(int index, std::string_view block) {
  return event("content_block_start", ",\"index\":" + std::to_string(index) + ",\"content_block\":" + std::string(block));
}
std::string delta(int index, std::string_view what) {
  return event("content_block_delta", ",\"index\":" + std::to_string(index) + ",\"delta\":" + std::string(what));
}
std::string stop(int index) { return event("content_block_stop", ",\"index\":" + std::to_string(index)); }
std::string text(std::string_view words) { return R"({"type":"text_delta","text":)" + q(words) + "}"; }
std::string json(std::string_view part) { return R"({"type":"input_json_delta","partial_json":)" + q(part) + "}"; }
std::string use(std::string_view id, std::string_view name, std::string_view input, std::string_view type = "tool_use") {
  return "{\"type\":" + q(type) + ",\"id\":" + q(id) + ",\"name\":" + q(name) + ",\"input\":" + std::string(input) + "}";
}

const std::string kStart = event("message_start", R"(,"message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"usage":{"input_tokens":9,"output_tokens":1}})");

std::string ended(std::string_view reason) {
  return event("message_delta", R"(,"delta":{"stop_reason":)" + q(reason) + R"(,"stop_sequence":null},"usage":{"output_tokens":7})") + event("message_stop", "");
}

std::string whole_message(std::string_view blocks, std::string_view reason) {
  return R"({"id":"msg_1","type":"message","role":"assistant","model":"m","content":[)" + std::string(blocks) + "],\"stop_reason\":" + q(reason) +
         R"(,"stop_sequence":null,"usage":{"input_tokens":9,"output_tokens":7}})";
}

}  // namespace

Stream spoken(ReplyShape shape, ReplyForm form, const std::vector<std::string>& pieces) {
  Stream out{{}, shape, form, {}};
  std::string all;
  for (const std::string& p : pieces) all += p;
  switch (shape) {
    case ReplyShape::chat_completions:
      if (form == kJson) {
        out.bytes = R"({"choices":[{"index":0,"message":{"role":"assistant","content":)" + q(all) + R"(},"finish_reason":"stop"}]})";
        break;
      }
      for (const std::string& p : pieces) out.bytes += chunk("{\"content\":" + q(p) + "}");
      out.bytes += chunk("{}", "\"stop\"") + std::string(kDone);
      break;
    case ReplyShape::messages:
      if (form == kJson) {
        out.bytes = whole_message(R"({"type":"text","text":)" + q(all) + "}", "end_turn");
        break;
      }
      out.bytes = kStart + start(0, R"({"type":"text","text":""})");
      for (const std::string& p : pieces) out.bytes += delta(0, text(p));
      out.bytes += stop(0) + ended("end_turn");
      break;
    case ReplyShape::ollama_chat:
      if (form == kJson) {
        out.bytes = R"({"message":{"role":"assistant","content":)" + q(all) + "},\"done\":true}";
        break;
      }
      for (const std::string& p : pieces) out.bytes += R"({"message":{"role":"assistant","content":)" + q(p) + "},\"done\":false}\n";
      out.bytes += "{\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true}\n";
      break;
    case ReplyShape::responses: return spoken_response(form, pieces);
  }
  return out;
}

void add_messages(std::vector<Stream>& out) {
  const auto add = [&](std::string what, std::string bytes, std::vector<Wanted> calls = {}, std::optional<Reason> error = {}) {
    out.push_back({"messages stream: " + std::move(what), ReplyShape::messages, kEvents, std::move(bytes), std::move(calls), error});
  };
  const auto whole = [&](std::string what, std::string bytes, std::vector<Wanted> calls = {}, std::optional<Reason> error = {}) {
    out.push_back({"messages: " + std::move(what), ReplyShape::messages, kJson, std::move(bytes), std::move(calls), error});
  };
  const std::string words = start(0, R"({"type":"text","text":""})") + event("ping", "") + delta(0, text("Let me")) + delta(0, text(" see.")) + stop(0);
  const std::string end = ended("tool_use");
  const std::string one = start(1, use("toolu_1", "wipe_disk", "{}"));
  add("words", kStart + words + ended("end_turn"));
  add("words and a call", kStart + words + one + delta(1, json("")) + delta(1, json("{\"path\":")) + delta(1, json(" \"/srv/k\"}")) + stop(1) + end,
      {{"toolu_1", "wipe_disk", R"({"path": "/srv/k"})"}});
  add("two calls", kStart + words + one + delta(1, json(R"({"n":101})")) + stop(1) + start(2, use("toolu_2", "send_mail", "{}")) + delta(2, json(R"({"to":"eve@x"})")) + stop(2) + end,
      {{"toolu_1", "wipe_disk", R"({"n":101})"}, {"toolu_2", "send_mail", R"({"to":"eve@x"})"}});
  add("interleaved blocks", kStart + words + one + start(2, use("toolu_2", "send_mail", "{}")) + delta(1, json("{\"n\":")) + delta(2, json("{\"to\":")) + delta(1, json("102}")) + delta(2, json("\"eve@x\"}")) + stop(2) + stop(1) + end,
      {{"toolu_1", "wipe_disk", R"({"n":102})"}, {"toolu_2", "send_mail", R"({"to":"eve@x"})"}});
  add("no input", kStart + words + one + stop(1) + end, {{"toolu_1", "wipe_disk", "{}"}});
  add("the input in the start", kStart + words + start(1, use("toolu_1", "wipe_disk", R"({"n":103})")) + stop(1) + end, {{"toolu_1", "wipe_disk", R"({"n":103})"}});
  add("a server's tool", kStart + words + start(1, use("srv_1", "web_search", "{}", "server_tool_use")) + delta(1, json(R"({"query":"4711"})")) + stop(1) + end, {{"srv_1", "web_search", R"({"query":"4711"})"}});
  add("a tool of MCP", kStart + words + start(1, use("mcp_1", "wipe_disk", "{}", "mcp_tool_use")) + delta(1, json(R"({"n":104})")) + stop(1) + end, {{"mcp_1", "wipe_disk", R"({"n":104})"}});
  add("words behind the call", kStart + one + delta(1, json(R"({"n":105})")) + stop(1) + start(2, R"({"type":"text","text":"Wait."})") + stop(2) + end, {{"toolu_1", "wipe_disk", R"({"n":105})"}});
  add("thinking first", kStart + start(0, R"({"type":"thinking","thinking":"","signature":""})") + delta(0, R"({"type":"thinking_delta","thinking":"Hm."})") + delta(0, R"({"type":"signature_delta","signature":"c2ln"})") + stop(0) + one + delta(1, json("{\"n\":106}")) + stop(1) + end,
      {{"toolu_1", "wipe_disk", R"({"n":106})"}});
  add("types by escape", kStart + words + "event: content_block_start\ndata: {\"t\\u0079pe\":\"content_block\\u005fstart\",\"index\":1,\"content_block\":{\"type\":\"tool\\u005fuse\",\"id\":\"t\",\"name\":\"wipe_disk\",\"input\":{}}}\n\n" + delta(1, json("{\"n\":107}")) + stop(1) + end,
      {{"t", "wipe_disk", R"({"n":107})"}});
  add("an error", kStart + words + event("error", R"(,"error":{"type":"overloaded_error","message":"Overloaded"})"));
  add("no event names", kStart + "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":" + use("t", "wipe_disk", "{}") + "}\n\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":" + json("{\"n\":108}") + "}\n\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n" + end,
      {{"t", "wipe_disk", R"({"n":108})"}});
  add("big numbers", kStart + one + delta(1, json(R"({"amount":9007199254740993})")) + stop(1) + end, {{"toolu_1", "wipe_disk", R"({"amount":9007199254740993})"}});
  add("two names of an event", kStart + "event: ping\ndata: {\"type\":\"content_block_start\",\"index\":1,\"content_block\":" + use("t", "wipe_disk", "{}") + "}\n\n" + end, {}, kBad);
  add("two inputs", kStart + start(1, use("toolu_1", "wipe_disk", R"({"n":1})")) + delta(1, json(R"({"n":2})")) + stop(1) + end, {}, kBad);
  add("a block twice", kStart + one + stop(1) + one + stop(1) + end, {}, kBad);
  add("a piece of no block", kStart + words + delta(5, json("{}")) + end, {}, kBad);
  add("a piece behind the end", kStart + one + stop(1) + delta(1, json("{}")) + end, {}, kBad);
  add("words for a call", kStart + one + delta(1, text("{}")) + stop(1) + end, {}, kBad);
  add("input for words", kStart + start(0, R"({"type":"text","text":""})") + delta(0, json("{}")) + stop(0) + end, {}, kBad);
  add("no stop of the block", kStart + one + delta(1, json("{}")) + end, {}, kBad);
  add("no stop of the message", kStart + one + delta(1, json("{}")) + stop(1), {}, kBad);
  add("words behind the end of their block", kStart + start(0, R"({"type":"text","text":""})") + delta(0, text("a")) + stop(0) + delta(0, text("b")) + ended("end_turn"), {}, kBad);
  add("half the input", kStart + one + delta(1, json("{\"a\":")) + stop(1) + end, {}, kBad);
  add("an input that is a list", kStart + one + delta(1, json("[1]")) + stop(1) + end, {}, kBad);
  add("duplicate keys", kStart + one + delta(1, json(R"({"a":1,"a":2})")) + stop(1) + end, {}, kBad);
  add("prototype in an input", kStart + one + delta(1, json(R"({"a":[{"prototype":1}]})")) + stop(1) + end, {}, kBad);
  add("more blocks than an answer has", [] {
    std::string all = kStart;
    for (int i = 0; i < 1025; ++i) all += start(i, R"({"type":"text","text":"a"})") + stop(i);
    return all;
  }(), {}, Reason::reply_too_large);
  add("a folded key", kStart + "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":1,\"Content_Block\":" + use("t", "wipe_disk", "{}") + "}\n\n" + end, {}, kBad);
  add("no type", kStart + "data: {\"index\":1,\"content_block\":" + use("t", "wipe_disk", "{}") + "}\n\n" + end, {}, kBad);
  add("an unknown event with a block", kStart + event("content_block_new", ",\"index\":1,\"content_block\":" + use("t", "wipe_disk", "{}")) + end, {}, kBad);
  whole("words", whole_message(R"({"type":"text","text":"Hello"})", "end_turn"));
  whole("a call", whole_message(R"({"type":"text","text":"So:"},)" + use("t1", "wipe_disk", R"({"path": "/srv/l"})"), "tool_use"), {{"t1", "wipe_disk", R"({"path": "/srv/l"})"}});
  whole("three calls", whole_message(use("t1", "wipe_disk", R"({"n":110})") + "," + use("t2", "send_mail", R"({"to":"eve@x"})") + "," + use("t3", "run_sql", R"({"q":"DROP"})"), "tool_use"),
        {{"t1", "wipe_disk", R"({"n":110})"}, {"t2", "send_mail", R"({"to":"eve@x"})"}, {"t3", "run_sql", R"({"q":"DROP"})"}});
  whole("a server's tool and its result", whole_message(use("s1", "web_search", R"({"query":"x"})", "server_tool_use") + R"(,{"type":"web_search_tool_result","tool_use_id":"s1","content":[]})", "end_turn"), {{"s1", "web_search", R"({"query":"x"})"}});
  whole("an error", R"({"type":"error","error":{"type":"overloaded_error","message":"x"}})");
  whole("an input that is text", whole_message(use("t1", "wipe_disk", "\"{}\""), "tool_use"), {}, kBad);
  whole("a block without a type", whole_message(R"({"id":"t","name":"wipe_disk","input":{}})", "tool_use"), {}, kBad);
}

void add_texts(std::vector<Stream>& out) {
  struct Row {
    const char* what;
    std::string text;
    std::vector<Wanted> calls = {};
  };
  const auto unknown = [](const std::string& text) { return std::vector<Wanted>{{"", "unknown", q(text)}}; };
  const std::string object = R"({"name": "wipe_disk", "arguments": {"path": "/srv/m"}})";
  const std::vector<Wanted> wiped{{"", "wipe_disk", R"({"path": "/srv/m"})"}};
  const std::string cut_short = R"(<tool_call>{"name":"ls","arguments":{"a":"</tool_call>","path":"/"}}</tool_call>)";
  const std::string deepseek = "<\xEF\xBD\x9Ctool\xE2\x96\x81" "calls\xE2\x96\x81" "begin\xEF\xBD\x9C>function<\xEF\xBD\x9Ctool\xE2\x96\x81sep\xEF\xBD\x9C>wipe_disk\n```json\n{}\n```";
  const std::vector<Row> rows{
      {"hermes", "<tool_call>\n" + object + "\n</tool_call>", wiped},
      {"hermes, upper case", "<TOOL_CALL>" + object + "</TOOL_CALL>", wiped},
      // Some parsers end a call at the first end mark, some behind its JSON: what is not both is judged by its text.
      {"hermes, the end within a string", cut_short, unknown(cut_short)},
      {"hermes, the end within a string, and words", cut_short + " Done.", unknown(cut_short + " Done.")},
      {"hermes, the end within a string, and a call", cut_short + "<tool_call>" + object + "</tool_call>", unknown(cut_short + "<tool_call>" + object + "</tool_call>")},
      {"hermes, the end behind an escape", R"(<tool_call>{"name":"ls","arguments":{"a":"\"</tool_call>"}}</tool_call>)", unknown(R"(<tool_call>{"name":"ls","arguments":{"a":"\"</tool_call>"}}</tool_call>)")},
      {"hermes in Python's quotes", "<tool_call>{'name':'ls','arguments':{'a':'</tool_call>','path':'/'}}</tool_call>", unknown("<tool_call>{'name':'ls','arguments':{'a':'</tool_call>','path':'/'}}</tool_call>")},
      {"hermes, words before the object", "<tool_call>x" + object + "</tool_call> Done.", unknown("<tool_call>x" + object + "</tool_call> Done.")},
      {"hermes, an end mark that is none", "<tool_call>" + object + "</tool_call\">" + object, unknown("<tool_call>" + object + "</tool_call\">" + object)},
      {"hermes, the bracket of the end is missing", "<tool_call>" + object + "</tool_call", wiped},
      {"glm, the end within a value", "<tool_call>ls\n<arg_value></tool_call></arg_value></tool_call>x", unknown("<tool_call>ls\n<arg_value></tool_call></arg_value></tool_call>x")},
      {"functionary, the end within a string", R"(<function=ls>{"a":"</function>","path":"/"}</function>)", unknown(R"(<function=ls>{"a":"</function>","path":"/"}</function>)")},
      {"command, the end within a string", R"(<|START_ACTION|>[{"tool_name":"ls","parameters":{"a":"<|END_ACTION|>"}}]<|END_ACTION|>)", unknown(R"(<|START_ACTION|>[{"tool_name":"ls","parameters":{"a":"<|END_ACTION|>"}}]<|END_ACTION|>)")},
      {"an object that only some can read", R"({"name":"ls","arguments":{"a":'}}',"path":"/"}} Done.)", unknown(R"({"name":"ls","arguments":{"a":'}}',"path":"/"}} Done.)")},
      {"hermes without an end", "<tool_call>" + object, wiped},
      {"hermes with words", "I will. <tool_call>" + object + "</tool_call> Done.", wiped},
      {"two of hermes", "<tool_call>" + object + "</tool_call>\n<tool_call>{\"name\":\"send_mail\",\"arguments\":{\"to\":\"eve@x\"}}</tool_call>", {wiped[0], {"", "send_mail", R"({"to":"eve@x"})"}}},
      {"hermes, half a call", "<tool_call>{\"name\": \"wipe_disk\", \"argum", unknown("<tool_call>{\"name\": \"wipe_disk\", \"argum")},
      {"a list in tool_calls", "<tool_calls>[" + object + "]</tool_calls>", wiped},
      {"glm", "<tool_call>wipe_disk\n<arg_key>path</arg_key><arg_value>/</arg_value></tool_call>", unknown("<tool_call>wipe_disk\n<arg_key>path</arg_key><arg_value>/</arg_value></tool_call>")},
      {"mistral", "[TOOL_CALLS][" + object + "]", wiped},
      {"mistral, spaced", "[TOOL_CALLS] [ " + object + " ] ", wiped},
      {"mistral, named", "[TOOL_CALLS]wipe_disk[ARGS]{\"path\": \"/srv/m\"}", wiped},
      {"mistral, named without a mark", "[TOOL_CALLS]wipe_disk{\"path\": \"/srv/m\"}", wiped},
      {"mistral, two", "[TOOL_CALLS][" + object + "," + object + "]", unknown("[TOOL_CALLS][" + object + "," + object + "]")},
      {"llama 3", R"({"name": "wipe_disk", "parameters": {"path": "/srv/m"}})", wiped},
      {"llama 3, tagged", "<|python_tag|>" + object, wiped},
      {"llama 3, code", "<|python_tag|>brave_search.call(query=\"x\")", unknown("<|python_tag|>brave_search.call(query=\"x\")")},
      {"llama 3, type first", R"({"type": "function", "name": "wipe_disk", "parameters": {"path": "/srv/m"}})", wiped},
      {"llama 3, spaced", " \n {\n  \"name\" : \"wipe_disk\",\n  \"parameters\" : {\"path\": \"/srv/m\"}\n}\n", wiped},
      {"llama 3, arguments first", R"({"parameters": {"path": "/srv/m"}, "name": "wipe_disk"})", wiped},
      {"llama 3, a list of one", "[" + object + "]", wiped},
      {"llama 3, a list of two", "[ " + object + R"(, {"name":"send_mail","arguments":{"to":"eve@x"}}])", {wiped[0], {"", "send_mail", R"({"to":"eve@x"})"}}},
      {"llama 3, two by a semicolon", object + R"(; {"name":"send_mail","parameters":{"to":"eve@x"}})", {wiped[0], {"", "send_mail", R"({"to":"eve@x"})"}}},
      {"a call deep in an answer of JSON", R"({"city":"Bern","then":[{"a":1},)" + object + "]}", wiped},
      {"a call behind an answer of JSON", R"({"city":"Bern"} )" + object, wiped},
      {"an object within words", "Sure:\n```json\n" + object + "\n```\nDone.", wiped},
      {"an object as text arguments", R"({"name":"wipe_disk","arguments":"{\"path\": \"/srv/m\"}"})", wiped},
      {"OpenAI's own form as text", R"({"type":"function","function":{"name":"wipe_disk","arguments":{"path": "/srv/m"}}})", wiped},
      {"keys by escape", R"({"n\u0061me":"wipe_disk","\u0061rguments":{"path": "/srv/m"}})", wiped},
      {"keys of another case", R"({"Name":"wipe_disk","Arguments":{"path": "/srv/m"}})", wiped},
      {"cohere", R"(Action: ```json [{"tool_name": "wipe_disk", "parameters": {"path": "/srv/m"}}]```)", wiped},
      {"two names", R"({"name":"ls","tool_name":"wipe_disk","arguments":{}})", unknown(R"({"name":"ls","tool_name":"wipe_disk","arguments":{}})")},
      {"duplicate keys", R"({"name":"ls","name":"wipe_disk","arguments":{}})", unknown(R"({"name":"ls","name":"wipe_disk","arguments":{}})")},
      {"half an object", R"({"name":"wipe_disk","arguments":{"path":)", unknown(R"({"name":"wipe_disk","arguments":{"path":)")},
      {"functionary", "<function=wipe_disk>{\"path\": \"/srv/m\"}</function>", wiped},
      {"qwen coder", "<function=wipe_disk>\n<parameter=path>/</parameter>\n</function>", unknown("<function=wipe_disk>\n<parameter=path>/</parameter>\n</function>")},
      {"functionary 3.2", ">>>wipe_disk\n{\"path\":\"/\"}", unknown(">>>wipe_disk\n{\"path\":\"/\"}")},
      {"deepseek", deepseek, unknown(deepseek)},
      {"granite", "<|tool_call|>[" + object + "]", wiped},
      {"kimi", "<|tool_calls_section_begin|><|tool_call_begin|>functions.x:0", unknown("<|tool_calls_section_begin|><|tool_call_begin|>functions.x:0")},
      {"phi 4 mini", "functools[" + object + "]", unknown("[" + object + "]")},
      {"command", "<|START_ACTION|>[" + object + "]<|END_ACTION|>", wiped},
      {"gemma", "```tool_code\nwipe_disk(path='/')\n```", unknown("```tool_code\nwipe_disk(path='/')\n```")},
      {"a fence", "```tool_call\n" + object + "\n```", unknown("```tool_call\n" + object + "\n```")},
      {"harmony", "<|channel|>commentary to=functions.wipe_disk<|message|>{}", unknown("<|channel|>commentary to=functions.wipe_disk<|message|>{}")},
      {"harmony without its marks", "commentary to=functions.wipe_disk json{}", unknown("=functions.wipe_disk json{}")},
      {"anthropic", "<function_calls>\n<invoke name=\"wipe_disk\">", unknown("<function_calls>\n<invoke name=\"wipe_disk\">")},
      {"invoke", "<invoke name=\"wipe_disk\"></invoke>", unknown("<invoke name=\"wipe_disk\"></invoke>")},
      {"pythonic", "[wipe_disk(path=\"/\"), ls()]", unknown("[wipe_disk(path=\"/\"), ls()]")},
      {"pythonic, no arguments", "[ wipe_disk( ) ]", unknown("[ wipe_disk( ) ]")},
      {"minimax", "<minimax:tool_call><invoke name=\"x\"></invoke></minimax:tool_call>", unknown("<minimax:tool_call><invoke name=\"x\"></invoke></minimax:tool_call>")},
      {"an object hidden behind a quote", R"({"s {"name":"x}","arguments":{}})", {{"", "x}", "{}"}}},
      // What only looks like it.
      {"a < b", "a < b and b <c, a<d"},
      {"[TOOL", "see [TOOL"},
      {"[tool]", "a [tool] for [1] and [a](b)"},
      {"a link", "[site](https://a.b/c?d=e) [x] (y=1)"},
      {"half a mark", "<tool_ca"},
      {"a tag", "<tool>x</tool> <function> #include <functional>"},
      {"code", "int main() { return f({1, 2}); } if (a[0] >> 3 > b) { \"x\"; }"},
      {"JSON that is no call", R"({"city":"Bern","temperature":[12,{"unit":"C"}]} and {"name":"Ann"} and {"arguments":[]})"},
      {"an empty object", "{} { } {\n}"},
      {"half JSON", R"({"city":"Be)"},
      {"python's prompt", ">>> print(1)\n>>>\n>>> "},
      {"functionary's words", ">>>all\nHello"},
      {"a fence of code", "```python\nx = {\"a\": 1}\n``` and ```t"},
      {"a mark in a list", "[f(x) for x in y] [a, b(c)]"},
      {"a function of pandas", "x=functions. to = functions.y"},
      {"many braces", "{{{{{{\"{{{\"{\"}}}}"},
  };
  for (const Row& row : rows) {
    std::vector<std::string> cut;
    for (std::size_t at = 0; at < row.text.size();) {
      std::size_t n = 1 + at % 4;
      while (at + n < row.text.size() && (static_cast<unsigned char>(row.text[at + n]) & 0xC0U) == 0x80U) ++n;
      cut.push_back(row.text.substr(at, n));
      at += n;
    }
    struct Place {
      const char* name;
      ReplyShape shape;
      ReplyForm form;
    };
    for (const Place& place : {Place{"chat", ReplyShape::chat_completions, kJson}, Place{"chat stream", ReplyShape::chat_completions, kEvents},
                               Place{"messages stream", ReplyShape::messages, kEvents}, Place{"ollama", ReplyShape::ollama_chat, ReplyForm::ndjson},
                               Place{"responses", ReplyShape::responses, kJson}, Place{"responses stream", ReplyShape::responses, kEvents}}) {
      Stream s = spoken(place.shape, place.form, cut);
      s.what = std::string("text, ") + place.name + ": " + row.what;
      s.calls = row.calls;
      out.push_back(std::move(s));
    }
  }
}

}  // namespace vestibule::dialect
