#include "dialect/routes.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <sstream>

#include "dialect/inspect.hpp"

namespace vestibule::dialect {
namespace {

using http::Method;

// Every route of the table of surfaces, spelt out: "METHOD path operation class". Classes P, R and I
// are open; S and A must be route_denied by default, and open when their operation is listed.
struct Rows {
  Kind kind;
  const char* text;
};

const Rows kSurfaces[] = {
    {Kind::openai, R"(
POST /v1/chat/completions chat I
POST /v1/completions complete I
POST /v1/responses responses I
POST /v1/responses/input_tokens tokens.count R
POST /v1/embeddings embed I
POST /v1/audio/speech audio.speak I
POST /v1/audio/transcriptions audio.transcribe I
POST /v1/audio/translations audio.translate I
POST /v1/images/generations images.generate I
POST /v1/images/edits images.edit I
POST /v1/images/variations images.vary I
POST /v1/moderations moderate I
GET /v1/models models.list R
GET /v1/models/gpt-4o models.show R
GET /v1/files files.read S
POST /v1/files files.create S
GET /v1/files/file-1 files.read S
GET /v1/files/file-1/content files.read S
DELETE /v1/files/file-1 files.delete S
POST /v1/uploads files.create S
POST /v1/uploads/u1/parts files.create S
POST /v1/uploads/u1/complete files.create S
POST /v1/uploads/u1/cancel files.create S
GET /v1/batches batches.read S
POST /v1/batches batches.create S
GET /v1/batches/b1 batches.read S
POST /v1/batches/b1/cancel batches.cancel S
GET /v1/vector_stores vector_stores S
POST /v1/vector_stores vector_stores S
POST /v1/vector_stores/vs1/search vector_stores S
DELETE /v1/vector_stores/vs1 vector_stores S
GET /v1/containers/c1/files/f/content containers S
GET /v1/responses/resp_1 responses.stored S
DELETE /v1/responses/resp_1 responses.stored S
POST /v1/responses/resp_1/cancel responses.stored S
GET /v1/responses/resp_1/input_items responses.stored S
POST /v1/conversations conversations S
GET /v1/conversations/c1/items conversations S
GET /v1/chat/completions chat.stored S
GET /v1/chat/completions/c1 chat.stored S
POST /v1/chat/completions/c1 chat.stored S
DELETE /v1/chat/completions/c1 chat.stored S
GET /v1/chat/completions/c1/messages chat.stored S
GET /v1/fine_tuning/jobs fine_tuning A
POST /v1/fine_tuning/jobs fine_tuning A
POST /v1/fine_tuning/jobs/j1/cancel fine_tuning A
DELETE /v1/models/ft:mine model.delete A
GET /v1/organization/users organization A
POST /v1/organization/admin_api_keys organization A
DELETE /v1/organization/projects/p1/api_keys/k1 organization A
)"},
    {Kind::anthropic, R"(
POST /v1/messages chat I
POST /v1/messages/count_tokens tokens.count R
POST /v1/complete complete I
GET /v1/models models.list R
GET /v1/models/claude-x models.show R
GET /v1/messages/batches batches.read S
POST /v1/messages/batches batches.create S
GET /v1/messages/batches/b1 batches.read S
GET /v1/messages/batches/b1/results batches.read S
POST /v1/messages/batches/b1/cancel batches.cancel S
DELETE /v1/messages/batches/b1 batches.delete S
GET /v1/files files.read S
POST /v1/files files.create S
GET /v1/files/f1/content files.read S
DELETE /v1/files/f1 files.delete S
GET /v1/organizations/api_keys organization A
)"},
    {Kind::ollama, R"(
GET / health P
HEAD / health P
POST /api/generate complete I
POST /api/chat chat I
POST /api/embed embed I
POST /api/embeddings embed I
POST /v1/chat/completions chat I
POST /v1/completions complete I
POST /v1/embeddings embed I
POST /v1/responses responses I
POST /v1/messages chat I
POST /v1/images/generations images.generate I
POST /v1/images/edits images.edit I
POST /v1/audio/transcriptions audio.transcribe I
GET /v1/models models.list R
GET /v1/models/llama3 models.show R
GET /api/tags models.list R
HEAD /api/tags models.list R
POST /api/show models.show R
GET /api/ps models.running R
GET /api/version version R
HEAD /api/version version R
POST /api/pull model.pull A
POST /api/push model.push A
POST /api/create model.create A
POST /api/blobs/sha256:00 blobs.create A
HEAD /api/blobs/sha256:00 blobs.read S
POST /api/copy model.copy A
DELETE /api/delete model.delete A
POST /api/signout account.signout A
DELETE /api/user/keys/abc account.signout A
POST /api/experimental/web_search web.search S
POST /api/experimental/web_fetch web.fetch S
POST /api/me account.read S
GET /api/status account.read S
GET /debug/pprof debug A
GET /debug/pprof/heap debug A
GET /debug/pprof/goroutine debug A
)"},
    {Kind::llamacpp, R"(
GET /health health P
GET /v1/health health P
GET /models models.list P
GET /v1/models models.list R
POST /completion complete I
POST /completions complete I
POST /v1/completions complete I
POST /chat/completions chat I
POST /v1/chat/completions chat I
POST /responses responses I
POST /v1/responses responses I
POST /v1/messages chat I
POST /v1/messages/count_tokens tokens.count R
POST /chat/completions/input_tokens tokens.count R
POST /v1/chat/completions/input_tokens tokens.count R
POST /responses/input_tokens tokens.count R
POST /v1/responses/input_tokens tokens.count R
POST /infill complete I
POST /embedding embed I
POST /embeddings embed I
POST /v1/embeddings embed I
POST /rerank rerank I
POST /reranking rerank I
POST /v1/rerank rerank I
POST /v1/reranking rerank I
POST /tokenize tokenize I
POST /detokenize detokenize I
POST /apply-template template.apply I
POST /v1/audio/transcriptions audio.transcribe I
POST /audio/transcriptions audio.transcribe I
POST /props props.write A
GET /props props.read S
POST /lora-adapters lora.load A
GET /lora-adapters lora.read S
GET /slots slots.read S
POST /slots/0 slots.write A
POST /models model.pull A
DELETE /models model.delete A
POST /models/load model.load A
POST /models/unload model.unload A
GET /models/sse models.watch S
GET /cors-proxy cors_proxy A
POST /cors-proxy cors_proxy A
POST /tools server_tools A
GET /tools server_tools S
GET /v1/stream/conv1 streams S
DELETE /v1/stream/conv1 streams S
GET /v1/streams streams S
POST /v1/chat/completions/control chat.control S
GET /metrics metrics S
)"},
    {Kind::vllm, R"(
POST /v1/chat/completions chat I
POST /v1/completions complete I
POST /v1/responses responses I
POST /v1/messages chat I
POST /v1/messages/count_tokens tokens.count R
POST /v1/embeddings embed I
POST /v1/audio/transcriptions audio.transcribe I
POST /v1/audio/translations audio.translate I
POST /v1/rerank rerank I
POST /v1/score score I
POST /v2/embed embed I
POST /v2/rerank rerank I
POST /invocations invoke I
POST /pooling embed I
POST /classify classify I
POST /score score I
POST /rerank rerank I
POST /tokenize tokenize I
POST /detokenize detokenize I
GET /v1/models models.list R
GET /health health R
GET /ping health R
POST /ping health R
GET /version version R
GET /load load R
GET /tokenizer_info tokenizer.read S
GET /metrics metrics S
GET /v1/responses/resp_1 responses.stored S
POST /v1/responses/resp_1/cancel responses.stored S
POST /v1/load_lora_adapter lora.load A
POST /v1/unload_lora_adapter lora.unload A
POST /pause server.pause A
POST /resume server.resume A
POST /scale_elastic_ep server.scale A
POST /update_weights weights.update A
POST /init_weight_transfer_engine weights.update A
POST /abort_requests requests.abort A
POST /collective_rpc server.rpc A
POST /sleep server.sleep A
POST /wake_up server.wake A
POST /reset_prefix_cache cache.reset A
POST /reset_mm_cache cache.reset A
GET /server_info server.read A
POST /start_profile profile A
POST /stop_profile profile A
)"},
};

char letter(RouteClass c) { return "PRISA"[static_cast<int>(c)]; }

TEST(Routes, EveryOneOfTheSurfaces) {
  for (const Rows& rows : kSurfaces) {
    const Dialect& d = get(rows.kind);
    std::set<std::string> covered;
    std::istringstream in(rows.text);
    std::string method, path, operation, cls;
    while (in >> method >> path >> operation >> cls) {
      SCOPED_TRACE(std::string(name(rows.kind)) + " " + method + " " + path);
      const Method m = http::method_from(method);
      const auto closed = d.need(m, path, "", Rules{});
      Rules rules;
      rules.operations = {operation};
      const auto open = d.need(m, path, "", rules);
      ASSERT_TRUE(open) << info(open.error().code).code;
      EXPECT_EQ(open->operation, operation);
      EXPECT_EQ(std::string(1, letter(open->route_class)), cls);
      if (cls == "S" || cls == "A") {
        ASSERT_FALSE(closed);
        EXPECT_EQ(closed.error().code, Reason::route_denied);
      } else {
        ASSERT_TRUE(closed);
        // A query is nothing that these take.
        const auto asked = d.need(m, path, "action=erase", Rules{});
        ASSERT_FALSE(asked);
        EXPECT_EQ(asked.error().code, Reason::request_malformed);
      }
      // One other spelling is another path.
      for (const std::string& other : {path + "/", "/" + path, path + "x/y/z/w", " " + path}) {
        const auto r = d.need(m, other, "", Rules{});
        EXPECT_FALSE(r && (r->operation == operation || r->route_class != RouteClass::read)) << other;
      }
      if (path != "/") {
        std::string upper = path;
        upper[1] = static_cast<char>(upper[1] - 32);
        const auto r = d.need(m, upper, "", rules);
        ASSERT_FALSE(r);
        EXPECT_EQ(r.error().code, Reason::route_unknown);
      }
      // A known path under another method.
      const auto patched = d.need(Method::patch, path, "", rules);
      ASSERT_FALSE(patched);
      EXPECT_EQ(patched.error().code, Reason::method_not_allowed);
      const auto odd = d.need(Method::other, path, "", rules);
      ASSERT_FALSE(odd);
      // The row can be found again without its method.
      const RouteTable table(rows.kind);
      ASSERT_NE(table.find(*open, path), nullptr);
      EXPECT_EQ(table.find(*open, path)->operation, operation);
      EXPECT_EQ(table.find(*open, path)->streams, table.find(m, path).route->streams);
    }
  }
}

TEST(Routes, Unknown) {
  struct Row {
    Kind kind;
    Method method;
    const char* path;
  };
  for (const Row& r : {
           Row{Kind::openai, Method::post, "/"},
           Row{Kind::openai, Method::get, "/v1/realtime"},
           Row{Kind::openai, Method::post, "/v1/realtime/sessions"},
           Row{Kind::openai, Method::post, "/v1/assistants"},
           Row{Kind::openai, Method::post, "/v1/threads"},
           Row{Kind::openai, Method::get, "/v1/models/a/b"},
           Row{Kind::openai, Method::get, "/v1/models/"},
           Row{Kind::openai, Method::post, "/chat/completions"},
           Row{Kind::openai, Method::post, "/v1/messages"},
           Row{Kind::openai, Method::post, "/invocations"},
           Row{Kind::openai, Method::post, "v1/chat/completions"},
           Row{Kind::anthropic, Method::post, "/v1/chat/completions"},
           Row{Kind::anthropic, Method::post, "/v1/skills"},
           Row{Kind::ollama, Method::get, "/metrics"},
           Row{Kind::ollama, Method::post, "/api"},
           Row{Kind::ollama, Method::post, "/api/blobs"},
           Row{Kind::ollama, Method::get, "/debug/vars"},
           Row{Kind::llamacpp, Method::post, "/"},
           Row{Kind::llamacpp, Method::get, "/index.html"},
           Row{Kind::llamacpp, Method::post, "/predict"},
           Row{Kind::llamacpp, Method::post, "/invocations"},
           Row{Kind::llamacpp, Method::get, "/v1/models/x"},
           Row{Kind::llamacpp, Method::post, "/slots"},
           Row{Kind::vllm, Method::post, "/"},
           Row{Kind::vllm, Method::get, "/docs"},
           Row{Kind::vllm, Method::get, "/openapi.json"},
           Row{Kind::vllm, Method::post, "/v1/rerank/"},
       }) {
    const auto n = get(r.kind).need(r.method, r.path, "", Rules{});
    if (n) ADD_FAILURE() << r.path;
    if (!n && n.error().code != Reason::method_not_allowed) {
      EXPECT_EQ(n.error().code, Reason::route_unknown) << r.path;
    }
  }
}

TEST(Routes, Queries) {
  const auto ask = [](Kind k, Method m, const char* path, const char* query, std::vector<std::string> open = {}) {
    Rules rules;
    rules.operations = std::move(open);
    return get(k).need(m, path, query, rules).has_value();
  };
  EXPECT_TRUE(ask(Kind::anthropic, Method::post, "/v1/messages", "beta=true"));
  EXPECT_TRUE(ask(Kind::llamacpp, Method::post, "/v1/messages", "beta=true"));
  EXPECT_FALSE(ask(Kind::anthropic, Method::post, "/v1/messages", "beta=false"));
  EXPECT_FALSE(ask(Kind::anthropic, Method::post, "/v1/messages", "beta=true&beta=true"));
  EXPECT_FALSE(ask(Kind::anthropic, Method::post, "/v1/messages", "beta"));
  EXPECT_FALSE(ask(Kind::anthropic, Method::post, "/v1/messages", "b%65ta=true"));
  EXPECT_TRUE(ask(Kind::anthropic, Method::get, "/v1/models", "limit=5&after_id=x"));
  EXPECT_FALSE(ask(Kind::anthropic, Method::get, "/v1/models", "limit=5&limit=6"));
  EXPECT_FALSE(ask(Kind::llamacpp, Method::get, "/models", "reload=1"));
  EXPECT_FALSE(ask(Kind::llamacpp, Method::get, "/v1/models", "autoload=1"));
  EXPECT_TRUE(ask(Kind::llamacpp, Method::post, "/slots/1", "action=save", {"slots.write"}));
  EXPECT_TRUE(ask(Kind::http, Method::post, "/anything", "a&b=c;"));
}

TEST(Routes, Generic) {
  const Dialect& d = get(Kind::http);
  const auto read = d.need(Method::get, "/x", "", Rules{});
  ASSERT_TRUE(read);
  EXPECT_EQ(read->operation, "http.read");
  EXPECT_EQ(read->route_class, RouteClass::read);
  for (const Method m : {Method::post, Method::put, Method::patch, Method::delete_, Method::other}) {
    const auto write = d.need(m, "/x", "", Rules{});
    ASSERT_TRUE(write);
    EXPECT_EQ(write->operation, "http.write");
    EXPECT_EQ(write->body, BodyRule::stream);
  }
  std::string scratch;
  EXPECT_TRUE(d.classify(*read, "/x", "", Rules{}, scratch));
  Rules narrowed;
  narrowed.models = {"a"};
  EXPECT_FALSE(d.classify(*read, "/x", "", narrowed, scratch));
}

TEST(Routes, Table) {
  std::set<std::tuple<unsigned, unsigned, std::string_view>> seen;
  std::map<std::string_view, bool> dangerous;
  for (const Route& r : all_routes()) {
    for (unsigned k = 0; k < 6; ++k) {
      for (unsigned m = 0; m < 8; ++m) {
        if ((r.kinds >> k & 1U) == 0 || (r.methods >> m & 1U) == 0) continue;
        EXPECT_TRUE(seen.insert({k, m, r.path}).second) << r.path << " twice";
      }
    }
    EXPECT_EQ(r.path.front(), '/');
    EXPECT_EQ(r.body == BodyRule::whole, r.shape != Shape::nothing) << r.path;
    // Only what the operator has to open by name may take any query or an unjudged body.
    const bool shut = r.route_class == RouteClass::sensitive || r.route_class == RouteClass::administrative;
    const bool loose = r.query == Query::any || r.shape == Shape::opened || r.path.find("{*}") != std::string_view::npos;
    EXPECT_TRUE(shut || !loose) << r.path;
    // One name is either always open or always to be opened.
    const auto [at, fresh] = dangerous.emplace(r.operation, shut);
    EXPECT_EQ(at->second, shut) << r.operation;
  }
}

// Where tool calls are gated, every answer of a model is either looked through or not to be had.
TEST(Routes, GatedTools) {
  const std::set<std::string_view> no_words{"embed", "rerank", "classify", "score", "images.generate", "moderate"};
  unsigned inspected = 0;
  for (const Route& r : all_routes()) {
    for (unsigned k = 0; k < 5; ++k) {
      if ((r.kinds >> k & 1U) == 0 || r.reply != ReplyRule::usage || r.path.find('{') != std::string_view::npos) continue;
      Rules rules;
      const auto& dialect = get(static_cast<Kind>(k));
      ASSERT_TRUE(dialect.need(Method::post, r.path, "", rules)) << r.path;
      rules.gated_tools = true;
      const Result<Need> need = dialect.need(Method::post, r.path, "", rules);
      if (no_words.contains(r.operation)) {
        EXPECT_TRUE(need) << r.path;
      } else if (need) {
        EXPECT_TRUE(reply_shape(*need, r.path)) << r.path;
        ++inspected;
      } else {
        EXPECT_EQ(need.error().code, Reason::tools_gated) << r.path;
      }
    }
  }
  EXPECT_EQ(inspected, 15U);

  // Also where the operator has opened them by name.
  Rules rules;
  rules.gated_tools = true;
  const auto refused = [&](Kind kind, Method method, std::string_view path, std::string operation) {
    rules.operations = {std::move(operation)};
    const Result<Need> need = get(kind).need(method, path, "", rules);
    return !need && need.error().code == Reason::tools_gated;
  };
  EXPECT_TRUE(refused(Kind::openai, Method::post, "/v1/completions", "complete"));
  EXPECT_TRUE(refused(Kind::llamacpp, Method::post, "/infill", "complete"));
  EXPECT_TRUE(refused(Kind::ollama, Method::post, "/api/generate", "complete"));
  EXPECT_TRUE(refused(Kind::vllm, Method::post, "/invocations", "invoke"));
  EXPECT_TRUE(refused(Kind::openai, Method::get, "/v1/chat/completions/a", "chat.stored"));
  EXPECT_TRUE(refused(Kind::vllm, Method::get, "/v1/responses/a", "responses.stored"));
  EXPECT_TRUE(refused(Kind::llamacpp, Method::get, "/v1/stream/a", "streams"));
  EXPECT_TRUE(refused(Kind::anthropic, Method::get, "/v1/messages/batches/a/results", "batches.read"));
  EXPECT_TRUE(refused(Kind::llamacpp, Method::post, "/tools", "server_tools"));
}

TEST(Routes, Patterns) {
  std::string_view model;
  EXPECT_TRUE(match_pattern("/v1/models/{m}", "/v1/models/a:b", model));
  EXPECT_EQ(model, "a:b");
  EXPECT_FALSE(match_pattern("/v1/models/{m}", "/v1/models/", model));
  EXPECT_FALSE(match_pattern("/v1/models/{m}", "/v1/models/a/", model));
  EXPECT_FALSE(match_pattern("/v1/models/{m}", "/v1/models", model));
  EXPECT_TRUE(match_pattern("/a/{x}/b", "/a/c/b", model));
  EXPECT_FALSE(match_pattern("/a/{x}/b", "/a//b", model));
  EXPECT_FALSE(match_pattern("/a/{x}/b", "/a/c/d/b", model));
  EXPECT_TRUE(match_pattern("/a/{*}", "/a/b/c/d", model));
  EXPECT_FALSE(match_pattern("/a/{*}", "/a/", model));
}

TEST(Operations, Known) {
  EXPECT_TRUE(operation_known(Kind::ollama, "model.pull"));
  EXPECT_FALSE(operation_known(Kind::openai, "model.pull"));
  EXPECT_TRUE(operation_known(Kind::vllm, "body.chat_template"));
  EXPECT_TRUE(operation_known(Kind::vllm, "body.chat_template_kwargs"));
  EXPECT_TRUE(operation_known(Kind::vllm, "body.image_embeds"));
  EXPECT_FALSE(operation_known(Kind::vllm, "body.model"));
  EXPECT_FALSE(operation_known(Kind::vllm, "body."));
  EXPECT_FALSE(operation_known(Kind::llamacpp, "Model.pull"));
  EXPECT_TRUE(operation_known(Kind::http, "http.write"));
  EXPECT_FALSE(operation_known(Kind::http, "chat"));
}

TEST(Kinds, Names) {
  for (const Kind k : {Kind::openai, Kind::anthropic, Kind::ollama, Kind::llamacpp, Kind::vllm, Kind::http}) {
    EXPECT_EQ(kind_from(name(k)), k);
    EXPECT_EQ(get(k).kind(), k);
  }
  EXPECT_FALSE(kind_from("OpenAI"));
  EXPECT_FALSE(kind_from(""));
}

}  // namespace
}  // namespace vestibule::dialect
