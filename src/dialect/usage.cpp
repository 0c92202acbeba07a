#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "dialect/dialect.hpp"

namespace vestibule::dialect {
namespace {

constexpr bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// The number behind the last key of this name; an escaped quote before it means that it stands
// inside a string, where a model may write what it likes.
std::optional<std::uint32_t> last_number(std::string_view text, std::string_view key) noexcept {
  for (std::size_t at = text.rfind(key); at != std::string_view::npos; at = at == 0 ? std::string_view::npos : text.rfind(key, at - 1)) {
    if (at == 0 || text[at - 1] != '"' || (at >= 2 && text[at - 2] == '\\')) continue;
    std::size_t i = at + key.size();
    if (i >= text.size() || text[i] != '"') continue;
    ++i;
    while (i < text.size() && is_space(text[i])) ++i;
    if (i >= text.size() || text[i] != ':') continue;
    ++i;
    while (i < text.size() && is_space(text[i])) ++i;
    std::uint64_t value = 0;
    const std::size_t first = i;
    while (i < text.size() && text[i] >= '0' && text[i] <= '9') {
      value = std::min<std::uint64_t>(value * 10 + static_cast<std::uint64_t>(text[i++] - '0'), std::numeric_limits<std::uint32_t>::max());
    }
    if (i == first || i == text.size()) continue;  // null, or cut within
    return static_cast<std::uint32_t>(value);
  }
  return std::nullopt;
}

}  // namespace

void UsageObserver::feed(std::string_view piece) noexcept {
  seen_ += piece.size();
  if (head_size_ < kKeep) {
    const std::size_t n = std::min(piece.size(), kKeep - head_size_);
    std::memcpy(head_ + head_size_, piece.data(), n);
    head_size_ += n;
  }
  if (piece.size() >= sizeof tail_) {
    std::memcpy(tail_, piece.data() + piece.size() - sizeof tail_, sizeof tail_);
    tail_size_ = sizeof tail_;
    return;
  }
  if (tail_size_ + piece.size() > sizeof tail_) {
    // Half of it stays, or what there is room for: so most pieces move nothing.
    const std::size_t keep = std::min(kKeep, sizeof tail_ - piece.size());
    std::memmove(tail_, tail_ + tail_size_ - keep, keep);
    tail_size_ = keep;
  }
  std::memcpy(tail_ + tail_size_, piece.data(), piece.size());
  tail_size_ += piece.size();
}

UsageObserver::Counts UsageObserver::counts() const noexcept {
  // OpenAI; Responses and Anthropic (input in the first event, output in the last); Ollama;
  // llama.cpp's timings where it gives no usage.
  static constexpr std::array<std::string_view, 4> kInput{"prompt_tokens", "input_tokens", "prompt_eval_count", "prompt_n"};
  static constexpr std::array<std::string_view, 4> kOutput{"completion_tokens", "output_tokens", "eval_count", "predicted_n"};
  const std::array<std::string_view, 2> places{std::string_view(tail_, tail_size_), std::string_view(head_, head_size_)};
  const auto find = [&places](const std::array<std::string_view, 4>& keys) -> std::uint32_t {
    for (const std::string_view key : keys) {
      for (const std::string_view place : places) {
        if (const auto n = last_number(place, key)) return *n;
      }
    }
    return 0;
  };
  return {find(kInput), find(kOutput)};
}

}  // namespace vestibule::dialect
