#include "app/cli/login_answer.hpp"

#include <algorithm>

#include "base/bytes.hpp"
#include "http/target.hpp"

namespace vestibule::app::cli {
namespace {

constexpr std::size_t kMaxValue = 512;

// RFC 6749 appendix A: what codes and errors are made of, and nothing that a terminal obeys.
bool plain(std::string_view text) noexcept {
  return !text.empty() && text.size() <= kMaxValue && std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; });
}

bool absent(const Result<std::string>& value) { return !value && value.error().code == Reason::not_found; }

}  // namespace

LoginAnswer read_login_answer(std::string_view text, std::string_view state, std::string_view issuer) {
  using Kind = LoginAnswer::Kind;
  const Result<http::Target> target = http::parse_target(text);
  if (!target || target->path != kLoginPath || !target->has_query) return {};
  const Result<std::string> given = http::query_value(target->query, "state");
  if (!given || state.empty() || !equal_constant_time(as_bytes(*given), as_bytes(state))) return {};
  // From here on it is the answer to our question, so that whatever is wrong ends the matter.
  const Result<std::string> iss = http::query_value(target->query, "iss");
  const Result<std::string> code = http::query_value(target->query, "code");
  const Result<std::string> error = http::query_value(target->query, "error");
  if (!iss || *iss != issuer) return {Kind::mixed_up, {}, {}};
  if (code && absent(error) && plain(*code)) return {Kind::code, *code, {}};
  if (error && absent(code) && plain(*error)) return {Kind::refused, {}, *error};
  return {Kind::mixed_up, {}, {}};
}

}  // namespace vestibule::app::cli
