#include "tokenizer.hpp"

#include <limits>

#include "corpus.hpp"

namespace tiny {
namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

std::vector<int> bytes_of(const std::string& word) {
  std::vector<int> symbols;
  for (const char c : word)
    symbols.push_back(Tokenizer::kFirstByte + static_cast<unsigned char>(c));
  return symbols;
}

// Replaces each adjacent (a, b) by `merged`.
void merge_pair(std::vector<int>& symbols, int a, int b, int merged) {
  for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
    if (symbols[i] != a || symbols[i + 1] != b) continue;
    symbols[i] = merged;
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(i) + 1);
  }
}

}  // namespace

Tokenizer::Tokenizer(const std::vector<std::string>& texts, int size) {
  pieces_ = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"};
  for (int i = 0; i < 256; ++i) pieces_.emplace_back(1, static_cast<char>(i));

  std::map<std::string, long> counts;
  for (const std::string& text : texts) {
    for (std::size_t i = 0; i < text.size();) {
      std::size_t end = i;
      while (end < text.size() && is_letter(text[end])) ++end;
      if (end > i) ++counts[text.substr(i, end - i)];
      i = end > i ? end : i + 1;
    }
  }
  std::vector<std::pair<std::vector<int>, long>> words;
  for (const auto& [word, count] : counts) {
    if (count >= 3) words.emplace_back(bytes_of(word), count);
  }
  while (this->size() < size) {
    std::map<std::pair<int, int>, long> pairs;
    for (const auto& [symbols, count] : words) {
      for (std::size_t i = 0; i + 1 < symbols.size(); ++i)
        pairs[{symbols[i], symbols[i + 1]}] += count;
    }
    std::pair<int, int> best{};
    long best_count = 0;
    for (const auto& [pair, count] : pairs) {
      if (count > best_count) {
        best = pair;
        best_count = count;
      }
    }
    if (best_count == 0) break;
    const int merged = this->size();
    rank_[best] = static_cast<int>(merges_.size());
    merges_.push_back(best);
    pieces_.push_back(piece(best.first) + piece(best.second));
    for (auto& word : words) merge_pair(word.first, best.first, best.second, merged);
  }
}

void Tokenizer::encode_word(const std::string& word, std::vector<int>& tokens) {
  const auto found = cache_.find(word);
  if (found != cache_.end()) {
    tokens.insert(tokens.end(), found->second.begin(), found->second.end());
    return;
  }
  std::vector<int> symbols = bytes_of(word);
  for (;;) {
    // The earliest learned merge first, leftmost first: as llama.cpp does.
    int best = std::numeric_limits<int>::max();
    std::size_t at = 0;
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
      const auto rank = rank_.find({symbols[i], symbols[i + 1]});
      if (rank != rank_.end() && rank->second < best) {
        best = rank->second;
        at = i;
      }
    }
    if (best == std::numeric_limits<int>::max()) break;
    symbols[at] = kFirstMerge + best;
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
  tokens.insert(tokens.end(), symbols.begin(), symbols.end());
  if (cache_.size() < 200000) cache_.emplace(word, std::move(symbols));
}

void Tokenizer::encode(const std::string& text, std::vector<int>& tokens) {
  for (std::size_t i = 0; i < text.size();) {
    if (is_letter(text[i])) {
      std::size_t end = i;
      while (end < text.size() && is_letter(text[end])) ++end;
      encode_word(text.substr(i, end - i), tokens);
      i = end;
      continue;
    }
    if (text[i] == kStart)
      tokens.push_back(kImStart);
    else if (text[i] == kEnd)
      tokens.push_back(kImEnd);
    else
      tokens.push_back(kFirstByte + static_cast<unsigned char>(text[i]));
    ++i;
  }
}

}  // namespace tiny
