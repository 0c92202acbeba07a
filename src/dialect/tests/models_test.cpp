#include <gtest/gtest.h>

#include "dialect/dialect.hpp"

namespace vestibule::dialect {
namespace {

std::string filter(Kind kind, std::string_view body, std::vector<std::string> allowed) {
  const auto out = get(kind).filter_models(body, [&allowed](std::string_view name) {
    return std::find(allowed.begin(), allowed.end(), name) != allowed.end();
  });
  return out ? *out : "error: " + std::string(info(out.error().code).code);
}

TEST(Models, Filtered) {
  constexpr auto O = Kind::openai;
  EXPECT_EQ(filter(O, R"({"object":"list","data":[{"id":"a","owned_by":"x"},{"id":"b"}, {"id":"c","permission":[{"id":"p"}]}]})", {"a", "c"}),
            R"({"object":"list","data":[{"id":"a","owned_by":"x"},{"id":"c","permission":[{"id":"p"}]}]})");
  EXPECT_EQ(filter(O, R"({"object":"list","data":[{"id":"a"}]})", {}), R"({"object":"list","data":[]})");
  EXPECT_EQ(filter(O, R"({"data":[{"id":"\u0061"}],"n":1.50,"t":true})", {"a"}), R"({"data":[{"id":"\u0061"}],"n":1.50,"t":true})");
  // What is not understood could name what was filtered.
  EXPECT_EQ(filter(O, R"({"data":[{"id":"a"}],"aliases":{"b":"b"},"extra":["b"]})", {"a"}), R"({"data":[{"id":"a"}]})");
  // llama.cpp gives both forms.
  EXPECT_EQ(filter(Kind::llamacpp, R"({"models":[{"name":"a","model":"a"},{"name":"b","model":"b"}],"object":"list","data":[{"id":"a"},{"id":"b"}]})", {"a"}),
            R"({"models":[{"name":"a","model":"a"}],"object":"list","data":[{"id":"a"}]})");
  EXPECT_EQ(filter(Kind::anthropic, R"({"data":[{"type":"model","id":"a"},{"id":"b"},{"id":"c"}],"has_more":true,"first_id":"a","last_id":"c"})", {"b"}),
            R"({"data":[{"id":"b"}],"has_more":true,"first_id":"b","last_id":"b"})");
  EXPECT_EQ(filter(Kind::anthropic, R"({"first_id":"a","data":[{"id":"a"}],"last_id":"a"})", {}), R"({"data":[],"first_id":null,"last_id":null})");
}

TEST(Models, Ollama) {
  constexpr auto L = Kind::ollama;
  EXPECT_EQ(filter(L, R"({"models":[{"name":"LLaMA3:8B","model":"LLaMA3:8B","size":1},{"name":"b:latest","model":"b:latest"}]})", {"llama3:8b"}),
            R"({"models":[{"name":"LLaMA3:8B","model":"LLaMA3:8B","size":1}]})");
  EXPECT_EQ(filter(L, R"({"models":[{"name":"a:latest","model":"b:latest"}]})", {"a:latest"}), R"({"models":[]})");  // both must be
  EXPECT_EQ(filter(L, R"({"models":[{"name":"a"}]})", {"a:latest"}), R"({"models":[{"name":"a"}]})");
  EXPECT_EQ(filter(L, R"({"models":null})", {}), R"({"models":null})");
  EXPECT_EQ(filter(L, R"({"object":"list","data":[{"id":"a:latest","name":"shown"}]})", {"a:latest"}),
            R"({"object":"list","data":[{"id":"a:latest","name":"shown"}]})");
}

TEST(Models, Malformed) {
  for (const char* body : {"", "[]", "null", "{", "{}", R"({"data":{}})", R"({"data":["a"]})", R"({"data":[{}]})", R"({"data":[{"id":1}]})",
                           R"({"data":[{"id":"a"}]}x)", R"({"data":[{"id":"a","id":"b"}]})", R"({"data":[{"id":"a"}],"data":[]})",
                           R"({"error":{"message":"x"}})", R"({"data":[{"name":"a"}]})", R"({"models":[{"id":"a"}]})", R"({"data":[{"id":"a"})"}) {
    EXPECT_EQ(filter(Kind::openai, body, {"a"}), "error: upstream_malformed") << body;
  }
  EXPECT_EQ(filter(Kind::http, R"({"data":[]})", {}), "error: upstream_malformed");
}

TEST(Models, Listed) {
  Rules rules;
  EXPECT_TRUE(model_listed(Kind::ollama, rules, "a:latest"));
  EXPECT_FALSE(model_listed(Kind::ollama, rules, "a:cloud"));
  EXPECT_TRUE(model_listed(Kind::openai, rules, "a:cloud"));
  rules.models = {"a:*", "b:cloud"};
  EXPECT_FALSE(model_listed(Kind::ollama, rules, "a:cloud"));
  EXPECT_TRUE(model_listed(Kind::ollama, rules, "b:cloud"));
}

}  // namespace
}  // namespace vestibule::dialect
