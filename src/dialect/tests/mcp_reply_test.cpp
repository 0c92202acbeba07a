// What of a tool server's messages may reach a client.
#include <gtest/gtest.h>

#include "dialect/mcp.hpp"

namespace vestibule::dialect::mcp {
namespace {

struct Passed {
  Reason reason = Reason::ok;
  std::string text;
};

Judging plain(ClientRequests allowed = {}, Era era = Era::sessions) {
  Judging j;
  j.era = era;
  j.allowed = allowed;
  j.shows = [](std::string_view tool) { return tool != "hidden"; };
  j.own_hosts = {"portal.example", "localhost:8420"};
  return j;
}

Passed pass(ReplyForm form, std::string_view text, Judging judging, std::size_t step = 1'000'000) {
  Reply reply(form, std::move(judging));
  Passed out;
  for (std::size_t at = 0; at < text.size(); at += step) {
    const Result<void> fed = reply.feed(text.substr(at, step), out.text);
    if (!fed) return {fed.error().code, out.text};
  }
  const Result<void> ended = reply.finish(out.text);
  if (!ended) out.reason = ended.error().code;
  return out;
}
std::string event(std::string_view data) { return "event: message\nid: 4\ndata: " + std::string(data) + "\n\n"; }

constexpr std::string_view kList = R"({"jsonrpc":"2.0","id":2,"result":{"tools":[{"name":"add","inputSchema":{"type":"object"}},{"name":"hidden"} , {"name":"h\u0069dden"},{"name":"sub"}],"nextCursor":"x"}})";
constexpr std::string_view kShown = R"({"jsonrpc":"2.0","id":2,"result":{"tools":[{"name":"add","inputSchema":{"type":"object"}},{"name":"sub"}],"nextCursor":"x"}})";

TEST(McpReply, ListsShowWhatTheCallerMayCall) {
  EXPECT_EQ(pass(ReplyForm::json, kList, plain()).text, kShown);
  for (std::size_t step = 1; step < 40; ++step) {
    EXPECT_EQ(pass(ReplyForm::events, event(kList), plain(), step).text, "id: 4\nevent: message\ndata: " + std::string(kShown) + "\n\n");
  }
  const std::string whole = R"({"jsonrpc":"2.0","id":2,"result":{"tools": [ {"name":"add"} ]}})";
  EXPECT_EQ(pass(ReplyForm::json, whole, plain()).text, whole) << "nothing hidden, nothing touched";
  EXPECT_EQ(pass(ReplyForm::json, R"({"jsonrpc":"2.0","id":2,"result":{"cacheScope":"public","tools":[{"name":"add"}],"ttlMs":5}})", plain({}, Era::stateless)).text,
            R"({"jsonrpc":"2.0","id":2,"result":{"cacheScope":"private","tools":[{"name":"add"}],"ttlMs":5}})");
  EXPECT_EQ(pass(ReplyForm::json, R"({"jsonrpc":"2.0","id":2,"result":{"tools":[{"description":"no name"},{"name":7}]}})", plain()).reason, Reason::reply_unreadable);
}

TEST(McpReply, RequestsOfTheServersAreTakenOutUnlessAllowed) {
  const std::string sampling = event(R"({"jsonrpc":"2.0","id":0,"method":"sampling/createMessage","params":{"messages":[]}})");
  const std::string elicit = event(R"({"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{"message":"m","requestedSchema":{}}})");
  const std::string roots = event(R"({"jsonrpc":"2.0","id":2,"method":"roots/list"})");
  const std::string ping = event(R"({"jsonrpc":"2.0","id":3,"method":"ping"})");
  const std::string unknown = event(R"({"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"x"}})");
  const std::string news = event(R"({"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1}})");
  const std::string answer = event(R"({"jsonrpc":"2.0","id":9,"result":{"content":[]}})");
  const std::string all = sampling + elicit + roots + ping + unknown + news + answer;
  EXPECT_EQ(pass(ReplyForm::events, all, plain()).text, ping + news + answer);
  EXPECT_EQ(pass(ReplyForm::events, all, plain({.sampling = true})).text, sampling + ping + news + answer);
  EXPECT_EQ(pass(ReplyForm::events, all, plain({.elicitation = true})).text, elicit + ping + news + answer);
  EXPECT_EQ(pass(ReplyForm::events, all, plain({.roots = true})).text, roots + ping + news + answer);
  EXPECT_EQ(pass(ReplyForm::events, all, plain({.sampling = true, .elicitation = true, .roots = true}, Era::stateless)).text, news + answer)
      << "the stateless revision has no such requests";
  EXPECT_EQ(pass(ReplyForm::json, R"({"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{}})", plain()).reason, Reason::reply_unreadable);
}

TEST(McpReply, NoUrlMayLookAsIfItLedHere) {
  const auto elicit = [](std::string_view url) {
    return event(R"({"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{"mode":"url","elicitationId":"e","url":")" + std::string(url) + R"(","message":"m"}})");
  };
  const ClientRequests open{.elicitation = true};
  const std::string good = elicit("https://login.other.example/x");
  EXPECT_EQ(pass(ReplyForm::events, good, plain(open)).text, good);
  for (const char* url : {"https://portal.example/confirm#AB", "HTTPS://PORTAL.EXAMPLE/confirm", "https://portal.example:444/", "http://localhost:8420/confirm", "javascript:alert(1)", "https://user@portal.example/",
                          "https://portal.example\\u002f", "data:text/html,x", ""}) {
    EXPECT_EQ(pass(ReplyForm::events, elicit(url), plain(open)).text, "") << url;
  }
  EXPECT_EQ(pass(ReplyForm::events, elicit("http://localhost:3000/"), plain(open)).text, elicit("http://localhost:3000/"));
  const std::string error = R"({"jsonrpc":"2.0","id":1,"error":{"code":-32042,"message":"m","data":{"elicitations":[{"mode":"url","url":"https://portal.example/confirm"}]}}})";
  EXPECT_EQ(pass(ReplyForm::json, error, plain(open)).text.find("portal.example"), std::string::npos);
  EXPECT_EQ(pass(ReplyForm::json, R"({"jsonrpc":"2.0","id":1,"error":{"code":-32042,"message":"m","data":{"elicitations":[{"mode":"url","url":"https://a.example/"}]}}})", plain()).text.find("a.example"),
            std::string::npos)
      << "elicitation is closed";
}

TEST(McpReply, InputThatAResultAsksForIsJudgedToo) {
  const std::string form = R"({"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required","inputRequests":{"a":{"method":"elicitation/create","params":{"message":"m"}}},"requestState":"s"}})";
  const std::string mixed = R"({"jsonrpc":"2.0","id":1,"result":{"inputRequests":{"a":{"method":"elicitation/create","params":{}},"b":{"method":"sampling/createMessage","params":{}}},"resultType":"input_required"}})";
  const std::string imitating = R"({"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required","inputRequests":{"a":{"method":"elicitation/create","params":{"mode":"url","url":"https://portal.example/x"}}}}})";
  for (const char* key : {"vestibule/confirm", "vestibule\\/confirm", "vestibule/\\u0063onfirm"}) {
    const std::string own = R"({"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required","inputRequests":{")" + std::string(key) + R"(":{"method":"elicitation/create","params":{"message":"m"}}}}})";
    EXPECT_EQ(pass(ReplyForm::json, own, plain({.elicitation = true}, Era::stateless)).text.find("input_required"), std::string::npos) << "it would speak as the gateway";
  }
  const std::string done = R"({"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","content":[]}})";
  EXPECT_EQ(pass(ReplyForm::json, form, plain({.elicitation = true}, Era::stateless)).text, form);
  EXPECT_EQ(pass(ReplyForm::json, form, plain({}, Era::stateless)).text.find("input_required"), std::string::npos);
  EXPECT_EQ(pass(ReplyForm::json, mixed, plain({.elicitation = true}, Era::stateless)).text.find("input_required"), std::string::npos);
  EXPECT_EQ(pass(ReplyForm::json, imitating, plain({.elicitation = true}, Era::stateless)).text.find("portal"), std::string::npos);
  EXPECT_EQ(pass(ReplyForm::json, done, plain({}, Era::stateless)).text, done);
}

TEST(McpReply, WhatAClientIsToBringAgainIsBoundToIt) {
  Judging binding = plain({.elicitation = true}, Era::stateless);
  binding.binds = [](std::string_view state) { return "<" + std::string(state) + ">"; };
  const auto result = [](std::string_view state) {
    return R"({"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required","requestState":)" + std::string(state) + R"(,"inputRequests":{"a":{"method":"elicitation/create","params":{"message":"m"}}}}})";
  };
  EXPECT_EQ(pass(ReplyForm::json, result(R"("s\"\u00e9")"), binding).text, result("\"<s\\\"\u00e9>\""));
  EXPECT_EQ(pass(ReplyForm::json, result("7"), binding).reason, Reason::reply_unreadable);
  const std::string waits = R"({"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required","requestState":"s"}})";
  EXPECT_EQ(pass(ReplyForm::events, event(waits), binding).text, "id: 4\nevent: message\ndata: " R"({"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required","requestState":"<s>"}})" "\n\n");
  const std::string both = R"({"jsonrpc":"2.0","id":1,"result":{"requestState":"s","tools":[{"name":"hidden"},{"name":"a"}],"resultType":"x"}})";
  EXPECT_EQ(pass(ReplyForm::json, both, binding).text, R"({"jsonrpc":"2.0","id":1,"result":{"requestState":"<s>","tools":[{"name":"a"}],"resultType":"x"}})");
}

TEST(McpReply, AnErrorStatusHasErrorsAlone) {
  Judging errors = plain({.elicitation = true});
  errors.errors_alone = true;
  const std::string error = R"({"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}})";
  EXPECT_EQ(pass(ReplyForm::json, error, errors).text, error);
  EXPECT_EQ(pass(ReplyForm::json, R"({"jsonrpc":"2.0","id":1,"result":{}})", errors).reason, Reason::reply_unreadable);
  EXPECT_EQ(pass(ReplyForm::json, R"({"jsonrpc":"2.0","id":1,"error":{"code":-32042,"message":"m","data":{"elicitations":[{"mode":"url","url":"https://portal.example/confirm"}]}}})", errors).text.find("portal"),
            std::string::npos);
}

TEST(McpReply, WhatATaskAsksForInANotification) {
  const std::string task = event(R"({"jsonrpc":"2.0","method":"notifications/tasks","params":{"taskId":"t","inputRequests":{"a":{"method":"elicitation/create","params":{"mode":"url","url":"https://portal.example/x"}}}}})");
  EXPECT_EQ(pass(ReplyForm::events, task, plain({.elicitation = true}, Era::stateless)).text, "");
  EXPECT_EQ(pass(ReplyForm::events, event(R"({"jsonrpc":"2.0","method":"notifications/tasks","params":{"inputRequests":{"a":{"method":"sampling/createMessage","params":{}}}}})"), plain()).text, "");
}

TEST(McpReply, EverySpellingOfThisMachineIsIt) {
  const auto place = [](std::string_view url) { return place_of(*http::parse_url(url)); };
  for (const char* url : {"http://localhost:8422/x", "http://127.0.0.1:8422/", "http://[::1]:8422/", "http://127.9.9.9:8422/", "http://a.localhost:8422/", "http://[::ffff:127.0.0.1]:8422/"}) {
    EXPECT_EQ(place(url), "localhost:8422") << url;
  }
  EXPECT_EQ(place("https://portal.example:8443/"), "portal.example");
}

TEST(McpReply, WhatIsNoMessageCutsTheReply) {
  for (const char* text : {R"([{"jsonrpc":"2.0","id":1,"result":{}}])", "null", "7", "{}", R"({"jsonrpc":"2.0","id":1})", R"({"id":1,"result":{},"Result":{"tools":[]}})",
                           R"({"id":1,"result":{},"result":{}})", R"({"id":1,"result":{"Tools":[{"name":"hidden"}]}})", R"({"id":1,"result":{"tools":[{"name":"add","Name":"hidden"}]}})",
                           R"({"id":1,"result":{"tools":["hidden"]}})", R"({"method":"tools/list"})", R"({"id":1,"result":{}} x)", "{\"id\":1,\"result\":{\"a\":\"\xff\"}}"}) {
    EXPECT_EQ(pass(ReplyForm::json, text, plain()).reason, Reason::reply_unreadable) << text;
    EXPECT_EQ(pass(ReplyForm::json, text, plain()).text, "") << text;
    EXPECT_EQ(pass(ReplyForm::events, event(text), plain()).reason, Reason::reply_unreadable) << text;
  }
  EXPECT_EQ(pass(ReplyForm::events, "data: {\"jsonrpc\":\"2.0\",\ndata: \"id\":1,\"result\":{}}\n\n", plain()).reason, Reason::reply_unreadable) << "in pieces that not everybody joins alike";
}

TEST(McpReply, StreamsKeepWhatBelongsToThem) {
  const std::string priming = "id: 1\nretry: 3000\ndata: \n\n";
  const std::string comment = ": ping\n\n";
  const std::string other = "event: endpoint\ndata: /elsewhere\n\n";
  EXPECT_EQ(pass(ReplyForm::events, priming + comment + other, plain()).text, priming + comment);
  EXPECT_EQ(pass(ReplyForm::events, "data: {\"jsonrpc\"", plain()).text, "") << "half an event is none";
  Reply reply(ReplyForm::events, plain());
  std::string out;
  const std::string much(Reply::kMostMessage / 4, 'x');
  Result<void> fed;
  for (int i = 0; i < 6 && fed; ++i) fed = reply.feed(i == 0 ? "data: " + much : much, out);
  ASSERT_FALSE(fed);
  EXPECT_EQ(fed.error().code, Reason::reply_too_large);
  EXPECT_EQ(out, "");
}

}  // namespace
}  // namespace vestibule::dialect::mcp
