#include <gtest/gtest.h>

#include "dialect/dialect.hpp"
#include "json/value.hpp"

namespace vestibule::dialect {
namespace {

domain::Refusal refusal(Reason reason, std::string hint = {}) {
  domain::Refusal r;
  r.reason = reason;
  r.hint = std::move(hint);
  r.request.bytes.fill(0x11);
  return r;
}
const std::string kId = "req_ceirceirceirceirceirceirce";

TEST(Render, Golden) {
  const auto r = refusal(Reason::model_denied, "model: not open here");
  const std::string text = "This model does not exist here or you may not use it. (model: not open here) [" + kId + "]";
  const std::string openai = R"({"error":{"message":")" + text + R"(","type":"invalid_request_error","param":null,"code":"model_denied"}})";
  const std::string anthropic = R"({"type":"error","error":{"type":"not_found_error","message":")" + text + R"("},"request_id":")" + kId + "\"}";
  for (const Kind k : {Kind::openai, Kind::llamacpp, Kind::vllm}) {
    const Rendered out = get(k).render(r);
    EXPECT_EQ(out.status, 404);
    EXPECT_EQ(out.content_type, "application/json");
    EXPECT_EQ(out.body, openai);
    EXPECT_EQ(get(k).render_cut(r), "\n\ndata: " + openai + "\n\n");
  }
  EXPECT_EQ(get(Kind::anthropic).render(r).body, anthropic);
  EXPECT_EQ(get(Kind::anthropic).render_cut(r), "\n\nevent: error\ndata: " + anthropic + "\n\n");
  EXPECT_EQ(get(Kind::ollama).render(r).body, "{\"error\":\"" + text + "\"}");
  EXPECT_EQ(get(Kind::ollama).render_cut(r), "{\"error\":\"" + text + "\"}\n");
  EXPECT_EQ(get(Kind::http).render(r).content_type, "application/problem+json");
  EXPECT_EQ(get(Kind::http).render(r).body,
            R"({"type":"urn:vestibule:reason:model_denied","title":"This model does not exist here or you may not use it.","status":404,"detail":"model: not open here","instance":"urn:vestibule:request:)" +
                kId + R"(","code":"model_denied"})");
  EXPECT_EQ(get(Kind::http).render_cut(r), "");
}

TEST(Render, EveryReasonInEveryShape) {
  for (std::size_t i = 0; i < reason_count(); ++i) {
    const auto reason = static_cast<Reason>(i);
    for (const Kind k : {Kind::openai, Kind::anthropic, Kind::ollama, Kind::llamacpp, Kind::vllm, Kind::http}) {
      const Rendered out = get(k).render(refusal(reason, "a \"hint\"\n"));
      EXPECT_EQ(out.status, info(reason).status);
      EXPECT_TRUE(json::parse(out.body)) << out.body;
      // One line: it must fit into a data: field.
      EXPECT_EQ(get(k).render_cut(refusal(reason, "x\r\ny")).find("x\r"), std::string::npos);
    }
  }
}

TEST(Render, Types) {
  struct Row {
    Reason reason;
    const char *openai, *anthropic;
  };
  for (const Row& r : {Row{Reason::mfa_lapsed, "authentication_error", "authentication_error"},
                       Row{Reason::policy_denied, "permission_error", "permission_error"},
                       Row{Reason::body_shape, "invalid_request_error", "invalid_request_error"},
                       Row{Reason::route_unknown, "invalid_request_error", "not_found_error"},
                       Row{Reason::body_too_large, "invalid_request_error", "request_too_large"},
                       Row{Reason::quota_exceeded, "rate_limit_exceeded", "rate_limit_error"},
                       Row{Reason::overloaded, "server_error", "overloaded_error"},
                       Row{Reason::upstream_timeout, "server_error", "timeout_error"},
                       Row{Reason::internal, "server_error", "api_error"}}) {
    const auto openai = json::parse(get(Kind::openai).render(refusal(r.reason)).body);
    EXPECT_EQ(*openai->find("error")->get_string("type"), r.openai);
    const auto anthropic = json::parse(get(Kind::anthropic).render(refusal(r.reason)).body);
    EXPECT_EQ(*anthropic->find("error")->get_string("type"), r.anthropic);
  }
}

TEST(Render, TheShapeFollowsTheRoute) {
  struct Row {
    const char* path;
    Face llamacpp, vllm, ollama, openai, anthropic;
  };
  using F = Face;
  constexpr F o = F::openai, a = F::anthropic, l = F::ollama;
  for (const Row& r : {Row{"/v1/messages", a, a, a, o, a}, Row{"/v1/messages/count_tokens", a, a, a, o, a},
                       Row{"/v1/messages/batches/x/results", a, a, a, o, a}, Row{"/v1/complete", a, a, a, o, a},
                       Row{"/v1/chat/completions", o, o, o, o, a}, Row{"/v1/models", o, o, o, o, a},
                       Row{"/v1/messagesx", o, o, o, o, a}, Row{"/v1/completely/unknown", o, o, o, o, a}, Row{"/v1", o, o, o, o, a},
                       Row{"/api/chat", l, l, l, o, a}, Row{"/api/unknown", l, l, l, o, a}, Row{"/apix", o, o, l, o, a},
                       Row{"/completion", o, o, l, o, a}, Row{"/", o, o, l, o, a}, Row{"", o, o, l, o, a},
                       Row{"/V1/messages", o, o, l, o, a}}) {
    EXPECT_EQ(get(Kind::llamacpp).face(r.path), r.llamacpp) << r.path;
    EXPECT_EQ(get(Kind::vllm).face(r.path), r.vllm) << r.path;
    EXPECT_EQ(get(Kind::ollama).face(r.path), r.ollama) << r.path;
    EXPECT_EQ(get(Kind::openai).face(r.path), r.openai) << r.path;
    EXPECT_EQ(get(Kind::anthropic).face(r.path), r.anthropic) << r.path;
    EXPECT_EQ(get(Kind::http).face(r.path), F::problem) << r.path;
  }
}

TEST(Render, ANeedCarriesItsShape) {
  for (const Kind k : {Kind::openai, Kind::anthropic, Kind::ollama, Kind::llamacpp, Kind::vllm, Kind::http}) {
    for (const char* path : {"/v1/messages", "/v1/chat/completions", "/api/chat"}) {
      const auto need = get(k).need(http::Method::post, path, "", {});
      if (need) { EXPECT_EQ(need->face, get(k).face(path)) << name(k) << path; }
    }
  }
  const auto r = refusal(Reason::mfa_lapsed);
  EXPECT_EQ(Dialect::render(r, Face::anthropic).body, get(Kind::anthropic).render(r).body);
  EXPECT_EQ(Dialect::render(r, Face::ollama).body, get(Kind::ollama).render(r).body);
  EXPECT_EQ(Dialect::render_cut(r, Face::anthropic), get(Kind::anthropic).render_cut(r));
  EXPECT_EQ(Dialect::render(r, Face::openai).body, get(Kind::vllm).render(r).body);
}

}  // namespace
}  // namespace vestibule::dialect
