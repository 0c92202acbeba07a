#include "dialect/render.hpp"

#include "dialect/mcp.hpp"
#include "json/writer.hpp"

namespace vestibule::dialect {
namespace {

std::string_view openai_type(int status) noexcept {
  switch (status) {
    case 401: return "authentication_error";
    case 403: return "permission_error";
    case 429: return "rate_limit_exceeded";
    default: return status >= 500 ? "server_error" : "invalid_request_error";
  }
}

std::string_view anthropic_type(int status) noexcept {
  switch (status) {
    case 401: return "authentication_error";
    case 403: return "permission_error";
    case 404: return "not_found_error";
    case 413: return "request_too_large";
    case 429: return "rate_limit_error";
    case 503: return "overloaded_error";
    case 504: return "timeout_error";
    default: return status >= 500 ? "api_error" : "invalid_request_error";
  }
}

// What is wrong and what to do next, then what exactly, then what to quote when asking for help.
std::string message(const domain::Refusal& refusal) {
  std::string out(info(refusal.reason).text);
  if (!refusal.hint.empty()) out.append(" (").append(refusal.hint).append(")");
  if (!refusal.request.is_nil()) out.append(" [").append(refusal.request.text()).append("]");
  return out;
}

std::string openai_body(const domain::Refusal& refusal) {
  const ReasonInfo& why = info(refusal.reason);
  json::Writer w;
  w.begin_object().key("error").begin_object();
  w.member("message", message(refusal)).member("type", openai_type(why.status)).key("param").null();
  w.member("code", why.code).end_object().end_object();
  return w.take();
}

std::string anthropic_body(const domain::Refusal& refusal) {
  json::Writer w;
  w.begin_object().member("type", "error").key("error").begin_object();
  w.member("type", anthropic_type(info(refusal.reason).status)).member("message", message(refusal)).end_object();
  w.member("request_id", refusal.request.text()).end_object();
  return w.take();
}

std::string ollama_body(const domain::Refusal& refusal) {
  json::Writer w;
  w.begin_object().member("error", message(refusal)).end_object();
  return w.take();
}

std::string mcp_body(const domain::Refusal& refusal, std::string_view id) {
  json::Writer data;
  data.begin_object().member("reason", info(refusal.reason).code);
  if (refusal.reason == Reason::mcp_version_unsupported) {
    data.key("supported").begin_array().value("2026-07-28").end_array();  // the others are agreed on by initialize
    data.member("requested", refusal.hint);
  }
  data.end_object();
  return mcp::error_answer(id, mcp::code_of(refusal.reason), message(refusal), data.text());
}

// RFC 9457. The type is a URN, as nothing is to be fetched.
std::string problem_body(const domain::Refusal& refusal) {
  const ReasonInfo& why = info(refusal.reason);
  json::Writer w;
  w.begin_object().member("type", "urn:vestibule:reason:" + std::string(why.code)).member("title", why.text);
  w.member("status", why.status);
  if (!refusal.hint.empty()) w.member("detail", refusal.hint);
  w.member("instance", "urn:vestibule:request:" + refusal.request.text()).member("code", why.code).end_object();
  return w.take();
}

}  // namespace

Rendered render_refusal(Face face, const domain::Refusal& refusal, std::string_view id) {
  Rendered out;
  out.status = info(refusal.reason).status;
  out.content_type = "application/json";
  switch (face) {
    case Face::openai: out.body = openai_body(refusal); break;
    case Face::anthropic: out.body = anthropic_body(refusal); break;
    case Face::ollama: out.body = ollama_body(refusal); break;
    case Face::mcp: out.body = mcp_body(refusal, id); break;
    case Face::problem:
      out.content_type = "application/problem+json";
      out.body = problem_body(refusal);
      break;
    case Face::text:
      out.content_type = "text/plain; charset=utf-8";
      out.body = message(refusal) + "\n";
      break;
  }
  return out;
}

// An event may have been cut in its middle: an empty line ends it. An empty NDJSON line, though,
// would break clients that parse every line.
std::string render_end(Face face, const domain::Refusal& refusal) {
  switch (face) {
    case Face::openai: return "\n\ndata: " + openai_body(refusal) + "\n\n";
    case Face::anthropic: return "\n\nevent: error\ndata: " + anthropic_body(refusal) + "\n\n";
    case Face::ollama: return ollama_body(refusal) + "\n";
    // An answer that breaks off is none: the client sees the connection's end.
    case Face::mcp:
    case Face::problem:
    case Face::text: break;
  }
  return {};
}

}  // namespace vestibule::dialect
