#include <gtest/gtest.h>

#include "dialect/dialect.hpp"
#include "dialect/model_name.hpp"

namespace vestibule::dialect {
namespace {

using http::Method;

constexpr auto kO = Kind::openai;
constexpr auto kA = Kind::anthropic;
constexpr auto kL = Kind::ollama;
constexpr auto kC = Kind::llamacpp;
constexpr auto kV = Kind::vllm;
constexpr const char* kChatPath = "/v1/chat/completions";

struct BodyRow {
  const char* what;
  Kind kind;
  const char* path;
  std::string body;
  Reason reason = Reason::ok;
  const char* model = "m";
  bool stream = false;
  int tools = 0;
};

Result<Facts> classify(Kind kind, const char* path, std::string_view body, const Rules& rules, std::string& scratch,
                       Method method = Method::post) {
  const auto need = get(kind).need(method, path, "", rules);
  if (!need) return need.error();
  return get(kind).classify(*need, path, body, rules, scratch);
}

void check(const std::vector<BodyRow>& rows, const Rules& rules = {}) {
  for (const BodyRow& r : rows) {
    SCOPED_TRACE(std::string(r.what) + ": " + std::string(name(r.kind)) + " " + r.path + " " + r.body.substr(0, 300));
    std::string scratch;
    const auto facts = classify(r.kind, r.path, r.body, rules, scratch);
    EXPECT_EQ(info(facts ? Reason::ok : facts.error().code).code, info(r.reason).code)
        << (facts ? std::string() : facts.error().detail);
    if (!facts || r.reason != Reason::ok) continue;
    EXPECT_EQ(facts->model, r.model);
    EXPECT_EQ(facts->stream, r.stream);
    EXPECT_EQ(facts->tools, r.tools);
  }
}

std::string user(const std::string& content) {
  return R"({"model":"m","messages":[{"role":"user","content":)" + content + "}]}";
}
std::string part(const std::string& text) { return user("[" + text + "]"); }
std::string with(const std::string& member) { return R"({"model":"m",)" + member + "}"; }

TEST(Body, Facts) {
  check({
      {"plain", kO, kChatPath, user("\"hi\"")},
      {"stream", kO, kChatPath, with(R"("stream":true)"), Reason::ok, "m", true},
      {"stream false", kO, kChatPath, with(R"("stream":false)")},
      {"stream null", kO, kChatPath, with(R"("stream":null)")},
      {"ollama streams by default", kL, "/api/chat", R"({"model":"m"})", Reason::ok, "m:latest", true},
      {"ollama stream null", kL, "/api/generate", R"({"model":"m","stream":null})", Reason::ok, "m:latest", true},
      {"ollama stream off", kL, "/api/chat", R"({"model":"m","stream":false})", Reason::ok, "m:latest"},
      {"ollama's openai routes do not", kL, kChatPath, R"({"model":"m"})", Reason::ok, "m:latest"},
      {"tools", kO, kChatPath, with(R"("tools":[{"type":"function","function":{"name":"f","parameters":{"URL":1}}},{"type":"custom","custom":{}}])"), Reason::ok, "m", false, 2},
      {"functions", kO, kChatPath, with(R"("functions":[{"name":"f","parameters":{"Type":"object"}}])"), Reason::ok, "m", false, 1},
      {"anthropic tools", kA, "/v1/messages", with(R"("tools":[{"name":"f","input_schema":{"TYPE":"object"}}])"), Reason::ok, "m", false, 1},
      {"anthropic client tools", kA, "/v1/messages", with(R"("tools":[{"type":"bash_20250124","name":"bash"},{"type":"text_editor_20250728","name":"t"}])"), Reason::ok, "m", false, 2},
      {"escaped model", kO, kChatPath, R"({"model":"\u006d"})"},
      {"escaped key", kO, kChatPath, R"({"\u006dodel":"m"})"},
      {"white space", kO, kChatPath, " \n{ \"model\" :\t\"m\" }\r\n"},
      {"model last", kO, kChatPath, R"({"messages":[],"model":"m"})"},
      {"unknown fields", kO, kChatPath, with(R"("temperature":0.1,"x":{"y":[1,{"z":null}]},"user":"u")")},
      {"embeddings", kO, "/v1/embeddings", with(R"("input":["Note: text","http://a"])")},
      {"text that looks like a URL", kC, "/completion", with(R"("prompt":"http://a")")},
      {"texts that look like URLs", kO, "/v1/completions", with(R"("prompt":["http://a","Note: b"])")},
      {"content text", kO, kChatPath, user(R"([{"type":"text","text":"http://a"}])")},
      {"tokens", kO, "/v1/completions", with(R"("prompt":[[1,2],[3]])")},
      {"thinking switch", kV, kChatPath, with(R"("chat_template_kwargs":{"enable_thinking":false})")},
      {"tool call arguments are the tool's", kL, "/api/chat", R"({"model":"m","messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":{"URL":"http://a","file_id":"x","url":"http://b"}}}]}]})", Reason::ok, "m:latest", true},
      {"tool_use input", kA, "/v1/messages", part(R"({"type":"tool_use","id":"t","name":"f","input":{"url":"http://a","Type":1}})")},
      {"schema", kO, kChatPath, with(R"("response_format":{"type":"json_schema","json_schema":{"Type":"URL","url":"http://a"}})")},
      {"ollama schema", kL, "/api/chat", with(R"("format":{"URL":{"type":"string"}})"), Reason::ok, "m:latest", true},
      {"citations", kO, "/v1/responses", with(R"("store":false,"input":[{"role":"assistant","content":[{"type":"output_text","text":"x","annotations":[{"type":"url_citation","url":"http://a"}]}]}])")},
      {"moderation without a model", kO, "/v1/moderations", R"({"input":"x"})", Reason::ok, ""},
      {"empty lists of foreign things", kO, kChatPath, with(R"("plugins":[],"fallbacks":null,"lora":[])")},
      {"duplicates in separate objects", kO, kChatPath, R"({"model":"m","a":{"x":1},"b":{"x":1}})"},
  });
}

TEST(Body, KeysThatServersReadDifferently) {
  check({
      {"twice", kO, kChatPath, R"({"model":"m","model":"n"})", Reason::body_not_json},
      {"twice, escaped", kO, kChatPath, R"({"model":"m","\u006dodel":"n"})", Reason::body_not_json},
      {"nested twice", kO, kChatPath, part(R"({"type":"text","type":"image_url"})"), Reason::body_not_json},
      {"twice in what is skipped", kO, kChatPath, with(R"("metadata":{"a":1,"a":2})"), Reason::body_not_json},
      {"Model", kL, "/api/chat", R"({"Model":"m"})", Reason::body_not_json},
      {"both", kL, "/api/chat", R"({"model":"m","MODEL":"n"})", Reason::body_not_json},
      {"both, other order", kL, "/api/chat", R"({"MODEL":"n","model":"m"})", Reason::body_not_json},
      {"escaped fold", kL, "/api/chat", R"({"model":"m","\u004dodel":"n"})", Reason::body_not_json},
      {"long s", kL, "/api/chat", "{\"model\":\"m\",\"me\xC5\xBF\xC5\xBF" "ages\":[]}", Reason::body_not_json},
      {"long s, escaped", kL, "/api/chat", R"({"model":"m","\u017ftream":true})", Reason::body_not_json},
      {"long s in tools", kL, "/api/chat", R"({"model":"m","tool\u017f":[]})", Reason::body_not_json},
      {"Kelvin sign", kC, kChatPath, "{\"model\":\"m\",\"bac\xE2\x84\xAAground\":true}", Reason::body_not_json},
      {"Kelvin sign in a nested key", kL, "/api/chat", R"({"model":"m","messages":[{"content":[{"Fi\u006Ce_id":"x"}]}]})", Reason::body_not_json},
      {"nested fold", kL, "/api/chat", part(R"({"type":"image_url","Image_URL":"http://a"})"), Reason::body_not_json},
      {"nested fold of url", kL, "/api/chat", part(R"({"type":"image_url","image_url":{"Url":"http://a"}})"), Reason::body_not_json},
      {"fold in a tool", kL, "/api/chat", with(R"("tools":[{"Type":"web_search"}])"), Reason::body_not_json},
      {"fold of store", kO, "/v1/responses", R"({"model":"m","store":false,"Store":true})", Reason::body_not_json},
      {"fold of name", kL, "/api/show", R"({"model":"m","Name":"n"})", Reason::body_not_json},
      {"zero byte in a key", kC, kChatPath, R"({"model\u0000":"x","model":"m"})", Reason::body_not_json},
      {"unrelated capitals", kO, kChatPath, R"({"model":"m","Temperature":1})"},
  });
}

TEST(Body, Syntax) {
  std::string deep = R"({"model":"m","x":)";
  for (int i = 0; i < 70; ++i) deep += '[';
  for (int i = 0; i < 70; ++i) deep += ']';
  deep += '}';
  std::string many = R"({"model":"m")";
  for (int i = 0; i < 40; ++i) many += ",\"k" + std::to_string(i) + "\":1";
  const std::string doubled = many + R"(,"k7":2})";
  check({
      {"empty", kO, kChatPath, "", Reason::body_not_json},
      {"BOM", kO, kChatPath, "\xEF\xBB\xBF{\"model\":\"m\"}", Reason::body_not_json},
      {"trailing object", kO, kChatPath, R"({"model":"m"}{"model":"n"})", Reason::body_not_json},
      {"trailing zero", kO, kChatPath, std::string("{\"model\":\"m\"}\0", 14), Reason::body_not_json},
      {"trailing comma", kO, kChatPath, R"({"model":"m",})", Reason::body_not_json},
      {"comment", kO, kChatPath, R"({"model":"m"/**/})", Reason::body_not_json},
      {"NaN", kO, kChatPath, R"({"model":"m","x":NaN})", Reason::body_not_json},
      {"single quotes", kO, kChatPath, "{'model':'m'}", Reason::body_not_json},
      {"invalid UTF-8", kO, kChatPath, "{\"model\":\"m\",\"x\":\"\xC0\xAF\"}", Reason::body_not_json},
      {"surrogate", kO, kChatPath, R"({"model":"m","x":"\ud800"})", Reason::body_not_json},
      {"UTF-16", kO, kChatPath, std::string("{\0\"\0m\0", 6), Reason::body_not_json},
      {"cut", kO, kChatPath, R"({"model":"m")", Reason::body_not_json},
      {"too deep", kO, kChatPath, deep, Reason::body_not_json},
      {"too large a number", kO, kChatPath, with(R"("x":1e999)"), Reason::body_not_json},
      {"huge integer", kO, kChatPath, with(R"("max_tokens":123456789012345678901234567890)")},
      {"leading zero", kO, kChatPath, with(R"("x":01)"), Reason::body_not_json},
      {"many keys", kO, kChatPath, many + "}"},
      {"many keys, one twice", kO, kChatPath, doubled, Reason::body_not_json},
      {"array", kO, kChatPath, R"([{"model":"m"}])", Reason::body_shape},
      {"string", kO, kChatPath, R"("m")", Reason::body_shape},
      {"null", kO, kChatPath, "null", Reason::body_shape},
  });
}

TEST(Body, Types) {
  check({
      {"no model", kO, kChatPath, R"({"messages":[]})", Reason::body_shape},
      {"null model", kO, kChatPath, R"({"model":null})", Reason::body_shape},
      {"no model", kA, "/v1/messages", "{}", Reason::body_shape},
      {"no model", kL, "/api/chat", "{}", Reason::body_shape},
      {"no model", kV, kChatPath, "{}", Reason::body_shape},
      {"llama.cpp needs none", kC, kChatPath, "{}", Reason::ok, ""},
      {"llama.cpp, empty", kC, kChatPath, R"({"model":""})", Reason::ok, ""},
      {"empty to vLLM is its own", kV, kChatPath, R"({"model":""})", Reason::model_denied},
      {"model as a number", kO, kChatPath, R"({"model":1})", Reason::body_shape},
      {"model as an object", kO, kChatPath, R"({"model":{"model":"m"}})", Reason::body_shape},
      {"model as a list", kC, kChatPath, R"({"model":["m"]})", Reason::body_shape},
      {"control character", kO, kChatPath, R"({"model":"m\n"})", Reason::model_denied},
      {"zero byte", kC, kChatPath, R"({"model":"m\u0000x"})", Reason::model_denied},
      {"long", kO, kChatPath, R"({"model":")" + std::string(257, 'm') + R"("})", Reason::model_denied},
      {"stream as text", kO, kChatPath, with(R"("stream":"true")"), Reason::body_shape},
      {"stream as a number", kO, kChatPath, with(R"("stream":1)"), Reason::body_shape},
      {"messages as an object", kO, kChatPath, with(R"("messages":{"0":{}})"), Reason::body_shape},
      {"tools as an object", kO, kChatPath, with(R"("tools":{"type":"mcp"})"), Reason::body_shape},
      {"tools of texts", kO, kChatPath, with(R"("tools":["mcp"])"), Reason::body_shape},
      {"tool type as a list", kO, kChatPath, with(R"("tools":[{"type":["mcp"]}])"), Reason::body_shape},
      {"store as text", kO, kChatPath, with(R"("store":"yes")"), Reason::body_shape},
      {"show names none", kL, "/api/show", "{}", Reason::body_shape},
      {"show by its old name", kL, "/api/show", R"({"name":"M"})", Reason::ok, "m:latest"},
      {"show, two names", kL, "/api/show", R"({"name":"n","model":"m"})", Reason::body_shape},
  });
}

TEST(Body, ObjectsOfOthers) {
  const char* R_ = "/v1/responses";
  const std::vector<BodyRow> rows = {
      {"store missing", kO, R_, R"({"model":"m"})", Reason::object_foreign},
      {"store null", kO, R_, with(R"("store":null)"), Reason::object_foreign},
      {"store true", kO, R_, with(R"("store":true)"), Reason::object_foreign},
      {"store missing", kV, R_, R"({"model":"m"})", Reason::object_foreign},
      {"chat, store true", kO, kChatPath, with(R"("store":true)"), Reason::object_foreign},
      {"previous", kO, R_, with(R"("store":false,"previous_response_id":"resp_1")"), Reason::object_foreign},
      {"previous, llama.cpp", kC, R_, with(R"("previous_response_id":"resp_1")"), Reason::object_foreign},
      {"previous, odd type", kO, R_, with(R"("store":false,"previous_response_id":7)"), Reason::object_foreign},
      {"conversation", kO, R_, with(R"("store":false,"conversation":"c")"), Reason::object_foreign},
      {"conversation object", kO, R_, with(R"("store":false,"conversation":{"id":"c"})"), Reason::object_foreign},
      {"background", kO, R_, with(R"("store":false,"background":true)"), Reason::object_foreign},
      {"kept prompt", kO, R_, with(R"("store":false,"prompt":{"id":"p"})"), Reason::object_foreign},
      {"kept prompt, id last", kO, R_, with(R"("store":false,"prompt":{"version":"1","id":"p"})"), Reason::object_foreign},
      {"item reference", kO, R_, with(R"("store":false,"input":[{"type":"item_reference","id":"i"}])"), Reason::object_foreign},
      {"bare reference", kO, R_, with(R"("store":false,"input":[{"id":"i"}])"), Reason::object_foreign},
      {"bare reference with null type", kO, R_, with(R"("store":false,"input":[{"type":null,"id":"i"}])"), Reason::object_foreign},
      {"file in a part", kO, kChatPath, part(R"({"type":"file","file":{"file_id":"f"}})"), Reason::object_foreign},
      {"file, escaped key", kO, kChatPath, part(R"({"type":"file","file":{"\u0066ile_id":"f"}})"), Reason::object_foreign},
      {"file in input", kO, R_, with(R"("store":false,"input":[{"role":"user","content":[{"type":"input_file","file_id":"f"}]}])"), Reason::object_foreign},
      {"file, Anthropic", kA, "/v1/messages", part(R"({"type":"document","source":{"type":"file","file_id":"f"}})"), Reason::object_foreign},
      {"earlier audio", kO, kChatPath, R"({"model":"m","messages":[{"role":"assistant","audio":{"id":"a"}}]})", Reason::object_foreign},
      {"kept voice", kO, "/v1/audio/speech", with(R"("voice":{"id":"v"})"), Reason::object_foreign},
      {"container", kA, "/v1/messages", with(R"("container":"c")"), Reason::object_foreign},
      {"slot", kC, kChatPath, with(R"("id_slot":0)"), Reason::object_foreign},
      {"old slot", kC, "/completion", with(R"("slot_id":3)"), Reason::object_foreign},
      {"slot as a double", kC, kChatPath, with(R"("id_slot":2.0)"), Reason::object_foreign},
      {"adapter", kC, kChatPath, with(R"("lora":[{"id":0,"scale":1}])"), Reason::object_foreign},
      {"another's picture by its name", kV, kChatPath, part(R"({"type":"image_url","image_url":null,"uuid":"u"})"), Reason::object_foreign},
      {"a name for a picture", kV, kChatPath, part(R"({"type":"image_url","image_url":{"url":"data:image/png;base64,AA"},"uuid":"u"})"), Reason::object_foreign},
      {"names for all", kV, kChatPath, with(R"("multi_modal_uuids":{"image":["u"]})"), Reason::object_foreign},
  };
  check(rows);
  // Opened, they all pass.
  Rules open;
  open.server_objects = true;
  std::vector<BodyRow> passed = rows;
  for (BodyRow& r : passed) r.reason = Reason::ok;
  check(passed, open);
  check({
      {"store false", kO, R_, with(R"("store":false)")},
      {"llama.cpp keeps nothing", kC, R_, R"({"model":"m"})"},
      {"nor does Ollama", kL, R_, R"({"model":"m"})", Reason::ok, "m:latest"},
      {"chat keeps nothing unasked", kO, kChatPath, R"({"model":"m"})"},
      {"nulls", kO, R_, with(R"("store":false,"previous_response_id":null,"conversation":null,"prompt":null)")},
      {"any slot", kC, kChatPath, with(R"("id_slot":-1)")},
      {"a picture without a name", kV, kChatPath, part(R"({"type":"image_url","image_url":{"url":"data:image/png;base64,AA"},"uuid":null})")},
      {"a tool that takes a uuid", kV, kChatPath, with(R"("tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"uuid":{"type":"string"},"UUID":{"type":"string"}}}}}])"), Reason::ok, "m", false, 1},
      {"a call with a uuid", kV, kChatPath, R"({"model":"m","messages":[{"role":"assistant","tool_calls":[{"type":"function","function":{"name":"f","arguments":"{\"uuid\":\"u\"}"}}]}]})"},
      {"an item sent whole", kO, R_, with(R"("store":false,"input":[{"id":"i","type":"message","role":"user","content":"x"}])")},
      {"audio wanted", kO, kChatPath, with(R"("audio":{"voice":"alloy","format":"mp3"})")},
      {"counting keeps nothing", kO, "/v1/responses/input_tokens", R"({"model":"m"})"},
  });
}

TEST(Body, RemoteUrls) {
  const auto image = [](const std::string& url) { return part(R"({"type":"image_url","image_url":{"url":")" + url + "\"}}"); };
  const std::vector<BodyRow> rows = {
      {"http", kO, kChatPath, image("http://a/b.png"), Reason::remote_url_denied},
      {"https", kV, kChatPath, image("https://a/b.png"), Reason::remote_url_denied},
      {"file", kC, kChatPath, image("file:///etc/passwd"), Reason::remote_url_denied},
      {"path", kC, kChatPath, image("/etc/passwd"), Reason::remote_url_denied},
      {"upper-case data", kV, kChatPath, image("DATA:image/png;base64,AA"), Reason::remote_url_denied},
      {"leading space", kV, kChatPath, image(" data:image/png;base64,AA"), Reason::remote_url_denied},
      {"leading tab", kV, kChatPath, image("\\tdata:image/png;base64,AA"), Reason::remote_url_denied},
      {"leading space, http", kV, kChatPath, image(" http://a"), Reason::remote_url_denied},
      {"escaped http", kV, kChatPath, image("\\u0068ttp://a"), Reason::remote_url_denied},
      {"escaped slash", kV, kChatPath, image("http:\\/\\/a"), Reason::remote_url_denied},
      {"no scheme", kV, kChatPath, image("//a/b"), Reason::remote_url_denied},
      {"empty", kV, kChatPath, image(""), Reason::remote_url_denied},
      {"short form", kO, kChatPath, part(R"({"type":"image_url","image_url":"http://a"})"), Reason::remote_url_denied},
      {"type says text", kV, kChatPath, part(R"({"type":"text","image_url":{"url":"http://a"}})"), Reason::remote_url_denied},
      {"no type", kV, kChatPath, part(R"({"image_url":{"url":"http://a"}})"), Reason::remote_url_denied},
      {"video", kV, kChatPath, part(R"({"type":"video_url","video_url":{"url":"http://a"}})"), Reason::remote_url_denied},
      {"audio", kV, kChatPath, part(R"({"type":"audio_url","audio_url":{"url":"http://a"}})"), Reason::remote_url_denied},
      {"list of URLs", kV, kChatPath, part(R"({"type":"image_url","image_url":["http://a"]})"), Reason::remote_url_denied},
      {"tool result", kO, kChatPath, R"({"model":"m","messages":[{"role":"tool","content":[{"type":"image_url","image_url":{"url":"http://a"}}]}]})", Reason::remote_url_denied},
      {"input_image", kC, "/v1/responses", with(R"("input":[{"role":"user","content":[{"type":"input_image","image_url":"http://a"}]}])"), Reason::remote_url_denied},
      {"input_file", kC, "/v1/responses", with(R"("input":[{"role":"user","content":[{"type":"input_file","file_url":"http://a"}]}])"), Reason::remote_url_denied},
      {"tool output", kC, "/v1/responses", with(R"("input":[{"type":"function_call_output","output":[{"type":"input_image","image_url":"http://a"}]}])"), Reason::remote_url_denied},
      {"file_data", kO, kChatPath, part(R"({"type":"file","file":{"file_data":"https://a"}})"), Reason::remote_url_denied},
      {"Anthropic", kA, "/v1/messages", part(R"({"type":"image","source":{"type":"url","url":"https://a"}})"), Reason::remote_url_denied},
      {"Anthropic document in a result", kA, "/v1/messages", part(R"({"type":"tool_result","content":[{"type":"document","source":{"type":"url","url":"https://a"}}]})"), Reason::remote_url_denied},
      {"Anthropic shape elsewhere", kC, "/v1/messages", part(R"({"type":"image","source":{"type":"url","url":"https://a"}})"), Reason::remote_url_denied},
      {"plain image", kV, kChatPath, part(R"({"type":"image","image":"http://a"})"), Reason::remote_url_denied},
      {"images of /v2/embed", kV, "/v2/embed", with(R"("images":["http://a"])"), Reason::remote_url_denied},
      {"rerank documents", kV, "/rerank", with(R"("documents":{"content":[{"type":"image_url","image_url":{"url":"http://a"}}]})"), Reason::remote_url_denied},
      {"score", kV, "/score", with(R"("queries":"q","documents":{"content":[{"image_url":{"url":"http://a"}}]})"), Reason::remote_url_denied},
      {"moderation", kO, "/v1/moderations", with(R"("input":[{"type":"image_url","image_url":{"url":"http://a"}}])"), Reason::remote_url_denied},
  };
  check(rows);
  Rules open;
  open.remote_urls = true;
  std::vector<BodyRow> passed = rows;
  for (BodyRow& r : passed) r.reason = Reason::ok;
  check(passed, open);
  check({
      {"data", kO, kChatPath, image("data:image/png;base64,AA==")},
      {"escaped data", kO, kChatPath, image("\\u0064ata:image/png;base64,AA==")},
      {"input_audio", kO, kChatPath, part(R"({"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}})")},
      {"base64 images", kL, "/api/generate", with(R"("prompt":"x","images":["iVBORw0KGgo="])"), Reason::ok, "m:latest", true},
      {"base64 in messages", kL, "/api/chat", R"({"model":"m","messages":[{"role":"user","content":"x","images":["iVBORw0KGgo="]}]})", Reason::ok, "m:latest", true},
      {"Anthropic base64", kA, "/v1/messages", part(R"({"type":"image","source":{"type":"base64","media_type":"image/png","data":"AA=="}})")},
  });
  // The client does not name the upstream, whatever is open.
  check({{"api_base", kO, kChatPath, with(R"("api_base":"http://a")"), Reason::remote_url_denied},
         {"base_url", kO, kChatPath, with(R"("base_url":"http://a")"), Reason::remote_url_denied}},
        open);
}

TEST(Body, ServerTools) {
  std::vector<BodyRow> rows;
  for (const char* type : {"mcp", "code_interpreter", "web_search", "web_search_preview", "web_search_2025_08_26", "file_search",
                           "computer_use_preview", "image_generation", "shell", "local_shell", "Function", "function ", ""}) {
    rows.push_back({type, kO, kChatPath, with(std::string(R"("tools":[{"type":"function","function":{}},{"type":")") + type + R"("}])"),
                    Reason::server_tool_denied, "m", false, 2});
  }
  for (const char* type : {"web_search_20250305", "web_fetch_20250910", "code_execution_20250522", "mcp_toolset"}) {
    rows.push_back({type, kA, "/v1/messages", with(std::string(R"("tools":[{"type":")") + type + R"(","name":"x"}])"),
                    Reason::server_tool_denied, "m", false, 1});
  }
  rows.push_back({"Anthropic's names elsewhere", kO, kChatPath, with(R"("tools":[{"type":"bash_20250124"}])"), Reason::server_tool_denied, "m", false, 1});
  rows.push_back({"type behind other members", kO, kChatPath, with(R"("tools":[{"server_url":"x","type":"mcp"}])"), Reason::server_tool_denied, "m", false, 1});
  rows.push_back({"escaped type", kO, kChatPath, with(R"("tools":[{"t\u0079pe":"mcp"}])"), Reason::server_tool_denied, "m", false, 1});
  rows.push_back({"mcp_servers", kA, "/v1/messages", with(R"("mcp_servers":[{"type":"url","url":"http://a"}])"), Reason::server_tool_denied});
  rows.push_back({"web_search_options", kO, kChatPath, with(R"("web_search_options":{"a":1})"), Reason::server_tool_denied});
  rows.push_back({"plugins", kO, kChatPath, with(R"("plugins":[{"id":"web"}])"), Reason::server_tool_denied});
  check(rows);
  Rules open;
  open.server_tools = true;
  std::vector<BodyRow> opened = rows;
  for (BodyRow& r : opened) r.reason = Reason::ok;
  check(opened, open);
  // Nobody is asked about what the server runs.
  open.gated_tools = true;
  check(rows, open);
}

TEST(Body, ReachingIntoTheServer) {
  std::vector<BodyRow> rows = {
      {"chat_template", kV, kChatPath, with(R"("chat_template":"{{ x }}")"), Reason::route_denied},
      {"kv_transfer_params", kV, kChatPath, with(R"("kv_transfer_params":{"remote_host":"a"})"), Reason::route_denied},
      {"ec_transfer_params", kV, kChatPath, with(R"("ec_transfer_params":{"a":1})"), Reason::route_denied},
      {"mm_processor_kwargs", kV, kChatPath, with(R"("mm_processor_kwargs":{"a":1})"), Reason::route_denied},
      {"media_io_kwargs", kV, kChatPath, with(R"("media_io_kwargs":{"a":1})"), Reason::route_denied},
      {"vllm_xargs", kV, kChatPath, with(R"("vllm_xargs":{"a":1})"), Reason::route_denied},
      {"logits_processors", kV, kChatPath, with(R"("logits_processors":["os.system"])"), Reason::route_denied},
      {"prompt_embeds", kV, "/v1/completions", with(R"("prompt_embeds":"AA")"), Reason::route_denied},
      {"image_embeds", kV, kChatPath, part(R"({"type":"image_embeds","image_embeds":"AA"})"), Reason::route_denied},
      {"chat_template_kwargs", kV, kChatPath, with(R"("chat_template_kwargs":{"chat_template":"x"})"), Reason::route_denied},
  };
  check(rows);
  for (BodyRow& r : rows) {
    Rules open;
    open.operations = {std::string("body.") + r.what};
    r.reason = Reason::ok;
    check({r}, open);
  }
  check({{"nested switch", kV, kChatPath, with(R"("chat_template_kwargs":{"thinking":{"a":1}})"), Reason::body_shape},
         {"fallback models", kO, kChatPath, with(R"("models":["a","b"])"), Reason::model_denied},
         {"fallbacks", kO, kChatPath, with(R"("fallbacks":["a"])"), Reason::model_denied}});
}

// Two spellings of one model have one canonical name, and no canonical name is read as another's.
TEST(Body, NamesOfOllamaModels) {
  struct Row { const char* why; std::string_view name; std::string_view canonical; };  // empty: refused
  const Row rows[] = {{"tag added", "qwen", "qwen:latest"},
                      {"case", "Library/Qwen:7B", "qwen:7b"},
                      {"its own registry", "registry.ollama.ai/library/qwen", "qwen:latest"},
                      {"a namespace of it", "registry.ollama.ai/team/qwen:7b", "team/qwen:7b"},
                      {"another host, with a port", "Models.lan:5000/library/qwen", "models.lan:5000/library/qwen:latest"},
                      {"a registry within a registry", "registry.ollama.ai/registry.ollama.ai/qwen", ""},
                      {"four parts", "registry.ollama.ai/models.lan/team/qwen", ""},
                      {"a port without a host", ":5000/team/qwen", ""},
                      {"a namespace with a colon", "registry.ollama.ai/:library/qwen:7b", ""},
                      {"a namespace with a colon in it", "models.lan/te:am/qwen:7b", ""},
                      {"a port, but no host", "team:1/qwen:7b", ""}};
  for (const Row& row : rows) {
    std::string scratch;
    const Result<std::string_view> once = canonical_model(Kind::ollama, row.name, scratch);
    EXPECT_EQ(once.value_or(""), row.canonical) << row.why;
    if (!once) continue;
    const std::string name(*once);
    EXPECT_EQ(canonical_model(Kind::ollama, name, scratch).value_or(""), name) << row.why;
  }
}

TEST(Body, ListedModels) {
  Rules rules;
  rules.models = {"llama3*", "qwen:7b", "kimi:cloud"};
  rules.operations = {"model.pull", "model.copy", "model.delete"};
  check(
      {
          {"listed", kO, kChatPath, R"({"model":"llama3.1"})", Reason::ok, "llama3.1"},
          {"not listed", kO, kChatPath, R"({"model":"gpt"})", Reason::model_denied},
          {"case counts", kO, kChatPath, R"({"model":"LLAMA3"})", Reason::model_denied},
          {"escaped", kO, kChatPath, R"({"model":"\u006clama3"})", Reason::ok, "llama3"},
          {"Ollama: tag added", kL, "/api/embed", R"({"model":"llama3"})", Reason::ok, "llama3:latest"},
          {"Ollama: case", kL, "/api/embed", R"({"model":"LLaMA3:8B"})", Reason::ok, "llama3:8b"},
          {"Ollama: exact tag", kL, "/api/embed", R"({"model":"qwen:7b"})", Reason::ok, "qwen:7b"},
          {"Ollama: other tag", kL, "/api/embed", R"({"model":"qwen"})", Reason::model_denied},
          {"Ollama: full name", kL, "/api/embed", R"({"model":"registry.ollama.ai/library/qwen:7b"})", Reason::ok, "qwen:7b"},
          {"Ollama: library", kL, "/api/embed", R"({"model":"Library/Qwen:7B"})", Reason::ok, "qwen:7b"},
          {"Ollama: namespace", kL, "/api/embed", R"({"model":"evil/qwen:7b"})", Reason::model_denied},
          {"Ollama: a registry within a registry", kL, "/api/embed", R"({"model":"registry.ollama.ai/registry.ollama.ai/qwen:7b"})", Reason::model_denied},
          {"Ollama: scheme", kL, "/api/embed", R"({"model":"http://x/llama3"})", Reason::model_denied},
          {"Ollama: digest", kL, "/api/embed", R"({"model":"llama3@sha256:00"})", Reason::model_denied},
          {"Ollama: space", kL, "/api/embed", R"({"model":"llama3 "})", Reason::model_denied},
          {"Ollama: two tags", kL, "/api/embed", R"({"model":"llama3:a:b"})", Reason::model_denied},
          {"Ollama: no tag behind the colon", kL, "/api/embed", R"({"model":"llama3:"})", Reason::model_denied},
          {"Ollama: backslash", kL, "/api/embed", R"({"model":"llama3\\..\\x"})", Reason::model_denied},
          {"cloud past a glob", kL, "/api/embed", R"({"model":"llama3:cloud"})", Reason::model_denied},
          {"cloud tag past a glob", kL, "/api/embed", R"({"model":"llama3:120b-CLOUD"})", Reason::model_denied},
          {"cloud listed", kL, "/api/embed", R"({"model":"kimi:cloud"})", Reason::ok, "kimi:cloud"},
          {"local suffix", kL, "/api/embed", R"({"model":"llama3:local"})", Reason::model_denied},
          {"llama.cpp without a model", kC, kChatPath, "{}", Reason::model_denied},
          {"optional and missing", kV, "/tokenize", "{}", Reason::model_denied},
          {"show", kL, "/api/show", R"({"name":"gpt"})", Reason::model_denied},
          {"pull", kL, "/api/pull", R"({"model":"gpt"})", Reason::model_denied},
          {"pull listed", kL, "/api/pull", R"({"model":"llama3"})", Reason::ok, "llama3:latest", true},
          {"copy", kL, "/api/copy", R"({"source":"llama3","destination":"gpt"})", Reason::model_denied},
          {"copy listed", kL, "/api/copy", R"({"source":"llama3","destination":"llama3x"})", Reason::ok, "llama3:latest"},
          {"upload", kO, "/v1/audio/transcriptions", "", Reason::model_denied},
      },
      rules);
  check({{"cloud, no list", kL, "/api/embed", R"({"model":"kimi:cloud"})", Reason::model_denied},
         {"cloud by name", kL, "/api/embed", R"({"model":"kimi-cloud"})", Reason::model_denied},
         {"upload, no list", kO, "/v1/audio/transcriptions", "", Reason::ok, ""}});
  std::string scratch;
  EXPECT_TRUE(classify(kO, "/v1/models/llama3", "", rules, scratch, Method::get));
  EXPECT_FALSE(classify(kO, "/v1/models/gpt", "", rules, scratch, Method::get));
  EXPECT_EQ(classify(kL, "/v1/models/LLAMA3", "", rules, scratch, Method::get)->model, "llama3:latest");
}

TEST(Body, OpenedRoutes) {
  Rules rules;
  rules.operations = {"server.sleep", "props.write", "model.load"};
  check({{"no body", kV, "/sleep", "", Reason::ok, ""},
         {"any JSON object", kC, "/props", R"({"chat_template":"x"})", Reason::ok, ""},
         {"model is judged", kC, "/models/load", R"({"model":"m"})"},
         {"still JSON", kC, "/props", "{", Reason::body_not_json}},
        rules);
}

TEST(Body, DetailsNameFieldsNotValues) {
  const std::string secret = "sk-secret-value";
  for (const std::string& body : {R"({"model":")" + secret + "\\n\"}", with(R"("tools":[{"type":")" + secret + "\"}]"),
                                  with(R"("previous_response_id":")" + secret + "\""), with(R"("stream":")" + secret + "\""),
                                  part(R"({"image_url":"http://)" + secret + "\"}"), "{\"" + secret + "\":\"\\ud800\"}",
                                  with(R"("chat_template_kwargs":{")" + secret + R"(":1})")}) {
    std::string scratch;
    const auto facts = classify(kO, kChatPath, body, {}, scratch);
    ASSERT_FALSE(facts) << body;
    EXPECT_EQ(facts.error().detail.find(secret), std::string::npos) << facts.error().detail;
  }
}

TEST(Glob, Matches) {
  EXPECT_TRUE(glob_match("*", ""));
  EXPECT_TRUE(glob_match("a*c?e", "abbcde"));
  EXPECT_FALSE(glob_match("a*c?e", "abbcdf"));
  EXPECT_TRUE(glob_match("**a**", "xxaxx"));
  EXPECT_FALSE(glob_match("", "a"));
  EXPECT_TRUE(glob_match("", ""));
  EXPECT_FALSE(glob_match("?", ""));
  EXPECT_FALSE(glob_match(std::string(200, '*') + "b", std::string(200, 'a')));
}

}  // namespace
}  // namespace vestibule::dialect
