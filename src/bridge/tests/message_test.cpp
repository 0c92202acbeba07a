#include "bridge/message.hpp"

#include <gtest/gtest.h>

#include "bridge/lines.hpp"

namespace vestibule::bridge {
namespace {

using Kind = Message::Kind;

TEST(Message, Kinds) {
  struct Row {
    const char* name;
    std::string_view text;
    Kind kind;
    std::string_view id;
  };
  for (const Row& r : {
           Row{"request", R"({"jsonrpc":"2.0","id":7,"method":"ping"})", Kind::request, "7"},
           Row{"id of a string, kept with its escapes", R"({"jsonrpc":"2.0","id":"a\u0062\"","method":"ping"})", Kind::request, R"("a\u0062\"")"},
           Row{"a key by escapes", R"({"jsonrpc":"2.0","\u0069d": -1 ,"method":"ping"})", Kind::request, "-1"},
           Row{"notification", R"({"method":"notifications/initialized","jsonrpc":"2.0"})", Kind::notification, ""},
           Row{"response", R"({"jsonrpc":"2.0","id":1,"result":{"id":2,"method":"x"}})", Kind::response, "1"},
           Row{"error", R"({"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":""}})", Kind::response, "1"},
       }) {
    const Result<Message> m = read_message(r.text);
    ASSERT_TRUE(m) << r.name << ": " << m.error().detail;
    EXPECT_EQ(m->kind, r.kind) << r.name;
    EXPECT_EQ(m->id.in(r.text), r.id) << r.name;
  }
  const Result<Message> error = read_message(R"({"jsonrpc":"2.0","id":1,"error":{"data":{"code":1},"code":-32601}})");
  ASSERT_TRUE(error);
  EXPECT_TRUE(error->failed);
  EXPECT_EQ(error->code, -32601);
}

TEST(Message, WhatIsNoneIsRefused) {
  struct Row {
    const char* name;
    std::string text;
    Reason reason;
  };
  for (const Row& r : {
           Row{"empty", "", Reason::body_not_json},
           Row{"no JSON", "hello", Reason::body_not_json},
           Row{"two messages", R"({"jsonrpc":"2.0","method":"a"}{"jsonrpc":"2.0","method":"b"})", Reason::body_not_json},
           Row{"cut off", R"({"jsonrpc":"2.0","id":1,"method":"a")", Reason::body_not_json},
           Row{"an id twice", R"({"jsonrpc":"2.0","id":1,"id":2,"method":"a"})", Reason::body_not_json},
           Row{"invalid UTF-8", "{\"jsonrpc\":\"2.0\",\"method\":\"\xff\"}", Reason::body_not_json},
           Row{"a line feed in a string", "{\"jsonrpc\":\"2.0\",\"method\":\"a\nb\"}", Reason::body_not_json},
           Row{"an array", R"([{"jsonrpc":"2.0","id":1,"method":"a"}])", Reason::body_shape},
           Row{"a string", R"("x")", Reason::body_shape},
           Row{"null id", R"({"jsonrpc":"2.0","id":null,"method":"a"})", Reason::body_shape},
           Row{"fraction", R"({"jsonrpc":"2.0","id":1.5,"method":"a"})", Reason::body_shape},
           Row{"exponent", R"({"jsonrpc":"2.0","id":1e3,"method":"a"})", Reason::body_shape},
           Row{"an id beyond 64 bits", R"({"jsonrpc":"2.0","id":18446744073709551616,"method":"a"})", Reason::body_shape},
           Row{"an id of an object", R"({"jsonrpc":"2.0","id":{},"method":"a"})", Reason::body_shape},
           Row{"an id of a megabyte", R"({"jsonrpc":"2.0","method":"a","id":")" + std::string(1 << 20, 'x') + "\"}", Reason::body_shape},
           Row{"an id in other letters besides", R"({"jsonrpc":"2.0","id":1,"ID":2,"method":"a"})", Reason::body_shape},
           Row{"method and result", R"({"jsonrpc":"2.0","id":1,"method":"a","result":{}})", Reason::body_shape},
           Row{"result and error", R"({"jsonrpc":"2.0","id":1,"result":{},"error":{}})", Reason::body_shape},
           Row{"nothing", R"({"jsonrpc":"2.0","id":1})", Reason::body_shape},
           Row{"a response without an id", R"({"jsonrpc":"2.0","result":{}})", Reason::body_shape},
           Row{"another version", R"({"jsonrpc":"1.0","id":1,"method":"a"})", Reason::body_shape},
           Row{"params by position", R"({"jsonrpc":"2.0","id":1,"method":"a","params":[1]})", Reason::body_shape},
           Row{"a token that is none", R"({"jsonrpc":"2.0","id":1,"method":"a","params":{"_meta":{"progressToken":{}}}})", Reason::body_shape},
           Row{"a token in other letters", R"({"jsonrpc":"2.0","id":1,"method":"a","params":{"_Meta":{"progressToken":1}}})", Reason::body_shape},
       }) {
    const Result<Message> m = read_message(r.text);
    ASSERT_FALSE(m) << r.name;
    EXPECT_EQ(m.error().code, r.reason) << r.name << ": " << m.error().detail;
  }
}

TEST(Message, NumbersAreFoundWhereTheyCountOnly) {
  const std::string_view call =
      R"({"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"x","arguments":{"progressToken":9,"_meta":{"progressToken":8}},"_meta":{"progressToken":"p"},"progressToken":1,"requestId":2}})";
  const Result<Message> m = read_message(call);
  ASSERT_TRUE(m) << m.error().detail;
  EXPECT_EQ(m->progress.in(call), "\"p\"");
  EXPECT_TRUE(m->cancels.empty());
  const std::string out = changed(call, {{m->progress, "77"}, {m->id, "77"}});
  EXPECT_EQ(out, R"({"jsonrpc":"2.0","id":77,"method":"tools/call","params":{"name":"x","arguments":{"progressToken":9,"_meta":{"progressToken":8}},"_meta":{"progressToken":77},"progressToken":1,"requestId":2}})");

  const std::string_view cancel = R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"q"}})";
  const Result<Message> c = read_message(cancel);
  ASSERT_TRUE(c);
  EXPECT_EQ(c->cancels.in(cancel), "\"q\"");

  const std::string_view event = R"({"jsonrpc":"2.0","method":"notifications/x","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":5}}})";
  const Result<Message> e = read_message(event);
  ASSERT_TRUE(e);
  EXPECT_EQ(e->subscription.in(event), "5");
}

// Python ends a line at CR or LF, Node's readline at U+2028 and U+2029 too: within a string argument each
// would begin a second message that nobody has decided about.
TEST(Message, NothingThatEndsALineIsLeft) {
  EXPECT_EQ(one_line("{\"a\":\n1,\r\n\"b\": 2}"), "{\"a\": 1,  \"b\": 2}");
  EXPECT_EQ(one_line("{\"a\":\"x\xE2\x80\xA8{\xE2\x80\xA9y\xC2\x85\"}"), R"({"a":"x\u2028{\u2029y\u0085"})");
  EXPECT_EQ(one_line("\"\xE2\x80\xA6\xC2\xA0\""), "\"\xE2\x80\xA6\xC2\xA0\"") << "what merely begins alike stays";
}

TEST(Message, AnIdStandsAlone) {
  for (const std::string_view yes : {"1", "-5", "\"a\"", R"("\"")"}) EXPECT_TRUE(is_id(yes)) << yes;
  for (const std::string_view no : {"", " 1", "1 ", "1.0", "null", "[]", "1,2", "\"a", "\"a\",\"b\""}) EXPECT_FALSE(is_id(no)) << no;
}

TEST(Lines, HoweverTheyAreCut) {
  const std::string text = "one\r\n\ntwo\nthr";
  for (std::size_t step = 1; step <= text.size(); ++step) {
    Lines lines(100);
    std::string out;
    for (std::size_t i = 0; i < text.size(); i += step) {
      lines.add(std::string_view(text).substr(i, step));
      while (const auto line = lines.next()) out += "<" + *line + ">";
    }
    EXPECT_EQ(out, "<one><><two>") << step;
    EXPECT_FALSE(lines.too_long());
  }
}

TEST(Lines, NothingOfALineThatIsTooLongComesOut) {
  Lines open(10);
  open.add("short\n0123456789");
  EXPECT_EQ(open.next(), "short");
  EXPECT_EQ(open.next(), std::nullopt);
  EXPECT_FALSE(open.too_long());
  open.add("x");
  EXPECT_EQ(open.next(), std::nullopt);
  EXPECT_TRUE(open.too_long());
  open.add("\nnext\n");
  EXPECT_EQ(open.next(), std::nullopt) << "nor what follows";
  Lines whole(10);
  whole.add("0123456789x\nnext\n");
  EXPECT_EQ(whole.next(), std::nullopt);
  EXPECT_TRUE(whole.too_long());
}

}  // namespace
}  // namespace vestibule::bridge
