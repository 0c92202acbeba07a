#include <gtest/gtest.h>

#include "dialect/dialect.hpp"
#include "dialect/model_name.hpp"

namespace vestibule::dialect {
namespace {

using http::Method;

constexpr auto O = Kind::openai;
constexpr auto A = Kind::anthropic;
constexpr auto L = Kind::ollama;
constexpr auto C = Kind::llamacpp;
constexpr auto V = Kind::vllm;
constexpr const char* kChat = "/v1/chat/completions";

struct Row {
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

void check(const std::vector<Row>& rows, const Rules& rules = {}) {
  for (const Row& r : rows) {
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
      {"plain", O, kChat, user("\"hi\"")},
      {"stream", O, kChat, with(R"("stream":true)"), Reason::ok, "m", true},
      {"stream false", O, kChat, with(R"("stream":false)")},
      {"stream null", O, kChat, with(R"("stream":null)")},
      {"ollama streams by default", L, "/api/chat", R"({"model":"m"})", Reason::ok, "m:latest", true},
      {"ollama stream null", L, "/api/generate", R"({"model":"m","stream":null})", Reason::ok, "m:latest", true},
      {"ollama stream off", L, "/api/chat", R"({"model":"m","stream":false})", Reason::ok, "m:latest"},
      {"ollama's openai routes do not", L, kChat, R"({"model":"m"})", Reason::ok, "m:latest"},
      {"tools", O, kChat, with(R"("tools":[{"type":"function","function":{"name":"f","parameters":{"URL":1}}},{"type":"custom","custom":{}}])"), Reason::ok, "m", false, 2},
      {"functions", O, kChat, with(R"("functions":[{"name":"f","parameters":{"Type":"object"}}])"), Reason::ok, "m", false, 1},
      {"anthropic tools", A, "/v1/messages", with(R"("tools":[{"name":"f","input_schema":{"TYPE":"object"}}])"), Reason::ok, "m", false, 1},
      {"anthropic client tools", A, "/v1/messages", with(R"("tools":[{"type":"bash_20250124","name":"bash"},{"type":"text_editor_20250728","name":"t"}])"), Reason::ok, "m", false, 2},
      {"escaped model", O, kChat, R"({"model":"\u006d"})"},
      {"escaped key", O, kChat, R"({"\u006dodel":"m"})"},
      {"white space", O, kChat, " \n{ \"model\" :\t\"m\" }\r\n"},
      {"model last", O, kChat, R"({"messages":[],"model":"m"})"},
      {"unknown fields", O, kChat, with(R"("temperature":0.1,"x":{"y":[1,{"z":null}]},"user":"u")")},
      {"embeddings", O, "/v1/embeddings", with(R"("input":["Note: text","http://a"])")},
      {"text that looks like a URL", C, "/completion", with(R"("prompt":"http://a")")},
      {"texts that look like URLs", O, "/v1/completions", with(R"("prompt":["http://a","Note: b"])")},
      {"content text", O, kChat, user(R"([{"type":"text","text":"http://a"}])")},
      {"tokens", O, "/v1/completions", with(R"("prompt":[[1,2],[3]])")},
      {"thinking switch", V, kChat, with(R"("chat_template_kwargs":{"enable_thinking":false})")},
      {"tool call arguments are the tool's", L, "/api/chat", R"({"model":"m","messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":{"URL":"http://a","file_id":"x","url":"http://b"}}}]}]})", Reason::ok, "m:latest", true},
      {"tool_use input", A, "/v1/messages", part(R"({"type":"tool_use","id":"t","name":"f","input":{"url":"http://a","Type":1}})")},
      {"schema", O, kChat, with(R"("response_format":{"type":"json_schema","json_schema":{"Type":"URL","url":"http://a"}})")},
      {"ollama schema", L, "/api/chat", with(R"("format":{"URL":{"type":"string"}})"), Reason::ok, "m:latest", true},
      {"citations", O, "/v1/responses", with(R"("store":false,"input":[{"role":"assistant","content":[{"type":"output_text","text":"x","annotations":[{"type":"url_citation","url":"http://a"}]}]}])")},
      {"moderation without a model", O, "/v1/moderations", R"({"input":"x"})", Reason::ok, ""},
      {"empty lists of foreign things", O, kChat, with(R"("plugins":[],"fallbacks":null,"lora":[])")},
      {"duplicates in separate objects", O, kChat, R"({"model":"m","a":{"x":1},"b":{"x":1}})"},
  });
}

TEST(Body, KeysThatServersReadDifferently) {
  check({
      {"twice", O, kChat, R"({"model":"m","model":"n"})", Reason::body_not_json},
      {"twice, escaped", O, kChat, R"({"model":"m","\u006dodel":"n"})", Reason::body_not_json},
      {"nested twice", O, kChat, part(R"({"type":"text","type":"image_url"})"), Reason::body_not_json},
      {"twice in what is skipped", O, kChat, with(R"("metadata":{"a":1,"a":2})"), Reason::body_not_json},
      {"Model", L, "/api/chat", R"({"Model":"m"})", Reason::body_not_json},
      {"both", L, "/api/chat", R"({"model":"m","MODEL":"n"})", Reason::body_not_json},
      {"both, other order", L, "/api/chat", R"({"MODEL":"n","model":"m"})", Reason::body_not_json},
      {"escaped fold", L, "/api/chat", R"({"model":"m","\u004dodel":"n"})", Reason::body_not_json},
      {"long s", L, "/api/chat", "{\"model\":\"m\",\"me\xC5\xBF\xC5\xBF" "ages\":[]}", Reason::body_not_json},
      {"long s, escaped", L, "/api/chat", R"({"model":"m","\u017ftream":true})", Reason::body_not_json},
      {"long s in tools", L, "/api/chat", R"({"model":"m","tool\u017f":[]})", Reason::body_not_json},
      {"Kelvin sign", C, kChat, "{\"model\":\"m\",\"bac\xE2\x84\xAAground\":true}", Reason::body_not_json},
      {"Kelvin sign in a nested key", L, "/api/chat", R"({"model":"m","messages":[{"content":[{"Fi\u006Ce_id":"x"}]}]})", Reason::body_not_json},
      {"nested fold", L, "/api/chat", part(R"({"type":"image_url","Image_URL":"http://a"})"), Reason::body_not_json},
      {"nested fold of url", L, "/api/chat", part(R"({"type":"image_url","image_url":{"Url":"http://a"}})"), Reason::body_not_json},
      {"fold in a tool", L, "/api/chat", with(R"("tools":[{"Type":"web_search"}])"), Reason::body_not_json},
      {"fold of store", O, "/v1/responses", R"({"model":"m","store":false,"Store":true})", Reason::body_not_json},
      {"fold of name", L, "/api/show", R"({"model":"m","Name":"n"})", Reason::body_not_json},
      {"zero byte in a key", C, kChat, R"({"model\u0000":"x","model":"m"})", Reason::body_not_json},
      {"unrelated capitals", O, kChat, R"({"model":"m","Temperature":1})"},
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
      {"empty", O, kChat, "", Reason::body_not_json},
      {"BOM", O, kChat, "\xEF\xBB\xBF{\"model\":\"m\"}", Reason::body_not_json},
      {"trailing object", O, kChat, R"({"model":"m"}{"model":"n"})", Reason::body_not_json},
      {"trailing zero", O, kChat, std::string("{\"model\":\"m\"}\0", 14), Reason::body_not_json},
      {"trailing comma", O, kChat, R"({"model":"m",})", Reason::body_not_json},
      {"comment", O, kChat, R"({"model":"m"/**/})", Reason::body_not_json},
      {"NaN", O, kChat, R"({"model":"m","x":NaN})", Reason::body_not_json},
      {"single quotes", O, kChat, "{'model':'m'}", Reason::body_not_json},
      {"invalid UTF-8", O, kChat, "{\"model\":\"m\",\"x\":\"\xC0\xAF\"}", Reason::body_not_json},
      {"surrogate", O, kChat, R"({"model":"m","x":"\ud800"})", Reason::body_not_json},
      {"UTF-16", O, kChat, std::string("{\0\"\0m\0", 6), Reason::body_not_json},
      {"cut", O, kChat, R"({"model":"m")", Reason::body_not_json},
      {"too deep", O, kChat, deep, Reason::body_not_json},
      {"too large a number", O, kChat, with(R"("x":1e999)"), Reason::body_not_json},
      {"huge integer", O, kChat, with(R"("max_tokens":123456789012345678901234567890)")},
      {"leading zero", O, kChat, with(R"("x":01)"), Reason::body_not_json},
      {"many keys", O, kChat, many + "}"},
      {"many keys, one twice", O, kChat, doubled, Reason::body_not_json},
      {"array", O, kChat, R"([{"model":"m"}])", Reason::body_shape},
      {"string", O, kChat, R"("m")", Reason::body_shape},
      {"null", O, kChat, "null", Reason::body_shape},
  });
}

TEST(Body, Types) {
  check({
      {"no model", O, kChat, R"({"messages":[]})", Reason::body_shape},
      {"null model", O, kChat, R"({"model":null})", Reason::body_shape},
      {"no model", A, "/v1/messages", "{}", Reason::body_shape},
      {"no model", L, "/api/chat", "{}", Reason::body_shape},
      {"no model", V, kChat, "{}", Reason::body_shape},
      {"llama.cpp needs none", C, kChat, "{}", Reason::ok, ""},
      {"llama.cpp, empty", C, kChat, R"({"model":""})", Reason::ok, ""},
      {"empty to vLLM is its own", V, kChat, R"({"model":""})", Reason::model_denied},
      {"model as a number", O, kChat, R"({"model":1})", Reason::body_shape},
      {"model as an object", O, kChat, R"({"model":{"model":"m"}})", Reason::body_shape},
      {"model as a list", C, kChat, R"({"model":["m"]})", Reason::body_shape},
      {"control character", O, kChat, R"({"model":"m\n"})", Reason::model_denied},
      {"zero byte", C, kChat, R"({"model":"m\u0000x"})", Reason::model_denied},
      {"long", O, kChat, R"({"model":")" + std::string(257, 'm') + R"("})", Reason::model_denied},
      {"stream as text", O, kChat, with(R"("stream":"true")"), Reason::body_shape},
      {"stream as a number", O, kChat, with(R"("stream":1)"), Reason::body_shape},
      {"messages as an object", O, kChat, with(R"("messages":{"0":{}})"), Reason::body_shape},
      {"tools as an object", O, kChat, with(R"("tools":{"type":"mcp"})"), Reason::body_shape},
      {"tools of texts", O, kChat, with(R"("tools":["mcp"])"), Reason::body_shape},
      {"tool type as a list", O, kChat, with(R"("tools":[{"type":["mcp"]}])"), Reason::body_shape},
      {"store as text", O, kChat, with(R"("store":"yes")"), Reason::body_shape},
      {"show names none", L, "/api/show", "{}", Reason::body_shape},
      {"show by its old name", L, "/api/show", R"({"name":"M"})", Reason::ok, "m:latest"},
      {"show, two names", L, "/api/show", R"({"name":"n","model":"m"})", Reason::body_shape},
  });
}

TEST(Body, ObjectsOfOthers) {
  const char* R_ = "/v1/responses";
  const std::vector<Row> rows = {
      {"store missing", O, R_, R"({"model":"m"})", Reason::object_foreign},
      {"store null", O, R_, with(R"("store":null)"), Reason::object_foreign},
      {"store true", O, R_, with(R"("store":true)"), Reason::object_foreign},
      {"store missing", V, R_, R"({"model":"m"})", Reason::object_foreign},
      {"chat, store true", O, kChat, with(R"("store":true)"), Reason::object_foreign},
      {"previous", O, R_, with(R"("store":false,"previous_response_id":"resp_1")"), Reason::object_foreign},
      {"previous, llama.cpp", C, R_, with(R"("previous_response_id":"resp_1")"), Reason::object_foreign},
      {"previous, odd type", O, R_, with(R"("store":false,"previous_response_id":7)"), Reason::object_foreign},
      {"conversation", O, R_, with(R"("store":false,"conversation":"c")"), Reason::object_foreign},
      {"conversation object", O, R_, with(R"("store":false,"conversation":{"id":"c"})"), Reason::object_foreign},
      {"background", O, R_, with(R"("store":false,"background":true)"), Reason::object_foreign},
      {"kept prompt", O, R_, with(R"("store":false,"prompt":{"id":"p"})"), Reason::object_foreign},
      {"kept prompt, id last", O, R_, with(R"("store":false,"prompt":{"version":"1","id":"p"})"), Reason::object_foreign},
      {"item reference", O, R_, with(R"("store":false,"input":[{"type":"item_reference","id":"i"}])"), Reason::object_foreign},
      {"bare reference", O, R_, with(R"("store":false,"input":[{"id":"i"}])"), Reason::object_foreign},
      {"bare reference with null type", O, R_, with(R"("store":false,"input":[{"type":null,"id":"i"}])"), Reason::object_foreign},
      {"file in a part", O, kChat, part(R"({"type":"file","file":{"file_id":"f"}})"), Reason::object_foreign},
      {"file, escaped key", O, kChat, part(R"({"type":"file","file":{"\u0066ile_id":"f"}})"), Reason::object_foreign},
      {"file in input", O, R_, with(R"("store":false,"input":[{"role":"user","content":[{"type":"input_file","file_id":"f"}]}])"), Reason::object_foreign},
      {"file, Anthropic", A, "/v1/messages", part(R"({"type":"document","source":{"type":"file","file_id":"f"}})"), Reason::object_foreign},
      {"earlier audio", O, kChat, R"({"model":"m","messages":[{"role":"assistant","audio":{"id":"a"}}]})", Reason::object_foreign},
      {"kept voice", O, "/v1/audio/speech", with(R"("voice":{"id":"v"})"), Reason::object_foreign},
      {"container", A, "/v1/messages", with(R"("container":"c")"), Reason::object_foreign},
      {"slot", C, kChat, with(R"("id_slot":0)"), Reason::object_foreign},
      {"old slot", C, "/completion", with(R"("slot_id":3)"), Reason::object_foreign},
      {"slot as a double", C, kChat, with(R"("id_slot":2.0)"), Reason::object_foreign},
      {"adapter", C, kChat, with(R"("lora":[{"id":0,"scale":1}])"), Reason::object_foreign},
  };
  check(rows);
  // Opened, they all pass.
  Rules open;
  open.server_objects = true;
  std::vector<Row> passed = rows;
  for (Row& r : passed) r.reason = Reason::ok;
  check(passed, open);
  check({
      {"store false", O, R_, with(R"("store":false)")},
      {"llama.cpp keeps nothing", C, R_, R"({"model":"m"})"},
      {"nor does Ollama", L, R_, R"({"model":"m"})", Reason::ok, "m:latest"},
      {"chat keeps nothing unasked", O, kChat, R"({"model":"m"})"},
      {"nulls", O, R_, with(R"("store":false,"previous_response_id":null,"conversation":null,"prompt":null)")},
      {"any slot", C, kChat, with(R"("id_slot":-1)")},
      {"an item sent whole", O, R_, with(R"("store":false,"input":[{"id":"i","type":"message","role":"user","content":"x"}])")},
      {"audio wanted", O, kChat, with(R"("audio":{"voice":"alloy","format":"mp3"})")},
      {"counting keeps nothing", O, "/v1/responses/input_tokens", R"({"model":"m"})"},
  });
}

TEST(Body, RemoteUrls) {
  const auto image = [](const std::string& url) { return part(R"({"type":"image_url","image_url":{"url":")" + url + "\"}}"); };
  const std::vector<Row> rows = {
      {"http", O, kChat, image("http://a/b.png"), Reason::remote_url_denied},
      {"https", V, kChat, image("https://a/b.png"), Reason::remote_url_denied},
      {"file", C, kChat, image("file:///etc/passwd"), Reason::remote_url_denied},
      {"path", C, kChat, image("/etc/passwd"), Reason::remote_url_denied},
      {"upper-case data", V, kChat, image("DATA:image/png;base64,AA"), Reason::remote_url_denied},
      {"leading space", V, kChat, image(" data:image/png;base64,AA"), Reason::remote_url_denied},
      {"leading tab", V, kChat, image("\\tdata:image/png;base64,AA"), Reason::remote_url_denied},
      {"leading space, http", V, kChat, image(" http://a"), Reason::remote_url_denied},
      {"escaped http", V, kChat, image("\\u0068ttp://a"), Reason::remote_url_denied},
      {"escaped slash", V, kChat, image("http:\\/\\/a"), Reason::remote_url_denied},
      {"no scheme", V, kChat, image("//a/b"), Reason::remote_url_denied},
      {"empty", V, kChat, image(""), Reason::remote_url_denied},
      {"short form", O, kChat, part(R"({"type":"image_url","image_url":"http://a"})"), Reason::remote_url_denied},
      {"type says text", V, kChat, part(R"({"type":"text","image_url":{"url":"http://a"}})"), Reason::remote_url_denied},
      {"no type", V, kChat, part(R"({"image_url":{"url":"http://a"}})"), Reason::remote_url_denied},
      {"video", V, kChat, part(R"({"type":"video_url","video_url":{"url":"http://a"}})"), Reason::remote_url_denied},
      {"audio", V, kChat, part(R"({"type":"audio_url","audio_url":{"url":"http://a"}})"), Reason::remote_url_denied},
      {"list of URLs", V, kChat, part(R"({"type":"image_url","image_url":["http://a"]})"), Reason::remote_url_denied},
      {"tool result", O, kChat, R"({"model":"m","messages":[{"role":"tool","content":[{"type":"image_url","image_url":{"url":"http://a"}}]}]})", Reason::remote_url_denied},
      {"input_image", C, "/v1/responses", with(R"("input":[{"role":"user","content":[{"type":"input_image","image_url":"http://a"}]}])"), Reason::remote_url_denied},
      {"input_file", C, "/v1/responses", with(R"("input":[{"role":"user","content":[{"type":"input_file","file_url":"http://a"}]}])"), Reason::remote_url_denied},
      {"tool output", C, "/v1/responses", with(R"("input":[{"type":"function_call_output","output":[{"type":"input_image","image_url":"http://a"}]}])"), Reason::remote_url_denied},
      {"file_data", O, kChat, part(R"({"type":"file","file":{"file_data":"https://a"}})"), Reason::remote_url_denied},
      {"Anthropic", A, "/v1/messages", part(R"({"type":"image","source":{"type":"url","url":"https://a"}})"), Reason::remote_url_denied},
      {"Anthropic document in a result", A, "/v1/messages", part(R"({"type":"tool_result","content":[{"type":"document","source":{"type":"url","url":"https://a"}}]})"), Reason::remote_url_denied},
      {"Anthropic shape elsewhere", C, "/v1/messages", part(R"({"type":"image","source":{"type":"url","url":"https://a"}})"), Reason::remote_url_denied},
      {"plain image", V, kChat, part(R"({"type":"image","image":"http://a"})"), Reason::remote_url_denied},
      {"images of /v2/embed", V, "/v2/embed", with(R"("images":["http://a"])"), Reason::remote_url_denied},
      {"rerank documents", V, "/rerank", with(R"("documents":{"content":[{"type":"image_url","image_url":{"url":"http://a"}}]})"), Reason::remote_url_denied},
      {"score", V, "/score", with(R"("queries":"q","documents":{"content":[{"image_url":{"url":"http://a"}}]})"), Reason::remote_url_denied},
      {"moderation", O, "/v1/moderations", with(R"("input":[{"type":"image_url","image_url":{"url":"http://a"}}])"), Reason::remote_url_denied},
  };
  check(rows);
  Rules open;
  open.remote_urls = true;
  std::vector<Row> passed = rows;
  for (Row& r : passed) r.reason = Reason::ok;
  check(passed, open);
  check({
      {"data", O, kChat, image("data:image/png;base64,AA==")},
      {"escaped data", O, kChat, image("\\u0064ata:image/png;base64,AA==")},
      {"input_audio", O, kChat, part(R"({"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}})")},
      {"base64 images", L, "/api/generate", with(R"("prompt":"x","images":["iVBORw0KGgo="])"), Reason::ok, "m:latest", true},
      {"base64 in messages", L, "/api/chat", R"({"model":"m","messages":[{"role":"user","content":"x","images":["iVBORw0KGgo="]}]})", Reason::ok, "m:latest", true},
      {"Anthropic base64", A, "/v1/messages", part(R"({"type":"image","source":{"type":"base64","media_type":"image/png","data":"AA=="}})")},
  });
  // The client does not name the upstream, whatever is open.
  check({{"api_base", O, kChat, with(R"("api_base":"http://a")"), Reason::remote_url_denied},
         {"base_url", O, kChat, with(R"("base_url":"http://a")"), Reason::remote_url_denied}},
        open);
}

TEST(Body, ServerTools) {
  std::vector<Row> rows;
  for (const char* type : {"mcp", "code_interpreter", "web_search", "web_search_preview", "web_search_2025_08_26", "file_search",
                           "computer_use_preview", "image_generation", "shell", "local_shell", "Function", "function ", ""}) {
    rows.push_back({type, O, kChat, with(std::string(R"("tools":[{"type":"function","function":{}},{"type":")") + type + R"("}])"),
                    Reason::server_tool_denied, "m", false, 2});
  }
  for (const char* type : {"web_search_20250305", "web_fetch_20250910", "code_execution_20250522", "mcp_toolset"}) {
    rows.push_back({type, A, "/v1/messages", with(std::string(R"("tools":[{"type":")") + type + R"(","name":"x"}])"),
                    Reason::server_tool_denied, "m", false, 1});
  }
  rows.push_back({"Anthropic's names elsewhere", O, kChat, with(R"("tools":[{"type":"bash_20250124"}])"), Reason::server_tool_denied, "m", false, 1});
  rows.push_back({"type behind other members", O, kChat, with(R"("tools":[{"server_url":"x","type":"mcp"}])"), Reason::server_tool_denied, "m", false, 1});
  rows.push_back({"escaped type", O, kChat, with(R"("tools":[{"t\u0079pe":"mcp"}])"), Reason::server_tool_denied, "m", false, 1});
  rows.push_back({"mcp_servers", A, "/v1/messages", with(R"("mcp_servers":[{"type":"url","url":"http://a"}])"), Reason::server_tool_denied});
  rows.push_back({"web_search_options", O, kChat, with(R"("web_search_options":{"a":1})"), Reason::server_tool_denied});
  rows.push_back({"plugins", O, kChat, with(R"("plugins":[{"id":"web"}])"), Reason::server_tool_denied});
  check(rows);
  Rules open;
  open.server_tools = true;
  std::vector<Row> opened = rows;
  for (Row& r : opened) r.reason = Reason::ok;
  check(opened, open);
  // Nobody is asked about what the server runs.
  open.gated_tools = true;
  check(rows, open);
}

TEST(Body, ReachingIntoTheServer) {
  std::vector<Row> rows = {
      {"chat_template", V, kChat, with(R"("chat_template":"{{ x }}")"), Reason::route_denied},
      {"kv_transfer_params", V, kChat, with(R"("kv_transfer_params":{"remote_host":"a"})"), Reason::route_denied},
      {"ec_transfer_params", V, kChat, with(R"("ec_transfer_params":{"a":1})"), Reason::route_denied},
      {"mm_processor_kwargs", V, kChat, with(R"("mm_processor_kwargs":{"a":1})"), Reason::route_denied},
      {"media_io_kwargs", V, kChat, with(R"("media_io_kwargs":{"a":1})"), Reason::route_denied},
      {"vllm_xargs", V, kChat, with(R"("vllm_xargs":{"a":1})"), Reason::route_denied},
      {"logits_processors", V, kChat, with(R"("logits_processors":["os.system"])"), Reason::route_denied},
      {"prompt_embeds", V, "/v1/completions", with(R"("prompt_embeds":"AA")"), Reason::route_denied},
      {"image_embeds", V, kChat, part(R"({"type":"image_embeds","image_embeds":"AA"})"), Reason::route_denied},
      {"chat_template_kwargs", V, kChat, with(R"("chat_template_kwargs":{"chat_template":"x"})"), Reason::route_denied},
  };
  check(rows);
  for (Row& r : rows) {
    Rules open;
    open.operations = {std::string("body.") + r.what};
    r.reason = Reason::ok;
    check({r}, open);
  }
  check({{"nested switch", V, kChat, with(R"("chat_template_kwargs":{"thinking":{"a":1}})"), Reason::body_shape},
         {"fallback models", O, kChat, with(R"("models":["a","b"])"), Reason::model_denied},
         {"fallbacks", O, kChat, with(R"("fallbacks":["a"])"), Reason::model_denied}});
}

TEST(Body, ListedModels) {
  Rules rules;
  rules.models = {"llama3*", "qwen:7b", "kimi:cloud"};
  rules.operations = {"model.pull", "model.copy", "model.delete"};
  check(
      {
          {"listed", O, kChat, R"({"model":"llama3.1"})", Reason::ok, "llama3.1"},
          {"not listed", O, kChat, R"({"model":"gpt"})", Reason::model_denied},
          {"case counts", O, kChat, R"({"model":"LLAMA3"})", Reason::model_denied},
          {"escaped", O, kChat, R"({"model":"\u006clama3"})", Reason::ok, "llama3"},
          {"Ollama: tag added", L, "/api/embed", R"({"model":"llama3"})", Reason::ok, "llama3:latest"},
          {"Ollama: case", L, "/api/embed", R"({"model":"LLaMA3:8B"})", Reason::ok, "llama3:8b"},
          {"Ollama: exact tag", L, "/api/embed", R"({"model":"qwen:7b"})", Reason::ok, "qwen:7b"},
          {"Ollama: other tag", L, "/api/embed", R"({"model":"qwen"})", Reason::model_denied},
          {"Ollama: full name", L, "/api/embed", R"({"model":"registry.ollama.ai/library/qwen:7b"})", Reason::ok, "qwen:7b"},
          {"Ollama: library", L, "/api/embed", R"({"model":"Library/Qwen:7B"})", Reason::ok, "qwen:7b"},
          {"Ollama: namespace", L, "/api/embed", R"({"model":"evil/qwen:7b"})", Reason::model_denied},
          {"Ollama: a registry within a registry", L, "/api/embed", R"({"model":"registry.ollama.ai/registry.ollama.ai/qwen:7b"})", Reason::model_denied},
          {"Ollama: scheme", L, "/api/embed", R"({"model":"http://x/llama3"})", Reason::model_denied},
          {"Ollama: digest", L, "/api/embed", R"({"model":"llama3@sha256:00"})", Reason::model_denied},
          {"Ollama: space", L, "/api/embed", R"({"model":"llama3 "})", Reason::model_denied},
          {"Ollama: two tags", L, "/api/embed", R"({"model":"llama3:a:b"})", Reason::model_denied},
          {"Ollama: no tag behind the colon", L, "/api/embed", R"({"model":"llama3:"})", Reason::model_denied},
          {"Ollama: backslash", L, "/api/embed", R"({"model":"llama3\\..\\x"})", Reason::model_denied},
          {"cloud past a glob", L, "/api/embed", R"({"model":"llama3:cloud"})", Reason::model_denied},
          {"cloud tag past a glob", L, "/api/embed", R"({"model":"llama3:120b-CLOUD"})", Reason::model_denied},
          {"cloud listed", L, "/api/embed", R"({"model":"kimi:cloud"})", Reason::ok, "kimi:cloud"},
          {"local suffix", L, "/api/embed", R"({"model":"llama3:local"})", Reason::model_denied},
          {"llama.cpp without a model", C, kChat, "{}", Reason::model_denied},
          {"optional and missing", V, "/tokenize", "{}", Reason::model_denied},
          {"show", L, "/api/show", R"({"name":"gpt"})", Reason::model_denied},
          {"pull", L, "/api/pull", R"({"model":"gpt"})", Reason::model_denied},
          {"pull listed", L, "/api/pull", R"({"model":"llama3"})", Reason::ok, "llama3:latest", true},
          {"copy", L, "/api/copy", R"({"source":"llama3","destination":"gpt"})", Reason::model_denied},
          {"copy listed", L, "/api/copy", R"({"source":"llama3","destination":"llama3x"})", Reason::ok, "llama3:latest"},
          {"upload", O, "/v1/audio/transcriptions", "", Reason::model_denied},
      },
      rules);
  check({{"cloud, no list", L, "/api/embed", R"({"model":"kimi:cloud"})", Reason::model_denied},
         {"cloud by name", L, "/api/embed", R"({"model":"kimi-cloud"})", Reason::model_denied},
         {"upload, no list", O, "/v1/audio/transcriptions", "", Reason::ok, ""}});
  std::string scratch;
  EXPECT_TRUE(classify(O, "/v1/models/llama3", "", rules, scratch, Method::get));
  EXPECT_FALSE(classify(O, "/v1/models/gpt", "", rules, scratch, Method::get));
  EXPECT_EQ(classify(L, "/v1/models/LLAMA3", "", rules, scratch, Method::get)->model, "llama3:latest");
}

TEST(Body, OpenedRoutes) {
  Rules rules;
  rules.operations = {"server.sleep", "props.write", "model.load"};
  check({{"no body", V, "/sleep", "", Reason::ok, ""},
         {"any JSON object", C, "/props", R"({"chat_template":"x"})", Reason::ok, ""},
         {"model is judged", C, "/models/load", R"({"model":"m"})"},
         {"still JSON", C, "/props", "{", Reason::body_not_json}},
        rules);
}

TEST(Body, DetailsNameFieldsNotValues) {
  const std::string secret = "sk-secret-value";
  for (const std::string& body : {R"({"model":")" + secret + "\\n\"}", with(R"("tools":[{"type":")" + secret + "\"}]"),
                                  with(R"("previous_response_id":")" + secret + "\""), with(R"("stream":")" + secret + "\""),
                                  part(R"({"image_url":"http://)" + secret + "\"}"), "{\"" + secret + "\":\"\\ud800\"}",
                                  with(R"("chat_template_kwargs":{")" + secret + R"(":1})")}) {
    std::string scratch;
    const auto facts = classify(O, kChat, body, {}, scratch);
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
