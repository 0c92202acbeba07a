#include "domain/signals.hpp"

namespace vestibule::domain {

std::string_view name(Signal s) noexcept {
  switch (s) {
    case Signal::new_source: return "new_source";
    case Signal::new_client: return "new_client";
    case Signal::prompt_flood: return "prompt_flood";
    case Signal::many_refusals: return "many_refusals";
    case Signal::destructive_tool: return "destructive_tool";
  }
  return "unknown";
}

std::optional<Signal> signal_from(std::string_view text) noexcept {
  for (const Signal s : kSignals) {
    if (name(s) == text) return s;
  }
  return std::nullopt;
}

std::string_view meaning(Signal s) noexcept {
  switch (s) {
    case Signal::new_source: return "the network is new for this person";
    case Signal::new_client: return "the client program is new for this person";
    case Signal::prompt_flood: return "many prompts were left unanswered lately";
    case Signal::many_refusals: return "much was refused lately";
    case Signal::destructive_tool: return "the tool's server says that it destroys";
  }
  return "unknown";
}

}  // namespace vestibule::domain
