#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <optional>

#include "dialect/dialect.hpp"

namespace vestibule::dialect {
namespace {

constexpr bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// OpenAI; Responses and Anthropic (input in the first event, output in the last); Ollama; llama.cpp's
// timings where it gives no usage. Input and output in turn, in order of preference.
constexpr std::array<std::string_view, 8> kKeys{"prompt_tokens", "completion_tokens", "input_tokens", "output_tokens",
                                                "prompt_eval_count", "eval_count", "prompt_n", "predicted_n"};
using Numbers = std::array<std::optional<std::uint32_t>, kKeys.size()>;

// The number that begins at text[i], if it is whole.
std::optional<std::uint32_t> number_at(std::string_view text, std::size_t i) noexcept {
  while (i < text.size() && is_blank(text[i])) ++i;
  std::uint64_t value = 0;
  const std::size_t first = i;
  while (i < text.size() && text[i] >= '0' && text[i] <= '9') {
    value = std::min<std::uint64_t>(value * 10 + static_cast<std::uint64_t>(text[i++] - '0'), std::numeric_limits<std::uint32_t>::max());
  }
  if (i == first || i == text.size()) return std::nullopt;  // null, or cut within
  return static_cast<std::uint32_t>(value);
}

// The last number of each key, in one pass from the end over the colons, which are few. An escaped
// quote before a key means that it stands inside a string, where a model may write what it likes.
void last_numbers(std::string_view text, Numbers& out) noexcept {
  std::size_t end = text.size();
  while (end > 0) {
    const void* found = ::memrchr(text.data(), ':', end);
    if (found == nullptr) return;
    const auto colon = static_cast<std::size_t>(static_cast<const char*>(found) - text.data());
    end = colon;
    std::size_t close = colon;
    while (close > 0 && is_blank(text[close - 1])) --close;
    if (close == 0 || text[close - 1] != '"') continue;
    const std::string_view before = text.substr(0, close - 1);
    // Most keys end otherwise than those that are looked for.
    const char last = before.empty() ? '\0' : before.back();
    if (last != 's' && last != 't' && last != 'n') continue;
    for (std::size_t k = 0; k < kKeys.size(); ++k) {
      if (out[k] || kKeys[k].back() != last || !before.ends_with(kKeys[k])) continue;
      const std::size_t at = before.size() - kKeys[k].size();
      if (at == 0 || text[at - 1] != '"' || (at >= 2 && text[at - 2] == '\\')) continue;
      out[k] = number_at(text, colon + 1);
    }
    if (out[0] && out[1]) return;  // preferred to all others
  }
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

namespace {

UsageObserver::Counts preferred(const Numbers& tail, const Numbers& head) noexcept {
  UsageObserver::Counts counts;
  for (std::size_t k = kKeys.size(); k-- > 0;) {
    const std::optional<std::uint32_t> n = tail[k] ? tail[k] : head[k];
    if (n) (k % 2 == 0 ? counts.input_tokens : counts.output_tokens) = *n;
  }
  return counts;
}

}  // namespace

UsageObserver::Counts UsageObserver::counts() const noexcept {
  Numbers tail{};
  Numbers head{};
  last_numbers({tail_, tail_size_}, tail);
  if (seen_ > tail_size_) last_numbers({head_, head_size_}, head);
  return preferred(tail, head);
}

// Head and tail as they would have been kept: a long reply is not searched whole.
UsageObserver::Counts UsageObserver::counts_of(std::string_view whole) noexcept {
  Numbers tail{};
  Numbers head{};
  last_numbers(whole.substr(whole.size() - std::min(whole.size(), 2 * kKeep)), tail);
  if (whole.size() > 2 * kKeep) last_numbers(whole.substr(0, kKeep), head);
  return preferred(tail, head);
}

}  // namespace vestibule::dialect
