#include <gtest/gtest.h>

#include "dialect/dialect.hpp"

namespace vestibule::dialect {
namespace {

UsageObserver::Counts observe(std::string_view text, std::size_t step) {
  UsageObserver o;
  for (std::size_t at = 0; at < text.size(); at += step) o.feed(text.substr(at, step));
  return o.counts();
}

struct UsageRow {
  const char* what;
  std::string text;
  std::uint32_t in, out;
};

std::vector<UsageRow> usage_rows() {
  const std::string filler(5000, 'x');
  std::string events;
  for (int i = 0; i < 60; ++i) events += "event: content_block_delta\ndata: {\"delta\":{\"text\":\"word\"}}\n\n";
  return {
      {"openai", R"({"choices":[],"usage":{"prompt_tokens":12,"completion_tokens":34,"total_tokens":46}})", 12, 34},
      {"openai, spaced", R"({"usage": {"prompt_tokens" : 12, "completion_tokens" : 34}})", 12, 34},
      {"openai, long", R"({"choices":")" + filler + R"(","usage":{"prompt_tokens":12,"completion_tokens":34}})", 12, 34},
      {"openai stream", "data: {\"usage\":null}\n\ndata: " + filler + "\n\ndata: {\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\n\ndata: [DONE]\n\n", 1, 2},
      {"details", R"({"usage":{"prompt_tokens":9,"completion_tokens":8,"completion_tokens_details":{"reasoning_tokens":3},"prompt_tokens_details":{"cached_tokens":5}}})", 9, 8},
      {"responses", R"({"usage":{"input_tokens":5,"input_tokens_details":{"cached_tokens":1},"output_tokens":6}})", 5, 6},
      {"anthropic stream", "event: message_start\ndata: {\"message\":{\"usage\":{\"input_tokens\":25,\"cache_read_input_tokens\":3,\"output_tokens\":1}}}\n\n" + events +
                               "event: message_delta\ndata: {\"usage\":{\"output_tokens\":15}}\n\nevent: message_stop\ndata: {}\n\n", 25, 15},
      {"ollama", "{\"response\":\"a\",\"done\":false}\n{\"done\":true,\"prompt_eval_count\":26,\"eval_count\":298,\"eval_duration\":4}\n", 26, 298},
      {"llama.cpp", R"({"content":"x","timings":{"prompt_n":7,"prompt_ms":1.5,"predicted_n":8}})", 7, 8},
      {"both: usage wins", R"({"usage":{"prompt_tokens":1,"completion_tokens":2},"timings":{"prompt_n":7,"predicted_n":8}})", 1, 2},
      {"last one wins", R"({"usage":{"prompt_tokens":1,"completion_tokens":2}}{"usage":{"prompt_tokens":3,"completion_tokens":4}})", 3, 4},
      {"inside a string", R"({"content":"\"prompt_tokens\": 99, \"completion_tokens\": 99","usage":{"prompt_tokens":1,"completion_tokens":2},"x":"\"prompt_tokens\":7"})", 1, 2},
      {"null", R"({"usage":{"prompt_tokens":null,"completion_tokens":2}})", 0, 2},
      {"huge", R"({"usage":{"prompt_tokens":99999999999999999999999,"completion_tokens":2}})", 4294967295U, 2},
      {"negative", R"({"usage":{"prompt_tokens":-5,"completion_tokens":2}})", 0, 2},
      {"nothing", "<html>", 0, 0},
      {"empty", "", 0, 0},
      {"cut", R"({"usage":{"prompt_tokens":12)", 0, 0},
  };
}

TEST(Usage, AtEverySplit) {
  for (const UsageRow& r : usage_rows()) {
    SCOPED_TRACE(r.what);
    for (std::size_t split = 0; split <= r.text.size(); ++split) {
      UsageObserver o;
      o.feed(std::string_view(r.text).substr(0, split));
      o.feed(std::string_view(r.text).substr(split));
      ASSERT_EQ(o.counts().input_tokens, r.in) << split;
      ASSERT_EQ(o.counts().output_tokens, r.out) << split;
    }
    EXPECT_EQ(UsageObserver::counts_of(r.text).input_tokens, r.in);
    EXPECT_EQ(UsageObserver::counts_of(r.text).output_tokens, r.out);
    for (const std::size_t step : {1U, 2U, 7U, 100U, 1023U, 1024U, 1025U, 2047U, 2048U, 2049U}) {
      EXPECT_EQ(observe(r.text, step).input_tokens, r.in) << step;
      EXPECT_EQ(observe(r.text, step).output_tokens, r.out) << step;
    }
  }
}

}  // namespace
}  // namespace vestibule::dialect
