// Lists of models, their names, token counts and globs: a filtered list is valid JSON, holds no
// name that was not allowed, and filtering it again changes nothing; canonical names stay what they
// are.
#include <cstdint>
#include <string>

#include "dialect/model_name.hpp"
#include "json/value.hpp"
#include "require.hpp"

using namespace vestibule;
using namespace vestibule::dialect;

namespace {

bool allowed(std::string_view name) { return name.size() % 2 == 1; }

void check_names(const json::Value& list, Kind kind) {
  for (const char* member : {"data", "models"}) {
    const json::Value* entries = list.find(member);
    if (entries == nullptr) continue;
    for (const json::Value& entry : entries->items()) {
      for (const char* field : {"id", "model"}) {
        const json::Value* name = entry.find(field);
        if (name == nullptr || (std::string_view(member) == "models" && std::string_view(field) == "id")) continue;
        std::string scratch;
        const auto text = name->as_string();
        require(text.has_value());
        const auto canonical = canonical_model(kind, *text, scratch);
        require(canonical.has_value() && allowed(*canonical));
      }
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto kind = static_cast<Kind>(data[0] % 5);
  const auto list = get(kind).filter_models(text, allowed);
  if (list) {
    const auto parsed = json::parse(*list);
    require(parsed.has_value());
    check_names(*parsed, kind);
    const auto again = get(kind).filter_models(*list, allowed);
    require(again.has_value() && *again == *list);
  } else {
    require(list.error().code == Reason::upstream_malformed);
  }
  std::string scratch;
  const auto name = canonical_model(kind, text, scratch);
  if (name) {
    const std::string once(*name);
    std::string other;
    const auto twice = canonical_model(kind, once, other);
    require(twice.has_value() && *twice == once);
    require(glob_match("*", once) && glob_match(once, once) && glob_match(once + "*", once));
  }
  UsageObserver whole;
  UsageObserver pieces;
  whole.feed(text);
  for (std::size_t at = 0; at < text.size(); at += 13) pieces.feed(text.substr(at, 13));
  if (text.size() <= 1024) {
    require(whole.counts().input_tokens == pieces.counts().input_tokens && whole.counts().output_tokens == pieces.counts().output_tokens);
  }
  return 0;
}
