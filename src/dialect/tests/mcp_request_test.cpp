// What a client's MCP message is read as, and everything that must not be read at all.
#include <gtest/gtest.h>

#include "dialect/mcp.hpp"
#include "http/parse.hpp"

namespace vestibule::dialect::mcp {
namespace {

struct Asked {
  std::string head;  // fields, each with its line end
  std::string body;
  ClientRequests allowed{};
  StateReader states{};
};

Result<Message> reading(const Asked& asked) {
  const std::string text = "POST /mcp HTTP/1.1\r\nHost: localhost\r\n" + asked.head + "\r\n";
  http::RequestParser parser;
  EXPECT_EQ(parser.feed(text), http::ParseState::done) << text;
  return read(parser.head().headers, asked.body, asked.allowed, asked.states);
}

std::string request(std::string_view method, std::string_view params = "{}") {
  return R"({"jsonrpc":"2.0","id":7,"method":")" + std::string(method) + R"(","params":)" + std::string(params) + "}";
}
std::string call(std::string_view name, std::string_view arguments) {
  return request("tools/call", R"({"name":)" + std::string(name) + R"(,"arguments":)" + std::string(arguments) + "}");
}
constexpr std::string_view kMeta = R"("_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}})";
constexpr std::string_view kNew = "MCP-Protocol-Version: 2026-07-28\r\n";

TEST(McpRequest, WhatNobodyIsShownIsNotSentWithACallThatWasSigned) {
  const auto call_with = [](std::string_view meta) { return request("tools/call", R"({"_meta": )" + std::string(meta) + R"(, "name":"pay","arguments":{"_meta":{"a":1}}})"); };
  for (const std::string_view protocols_own : {
           "{}", R"({"progressToken":7})", R"({ "io.modelcontextprotocol/clientInfo":{"name":"x","version":"1"}, "progressToken" : "a"})"}) {
    EXPECT_EQ(as_signed(call_with(protocols_own)), "") << protocols_own;
  }
  EXPECT_EQ(as_signed(call("\"pay\"", R"({"_meta":{"evil":1}})")), "") << "arguments are shown";
  EXPECT_EQ(as_signed(call_with(R"({"evil":{"to":"me"},"progressToken":7,"x":[1,{"_meta":{}}]})")), call_with(R"({"progressToken":7})"));
  EXPECT_EQ(as_signed(call_with(R"({"progressToken":7 , "\u0069o.modelcontextprotocol/a":1,"io.modelcontextprotocol":2})")),
            call_with(R"({"progressToken":7,"\u0069o.modelcontextprotocol/a":1})"));
  EXPECT_EQ(as_signed(call_with(R"({"only":1})")), call_with("{}"));
}

TEST(McpRequest, MessagesOfBothEras) {
  struct Row {
    Asked asked;
    Message::Is is;
    std::string_view operation, name, arguments;
  };
  const std::string meta(kMeta);
  const std::vector<Row> rows{
      {{"", request("initialize", R"({"protocolVersion":"2025-11-25","capabilities":{}})")}, Message::Is::request, kSession, "", ""},
      {{"MCP-Protocol-Version: 2025-06-18\r\n", request("tools/list")}, Message::Is::request, "tools/list", "", ""},
      {{"", R"({"jsonrpc":"2.0","method":"notifications/initialized"})"}, Message::Is::notification, kSession, "", ""},
      {{"", R"({"jsonrpc":"2.0","id":"x","result":{"roots":[]}})"}, Message::Is::response, kSession, "", ""},
      {{"", R"({"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"no"}})"}, Message::Is::response, kSession, "", ""},
      {{"", call(R"("pay")", R"({"amount": 1e2})")}, Message::Is::request, "tools/call", "pay", R"({"amount": 1e2})"},
      {{"", call(R"("p\u0061y")", R"({})")}, Message::Is::request, "tools/call", "pay", "{}"},
      {{"", request("tools/call", R"({"name":"pay"})")}, Message::Is::request, "tools/call", "pay", "{}"},
      {{"", request("prompts/get", R"({"name":"p"})")}, Message::Is::request, "prompts/get", "p", ""},
      {{"", request("resources/read", R"({"uri":"file:///a"})")}, Message::Is::request, "resources/read", "file:///a", ""},
      {{std::string(kNew) + "Mcp-Method: tools/call\r\nMcp-Name: pay\r\n", request("tools/call", R"({"name":"pay",)" + meta + "}")}, Message::Is::request, "tools/call", "pay", "{}"},
      {{std::string(kNew) + "Mcp-Method: tools/call\r\nMcp-Name: =?base64?cGF5?=\r\n", request("tools/call", R"({"name":"pay",)" + meta + "}")}, Message::Is::request, "tools/call", "pay", "{}"},
      {{std::string(kNew) + "Mcp-Method: tools/call\r\nMcp-Name: pay\r\nMcp-Param-To: =?base64?YWxpY2U=?=\r\n", request("tools/call", R"({"name":"pay","arguments":{"to":"alice"},)" + meta + "}")},
       Message::Is::request, "tools/call", "pay", R"({"to":"alice"})"},
      {{std::string(kNew) + "Mcp-Method: server/discover\r\n", request("server/discover", "{" + meta + "}")}, Message::Is::request, kSession, "", ""},
  };
  for (const Row& row : rows) {
    const Result<Message> m = reading(row.asked);
    ASSERT_TRUE(m) << row.asked.body << m.error().detail;
    EXPECT_EQ(m->is, row.is) << row.asked.body;
    EXPECT_EQ(m->operation, row.operation) << row.asked.body;
    EXPECT_EQ(m->name, row.name) << row.asked.body;
    EXPECT_EQ(m->arguments, row.arguments) << row.asked.body;
    EXPECT_TRUE(m->body.empty()) << "goes on as it came: " << m->body;
  }
}

TEST(McpRequest, WhatIsRefused) {
  struct Row {
    Asked asked;
    Reason reason;
  };
  const std::string meta(kMeta);
  const std::string stateless = request("tools/call", R"({"name":"pay",)" + meta + "}");
  const std::vector<Row> rows{
      {{"", "[" + request("ping") + "]"}, Reason::body_shape},
      {{"", "[]"}, Reason::body_shape},
      {{"", request("ping") + request("ping")}, Reason::body_not_json},
      {{"", R"({"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"})"}, Reason::body_not_json},
      {{"", R"({"jsonrpc":"2.0","id":1,"method":"ping","m\u0065thod":"tools/call"})"}, Reason::body_not_json},
      {{"", R"({"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call"})"}, Reason::body_not_json},
      {{"", R"({"jsonrpc":"2.0","id":1,"method":"ping","more":1})"}, Reason::body_shape},
      {{"", R"({"id":1,"method":"ping"})"}, Reason::body_shape},
      {{"", R"({"jsonrpc":"2.0","id":null,"method":"ping"})"}, Reason::body_shape},
      {{"", R"({"jsonrpc":"2.0","id":1.5,"method":"ping"})"}, Reason::body_shape},
      {{"", R"({"jsonrpc":"2.0","id":[1],"method":"ping"})"}, Reason::body_shape},
      {{"", R"({"jsonrpc":"2.0","method":"tools/call","params":{"name":"pay"}})"}, Reason::body_shape},
      {{"", R"({"jsonrpc":"2.0","id":1,"method":"ping","result":{}})"}, Reason::body_shape},
      {{"", R"({"jsonrpc":"2.0","id":1,"result":{},"error":{}})"}, Reason::body_shape},
      {{"", R"({"jsonrpc":"2.0","id":1,"result":{},"params":{"name":"pay"}})"}, Reason::body_shape},
      {{"", R"({"jsonrpc":"2.0","result":{}})"}, Reason::body_shape},
      {{"", request("tools/call", R"(["pay"])")}, Reason::body_shape},
      {{"", request("tools/call", "{}")}, Reason::body_shape},
      {{"", call("7", "{}")}, Reason::body_shape},
      {{"", call(R"("")", "{}")}, Reason::body_shape},
      {{"", call(R"("pay")", "[1]")}, Reason::body_shape},
      {{"", call(R"("pay")", R"("{}")")}, Reason::body_shape},
      {{"", call(R"("pay")", R"({"a":1,"a":2})")}, Reason::body_not_json},
      {{"", R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list","name":"pay"}})"}, Reason::body_not_json},
      {{"", R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list","Name":"pay"}})"}, Reason::body_not_json},
      {{"", R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list","arguments":{},"Arguments":{}}})"}, Reason::body_not_json},
      {{"", request("tools/delete")}, Reason::mcp_method_unknown},
      {{"", request("Tools/call")}, Reason::mcp_method_unknown},
      {{"", request("server/discover")}, Reason::mcp_method_unknown},
      {{"MCP-Protocol-Version: 2024-01-01\r\n", request("ping")}, Reason::mcp_version_unsupported},
      {{"MCP-Protocol-Version: 2025-06-18\r\nMCP-Protocol-Version: 2025-06-18\r\n", request("ping")}, Reason::mcp_header_mismatch},
      {{"Mcp-Method: ping\r\n", request("tools/list")}, Reason::mcp_header_mismatch},
      {{"Mcp-Method: tools/list\r\nMcp-Method: ping\r\n", request("tools/list")}, Reason::mcp_header_mismatch},
      {{"mcp_method: tools/list\r\n", request("tools/list")}, Reason::mcp_header_mismatch},
      {{"Mcp-Name: list\r\n", call(R"("pay")", "{}")}, Reason::mcp_header_mismatch},
      {{"Mcp-Name: =?base64?bGlzdA==?=\r\n", call(R"("pay")", "{}")}, Reason::mcp_header_mismatch},
      {{"Mcp-Name: =?base64?!!?=\r\n", call(R"("pay")", "{}")}, Reason::mcp_header_mismatch},
      {{"Mcp-Name: =?BASE64?cGF5?=\r\n", call(R"("pay")", "{}")}, Reason::mcp_header_mismatch},
      {{"Mcp-Name: pay\r\n", request("ping")}, Reason::mcp_header_mismatch},
      {{"Mcp-Param-To: bob\r\n", call(R"("pay")", R"({"to":["bob"]})")}, Reason::mcp_header_mismatch},
      {{"Mcp-Param-To: mallory\r\n", call(R"("pay")", R"({"to":"alice"})")}, Reason::mcp_header_mismatch},
      {{"Mcp-Param-To: alice\r\n", request("ping")}, Reason::mcp_header_mismatch},
      {{std::string(kNew), stateless}, Reason::mcp_header_mismatch},
      {{std::string(kNew) + "Mcp-Method: tools/call\r\n", stateless}, Reason::mcp_header_mismatch},
      {{std::string(kNew) + "Mcp-Method: tools/call\r\nMcp-Name: pay\r\n", call(R"("pay")", "{}")}, Reason::invalid_argument},
      {{"MCP-Protocol-Version: 2025-11-25\r\n", stateless}, Reason::mcp_header_mismatch},
      {{"", stateless}, Reason::mcp_header_mismatch},
      {{std::string(kNew) + "Mcp-Method: initialize\r\n", request("initialize", "{" + meta + "}")}, Reason::mcp_method_unknown},
      {{std::string(kNew) + "Mcp-Method: ping\r\n", request("ping", "{" + meta + "}")}, Reason::mcp_method_unknown},
      {{std::string(kNew) + "Mcp-Method: TOOLS/LIST\r\n", request("tools/list", "{" + meta + "}")}, Reason::mcp_header_mismatch},
      {{std::string(kNew), R"({"jsonrpc":"2.0","id":1,"result":{}})"}, Reason::mcp_method_unknown},
      {{"", R"({"jsonrpc":"2.0","method":"notifications/anything"})"}, Reason::mcp_method_unknown},
      {{"", call(R"("pay\u0000")", "{}")}, Reason::body_shape},
      {{"", call(R"(" pay")", "{}")}, Reason::body_shape},
      {{"", request("tools/call", R"({"name":"pay","dry_run":true})")}, Reason::body_shape},
      {{"", request("tools/call", R"({"name":"pay","arguments":{"vestibule/input":{}},"requestState":"s"})")}, Reason::body_shape},
      {{"", ""}, Reason::body_not_json},
      {{"", "null"}, Reason::body_shape},
  };
  for (const Row& row : rows) {
    const Result<Message> m = reading(row.asked);
    ASSERT_FALSE(m) << row.asked.head << row.asked.body;
    EXPECT_EQ(m.error().code, row.reason) << row.asked.head << row.asked.body << " " << m.error().detail;
  }
}

TEST(McpRequest, CapabilitiesThatAreNotAllowedAreTakenOut) {
  const std::string body = request("initialize", R"({"protocolVersion":"2025-11-25","capabilities":{"sampling":{}, "elicitation":{"url":{}},"roots":{"listChanged":true} ,"experimental":{"a":1}},"clientInfo":{"name":"c","version":"1"}})");
  const Result<Message> none = reading({"", body});
  ASSERT_TRUE(none) << none.error().detail;
  EXPECT_TRUE(none->initialize);
  EXPECT_TRUE(none->opens_urls);
  EXPECT_EQ(none->body, request("initialize", R"({"protocolVersion":"2025-11-25","capabilities":{"experimental":{"a":1}},"clientInfo":{"name":"c","version":"1"}})"));
  const Result<Message> some = reading({"", body, {.sampling = false, .elicitation = true, .roots = true}});
  ASSERT_TRUE(some);
  EXPECT_EQ(some->body, request("initialize", R"({"protocolVersion":"2025-11-25","capabilities":{"elicitation":{"url":{}},"roots":{"listChanged":true},"experimental":{"a":1}},"clientInfo":{"name":"c","version":"1"}})"));
  const Result<Message> all = reading({"", body, {.sampling = true, .elicitation = true, .roots = true}});
  ASSERT_TRUE(all);
  EXPECT_TRUE(all->body.empty());
  EXPECT_FALSE(reading({"", request("initialize", R"({"capabilities":{"Sampling":{}}})")})) << "a lenient server would read it";
}

TEST(McpRequest, AStateIsReadForTheCallThatItWasGivenFor) {
  const std::string head = std::string(kNew) + "Mcp-Method: tools/call\r\nMcp-Name: pay\r\n";
  const StateReader states = [](const Message& call, std::string_view state) -> std::optional<std::string> {
    if (call.operation != "tools/call" || call.name != "pay" || call.parameters != R"({"n":1})" || !state.starts_with("ours ")) return std::nullopt;
    return std::string(state.substr(5));
  };
  const auto params = [](std::string_view state) {
    return request("tools/call", R"({"requestState":)" + std::string(state) + R"(,"name":"pay","arguments":{"n":1},"inputResponses":{"vestibule/confirm":{"action":"accept"}},)" + std::string(kMeta) + "}");
  };
  const Result<Message> m = reading({head, params(R"("ours s\u00e9")"), {}, states});
  ASSERT_TRUE(m) << m.error().detail;
  EXPECT_EQ(m->arguments, "{\"n\":1,\"vestibule/input\":{\"requestState\":\"s\u00e9\"}}");
  EXPECT_EQ(m->body, request("tools/call", "{\"requestState\":\"s\u00e9\",\"name\":\"pay\",\"arguments\":{\"n\":1},\"inputResponses\":{}," + std::string(kMeta) + "}"));
  EXPECT_EQ(reading({head, params(R"("made up")"), {}, states}).error().code, Reason::invalid_argument);
  EXPECT_EQ(reading({head, params("7"), {}, states}).error().code, Reason::body_shape);
  EXPECT_EQ(reading({std::string(kNew) + "Mcp-Method: tools/call\r\nMcp-Name: play\r\n",
                     request("tools/call", R"({"requestState":"ours s","name":"play",)" + std::string(kMeta) + "}"), {}, states}).error().code,
            Reason::invalid_argument);
}

TEST(McpRequest, TheAnswerToTheGatewaysOwnQuestionStaysHere) {
  const std::string head = std::string(kNew) + "Mcp-Method: tools/call\r\nMcp-Name: pay\r\n";
  const auto params = [](std::string_view responses) { return request("tools/call", R"({"name":"pay","inputResponses":)" + std::string(responses) + "," + std::string(kMeta) + "}"); };
  const Result<Message> m = reading({head, params(R"({"vestibule/confirm":{"action":"accept"},"other":{"action":"decline"}})")});
  ASSERT_TRUE(m) << m.error().detail;
  EXPECT_EQ(m->url_answer, "accept");
  EXPECT_TRUE(m->continues) << "for the other answer";
  EXPECT_EQ(m->arguments, R"({"vestibule/input":{"inputResponses":{"other":{"action":"decline"}}}})") << "people see and sign it too";
  const Result<Message> state = reading({head, request("tools/call", R"({"requestState":"s","name":"pay","arguments":{"a":1},)" + std::string(kMeta) + "}")});
  ASSERT_TRUE(state) << state.error().detail;
  EXPECT_EQ(state->arguments, R"({"a":1,"vestibule/input":{"requestState":"s"}})");
  EXPECT_EQ(m->body, params(R"({"other":{"action":"decline"}})"));
  const Result<Message> escaped = reading({head, params(R"({"vestibule\/confirm":{"action":"cancel"}})")});
  ASSERT_TRUE(escaped);
  EXPECT_EQ(escaped->url_answer, "cancel");
  EXPECT_FALSE(escaped->continues);
  EXPECT_EQ(escaped->body, params("{}"));
  EXPECT_FALSE(reading({head, params(R"({"vestibule/confirm":"accept"})")}));
}

TEST(McpRequest, SubscriptionsToResourcesAreToldApart) {
  const auto listen = [](std::string_view what) {
    return reading({std::string(kNew) + "Mcp-Method: subscriptions/listen\r\n", request("subscriptions/listen", R"({"notifications":{)" + std::string(what) + "}," + std::string(kMeta) + "}")});
  };
  EXPECT_FALSE(listen(R"("toolsListChanged":true)")->resources);
  EXPECT_TRUE(listen(R"("resourceSubscriptions":["file:///a"])")->resources);
  EXPECT_TRUE(listen(R"("ResourceSubscriptions":["file:///a"])")->resources);
  EXPECT_TRUE(listen(R"("toolsListChanged":true)")->listens);
}

TEST(McpRequest, TheIdOfWhatIsRefused) {
  EXPECT_EQ(id_of(R"({"jsonrpc":"2.0","id":"a\"b","method":"x"})"), R"("a\"b")");
  EXPECT_EQ(id_of(R"({"id":12345678901234})"), "12345678901234");
  EXPECT_EQ(id_of(R"({"id":1,"id":2})"), "");
  EXPECT_EQ(id_of(R"([{"id":1}])"), "");
  EXPECT_EQ(id_of(R"({"id":{"a":1}})"), "");
  EXPECT_EQ(error_answer("", -32600, "no"), R"({"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"no"}})");
}

}  // namespace
}  // namespace vestibule::dialect::mcp
