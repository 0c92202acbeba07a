#include <gtest/gtest.h>

#include "dialect/dialect.hpp"
#include "http/parse.hpp"

namespace vestibule::dialect {
namespace {

Reason check(Kind kind, const Need& need, const std::string& fields) {
  const std::string text = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n" + fields + "\r\n";
  http::RequestParser parser;
  if (parser.feed(text) != http::ParseState::done) return Reason::request_malformed;
  const auto ok = get(kind).check_head(need, parser.head().headers);
  return ok ? Reason::ok : ok.error().code;
}

TEST(Head, Table) {
  const Need whole{"chat", RouteClass::inference, BodyRule::whole, ReplyRule::usage};
  const Need none{"models.list", RouteClass::read, BodyRule::none, ReplyRule::models};
  const Need upload{"audio.transcribe", RouteClass::inference, BodyRule::stream, ReplyRule::opaque};
  const Need files{"files.create", RouteClass::sensitive, BodyRule::stream, ReplyRule::opaque};
  const Need opened{"server.sleep", RouteClass::administrative, BodyRule::whole, ReplyRule::opaque};
  struct Row {
    Kind kind;
    const Need& need;
    const char* fields;
    Reason reason;
  };
  constexpr auto O = Kind::openai;
  const Row rows[] = {
      {O, whole, "Content-Type: application/json\r\n", Reason::ok},
      {O, whole, "Content-Type: Application/JSON\r\n", Reason::ok},
      {O, whole, "Content-Type: application/json; charset=utf-8\r\n", Reason::ok},
      {O, whole, "Content-Type: application/json;charset=UTF-8\r\n", Reason::ok},
      {O, whole, "Content-Type: application/json; charset=\"utf-8\"\r\n", Reason::ok},
      {O, whole, "Content-Type: application/json; charset=utf-16\r\n", Reason::content_type},
      {O, whole, "Content-Type: application/json; charset=utf-8; x=y\r\n", Reason::content_type},
      {O, whole, "Content-Type: application/json;\r\n", Reason::content_type},
      {O, whole, "Content-Type: application/json, text/plain\r\n", Reason::content_type},
      {O, whole, "Content-Type: application/jsonx\r\n", Reason::content_type},
      {O, whole, "Content-Type: application/x-www-form-urlencoded\r\n", Reason::content_type},
      {O, whole, "Content-Type: multipart/form-data; boundary=x\r\n", Reason::content_type},
      {O, whole, "Content-Type: text/plain\r\n", Reason::content_type},
      {O, whole, "Content-Type: \r\n", Reason::content_type},
      {O, whole, "", Reason::content_type},
      {Kind::vllm, whole, "", Reason::content_type},
      {Kind::llamacpp, whole, "", Reason::content_type},
      {Kind::anthropic, whole, "", Reason::content_type},
      {Kind::ollama, whole, "", Reason::ok},
      {Kind::ollama, whole, "Content-Type: text/plain\r\n", Reason::content_type},
      {Kind::ollama, whole, "Content-Encoding: zstd\r\n", Reason::content_encoding},
      {O, whole, "Content-Type: application/json\r\nContent-Encoding: identity\r\n", Reason::ok},
      {O, whole, "Content-Type: application/json\r\nContent-Encoding: gzip\r\n", Reason::content_encoding},
      {O, whole, "Content-Type: application/json\r\nContent-Encoding: identity\r\nContent-Encoding: gzip\r\n", Reason::request_malformed},
      {O, none, "", Reason::ok},
      {O, none, "Content-Type: text/plain\r\n", Reason::ok},
      {O, upload, "Content-Type: multipart/form-data; boundary=x\r\n", Reason::ok},
      {O, upload, "Content-Type: application/json\r\n", Reason::content_type},
      {O, upload, "Content-Type: multipart/form-data; charset=utf-8; Boundary=\"x y\"\r\n", Reason::ok},
      {O, upload, "Content-Type: multipart/form-data\r\n", Reason::content_type},
      {O, upload, "Content-Type: multipart/form-data; boundary=\r\n", Reason::content_type},
      {O, upload, "Content-Type: multipart/form-data; xboundary=x\r\n", Reason::content_type},
      {O, upload, "Content-Type: multipart/mixed\r\n", Reason::content_type},
      {O, upload, "", Reason::content_type},
      {O, files, "Content-Type: application/octet-stream\r\n", Reason::ok},
      {O, opened, "", Reason::ok},
      {O, opened, "Content-Type: text/plain\r\n", Reason::content_type},
      {Kind::http, whole, "Content-Type: x/y\r\nContent-Encoding: gzip\r\n", Reason::ok},
  };
  for (const Row& r : rows) {
    EXPECT_EQ(info(check(r.kind, r.need, r.fields)).code, info(r.reason).code) << name(r.kind) << " " << r.need.operation << " " << r.fields;
  }
}

}  // namespace
}  // namespace vestibule::dialect
