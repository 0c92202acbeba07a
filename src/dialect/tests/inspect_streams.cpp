#include "dialect/tests/inspect_streams.hpp"

#include "json/writer.hpp"

namespace vestibule::dialect {

std::string q(std::string_view text) {
  std::string out;
  json::append_string(out, text);
  return out;
}

std::string chunk(std::string_view delta, std::string_view finish, int index) {
  return "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":" +
         std::to_string(index) + ",\"delta\":" + std::string(delta) + ",\"finish_reason\":" + std::string(finish) + "}]}\n\n";
}

namespace {

// A piece of a streamed call.
std::string piece(int index, std::string_view id, std::string_view name, std::string_view arguments) {
  std::string out = R"({"tool_calls":[{"index":)" + std::to_string(index);
  if (!id.empty()) out += ",\"id\":" + q(id) + R"(,"type":"function")";
  out += R"(,"function":{)";
  if (!name.empty()) out += "\"name\":" + q(name) + ",";
  return out + "\"arguments\":" + q(arguments) + "}}]}";
}

std::string completion(std::string_view message, std::string_view finish = "\"tool_calls\"") {
  return R"({"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":)" + std::string(message) +
         ",\"finish_reason\":" + std::string(finish) + R"(}],"usage":{"prompt_tokens":9,"completion_tokens":7,"total_tokens":16}})";
}

std::string called(std::string_view calls) {
  return completion(R"({"role":"assistant","content":null,"tool_calls":[)" + std::string(calls) + "]}");
}

std::string call(std::string_view id, std::string_view name, std::string_view arguments) {
  return "{\"id\":" + q(id) + R"(,"type":"function","function":{"name":)" + q(name) + ",\"arguments\":" + q(arguments) + "}}";
}

constexpr auto kBig = Reason::reply_too_large;

}  // namespace

void add_chat(std::vector<Stream>& out) {
  const std::string role = chunk(R"({"role":"assistant","content":""})");
  const std::string end = chunk("{}", "\"tool_calls\"");
  const std::string done(kDone);
  const std::string usage = R"(data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":7}})"
                            "\n\n";
  const auto good = [&](std::string what, std::string bytes, std::vector<Wanted> calls = {}) {
    out.push_back({"chat stream: " + std::move(what), kChat, kEvents, std::move(bytes), std::move(calls)});
  };
  const auto bad = [&](std::string what, std::string bytes, Reason reason = kBad) {
    out.push_back({"chat stream: " + std::move(what), kChat, kEvents, std::move(bytes), {}, reason});
  };
  const std::string open = role + chunk(piece(0, "call_1", "wipe_disk", ""));

  good("words", role + chunk(R"({"content":"Hello"})") + chunk(R"({"content":" you"})") + chunk("{}", "\"stop\"") + usage + done);
  good("one call", open + chunk(piece(0, "", "", "{\"path\":")) + chunk(piece(0, "", "", "\"/srv/a\"}")) + end + done,
       {{"call_1", "wipe_disk", R"({"path":"/srv/a"})"}});
  good("words, then a call", role + chunk(R"({"content":"I will."})") + chunk(piece(0, "call_1", "wipe_disk", R"({"path":"/srv/b"})")) + end + usage + done,
       {{"call_1", "wipe_disk", R"({"path":"/srv/b"})"}});
  good("a call, then words", open + chunk(piece(0, "", "", "{}")) + chunk(R"({"content":"Done soon."})") + end + done, {{"call_1", "wipe_disk", "{}"}});
  good("words and a call in one delta", role + chunk(R"({"content":"Now: ","tool_calls":[{"index":0,"id":"x","function":{"name":"wipe_disk","arguments":"{\"path\":\"/srv/c\"}"}}]})") + end + done,
       {{"x", "wipe_disk", R"({"path":"/srv/c"})"}});
  good("no arguments at all", open + end + done, {{"call_1", "wipe_disk", "{}"}});
  good("two calls", open + chunk(piece(0, "", "", R"({"n":1})")) + chunk(piece(1, "call_2", "send_mail", R"({"to":"eve@x"})")) + end + done,
       {{"call_1", "wipe_disk", R"({"n":1})"}, {"call_2", "send_mail", R"({"to":"eve@x"})"}});
  good("interleaved", open + chunk(piece(1, "call_2", "send_mail", "{\"to\":")) + chunk(piece(0, "", "", "{\"path\":")) +
                          chunk(piece(1, "", "", "\"eve@x\"}")) + chunk(piece(0, "", "", "\"/srv/d\"}")) + end + done,
       {{"call_1", "wipe_disk", R"({"path":"/srv/d"})"}, {"call_2", "send_mail", R"({"to":"eve@x"})"}});
  good("both in one delta", role + chunk(R"({"tool_calls":[{"index":0,"id":"a","function":{"name":"wipe_disk","arguments":"{\"p\":\"/srv/e\"}"}},{"index":1,"id":"b","function":{"name":"send_mail","arguments":"{\"to\":\"eve@x\"}"}}]})") + end + done,
       {{"a", "wipe_disk", R"({"p":"/srv/e"})"}, {"b", "send_mail", R"({"to":"eve@x"})"}});
  good("the second index first", role + chunk(piece(1, "call_2", "send_mail", R"({"to":"eve@x"})")) + chunk(piece(0, "call_1", "wipe_disk", R"({"n":42})")) + end + done,
       {{"call_2", "send_mail", R"({"to":"eve@x"})"}, {"call_1", "wipe_disk", R"({"n":42})"}});
  good("an index that starts high", role + chunk(piece(7, "call_8", "wipe_disk", R"({"n":43})")) + end + done, {{"call_8", "wipe_disk", R"({"n":43})"}});
  good("two choices, one calls", role + chunk(R"({"content":"words"})", "null", 1) + chunk(piece(0, "c", "wipe_disk", R"({"n":44})")) + chunk("{}", "\"stop\"", 1) + end + done,
       {{"c", "wipe_disk", R"({"n":44})"}});
  good("two choices, both call", chunk(piece(0, "c", "wipe_disk", R"({"n":45})"), "null", 0) + chunk(piece(0, "d", "send_mail", R"({"to":"eve@x"})"), "null", 1) +
                                     chunk("{}", "\"tool_calls\"", 1) + end + done,
       {{"c", "wipe_disk", R"({"n":45})"}, {"d", "send_mail", R"({"to":"eve@x"})"}});
  good("the older function_call", role + chunk(R"({"function_call":{"name":"wipe_disk","arguments":""}})") + chunk(R"({"function_call":{"arguments":"{\"path\":\"/srv/f\"}"}})") +
                                      chunk("{}", "\"function_call\"") + done,
       {{"", "wipe_disk", R"({"path":"/srv/f"})"}});
  good("function_call and tool_calls", role + chunk(R"({"function_call":{"name":"wipe_disk","arguments":"{\"n\":46}"}})") + chunk(piece(0, "t", "send_mail", R"({"to":"eve@x"})")) + end + done,
       {{"", "wipe_disk", R"({"n":46})"}, {"t", "send_mail", R"({"to":"eve@x"})"}});
  good("a custom tool", role + chunk(R"({"tool_calls":[{"index":0,"id":"k","type":"custom","custom":{"name":"run_sql","input":"DROP "}}]})") +
                            chunk(R"({"tool_calls":[{"index":0,"custom":{"input":"TABLE \"users\""}}]})") + end + done,
       {{"k", "run_sql", R"("DROP TABLE \"users\"")"}});
  good("tool_calls null", role + chunk(R"({"content":"a","tool_calls":null,"function_call":null})") + chunk("{}", "\"stop\"") + done);
  good("tool_calls empty", role + chunk(R"({"content":"a","tool_calls":[]})") + chunk("{}", "\"stop\"") + done);
  good("a key by escape", role + chunk(R"({"tool\u005fcalls":[{"\u0069ndex":0,"id":"e","function":{"n\u0061me":"wipe\u005fdisk","arguments":"{\"n\":47}"}}]})") + end + done,
       {{"e", "wipe_disk", R"({"n":47})"}});
  good("arguments by escape", role + chunk(R"({"tool_calls":[{"index":0,"id":"e","function":{"name":"wipe_disk","arguments":"\u007b\"n\":48\u007d"}}]})") + end + done,
       {{"e", "wipe_disk", R"({"n":48})"}});
  good("numbers beyond 2^53", open + chunk(piece(0, "", "", R"({"amount":9007199254740993})")) + end + done,
       {{"call_1", "wipe_disk", R"({"amount":9007199254740993})"}});
  good("white space in arguments", open + chunk(piece(0, "", "", " {\n \"n\" : 49 } ")) + end + done, {{"call_1", "wipe_disk", " {\n \"n\" : 49 } "}});
  good("arguments that are a list", open + chunk(piece(0, "", "", "[4711,4712]")) + end + done, {{"call_1", "wipe_disk", "[4711,4712]"}});
  good("huge arguments", open + chunk(piece(0, "", "", "{\"text\":\"" + std::string(200000, 'x'))) + chunk(piece(0, "", "", std::string(200000, 'y') + "\"}")) + end + done,
       {{"call_1", "wipe_disk", "{\"text\":\"" + std::string(200000, 'x') + std::string(200000, 'y') + "\"}"}});
  good("an error as the last event", role + "data: {\"error\":{\"message\":\"out of memory\",\"code\":500}}\n\n");
  good("reasoning before a call", role + chunk(R"({"reasoning_content":"He wants it."})") + chunk(R"({"reasoning":"So be it."})") + chunk(piece(0, "r", "wipe_disk", R"({"n":50})")) + end + done,
       {{"r", "wipe_disk", R"({"n":50})"}});
  good("the id again with each piece", open + chunk(R"({"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":null,"arguments":"{\"n\":51}"}}]})") + end + done,
       {{"call_1", "wipe_disk", R"({"n":51})"}});
  good("an empty name behind the first", open + chunk(R"({"tool_calls":[{"index":0,"function":{"name":"","arguments":"{\"n\":52}"}}]})") + end + done,
       {{"call_1", "wipe_disk", R"({"n":52})"}});
  good("the finish reason with the last piece", role + chunk(piece(0, "f", "wipe_disk", R"({"n":53})"), "\"tool_calls\"") + done, {{"f", "wipe_disk", R"({"n":53})"}});
  good("no [DONE]", open + chunk(piece(0, "", "", R"({"n":54})")) + end, {{"call_1", "wipe_disk", R"({"n":54})"}});
  good("finish reason stop", open + chunk(piece(0, "", "", R"({"n":55})")) + chunk("{}", "\"stop\"") + done, {{"call_1", "wipe_disk", R"({"n":55})"}});
  good("logprobs that spell the call", open + "data: {\"choices\":[{\"index\":0,\"delta\":" + piece(0, "", "", R"({"n":5566})") +
                                           R"(,"logprobs":{"content":[{"token":"wipe_disk","bytes":null}]},"finish_reason":"tool_calls"}]})" + "\n\n" + done,
       {{"call_1", "wipe_disk", R"({"n":5566})"}});
  good("llama.cpp's timings", open + chunk(piece(0, "", "", R"({"n":56})")) + "data: {\"choices\":[{\"finish_reason\":\"tool_calls\",\"index\":0,\"delta\":{}}],\"timings\":{\"prompt_n\":1,\"predicted_ms\":1.5}}\n\n" + done,
       {{"call_1", "wipe_disk", R"({"n":56})"}});
  good("the server's own log of what the model wrote", open + chunk(piece(0, "", "", R"({"n":5777})")) + "data: {\"choices\":[{\"finish_reason\":\"tool_calls\",\"index\":0,\"delta\":{}}],\"__verbose\":{\"content\":\"wipe_disk\"}}\n\n" + done,
       {{"call_1", "wipe_disk", R"({"n":5777})"}});

  // openai-node assigns what it does not know to the message: then the call is inherited.
  bad("a call in __proto__", role + chunk(R"({"__proto__":{"tool_calls":[{"index":0,"id":"p","function":{"name":"wipe_disk","arguments":"{}"}}]}})") + end + done);
  bad("a call in __proto__ by escape", role + chunk(R"({"_\u005fproto__":{"tool_calls":[]}})") + end + done);
  bad("a call in constructor.prototype", role + chunk(R"({"content":"a","x":[{"constructor":{"prototype":{"tool_calls":[]}}}]})") + end + done);
  bad("__proto__ around a choice", role + "data: {\"__proto__\":{\"choices\":[]}}\n\n" + done);
  bad("__proto__ in arguments", open + chunk(piece(0, "", "", R"({"a":{"__proto__":{"path":"/"}}})")) + end + done);
  bad("__proto__ in words' event", chunk(R"({"content":"a"})") + "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"__proto__\":null}]}\n\n" + done);
  good("__proto__ as a word", role + chunk(R"({"content":"__proto__ and constructor"})") + chunk("{}", "\"stop\"") + done);
  const std::string word = chunk(R"({"content":"a"})");
  good("a call where the event before had words", word + chunk(R"({"content":"b","tool_calls":[{"index":0,"id":"w","function":{"name":"wipe_disk","arguments":"{\"n\":57}"}}],"x":"c"})") + end + done,
       {{"w", "wipe_disk", R"({"n":57})"}});
  good("words with quotes behind words", word + chunk(R"({"content":"\"b\" \\"})") + word + chunk("{\"content\":\"\xC3\xA9\"}") + chunk("{}", "\"stop\"") + done);
  bad("invalid UTF-8 behind words", word + chunk("{\"content\":\"\xC3\"}") + done);
  bad("a control behind words", word + chunk("{\"content\":\"\x01\"}") + done);
  bad("a folded key behind words", word + chunk(R"({"content":"b","Tool_calls":"c"})") + done);
  bad("cut within a call", open + chunk(piece(0, "", "", "{\"path\":")));
  bad("cut behind a call", open + chunk(piece(0, "", "", "{}")));
  bad("no end of one choice", open + chunk("{}", "\"tool_calls\"", 1) + done);
  bad("arguments that are no JSON", open + chunk(piece(0, "", "", "{\"a\":")) + chunk("{}", "\"length\"") + done);
  bad("duplicate keys in arguments", open + chunk(piece(0, "", "", R"({"a":1,"a":2})")) + end + done);
  bad("duplicate keys by escape in arguments", open + chunk(piece(0, "", "", R"({"a":1,"\u0061":2})")) + end + done);
  bad("a number beyond double", open + chunk(piece(0, "", "", R"({"a":1e999})")) + end + done);
  bad("two values as arguments", open + chunk(piece(0, "", "", "{}{}")) + end + done);
  bad("a duplicate key", role + chunk(R"({"content":"a","content":"b"})") + done);
  bad("tool_calls twice", role + chunk(R"({"tool_calls":[],"tool_calls":[{"index":0,"function":{"name":"wipe_disk"}}]})") + end + done);
  bad("tool_calls twice, by escape", role + chunk(R"({"tool_calls":null,"tool_call\u0073":[{"index":0,"function":{"name":"wipe_disk"}}]})") + end + done);
  bad("a folded key", role + chunk(R"({"Tool_Calls":[{"index":0,"function":{"name":"wipe_disk","arguments":"{}"}}]})") + end + done);
  bad("a folded key, long s", role + chunk("{\"tool_call\xC5\xBF\":[{\"index\":0,\"function\":{\"name\":\"wipe_disk\"}}]}") + end + done);
  bad("choices folded", "data: {\"Choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[]}}]}\n\n" + done);
  bad("delta folded", "data: {\"choices\":[{\"index\":0,\"Delta\":{\"tool_calls\":[]}}]}\n\n" + done);
  bad("function folded", role + chunk(R"({"tool_calls":[{"index":0,"Function":{"name":"wipe_disk"}}]})") + end + done);
  bad("name folded", role + chunk(R"({"tool_calls":[{"index":0,"function":{"name":"ls","NAME":"wipe_disk"}}]})") + end + done);
  bad("a key with a zero byte", role + chunk(R"({"tool_calls\u0000":[]})") + done);
  bad("invalid UTF-8", role + chunk("{\"content\":\"\xFF\"}") + done);
  bad("overlong UTF-8", role + chunk("{\"content\":\"\xC0\xAF\"}") + done);
  bad("half a surrogate", role + chunk(R"({"content":"\ud800"})") + done);
  bad("a message in a stream", role + "data: {\"choices\":[{\"index\":0,\"message\":{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"wipe_disk\"}}]}}]}\n\n" + end + done);
  bad("a piece without an index", role + chunk(R"({"tool_calls":[{"id":"a","function":{"name":"wipe_disk","arguments":"{}"}}]})") + end + done);
  bad("a negative index", role + chunk(R"({"tool_calls":[{"index":-1,"id":"a","function":{"name":"wipe_disk","arguments":"{}"}}]})") + end + done);
  bad("an index with a fraction", role + chunk(R"({"tool_calls":[{"index":0.5,"id":"a","function":{"name":"wipe_disk","arguments":"{}"}}]})") + end + done);
  bad("no name", role + chunk(piece(0, "a", "", "{}")) + end + done);
  bad("two names", open + chunk(piece(0, "", "send_mail", "{}")) + end + done);
  bad("two ids", open + chunk(piece(0, "call_2", "", "{}")) + end + done);
  bad("two kinds", open + chunk(R"({"tool_calls":[{"index":0,"custom":{"input":"x"}}]})") + end + done);
  bad("both kinds at once", role + chunk(R"({"tool_calls":[{"index":0,"function":{"name":"a"},"custom":{"name":"b"}}]})") + end + done);
  bad("an unknown kind", role + chunk(R"({"tool_calls":[{"index":0,"type":"shell","shell":{"command":"rm"}}]})") + end + done);
  bad("tool_calls is an object", role + chunk(R"({"tool_calls":{"index":0,"function":{"name":"wipe_disk","arguments":"{}"}}})") + end + done);
  bad("a call that is a string", role + chunk(R"({"tool_calls":["wipe_disk"]})") + end + done);
  bad("arguments that are an object", role + chunk(R"({"tool_calls":[{"index":0,"function":{"name":"wipe_disk","arguments":{"a":1}}}]})") + end + done);
  bad("a name that is a number", role + chunk(R"({"tool_calls":[{"index":0,"function":{"name":1,"arguments":"{}"}}]})") + end + done);
  bad("choices is an object", "data: {\"choices\":{}}\n\n" + done);
  bad("a list", "data: []\n\n" + done);
  bad("no JSON", "data: hello\n\n" + done);
  bad("behind the value", "data: {\"choices\":[]} {}\n\n" + done);
  {
    std::string many = role;
    for (int i = 0; i < 65; ++i) many += chunk(piece(i, "id" + std::to_string(i), "wipe_disk", "{}"));
    bad("65 calls", many + end + done, kBig);
    many = role;
    std::vector<Wanted> wanted;
    for (int i = 0; i < 64; ++i) {
      many += chunk(piece(i, "id" + std::to_string(i), "wipe_disk", "{}"));
      wanted.push_back({"id" + std::to_string(i), "wipe_disk", "{}"});
    }
    good("64 calls", many + end + done, wanted);
  }
  bad("deep JSON", "data: " + std::string(65, '[') + std::string(65, ']') + "\n\n", kBad);

  const auto whole = [&](std::string what, std::string bytes, std::vector<Wanted> calls = {}, std::optional<Reason> error = {}) {
    out.push_back({"chat: " + std::move(what), kChat, kJson, std::move(bytes), std::move(calls), error});
  };
  whole("words", completion(R"({"role":"assistant","content":"Hello"})", "\"stop\""));
  whole("one call", called(call("a", "wipe_disk", R"({"path":"/srv/g"})")), {{"a", "wipe_disk", R"({"path":"/srv/g"})"}});
  whole("two calls", called(call("a", "wipe_disk", R"({"n":60})") + "," + call("b", "send_mail", R"({"to":"eve@x"})")),
        {{"a", "wipe_disk", R"({"n":60})"}, {"b", "send_mail", R"({"to":"eve@x"})"}});
  whole("three calls", called(call("a", "wipe_disk", R"({"n":61})") + "," + call("b", "send_mail", R"({"to":"eve@x"})") + "," + call("c", "run_sql", R"({"q":"DROP"})")),
        {{"a", "wipe_disk", R"({"n":61})"}, {"b", "send_mail", R"({"to":"eve@x"})"}, {"c", "run_sql", R"({"q":"DROP"})"}});
  whole("words and a call", completion(R"({"role":"assistant","content":"I will.","tool_calls":[)" + call("a", "wipe_disk", R"({"n":62})") + "]}"), {{"a", "wipe_disk", R"({"n":62})"}});
  whole("no content key", completion(R"({"role":"assistant","tool_calls":[)" + call("a", "wipe_disk", R"({"n":63})") + "]}"), {{"a", "wipe_disk", R"({"n":63})"}});
  whole("content in parts", completion(R"({"role":"assistant","content":[{"type":"text","text":"Well."}],"tool_calls":[)" + call("a", "wipe_disk", R"({"n":64})") + "]}"),
        {{"a", "wipe_disk", R"({"n":64})"}});
  whole("the same id twice", called(call("a", "wipe_disk", R"({"n":65})") + "," + call("a", "wipe_disk", R"({"n":66})")),
        {{"a", "wipe_disk", R"({"n":65})"}, {"a", "wipe_disk", R"({"n":66})"}});
  whole("function_call", completion(R"({"role":"assistant","content":null,"function_call":{"name":"wipe_disk","arguments":"{\"n\":67}"}})", "\"function_call\""), {{"", "wipe_disk", R"({"n":67})"}});
  whole("a custom tool", called(R"({"id":"k","type":"custom","custom":{"name":"run_sql","input":"DROP TABLE t"}})"), {{"k", "run_sql", "\"DROP TABLE t\""}});
  whole("two choices", R"({"choices":[{"index":0,"message":{"content":"a"},"finish_reason":"stop"},{"index":1,"message":{"content":null,"tool_calls":[)" + call("a", "wipe_disk", R"({"n":68})") + R"(]},"finish_reason":"tool_calls"}]})",
        {{"a", "wipe_disk", R"({"n":68})"}});
  whole("both choices and function_call", R"({"choices":[{"index":0,"message":{"content":null,"tool_calls":[)" + call("a", "wipe_disk", R"({"n":69})") + R"(],"function_call":{"name":"send_mail","arguments":"{\"to\":\"eve@x\"}"}},"finish_reason":"tool_calls"},{"index":1,"message":{"tool_calls":[)" +
            call("b", "run_sql", R"({"q":"DROP"})") + R"(]},"finish_reason":"tool_calls"}]})",
        {{"a", "wipe_disk", R"({"n":69})"}, {"", "send_mail", R"({"to":"eve@x"})"}, {"b", "run_sql", R"({"q":"DROP"})"}});
  whole("empty tool_calls", completion(R"({"role":"assistant","content":"a","tool_calls":[],"function_call":null})", "\"stop\""));
  whole("an error", R"({"error":{"message":"no such model","type":"invalid_request_error"}})");
  whole("spaced", "{\n  \"choices\" : [ { \"index\" : 0, \"message\" : { \"content\" : null, \"tool_calls\" : [ { \"id\" : \"a\", \"function\" : { \"name\" : \"wipe_disk\", \"arguments\" : \"{\\\"n\\\":70}\" } } ] } } ] }\n",
        {{"a", "wipe_disk", R"({"n":70})"}});
  whole("keys by escape", R"({"\u0063hoices":[{"message":{"tool_c\u0061lls":[{"id":"a","function":{"name":"wipe_disk","arguments":"{\"n\":71}"}}]}}]})", {{"a", "wipe_disk", R"({"n":71})"}});
  whole("empty body", "");
  whole("cut", called(call("a", "wipe_disk", "{}")).substr(0, 150), {}, kBad);
  whole("a byte order mark", "\xEF\xBB\xBF" + completion(R"({"content":"a"})"), {}, kBad);
  whole("two values", completion(R"({"content":"a"})") + completion(R"({"content":"b"})"), {}, kBad);
  whole("a delta in a whole reply", R"({"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"name":"wipe_disk","arguments":"{}"}}]}}]})", {}, kBad);
  whole("choices out of order", R"({"choices":[{"index":1,"message":{"content":"a"}},{"index":0,"message":{"content":"b"}}]})", {}, kBad);
  whole("an object as arguments", called(R"({"id":"a","function":{"name":"wipe_disk","arguments":{"a":1}}})"), {}, kBad);
  whole("a folded key", completion(R"({"content":null,"TOOL_CALLS":[]})"), {}, kBad);
  whole("more calls in text than allowed", [] {
    std::string text;
    for (int i = 0; i < 65; ++i) text += R"(<tool_call>{"name":"f","arguments":{}}</tool_call>)";
    return completion("{\"content\":" + q(text) + "}");
  }(), {}, kBig);
  whole("a call in __proto__", completion(R"({"role":"assistant","content":"a","__proto__":{"tool_calls":[)" + call("a", "wipe_disk", "{}") + "]}}"), {}, kBad);
  whole("too many calls", [] {
    std::string calls;
    for (int i = 0; i < 65; ++i) calls += (i == 0 ? "" : ",") + call("a", "wipe_disk", "{}");
    return called(calls);
  }(), {}, kBig);
}

void add_ollama(std::vector<Stream>& out) {
  const auto add = [&](std::string what, ReplyForm form, std::string bytes, std::vector<Wanted> calls = {}, std::optional<Reason> error = {}) {
    out.push_back({"ollama: " + std::move(what), ReplyShape::ollama_chat, form, std::move(bytes), std::move(calls), error});
  };
  const auto line = [](std::string_view message, std::string_view rest = R"("done":false)") {
    return R"({"model":"m","created_at":"2026-01-01T00:00:00Z","message":)" + std::string(message) + "," + std::string(rest) + "}\n";
  };
  const std::string end = line(R"({"role":"assistant","content":""})", R"("done_reason":"stop","done":true,"eval_count":3)");
  const auto calling = [](std::string_view name, std::string_view arguments) {
    return R"({"role":"assistant","content":"","tool_calls":[{"function":{"name":)" + q(name) + ",\"arguments\":" + std::string(arguments) + "}}]}";
  };
  constexpr auto kLines = ReplyForm::ndjson;
  add("words", kLines, line(R"({"role":"assistant","content":"Hel"})") + line(R"({"role":"assistant","content":"lo"})") + end);
  add("one call", kLines, line(calling("wipe_disk", R"({"path":"/srv/h"})")) + end, {{"", "wipe_disk", R"({"path":"/srv/h"})"}});
  add("one call, whole", kJson, line(calling("wipe_disk", R"({"path":"/srv/i"})"), R"("done":true)"), {{"", "wipe_disk", R"({"path":"/srv/i"})"}});
  add("two lines of calls", kLines, line(calling("wipe_disk", R"({"n":80})")) + line(calling("send_mail", R"({"to":"eve@x"})")) + end,
      {{"", "wipe_disk", R"({"n":80})"}, {"", "send_mail", R"({"to":"eve@x"})"}});
  add("two calls in a line, with index and id", kLines,
      line(R"({"role":"assistant","content":"Ok.","tool_calls":[{"id":"a","function":{"index":0,"name":"wipe_disk","arguments":{"n":81}}},{"id":"b","function":{"index":1,"name":"send_mail","arguments":{"to":"eve@x"}}}]})") + end,
      {{"a", "wipe_disk", R"({"n":81})"}, {"b", "send_mail", R"({"to":"eve@x"})"}});
  add("thinking", kLines, line(R"({"role":"assistant","content":"","thinking":"hm"})") + line(calling("wipe_disk", R"({"n":82})")) + end, {{"", "wipe_disk", R"({"n":82})"}});
  add("no arguments", kLines, line(calling("wipe_disk", "{}")) + end, {{"", "wipe_disk", "{}"}});
  add("big numbers", kLines, line(calling("wipe_disk", R"({"amount": 9007199254740993 , "rate":1.0})")) + end, {{"", "wipe_disk", R"({"amount": 9007199254740993 , "rate":1.0})"}});
  add("the tool's own keys", kLines, line(calling("wipe_disk", R"({"Name":"x","Content":"y","TYPE":1})")) + end, {{"", "wipe_disk", R"({"Name":"x","Content":"y","TYPE":1})"}});
  add("a last line without its end", kLines, line(calling("wipe_disk", R"({"n":83})")) + end.substr(0, end.size() - 1), {{"", "wipe_disk", R"({"n":83})"}});
  add("empty lines", kLines, "\n\r\n" + line(calling("wipe_disk", R"({"n":84})")) + "\n" + end, {{"", "wipe_disk", R"({"n":84})"}});
  add("CRLF", kLines, line(R"({"role":"assistant","content":"a"})").insert(line(R"({"role":"assistant","content":"a"})").size() - 1, "\r") + end);
  add("an error", kLines, "{\"error\":\"model is busy\"}\n");
  add("__proto__ in arguments", kLines, line(calling("wipe_disk", R"({"__proto__":{"path":"/"}})")) + end, {}, kBad);
  add("not done", kLines, line(calling("wipe_disk", "{}")), {}, kBad);
  add("arguments as text", kLines, line(calling("wipe_disk", R"("{}")")) + end, {}, kBad);
  add("folded, as Go reads it", kLines, line(R"({"role":"assistant","content":"","Tool_Calls":[{"function":{"name":"wipe_disk","arguments":{}}}]})") + end, {}, kBad);
  add("Message folded", kLines, R"({"Message":{"tool_calls":[{"function":{"name":"wipe_disk","arguments":{}}}]},"done":true})" "\n", {}, kBad);
  add("duplicate keys in arguments", kLines, line(calling("wipe_disk", R"({"a":1,"a":2})")) + end, {}, kBad);
  add("cut", kLines, line(calling("wipe_disk", "{}")).substr(0, 90), {}, kBad);
  add("a line that some readers cut", kLines, line("{\"role\":\"assistant\",\"content\":\"\xE2\x80\xA8{\\\"message\\\":1}\"}") + end, {}, kBad);
  add("a delta", kLines, "{\"delta\":{\"tool_calls\":[]},\"done\":true}\n", {}, kBad);
}

void add_framings(std::vector<Stream>& out) {
  const std::string delta = piece(0, "f", "wipe_disk", R"({"n":90})");
  const std::string json = R"({"choices":[{"index":0,"delta":)" + delta + R"(,"finish_reason":"tool_calls"}]})";
  const auto add = [&](std::string what, std::string bytes, std::optional<Reason> error = {}) {
    out.push_back({"framing: " + std::move(what), kChat, kEvents, std::move(bytes), error ? std::vector<Wanted>{} : std::vector<Wanted>{{"f", "wipe_disk", R"({"n":90})"}}, error});
  };
  add("CRLF", "data: " + json + "\r\n\r\ndata: [DONE]\r\n\r\n");
  add("CR", "data: " + json + "\r\rdata: [DONE]\r\r");
  add("mixed", ": hi\n\ndata: " + json + "\r\n\ndata: [DONE]\n\r");
  add("no space", "data:" + json + "\n\ndata:[DONE]\n\n");
  add("comments, id, retry", ": ping\n\nid: 7\nretry: 100\nevent: chunk\n: more\ndata: " + json + "\n\n");
  // To those who take each line of data for an event, one of several may be a call that the whole is not.
  add("two lines of data", "data: {\"choices\":\ndata: [{\"index\":0,\"delta\":" + delta + ",\ndata: \"finish_reason\":\"tool_calls\"}]}\n\n", kBad);
  add("a call in a line of data", "data: {\"x\":\ndata: " + json + "\ndata: }\n\n", kBad);
  add("a byte order mark", "\xEF\xBB\xBF" "data: " + json + "\n\n");
  add("an event cut by the end", "data: " + json + "\n");
  add("an event cut by the end, no line end", "data: " + json);
  add("an event cut by the end, CR", "data: " + json + "\r");
  add("empty data", "data:\n\ndata: \n\ndata: " + json + "\n\n");
  add("an unknown field", "foo: bar\ndata: " + json + "\n\n", kBad);
  add("a line that is no field", "data: " + json + "\nbaz\n\n", kBad);
  add("lines of JSON", json + "\n" + json + "\n", kBad);
  add("a line of JSON in an event", "data: [DONE]\n" + json + "\n\n", kBad);
  add("a whole body", "{\"choices\":\n\n[{\"index\":0,\"message\":" + delta + "}]}", kBad);
  add("a blank before data", " data: " + json + "\n\n", kBad);
  add("a blank behind data", "data : " + json + "\n\n", kBad);
  add("data in another case", "Data: " + json + "\n\n", kBad);
  add("a call in a comment", ": " + json + "\n\n", kBad);
  add("a call in a comment, within CR", ": ping\r" + json + "\r\n\n", kBad);
  add("a call in an id", "id: " + json + "\n\n", kBad);
  add("a call in an event's name", "event: " + json + "\n\n", kBad);
  add("a call as a field's name", json + "\n\n", kBad);
  add("a mark within", ": a\n\n\xEF\xBB\xBF" "data: " + json + "\n\n", kBad);
  add("U+2028 before data", "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\xE2\x80\xA8" "data: {}\"}}]}\n\n", kBad);
  add("NEL before data", "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\xC2\x85 data: {}\"}}]}\n\n", kBad);
  add("a form feed in a comment", ": a\x0C" "data: " + json + "\n\n", kBad);
  add("a line feed within JSON", "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\ndata: b\"}}]}\n\n", kBad);
  add("JSON over two events", "data: {\"choices\":[{\"index\":0,\n\ndata: \"delta\":" + delta + "}]}\n\n", kBad);
  out.push_back({"framing: U+2028 in words", kChat, kEvents, chunk("{\"content\":\"a\xE2\x80\xA8" "b\"}") + std::string(kDone)});
  out.push_back({"framing: nothing", kChat, kEvents, ""});
  // What clients do not expect of a path they may read as what they do expect.
  const std::string line = R"({"message":)" + delta + ",\"done\":true}\n";
  out.push_back({"framing: lines that are called events", ReplyShape::ollama_chat, kEvents, line, {}, kBad});
  out.push_back({"framing: events of Ollama", ReplyShape::ollama_chat, kEvents, "data: " + line + "\n", {}, kBad});
  out.push_back({"framing: a call as a line of a value", ReplyShape::ollama_chat, kJson, "{\"x\":\n" + line + ",\"done\":true}", {}, kBad});
  out.push_back({"framing: a call as a line of a value, CR", ReplyShape::ollama_chat, ReplyForm::ndjson, "{\"x\":\r{\"message\":{}}\r,\"done\":true}\n", {}, kBad});
  for (const ReplyShape shape : {kChat, ReplyShape::responses, ReplyShape::messages}) {
    out.push_back({"framing: lines for " + std::to_string(static_cast<int>(shape)), shape, ReplyForm::ndjson, "{}\n", {}, kBad});
  }
  out.push_back({"framing: an unknown form", kChat, ReplyForm::unknown, "data: " + json + "\n\n", {}, kBad});
}

}  // namespace vestibule::dialect
