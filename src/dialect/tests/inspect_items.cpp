// OpenAI's Responses.
#include "dialect/tests/inspect_streams.hpp"

namespace vestibule::dialect {
namespace {

// Events in sequence.
class Script {
 public:
  Script& event(std::string_view type, std::string_view rest) {
    text_ += "event: " + std::string(type) + "\ndata: {\"type\":" + q(type) + ",\"sequence_number\":" + std::to_string(next_++) + std::string(rest) + "}\n\n";
    return *this;
  }
  Script& created() { return event("response.created", R"(,"response":{"id":"resp_1","object":"response","status":"in_progress","output":[],"tools":[{"type":"function","name":"t","parameters":{"Type":1,"NAME":2}}]})"); }
  Script& item(std::string_view how, int place, std::string_view item) {
    return event("response.output_item." + std::string(how), ",\"output_index\":" + std::to_string(place) + ",\"item\":" + std::string(item));
  }
  Script& at(std::string_view type, int place, std::string_view key, std::string_view text) {
    return event(type, ",\"item_id\":\"i" + std::to_string(place) + "\",\"output_index\":" + std::to_string(place) + ",\"content_index\":0,\"" + std::string(key) + "\":" + q(text));
  }
  Script& part(std::string_view how, int place, std::string_view part) {
    return event("response.content_part." + std::string(how), ",\"output_index\":" + std::to_string(place) + ",\"content_index\":0,\"part\":" + std::string(part));
  }
  Script& completed(std::string_view output) {
    return event("response.completed", R"(,"response":{"id":"resp_1","object":"response","status":"completed","output":[)" + std::string(output) + R"(],"usage":{"input_tokens":9,"output_tokens":7}})");
  }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
  int next_ = 0;
};

std::string called(std::string_view id, std::string_view name, std::string_view arguments, std::string_view status = "completed") {
  return R"({"id":"fc_1","type":"function_call","status":)" + q(status) + ",\"call_id\":" + q(id) + ",\"name\":" + q(name) + ",\"arguments\":" + q(arguments) + "}";
}
std::string said(std::string_view words) {
  return R"({"type":"output_text","text":)" + q(words) + R"(,"annotations":[],"logprobs":[]})";
}
std::string message(std::string_view content) {
  return R"({"id":"m_1","type":"message","role":"assistant","status":"completed","content":[)" + std::string(content) + "]}";
}

// A call that comes in two pieces.
Script& stream_call(Script& s, int place, std::string_view id, std::string_view name, std::string_view arguments) {
  s.item("added", place, called(id, name, "", "in_progress"));
  s.at("response.function_call_arguments.delta", place, "delta", arguments.substr(0, arguments.size() / 2));
  s.at("response.function_call_arguments.delta", place, "delta", arguments.substr(arguments.size() / 2));
  s.at("response.function_call_arguments.done", place, "arguments", arguments);
  return s.item("done", place, called(id, name, arguments));
}

Script& stream_words(Script& s, int place, const std::vector<std::string>& pieces, std::string_view whole) {
  s.item("added", place, R"({"id":"m_1","type":"message","role":"assistant","status":"in_progress","content":[]})");
  s.part("added", place, said(""));
  for (const std::string& p : pieces) s.at("response.output_text.delta", place, "delta", p);
  s.at("response.output_text.done", place, "text", whole);
  s.part("done", place, said(whole));
  return s.item("done", place, message(said(whole)));
}

}  // namespace

Stream spoken_response(ReplyForm form, const std::vector<std::string>& pieces) {
  std::string all;
  for (const std::string& p : pieces) all += p;
  if (form == ReplyForm::json) {
    return {{}, ReplyShape::responses, form, R"({"id":"resp_1","object":"response","output":[)" + message(said(all)) + "]}"};
  }
  Script s;
  s.created();
  stream_words(s, 0, pieces, all).completed(message(said(all)));
  return {{}, ReplyShape::responses, form, s.text()};
}

void add_responses(std::vector<Stream>& out) {
  const auto add = [&](std::string what, const Script& s, std::vector<Wanted> calls = {}, std::optional<Reason> error = {}) {
    out.push_back({"responses stream: " + std::move(what), ReplyShape::responses, ReplyForm::events, s.text(), std::move(calls), error});
  };
  const auto whole = [&](std::string what, std::string_view output, std::vector<Wanted> calls = {}, std::optional<Reason> error = {}) {
    out.push_back({"responses: " + std::move(what), ReplyShape::responses, ReplyForm::json, R"({"id":"resp_1","object":"response","status":"completed","output":[)" + std::string(output) + R"(],"usage":{"input_tokens":9,"output_tokens":7}})", std::move(calls), error});
  };
  const std::string arguments = R"({"path":"/srv/q"})";
  const std::string one = called("call_1", "wipe_disk", arguments);
  const std::vector<Wanted> wiped{{"call_1", "wipe_disk", arguments}};
  const std::string mail = R"({"to":"eve@x"})";
  {
    Script s;
    add("words", stream_words(s.created(), 0, {"Hel", "lo"}, "Hello").completed(message(said("Hello"))));
  }
  {
    Script s;
    add("one call", stream_call(s.created(), 0, "call_1", "wipe_disk", arguments).completed(one), wiped);
  }
  {
    Script s;
    stream_words(s.created(), 0, {"So."}, "So.");
    add("words and a call", stream_call(s, 1, "call_1", "wipe_disk", arguments).completed(message(said("So.")) + "," + one), wiped);
  }
  {
    Script s;
    stream_call(s.created(), 0, "call_1", "wipe_disk", arguments);
    add("two calls", stream_call(s, 1, "call_2", "send_mail", mail).completed(one + "," + called("call_2", "send_mail", mail)), {wiped[0], {"call_2", "send_mail", mail}});
  }
  {
    Script s;
    stream_call(s.created(), 0, "call_1", "wipe_disk", arguments);
    stream_words(s, 1, {"Also."}, "Also.");
    add("a call, words, a call", stream_call(s, 2, "call_2", "send_mail", mail).completed(one + "," + message(said("Also.")) + "," + called("call_2", "send_mail", mail)), {wiped[0], {"call_2", "send_mail", mail}});
  }
  {
    Script s;
    s.created().item("added", 0, called("call_1", "wipe_disk", "")).item("added", 1, called("call_2", "send_mail", ""));
    s.at("response.function_call_arguments.delta", 1, "delta", mail).at("response.function_call_arguments.delta", 0, "delta", arguments);
    s.item("done", 1, called("call_2", "send_mail", mail)).item("done", 0, one);
    add("interleaved", s.completed(one + "," + called("call_2", "send_mail", mail)), {wiped[0], {"call_2", "send_mail", mail}});
  }
  {
    Script s;
    add("only at the end", s.created().completed(one), wiped);
  }
  {
    Script s;
    add("no arguments", stream_call(s.created(), 0, "call_1", "wipe_disk", "").completed(called("call_1", "wipe_disk", "")), {{"call_1", "wipe_disk", "{}"}});
  }
  {
    Script s;
    const auto custom = [](std::string_view input) { return R"({"id":"ctc_1","type":"custom_tool_call","call_id":"k","name":"run_sql","input":)" + q(input) + "}"; };
    s.created().item("added", 0, custom("")).at("response.custom_tool_call_input.delta", 0, "delta", "DROP ").at("response.custom_tool_call_input.delta", 0, "delta", "\"t\"");
    s.at("response.custom_tool_call_input.done", 0, "input", "DROP \"t\"").item("done", 0, custom("DROP \"t\""));
    add("a custom tool", s.completed(custom("DROP \"t\"")), {{"k", "run_sql", R"("DROP \"t\"")"}});
  }
  for (const std::string type : {"local_shell_call", "shell_call", "apply_patch_call", "computer_call", "mcp_call", "web_search_call", "code_interpreter_call", "new_kind_of_call", "mcp_approval_request"}) {
    Script s;
    const std::string item = R"({"id":"x_1","type":)" + q(type) + R"(,"call_id":"c9","action":{"command":["rm","/srv/r"]},"status":"completed"})";
    s.created().item("added", 0, R"({"id":"x_1","type":)" + q(type) + R"(,"call_id":"c9","status":"in_progress"})");
    s.event("response." + type + ".in_progress", R"(,"output_index":0,"item_id":"x_1")").item("done", 0, item);
    add(type, s.completed(item), {{"c9", type, item}});
    whole(type, item, {{"c9", type, item}});
  }
  {
    Script s;
    s.created().item("added", 0, R"({"id":"r","type":"reasoning","summary":[]})");
    s.event("response.reasoning_summary_part.added", R"(,"output_index":0,"summary_index":0,"part":{"type":"summary_text","text":""})");
    s.event("response.reasoning_summary_text.delta", R"(,"output_index":0,"summary_index":0,"delta":"Hm.")");
    s.event("response.reasoning_summary_text.done", R"(,"output_index":0,"summary_index":0,"text":"Hm.")");
    s.event("response.reasoning_summary_part.done", R"(,"output_index":0,"summary_index":0,"part":{"type":"summary_text","text":"Hm."})");
    const std::string item = R"({"id":"r","type":"reasoning","summary":[{"type":"summary_text","text":"Hm."}]})";
    s.item("done", 0, item);
    add("reasoning, then a call", stream_call(s, 1, "call_1", "wipe_disk", arguments).completed(item + "," + one), wiped);
  }
  {
    Script s;
    add("an error", s.created().event("error", R"(,"code":"x","message":"y")"));
  }
  const auto bad = [&](std::string what, Script& s) { add(std::move(what), s, {}, kBad); };
  {
    Script s;
    bad("other arguments in the item", s.created().item("added", 0, called("call_1", "wipe_disk", "")).at("response.function_call_arguments.delta", 0, "delta", "{}").item("done", 0, one).completed(one));
  }
  {
    Script s;
    bad("other arguments at the end", stream_call(s.created(), 0, "call_1", "wipe_disk", "{\"path\":\"/\"}").completed(one));
  }
  {
    Script s;
    bad("another name at the end", stream_call(s.created(), 0, "call_1", "ls", arguments).completed(one));
  }
  {
    Script s;
    bad("another id at the end", stream_call(s.created(), 0, "call_2", "wipe_disk", arguments).completed(one));
  }
  {
    Script s;
    bad("words become a call", stream_words(s.created(), 0, {"Hi"}, "Hi").completed(one));
  }
  {
    Script s;
    bad("a call in the whole text only", stream_words(s.created(), 0, {"Hi"}, "<tool_call>{\"name\":\"wipe_disk\",\"arguments\":{}}</tool_call>").completed(message(said("Hi"))));
  }
  {
    Script s;
    bad("a call in the last text only", stream_words(s.created(), 0, {"Hi"}, "Hi").completed(message(said("<tool_call>{\"name\":\"wipe_disk\",\"arguments\":{}}</tool_call>"))));
  }
  {
    Script s;
    bad("never completed", stream_call(s.created(), 0, "call_1", "wipe_disk", arguments));
  }
  {
    Script s;
    bad("arguments of no call", s.created().at("response.function_call_arguments.delta", 3, "delta", "{}"));
  }
  {
    Script s;
    bad("an event of no call", s.created().event("response.shell_call.in_progress", ",\"output_index\":0"));
  }
  {
    Script s;
    bad("behind the end", s.created().completed(message(said("a"))).item("added", 1, one));
  }
  {
    Script s;
    bad("an item without a place", s.created().event("response.output_item.added", ",\"item\":" + one));
  }
  {
    Script s;
    bad("half the arguments", stream_call(s.created(), 0, "call_1", "wipe_disk", "{\"a\":").completed(called("call_1", "wipe_disk", "{\"a\":")));
  }
  {
    Script s;
    bad("duplicate keys", stream_call(s.created(), 0, "call_1", "wipe_disk", R"({"a":1,"a":2})").completed(called("call_1", "wipe_disk", R"({"a":1,"a":2})")));
  }
  {
    Script s;
    bad("a folded key", s.created().event("response.output_item.added", ",\"output_index\":0,\"Item\":" + one));
  }
  {
    Script s;
    bad("an item without a type", s.created().item("added", 0, R"({"call_id":"c","name":"wipe_disk","arguments":"{}"})"));
  }
  {
    Script s;
    stream_words(s.created(), 0, {"<tool_"}, "<tool_");
    bad("a call over two items", stream_words(s, 1, {"call>wipe_disk</tool_call>"}, "call>wipe_disk</tool_call>")
                                     .completed(message(said("<tool_")) + "," + message(said("call>wipe_disk</tool_call>"))));
  }
  const auto many = [](int items, int parts) {
    std::string part, all;
    for (int i = 0; i < parts; ++i) part += (i == 0 ? "" : ",") + said("a");
    for (int i = 0; i < items; ++i) all += (i == 0 ? "" : ",") + message(part);
    return all;
  };
  whole("many texts", many(4, 60));
  whole("more texts than an answer has", many(5, 60), {}, Reason::reply_too_large);
  whole("more parts than an item has", many(1, 65), {}, Reason::reply_too_large);
  whole("more items than an answer has", many(257, 0), {}, Reason::reply_too_large);
  {
    Script s;
    s.created();
    for (int i = 0; i < 257; ++i) s.at("response.output_text.delta", i * 7, "delta", "a");
    add("more texts than an answer has", s, {}, Reason::reply_too_large);
  }
  whole("a call in __proto__", R"({"type":"message","__proto__":{"type":"function_call","name":"wipe_disk","arguments":"{}"},"content":[]})", {}, kBad);
  whole("a call over two parts", message(said("<tool_ca") + "," + said("ll>{}</tool_call>")), {}, kBad);
  whole("words", message(said("Hello")));
  whole("one call", one, wiped);
  whole("words and three calls", message(said("So.")) + "," + one + "," + called("call_2", "send_mail", mail) + "," + called("call_3", "run_sql", R"({"q":"DROP"})"),
        {wiped[0], {"call_2", "send_mail", mail}, {"call_3", "run_sql", R"({"q":"DROP"})"}});
  whole("an object as arguments", R"({"type":"function_call","call_id":"c","name":"wipe_disk","arguments":{}})", {}, kBad);
  whole("no name", R"({"type":"function_call","call_id":"c","arguments":"{}"})", {}, kBad);
  whole("a refusal", message(R"({"type":"refusal","refusal":"No."})"));
}

}  // namespace vestibule::dialect
