#include "app/cli/doors.hpp"

#include "app/cli/context.hpp"

namespace vestibule::app::cli {
namespace {

// Whatever is of OpenAI's shape or has it beside its own.
bool speaks(std::string_view kind, Family family) noexcept {
  switch (family) {
    case Family::openai: return kind != "anthropic" && kind != "http";
    case Family::anthropic: return kind == "anthropic";
    case Family::ollama: return kind == "ollama";
  }
  return false;
}

}  // namespace

std::string_view name(Family family) noexcept {
  switch (family) {
    case Family::openai: return "openai";
    case Family::anthropic: return "anthropic";
    case Family::ollama: return "ollama";
  }
  return "openai";
}

const json::Value* point_for(const json::Value& me, std::string_view access_point, Family family) {
  const json::Value* points = me.find("access_points");
  if (points == nullptr) return nullptr;
  const json::Value* first = nullptr;
  for (const json::Value& p : points->items()) {
    if (!speaks(text_of(p, "kind"), family)) continue;
    if (!access_point.empty()) {
      if (text_of(p, "name") == access_point) return &p;
      continue;
    }
    if (text_of(p, "outcome") == "allow") return &p;
    if (first == nullptr) first = &p;
  }
  return first;
}

bool has_point(const json::Value& me, std::string_view access_point) {
  const json::Value* points = me.find("access_points");
  if (points == nullptr) return false;
  for (const json::Value& p : points->items()) {
    if (text_of(p, "name") == access_point) return true;
  }
  return false;
}

Variables variables_for(Family family, const json::Value& point, std::string_view url, std::string_view token) {
  const std::string base = std::string(url) + text_of(point, "prefix");
  switch (family) {
    case Family::openai: return {{"OPENAI_BASE_URL", base + "/v1"}, {"OPENAI_API_KEY", std::string(token)}};
    case Family::anthropic: return {{"ANTHROPIC_BASE_URL", base}, {"ANTHROPIC_API_KEY", std::string(token)}};
    case Family::ollama: return {{"OLLAMA_HOST", base}, {"OLLAMA_API_KEY", std::string(token)}};
  }
  return {};
}

std::vector<std::string> contradicting(Family family) {
  // Two credentials in one request are refused.
  if (family == Family::anthropic) return {"ANTHROPIC_AUTH_TOKEN"};
  if (family == Family::openai) return {"OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_ADMIN_KEY"};
  return {};
}

}  // namespace vestibule::app::cli
