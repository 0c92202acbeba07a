#pragma once
// Access points as client programs hear of them: by the variables that their libraries read.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "json/value.hpp"

namespace vestibule::app::cli {

/// Whose environment variables.
enum class Family { openai, anthropic, ollama };
inline constexpr Family kFamilies[] = {Family::openai, Family::anthropic, Family::ollama};
[[nodiscard]] std::string_view name(Family family) noexcept;

/// Of /me's access points: the one with this name if it speaks the family's language, or, without a name,
/// the first that does, open ones first. Null if there is none.
[[nodiscard]] const json::Value* point_for(const json::Value& me, std::string_view access_point, Family family);
[[nodiscard]] bool has_point(const json::Value& me, std::string_view access_point);

using Variables = std::vector<std::pair<std::string, std::string>>;
/// Address and token, as the family's libraries want them. `url`: of the gateway.
[[nodiscard]] Variables variables_for(Family family, const json::Value& point, std::string_view url, std::string_view token);
/// Variables that would contradict them.
[[nodiscard]] std::vector<std::string> contradicting(Family family);

}  // namespace vestibule::app::cli
